//! The check that asks for web routes.
//!
//! Enters: a subject. Leaves: findings about its responses. Guarantees: every declared route is asked for, with requests
//! as browsers and strangers send them; a component that says that something is wrong is believed.

use super::orders;
use super::report::{Finding, Reporter};
use super::subject::Loaded;
use super::{Subject, lives};
use bytes::Bytes;
use mesh_http::web::Failure;
use mesh_plugin::LoadError;
use serde_json::{Value, json};

/// A route that has not answered so often is not asked for again.
const SILENCES: u32 = 2;

/// A request of the check.
struct Sent {
    /// The request in words.
    words: &'static str,
    verb: &'static str,
    /// The part of the path behind the route.
    below: &'static str,
    headers: Value,
    body: Bytes,
}

/// Asks for each route in several ways.
pub(super) async fn routes(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    let descriptor = orders::descriptor(subject, reporter).await?;
    let routes: Vec<String> = descriptor
        .routes()
        .iter()
        .map(|(route, _)| route.clone())
        .collect();
    if routes.is_empty() {
        reporter.remark("not declared: without `routes` in its descriptor nobody asks for one");
        return Ok(Vec::new());
    }
    let mut loaded = Loaded::load(subject, 1).await?;
    if !loaded.answers_web_requests() {
        loaded.stop().await;
        return Ok(vec![Finding::warning(
            "it declares web routes, and `extensions` of its descriptor does not name mesh.http/1: they are listed, and not served. \
             A library of ABI 1.2 or before looks that extension up instead",
        )]);
    }
    let shows_life = loaded.is_alive().await;
    loaded.completed_twice().await;
    let mut findings: Vec<Finding> = Vec::new();
    for route in routes {
        let mut silences = 0;
        for sent in requests() {
            let Sent {
                words,
                verb,
                below,
                headers,
                body,
            } = sent;
            let asked = format!("{verb} of route `{route}` {words}");
            reporter.step(&*asked);
            let head = json!({
                "route": route, "method": verb, "url": format!("/check/{route}{below}"),
                "path": below.split('?').next(), "query": below.split_once('?').map_or("", |(_, query)| query),
                "headers": headers, "address": "127.0.0.1",
            });
            let outcome = loaded.request(&route, head.to_string(), body).await;
            silences += u32::from(matches!(outcome, Err(Failure::TimedOut(_))));
            let mut found = complaint(outcome.err(), &asked);
            if loaded.completed_twice().await {
                found = Some(Finding::failed(format!(
                    "{asked} was completed more than once: the first completion is the response, all others are ignored"
                )));
            }
            findings.extend(found.filter(|found| !findings.contains(found)));
            if shows_life && !loaded.is_alive().await {
                findings.push(Finding::failed(format!(
                    "{asked} keeps its lane busy: what takes long is completed later, by a thread of its own or a timer"
                )));
                loaded.leave();
                return Ok(findings);
            }
            if silences >= SILENCES {
                break;
            }
        }
    }
    reporter.step("STOP, `destroy` and unloading after web requests");
    findings.extend(lives::unloading(loaded.stop().await, "after web requests"));
    Ok(findings)
}

fn requests() -> Vec<Sent> {
    let odd: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    vec![
        Sent {
            words: "as a browser asks",
            verb: "GET",
            below: "",
            headers: json!({"accept": "text/html"}),
            body: Bytes::new(),
        },
        Sent {
            words: "with an odd path and query",
            verb: "GET",
            below: "/%00/..%2f%ff/%?=&&a=%&%zz=\u{fc}",
            headers: json!({}),
            body: Bytes::new(),
        },
        Sent {
            words: "with a megabyte of no text",
            verb: "POST",
            below: "",
            headers: json!({"content-type": "application/json"}),
            body: odd.into(),
        },
        Sent {
            words: "with a body that ends too early",
            verb: "PUT",
            below: "/deep/er",
            headers: json!({"content-type": "application/json"}),
            body: Bytes::from_static(b"{\"a\":["),
        },
        Sent {
            words: "which is a method that nobody knows",
            verb: "BREW",
            below: ".json",
            headers: json!({"x-long": "x".repeat(60_000), "cookie": "a=;=;;"}),
            body: Bytes::new(),
        },
    ]
}

fn complaint(failure: Option<Failure>, asked: &str) -> Option<Finding> {
    match failure? {
        Failure::Component(error) => {
            let error: Value = serde_json::from_str(&error).unwrap_or_default();
            let is_panic = error["name"] == "Panic";
            is_panic.then(|| {
                let message = error["message"].as_str().unwrap_or_default();
                Finding::failed(format!("{asked} made it panic: {message}"))
            })
        }
        Failure::TimedOut(_) => Some(Finding::warning(format!(
            "{asked} was not answered in time: each MESH_WORK_HTTP is completed once, with `respond` or `complete`"
        ))),
        Failure::Unreadable(what) => Some(Finding::failed(format!("{asked}: {what}"))),
        Failure::Unavailable(what) | Failure::Unserved { message: what, .. } => {
            Some(Finding::failed(format!("{asked} was not taken: {what}")))
        }
    }
}
