//! How a command ends when it does not end well.
//!
//! Enters: errors of the parts that commands use. Leaves: [`CommandError`], whose `Display` is what the user
//! reads. Guarantees: the exit code depends on the kind alone; scripts may rely on it.

use crate::control::Failure;
use crate::server::StartError;
use crate::terminal::{self, OneLine};
use mesh_client::bench::BenchError;
use mesh_client::{CallError, ClientError, ErrorKind, RemoteError};
use mesh_config::ConfigError;
use mesh_deploy::dev::DevelopmentError;
use mesh_deploy::swap::FailureKind;
use std::error::Error;
use std::fmt::Write;
use std::io;

/// A failed command: what to say, and the exit code.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The request failed.
    #[error("{0}")]
    Failed(String),
    /// A running host did not do it, or undid it.
    #[error("{message}")]
    Refused {
        /// The kind of the failure.
        kind: FailureKind,
        /// The sentence of the host.
        message: String,
    },
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers there.
    #[error("{0}")]
    Unreachable(String),
    /// It may work later: others that are needed are not there, or took this host's place.
    #[error("{0}")]
    Temporary(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A component or the host answered with an error.
    #[error("{}", describe(.0))]
    Remote(RemoteError),
    /// The output could not be written. No failure when its reader has closed it, as `head` does.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// The request failed.
    pub fn failed(message: impl Into<String>) -> CommandError {
        CommandError::Failed(message.into())
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> CommandError {
        CommandError::Usage(message.into())
    }

    /// Nobody answers there.
    pub fn unreachable(message: impl Into<String>) -> CommandError {
        CommandError::Unreachable(message.into())
    }

    /// The exit code: 1, 2, 69, 75 or 78; 0 when nobody reads the output any more.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            // The mesh serves as before, whatever the kind. So a wrong mesh.toml is not 78 here, which says that nothing serves.
            CommandError::Refused { .. } => 1,
            CommandError::Failed(_) | CommandError::Remote(_) | CommandError::Output(_) => 1,
            CommandError::Usage(_) => 2,
            CommandError::Unreachable(_) => 69,
            CommandError::Temporary(_) => 75,
            CommandError::Config(_) => ConfigError::EXIT_CODE,
        }
    }

    /// Writes the error to stderr, if it is one, and gives the exit code.
    pub fn report(&self) -> u8 {
        let code = self.exit_code();
        if code != 0 {
            terminal::note(self);
        }
        code
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> CommandError {
        let Failure { kind, message } = failure;
        CommandError::Refused { kind, message }
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> CommandError {
        match error {
            StartError::Config(error) => error.into(),
            missing @ StartError::Missing { .. } => CommandError::Temporary(missing.to_string()),
        }
    }
}

/// Failures to open a session are those of a host that does not answer; later ones are those of what was asked for.
impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> CommandError {
        match (error.kind(), error.remote()) {
            (ErrorKind::Address, _) => CommandError::usage(error.to_string()),
            (ErrorKind::Certificate, _) => {
                let help = "name an authority to trust with --cafile FILE";
                CommandError::unreachable(format!("{}\nhelp: {help}", chain(&error)))
            }
            (ErrorKind::Connect | ErrorKind::CredentialsMissing | ErrorKind::LoginRefused, _) => {
                CommandError::unreachable(chain(&error))
            }
            (_, Some(remote)) => CommandError::Remote(remote.clone()),
            (_, None) => CommandError::failed(chain(&error)),
        }
    }
}

impl From<CallError> for CommandError {
    fn from(error: CallError) -> CommandError {
        match error {
            CallError::Client(error) => error.into(),
            CallError::Component(error) | CallError::Dispatch(error) => CommandError::Remote(error),
        }
    }
}

impl From<DevelopmentError> for CommandError {
    fn from(error: DevelopmentError) -> CommandError {
        match error {
            DevelopmentError::Config(error) => error.into(),
            other => CommandError::failed(chain(&other)),
        }
    }
}

impl From<BenchError> for CommandError {
    fn from(error: BenchError) -> CommandError {
        match error {
            BenchError::Connect { source, .. } => source.into(),
            other => CommandError::failed(chain(&other)),
        }
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            let _ = write!(text, ": {cause}");
        }
        source = error.source();
    }
    text
}

/// `Error name: message`, and below it each further field. The author of the message begins no line.
fn describe(error: &RemoteError) -> String {
    let message = error.message.replace('\n', "\n  ");
    let mut text = format!("Error {}: {message}", OneLine(&error.name));
    for (name, value) in &error.fields {
        let _ = write!(text, "\n  {}: {}", OneLine(name), OneLine(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_component_s_error_is_shown_with_its_fields() {
        let remote = json!({"name": "DivisionError", "message": "division by zero", "code": 4220});
        let error = CommandError::Remote(RemoteError::from_value(remote));
        assert_eq!(
            error.to_string(),
            "Error DivisionError: division by zero\n  code: 4220"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_closed_output_is_no_failure() {
        assert_eq!(
            CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(),
            0
        );
        assert_eq!(
            CommandError::from(io::Error::from(io::ErrorKind::StorageFull)).exit_code(),
            1
        );
    }
}
