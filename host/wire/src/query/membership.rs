//! The values of `$in` and `$nin`: looking one up costs the same however many there are.

use super::javascript::equal;
use super::json::Json;
use std::borrow::Cow;
use std::collections::HashSet;

/// A set of values.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    texts: HashSet<Cow<'a, str>>,
    /// The bits of numbers, with one zero only.
    numbers: HashSet<u64>,
    /// The values that are neither: few, as a rule.
    others: Vec<Json<'a>>,
}

impl<'a> From<Vec<Json<'a>>> for Members<'a> {
    fn from(items: Vec<Json<'a>>) -> Members<'a> {
        let mut members = Members::default();
        for item in items {
            match item {
                Json::Text(text) => {
                    members.texts.insert(text);
                }
                Json::Number(number) => {
                    members.numbers.insert(bits(number));
                }
                other => members.others.push(other),
            }
        }
        members
    }
}

impl Members<'_> {
    /// Whether the value is one of them.
    pub(super) fn contain(&self, value: &Json<'_>) -> bool {
        match value {
            Json::Text(text) => self.texts.contains(&**text),
            Json::Number(number) => self.numbers.contains(&bits(*number)),
            value => self.others.iter().any(|other| equal(other, value)),
        }
    }
}

fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}
