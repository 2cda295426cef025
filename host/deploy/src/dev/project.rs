//! The folders that components are built from.
//!
//! Enters: the key `crate` of mesh.toml. Leaves: one [`Project`] for each folder and profile, and an error for
//! each that cannot be built. Guarantees: a project has a Cargo.toml or a Makefile, and components that are built from the
//! same one share it.

use mesh_config::{ComponentConfig, Config, ConfigError};
use std::fmt;
use std::path::PathBuf;

/// One folder, and how it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Project {
    /// The folder, as the system calls it.
    pub(super) folder: PathBuf,
    /// The tool that builds it.
    pub(super) tool: Tool,
}

/// The tool that builds a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// There is a Cargo.toml.
    Cargo {
        /// With the profile `release`, since mesh.toml names a library from there; else with `dev`.
        is_release: bool,
    },
    /// There is a Makefile, and no Cargo.toml.
    Make,
}

impl Project {
    /// The components that are built from it.
    pub(super) fn entries<'a>(&self, config: &'a Config) -> Vec<&'a ComponentConfig> {
        let entries = config.components.iter();
        entries
            .filter(|entry| matches!(project(config, entry), Ok(Some(other)) if other == *self))
            .collect()
    }
}

/// The command that builds it.
impl fmt::Display for Project {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.tool {
            Tool::Cargo { is_release: true } => "cargo build --release",
            Tool::Cargo { is_release: false } => "cargo build",
            Tool::Make => "make",
        })
    }
}

/// All projects of a configuration, and what is wrong with the others.
pub(super) fn projects(config: &Config) -> (Vec<Project>, Vec<ConfigError>) {
    let (mut projects, mut errors) = (Vec::new(), Vec::new());
    for entry in &config.components {
        match project(config, entry) {
            Ok(Some(project)) if !projects.contains(&project) => projects.push(project),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    (projects, errors)
}

fn project(config: &Config, entry: &ComponentConfig) -> Result<Option<Project>, ConfigError> {
    let Some(written) = &entry.crate_folder else {
        return Ok(None);
    };
    let shown = written.value.display();
    let folder = std::fs::canonicalize(&written.value).map_err(|error| {
        let message = format!("the folder {shown} in `crate` cannot be opened: {error}");
        let help = "`crate` is the folder of the component's Cargo.toml; a relative path starts at the folder of this file";
        config.diagnose(written.at, message, Some(help.to_owned()))
    })?;
    let tool = if folder.join("Cargo.toml").is_file() {
        let named = config.library_candidates(&entry.library);
        let is_release = named
            .first()
            .is_some_and(|library| library.iter().any(|part| part == "release"));
        Tool::Cargo { is_release }
    } else if folder.join("Makefile").is_file() {
        Tool::Make
    } else {
        let message = format!("there is nothing to build in {shown}: a crate has a Cargo.toml");
        let help =
            "name the folder of the component's Cargo.toml, or one with a Makefile that makes its library";
        return Err(config.diagnose(written.at, message, Some(help.to_owned())));
    };
    Ok(Some(Project { folder, tool }))
}
