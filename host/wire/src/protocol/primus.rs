//! Primus control strings (docs/protocol.md 2.2): JSON strings that begin with `primus::`, quotes included.

use super::{Frame, json};

/// A control string that a client may send.
#[derive(Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// A heartbeat; the text after `ping::` goes back verbatim. Still escaped as it stood in the frame.
    Ping(&'a str),
    /// The answer to a heartbeat of ours.
    Pong,
    /// The client asks for the connection's id.
    Id,
}

/// Recognises a control string; everything else is `None`.
pub fn parse(frame: &str) -> Option<Control<'_>> {
    let inner = frame.trim().strip_prefix("\"primus::")?.strip_suffix('"')?;
    if let Some(text) = inner.strip_prefix("ping::") {
        // The text is echoed inside quotes: it must itself be a legal inside of a JSON string.
        return serde_json::from_str::<serde::de::IgnoredAny>(frame)
            .ok()
            .map(|_| Control::Ping(text));
    }
    if inner.starts_with("pong::") {
        return Some(Control::Pong);
    }
    inner.starts_with("id::").then_some(Control::Id)
}

/// The server's own heartbeat. Only for sessions whose dialect says [`super::Dialect::server_pings`].
pub fn ping(now_milliseconds: u64) -> Frame {
    let mut out = String::from("\"primus::ping::");
    json::write_number(&mut out, now_milliseconds);
    out.push('"');
    out.into()
}

/// The answer to a client's heartbeat. Only ever sent when one was received.
pub fn pong(text: &str) -> Frame {
    format!("\"primus::pong::{text}\"").into()
}

/// Tells a client not to come back by itself.
pub fn closed() -> Frame {
    Frame::from_static("\"primus::server::close\"")
}

/// The answer to [`Control::Id`].
pub fn id(session_id: &str) -> Frame {
    format!("\"primus::id::{session_id}\"").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_strings_are_recognised() {
        assert_eq!(
            parse(r#""primus::ping::1795418448850""#),
            Some(Control::Ping("1795418448850"))
        );
        assert_eq!(parse(r#""primus::ping::a\"b""#), Some(Control::Ping(r#"a\"b"#)));
        assert_eq!(parse(r#""primus::pong::1""#), Some(Control::Pong));
        assert_eq!(parse(r#""primus::id::""#), Some(Control::Id));
        for other in [
            "primus::ping::1",
            "\"primus::ping::\"1\"",
            "\"primus\"",
            "{}",
            "",
            "\"",
            "\"primus::ping::\\\"",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(ping(5).as_str(), r#""primus::ping::5""#);
        assert_eq!(pong("5").as_str(), r#""primus::pong::5""#);
    }
}
