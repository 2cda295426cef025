//! `mesh plan`: what a swap would do, without doing it.

use super::CommandError;
use super::swap::{from_here, unreachable};
use crate::control::{self, Reply, Request};
use crate::terminal::{self, OneLine};
use mesh_deploy::deployment::{Plan, SwapRequest};
use std::io::Write;
use std::path::PathBuf;

/// Options of `mesh plan`.
#[derive(clap::Args)]
#[command(after_help = "\
Names the versions that would replace others, the methods added and removed, the fate of the state, and failed \
checks. The library is opened to ask what it is. Nothing else of it runs, and nothing changes.

Exit code 0: it would go through. 1: it would be refused, or need --force.

Examples:
    mesh plan
    mesh plan calc target/release/libcalc.so
    mesh plan calc ./libcalc_2.so --beside --json")]
pub struct Arguments {
    /// The component; without it, what `mesh apply` would do.
    #[arg(requires = "library")]
    component: Option<String>,
    /// Its new library.
    library: Option<String>,
    /// The version to replace, where there are several.
    #[arg(long, value_name = "VERSION", conflicts_with = "beside")]
    replaces: Option<String>,
    /// Keep what serves, and load the library beside it.
    #[arg(long)]
    beside: bool,
    /// The file that the host runs with.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments {
        component,
        library,
        replaces,
        beside,
        config,
        json,
    } = arguments;
    let swap = component.zip(library).map(|(component, library)| SwapRequest {
        component,
        library: from_here(&library),
        replaces,
        beside,
        insist: false,
        drop_state: false,
    });
    let request = Request::Plan { swap };
    match control::request(&config, &request, |_| {})
        .await
        .map_err(unreachable)?
    {
        Reply::Plan(plan) => tell(&plan, json),
        Reply::Error(failure) => Err(failure.into()),
        _ => Err(CommandError::failed("the host answered something else")),
    }
}

fn tell(plan: &Plan, json: bool) -> Result<(), CommandError> {
    if json {
        let text = serde_json::to_string(plan).unwrap_or_default();
        writeln!(terminal::json_output(), "{text}")?;
    } else {
        let mut out = terminal::output();
        for change in &plan.changes {
            write!(out, "{change}")?;
        }
        for key in &plan.needs_restart {
            writeln!(out, "{}: changed, needs a restart", OneLine(key))?;
        }
        if plan.changes.is_empty() && plan.needs_restart.is_empty() {
            writeln!(out, "nothing would change")?;
        }
    }
    if plan.changes.iter().any(|change| change.is_impossible) {
        return Err(CommandError::failed("it would be refused"));
    }
    if !plan.is_clear() {
        return Err(CommandError::failed("it would be refused without --force"));
    }
    Ok(())
}
