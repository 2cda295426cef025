//! The scenarios of `corpus/security`, played to the host.
//!
//! Enters: `rows.jsonl` with the answers of real servers, `deviations.toml`, and a secured host. Leaves: what the
//! host answers otherwise. Guarantees: every step is asked in its order; a rule that no step needs is reported.

mod compare;
mod rules;
mod session;

pub use compare::{Difference, stable};
pub use rules::Rules;
pub use session::Session;

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One step of a scenario, and what real servers answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The scenario.
    pub section: String,
    /// The name of the step, which no other step of the scenario has.
    pub step: String,
    method: Option<String>,
    args: Option<Value>,
    #[serde(rename = "as")]
    user: Option<String>,
    open: Option<(String, String)>,
    close: Option<String>,
    #[serde(rename = "only")]
    _only: Option<String>,
    /// The first generation's answer.
    pub first: Option<Value>,
    /// The answer of later servers.
    pub later: Option<Value>,
}

impl Row {
    /// Scenario and step.
    pub fn name(&self) -> String {
        format!("{}/{}", self.section, self.step)
    }
}

/// Where the corpus is.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/security")
}

/// All rows of one scenario.
///
/// # Panics
///
/// When the corpus cannot be read.
pub fn rows(section: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(folder().join("rows.jsonl")).expect("the corpus is there");
    let rows = text
        .lines()
        .map(|line| serde_json::from_str::<Row>(line).expect("a row"));
    rows.filter(|row| row.section == section).collect()
}

/// A step that the host answers otherwise than any real server, and than the rules say.
#[derive(Debug)]
pub struct Finding {
    /// Scenario and step.
    pub name: String,
    /// The host's answer.
    pub answer: Value,
    /// In what way it differs.
    pub differences: Vec<Difference>,
}

/// Plays a scenario.
///
/// # Panics
///
/// When the administrator cannot log in.
pub async fn play(address: SocketAddr, rows: &[Row], rules: &Rules) -> Vec<Finding> {
    let mut admin = Session::open(address, "_ADMIN", "happn")
        .await
        .expect("the administrator may");
    admin.listen().await;
    let mut world = World {
        address,
        admin,
        sessions: HashMap::new(),
        results: HashMap::new(),
    };
    let mut findings = Vec::new();
    for row in rows {
        let answer = world.take(row).await;
        let differences = rules.judge(row, &answer);
        if !differences.is_empty() {
            findings.push(Finding {
                name: row.name(),
                answer,
                differences,
            });
        }
    }
    findings
}

struct World {
    address: SocketAddr,
    admin: Session,
    sessions: HashMap<String, Session>,
    results: HashMap<String, Value>,
}

impl World {
    async fn take(&mut self, row: &Row) -> Value {
        let mut answer = self.answer(row).await;
        let told = |answer: &Option<Value>| {
            let events = answer.as_ref().and_then(|answer| answer["events"].as_array());
            events.map_or(0, Vec::len)
        };
        let ends_others = row
            .method
            .as_deref()
            .is_some_and(|method| method.starts_with("revoke"));
        if row.method.is_none() || row.user.is_some() || ends_others {
            // Changes by others are published when they happen, not before an answer.
            self.admin
                .wait_for_events(told(&row.later).max(told(&row.first)))
                .await;
        }
        let events = self.admin.take_events();
        if !events.is_empty() {
            answer["events"] = events.into();
        }
        stable(&answer)
    }

    async fn answer(&mut self, row: &Row) -> Value {
        if let Some((username, password)) = &row.open {
            return match Session::open(self.address, username, password).await {
                Ok(session) => {
                    self.sessions.insert(username.clone(), session);
                    json!({"opened": true})
                }
                Err(message) => json!({"refused": message}),
            };
        }
        if let Some(username) = &row.close {
            if let Some(session) = self.sessions.remove(username) {
                session.close().await;
            }
            return json!({"closed": true});
        }
        let arguments = self.filled(row.args.as_ref().unwrap_or(&Value::Null));
        let session = match &row.user {
            Some(user) => self
                .sessions
                .get_mut(user)
                .expect("an earlier step opens the session"),
            None => &mut self.admin,
        };
        let method = row.method.as_deref().expect("a step without session is a call");
        let answer = session.call(method, arguments).await;
        if let Some(result) = answer["results"].get(0) {
            self.results.insert(row.step.clone(), result.clone());
        }
        answer
    }

    /// Arguments that name what came before are replaced by it.
    fn filled(&self, value: &Value) -> Value {
        let session = |name: &Value| self.sessions.get(name.as_str().unwrap_or_default());
        match value {
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(entries) => {
                if let Some(step) = entries.get("$result") {
                    let result = self.results.get(step.as_str().unwrap_or_default());
                    return result.cloned().unwrap_or_default();
                }
                if let Some(name) = entries.get("$token") {
                    return session(name).map_or(Value::Null, |session| session.token().into());
                }
                if let Some(name) = entries.get("$session") {
                    return session(name).map_or(Value::Null, |session| session.id().into());
                }
                let entries = entries.iter().map(|(key, item)| (key.clone(), self.filled(item)));
                Value::Object(entries.collect())
            }
            other => other.clone(),
        }
    }
}
