//! `mesh swap`: replaces a component's version in a running host, over its control socket.

use super::CommandError;
use crate::control::{self, ControlError, Reply, Request};
use crate::terminal::{self, OneLine};
use mesh_deploy::deployment::SwapRequest;
use mesh_deploy::swap::{Ending, FailureKind, Report};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Options of `mesh swap`.
#[derive(clap::Args)]
#[command(after_help = "\
LIBRARY is what `library` in mesh.toml would be: a path with a `/` in it, or a file or the name of a crate in the \
folder of plugins. The new version is loaded, started and asked for its health while the old one serves. Then it \
takes over in one moment, with the state. Calls that the old version has are finished there, and all others go to \
the new one. The old version is kept for `probation_ms` of [swap]. When the new one panics or fails more often in \
that time, the old one serves again. After that mesh.toml is changed to name the version that runs. A library loaded \
beside others gets an entry of its own.

Without --force, a version is refused when it is outside the range in mesh.toml. The same holds when a subscription \
or call of a client or component asks for another range, and when it cannot read the state of the old version.

Exit code 0: the new version serves. 1: the old one does; one sentence says why. 69: no host runs with this file.

Examples:
    mesh swap calc target/release/libcalc.so
    mesh swap calc ./libcalc_2.so --beside
    mesh swap calc ./libcalc_1_3.so --replaces 1.2.3 --wait --json")]
pub struct Arguments {
    #[command(flatten)]
    what: What,
    /// Answer when the probation is over, not when the new version serves.
    #[arg(long)]
    wait: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// The component to swap, and its host.
#[derive(clap::Args)]
struct What {
    /// The component.
    component: String,
    /// Its new library.
    library: String,
    /// The version to replace, where there are several.
    #[arg(long, value_name = "VERSION", conflicts_with = "beside")]
    replaces: Option<String>,
    /// Keep what serves, and load the library beside it.
    #[arg(long)]
    beside: bool,
    /// Replace although checks fail.
    #[arg(long)]
    force: bool,
    /// Begin without the state of what serves: for a version that cannot give it.
    #[arg(long)]
    drop_state: bool,
    /// The file that the host runs with.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
}

impl What {
    fn into_request(self) -> SwapRequest {
        SwapRequest {
            component: self.component,
            library: from_here(&self.library),
            replaces: self.replaces,
            beside: self.beside,
            insist: self.force,
            drop_state: self.drop_state,
        }
    }
}

/// A path means a file as seen from here, not from the folder of mesh.toml.
pub(super) fn from_here(library: &str) -> String {
    if !library.contains('/') {
        return library.to_owned();
    }
    let path = std::path::absolute(library).unwrap_or_else(|_| Path::new(library).to_owned());
    path.to_string_lossy().into_owned()
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { what, wait, json } = arguments;
    let config = what.config.clone();
    let request = Request::Swap {
        swap: what.into_request(),
        wait,
    };
    carry_out(&config, &request, json).await
}

/// Has the host do it, says how it goes on standard error, and how it went.
pub(super) async fn carry_out(config: &Path, request: &Request, json: bool) -> Result<(), CommandError> {
    let reply = control::request(config, request, |progress| {
        if !json {
            terminal::note(OneLine(&progress.text));
        }
    });
    match reply.await.map_err(unreachable)? {
        Reply::Report(report) => tell(&report, json),
        Reply::Error(failure) => Err(failure.into()),
        _ => Err(CommandError::failed("the host answered something else")),
    }
}

pub(super) fn unreachable(error: ControlError) -> CommandError {
    CommandError::unreachable(error.to_string())
}

fn tell(report: &Report, json: bool) -> Result<(), CommandError> {
    let went_well = matches!(report.ending, None | Some(Ending::Replaced));
    if json {
        let text = serde_json::to_string(report).unwrap_or_default();
        writeln!(terminal::json_output(), "{text}")?;
    }
    if !went_well {
        let reason = report.reason.as_deref().unwrap_or("no reason was given");
        let what = match report.ending {
            Some(Ending::RolledBack) => "was rolled back",
            Some(Ending::NotRolledBack) => "could not be rolled back",
            _ => "was refused",
        };
        let mut text = format!("the swap {what}: {reason}");
        for note in &report.notes {
            text.push_str(&format!("\n  {note}"));
        }
        return Err(CommandError::Refused {
            kind: report.failure.unwrap_or(FailureKind::Unexpected),
            message: text,
        });
    }
    if json {
        return Ok(());
    }
    let mut out = terminal::output();
    if report.components.is_empty() {
        writeln!(out, "nothing to change")?;
    } else {
        writeln!(
            out,
            "{} serves, {:.1} ms after the beginning ({:.1} ms for the component to load and start)",
            OneLine(report.title()),
            report.switched_after_milliseconds.unwrap_or_default(),
            report.start_milliseconds
        )?;
    }
    for part in &report.components {
        if let Some(bytes) = part.state_bytes {
            let bytes = match bytes {
                1 => "1 byte of state was".to_owned(),
                bytes => format!("{bytes} bytes of state were"),
            };
            writeln!(
                out,
                "{bytes} handed over; calls waited {:.1} ms",
                report.paused_milliseconds
            )?;
        }
    }
    match (report.ending, report.probation_seconds) {
        (Some(_), _) | (None, None) => {}
        (None, Some(seconds)) => writeln!(out, "in probation for {seconds} s")?,
    }
    for note in &report.notes {
        writeln!(out, "{}", OneLine(note))?;
    }
    Ok(())
}
