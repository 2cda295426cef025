//! Which channels a recorded session is subscribed to.
//!
//! Enters: the recorded `on` and `off` requests. Leaves: whether a publication is on a channel that the session
//! has left. Guarantees: counts as a server without defects would (sessions of the first generation by `refCount`,
//! later ones by subscription). Real servers of the first generation keep some subscriptions after `off *`.

use std::collections::HashMap;

use serde_json::Value;

use super::frame::{Kind, meta_text};

/// The channels of one session.
#[derive(Debug, Default)]
pub struct Channels(HashMap<String, i64>);

impl Channels {
    /// Takes note of a request.
    pub fn follow(&mut self, protocol: &str, request: &Value) {
        let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
        let option = |name: &str| request.pointer(&format!("/options/{name}"));
        let references = option("refCount").and_then(Value::as_i64);
        let counted = !matches!(protocol, "happn_2" | "happn_3" | "happn_4");
        let channel = text("path");
        match text("action") {
            "on" => {
                let more = if counted {
                    references.unwrap_or(1).max(1)
                } else {
                    1
                };
                *self.0.entry(channel.to_owned()).or_default() += more;
            }
            "off" if channel == "*" => self.0.clear(),
            "off" => {
                let named = option("referenceId").is_some_and(|id| !id.is_null() && id != 0);
                let fewer = match (counted, references) {
                    (true, Some(references)) => references,
                    (true, None) => i64::MAX,
                    (false, _) => {
                        if named {
                            1
                        } else {
                            i64::MAX
                        }
                    }
                };
                if let Some(count) = self.0.get_mut(channel) {
                    *count = count.saturating_sub(fewer);
                }
                self.0.retain(|_, count| *count > 0);
            }
            _ => {}
        }
    }

    /// Whether the frame is a publication on a channel that the session is not subscribed to.
    #[must_use]
    pub fn left(&self, frame: &Value) -> bool {
        Kind::of(frame) == Kind::Publication
            && meta_text(frame, "channel").is_some_and(|channel| !self.0.contains_key(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_channel_is_left_when_its_references_are_gone() {
        let mut channels = Channels::default();
        let publication = json!({"_meta": {"type": "data", "channel": "/SET@/a"}});
        let request = |action: &str, count: i64| json!({"action": action, "path": "/SET@/a", "options": {"refCount": count}});
        assert!(channels.left(&publication));
        channels.follow("happn_1.3.0", &request("on", 1));
        channels.follow("happn_1.3.0", &request("on", 1));
        channels.follow("happn_1.3.0", &request("off", 1));
        assert!(!channels.left(&publication));
        channels.follow("happn_1.3.0", &request("off", 1));
        assert!(channels.left(&publication));
        channels.follow("happn_1.3.0", &request("on", 1));
        channels.follow("happn_1.3.0", &json!({"action": "off", "path": "*"}));
        assert!(channels.left(&publication));
    }
}
