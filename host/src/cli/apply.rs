//! `mesh apply`: makes a running host what its mesh.toml says now, over its control socket.

use super::CommandError;
use super::swap::carry_out;
use crate::control::Request;
use std::path::PathBuf;

/// Options of `mesh apply`.
#[derive(clap::Args)]
#[command(after_help = "\
Components that were added to the file are loaded, and those that are gone from it are removed. Components are \
replaced when their library (also the file itself), range, config or lanes changed. All of that happens in one \
moment, or not at all. As with `mesh swap`, a version that turns out to be bad is rolled back. Saving the file or \
SIGHUP does the same, unless `watch = false` in [swap]. `mesh plan` says what would happen.

Keys that need a restart are named and left as they are.

Examples:
    mesh plan && mesh apply
    mesh apply --config production.toml --wait --json")]
pub struct Arguments {
    /// Replace although checks fail.
    #[arg(long)]
    force: bool,
    /// Answer when the probation is over, not when the new versions serve.
    #[arg(long)]
    wait: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// The file that the host runs with.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments {
        force,
        wait,
        json,
        config,
    } = arguments;
    let request = Request::Apply { insist: force, wait };
    carry_out(&config, &request, json).await
}
