//! Why a deployment did not do what an operator asks for.
//!
//! Enters: what a part refused or failed at. Leaves: [`DeploymentError`] for what could not even be tried, and
//! [`RecordError`] where mesh.toml does not name what runs. Guarantees: callers decide by the kind; what a mesh.toml causes
//! has it as its source, and stands on one line unless the whole file is meant.

use crate::swap::SwapError;
use mesh_config::{ConfigError, RewriteError};
use mesh_core::mesh::swaps::FailureKind;

/// Why a swap could not even be tried.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// mesh.toml cannot be read, or is wrong.
    #[error("{source}")]
    Config {
        /// Each mistake in it.
        source: ConfigError,
    },
    /// There is no file for what an entry, or the request, names as its library.
    #[error("{}", one_line(&source.to_string()))]
    Library {
        /// Where it was looked for.
        source: ConfigError,
    },
    /// Nothing of this name is in mesh.toml, and nothing serves.
    #[error("there is no component {component}; a new one is added to mesh.toml, then `mesh apply`")]
    NoEntry {
        /// The name.
        component: String,
    },
    /// The request does not say which of several versions is to go.
    #[error(
        "component {component} has several versions ({loaded}): say which one is to be replaced, with --replaces VERSION"
    )]
    SeveralVersions {
        /// The component's name.
        component: String,
        /// Its versions.
        loaded: String,
    },
    /// The version to be replaced is none that can be.
    #[error("{source}")]
    Swap {
        /// Why.
        source: SwapError,
    },
}

impl DeploymentError {
    /// The kind of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            DeploymentError::Config { .. } => FailureKind::Configuration,
            DeploymentError::Library { .. } => FailureKind::Library,
            DeploymentError::NoEntry { .. } => FailureKind::NotFound,
            DeploymentError::SeveralVersions { .. } => FailureKind::Ambiguous,
            DeploymentError::Swap { source } => source.kind(),
        }
    }
}

impl From<SwapError> for DeploymentError {
    fn from(source: SwapError) -> DeploymentError {
        DeploymentError::Swap { source }
    }
}

/// Why mesh.toml does not name what runs.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The swap does not say what came.
    #[error("the new version is not known")]
    VersionUnknown,
    /// It was removed meanwhile.
    #[error("the component has no entry any more")]
    NoEntry,
    /// A second entry could not be told from the first.
    #[error("it has an entry for {version} already")]
    Taken {
        /// The version.
        version: String,
    },
    /// An entry has a setting that TOML has no form for.
    #[error("{}", one_line(&format!("its settings cannot be written as TOML: {source}")))]
    NotToml {
        /// Which one.
        source: toml::ser::Error,
    },
    /// The file could not be changed.
    #[error("{}", one_line(&source.to_string()))]
    Rewrite {
        /// Why.
        source: RewriteError,
    },
}

impl RecordError {
    /// The kind of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            RecordError::VersionUnknown => FailureKind::Unexpected,
            RecordError::NoEntry => FailureKind::FileChanged,
            RecordError::Taken { .. } => FailureKind::Duplicate,
            RecordError::NotToml { .. } => FailureKind::Configuration,
            RecordError::Rewrite { source } => match source {
                RewriteError::File { .. } => FailureKind::FileNotWritten,
                RewriteError::Changed(_) => FailureKind::FileChanged,
                RewriteError::NotInFile | RewriteError::Wrong(_) => FailureKind::Configuration,
            },
        }
    }
}

impl From<RewriteError> for RecordError {
    fn from(source: RewriteError) -> RecordError {
        RecordError::Rewrite { source }
    }
}

impl From<toml::ser::Error> for RecordError {
    fn from(source: toml::ser::Error) -> RecordError {
        RecordError::NotToml { source }
    }
}

fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use std::path::PathBuf;

    #[test]
    fn a_swap_that_cannot_begin_has_the_kind_the_sentence_and_the_cause_of_what_stands_against_it() {
        let error = DeploymentError::from(SwapError::NoComponent {
            component: "calc".to_owned(),
        });
        assert_eq!(error.kind(), FailureKind::NotFound);
        assert_eq!(error.to_string(), "there is no component calc");
        assert!(error.source().is_some_and(|source| source.is::<SwapError>()));
    }

    #[test]
    fn a_file_that_somebody_else_changed_is_told_from_one_that_cannot_be_written() {
        let file = PathBuf::from("mesh.toml");
        let changed = RecordError::from(RewriteError::Changed(file.clone()));
        assert_eq!(changed.kind(), FailureKind::FileChanged);
        assert_eq!(
            changed.to_string(),
            "mesh.toml was changed by somebody else meanwhile and is left as it is"
        );
        let source = std::io::ErrorKind::StorageFull.into();
        let full = RecordError::from(RewriteError::File { file, source });
        assert_eq!(full.kind(), FailureKind::FileNotWritten);
        assert!(full.source().is_some_and(|source| source.is::<RewriteError>()));
    }
}
