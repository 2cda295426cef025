//! The components that are part of the host itself: `security`, `api`, `system`, `rest`, and `data` where it is wanted.
//!
//! Enters: a mesh that is being started, later calls by any client, and REST requests that the transport has read.
//! Leaves: registered components, their answers, the events of `system` and `data`. Guarantees: a description lists only
//! what is answered; a configured component of the same name takes the place of one of these; nothing here ever waits.

mod api;
pub mod client;
pub mod console;
mod data;
mod machine;
pub mod rest;
mod security;
mod statistics;

use mesh_core::mesh::{Asked, Builtin, Endpoint, Handler, Mesh};
use mesh_plugin::{Descriptor, Identity, LoadError};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The name of these components in place of an SDK's.
const PART_OF_THE_HOST: &str = "part of the host";

/// A method of one of these components: its name and those of its parameters.
type MethodEntry = (&'static str, &'static [&'static str]);

/// One of these components before it is registered.
struct Own {
    name: &'static str,
    methods: &'static [MethodEntry],
    routes: &'static [&'static str],
    handler: Box<dyn Handler>,
}

impl Own {
    fn new(
        name: &'static str,
        methods: &'static [MethodEntry],
        routes: &'static [&'static str],
        handler: impl Handler + 'static,
    ) -> Own {
        Own {
            name,
            methods,
            routes,
            handler: Box::new(handler),
        }
    }
}

/// How the configuration wants the components of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `data`: documents for all who may call it.
    pub data: bool,
    /// How many unanswered calls of one caller each component may have.
    pub calls_of_each: usize,
}

/// Makes `security`, `api`, `system`, `rest` and those that are wanted reachable, in this order and with the host's version,
/// except those that the configuration has a component for. Must be called inside a tokio runtime, which runs their timers.
///
/// # Errors
///
/// When one of them describes itself wrongly.
pub fn register(
    mesh: &Arc<Mesh>,
    wanted: Wanted,
    is_configured: impl Fn(&str) -> bool,
) -> Result<(), LoadError> {
    let mut own = vec![
        Own::new("security", security::METHODS, &[], security::Security::new(mesh)),
        Own::new("api", api::METHODS, &[], api::Api),
        Own::new("system", statistics::METHODS, &[], statistics::System::new(mesh)),
        Own::new("rest", &[], rest::ROUTES, rest::Rest),
    ];
    if wanted.data {
        own.push(Own::new(data::NAME, data::METHODS, &[], data::Data::new(mesh)));
    }
    for (number, own) in (0..).zip(own) {
        let name = own.name;
        if is_configured(name) {
            tracing::info!(
                component = name,
                "the configured component takes the place of the one that is part of the host"
            );
            continue;
        }
        let descriptor = Descriptor::check(
            PART_OF_THE_HOST,
            name.as_bytes(),
            env!("CARGO_PKG_VERSION").as_bytes(),
            PART_OF_THE_HOST.as_bytes(),
            describe(own.methods, own.routes).as_bytes(),
        )?;
        let identity = Identity {
            mesh: mesh.name().to_owned(),
            domain: mesh.domain().to_owned(),
            component: name.to_owned(),
            version: descriptor.version().text().to_owned(),
            // Loaded components and sessions count upwards, from far below.
            number: u64::MAX - number,
        };
        mesh.register(Arc::new(Builtin::new(
            identity,
            descriptor,
            own.handler,
            wanted.calls_of_each,
        )))?;
    }
    Ok(())
}

/// The component of this name, if it is the host's own and not a configured one.
fn own_component(mesh: &Mesh, name: &str) -> Option<Arc<Builtin>> {
    match mesh.registry().find(name, Asked::Any)? {
        Endpoint::Builtin(builtin) => Some(builtin.clone()),
        Endpoint::Library(_) | Endpoint::Remote(_) => None,
    }
}

/// A descriptor as plugins write it.
fn describe(methods: &[MethodEntry], routes: &[&str]) -> String {
    let methods: Vec<Value> = methods
        .iter()
        .map(|(name, parameters)| {
            let parameters: Vec<Value> = parameters.iter().map(|name| json!({ "name": name })).collect();
            json!({ "name": name, "parameters": parameters })
        })
        .collect();
    let routes: Map<String, Value> = routes
        .iter()
        .map(|route| ((*route).to_owned(), json!({ "type": "mware" })))
        .collect();
    json!({ "methods": methods, "routes": routes }).to_string()
}

/// The arguments of a call; none when they are no array.
fn arguments_of(arguments: &[u8]) -> Vec<Value> {
    serde_json::from_slice(arguments).unwrap_or_default()
}

/// Whether JavaScript would take a value for true, as [`mesh_wire::protocol::json::is_truthy`] says of one that was not parsed.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_wire::protocol::json;
    use serde_json::value::RawValue;

    #[test]
    fn a_value_is_as_true_as_its_text() {
        for (text, expected) in [
            ("null", false),
            ("false", false),
            ("true", true),
            ("0", false),
            ("-0.0", false),
            ("0e3", false),
            ("2", true),
            (r#""""#, false),
            (r#""0""#, true),
            ("[]", true),
            ("{}", true),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            assert_eq!(
                (is_truthy(&value), json::is_truthy(raw)),
                (expected, expected),
                "{text}"
            );
        }
    }

    #[test]
    fn every_route_that_rest_declares_is_a_fixed_path() {
        for route in rest::ROUTES {
            let path = format!("/rest/{route}");
            assert!(crate::paths::TABLE.iter().any(|row| row.path == path), "{path}");
        }
    }

    #[test]
    fn every_descriptor_is_as_plugins_must_write_it() {
        for (name, methods, routes) in [
            ("security", security::METHODS, &[] as &[&str]),
            ("api", api::METHODS, &[]),
            ("system", statistics::METHODS, &[]),
            ("rest", &[], rest::ROUTES),
            (data::NAME, data::METHODS, &[]),
        ] {
            let checked = Descriptor::check(
                PART_OF_THE_HOST,
                name.as_bytes(),
                env!("CARGO_PKG_VERSION").as_bytes(),
                PART_OF_THE_HOST.as_bytes(),
                describe(methods, routes).as_bytes(),
            )
            .unwrap();
            assert_eq!(checked.methods().len(), methods.len());
            assert_eq!(checked.routes().len(), routes.len());
        }
    }
}
