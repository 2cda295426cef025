//! `/rest/openapi.json`: the methods of all components as an OpenAPI 3.1 document.
//!
//! Enters: the descriptors of the components, and who asks. Leaves: a document that says of every method that the
//! caller may use how it is called over HTTP and what is answered. Guarantees: names of any characters stand escaped
//! in paths. Nothing is said of a parameter that its component does not say, since the host checks none. Every status
//! that the host answers a described request with is in the document.
//!
//! Methods are described with `POST` alone. The host answers other verbs as real servers do. But a `GET` that changes
//! something is not what HTTP promises of it, and its query can carry texts only.

use super::methods::{self, Described, Serving};
use super::{Reply, schema};
use crate::operations::{Access, Documented, Operation};
use mesh_core::mesh::Mesh;
use mesh_security::WebPrincipal;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The document for somebody, in which the paths of the host itself come first.
pub(super) fn document(mesh: &Mesh, principal: &WebPrincipal, own: &[Documented]) -> Reply {
    let is_secure = mesh.security().is_some();
    let mut paths = own_paths(own, is_secure);
    let (mut tags, mut tagged) = (vec![tag("mesh", "The mesh itself.")], BTreeSet::new());
    methods::for_each(mesh, principal, |component, method| {
        if tagged.insert(component.name().to_owned()) {
            let version = component.version();
            tags.push(tag(component.name(), &format!("{} {version}", component.name())));
        }
        let path = format!(
            "/rest/method/{}/{}",
            escaped(component.name()),
            escaped(method.name())
        );
        paths.insert(path, json!({ "post": operation(component, method, is_secure) }));
    });
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": mesh.name(),
            "version": env!("CARGO_PKG_VERSION"),
            "summary": format!("The methods of the components of the mesh {}, over HTTP.", mesh.name()),
            "description": "Every answer has `message`, `data` and `error`. The status 500 is a method's own failure and \
                            nobody else's: its error is what the component says. The document's version is the host's; \
                            those of the components stand with their tags.",
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": { "schemas": schemas(), "responses": responses() },
    });
    if is_secure {
        document["security"] = json!([{ "bearer": [] }, { "cookie": [] }, { "query": [] }]);
        document["components"]["securitySchemes"] = json!({
            "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            "cookie": { "type": "apiKey", "in": "cookie", "name": "happn_token" },
            "query": { "type": "apiKey", "in": "query", "name": "happn_token" },
        });
    }
    Reply {
        status: 200,
        body: document.to_string(),
    }
}

fn tag(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description })
}

/// The paths that the mesh itself answers.
fn own_paths(own: &[Documented], is_secure: bool) -> Map<String, Value> {
    let described = own.iter().map(|own| {
        let operation = own_operation(&own.operation, own.access, is_secure);
        (own.path.to_owned(), json!({ own.operation.verb: operation }))
    });
    described.collect()
}

fn own_operation(described: &Operation, access: Access, is_secure: bool) -> Value {
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let mut operation =
        json!({ "operationId": described.id, "tags": ["mesh"], "summary": described.summary });
    if is_secure && access == Access::Anybody {
        operation["security"] = json!([]);
    }
    let success = described.success.map_or(json!({ "type": "object" }), schema);
    let mut failures = Vec::new();
    if is_secure && access == Access::Permission {
        failures.extend(["401", "403"]);
    }
    failures.extend(described.failures);
    operation["responses"] = answers(success, &failures);
    if let Some(own) = &described.own_failure {
        operation["responses"][own.status] = answer(own.description, schema(own.schema));
    }
    if let Some(body) = described.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema(body) } },
        });
    }
    operation
}

fn operation(component: &Serving, method: Described<'_>, is_secure: bool) -> Value {
    let mut operation = json!({
        // Names contain no slash: no two methods have one.
        "operationId": format!("{}/{}", component.name(), method.name()),
        "tags": [component.name()],
    });
    if let Some(description) = method.description() {
        operation["summary"] = description.lines().next().unwrap_or_default().into();
        operation["description"] = description.into();
    }
    let body = schema::of_body(method, is_secure);
    operation["requestBody"] = json!({
        "required": body["anyOf"][0].get("required").is_some(),
        "content": { "application/json": { "schema": body } },
    });
    operation["responses"] = answers(
        json!({ "$ref": "#/components/schemas/Result" }),
        &[
            "400", "403", "404", "405", "408", "413", "415", "500", "502", "503", "504",
        ],
    );
    operation
}

/// A successful answer of this form, and these failures.
fn answers(success: Value, failures: &[&str]) -> Value {
    let mut answers = json!({ "200": answer("It worked.", success) });
    for status in failures {
        answers[status] = json!({ "$ref": format!("#/components/responses/{status}") });
    }
    answers
}

fn answer(description: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

/// The failures, by their status.
fn responses() -> Value {
    let failure = |description: &str| answer(description, json!({ "$ref": "#/components/schemas/Failure" }));
    // Real servers answer with text where a token is missing, and their clients compare it.
    let unknown = |description: &str| {
        let mut answer = failure(description);
        answer["content"]["text/plain"] = json!({ "schema": { "type": "string" } });
        answer
    };
    let failed = json!({ "$ref": "#/components/schemas/FailedCall" });
    json!({
        "400": answer("The request cannot be read, or the method cannot take one of its parameters: the error says which.",
            failed.clone()),
        "401": unknown("Nobody is known by these credentials, or by this token."),
        "403": unknown("The caller may not do this."),
        "404": failure("There is no such component or method."),
        "405": failure("The verb is not answered here; the header `Allow` has those that are."),
        "408": failure("The body did not arrive in time."),
        "413": failure("The body is too large."),
        "415": failure("The body is not JSON, or is encoded."),
        "500": answer("The method failed: the error is the component's own.", failed),
        "502": failure("The component gave something that is no answer."),
        "503": failure("The component, or the mesh, takes no requests at the moment."),
        "504": failure("The method did not answer in time."),
    })
}

fn schemas() -> Value {
    let failure = |error: Value| {
        json!({
            "type": "object",
            "required": ["message", "data", "error"],
            "properties": { "message": { "type": "string" }, "data": { "type": "null" }, "error": error },
        })
    };
    let success = |data: Value| {
        json!({
            "type": "object",
            "required": ["message", "data", "error"],
            "properties": { "message": { "type": "string" }, "data": data, "error": { "type": "null" } },
        })
    };
    let text = || json!({ "type": "string", "minLength": 1 });
    let perhaps = || json!({ "type": ["string", "null"] });
    json!({
        "Result": success(json!({ "description": "The method's first result, or null." })),
        "Failure": failure(json!({
            "type": "object",
            "required": ["message"],
            "properties": { "message": { "type": "string" }, "name": { "type": "string" }, "code": { "type": "integer" } },
        })),
        "FailedCall": failure(json!({
            "type": "object",
            "description": "The component's error, mostly with a `message`.",
        })),
        "Credentials": {
            "type": "object",
            "properties": { "username": text(), "password": perhaps(), "token": perhaps() },
            "required": ["username"],
            "anyOf": [
                { "required": ["password"], "properties": { "password": text() } },
                { "required": ["token"], "properties": { "token": text() } },
            ],
        },
        "LoggedIn": success(json!({
            "type": "object",
            "required": ["token"],
            "properties": { "token": { "type": "string" } },
        })),
        "Description": success(json!({
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["uri", "parameters"],
                "properties": {
                    "uri": { "type": "string" },
                    "parameters": { "type": "object", "additionalProperties": { "type": "string" } },
                },
            },
        })),
        "Status": {
            "type": "object",
            "required": ["status"],
            "properties": { "status": { "type": "string" }, "reason": { "type": "string" } },
        },
    })
}

/// A name as one segment of a path.
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_characters_are_one_segment() {
        for (name, expected) in [
            ("add", "add"),
            ("{id}", "%7Bid%7D"),
            ("a+b?c#d%e", "a%2Bb%3Fc%23d%25e"),
            ("ž", "%C5%BE"),
        ] {
            assert_eq!(escaped(name), expected);
        }
    }
}
