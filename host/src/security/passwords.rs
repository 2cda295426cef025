//! Passwords verified and hashed on threads of their own, since each keeps a core busy for some ten milliseconds.
//!
//! What enters: passwords from tasks that must not block, with what is stored for the user, if there is such a user. What
//! leaves: verdicts and new texts to be stored; or at once that too many are waiting.
//! Guarantees: at most half of the cores work on passwords, behind everything else that wants to run; what waits is bounded;
//! a wrong password takes the same work whether the user exists or not; passwords are erased from memory
//! when they are done with; an idle service holds no memory to hash in.

use super::password::{self, LONGEST, PasswordError, Stored, Verdict, Workspace};
use super::random::random;
use data_encoding::BASE64;
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use thiserror::Error;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// How many passwords may wait.
pub const WAITING: usize = 256;

/// How much the threads step back behind others: the most there is.
const NICE: i32 = 19;

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
}

/// What the threads share with the callers.
struct Shared {
    queue: Mutex<Queue>,
    /// Rung when there is something in the queue, and when it closes.
    bell: Condvar,
    /// A text that no password fits.
    dummy: String,
    /// Whether users have texts of happn: from then on each wrong password costs what both kinds cost together.
    has_pbkdf2: AtomicBool,
}

/// Passwords that wait for a thread.
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

enum Job {
    Verify {
        password: Zeroizing<String>,
        stored: Option<String>,
        answer: oneshot::Sender<Verdict>,
    },
    Hash {
        password: Zeroizing<String>,
        answer: oneshot::Sender<Result<String, PasswordError>>,
    },
}

impl Passwords {
    /// Starts the threads: half as many as there are cores, and at least one.
    ///
    /// # Errors
    ///
    /// When there are no random bytes, or no threads.
    pub fn start() -> Result<Passwords, StartError> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Passwords::with_threads((cores / 2).max(1))
    }

    fn with_threads(threads: usize) -> Result<Passwords, StartError> {
        let nobody = BASE64.encode(&random::<32>().map_err(PasswordError::from)?);
        let passwords = Passwords {
            shared: Arc::new(Shared {
                queue: Mutex::new(Queue {
                    jobs: VecDeque::new(),
                    closed: false,
                }),
                bell: Condvar::new(),
                dummy: password::hash(&nobody)?,
                has_pbkdf2: AtomicBool::new(false),
            }),
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

    /// Whether the password is right. `stored` is what the store holds for the user; nothing for an unknown one, or one
    /// that has no password.
    ///
    /// # Errors
    ///
    /// When too many are waiting: at once, without any work.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<Verdict, Busy> {
        let password = Zeroizing::new(password);
        // What is too long is wrong, and costs what a wrong one costs, but does not wait in memory.
        let (password, stored) = if password.len() > LONGEST {
            (Zeroizing::default(), None)
        } else {
            (password, stored)
        };
        let (answer, verdict) = oneshot::channel();
        self.shared.submit(Job::Verify {
            password,
            stored,
            answer,
        })?;
        verdict.await.map_err(|_| Busy)
    }

    /// A text to be stored for the password.
    ///
    /// # Errors
    ///
    /// When too many are waiting, or the password is too long.
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        let password = Zeroizing::new(password);
        if password.len() > LONGEST {
            return Err(PasswordError::TooLong.into());
        }
        let (answer, text) = oneshot::channel();
        self.shared.submit(Job::Hash { password, answer })?;
        Ok(text.await.map_err(|_| Busy)??)
    }

    /// How many passwords wait for a thread.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.bell.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, job: Job) -> Result<(), Busy> {
        let mut queue = self.lock();
        if queue.jobs.len() >= WAITING {
            // Those whose clients have gone meanwhile give their places to those who are still there.
            queue.jobs.retain(|job| !job.is_abandoned());
        }
        if queue.jobs.len() >= WAITING {
            return Err(Busy);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.bell.notify_one();
        Ok(())
    }

    /// What each thread does.
    fn work(&self) {
        // Where the system does not allow it, passwords are hashed at the usual priority.
        let _ = rustix::process::nice(NICE);
        let mut workspace = Workspace::default();
        while let Some(job) = self.next(&mut workspace) {
            job.run(self, &mut workspace);
        }
    }

    /// Waits for a password, holding no memory meanwhile. Nothing when the service has ended.
    fn next(&self, workspace: &mut Workspace) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            workspace.clear();
            queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
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

impl Job {
    fn is_abandoned(&self) -> bool {
        match self {
            Job::Verify { answer, .. } => answer.is_closed(),
            Job::Hash { answer, .. } => answer.is_closed(),
        }
    }

    fn run(self, shared: &Shared, workspace: &mut Workspace) {
        if self.is_abandoned() {
            return;
        }
        // Nobody listens any more: that is the caller's affair.
        match self {
            Job::Verify {
                password,
                stored,
                answer,
            } => {
                let _ = answer.send(shared.verify(workspace, &password, stored.as_deref()));
            }
            Job::Hash { password, answer } => {
                let _ = answer.send(password::hash_in(workspace, &password));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    const HAPPN: &str = concat!(
        "pbkdf2$10000$f1727f88cf81977c4bb1eab0c4c7682796a4370de0ed1b1887f5797168cbe4bf",
        "a6d9ceeb03cbf2849b7644f7ad0c9f681dcaa74b9b1bef207d44fe49dcb9e383$",
        "c426fcaf2e0365af6021d06b03e9c2047f07d52a871d382e80fc7b5d958133b3",
        "0320f89517c56687895cc23267a05d63246e6868d85d8dd54110f5e0cba936b9$sha512",
    );

    fn poll_once(future: std::pin::Pin<&mut impl Future>) -> bool {
        matches!(
            future.poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(_)
        )
    }

    #[tokio::test]
    async fn a_user_of_happn_logs_in_and_gets_a_better_hash() {
        let passwords = Passwords::start().unwrap();
        let verdict = passwords.verify("pw".into(), Some(HAPPN.into())).await;
        assert_eq!(verdict, Ok(Verdict::Right { outdated: true }));
        let text = passwords.hash("pw".into()).await.unwrap();
        let verdict = passwords.verify("pw".into(), Some(text.clone())).await;
        assert_eq!(verdict, Ok(Verdict::Right { outdated: false }));
        assert_eq!(
            passwords.verify("PW".into(), Some(text)).await,
            Ok(Verdict::Wrong)
        );
        assert_eq!(
            passwords.verify("PW".into(), Some(HAPPN.into())).await,
            Ok(Verdict::Wrong)
        );
    }

    #[tokio::test]
    async fn unknown_users_and_passwords_that_are_too_long_are_wrong() {
        let passwords = Passwords::start().unwrap();
        passwords.expect_pbkdf2();
        assert_eq!(passwords.verify("pw".into(), None).await, Ok(Verdict::Wrong));
        assert_eq!(
            passwords.verify("pw".into(), Some("not a hash".into())).await,
            Ok(Verdict::Wrong)
        );
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(
            passwords.verify(long.clone(), Some(HAPPN.into())).await,
            Ok(Verdict::Wrong)
        );
        assert_eq!(passwords.hash(long).await, Err(PasswordError::TooLong.into()));
        let longest = "x".repeat(LONGEST);
        let text = passwords.hash(longest.clone()).await.unwrap();
        let verdict = passwords.verify(longest, Some(text)).await;
        assert_eq!(verdict, Ok(Verdict::Right { outdated: false }));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_told_at_once_and_abandoned_places_are_given_away() {
        // No thread takes anything out.
        let passwords = Passwords::with_threads(0).unwrap();
        let mut waiting: Vec<_> = (0..WAITING)
            .map(|_| Box::pin(passwords.verify("pw".into(), None)))
            .collect();
        for future in &mut waiting {
            assert!(!poll_once(future.as_mut()));
        }
        assert_eq!(passwords.waiting(), WAITING);
        assert_eq!(passwords.verify("pw".into(), None).await, Err(Busy));
        assert_eq!(passwords.hash("pw".into()).await, Err(HashError::Busy(Busy)));
        drop(waiting.split_off(10));
        let mut next = pin!(passwords.verify("pw".into(), None));
        assert!(!poll_once(next.as_mut()));
        assert_eq!(passwords.waiting(), 11);
    }

    #[test]
    fn the_dummies_are_of_the_kind_they_stand_for() {
        let passwords = Passwords::with_threads(0).unwrap();
        assert!(matches!(
            Stored::parse(&passwords.shared.dummy),
            Some(Stored::Argon2 { outdated: false, .. })
        ));
        let Some(Stored::Pbkdf2 {
            rounds, key, salt, ..
        }) = Stored::parse(DUMMY_PBKDF2)
        else {
            panic!("not a text of happn");
        };
        assert_eq!((rounds.get(), key.len(), salt.len()), (10_000, 64, 64));
    }
}
