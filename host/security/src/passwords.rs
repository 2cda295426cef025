//! Passwords verified and hashed on threads of their own, since each keeps a core busy for some ten milliseconds.
//! Signatures, too, which cost less and can be sent as often.
//!
//! Enters: passwords and signatures from tasks that must not block, with what is stored for the user, if there is
//! such a user. Leaves: verdicts and new texts to be stored, or that too many are waiting. Guarantees: at most half
//! of the cores work on passwords, behind everything else that wants to run. The queue is bounded, and shared by
//! network and name (`turns.rs`). A wrong password takes the same work whether the user exists or not. Passwords are
//! erased from memory when they are done with. An idle service holds no memory to hash in.
//!
//! A first attempt waits for `FIRST_PATIENCE` at most, beside all others. One that had no turn by then is checked all
//! the same when there is such a user. Names that nobody has are without number. Those of users are few, and are
//! locked after some wrong passwords. Only a right password is told from it. A wrong one is answered as the name that
//! nobody has: that there are too many, `PATIENCE` after the attempt. So nobody learns which names there are.

mod job;

use self::job::{Looked, Ticket, Work};
use super::digest;
use super::nonce::Nonce;
use super::password::{self, LONGEST, PasswordError, Stored, Verdict, Workspace};
use super::random::random;
use super::recent::Recent;
use super::turns::{Applicant, Class, Network, PLACES, Turns};
use data_encoding::BASE64;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// How long an attempt waits among all others.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// When clients get the error that there are too many. Clients wait for a minute, and a machine with too much else to do takes
/// half a second for a password.
const PATIENCE: Duration = Duration::from_secs(8);

/// From how many networks which user has logged in is remembered.
const KNOWN: usize = 10_000;

/// How long a thread keeps its memory for the next password. Taking it anew costs a quarter of a hash.
const MEMORY_KEPT: Duration = Duration::from_secs(1);
/// How much the threads step back behind others. With the most there is, nobody could log in while calls take all processors.
const NICE: i32 = 10;

/// A text as happn stores it, for a password that nobody has: it costs what a text of a real happn costs.
const DUMMY_PBKDF2: &str = concat!(
    "pbkdf2$10000$",
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "000000000000$",
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "000000000000$sha512",
);

/// Too many passwords are waiting already, or the service is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many logins at once")]
pub struct Busy;

/// An attempt that is answered by [`Busy`], once it is time.
#[derive(Debug)]
#[must_use]
pub struct Refused {
    /// Whether it counts as a wrong one.
    pub counts: bool,
    until: Instant,
}

impl Refused {
    /// Waits until it is time to say so.
    pub async fn wait(self) -> Busy {
        tokio::time::sleep_until(self.until.into()).await;
        Busy
    }
}

/// A key and a signature that somebody logs in with.
#[derive(Debug)]
pub struct Signed {
    /// The key.
    pub public_key: String,
    /// The texts that may have been signed.
    pub nonces: Vec<Nonce>,
    /// The signature.
    pub digest: String,
}

/// Why there is no new text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HashError {
    /// Too many are waiting.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The password cannot be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Why the service cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no text to compare the passwords of unknown users with.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There are no threads.
    #[error("no thread to hash passwords on: {0}")]
    Thread(#[from] io::Error),
}

/// The service. Its threads end when it is dropped.
#[derive(Debug)]
pub struct Passwords {
    shared: Arc<Shared>,
    /// Makes numbers of names.
    hasher: RandomState,
    patience: Patience,
}

/// How long attempts wait.
#[derive(Clone, Copy, Debug)]
struct Patience {
    first: Duration,
    whole: Duration,
}

/// The state that the threads share with the callers.
struct Shared {
    queue: Mutex<Queue>,
    /// Rung when there is something in the queue, and when it closes.
    bell: Condvar,
    /// A text that no password fits.
    dummy: String,
    /// Whether users have texts of happn: from then on each wrong password costs what both kinds cost together.
    has_pbkdf2: AtomicBool,
}

/// The client that waits for a thread.
struct Queue {
    turns: Turns<Ticket>,
    /// Names that have logged in, with their addresses.
    known: Recent<()>,
    closed: bool,
}

/// A text that no password fits. It is the same for the whole process, since nobody knows what it was made from.
fn dummy() -> Result<String, PasswordError> {
    static DUMMY: OnceLock<String> = OnceLock::new();
    if let Some(known) = DUMMY.get() {
        return Ok(known.clone());
    }
    let nobody = BASE64.encode(&random::<32>()?);
    let made = password::hash(&nobody)?;
    Ok(DUMMY.get_or_init(|| made).clone())
}

impl Passwords {
    /// Starts the threads: half as many as there are cores, and at least one.
    ///
    /// # Errors
    ///
    /// When there are no random bytes, or no threads.
    pub fn start() -> Result<Passwords, StartError> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let patience = Patience {
            first: FIRST_PATIENCE,
            whole: PATIENCE,
        };
        Passwords::with_threads((cores / 2).max(1), patience)
    }

    fn with_threads(threads: usize, patience: Patience) -> Result<Passwords, StartError> {
        let passwords = Passwords {
            shared: Arc::new(Shared {
                queue: Mutex::new(Queue {
                    turns: Turns::new(PLACES),
                    known: Recent::new(KNOWN),
                    closed: false,
                }),
                bell: Condvar::new(),
                dummy: dummy()?,
                has_pbkdf2: AtomicBool::new(false),
            }),
            hasher: RandomState::new(),
            patience,
        };
        for _ in 0..threads {
            let shared = Arc::clone(&passwords.shared);
            thread::Builder::new()
                .name("password".to_owned())
                .spawn(move || shared.work())?;
        }
        Ok(passwords)
    }

    /// Says that there are users with texts of happn. Noticed at the first login of one, too; said early, it makes
    /// unknown users cost the same as those from the first login on.
    pub fn expect_pbkdf2(&self) {
        self.shared.has_pbkdf2.store(true, Ordering::Relaxed);
    }

    /// Notes that a user has logged in from an address.
    pub fn note_login(&self, address: IpAddr, username: &str) {
        let key = key_of(self.applicant(address, username));
        self.shared.lock().known.put(&key, ());
    }

    /// Whether the password of somebody who wants to log in is right. `stored` is what the store holds for the user; nothing
    /// for an unknown one, or one that has no password.
    ///
    /// # Errors
    ///
    /// When too many are waiting.
    pub async fn verify(
        &self,
        (address, username): (IpAddr, &str),
        password: String,
        stored: Option<String>,
    ) -> Result<Verdict, Refused> {
        let who = self.applicant(address, username);
        let work = |answer| password_work(password, stored, answer);
        self.attempt(who, work).await
    }

    /// Whether the signature of somebody who wants to log in is right. `is_of_user` says whether the key is that of the user.
    ///
    /// # Errors
    ///
    /// When too many are waiting.
    pub async fn verify_signature(
        &self,
        (address, username): (IpAddr, &str),
        signed: Signed,
        is_of_user: bool,
    ) -> Result<bool, Refused> {
        let who = self.applicant(address, username);
        let signed = match digest::is_worth_a_look(&signed.public_key, &signed.digest) {
            true => signed,
            false => return Ok(false),
        };
        let work = |answer| Work::Signature {
            signed: Box::new(signed),
            is_of_user,
            answer,
        };
        let verdict = self.attempt(who, work).await?;
        Ok(verdict != Verdict::Wrong)
    }

    async fn attempt(
        &self,
        who: Applicant,
        work: impl FnOnce(oneshot::Sender<Looked>) -> Work,
    ) -> Result<Verdict, Refused> {
        let now = Instant::now();
        let (answer, looked) = oneshot::channel();
        let work = work(answer);
        let is_of_user = work.is_of_user();
        let until = now + self.patience.whole;
        let ticket = Ticket {
            class: Class::Attempt,
            who,
            until,
            work,
        };
        let refused = |counts| Err(Refused { counts, until });
        if self.shared.submit(ticket, now + self.patience.first).is_err() {
            return Err(Refused {
                counts: false,
                until: now,
            });
        }
        match looked.await {
            Ok(looked) if looked.is_first || looked.verdict != Verdict::Wrong => Ok(looked.verdict),
            Ok(_) => refused(true),
            // A name that nobody has counts as one whose password was looked at.
            Err(_) => refused(!is_of_user),
        }
    }

    /// Whether the password of somebody who is logged in, or of the host itself, is right.
    ///
    /// # Errors
    ///
    /// When too many are waiting: at once, without any work.
    pub async fn verify_own(
        &self,
        username: &str,
        password: String,
        stored: Option<String>,
    ) -> Result<Verdict, Busy> {
        let (answer, looked) = oneshot::channel();
        self.submit_own(username, password_work(password, stored, answer))?;
        Ok(looked.await.map_err(|_| Busy)?.verdict)
    }

    /// A text to be stored for the password that somebody wants to have, or that somebody gives to others.
    ///
    /// # Errors
    ///
    /// When too many are waiting, or the password is too long.
    pub async fn hash(&self, by: &str, password: String) -> Result<String, HashError> {
        let password = Zeroizing::new(password);
        if password.len() > LONGEST {
            return Err(PasswordError::TooLong.into());
        }
        let (answer, text) = oneshot::channel();
        self.submit_own(by, Work::Hash { password, answer })?;
        Ok(text.await.map_err(|_| Busy)??)
    }

    fn submit_own(&self, username: &str, work: Work) -> Result<(), Busy> {
        let who = Applicant {
            network: Network::NONE,
            name: self.hasher.hash_one(username),
        };
        let until = Instant::now() + Duration::from_secs(60);
        let ticket = Ticket {
            class: Class::Session,
            who,
            until,
            work,
        };
        self.shared.submit(ticket, until)
    }

    fn applicant(&self, address: IpAddr, username: &str) -> Applicant {
        Applicant {
            network: Network::of(address),
            name: self.hasher.hash_one(username),
        }
    }

    /// How many passwords wait for a thread.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.shared.lock().turns.len()
    }
}

fn key_of(who: Applicant) -> String {
    format!("{who:?}")
}

fn password_work(password: String, stored: Option<String>, answer: oneshot::Sender<Looked>) -> Work {
    let password = Zeroizing::new(password);
    // A password that is too long is wrong. It costs the same as a wrong one, but does not wait in memory.
    let (password, stored) = match password.len() > LONGEST {
        true => (Zeroizing::default(), None),
        false => (password, stored),
    };
    Work::Password {
        password,
        stored,
        answer,
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.bell.notify_all();
    }
}

impl Queue {
    /// Lets somebody wait until a time, and somebody else go on or go.
    fn push(&mut self, ticket: Ticket, until: Instant) {
        if self.turns.is_full(ticket.class) {
            // Those whose clients have gone meanwhile give their places to those who are still there.
            self.turns
                .remove_where(ticket.class, |ticket| ticket.work.is_abandoned());
        }
        if let Some(surplus) = self.turns.push(ticket.class, ticket.who, until, ticket) {
            self.go_on(surplus);
        }
    }

    /// Lets somebody who had no turn among the first wait on, if that is a user. Others are dropped, which tells them.
    fn go_on(&mut self, mut ticket: Ticket) {
        if ticket.class != Class::Attempt || !ticket.work.is_of_user() || ticket.work.is_abandoned() {
            return;
        }
        let is_known = self.known.get(&key_of(ticket.who)).is_some();
        ticket.class = match is_known {
            true => Class::Known,
            false => Class::User,
        };
        let until = ticket.until;
        self.push(ticket, until);
    }

    fn expire(&mut self, now: Instant) {
        for class in [Class::Attempt, Class::User, Class::Known] {
            for ticket in self.turns.expire(class, now) {
                self.go_on(ticket);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, ticket: Ticket, until: Instant) -> Result<(), Busy> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Busy);
        }
        queue.push(ticket, until);
        drop(queue);
        self.bell.notify_one();
        Ok(())
    }

    /// The loop of each thread.
    fn work(&self) {
        // Where the system does not allow it, passwords are hashed at the usual priority.
        let _ = rustix::process::nice(NICE);
        let mut workspace = Workspace::default();
        while let Some(ticket) = self.next(&mut workspace) {
            ticket.run(self, &mut workspace);
        }
    }

    /// Waits for somebody, holding no memory when nobody comes for a while. Nothing when the service has ended.
    fn next(&self, workspace: &mut Workspace) -> Option<Ticket> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            queue.expire(Instant::now());
            if let Some(ticket) = queue.turns.pop() {
                return Some(ticket);
            }
            if workspace.is_empty() {
                queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.bell.wait_timeout(queue, MEMORY_KEPT);
            let (waited, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = waited;
            if outcome.timed_out() {
                workspace.clear();
            }
        }
    }

    /// Whether the password is right; a wrong one costs the same whatever is stored.
    fn verify(&self, workspace: &mut Workspace, password: &str, stored: Option<&str>) -> Verdict {
        let stored = stored.and_then(Stored::parse);
        let is_pbkdf2 = matches!(stored, Some(Stored::Pbkdf2 { .. }));
        let is_argon2 = matches!(stored, Some(Stored::Argon2 { .. }));
        if is_pbkdf2 {
            self.has_pbkdf2.store(true, Ordering::Relaxed);
        }
        let verdict = stored.map_or(Verdict::Wrong, |stored| stored.verify(workspace, password));
        if verdict == Verdict::Wrong {
            let mut pretend = |dummy| {
                if let Some(dummy) = Stored::parse(dummy) {
                    std::hint::black_box(dummy.verify(workspace, password));
                }
            };
            if !is_argon2 {
                pretend(&self.dummy);
            }
            if !is_pbkdf2 && self.has_pbkdf2.load(Ordering::Relaxed) {
                pretend(DUMMY_PBKDF2);
            }
        }
        verdict
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Shared")
    }
}

#[cfg(test)]
mod tests;
