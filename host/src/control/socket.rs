//! Serving and asking control sockets.

use super::address::{self, Address, Bound};
use mesh_cluster::status::Offer;
use mesh_core::mesh::Status;
use mesh_deploy::deployment::{Deployment, DeploymentError, Insistence, Plan, SwapRequest};
use mesh_deploy::swap::{FailureKind, Ongoing, Progress, Report};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
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

/// The answer of a host that is on its own to questions about a cluster.
pub const NO_CLUSTER: &str = "this host is no node of a cluster: its mesh.toml has no section [cluster]";

/// How long it takes until it is tried again to accept a command.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// The requests.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    /// The state of the mesh.
    Status,
    /// Load a library in the place of a version, or beside it.
    Swap {
        /// The library, and the version that it replaces.
        swap: SwapRequest,
        /// Answer only when the probation is over.
        wait: bool,
    },
    /// Make the mesh what mesh.toml says.
    Apply {
        /// Although checks fail.
        insist: bool,
        /// Answer only when the probation is over.
        wait: bool,
    },
    /// Say what a swap would do, or without one what [`Request::Apply`] would.
    Plan {
        /// The swap.
        swap: Option<SwapRequest>,
    },
    /// Who has which version in the cluster.
    Catalogue,
}

/// The replies: any number of [`Reply::Progress`], then one other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The state of the mesh.
    Status(Box<Status>),
    /// It goes on.
    Progress(Progress),
    /// The result of a swap.
    Report(Box<Report>),
    /// The plan of a swap.
    Plan(Plan),
    /// Who has which version.
    Catalogue(Vec<Offer>),
    /// It was not even tried, for this reason.
    Error(Failure),
}

/// Why a host did not try what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of the failure, for programs.
    pub kind: FailureKind,
    /// The same as a sentence, for people.
    pub message: String,
}

impl From<DeploymentError> for Failure {
    fn from(error: DeploymentError) -> Failure {
        Failure {
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}

/// Why a running host could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No host runs with this configuration.
    #[error("no host of this user runs with {}", config.display())]
    NotRunning {
        /// The file.
        config: PathBuf,
    },
    /// It is not clear which one is meant.
    #[error("several hosts run with {} (pid {one} and {another}): end all but one", config.display())]
    Several {
        /// The file.
        config: PathBuf,
        /// The process of the host that was started last.
        one: u32,
        /// The process of the one before it.
        another: u32,
    },
    /// A host runs, and its answer did not come or could not be read.
    #[error("the host does not answer: {source}")]
    NoAnswer {
        /// The error of the system.
        source: io::Error,
    },
    /// A host runs, and did not understand what it was asked.
    #[error("the host does not answer: {}", failure.message)]
    NotUnderstood {
        /// The answer of the host.
        failure: Failure,
    },
    /// A host runs, and answered something that was not asked for.
    #[error("the host does not answer: it answered something else")]
    OtherAnswer,
}

impl From<io::Error> for ControlError {
    fn from(source: io::Error) -> ControlError {
        ControlError::NoAnswer { source }
    }
}

/// A control socket being served. Removed when dropped.
pub struct Control {
    paths: Vec<PathBuf>,
    task: JoinHandle<()>,
}

impl Control {
    /// Opens the socket for a host that runs with this configuration file.
    ///
    /// # Errors
    ///
    /// When the folder or the socket cannot be made.
    pub fn open(config: &Path, deployment: Arc<Deployment>, url: String) -> io::Result<Control> {
        let Bound { listener, paths } = address::bind(config)?;
        let listener = UnixListener::from_std(listener)?;
        let task = tokio::spawn(serve(listener, deployment, url));
        Ok(Control { paths, task })
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.paths[0]
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        for path in &self.paths {
            let _ = fs::remove_file(path);
        }
    }
}

async fn serve(listener: UnixListener, deployment: Arc<Deployment>, url: String) {
    let mut spare = Spare::take();
    let mut is_told = false;
    loop {
        let mut accepted = listener.accept().await;
        if accepted.is_err() && spare.take().is_some() {
            accepted = tokio::time::timeout(BETWEEN_TRIES, listener.accept())
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        }
        match accepted {
            Ok((stream, _)) => {
                let (deployment, url) = (deployment.clone(), url.clone());
                tokio::spawn(async move {
                    let _ = answer(stream, &deployment, &url).await;
                });
                is_told &= spare.is_none();
            }
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!("the control socket cannot accept: {error}");
                }
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        }
        spare = spare.or_else(Spare::take);
    }
}

/// A descriptor that is kept for the moment when clients have taken all others: commands are answered then, too.
struct Spare(#[expect(dead_code, reason = "it is only held")] OwnedFd);

impl Spare {
    fn take() -> Option<Spare> {
        io::stdin().as_fd().try_clone_to_owned().ok().map(Spare)
    }
}

async fn answer(stream: UnixStream, deployment: &Arc<Deployment>, url: &str) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LONGEST_REQUEST));
    tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Status) => Reply::Status(Box::new(deployment.mesh().status(url))),
        Ok(Request::Catalogue) => match deployment.mesh().elsewhere() {
            Some(elsewhere) => Reply::Catalogue(elsewhere.offers()),
            None => Reply::Error(Failure {
                kind: FailureKind::Request,
                message: NO_CLUSTER.to_owned(),
            }),
        },
        Ok(Request::Plan { swap }) => {
            let plan = match swap {
                Some(swap) => deployment.plan_swap(&swap).await,
                None => deployment.plan_apply().await,
            };
            plan.map_or_else(|error| Reply::Error(error.into()), Reply::Plan)
        }
        Ok(Request::Apply { insist, wait }) => {
            let (sender, progress) = mpsc::unbounded_channel();
            let own = deployment.clone();
            let insistence = match insist {
                true => Insistence::ButForRange,
                false => Insistence::None,
            };
            let swap = tokio::spawn(async move { own.apply(insistence, Some(sender)).await });
            report(swap, wait, progress, &mut write).await?
        }
        Ok(Request::Swap { swap, wait }) => {
            let (sender, progress) = mpsc::unbounded_channel();
            // The swap goes on when the client does not want to know any more.
            let own = deployment.clone();
            let swap = tokio::spawn(async move { own.swap(swap, Some(sender)).await });
            report(swap, wait, progress, &mut write).await?
        }
        Err(error) => Reply::Error(Failure {
            kind: FailureKind::Request,
            message: format!("not a request: {error}"),
        }),
    };
    send(&mut write, &reply).await
}

/// Tells of a swap's progress until it has switched, or until it is over.
async fn report(
    mut swap: JoinHandle<Result<Ongoing, DeploymentError>>,
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
        Ok(Err(error)) => return Ok(Reply::Error(error.into())),
        Err(error) => {
            return Ok(Reply::Error(Failure {
                kind: FailureKind::Unexpected,
                message: format!("the swap ended unexpectedly: {error}"),
            }));
        }
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

/// Asks the hosts that run with this configuration file for their state, the one started last first.
///
/// # Errors
///
/// When none runs, or none answers.
pub async fn status(config: &Path) -> Result<Vec<Status>, ControlError> {
    let answers = answering(config).await?;
    Ok(answers.into_iter().map(|(_, status)| status).collect())
}

/// The sockets of hosts that answer, and their state.
async fn answering(config: &Path) -> Result<Vec<(Address, Status)>, ControlError> {
    let mut found = Vec::new();
    let mut trouble = None;
    for address in address::find(config) {
        match ask(&address, &Request::Status).await {
            Ok(Reply::Status(status)) => found.push((address, *status)),
            Ok(Reply::Error(failure)) => trouble = Some(ControlError::NotUnderstood { failure }),
            Ok(_) => trouble = Some(ControlError::OtherAnswer),
            // A host that was killed leaves its socket behind.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => address.forget(),
            Err(error) => trouble = Some(error.into()),
        }
    }
    match trouble {
        _ if !found.is_empty() => Ok(found),
        Some(error) => Err(error),
        None => Err(ControlError::NotRunning {
            config: config.to_owned(),
        }),
    }
}

async fn ask(address: &Address, request: &Request) -> io::Result<Reply> {
    let exchange = async {
        let mut replies = begin(address, request).await?;
        next(&mut replies).await
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn begin(address: &Address, request: &Request) -> io::Result<BufReader<UnixStream>> {
    let mut stream = address.connect().await?;
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
    let running = answering(config).await?;
    if let [(_, one), (_, another), ..] = &*running {
        return Err(ControlError::Several {
            config: config.to_owned(),
            one: one.pid,
            another: another.pid,
        });
    }
    let Some((address, _)) = running.first() else {
        return Err(io::Error::from(io::ErrorKind::NotFound).into());
    };
    let mut replies = begin(address, request).await?;
    loop {
        match next(&mut replies).await? {
            Reply::Progress(progress) => told(&progress),
            reply => return Ok(reply),
        }
    }
}
