//! Building one project.
//!
//! Enters: a [`Project`]. Leaves: the library that cargo wrote, the sources that took part, and what the compiler
//! has to say, on standard error as cargo shows it. Guarantees: a build that is not waited for any more is ended with
//! everything that it started.

use super::project::{Project, Tool};
use super::sources::{Places, files_read};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use std::env::consts::DLL_SUFFIX;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Why there is no new library.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The tool is not there.
    #[error("`{tool}` was not found: {help}")]
    ToolMissing {
        /// The command that was tried.
        tool: &'static str,
        /// The help for it.
        help: &'static str,
    },
    /// The tool could not be run, or not be listened to.
    #[error("`{tool}` cannot be run: {source}")]
    Tool {
        /// The command that was tried.
        tool: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The compiler said why.
    #[error("`{tool}` ended with {status}")]
    Failed {
        /// The command.
        tool: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// It was built, and is no library.
    #[error(
        "the crate makes no library that can be loaded: write `crate-type = [\"cdylib\"]` below [lib] in its Cargo.toml"
    )]
    NoLibrary,
}

/// A line of `cargo build --message-format=json`, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    package_id: Option<String>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Message {
    /// The folder of the crate that this is about, if its sources are on this machine and not from a registry.
    fn crate_folder(&self) -> Option<&Path> {
        let is_local = self.package_id.as_ref()?.contains("path+file://");
        self.manifest_path.as_ref()?.parent().filter(|_| is_local)
    }

    fn library(self) -> Option<PathBuf> {
        let is_library = self.target?.crate_types.iter().any(|kind| kind == "cdylib");
        let mut files = self.filenames.into_iter().filter(|_| is_library);
        files.find(|file| file.to_string_lossy().ends_with(DLL_SUFFIX))
    }
}

/// A child with all processes that it started, ended unless it has ended by itself.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &Child) -> Group {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Group {
            leader: id.and_then(Pid::from_raw),
        }
    }

    /// Its number may be somebody else's by now.
    fn has_ended(&mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            let _ = kill_process_group(leader, Signal::TERM);
        }
    }
}

/// Builds a project: the sources that took part, as far as they are known, and the library. Of a Makefile only mesh.toml knows
/// which library it makes.
pub(super) async fn build(project: &Project) -> (Places, Result<Option<PathBuf>, BuildError>) {
    let mut places = Places::default();
    let outcome = run(project, &mut places).await;
    if let Ok(Some(library)) = &outcome
        && let Ok(list) = std::fs::read_to_string(library.with_extension("d"))
    {
        places.files = files_read(&list);
        // Output of a build script is made from sources and is none.
        let written = library.parent();
        places
            .files
            .retain(|file| !written.is_some_and(|folder| file.starts_with(folder)));
    }
    (places, outcome)
}

async fn run(project: &Project, places: &mut Places) -> Result<Option<PathBuf>, BuildError> {
    let (tool, help, arguments) = match project.tool {
        Tool::Cargo { .. } => (
            "cargo",
            "Rust is installed from https://rustup.rs",
            &["build", "--message-format=json-render-diagnostics"][..],
        ),
        Tool::Make => ("make", "it comes with the tools for C", &["-s"][..]),
    };
    let cannot = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound if project.folder.is_dir() => BuildError::ToolMissing { tool, help },
        _ => BuildError::Tool { tool, source },
    };
    let mut command = Command::new(tool);
    command.args(arguments);
    if project.tool == (Tool::Cargo { is_release: true }) {
        command.arg("--release");
    }
    // In its folder, so that the settings which count there count here too.
    command
        .current_dir(&project.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(cannot)?;
    let mut group = Group::of(&child);
    let mut library = None;
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await.map_err(cannot)? {
            let Ok(message) = serde_json::from_str::<Message>(&line) else {
                // Of make, or of a macro: standard output is for the line that says where the mesh is.
                let _ = writeln!(io::stderr(), "{line}");
                continue;
            };
            let Some(folder) = message.crate_folder().map(Path::to_owned) else {
                continue;
            };
            if folder == project.folder {
                library = message.library().or(library);
            }
            places.folders.insert(folder);
        }
    }
    let status = child.wait().await.map_err(cannot)?;
    group.has_ended();
    match project.tool {
        _ if !status.success() => Err(BuildError::Failed { tool, status }),
        Tool::Cargo { .. } => library.map(Some).ok_or(BuildError::NoLibrary),
        Tool::Make => Ok(None),
    }
}
