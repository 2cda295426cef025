//! `mesh status`: the state of a running host, over its control socket.

use super::CommandError;
use crate::control;
use crate::terminal::{self, OneLine};
use mesh_core::mesh::Status;
use mesh_deploy::swap::{Ending, Report};
use std::io::{self, Write};
use std::path::PathBuf;

/// Options of `mesh status`.
#[derive(clap::Args)]
#[command(after_help = "\
The host is found by its configuration file, on this machine and for this user. Where several hosts run with one \
file, all are shown, the newest first. The variable MESH_SOCKET, given to the host and to the commands, names the \
path of the socket between them, such as that of a service.

Examples:
    mesh status
    mesh status --config production.toml --json")]
pub struct Arguments {
    /// The file that the host runs with.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
    /// Print JSON: an object for each host, one a line.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let hosts = control::status(&arguments.config)
        .await
        .map_err(|error| CommandError::unreachable(error.to_string()))?;
    for host in &hosts {
        if arguments.json {
            let text = serde_json::to_string(host).unwrap_or_default();
            writeln!(terminal::json_output(), "{text}")?;
        } else {
            print_text(host)?;
        }
    }
    Ok(())
}

fn print_text(status: &Status) -> io::Result<()> {
    let mut out = terminal::output();
    writeln!(
        out,
        "{} at {}, pid {}, up {} s",
        OneLine(&status.name),
        OneLine(&status.url),
        status.pid,
        status.uptime_seconds
    )?;
    writeln!(
        out,
        "sessions {}, subscriptions {}, documents {}, slow consumers {}, thread keys {}",
        status.sessions, status.subscriptions, status.documents, status.slow_consumers, status.thread_keys
    )?;
    let widest = status
        .components
        .iter()
        .map(|component| component.name.len())
        .max()
        .unwrap_or(0)
        .max(9);
    writeln!(
        out,
        "{:widest$}  {:10} {:9} {:>5} {:>10} {:>7} {:>8} {:>5} {:>6}",
        "COMPONENT", "VERSION", "STATE", "LANES", "CALLS", "PENDING", "TIMEOUTS", "LATE", "ERRORS"
    )?;
    for component in &status.components {
        writeln!(
            out,
            "{:widest$}  {:10} {:9} {:>5} {:>10} {:>7} {:>8} {:>5} {:>6}",
            OneLine(&component.name),
            OneLine(&component.version),
            component.state,
            component.lanes,
            component.calls,
            component.pending + component.waiting,
            component.timeouts,
            component.late_completions,
            component.errors
        )?;
        if let Some(note) = &component.note {
            writeln!(out, "{:widest$}  {}", "", OneLine(note))?;
        }
    }
    if let Some(failure) = &status.store_failure {
        writeln!(out, "the store takes no writes: {}", OneLine(failure))?;
    }
    if let Some(cluster) = &status.cluster {
        super::cluster::write_nodes(&mut out, status, cluster)?;
    }
    for swap in &status.swaps {
        writeln!(
            out,
            "swap {}: {}, {}",
            swap.number,
            OneLine(swap.title()),
            OneLine(outcome(swap))
        )?;
    }
    out.flush()
}

fn outcome(swap: &Report) -> String {
    let reason = swap.reason.as_deref().unwrap_or("no reason was given");
    match swap.ending {
        None => swap
            .steps
            .last()
            .map_or("under way", |step| &step.text)
            .to_owned(),
        Some(Ending::Replaced) => "complete".to_owned(),
        Some(Ending::Refused) => format!("refused: {reason}"),
        Some(Ending::RolledBack) => format!("rolled back: {reason}"),
        Some(Ending::NotRolledBack) => format!("not rolled back: {reason}"),
    }
}
