//! The NATS server of a developer's machine.
//!
//! Enters: the servers of `[cluster]` with `dev = true`. Leaves: a process of `nats-server` on loopback where none answers. Guarantees:
//! it ends with this host, and of several hosts another one starts the next. It keeps nothing on disk.

use super::CommandError;
use mesh_config::{Config, ServerAddress};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How often it is looked whether a server answers.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How long a server on loopback may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The variable that names another program.
const PROGRAM: &str = "MESH_NATS_SERVER";

/// The task that looks after a server.
pub(super) struct DevelopmentServer(JoinHandle<()>);

impl DevelopmentServer {
    /// Sees to it that a server answers, from now on. Nothing where the configuration does not ask for it.
    ///
    /// # Errors
    ///
    /// When there is no program to start.
    pub(super) async fn begin(config: &Config) -> Result<Option<DevelopmentServer>, CommandError> {
        let cluster = config.cluster.as_ref().filter(|cluster| cluster.dev);
        let Some(address) = cluster.and_then(|cluster| cluster.servers.first()) else {
            return Ok(None);
        };
        let address = address.value.clone();
        let mut child = match answers(&address).await {
            true => None,
            false => Some(start(&address)?),
        };
        let looking = tokio::spawn(async move {
            loop {
                sleep(BETWEEN_LOOKS).await;
                // One that has ended is waited for, so that nothing is left of it.
                let runs = child
                    .as_mut()
                    .is_some_and(|child| matches!(child.try_wait(), Ok(None)));
                if !runs && !answers(&address).await {
                    child = start(&address)
                        .inspect_err(|error| tracing::warn!("{error}"))
                        .ok();
                }
            }
        });
        Ok(Some(DevelopmentServer(looking)))
    }

    /// Ends the server, if this host has started it.
    pub(super) async fn end(self) {
        self.0.abort();
        // The process is killed by then.
        let _ = self.0.await;
    }
}

async fn answers(address: &ServerAddress) -> bool {
    let connecting = TcpStream::connect((&*address.host, address.port));
    matches!(timeout(PATIENCE, connecting).await, Ok(Ok(_)))
}

fn start(address: &ServerAddress) -> Result<Child, CommandError> {
    let program = program();
    let port = address.port.to_string();
    let child = Command::new(&program)
        .args(["--addr", &address.host, "--port", &port])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    match child {
        Ok(child) => {
            tracing::info!("nats-server is started at {address}, for this cluster on one machine");
            Ok(child)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(CommandError::failed(format!(
            "`dev` in [cluster] needs the program nats-server, and {} is not there: install it (Debian and Ubuntu have the \
             package nats-server), or name it in the environment variable {PROGRAM}",
            program.display()
        ))),
        Err(error) => Err(CommandError::failed(format!(
            "{} cannot be run: {error}",
            program.display()
        ))),
    }
}

/// Debian puts it where not every user looks for programs.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os(PROGRAM) {
        return PathBuf::from(named);
    }
    let of_debian = Path::new("/usr/sbin/nats-server");
    match of_debian.exists() {
        true => of_debian.to_owned(),
        false => PathBuf::from("nats-server"),
    }
}
