//! The bodies of interest's frames: differences, and their acknowledgements.
//!
//! Enters: changes of topics, or bytes of a peer. Leaves: bytes, or changes. Guarantees: a body of a peer is bounded in each
//! direction. Members that are not known are passed over, so that a later minor version may add some.

use super::{LONGEST_PATTERN, LONGEST_RANGE, LONGEST_TOPIC, MOST_PATTERNS, MOST_RANGES};
use bytes::Bytes;
use mesh_wire::protocol::Matching;
use mesh_wire::protocol::json::shorten;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use thiserror::Error;

/// The longest body, in bytes.
pub const LONGEST_BODY: usize = 1024 * 1024;
/// The form that is written here.
const FORM: u32 = 1;

/// A body that a peer should not have sent. Its link is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InterestError {
    /// It is too long.
    #[error("a difference of interest has {0} bytes, more than {LONGEST_BODY}")]
    TooLong(usize),
    /// It is no JSON of the right form.
    #[error("a difference of interest cannot be read: {0}")]
    Malformed(String),
    /// It has another form.
    #[error("a difference of interest has form {0}, and this node reads form {FORM}")]
    Form(u32),
    /// Something in it is too long or too many.
    #[error("a difference of interest has a {what} of {length}, more than {most}")]
    TooMuch {
        /// The part.
        what: &'static str,
        /// How much it is.
        length: usize,
        /// How much it may be.
        most: usize,
    },
    /// Its number does not rise.
    #[error("difference {revision} of interest came after difference {known}, and numbers rise")]
    Repeated {
        /// Its number.
        revision: u64,
        /// The one before.
        known: u64,
    },
    /// There are too many nodes.
    #[error("the interest of one more node is refused: there are {0} nodes, the most that can be")]
    TooManyNodes(usize),
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Topics that have changed.
    Difference(Difference<'a>),
    /// All differences up to this number count.
    Acknowledged(u64),
}

/// Topics that have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference<'a> {
    /// Its number. Those of one node rise.
    pub revision: u64,
    /// Whether nothing counts that was said before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reset: bool,
    /// Whether the next difference belongs to it. It has the same number.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// Whether all is wanted, whatever topics say.
    #[serde(default, skip_serializing_if = "is_false")]
    pub everything: bool,
    /// The topics.
    #[serde(borrow, default)]
    pub topics: Vec<Changed<'a>>,
}

/// A topic that has changed, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<'a> {
    /// Its key.
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    /// Its patterns and ranges; `None` where nothing is wanted any more.
    #[serde(borrow)]
    pub wants: Option<Wants<'a>>,
}

/// The wishes below a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wants<'a> {
    /// The patterns; `None` for all.
    #[serde(borrow)]
    pub patterns: Option<Vec<Wanted<'a>>>,
    /// The ranges; `None` for any.
    #[serde(borrow)]
    pub ranges: Option<Vec<Cow<'a, str>>>,
}

/// A pattern, and how it is matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted<'a> {
    /// Its text.
    #[serde(borrow)]
    pub pattern: Cow<'a, str>,
    /// Whether it is matched as text, and not by segments.
    #[serde(default, skip_serializing_if = "is_false")]
    pub text: bool,
}

impl Wanted<'_> {
    /// How it is matched.
    pub fn matching(&self) -> Matching {
        match self.text {
            true => Matching::Text,
            false => Matching::Segments,
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    interest: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<u64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    difference: Option<Difference<'a>>,
}

#[derive(Deserialize)]
struct Head {
    interest: u32,
}

impl<'a> Frame<'a> {
    /// The body.
    pub fn write(self) -> Bytes {
        let (acknowledged, difference) = match self {
            Frame::Difference(difference) => (None, Some(difference)),
            Frame::Acknowledged(revision) => (Some(revision), None),
        };
        let body = Body {
            interest: FORM,
            acknowledged,
            difference,
        };
        // Texts and numbers can always be written.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }

    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When it has another form, is damaged, or says too much.
    pub fn read(body: &'a [u8]) -> Result<Frame<'a>, InterestError> {
        let malformed =
            |error: serde_json::Error| InterestError::Malformed(shorten(&error.to_string()).into_owned());
        if body.len() > LONGEST_BODY {
            return Err(InterestError::TooLong(body.len()));
        }
        let head: Head = serde_json::from_slice(body).map_err(malformed)?;
        if head.interest != FORM {
            return Err(InterestError::Form(head.interest));
        }
        let body: Body<'a> = serde_json::from_slice(body).map_err(malformed)?;
        match (body.difference, body.acknowledged) {
            (Some(difference), _) => {
                difference.topics.iter().try_for_each(check)?;
                Ok(Frame::Difference(difference))
            }
            (None, Some(revision)) => Ok(Frame::Acknowledged(revision)),
            (None, None) => Err(InterestError::Malformed("it says nothing".to_owned())),
        }
    }
}

fn check(changed: &Changed<'_>) -> Result<(), InterestError> {
    let at_most = |what, length: usize, most: usize| match length <= most {
        true => Ok(()),
        false => Err(InterestError::TooMuch { what, length, most }),
    };
    at_most("topic", changed.topic.len(), LONGEST_TOPIC)?;
    let Some(wants) = &changed.wants else {
        return Ok(());
    };
    let patterns = wants.patterns.as_deref().unwrap_or_default();
    at_most("list of patterns", patterns.len(), MOST_PATTERNS)?;
    for wanted in patterns {
        at_most("pattern", wanted.pattern.len(), LONGEST_PATTERN)?;
    }
    let ranges = wants.ranges.as_deref().unwrap_or_default();
    at_most("list of ranges", ranges.len(), MOST_RANGES)?;
    ranges
        .iter()
        .try_for_each(|range| at_most("range", range.len(), LONGEST_RANGE))
}
