//! Findings of a check, and their way from the process that checks to the one that supervises it.
//!
//! Enters: steps and findings. Leaves: one line of JSON for each, through a socket that the library does not
//! know of. Guarantees: a checking process whose supervisor is gone ends.

use super::Check;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::net::UnixStream;

/// How bad something is. The order is that of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Allowed, but perhaps not meant.
    Warning,
    /// Against the contract.
    Failed,
}

impl Verdict {
    /// The word shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// The fault, and the right behaviour.
    pub sentence: String,
}

impl Finding {
    /// Something against the contract.
    pub(super) fn failed(sentence: impl Into<String>) -> Finding {
        Finding {
            verdict: Verdict::Failed,
            sentence: sentence.into(),
        }
    }

    /// Something that is perhaps not meant.
    pub(super) fn warning(sentence: impl Into<String>) -> Finding {
        Finding {
            verdict: Verdict::Warning,
            sentence: sentence.into(),
        }
    }
}

/// A library's own description, for the head of a report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// The component's name.
    pub name: String,
    /// The library's version.
    pub version: String,
    /// SDK and compiler.
    pub sdk: String,
    /// How many methods it has.
    pub methods: usize,
}

/// The outcome of one check.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// Which one.
    pub check: Check,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
    /// Whether anything else can be checked.
    pub usable: bool,
    /// The library's own description, where this check has looked.
    pub about: Option<About>,
    /// Why there was nothing to check.
    pub remark: Option<String>,
}

impl CheckReport {
    /// The worst of the findings.
    pub fn verdict(&self) -> Verdict {
        self.findings
            .iter()
            .map(|finding| finding.verdict)
            .max()
            .unwrap_or(Verdict::Ok)
    }
}

/// The messages of a checking process to its supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The next step.
    Step(String),
    /// The library's own description.
    About(About),
    /// Something is not as it should be.
    Found(Finding),
    /// Why there is nothing to check.
    Remark(String),
    /// The check is over; `usable` as in [`CheckReport`].
    Done { usable: bool },
}

/// The checking process' end of the socket.
pub(super) struct Reporter(UnixStream);

impl Reporter {
    pub(super) fn new(socket: UnixStream) -> Reporter {
        Reporter(socket)
    }

    /// Says what comes next: the words behind "during" should the process end there.
    pub(super) fn step(&mut self, what: impl Into<String>) {
        self.send(&Message::Step(what.into()));
    }

    /// Says why there is nothing to check.
    pub(super) fn remark(&mut self, why: impl Into<String>) {
        self.send(&Message::Remark(why.into()));
    }

    pub(super) fn found(&mut self, finding: Finding) {
        self.send(&Message::Found(finding));
    }

    pub(super) fn send(&mut self, message: &Message) {
        let mut line = serde_json::to_vec(message).unwrap_or_default();
        line.push(b'\n');
        if self.0.write_all(&line).is_err() {
            // Nobody is left who could end this process when the library hangs.
            std::process::exit(1);
        }
    }
}
