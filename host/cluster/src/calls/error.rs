//! The errors that callers get when no component has answered.
//!
//! Enters: what happened to a call. Leaves: the name, the code, the fields and the text that reach every client. Guarantees: an
//! error that says `executed: false` is one of a call that nobody has executed and nobody will.

use crate::identity::NodeName;
use mesh_wire::protocol::json;
use std::sync::Arc;
use thiserror::Error;

/// Why a call has no answer of a component.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// Nobody knows such a component.
    #[error("Call to unconfigured component: [{component}.{method}]")]
    UnknownComponent {
        /// The component as it was asked for.
        component: Arc<str>,
        /// The method.
        method: Arc<str>,
    },
    /// Versions that are asked for have no such method.
    #[error("Call to unconfigured method [{component}.{method}()]")]
    UnknownMethod {
        /// The component.
        component: Arc<str>,
        /// The method.
        method: Arc<str>,
    },
    /// There are other versions only.
    #[error(
        "Call to unconfigured method [{component}.{method}]: request version [{asked}] does not match component version [{present}]"
    )]
    NoVersion {
        /// The component.
        component: Arc<str>,
        /// The method.
        method: Arc<str>,
        /// The range or the line.
        asked: Arc<str>,
        /// The versions that there are.
        present: Arc<str>,
    },
    /// No node can take the call.
    #[error("{component}{}{asked}: no node can take the call", if asked.is_empty() { "" } else { " " })]
    Unavailable {
        /// The component.
        component: Arc<str>,
        /// The range or the line; empty for any.
        asked: Arc<str>,
    },
    /// All that could take it have too much to do.
    #[error("component {component} has too many calls waiting")]
    Busy {
        /// The component.
        component: Arc<str>,
    },
    /// The node that had taken it is lost.
    #[error("node {node} was lost before it answered {component}.{method}, which it may have executed")]
    NodeLost {
        /// The component.
        component: Arc<str>,
        /// The method.
        method: Arc<str>,
        /// The node.
        node: NodeName,
    },
    /// The arguments are too long for another node.
    #[error("the arguments have {bytes} bytes, and a call of another node may have {most}")]
    ArgumentsTooLarge {
        /// How long they are, in bytes.
        bytes: u64,
        /// How long they may be.
        most: u64,
    },
    /// The answer is too long for another node.
    #[error("the answer has {bytes} bytes, and one of another node may have {most}")]
    AnswerTooLarge {
        /// How long it is, in bytes.
        bytes: u64,
        /// How long it may be.
        most: u64,
    },
    /// Its time is over.
    #[error("{component}.{method} did not answer within {milliseconds} ms")]
    TimedOut {
        /// The component.
        component: Arc<str>,
        /// The method.
        method: Arc<str>,
        /// The time that it had.
        milliseconds: u64,
    },
}

impl CallError {
    /// The `status` of the answer; `None` where an answer has none.
    pub fn status(&self) -> Option<&'static str> {
        match self {
            CallError::UnknownComponent { .. } => None,
            CallError::UnknownMethod { .. } | CallError::NoVersion { .. } => Some("failed"),
            _ => Some("error"),
        }
    }

    /// The name of the error.
    pub fn name(&self) -> &'static str {
        match self {
            CallError::UnknownComponent { .. } => "bad endpoint",
            CallError::UnknownMethod { .. } | CallError::NoVersion { .. } => "Error",
            CallError::Unavailable { .. } => "ServiceUnavailable",
            CallError::Busy { .. } => "Busy",
            CallError::NodeLost { .. } => "NodeLost",
            CallError::ArgumentsTooLarge { .. } | CallError::AnswerTooLarge { .. } => "TooLarge",
            CallError::TimedOut { .. } => "TimeoutError",
        }
    }

    /// The code of the error, where it has one.
    pub fn code(&self) -> Option<u16> {
        match self {
            CallError::Unavailable { .. } | CallError::Busy { .. } => Some(503),
            CallError::NodeLost { .. } => Some(502),
            CallError::ArgumentsTooLarge { .. } | CallError::AnswerTooLarge { .. } => Some(413),
            _ => None,
        }
    }

    /// Whether the call may have been executed. `None` where nobody knows.
    pub fn is_executed(&self) -> Option<bool> {
        match self {
            CallError::AnswerTooLarge { .. } => Some(true),
            CallError::NodeLost { .. } | CallError::TimedOut { .. } => None,
            _ => Some(false),
        }
    }

    /// The arguments of the answer: `[{"message":…,"name":…,…}]`.
    pub fn arguments(&self) -> String {
        let mut out = String::from(r#"[{"message":"#);
        json::write_string(&mut out, &self.to_string());
        out.push_str(r#","name":"#);
        json::write_string(&mut out, self.name());
        if let Some(code) = self.code() {
            out.push_str(&format!(r#","code":{code}"#));
        }
        match self {
            CallError::NodeLost {
                component,
                method,
                node,
            } => {
                for (field, text) in [
                    ("component", &**component),
                    ("method", method),
                    ("node", node.as_str()),
                ] {
                    out.push_str(&format!(r#","{field}":"#));
                    json::write_string(&mut out, text);
                }
                out.push_str(r#","executed":"unknown""#);
            }
            CallError::Unavailable { .. } | CallError::Busy { .. } => out.push_str(r#","retry":true"#),
            CallError::ArgumentsTooLarge { .. } => out.push_str(r#","executed":false"#),
            CallError::AnswerTooLarge { .. } => out.push_str(r#","executed":true"#),
            _ => {}
        }
        out.push_str("}]");
        out
    }

    /// The response document.
    pub fn document(&self) -> String {
        match self.status() {
            Some(status) => format!(r#"{{"status":"{status}","args":{}}}"#, self.arguments()),
            None => format!(r#"{{"args":{}}}"#, self.arguments()),
        }
    }
}
