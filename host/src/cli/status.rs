//! `mesh status`: the state of a running host, over its control socket.

use super::CommandError;
use crate::control;
use crate::mesh::Status;
use std::path::PathBuf;

/// Options of `mesh status`.
#[derive(clap::Args)]
#[command(after_help = "\
The host is found by its configuration file, on this machine and for this user. Where several hosts run with one file,
all are shown, the one started last first.

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
            println!("{}", serde_json::to_string(host).unwrap_or_default());
        } else {
            print_text(host);
        }
    }
    Ok(())
}

fn print_text(status: &Status) {
    println!(
        "{} at {}, pid {}, up {} s",
        status.name, status.url, status.pid, status.uptime_seconds
    );
    println!(
        "sessions {}, subscriptions {}, documents {}, slow consumers {}, thread keys {}",
        status.sessions, status.subscriptions, status.documents, status.slow_consumers, status.thread_keys
    );
    let widest = status
        .components
        .iter()
        .map(|component| component.name.len())
        .max()
        .unwrap_or(0)
        .max(9);
    println!(
        "{:widest$}  {:10} {:9} {:>5} {:>10} {:>7} {:>8} {:>5}",
        "COMPONENT", "VERSION", "STATE", "LANES", "CALLS", "PENDING", "TIMEOUTS", "LATE"
    );
    for component in &status.components {
        println!(
            "{:widest$}  {:10} {:9} {:>5} {:>10} {:>7} {:>8} {:>5}",
            component.name,
            component.version,
            component.state,
            component.lanes,
            component.calls,
            component.pending,
            component.timeouts,
            component.late_completions
        );
    }
}
