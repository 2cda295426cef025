//! `happn_3`: its clients are told when the rights of their users change.
//!
//! Leaves: its answers. Guarantees: all that is not named here is as in `happn_2`.

use super::happn_2;
use super::questions::Answers;

pub(super) const ANSWERS: Answers = Answers {
    name: "happn_3",
    tail: r#","protocol":"happn_3"}"#,
    listed_as: "happn_3",
    tells_security_changes: true,
    ..happn_2::ANSWERS
};
