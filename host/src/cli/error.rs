//! How a command ends when it does not end well.

use crate::config::ConfigError;

/// A failed command: what to say, and the exit code.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// What was asked for failed.
    #[error("{0}")]
    Failed(String),
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers there.
    #[error("{0}")]
    Unreachable(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
}

impl CommandError {
    /// What was asked for failed.
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

    /// The exit code: 1, 2, 69 or 78.
    pub fn exit_code(&self) -> u8 {
        match self {
            CommandError::Failed(_) => 1,
            CommandError::Usage(_) => 2,
            CommandError::Unreachable(_) => 69,
            CommandError::Config(_) => ConfigError::EXIT_CODE,
        }
    }
}
