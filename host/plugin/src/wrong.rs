//! Faults of requests, which a component is told at once.
//!
//! Enters: what is wrong. Leaves: the number that the ABI has for it. Guarantees: a request with a fault was not begun.

use mesh_plugin_abi::RequestStatus;

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It is made for no call in progress and no subscription.
    #[error("it is made for a call that is not in progress, or for an event of no subscription")]
    Call,
    /// Its lane.
    #[error("it names a lane that the component does not have")]
    Lane,
    /// Its own token.
    #[error("its token is 0 or taken")]
    Token,
    /// A name, a key or a path.
    #[error("a name, key or path is empty or not UTF-8 text")]
    Name,
    /// The range.
    #[error("its range is no npm version range")]
    Range,
    /// Arguments, a value or data.
    #[error("its arguments are no JSON array, or its value is not JSON")]
    Json,
    /// The options.
    #[error("its options are no JSON object with values of the right types")]
    Options,
    /// The trace.
    #[error("its traceparent is none of version 00")]
    Trace,
    /// The struct.
    #[error("the struct that describes it is missing or too short")]
    Struct,
    /// A number of a request or a subscription.
    #[error("no such request or subscription is there")]
    Unknown,
    /// The caller lacks the right.
    #[error("the caller of the call may not do that")]
    Denied,
    /// The instance has ended, or the mesh.
    #[error("the component has ended")]
    Ended,
    /// There are too many requests.
    #[error("the component has too many requests")]
    Full,
    /// The host could not do it.
    #[error("the host could not do it")]
    Failed,
}

impl Wrong {
    /// The number of the ABI.
    pub fn status(self) -> i32 {
        match self {
            Wrong::Call => RequestStatus::NO_CALL,
            Wrong::Lane => RequestStatus::NO_LANE,
            Wrong::Token => RequestStatus::BAD_TOKEN,
            Wrong::Name => RequestStatus::BAD_NAME,
            Wrong::Range => RequestStatus::BAD_RANGE,
            Wrong::Json => RequestStatus::BAD_JSON,
            Wrong::Options => RequestStatus::BAD_OPTIONS,
            Wrong::Trace => RequestStatus::BAD_TRACEPARENT,
            Wrong::Struct => RequestStatus::BAD_STRUCT,
            Wrong::Unknown => RequestStatus::UNKNOWN,
            Wrong::Denied => RequestStatus::DENIED,
            Wrong::Ended => RequestStatus::ENDED,
            Wrong::Full => RequestStatus::FULL,
            Wrong::Failed => RequestStatus::FAILED,
        }
    }
}
