//! Finding, serving and asking control sockets.

use crate::deployment::{Deployment, Plan, SwapRequest};
use crate::mesh::Status;
use crate::swap::{Ongoing, Progress, Report};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests longer than this are not read.
const LONGEST_REQUEST: u64 = 64 * 1024;
/// How long a host may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    /// The state of the mesh.
    Status,
    /// Load a library in the place of a version, or beside it.
    Swap {
        /// What, and in whose place.
        swap: SwapRequest,
        /// Answer only when the probation is over.
        wait: bool,
    },
    /// Make the mesh what mesh.toml says.
    Apply {
        /// In spite of objections.
        insist: bool,
        /// Answer only when the probation is over.
        wait: bool,
    },
    /// Say what a swap would do, or without one what [`Request::Apply`] would.
    Plan {
        /// The swap.
        swap: Option<SwapRequest>,
    },
}

/// What is answered: any number of [`Reply::Progress`], then one other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The state of the mesh.
    Status(Box<Status>),
    /// It goes on.
    Progress(Progress),
    /// What became of a swap.
    Report(Box<Report>),
    /// What a swap would do.
    Plan(Plan),
    /// It was not even tried, for this reason.
    Error(String),
}

/// Why a running host could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ControlError {
    kind: ControlErrorKind,
    message: String,
}

/// Kinds of [`ControlError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlErrorKind {
    /// No host runs with this configuration.
    NotRunning,
    /// A host runs but did not answer as it should.
    NoAnswer,
}

impl ControlError {
    /// What kind of failure it was.
    pub fn kind(&self) -> ControlErrorKind {
        self.kind
    }
}

/// The folder for what a running host needs to keep: of this user alone.
pub fn run_folder() -> PathBuf {
    // The owner of /proc/self is the user of this process.
    let user = fs::metadata("/proc/self").map_or(0, |about| about.uid());
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(folder) if folder.is_absolute() && folder.is_dir() => folder.join("mesh-host"),
        _ => std::env::temp_dir().join(format!("mesh-host-{user}")),
    }
}

/// As [`run_folder`], made where it is missing.
///
/// # Errors
///
/// When it cannot be made, or when it is not a folder that this user alone can reach: what lies in it is executed.
pub fn private_run_folder() -> io::Result<PathBuf> {
    let folder = run_folder();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    let about = fs::symlink_metadata(&folder)?;
    let user = fs::metadata("/proc/self").map_or(0, |about| about.uid());
    if !about.is_dir() || about.uid() != user || about.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "{} must be a folder of this user alone",
            folder.display()
        )));
    }
    Ok(folder)
}

/// The beginning of the names of the sockets of hosts that run with this configuration file.
fn prefix(config: &Path) -> String {
    let path = fs::canonicalize(config).unwrap_or_else(|_| config.to_owned());
    // FNV-1a: names must be equal between builds, which the standard library's hasher does not promise.
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}-")
}

/// A control socket being served. Removed when dropped.
pub struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Control {
    /// Opens the socket for a host that runs with this configuration file.
    ///
    /// # Errors
    ///
    /// When the folder or the socket cannot be made.
    pub fn open(config: &Path, deployment: Arc<Deployment>, url: String) -> io::Result<Control> {
        let folder = private_run_folder()?;
        let path = folder.join(format!("{}{}.sock", prefix(config), std::process::id()));
        let _ = fs::remove_file(&path);
        remove_left_behind(&folder);
        let listener = UnixListener::bind(&path)?;
        let task = tokio::spawn(serve(listener, deployment, url));
        Ok(Control { path, task })
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes sockets of hosts that were killed: nobody listens there any more.
fn remove_left_behind(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "sock")
            && std::os::unix::net::UnixStream::connect(&path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, deployment: Arc<Deployment>, url: String) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (deployment, url) = (deployment.clone(), url.clone());
                tokio::spawn(async move {
                    let _ = answer(stream, &deployment, &url).await;
                });
            }
            Err(error) => {
                tracing::warn!("the control socket cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, deployment: &Arc<Deployment>, url: &str) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LONGEST_REQUEST));
    tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Status) => Reply::Status(Box::new(deployment.mesh().status(url))),
        Ok(Request::Plan { swap }) => {
            let plan = match swap {
                Some(swap) => deployment.plan_swap(&swap).await,
                None => deployment.plan_apply().await,
            };
            plan.map_or_else(Reply::Error, Reply::Plan)
        }
        Ok(Request::Apply { insist, wait }) => {
            let (sender, progress) = mpsc::unbounded_channel();
            let own = deployment.clone();
            let swap = tokio::spawn(async move { own.apply(insist, Some(sender)).await });
            report(swap, wait, progress, &mut write).await?
        }
        Ok(Request::Swap { swap, wait }) => {
            let (sender, progress) = mpsc::unbounded_channel();
            // The swap goes on when the client does not want to know any more.
            let own = deployment.clone();
            let swap = tokio::spawn(async move { own.swap(swap, Some(sender)).await });
            report(swap, wait, progress, &mut write).await?
        }
        Err(error) => Reply::Error(format!("not a request: {error}")),
    };
    send(&mut write, &reply).await
}

/// Tells of a swap's progress until it has switched, or until it is over.
async fn report(
    mut swap: JoinHandle<Result<Ongoing, String>>,
    wait: bool,
    mut progress: mpsc::UnboundedReceiver<Progress>,
    write: &mut OwnedWriteHalf,
) -> io::Result<Reply> {
    let ongoing = loop {
        tokio::select! {
            biased;
            Some(progress) = progress.recv() => send(write, &Reply::Progress(progress)).await?,
            ongoing = &mut swap => break ongoing,
        }
    };
    let ongoing = match ongoing {
        Ok(Ok(ongoing)) => ongoing,
        Ok(Err(reason)) => return Ok(Reply::Error(reason)),
        Err(error) => return Ok(Reply::Error(format!("the swap ended unexpectedly: {error}"))),
    };
    if !wait || ongoing.report.ending.is_some() {
        return Ok(Reply::Report(Box::new(ongoing.report)));
    }
    let mut end = ongoing.end;
    loop {
        tokio::select! {
            biased;
            Some(progress) = progress.recv() => send(write, &Reply::Progress(progress)).await?,
            report = &mut end => {
                return Ok(Reply::Report(Box::new(report.unwrap_or(ongoing.report))));
            }
        }
    }
}

async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut text = serde_json::to_string(reply).unwrap_or_default();
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

/// The sockets of hosts that run with this configuration file, the one started last first.
pub fn find(config: &Path) -> Vec<PathBuf> {
    let prefix = prefix(config);
    let entries = fs::read_dir(run_folder()).into_iter().flatten().flatten();
    let mut sockets: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| {
            (
                entry.metadata().and_then(|about| about.modified()).ok(),
                entry.path(),
            )
        })
        .collect();
    sockets.sort();
    sockets.into_iter().rev().map(|(_, path)| path).collect()
}

/// Asks the hosts that run with this configuration file for their state, the one started last first.
///
/// # Errors
///
/// When none runs, or none answers.
pub async fn status(config: &Path) -> Result<Vec<Status>, ControlError> {
    let mut found = Vec::new();
    let mut trouble = None;
    for socket in find(config) {
        match ask(&socket, &Request::Status).await {
            Ok(Reply::Status(status)) => found.push(*status),
            Ok(Reply::Error(message)) => trouble = Some(message),
            Ok(_) => trouble = Some("it answered something else".to_owned()),
            // A host that was killed leaves its socket behind.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => drop(fs::remove_file(&socket)),
            Err(error) => trouble = Some(error.to_string()),
        }
    }
    match trouble {
        _ if !found.is_empty() => Ok(found),
        Some(message) => Err(ControlError {
            kind: ControlErrorKind::NoAnswer,
            message: format!("the host does not answer: {message}"),
        }),
        None => Err(ControlError {
            kind: ControlErrorKind::NotRunning,
            message: format!("no host of this user runs with {}", config.display()),
        }),
    }
}

async fn ask(socket: &Path, request: &Request) -> io::Result<Reply> {
    let exchange = async {
        let mut replies = begin(socket, request).await?;
        next(&mut replies).await
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn begin(socket: &Path, request: &Request) -> io::Result<BufReader<UnixStream>> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await?;
    Ok(BufReader::new(stream))
}

async fn next(replies: &mut BufReader<UnixStream>) -> io::Result<Reply> {
    let mut line = String::new();
    if replies.read_line(&mut line).await? == 0 {
        return Err(io::Error::other("it ended before it answered"));
    }
    Ok(serde_json::from_str(&line)?)
}

/// Asks the one host that runs with this configuration file for something that takes a while. `told` hears of its
/// progress.
///
/// # Errors
///
/// When none runs, several do, or it does not answer.
pub async fn request(
    config: &Path,
    request: &Request,
    mut told: impl FnMut(&Progress),
) -> Result<Reply, ControlError> {
    let failed = |kind, message| ControlError { kind, message };
    let running = status(config).await?;
    if let [one, another, ..] = &*running {
        return Err(failed(
            ControlErrorKind::NoAnswer,
            format!(
                "several hosts run with {} (pid {} and {}): end all but one",
                config.display(),
                one.pid,
                another.pid
            ),
        ));
    }
    let trouble = |error: io::Error| {
        failed(
            ControlErrorKind::NoAnswer,
            format!("the host does not answer: {error}"),
        )
    };
    let Some(socket) = find(config).into_iter().next() else {
        return Err(trouble(io::ErrorKind::NotFound.into()));
    };
    let mut replies = begin(&socket, request).await.map_err(trouble)?;
    loop {
        match next(&mut replies).await.map_err(trouble)? {
            Reply::Progress(progress) => told(&progress),
            reply => return Ok(reply),
        }
    }
}
