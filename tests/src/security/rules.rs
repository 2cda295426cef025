//! Where the host answers otherwise on purpose, as data.
//!
//! Enters: `deviations.toml`, and steps with the host's answers. Leaves: the differences that no rule explains.
//! Guarantees: every rule has a reason; what a rule says the host answers is compared; rules that nothing needed are known.
//!
//! | Table | Meaning |
//! |---|---|
//! | `[[field]]` | places where a field may be `extra`, `missing` or have another `value` |
//! | `[[answer]]` | steps that the host answers with `error` (a text, `*` is any run of characters) or `results` (JSON, or `*` for any) |

use super::Row;
use super::compare::{Change, Difference, differences};
use serde::Deserialize;
use serde_json::Value;
use std::cell::Cell;
use std::path::Path;

/// All rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(default)]
    field: Vec<Field>,
    #[serde(default)]
    answer: Vec<Answer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    place: Vec<String>,
    change: String,
    #[serde(default = "every")]
    step: Vec<String>,
    reason: String,
    #[serde(skip)]
    used: Cell<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    step: Vec<String>,
    error: Option<String>,
    results: Option<String>,
    reason: String,
    #[serde(skip)]
    used: Cell<bool>,
}

fn every() -> Vec<String> {
    vec!["*".to_owned()]
}

impl Rules {
    /// Reads them.
    ///
    /// # Panics
    ///
    /// When they cannot be read.
    pub fn read(path: &Path) -> Rules {
        let text = std::fs::read_to_string(path).expect("the rules are there");
        toml::from_str(&text).expect("the rules are understood")
    }

    /// The differences of an answer from both generations' that no rule explains; none where one of them is right.
    pub fn judge(&self, row: &Row, ours: &Value) -> Vec<Difference> {
        let (later, first) = (row.later.as_ref(), row.first.as_ref());
        let name = row.name();
        let mut nearest: Option<Vec<Difference>> = None;
        for (real, other) in [(later, first), (first, later)] {
            let Some(real) = real else { continue };
            let found = match is_fault(real) {
                // A real server that stumbles says nothing that could be compared.
                true if is_an_answer(real, ours) => Vec::new(),
                _ => differences(real, other.filter(|other| !is_fault(other)), ours),
            };
            let left = self.unexplained(&name, found);
            if left.is_empty() {
                return left;
            }
            nearest = Some(nearest.unwrap_or(left));
        }
        for rule in &self.answer {
            if rule.step.iter().any(|step| matches(step, &name)) {
                rule.used.set(true);
                return rule.differences(ours);
            }
        }
        nearest.unwrap_or_default()
    }

    /// The differences that no rule about fields explains. Rules count as used when none is left.
    fn unexplained(&self, name: &str, found: Vec<Difference>) -> Vec<Difference> {
        let explaining =
            |difference: &Difference| self.field.iter().find(|rule| rule.explains(name, difference));
        let (used, left): (Vec<_>, Vec<_>) = found
            .into_iter()
            .map(|difference| (explaining(&difference), difference))
            .partition(|(rule, _)| rule.is_some());
        if left.is_empty() {
            used.iter()
                .filter_map(|(rule, _)| *rule)
                .for_each(|rule| rule.used.set(true));
        }
        left.into_iter().map(|(_, difference)| difference).collect()
    }

    /// The rules that nothing needed.
    pub fn unused(&self) -> Vec<String> {
        let fields = self.field.iter().filter(|rule| !rule.used.get());
        let fields = fields.map(|rule| format!("{:?}: {}", rule.place, rule.reason));
        let answers = self.answer.iter().filter(|rule| !rule.used.get());
        fields
            .chain(answers.map(|rule| format!("{:?}: {}", rule.step, rule.reason)))
            .collect()
    }
}

impl Field {
    fn explains(&self, name: &str, difference: &Difference) -> bool {
        let change = match difference.change {
            Change::Extra(_) => "extra",
            Change::Missing(_) => "missing",
            Change::Value { .. } => "value",
        };
        self.change == change
            && self.step.iter().any(|step| matches(step, name))
            && self.place.iter().any(|place| matches(place, &difference.place))
    }
}

impl Answer {
    fn differences(&self, ours: &Value) -> Vec<Difference> {
        let fits = match (&self.error, &self.results) {
            (Some(error), _) => ours["error"]["message"]
                .as_str()
                .is_some_and(|ours| matches(error, ours)),
            (_, Some(results)) if results == "*" => ours.get("results").is_some(),
            (_, Some(results)) => {
                let results: Value = serde_json::from_str(results).expect("results are JSON");
                ours["results"] == results
            }
            _ => false,
        };
        if fits {
            return Vec::new();
        }
        let expected = self.error.as_ref().or(self.results.as_ref());
        vec![Difference {
            place: String::new(),
            change: Change::Value {
                real: format!("by the rules {}", expected.map_or("any results", String::as_str)),
                ours: ours.to_string(),
            },
        }]
    }
}

/// Whether a real server ended, did not answer, or met an error of its own.
fn is_fault(real: &Value) -> bool {
    real.get("ends").is_some() || real.get("silent").is_some() || real["error"]["name"] == "TypeError"
}

/// Whether the host, where a real server stumbles, says what is wrong; or answers, where that one says nothing.
fn is_an_answer(real: &Value, ours: &Value) -> bool {
    let is_error = ours["error"]["message"].is_string() && ours["error"]["name"] != "TypeError";
    is_error || (real.get("error").is_none() && ours.get("results").is_some())
}

/// `*` is any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let mut places = (0..=text.len()).filter(|at| text.is_char_boundary(*at));
            places.any(|at| matches(rest, &text[at..]))
        }),
    }
}
