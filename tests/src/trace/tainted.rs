//! Documents that can no longer be compared because a request that would have written them was skipped.
//!
//! Enters: the requests of a recording, one after the other. Leaves: for each whether it is sent and whether its
//! frames are compared. Guarantees: a document is compared again once it is written anew or removed.

use serde_json::Value;

use super::pattern::text_matches;
use super::rules::{Place, Rules, Scope, Skip};

/// The treatment of a request.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// The rule by which its frames are not compared.
    pub skip: Option<&'a Skip>,
    /// Whether it is sent.
    pub send: bool,
}

/// Paths, wildcards included, with the rule that made them unreliable.
#[derive(Debug, Default)]
pub struct Tainted<'a>(Vec<(String, &'a Skip)>);

impl<'a> Tainted<'a> {
    /// Says what is to be done with the request of `place`, and remembers what it does to documents.
    pub fn judge(&mut self, rules: &'a Rules, place: &Place<'_>) -> Verdict<'a> {
        let text = |name: &str| {
            place
                .request
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (path, action) = (text("path"), text("action"));
        if let Some(rule) = rules.skip(&[Scope::Request], place) {
            if rule.taint {
                self.0.push((path.to_owned(), rule));
            }
            return Verdict {
                skip: Some(rule),
                send: rule.send,
            };
        }
        let overlaps = |tainted: &str| text_matches(path, tainted) || text_matches(tainted, path);
        let found = self
            .0
            .iter()
            .find(|(tainted, _)| overlaps(tainted))
            .map(|(_, rule)| *rule);
        match action {
            "set" => self.0.retain(|(tainted, _)| tainted != path),
            "remove" => self.0.retain(|(tainted, _)| !text_matches(path, tainted)),
            _ => {}
        }
        let skip = found.filter(|_| matches!(action, "get" | "remove"));
        Verdict { skip, send: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_of_skipped_requests_are_not_compared() {
        let rules: Rules = toml::from_str(
            r#"[[skip]]
            id = "merge"
            category = "later milestone"
            reason = "x"
            scope = "request"
            when = { option = ["merge"] }
            taint = true"#,
        )
        .unwrap();
        let mut tainted = Tainted::default();
        let mut judge = |request: Value| {
            let verdict = tainted.judge(
                &rules,
                &Place {
                    request: &request,
                    ..Place::default()
                },
            );
            (verdict.skip.is_some(), verdict.send)
        };
        let get = |path: &str| json!({"action": "get", "path": path});
        assert_eq!(judge(get("/a/1")), (false, true));
        assert_eq!(
            judge(json!({"action": "set", "path": "/a/1", "options": {"merge": true}})),
            (true, false)
        );
        assert_eq!(judge(get("/a/*")), (true, true));
        assert_eq!(judge(get("/b/*")), (false, true));
        assert_eq!(judge(json!({"action": "set", "path": "/a/1"})), (false, true));
        assert_eq!(judge(get("/a/1")), (false, true));
    }
}
