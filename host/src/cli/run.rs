//! `mesh run`: serves a mesh until it is told to stop.

use super::CommandError;
use super::dev_server::DevelopmentServer;
use super::log;
use super::notify::{State, notify};
use super::resources;
use super::summary;
use crate::control::Control;
use crate::server::{Server, close_store};
use crate::terminal::{self, OneLine};
use mesh_config::Config;
use mesh_deploy::deployment::watch;
use mesh_deploy::dev::Development;
use mesh_plugin::Unloaded;
use mesh_plugin::ffi::interpose;
use std::io::Write;
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Options of `mesh run`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    mesh run
    mesh run --config production.toml --set happn.port=0
    mesh run --set components.calc.lanes=4 --log debug
    mesh run --dev

When the mesh serves, five lines of the log say what and where, and one line appears on standard output:
    ready name=TestNode url=http://127.0.0.1:55000 pid=4711

Saving the file, or SIGHUP, applies it as `mesh apply` does. SIGHUP reads the certificate again, too. SIGTERM and \
SIGINT (ctrl-c) stop the host: clients are told to come back, calls are finished, libraries are unloaded. A second \
signal ends it at once. A wrong configuration exits with 78 and says what is wrong, where, and what was meant. A host \
whose cluster has not what it waits for, or another host of its name, exits with 75.

The variable MESH_SOCKET names the path of the socket that `mesh status`, `mesh swap` and `mesh apply` use.

With --dev, components that say where their sources are follow them: saving a file builds and swaps.
    [[components]]
    name = \"greeter\"
    library = \"greeter\"
    crate = \".\"              # folder of its Cargo.toml

With --dev and `dev = true` in [cluster], a NATS server is started where none answers.

Errors of a build or a start are shown, and the version before serves on. The file is left as it is.")]
pub struct Arguments {
    /// The file that describes the mesh.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
    /// Sets a key of the file to another value, such as `happn.port=0`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Build components that have a `crate` when their sources are saved, and swap them.
    #[arg(long)]
    dev: bool,
    /// How much to log: error, warn, info, debug, trace, or a filter such as `info,component=debug`. With `json` or
    /// `json,debug`, as JSON objects.
    #[arg(long, default_value = "info", value_name = "FILTER", env = "MESH_LOG")]
    log: String,
    /// Log lines as JSON objects.
    #[arg(long)]
    log_json: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    log::start(&arguments.log, arguments.log_json)?;
    if !interpose::is_active() {
        tracing::warn!(
            "thread keys of libraries cannot be released in this build: at most 900 libraries can be loaded"
        );
    }
    let config = Config::load(&arguments.config, &arguments.set)?;
    resources::check(&config)?;
    mesh_config::remove_left_behind(&arguments.config);
    let mut signals = Signals::listen()?;
    let mut reload = listen(SignalKind::hangup())?;
    let development = tokio::select! {
        development = develop(&arguments, &config) => development?,
        name = signals.next() => {
            tracing::info!("{name}: ending before the mesh has started");
            return Ok(());
        }
    };
    let nats = match arguments.dev {
        true => DevelopmentServer::begin(&config).await?,
        false => None,
    };
    let started = tokio::select! {
        started = Server::start(&config, super::rehearsal()) => started.map(Some),
        name = signals.next() => {
            tracing::info!("{name}: ending before the mesh has started");
            Ok(None)
        }
    };
    let mut server = match started {
        Ok(Some(server)) => server,
        ended => {
            end(nats).await;
            return ended.map(drop).map_err(CommandError::from);
        }
    };
    let watching = tokio::spawn(watch(server.deployment().clone()));
    let developing =
        development.map(|development| tokio::spawn(development.run(server.deployment().clone())));
    let control = Control::open(&arguments.config, server.deployment().clone(), server.url());
    if let Err(error) = &control {
        tracing::warn!("no control socket, `mesh status` will not find this host: {error}");
    }
    let socket = control.as_ref().ok().map(Control::path);
    for line in summary::lines(&server, &config, socket) {
        tracing::info!("{line}");
    }
    let ready = format!(
        "ready name={} url={} pid={}",
        OneLine(server.mesh().name()),
        server.url(),
        std::process::id()
    );
    // Nobody may be listening; the mesh serves all the same.
    let _ = writeln!(terminal::output(), "{ready}");
    notify(State::Ready);
    let mut excluded = None;
    let name = loop {
        tokio::select! {
            name = signals.next() => break name,
            error = server.excluded() => {
                let text = error.to_string();
                tracing::error!("{text}");
                excluded = Some(CommandError::Temporary(text));
                break "out of the cluster";
            }
            _ = reload.recv() => {
                server.reload_certificate();
                let deployment = server.deployment().clone();
                tokio::spawn(async move { deployment.apply_and_log("SIGHUP").await });
            }
        }
    };
    watching.abort();
    if let Some(developing) = developing {
        developing.abort();
        // A compiler that runs is ended by then.
        let _ = developing.await;
    }
    tracing::info!("{name}: stopping");
    notify(State::Stopping);
    let mesh = server.mesh().clone();
    tokio::select! {
        unloaded = server.stop() => {
            for (component, unloaded) in unloaded {
                if let Unloaded::Resident(reason) = unloaded {
                    tracing::warn!(component, "still in memory: {reason}");
                }
            }
        }
        name = signals.next() => {
            tracing::warn!("{name} again: ending at once");
            // Writes that were acknowledged before they were on disk are written even so; that takes no longer than
            // the disk does.
            close_store(&mesh).await;
        }
    }
    end(nats).await;
    drop(control);
    excluded.map_or(Ok(()), Err)
}

async fn end(nats: Option<DevelopmentServer>) {
    if let Some(nats) = nats {
        nats.end().await;
    }
}

async fn develop(arguments: &Arguments, config: &Config) -> Result<Option<Development>, CommandError> {
    let has_sources = config
        .components
        .iter()
        .any(|component| component.crate_folder.is_some());
    let has_server = config.cluster.as_ref().is_some_and(|cluster| cluster.dev);
    if !arguments.dev || (has_server && !has_sources) {
        return Ok(None);
    }
    Ok(Some(Development::begin(config).await?))
}

fn listen(kind: SignalKind) -> Result<Signal, CommandError> {
    signal(kind).map_err(|error| CommandError::failed(format!("cannot listen to signals: {error}")))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Signals, CommandError> {
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
