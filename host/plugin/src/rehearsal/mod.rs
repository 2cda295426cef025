//! A library is tried out in a process of its own before the host opens it.
//!
//! Enters: the private copy of a library, and a limit of time. Leaves: the library's description, or one sentence
//! about why it is refused. Guarantees: nothing of the library runs in this process; whatever it does there (crash,
//! exit, hang), the answer comes within the limit. The process that tries it out has none of the host's sockets,
//! files or `MESH_…` variables. The same bytes are tried out once.

mod ending;
pub mod inside;
mod report;

pub use ending::how;

use super::{LoadError, LoadErrorKind};
use report::{Message, Said};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::Xxh3;

/// So many libraries that were found to be good are remembered.
const MOST_REMEMBERED: usize = 64;
/// How long the process may take to end when all is said.
const END_TIME: Duration = Duration::from_secs(5);

/// The command that tries a library out; hidden, since nobody but the host uses it.
pub const COMMAND: &str = "rehearse-library";

/// How libraries are tried out.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    /// The program that is started with [`COMMAND`]; `None` when libraries are not tried out.
    program: Option<PathBuf>,
    /// Those that were found to be good, the oldest first.
    known: Arc<Mutex<Vec<(u128, Said)>>>,
    /// Plays all libraries, where a test does.
    #[cfg(feature = "testing")]
    player: Option<Arc<dyn super::runner::played::Player>>,
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

    /// Libraries are tried out by a program that calls [`inside::main`] when it is started with [`COMMAND`].
    pub fn by(program: PathBuf) -> Rehearsal {
        Rehearsal {
            program: Some(program),
            ..Rehearsal::default()
        }
    }

    /// No library is opened: a test plays all of them.
    #[cfg(feature = "testing")]
    pub fn played_by(player: Arc<dyn super::runner::played::Player>) -> Rehearsal {
        Rehearsal {
            player: Some(player),
            ..Rehearsal::default()
        }
    }

    #[cfg(feature = "testing")]
    pub(super) fn player(&self) -> Option<&Arc<dyn super::runner::played::Player>> {
        self.player.as_ref()
    }

    /// Tries out a private copy. `shown` names the library in errors. `None` when libraries are not tried out. Blocks the thread.
    pub(super) fn of(&self, file: &Path, shown: &str, limit: Duration) -> Result<Option<Said>, LoadError> {
        let Some(program) = &self.program else {
            return Ok(None);
        };
        let digest = digest(file).map_err(|error| cannot(shown, &error))?;
        let known = |known: &(u128, Said)| (known.0 == digest).then(|| known.1.clone());
        if let Some(said) = self.lock().iter().find_map(known) {
            return Ok(Some(said));
        }
        let said = rehearse(program, file, shown, limit)?;
        let mut remembered = self.lock();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.remove(0);
        }
        remembered.push((digest, said.clone()));
        Ok(Some(said))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u128, Said)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot(shown: &str, error: &io::Error) -> LoadError {
    LoadError::new(
        LoadErrorKind::Resources,
        format!("{shown} cannot be tried out in a process of its own: {error}"),
    )
}

/// A number that differs for files that differ.
fn digest(file: &Path) -> io::Result<u128> {
    let file = File::open(file)?;
    let (mut hash, mut offset, mut buffer) = (Xxh3::new(), 0, vec![0; 256 * 1024]);
    loop {
        let count = file.read_at(&mut buffer, offset)?;
        if count == 0 {
            return Ok(hash.digest128());
        }
        hash.update(&buffer[..count]);
        offset += count as u64;
    }
}

fn rehearse(program: &Path, file: &Path, shown: &str, limit: Duration) -> Result<Said, LoadError> {
    let until = Instant::now() + limit;
    let refused = |what: String| LoadError::new(LoadErrorKind::Rehearsal, format!("{shown} {what}"));
    let (mut process, ours) = start(program, file, shown).map_err(|error| cannot(shown, &error))?;
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
fn start(program: &Path, file: &Path, shown: &str) -> io::Result<(Process, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    command
        .arg(COMMAND)
        .arg(file)
        .arg(shown)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    // Passwords and secrets come in such variables.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MESH_")) {
        command.env_remove(name);
    }
    let process = Process(command.spawn()?);
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
