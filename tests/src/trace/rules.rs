//! The parts that a replay may leave out, and the differences of the host that are on purpose, as data.
//!
//! Enters: `traces/deviations.toml`. Leaves: [`Rules`], asked for every request, frame and difference.
//! Guarantees: unknown keys are errors; each rule has an id and a reason, and a report names every rule it used.
//!
//! | Table | Meaning |
//! |---|---|
//! | `[[volatile]]` | fields whose value differs from run to run; only their presence and JSON type are compared |
//! | `[[skip]]` | what is not compared: `scope` `request`, `frame`, `section` (up to the next note) or `rest` |
//! | `[[deviation]]` | what the host does otherwise on purpose: of a `field`, or of a whole `frame`, or of an `order` |
//!
//! A skipped request is not sent unless `send = true`. With `taint = true` what depends on the document that it would
//! have written is not compared either, until that document is written anew or removed.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::Error;
use super::compare::{Change, Difference};
use super::frame::{Kind, meta_text};
use super::pattern::{any_text_matches, field_matches};

/// All rules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Fields that differ from run to run.
    #[serde(default)]
    pub volatile: Vec<Volatile>,
    /// The parts that are not compared.
    #[serde(default)]
    pub skip: Vec<Skip>,
    /// The differences of the host.
    #[serde(default)]
    pub deviation: Vec<Deviation>,
}

/// Fields that differ from run to run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volatile {
    /// Their places.
    pub field: Vec<String>,
    /// Why.
    pub reason: String,
}

/// Something that is not compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// The rule's name.
    pub id: String,
    /// The heading under which it is counted.
    pub category: Category,
    /// Why.
    pub reason: String,
    /// How much is skipped.
    pub scope: Scope,
    /// Where it applies.
    #[serde(default)]
    pub when: When,
    /// Whether the request is sent all the same.
    #[serde(default)]
    pub send: bool,
    /// Whether documents that the request would have written are not compared afterwards.
    #[serde(default)]
    pub taint: bool,
}

/// Why something is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Category {
    /// The host will do it some day.
    #[serde(rename = "later milestone")]
    LaterMilestone,
    /// It cannot be replayed from outside, such as a restart of the server.
    #[serde(rename = "not replayable")]
    NotReplayable,
    /// A combination that the host answers in another generation's way: a session of the first generation with a
    /// server of the second.
    #[serde(rename = "out of scope")]
    OutOfScope,
    /// It needs minutes and runs only when asked for.
    #[serde(rename = "needs real time")]
    RealTime,
}

/// How much is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One request and all frames that it causes.
    Request,
    /// Single frames of the server.
    Frame,
    /// Everything from a note to the next.
    Section,
    /// Everything from a note to the end of the recording.
    Rest,
}

/// Something that the host does otherwise on purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The rule's name.
    pub id: String,
    /// The behaviour of the host instead, and its reason.
    pub reason: String,
    /// Where it applies.
    #[serde(default)]
    pub when: When,
    /// The frame as a whole is `missing` from the live run or `extra` in it.
    pub frame: Option<Change>,
    /// Frames arrive in another order.
    pub order: Option<Order>,
    /// Places of fields that differ.
    #[serde(default)]
    pub field: Vec<String>,
    /// The ways in which they may differ; any when empty.
    #[serde(default)]
    pub change: Vec<Change>,
    /// The values that the host may send instead; any when empty.
    #[serde(default)]
    pub instead: Vec<Value>,
}

/// Which frames of one connection changed places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Publications of one event on several channels.
    SameEvent,
    /// Publications of different events.
    Publications,
    /// Answers to different requests.
    Responses,
    /// A publication and an answer.
    PublicationAndResponse,
    /// Anything else.
    Other,
}

impl Order {
    /// The case of two frames that changed places.
    #[must_use]
    pub fn of(one: &Value, other: &Value) -> Self {
        match (Kind::of(one), Kind::of(other)) {
            (Kind::Publication, Kind::Publication) => {
                let ids = (meta_text(one, "publicationId"), meta_text(other, "publicationId"));
                if ids.0.is_some() && ids.0 == ids.1 {
                    Self::SameEvent
                } else {
                    Self::Publications
                }
            }
            (Kind::Response, Kind::Response) => Self::Responses,
            (Kind::Publication, Kind::Response) | (Kind::Response, Kind::Publication) => {
                Self::PublicationAndResponse
            }
            _ => Self::Other,
        }
    }
}

/// Where a rule applies. Each list that is not empty must match; `*` in a text stands for any characters.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Names of recordings.
    #[serde(default)]
    pub trace: Vec<String>,
    /// The protocol that the session announced last; empty before that.
    #[serde(default)]
    pub protocol: Vec<String>,
    /// The last note.
    #[serde(default)]
    pub note: Vec<String>,
    /// The action of the request.
    #[serde(default)]
    pub action: Vec<String>,
    /// The path of the request.
    #[serde(default)]
    pub path: Vec<String>,
    /// Options of the request, one of which must be there: `merge`, or `consistency=3` for one value of it.
    #[serde(default)]
    pub option: Vec<String>,
    /// The kind of the frame.
    #[serde(default)]
    pub kind: Vec<Kind>,
    /// The path of the publication.
    #[serde(default)]
    pub published: Vec<String>,
    /// Whether the publication is on a channel that the session has left.
    pub stale: Option<bool>,
    /// The text of the whole recorded frame, or of the live frame where there is no recorded one.
    #[serde(default)]
    pub text: Vec<String>,
}

/// Where in a recording a question arises.
#[derive(Debug, Default)]
pub struct Place<'a> {
    /// The recording.
    pub trace: &'a str,
    /// The protocol that the session announced.
    pub protocol: &'a str,
    /// The last note.
    pub note: &'a str,
    /// The request, `null` when unknown.
    pub request: &'a Value,
    /// The frame, if it is about one.
    pub frame: Option<&'a Value>,
    /// Whether the frame is a publication on a channel that the session has left, or never joined.
    pub stale: bool,
}

impl When {
    /// Whether all conditions hold.
    #[must_use]
    pub fn matches(&self, place: &Place<'_>) -> bool {
        let request_text = |name: &str| {
            place
                .request
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        any_text_matches(&self.trace, place.trace)
            && any_text_matches(&self.protocol, place.protocol)
            && any_text_matches(&self.note, place.note)
            && any_text_matches(&self.action, request_text("action"))
            && any_text_matches(&self.path, request_text("path"))
            && (self.option.is_empty() || self.option.iter().any(|option| has_option(place.request, option)))
            && (self.kind.is_empty()
                || place
                    .frame
                    .is_some_and(|frame| self.kind.contains(&Kind::of(frame))))
            && (self.published.is_empty()
                || place
                    .frame
                    .filter(|frame| Kind::of(frame) == Kind::Publication)
                    .and_then(|frame| meta_text(frame, "path"))
                    .is_some_and(|path| any_text_matches(&self.published, path)))
            && self.stale.is_none_or(|stale| stale == place.stale)
            && (self.text.is_empty()
                || place
                    .frame
                    .is_some_and(|frame| any_text_matches(&self.text, &frame.to_string())))
    }
}

fn has_option(request: &Value, option: &str) -> bool {
    let (name, value) = option
        .split_once('=')
        .map_or((option, None), |(name, value)| (name, Some(value)));
    let pointer = format!("/options/{}", name.replace('.', "/"));
    request
        .pointer(&pointer)
        .is_some_and(|found| value.is_none_or(|value| found.to_string().trim_matches('"') == value))
}

impl Rules {
    /// Reads rules from a TOML file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let rules: Self = toml::from_str(&text).map_err(|error| Error::Rules {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let mut ids: Vec<&str> = rules.skip.iter().map(|rule| rule.id.as_str()).collect();
        ids.extend(rules.deviation.iter().map(|rule| rule.id.as_str()));
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::Rules {
                path: path.to_owned(),
                reason: format!("two rules are named {}", pair[0]),
            }),
            None => Ok(rules),
        }
    }

    /// Whether the value of a field differs from run to run.
    #[must_use]
    pub fn is_volatile(&self, field: &str) -> bool {
        self.volatile
            .iter()
            .flat_map(|rule| &rule.field)
            .any(|pattern| field_matches(pattern, field))
    }

    /// The rule by which something is skipped.
    #[must_use]
    pub fn skip(&self, scopes: &[Scope], place: &Place<'_>) -> Option<&Skip> {
        self.skip
            .iter()
            .find(|rule| scopes.contains(&rule.scope) && rule.when.matches(place))
    }

    /// The rule that allows a field to differ.
    #[must_use]
    pub fn field(&self, place: &Place<'_>, difference: &Difference) -> Option<&Deviation> {
        self.deviation.iter().find(|rule| {
            rule.field
                .iter()
                .any(|pattern| field_matches(pattern, &difference.field))
                && (rule.change.is_empty() || rule.change.contains(&difference.change))
                && (rule.instead.is_empty() || rule.instead.contains(&difference.live))
                && rule.when.matches(place)
        })
    }

    /// The rule that allows a whole frame to be missing or extra.
    #[must_use]
    pub fn frame(&self, place: &Place<'_>, change: Change) -> Option<&Deviation> {
        self.deviation
            .iter()
            .find(|rule| rule.frame == Some(change) && rule.when.matches(place))
    }

    /// The rule that allows frames to change places.
    #[must_use]
    pub fn order(&self, place: &Place<'_>, order: Order) -> Option<&Deviation> {
        self.deviation
            .iter()
            .find(|rule| rule.order == Some(order) && rule.when.matches(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_are_found_by_name_or_by_value() {
        let request = json!({"options": {"consistency": 3, "options": {"limit": 1}}});
        for (option, expected) in [
            ("consistency", true),
            ("consistency=3", true),
            ("consistency=2", false),
            ("options.limit", true),
            ("x", false),
        ] {
            assert_eq!(has_option(&request, option), expected, "{option}");
        }
    }

    #[test]
    fn the_rules_of_the_project_can_be_read() {
        let rules = Rules::load(&super::super::folder().join("deviations.toml")).unwrap();
        for rule in &rules.deviation {
            let forms = [rule.frame.is_some(), rule.order.is_some(), !rule.field.is_empty()];
            assert_eq!(
                forms.iter().filter(|form| **form).count(),
                1,
                "{} is of one form",
                rule.id
            );
            assert!(!rule.reason.is_empty(), "{} has a reason", rule.id);
        }
    }
}
