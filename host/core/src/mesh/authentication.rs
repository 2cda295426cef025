//! The components that check passwords, where the configuration names some.
//!
//! Enters: a name and a password of somebody who logs in. Leaves: a call of the component's method `authenticate`,
//! and what its answer means. Guarantees: an answer is waited for at most [`LIMIT`]. While one version of the
//! component takes over from another, logins wait for it or are asked again. An answer that is not clearly a yes is
//! none.

use super::{Concerned, Mesh};
use mesh_config::{SecurityConfig, Spanned};
use mesh_plugin::{Abandoned, Awaited, Given, Job, JobKind, Status};
use mesh_security::{Answer, Answering, Assignment, Checker, Person, Provider, Providers, Question, User};
use mesh_wire::protocol::json;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long the component may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The method that is called.
const METHOD: &str = "authenticate";
/// A call that a version did not answer before another took over is made once more.
const TURNS: usize = 2;

/// The component of this name.
struct Authentication {
    mesh: Weak<Mesh>,
    component: String,
}

impl Mesh {
    /// Lets the configured components check passwords, but for the administrator's.
    pub fn authenticate_with(self: &Arc<Mesh>, configured: &SecurityConfig) {
        let Some(security) = self.security() else { return };
        let checker = |component: Option<&String>| match component {
            None => Checker::Host,
            Some(component) => Checker::Component(Arc::new(Authentication {
                mesh: Arc::downgrade(self),
                component: component.clone(),
            })),
        };
        let named = |component: &Option<Spanned<String>>| checker(component.as_ref().map(|name| &name.value));
        let assigned = configured.providers.iter().map(|provider| Assignment {
            checker: named(&provider.component),
            users: provider.users.clone(),
        });
        security.provide(Providers::new(
            named(&configured.authentication),
            assigned.collect(),
        ));
    }

    /// Warns where the component that is to check passwords cannot.
    pub fn check_authentication(&self, component: &str) {
        let registry = self.registry();
        let versions = registry.versions(component);
        if !versions
            .iter()
            .any(|version| version.descriptor().method(METHOD).is_some())
        {
            tracing::error!(
                "the component {component} is to check passwords and has no method {METHOD}: nobody whose password it checks can log in"
            );
        }
    }
}

impl Provider for Authentication {
    fn name(&self) -> &str {
        &self.component
    }

    fn authenticate<'a>(&'a self, question: Question<'a>) -> Answering<'a> {
        Box::pin(async move {
            let mesh = self.mesh.upgrade().ok_or("the mesh is stopping")?;
            let arguments = arguments(question);
            for _ in 0..TURNS {
                let (waiting, outcome) = Awaited::new();
                let job = Job {
                    payload: arguments.clone().into(),
                    origin: Some(mesh.origin().clone()),
                    ..Job::new(JobKind::Call, 0)
                };
                let target = (self.component.as_str(), METHOD);
                if let Err((failure, _)) = mesh.call_from_host(target, "", job, LIMIT, Box::new(waiting)) {
                    return Err(failure.message().to_owned());
                }
                match outcome.wait(LIMIT).await {
                    Ok(Said(answer)) => return answer,
                    Err(Abandoned::Replaced) => {}
                    Err(Abandoned::TimedOut) => {
                        return Err(format!("no answer within {} s", LIMIT.as_secs()));
                    }
                    Err(Abandoned::Stopped) => return Err("it was stopped".to_owned()),
                }
            }
            Err("it was replaced by another version again and again".to_owned())
        })
    }

    fn user_changed(&self, user: &User) {
        let Some(mesh) = self.mesh.upgrade() else { return };
        let groups = user.groups.keys();
        let groups: serde_json::Map<_, _> = groups
            .map(|group| (group.to_string(), json!({"data": {}})))
            .collect();
        let mut told =
            json!({"username": &*user.name, "userid": user.id, "permissions": {}, "groups": groups});
        if let Some(custom_data) = &user.custom_data {
            told["custom_data"] = custom_data.clone();
        }
        let concerned = Concerned::Users(std::slice::from_ref(&user.name));
        mesh.security_changed(concerned, "upsert-user", &told);
    }
}

/// The arguments of the call.
fn arguments(question: Question<'_>) -> String {
    let mut out = String::from(r#"[{"username":"#);
    json::write_string(&mut out, question.username);
    out.push_str(r#","password":"#);
    json::write_string(&mut out, question.password);
    out.push_str(&format!(
        r#","address":"{}","info":"#,
        question.address.to_canonical()
    ));
    out.push_str(question.info.text().unwrap_or("{}"));
    out.push_str("}]");
    out
}

/// The component's answer, or the reason why there is none.
struct Said(Result<Answer, String>);

impl Given for Said {
    fn completed(status: i32, payload: &[u8]) -> Said {
        Said(match status {
            Status::OK => meaning(payload),
            _ => failure(payload),
        })
    }
}

/// The meaning of a result.
fn meaning(payload: &[u8]) -> Result<Answer, String> {
    #[derive(Deserialize)]
    struct Known {
        groups: Option<Vec<String>>,
        custom_data: Option<Value>,
    }
    let results: Vec<Value> =
        serde_json::from_slice(payload).map_err(|_| "its answer is not a JSON array".to_owned())?;
    match results.into_iter().next().unwrap_or_default() {
        Value::Null | Value::Bool(false) => Ok(Answer::Refused),
        Value::Bool(true) => Ok(Answer::Accepted(Person::default())),
        known @ Value::Object(_) => {
            let known: Known = serde_json::from_value(known)
                .map_err(|_| "`groups` in its answer must be a list of names".to_owned())?;
            Ok(Answer::Accepted(Person {
                groups: known.groups,
                custom_data: known.custom_data,
            }))
        }
        _ => Err("its answer must be an object, true, false or null".to_owned()),
    }
}

/// The meaning of an error: only one that says so is a refusal.
fn failure(payload: &[u8]) -> Result<Answer, String> {
    let errors: Vec<Value> = serde_json::from_slice(payload).unwrap_or_default();
    let error = errors.first().cloned().unwrap_or_default();
    if error["name"] == "AccessDenied" {
        return Ok(Answer::Refused);
    }
    let message = error["message"]
        .as_str()
        .unwrap_or("it failed without saying why");
    Err(json::shorten(message).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_security::Info;

    #[test]
    fn only_a_clear_yes_is_one() {
        let said = |status, payload: &str| Said::completed(status, payload.as_bytes()).0;
        let person = |groups: Option<&[&str]>, custom_data| {
            let groups = groups.map(|groups| groups.iter().map(|name| (*name).to_owned()).collect());
            Ok(Answer::Accepted(Person { groups, custom_data }))
        };
        assert_eq!(said(Status::OK, "[true]"), person(None, None));
        assert_eq!(said(Status::OK, "[{}]"), person(None, None));
        assert_eq!(
            said(Status::OK, r#"[{"groups":["a"],"custom_data":{"b":1}}]"#),
            person(Some(&["a"]), Some(json!({"b": 1})))
        );
        for no in ["[]", "[null]", "[false]"] {
            assert_eq!(said(Status::OK, no), Ok(Answer::Refused), "{no}");
        }
        for odd in [
            "",
            "{}",
            "[1]",
            r#"["yes"]"#,
            "[[]]",
            r#"[{"groups":"a"}]"#,
            r#"[{"groups":[1]}]"#,
        ] {
            assert!(said(Status::OK, odd).is_err(), "{odd}");
        }
        let denied = r#"[{"name":"AccessDenied","message":"no"}]"#;
        assert_eq!(said(Status::ERROR, denied), Ok(Answer::Refused));
        let broken = r#"[{"name":"Error","message":"no connection"}]"#;
        assert_eq!(said(Status::ERROR, broken), Err("no connection".to_owned()));
        assert!(said(Status::ERROR, "[true]").is_err());
    }

    #[test]
    fn names_and_passwords_are_texts_whatever_is_in_them() {
        let info = Info::default();
        let asked = arguments(Question {
            username: "bob\",\"x\":\"",
            password: "\"}]\u{7}",
            address: "::ffff:10.0.0.1".parse().unwrap(),
            info: &info,
        });
        let asked: Value = serde_json::from_str(&asked).unwrap();
        let expected = json!([{
            "username": "bob\",\"x\":\"", "password": "\"}]\u{7}", "address": "10.0.0.1", "info": {}
        }]);
        assert_eq!(asked, expected);
    }
}
