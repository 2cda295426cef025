//! A library is tried out in a process of its own before the host opens it.
//!
//! Enters: the private copy of a library, a limit of time, and how an instance of it would be made. Leaves: the library's description, or one sentence
//! about why it is refused. Guarantees: nothing of the library runs in this process; whatever it does there (crash,
//! exit, hang), the answer comes within the limit. The process that tries it out has none of the host's sockets,
//! files or `MESH_…` variables. The same bytes are tried out once.

mod ending;
pub(crate) mod report;

pub use ending::how;
pub(super) use report::Life;

use super::{LoadError, LoadErrorKind};
use report::{Message, Order, Said};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// So many libraries that were found to be good are remembered.
const MOST_REMEMBERED: usize = 64;
/// How long the process may take to end when all is said.
const END_TIME: Duration = Duration::from_secs(5);
/// Steps of an instance's life: it is created, started and ended.
const LIFE_STEPS: u32 = 4;
/// A step of an instance's life has its own limit in the process, which says more; this one lies so far behind it.
const BEHIND: Duration = Duration::from_secs(5);

/// The command that tries a library out; hidden, since nobody but the host uses it.
pub const COMMAND: &str = "rehearse-library";

/// How much of a library is tried out before it is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// It is opened, asked what it is, and closed.
    #[default]
    Load,
    /// As [`Extent::Load`]. Then an instance with the real configuration is created, started and ended.
    Life,
    /// Nothing. Libraries that are only looked at are tried out all the same.
    Off,
}

/// How libraries are tried out.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    /// The program that is started with [`COMMAND`]; `None` when libraries are not tried out.
    program: Option<PathBuf>,
    extent: Extent,
    /// Within a rehearsal: the copy that is tried out.
    copy: Option<PathBuf>,
    /// Those that were found to be good, the oldest first.
    known: Arc<Mutex<Vec<Known>>>,
    /// Plays all libraries, where a test does.
    #[cfg(feature = "testing")]
    player: Option<Arc<dyn super::played::Player>>,
}

/// A library that was found to be good.
#[derive(Debug)]
struct Known {
    digest: u128,
    /// The stack of the thread that opened it.
    stack_bytes: usize,
    /// The instance that was tried out, if one was.
    life: Option<Life>,
    said: Said,
}

impl Known {
    fn covers(&self, trial: &Trial<'_>) -> bool {
        self.digest == trial.digest
            && self.stack_bytes <= trial.stack_bytes
            && (trial.life.is_none() || self.life == trial.life)
    }
}

/// A library to try out.
pub(super) struct Trial<'a> {
    /// Its private copy.
    pub(super) file: &'a Path,
    /// That of the copy.
    pub(super) digest: u128,
    /// Names the library in errors.
    pub(super) shown: &'a str,
    /// How long each step may take.
    pub(super) limit: Duration,
    /// The stack of the thread that opens it.
    pub(super) stack_bytes: usize,
    /// The instance to make of it, when one is to be made.
    pub(super) life: Option<Life>,
}

/// The process that tries a library out. It and all that it started ends with the value that stands for it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Rehearsal {
    /// Libraries are opened untried.
    pub fn off() -> Rehearsal {
        Rehearsal::default()
    }

    /// Libraries are tried out by a program that calls `inside::main` when it is started with [`COMMAND`].
    pub fn by(program: PathBuf) -> Rehearsal {
        Rehearsal {
            program: Some(program),
            ..Rehearsal::default()
        }
    }

    /// Within a rehearsal: libraries are opened as this copy, which is another process's.
    pub(crate) fn within(copy: PathBuf) -> Rehearsal {
        Rehearsal {
            copy: Some(copy),
            ..Rehearsal::default()
        }
    }

    /// No library is opened: a test plays all of them.
    #[cfg(feature = "testing")]
    pub fn played_by(player: Arc<dyn super::played::Player>) -> Rehearsal {
        Rehearsal {
            player: Some(player),
            ..Rehearsal::default()
        }
    }

    #[cfg(feature = "testing")]
    pub(super) fn player(&self) -> Option<&Arc<dyn super::played::Player>> {
        self.player.as_ref()
    }

    pub(super) fn copy(&self) -> Option<&Path> {
        self.copy.as_deref()
    }

    /// The same, to this extent. The knowledge of good libraries is shared.
    pub(super) fn with(&self, extent: Extent) -> Rehearsal {
        Rehearsal {
            extent,
            ..self.clone()
        }
    }

    /// How much of a library is tried out before it is loaded.
    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    /// How long a rehearsal may take whose steps may take so long.
    pub(super) fn longest(&self, limit: Duration) -> Duration {
        match self.extent {
            Extent::Load | Extent::Off => limit,
            Extent::Life => limit.saturating_add(LIFE_STEPS * limit.saturating_add(BEHIND)),
        }
    }

    /// Tries out a private copy. `None` when libraries are not tried out. Blocks the thread.
    pub(super) fn of(&self, trial: Trial<'_>) -> Result<Option<Said>, LoadError> {
        let Some(program) = &self.program else {
            return Ok(None);
        };
        if let Some(known) = self.lock().iter().find(|known| known.covers(&trial)) {
            return Ok(Some(known.said.clone()));
        }
        let said = rehearse(program, &trial)?;
        let mut remembered = self.lock();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.remove(0);
        }
        remembered.push(Known {
            digest: trial.digest,
            stack_bytes: trial.stack_bytes,
            life: trial.life,
            said: said.clone(),
        });
        Ok(Some(said))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot(shown: &str, error: &io::Error) -> LoadError {
    LoadError::new(
        LoadErrorKind::Resources,
        format!("{shown} cannot be tried out in a process of its own: {error}"),
    )
}

fn rehearse(program: &Path, trial: &Trial<'_>) -> Result<Said, LoadError> {
    let (shown, limit) = (trial.shown, trial.limit);
    let mut until = Instant::now() + limit;
    let refused = |what: String| LoadError::new(LoadErrorKind::Rehearsal, format!("{shown} {what}"));
    let (mut process, ours) = start(program, trial).map_err(|error| cannot(shown, &error))?;
    let mut step = "while it was tried out".to_owned();
    let mut said = None;
    let mut lines = BufReader::new(ours);
    loop {
        let message = next(&mut lines, until).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                let limit = limit.as_millis();
                refused(format!(
                    "did not return within {limit} ms {step}: a library that hangs would hold the host up"
                ))
            }
            _ => cannot(shown, &error),
        })?;
        match message {
            Some(Message::Step(next)) => step = next,
            Some(Message::LifeStep(next)) => {
                step = next;
                until = Instant::now() + limit + BEHIND;
            }
            Some(Message::Said(found)) => said = Some(found),
            Some(Message::Refused(error)) => return Err(LoadError::new(error.kind(), error.to_string())),
            Some(Message::Done) => break,
            // The process is gone without having said so.
            None => {
                let how = wait(&mut process.0, END_TIME).map_or_else(|| "an unknown status".to_owned(), how);
                return Err(refused(format!(
                    "ends the process with {how} {step}: it would end the host"
                )));
            }
        }
    }
    said.ok_or_else(|| refused("was tried out and said nothing of itself".to_owned()))
}

/// Starts the process, in a group of its own.
fn start(program: &Path, trial: &Trial<'_>) -> io::Result<(Process, UnixStream)> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    command
        .arg(COMMAND)
        .arg(trial.file)
        .arg(trial.shown)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    // Passwords and secrets come in such variables.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MESH_")) {
        command.env_remove(name);
    }
    let process = Process(command.spawn()?);
    // Not an argument, which other users could see: a configuration may hold secrets.
    ours.set_write_timeout(Some(trial.limit.max(Duration::from_millis(1))))?;
    let order = Order {
        stack_bytes: trial.stack_bytes,
        life: trial.life.clone(),
    };
    let mut line = serde_json::to_vec(&order)?;
    line.push(b'\n');
    ours.write_all(&line)?;
    Ok((process, ours))
}

/// The next message; `None` when the process has ended.
fn next(lines: &mut BufReader<UnixStream>, until: Instant) -> io::Result<Option<Message>> {
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let left = until.checked_duration_since(Instant::now()).ok_or_else(late)?;
    lines
        .get_ref()
        .set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    let mut line = Vec::new();
    match lines.read_until(b'\n', &mut line) {
        Ok(_) if line.ends_with(b"\n") => Ok(serde_json::from_slice(&line).ok()),
        // A message that is cut short: the process is gone.
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(late()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error),
    }
}

fn wait(child: &mut Child, patience: Duration) -> Option<std::process::ExitStatus> {
    let until = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(2)),
            _ => return None,
        }
    }
}
