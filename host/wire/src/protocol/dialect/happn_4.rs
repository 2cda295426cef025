//! `happn_4`: the server sends the heartbeats, and answers may be short.
//!
//! Leaves: its answers. Guarantees: all that is not named here is as in `happn_3`.

use super::happn_3;
use super::questions::Answers;

pub(super) const ANSWERS: Answers = Answers {
    name: "happn_4",
    tail: r#","protocol":"happn_4"}"#,
    listed_as: "happn_4",
    server_pings: true,
    echoes_session_at_login: true,
    honours_no_data_response: true,
    ..happn_3::ANSWERS
};
