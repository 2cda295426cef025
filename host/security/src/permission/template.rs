//! Paths of permissions with places for facts about the user: `/users/{{user.username}}/*`.
//!
//! Enters: such a path, the facts. Leaves: the paths that it stands for. Guarantees: a fact can never widen a
//! permission (no `*`, no empty text, nothing is filled in twice). A path that cannot be filled stands for nothing.
//! The number of paths is bounded, whatever lists the facts contain.

use super::pattern::LONGEST_PATH;
use serde_json::Value;
use std::borrow::Cow;

/// How many paths one template may stand for.
const MOST_PATHS: usize = 1000;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// The fields that templates can name.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `{{user.username}}`
    pub username: &'a str,
    /// `{{user.custom_data.…}}`: what is stored with the user.
    pub custom_data: Option<&'a Value>,
    /// `{{happn.name}}`: the name of this server.
    pub server_name: &'a str,
}

impl Facts<'_> {
    /// The texts that a name stands for; `None` when there is none, or one that must not get into a path.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<Cow<'_, str>>> {
        match name {
            "user.username" => return Some(vec![harmless(self.username.into())?]),
            "happn.name" => return Some(vec![harmless(self.server_name.into())?]),
            _ => {}
        }
        let mut value = self.custom_data?;
        let below = name.strip_prefix("user.custom_data")?;
        if !below.is_empty() {
            for key in below.strip_prefix('.')?.split('.') {
                value = match value {
                    Value::Object(entries) => entries.get(key)?,
                    Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
                    _ => return None,
                };
            }
        }
        match value {
            Value::Array(items) => items.iter().map(text).collect(),
            single => Some(vec![text(single)?]),
        }
    }
}

/// A value as JavaScript writes it into a text.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    harmless(match value {
        Value::String(text) => text.as_str().into(),
        Value::Bool(value) => value.to_string().into(),
        Value::Number(number) => match number.as_f64() {
            // A number without a fraction has no decimal point there.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                format!("{float:.0}").into()
            }
            _ => number.to_string().into(),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    })
}

/// Nothing that would make a permission wider than it was written.
fn harmless(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!text.is_empty() && !text.contains('*')).then_some(text)
}

/// Whether facts have to be filled in.
pub fn is_template(path: &str) -> bool {
    path.find(OPEN).is_some_and(|open| path[open..].contains(CLOSE))
}

/// The paths that a template stands for. Where a fact is a list, there is one path for each of its items; with several
/// lists, for each combination.
pub fn fill(template: &str, facts: &Facts<'_>) -> Vec<String> {
    try_fill(template, |name| facts.texts(name)).unwrap_or_default()
}

/// [`fill`] with any source of texts.
pub(super) fn try_fill<'a>(
    template: &str,
    texts: impl Fn(&str) -> Option<Vec<Cow<'a, str>>>,
) -> Option<Vec<String>> {
    // Literal text, then the place of a name; the text behind the last name stands alone.
    let mut parts = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut rest = template;
    while let Some(found) = next_place(rest) {
        let place = names
            .iter()
            .position(|known| *known == found.name)
            .unwrap_or_else(|| {
                names.push(found.name);
                names.len() - 1
            });
        parts.push((found.before, place));
        rest = found.behind;
    }
    let values = names.iter().map(|name| texts(name)).collect::<Option<Vec<_>>>()?;
    let count = values
        .iter()
        .try_fold(1_usize, |count, texts| count.checked_mul(texts.len()))?;
    if count > MOST_PATHS {
        return None;
    }
    let mut paths = Vec::with_capacity(count);
    for number in 0..count {
        // The digits of the number, in a system where each place has the base of its list, choose the items.
        let mut left = number;
        let chosen: Vec<&str> = values
            .iter()
            .map(|texts| {
                let digit = left % texts.len();
                left /= texts.len();
                &*texts[digit]
            })
            .collect();
        let mut path = String::with_capacity(template.len());
        for (before, place) in &parts {
            path.push_str(before);
            path.push_str(chosen[*place]);
        }
        path.push_str(rest);
        if path.len() > LONGEST_PATH {
            return None;
        }
        paths.push(path);
    }
    Some(paths)
}

/// A name in a template.
struct Place<'a> {
    /// The text before it.
    before: &'a str,
    name: &'a str,
    /// The text behind it.
    behind: &'a str,
}

/// The next name.
fn next_place(text: &str) -> Option<Place<'_>> {
    let (before, behind) = text.split_once(OPEN)?;
    let (name, behind) = behind.split_once(CLOSE)?;
    Some(Place { before, name, behind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(template: &str, custom_data: &Value) -> Vec<String> {
        let facts = Facts {
            username: "bob",
            custom_data: Some(custom_data),
            server_name: "TestNode",
        };
        fill(template, &facts)
    }

    #[test]
    fn facts_are_filled_in() {
        let data = json!({"tenant": "t1", "a": {"b": 7, "c": [true]}, "whole": 2.0, "part": 2.5});
        for (template, path) in [
            ("/users/{{user.username}}/*", "/users/bob/*"),
            (
                "/_exchange/requests/{{happn.name}}/x",
                "/_exchange/requests/TestNode/x",
            ),
            ("/{{user.custom_data.tenant}}/{{user.username}}", "/t1/bob"),
            ("/{{user.custom_data.a.b}}", "/7"),
            ("/{{user.custom_data.a.c.0}}", "/true"),
            ("/{{user.custom_data.whole}}/{{user.custom_data.part}}", "/2/2.5"),
            ("/{{user.username}}/{{user.username}}", "/bob/bob"),
        ] {
            assert_eq!(filled(template, &data), [path], "{template}");
        }
    }

    #[test]
    fn lists_multiply_the_path_and_a_name_has_one_value_in_it() {
        let data = json!({"a": [1, 2], "b": ["x", "y"], "none": []});
        assert_eq!(filled("/{{user.custom_data.a}}", &data), ["/1", "/2"]);
        assert_eq!(
            filled("/{{user.custom_data.a}}/{{user.custom_data.b}}", &data),
            ["/1/x", "/2/x", "/1/y", "/2/y"]
        );
        assert_eq!(
            filled("/{{user.custom_data.a}}-{{user.custom_data.a}}", &data),
            ["/1-1", "/2-2"]
        );
        assert!(filled("/{{user.custom_data.none}}", &data).is_empty());
    }

    #[test]
    fn a_template_that_cannot_be_filled_grants_nothing() {
        let data = json!({"null": null, "object": {}, "list": [["a"]], "mixed": ["a", null], "empty": "", "text": "t"});
        for name in [
            "user.custom_data.missing",
            "user.custom_data.null",
            "user.custom_data.object",
            "user.custom_data.list",
            "user.custom_data.mixed",
            "user.custom_data.empty",
            "user.custom_data.text.length",
            "user.custom_data",
            "user.custom_datatext",
            "user.password",
            "user",
            "__proto__",
            "constructor.name",
            "",
            " user.username ",
        ] {
            assert!(
                filled(&format!("/a/{{{{{name}}}}}/*"), &data).is_empty(),
                "{name}"
            );
        }
        let nobody = Facts {
            username: "bob",
            custom_data: None,
            server_name: "",
        };
        assert!(fill("/{{user.custom_data.a}}", &nobody).is_empty());
        assert!(fill("/{{happn.name}}", &nobody).is_empty());
    }

    #[test]
    fn facts_cannot_widen_a_permission() {
        let data = json!({"star": "a*", "list": ["a", "*"], "inner": "{{happn.name}}", "dollar": "$&$'"});
        assert!(filled("/{{user.custom_data.star}}", &data).is_empty());
        assert!(filled("/{{user.custom_data.list}}", &data).is_empty());
        assert_eq!(filled("/{{user.custom_data.inner}}", &data), ["/{{happn.name}}"]);
        assert_eq!(filled("/{{user.custom_data.dollar}}", &data), ["/$&$'"]);
    }

    #[test]
    fn the_number_and_length_of_paths_is_bounded() {
        let data = json!({"many": (0..100).collect::<Vec<_>>(), "more": (0..11).collect::<Vec<_>>(), "long": "x".repeat(9000)});
        assert_eq!(filled("/{{user.custom_data.many}}", &data).len(), 100);
        assert!(filled("/{{user.custom_data.many}}/{{user.custom_data.more}}", &data).is_empty());
        assert!(filled("/{{user.custom_data.long}}", &data).is_empty());
    }

    #[test]
    fn braces_that_do_not_close_are_text() {
        assert!(!is_template("/a/{{user.username"));
        assert!(!is_template("/a}}/{{b"));
        assert!(is_template("/a/{{}}"));
        assert_eq!(filled("/{{user.username}}/{{x", &json!({})), ["/bob/{{x"]);
    }
}
