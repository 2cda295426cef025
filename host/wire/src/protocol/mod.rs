//! The happn protocol as text: requests in, responses and publications out.
//!
//! Enters: one text frame. Leaves: a borrowed [`Request`], or finished frames as [`Frame`].
//! Guarantees: payloads stay raw JSON; every outgoing frame is one that no published client stumbles over (response
//! `data` is an object, an array or `null`, each error has a name and a message, each publication has `data`). All
//! differences between the four dialects are answers of [`Dialect`].

mod action;
mod dialect;
mod document;
mod error;
pub mod json;
mod options;
pub mod primus;
mod publication;
mod request;
mod response;
pub mod tagged;
pub mod value;

pub use action::{Action, EventAction};
pub use dialect::{
    ChannelOrder, Dialect, EndNotice, ExpiredLogin, HttpRefusal, Listeners, LoginAnswer, LoginUser, Matching,
    MergeRule, QueryRules, RefusalTexts, RestFaults,
};
pub use document::{Document, DocumentMeta, ItemMeta, write_modified_by};
pub use error::WireError;
pub use options::Options;
pub use publication::{
    Outcome, Publication, acknowledgement, custom_meta, disconnect_notice, initial_publication,
    publication_id, security_notice, session_end_notice,
};
pub use request::{Parsed, Request};
pub use response::{ArrayResponse, Publicity, Refusal, Response, write_item};

/// One outgoing text frame, shared between all its recipients.
pub type Frame = tungstenite::Utf8Bytes;
