//! The four dialects, and everything in which they differ.
//!
//! A dialect is chosen by `configure-session` (docs/protocol.md 3.2): `happn_2`, `happn_3` and `happn_4` exactly,
//! everything else is treated as the first generation. The table of differences is docs/protocol.md 14; each row
//! that this host follows is one method here.

/// The generation of the protocol that a session speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dialect {
    /// Nothing announced yet, or plain `happn`: behaves as the first generation.
    Unconfigured = 0,
    /// `happn_1.…` and whatever is not known.
    Happn1 = 1,
    /// `happn_2`.
    Happn2 = 2,
    /// `happn_3`.
    Happn3 = 3,
    /// `happn_4`.
    Happn4 = 4,
}

impl Dialect {
    /// Chooses the dialect for the text that a client announced.
    pub fn from_announcement(text: &str) -> Dialect {
        match text {
            "happn" => Dialect::Unconfigured,
            "happn_2" => Dialect::Happn2,
            "happn_3" => Dialect::Happn3,
            "happn_4" => Dialect::Happn4,
            _ => Dialect::Happn1,
        }
    }

    /// The dialect with this number; the inverse of `self as u8`. Unknown numbers are [`Dialect::Unconfigured`].
    pub fn from_number(number: u8) -> Dialect {
        match number {
            1 => Dialect::Happn1,
            2 => Dialect::Happn2,
            3 => Dialect::Happn3,
            4 => Dialect::Happn4,
            _ => Dialect::Unconfigured,
        }
    }

    /// As clients announce it.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Unconfigured => "happn",
            Dialect::Happn1 => "1.3.0",
            Dialect::Happn2 => "happn_2",
            Dialect::Happn3 => "happn_3",
            Dialect::Happn4 => "happn_4",
        }
    }

    /// The end of every object frame: its `protocol`, and for the first generation the mark of outgoing frames.
    pub fn tail(self) -> &'static str {
        match self {
            Dialect::Unconfigured => r#","protocol":"happn"}"#,
            Dialect::Happn1 => r#","protocol":"1.3.0","__outbound":true}"#,
            Dialect::Happn2 => r#","protocol":"happn_2"}"#,
            Dialect::Happn3 => r#","protocol":"happn_3"}"#,
            Dialect::Happn4 => r#","protocol":"happn_4"}"#,
        }
    }

    /// Whether this is the first generation: text wildcards, reference counts, small login answers.
    pub fn is_first_generation(self) -> bool {
        matches!(self, Dialect::Unconfigured | Dialect::Happn1)
    }

    /// Whether the server sends the heartbeats. A ping to any other dialect ends the client's process.
    pub fn server_pings(self) -> bool {
        self == Dialect::Happn4
    }

    /// Whether describe and login answers repeat a `sessionId` that the request carried.
    pub fn echoes_session_at_login(self) -> bool {
        self == Dialect::Happn4
    }

    /// Whether `noDataResponse` shortens the answer of a `set`.
    pub fn honours_no_data_response(self) -> bool {
        self == Dialect::Happn4
    }

    /// Whether a `path` is limited to the characters of docs/protocol.md 6.1 in `set`, `remove` and `on`.
    pub fn checks_path_characters(self) -> bool {
        !self.is_first_generation()
    }

    /// Whether publications name their `eventOrigin`.
    pub fn names_event_origin(self) -> bool {
        !self.is_first_generation()
    }

    /// Whether items of array responses carry `_id` beside `path`.
    pub fn names_item_id(self) -> bool {
        self.is_first_generation()
    }

    /// Whether the answer of `remove` and its publication carry a `timestamp` in `_meta`. Responses of all dialects
    /// do; publications only those of the first generation.
    pub fn stamps_remove_publications(self) -> bool {
        self.is_first_generation()
    }

    /// Whether clients expect a `server-side-disconnect` message before the socket closes on a graceful stop.
    pub fn announces_stop(self) -> bool {
        self.is_first_generation()
    }
}
