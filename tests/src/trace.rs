//! Replays recorded traces of real servers and clients against a running host.
//!
//! Enters: a recording (one JSON document per line, see [`recording`]), the rules of `traces/deviations.toml`, and
//! the address of a running host. Leaves: a [`Report`] per trace. Guarantees: every frame that a client sent in the
//! recording is sent again with the identifiers of the live session. Every frame that the real server answered is
//! awaited and compared field by field. Nothing is left out silently, since what is not compared is counted with the
//! rule that says why.
//!
//! Identifiers and times differ from run to run and are compared by *binding*. The first pair of a recorded and a
//! live identifier is remembered. From then on the one must always stand where the other stood.

pub mod channels;
pub mod compare;
pub mod connection;
pub mod frame;
pub mod identifiers;
pub mod pattern;
pub mod recording;
pub mod replay;
pub mod report;
pub mod rules;
pub mod run;
pub mod tainted;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use recording::Recording;

pub use report::Report;
pub use rules::Rules;
pub use run::Options;

/// Failures before a comparison even begins.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of a recording that is no entry of a trace.
    #[error("{path}:{line}: {reason}")]
    Line {
        /// The recording.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// Its fault.
        reason: String,
    },
    /// A file of rules that could not be understood.
    #[error("{path}: {reason}")]
    Rules {
        /// The file.
        path: PathBuf,
        /// Its fault.
        reason: String,
    },
    /// A connection that could not be opened.
    #[error("cannot connect to {addr}: {reason}")]
    Connect {
        /// The address of the host.
        addr: SocketAddr,
        /// Why.
        reason: String,
    },
}

/// Replays the recording in `file` against the host at `addr`.
pub async fn replay_file(
    addr: SocketAddr,
    file: &Path,
    rules: &Rules,
    options: Options,
) -> Result<Report, Error> {
    let recording = Recording::load(file)?;
    run::replay(addr, &recording, rules, options).await
}

/// The folder with the recordings and their rules.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")
}
