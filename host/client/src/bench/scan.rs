//! Finding the few numbers that matter in a frame without parsing it.
//!
//! Enters: the text of a frame. Leaves: which operation it belongs to and whether it is good news. Guarantees: the
//! quick way only ever says "good". A frame that it does not recognise is parsed properly before it counts as an
//! error. So a server may order its keys as it likes.

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;

/// How much of a frame's end is searched first. The meta information is there in the frames of all known servers,
/// behind a payload of any size.
const TAIL: usize = 512;

/// The meaning of a frame for an operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// Its request was answered.
    Acknowledged(u64),
    /// Its response has arrived.
    Answered(u64),
    /// It failed, with this text.
    Failed(u64, String),
    /// Nothing.
    Nothing,
}

/// Looks at the frames of a connection that sends requests.
#[derive(Debug)]
pub(super) struct Scanner {
    event_id: Finder<'static>,
    status_ok: Finder<'static>,
    /// The action of response publications up to the number of the call.
    response: Option<Finder<'static>>,
}

impl Scanner {
    /// `address` is what the callback address of calls begins with, when there are calls.
    pub(super) fn new(address: Option<&str>) -> Scanner {
        Scanner {
            event_id: Finder::new("\"eventId\":"),
            status_ok: Finder::new("\"status\":\"ok\""),
            response: address.map(|address| Finder::new(&format!("/SET@{address}")).into_owned()),
        }
    }

    /// Looks at one frame.
    pub(super) fn look(&self, frame: &[u8]) -> Sighting {
        if let Some(number) = self
            .response
            .as_ref()
            .and_then(|finder| number_behind(finder, frame))
        {
            // The data of real servers begins with its status.
            return match frame.strip_prefix(b"{\"data\":{\"status\":\"ok\",\"args\":[") {
                Some(args) if args.starts_with(b"null") || args.starts_with(b"]") => {
                    Sighting::Answered(number)
                }
                _ => judge_response(frame, number),
            };
        }
        match number_behind(&self.event_id, frame) {
            Some(number) if self.status_ok.find(tail(frame)).is_some() => Sighting::Acknowledged(number),
            _ => judge_acknowledgement(frame),
        }
    }
}

/// The number that published test data carries as `"bench":…`.
pub(super) fn event_number(finder: &Finder<'_>, frame: &[u8]) -> Option<u64> {
    // It is at the very beginning in the frames of real servers.
    let head = &frame[..frame.len().min(64)];
    let within = |text: &[u8]| leading_number(&text[finder.find(text)? + finder.needle().len()..]);
    within(head).or_else(|| within(frame))
}

/// The text that [`event_number`] searches for.
pub(super) fn event_finder() -> Finder<'static> {
    Finder::new("\"bench\":")
}

fn tail(frame: &[u8]) -> &[u8] {
    &frame[frame.len().saturating_sub(TAIL)..]
}

fn number_behind(finder: &Finder<'_>, frame: &[u8]) -> Option<u64> {
    let within = |text: &[u8]| leading_number(&text[finder.find(text)? + finder.needle().len()..]);
    within(tail(frame)).or_else(|| if frame.len() > TAIL { within(frame) } else { None })
}

fn leading_number(text: &[u8]) -> Option<u64> {
    let digits = text
        .iter()
        .take(19)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    _meta: Value,
}

/// The slow way for a response publication.
fn judge_response(frame: &[u8], number: u64) -> Sighting {
    let data = serde_json::from_slice::<Frame>(frame)
        .map(|frame| frame.data)
        .unwrap_or_default();
    let error = data
        .get("args")
        .and_then(|args| args.get(0))
        .filter(|error| !error.is_null());
    match (data.get("status").and_then(Value::as_str), error) {
        (Some("ok"), None) => Sighting::Answered(number),
        (_, Some(error)) => Sighting::Failed(number, error.to_string()),
        (status, None) => Sighting::Failed(number, format!("status {status:?} without an error")),
    }
}

/// The slow way for the answer to a request.
fn judge_acknowledgement(frame: &[u8]) -> Sighting {
    let meta = match serde_json::from_slice::<Value>(frame) {
        Ok(Value::Array(mut items)) => items.pop().unwrap_or_default(),
        Ok(Value::Object(mut fields)) => fields.remove("_meta").unwrap_or_default(),
        _ => return Sighting::Nothing,
    };
    let Some(number) = meta.get("eventId").and_then(Value::as_u64) else {
        return Sighting::Nothing;
    };
    match meta.get("error").filter(|_| meta["status"] == "error") {
        Some(error) => Sighting::Failed(number, error.to_string()),
        None => Sighting::Acknowledged(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(frame: &str) -> Sighting {
        Scanner::new(Some("/_exchange/responses/S/D/c/m/")).look(frame.as_bytes())
    }

    #[test]
    fn answers_of_calls_are_recognised() {
        let meta = r#""_meta":{"action":"/SET@/_exchange/responses/S/D/c/m/12","type":"data","path":"/_exchange/responses/S/D/c/m/12"}"#;
        assert_eq!(
            look(&format!(r#"{{"data":{{"status":"ok","args":[null,3]}},{meta}}}"#)),
            Sighting::Answered(12)
        );
        assert_eq!(
            look(&format!(r#"{{{meta},"data":{{"args":[null,3],"status":"ok"}}}}"#)),
            Sighting::Answered(12)
        );
        let failed = format!(r#"{{"data":{{"status":"error","args":[{{"message":"m"}}]}},{meta}}}"#);
        assert_eq!(
            look(&failed),
            Sighting::Failed(12, r#"{"message":"m"}"#.to_owned())
        );
        let refused = format!(r#"{{"data":{{"status":"ok","args":["text"]}},{meta}}}"#);
        assert!(matches!(look(&refused), Sighting::Failed(12, _)));
    }

    #[test]
    fn acknowledgements_are_recognised() {
        let padding = "x".repeat(4000);
        let text = format!(
            r#"{{"data":{{"callbackAddress":"/_exchange/responses/S/D/c/m/4","p":"{padding}"}},"_meta":{{"type":"response","status":"ok","eventId":4}}}}"#
        );
        assert_eq!(look(&text), Sighting::Acknowledged(4));
        let text = format!(
            r#"{{"_meta":{{"type":"response","status":"ok","eventId":4}},"data":{{"p":"{padding}"}}}}"#
        );
        assert_eq!(look(&text), Sighting::Acknowledged(4));
        let text = r#"[{"a":1},{"type":"response","status":"ok","eventId":9}]"#;
        assert_eq!(look(text), Sighting::Acknowledged(9));
        let text = r#"{"data":null,"_meta":{"status":"error","eventId":5,"error":{"message":"m"}}}"#;
        assert_eq!(look(text), Sighting::Failed(5, r#"{"message":"m"}"#.to_owned()));
        for text in ["", "{}", "[]", "{\"_meta\":{\"type\":\"system\"}}", "1"] {
            assert_eq!(look(text), Sighting::Nothing);
        }
    }

    #[test]
    fn events_and_their_numbers_are_recognised() {
        let finder = event_finder();
        assert_eq!(event_number(&finder, br#"{"data":{"bench":17,"p":1}}"#), Some(17));
        let late = format!(
            r#"{{"_meta":{{"path":"{}"}},"data":{{"bench":18}}}}"#,
            "x".repeat(100)
        );
        assert_eq!(event_number(&finder, late.as_bytes()), Some(18));
        assert_eq!(event_number(&finder, b"{}"), None);
    }
}
