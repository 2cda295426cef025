//! Descriptions of meshes: components, methods, events and paths.
//!
//! Enters: the document `/mesh/schema/description`. Leaves: a [`Description`] in the document's own order,
//! with the raw document beside it. Guarantees: a part that has an unexpected form is left out, not an error.

use super::{Client, ClientError, ErrorKind};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Where a mesh describes itself.
const PATH: &str = "/mesh/schema/description";
/// How often to look again while the mesh is starting.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The description of a mesh.
#[derive(Clone, Debug)]
pub struct Description {
    /// The domain: the first segment of the paths of calls and events.
    pub name: String,
    /// Its components.
    pub components: Vec<Component>,
    /// The document.
    pub raw: Box<RawValue>,
}

/// A component.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its methods.
    pub methods: Vec<Method>,
    /// The events that it declares. Components may emit others too.
    pub events: Vec<Event>,
    /// Its web routes.
    pub routes: Vec<Route>,
}

/// A method.
#[derive(Clone, Debug)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// Its parameters in order; often the last one is named `callback` and stands for the answer.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a method.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type, if it has one.
    pub kind: Option<String>,
    /// Whether it must be given.
    pub required: bool,
}

impl Parameter {
    /// Whether it stands for the answer and is not an argument.
    #[must_use]
    pub fn is_callback(&self) -> bool {
        self.name == "callback" || self.kind.as_deref() == Some("callback")
    }
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its key, perhaps with wildcards.
    pub key: String,
    /// The component's text about it.
    pub details: Value,
}

/// A web route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its path on the server.
    pub path: String,
    /// `static` for files, `mware` for a function.
    pub kind: String,
}

impl Description {
    /// Reads a description.
    pub fn parse(raw: Box<RawValue>) -> Result<Description, ClientError> {
        let document: Map<String, Value> = serde_json::from_str(raw.get()).map_err(|error| {
            ClientError::caused(
                ErrorKind::Protocol,
                "the description of the mesh is not an object",
                error,
            )
        })?;
        let name = text(document.get("name")).ok_or_else(|| {
            ClientError::new(ErrorKind::Protocol, "the description of the mesh has no name")
        })?;
        let components = entries(document.get("components"), component);
        Ok(Description {
            name,
            components,
            raw,
        })
    }

    /// The component of this name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|component| component.name == name)
    }
}

impl Component {
    /// The method of this name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

impl Client {
    /// The mesh's description. Waits while it is starting, for as long as a request may take.
    pub async fn description(&self) -> Result<Description, ClientError> {
        let deadline = Instant::now() + self.shared.timeout;
        loop {
            let response = self.get(PATH).await?;
            let document: Value = response.read()?;
            let is_ready = document.get("initializing").and_then(Value::as_bool) != Some(true);
            if !response.is_null() && is_ready {
                return Description::parse(response.data);
            }
            if Instant::now() + POLL_INTERVAL > deadline {
                let why = if response.is_null() {
                    "there is no mesh at this address"
                } else {
                    "the mesh is still starting"
                };
                return Err(ClientError::new(ErrorKind::Timeout, format!("get {PATH}: {why}")));
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

fn entries<T>(object: Option<&Value>, read: impl Fn(&str, &Value) -> Option<T>) -> Vec<T> {
    let entries = object.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| read(key, value)).collect()
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_owned)
}

fn component(key: &str, value: &Value) -> Option<Component> {
    let value = value.as_object()?;
    Some(Component {
        name: key.to_owned(),
        version: text(value.get("version")).unwrap_or_default(),
        methods: entries(value.get("methods"), method),
        events: entries(value.get("events"), |key, details| {
            Some(Event {
                key: key.to_owned(),
                details: details.clone(),
            })
        }),
        routes: entries(value.get("routes"), |path, route| {
            Some(Route {
                path: path.to_owned(),
                kind: text(route.get("type")).unwrap_or_default(),
            })
        }),
    })
}

fn method(name: &str, value: &Value) -> Option<Method> {
    let parameters = value
        .get("parameters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    Some(Method {
        name: name.to_owned(),
        parameters: parameters.filter_map(parameter).collect(),
    })
}

fn parameter(value: &Value) -> Option<Parameter> {
    // Functions without parameters are described as one parameter without a name.
    let name = text(value.get("name")).filter(|name| !name.is_empty())?;
    let required = value.get("required").and_then(Value::as_bool).unwrap_or(false);
    Some(Parameter {
        name,
        kind: text(value.get("type")),
        required,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_in_its_own_order() {
        let text = r#"{"name":"D","initializing":false,"components":{"z":{"version":"1.0.0","methods":{
            "n":{"parameters":[{"name":""}]},"a":{"parameters":[{"name":"x","required":true},{"name":"callback"}]}},
            "routes":{"/z/r":{"type":"mware"}},"events":{"e/*":{}}},"a":{"version":"2.0.0"},"odd":1}}"#;
        let description =
            Description::parse(RawValue::from_string(text.to_owned()).expect("JSON")).expect("readable");
        let names: Vec<_> = description
            .components
            .iter()
            .map(|component| component.name.as_str())
            .collect();
        assert_eq!(names, ["z", "a"]);
        let component = description.component("z").expect("there");
        assert_eq!(component.methods[0].parameters.len(), 0);
        assert!(component.method("a").expect("there").parameters[1].is_callback());
        assert_eq!(
            (
                component.routes[0].kind.as_str(),
                component.events[0].key.as_str()
            ),
            ("mware", "e/*")
        );
        assert!(Description::parse(RawValue::from_string("null".to_owned()).expect("JSON")).is_err());
    }
}
