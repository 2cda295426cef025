//! Descriptions of libraries, checked before they are believed.

use super::{LoadError, LoadErrorKind};
use bytes::Bytes;
use mesh_wire::protocol::json::shorten;
use mesh_wire::versions::ComponentVersion;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// A checked description.
#[derive(Debug)]
pub struct Descriptor {
    name: String,
    version: ComponentVersion,
    sdk: String,
    methods: Vec<Method>,
    by_name: HashMap<Box<str>, u32>,
    events: Box<RawValue>,
    data: Box<RawValue>,
    routes: Vec<(String, String)>,
    state: Option<StateSchema>,
    health: bool,
    extensions: Vec<String>,
    unknown_members: Vec<String>,
    bytes: usize,
}

/// How a component writes its state down, and what it can read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StateSchema {
    /// The number of the form that it writes: 1 or more.
    pub schema: u32,
    /// The numbers of all forms that it reads, its own among them.
    pub restores: Vec<u32>,
}

impl StateSchema {
    /// Whether it reads what `other` writes.
    pub fn reads(&self, other: &StateSchema) -> bool {
        self.restores.contains(&other.schema)
    }
}

/// A method as the component declares it.
#[derive(Debug)]
pub struct Method {
    name: Bytes,
    parameters: Box<RawValue>,
    description: Option<String>,
    schemas: Map<String, Value>,
    asynchronous: bool,
    idempotent: bool,
}

impl Method {
    /// The method's name on the wire.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name).unwrap_or_default()
    }

    /// The same as shared bytes, for jobs.
    pub fn name_bytes(&self) -> &Bytes {
        &self.name
    }

    /// A JSON array of objects with at least a `name`, in order.
    pub fn parameters(&self) -> &RawValue {
        &self.parameters
    }

    /// The JSON that a parameter takes, where the component says so beside its parameters: a JSON Schema, of which
    /// nothing is checked.
    pub fn schema(&self, parameter: &str) -> Option<&Value> {
        self.schemas.get(parameter)
    }

    /// Its behaviour, in words.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Whether it may be executed twice for one call.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Whether the author wrote it as an asynchronous function.
    pub fn is_asynchronous(&self) -> bool {
        self.asynchronous
    }
}

#[derive(Deserialize)]
struct RawDescriptor {
    methods: Vec<RawMethod>,
    #[serde(default)]
    events: Option<Box<RawValue>>,
    #[serde(default)]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    routes: Map<String, Value>,
    #[serde(default)]
    state: Option<StateSchema>,
    #[serde(default)]
    health: bool,
    #[serde(default)]
    extensions: Vec<String>,
}

#[derive(Deserialize)]
struct RawMethod {
    name: String,
    parameters: Vec<Map<String, Value>>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    schemas: Map<String, Value>,
    #[serde(default, rename = "async")]
    asynchronous: bool,
    #[serde(default)]
    idempotent: bool,
}

impl Descriptor {
    /// Checks what a library says. `file` is named in errors.
    ///
    /// # Errors
    ///
    /// [`LoadErrorKind::Description`] with one sentence naming what is wrong and what would be right.
    pub fn check(
        file: &str,
        name: &[u8],
        version: &[u8],
        sdk: &[u8],
        json: &[u8],
    ) -> Result<Descriptor, LoadError> {
        let wrong = |what: String| LoadError::new(LoadErrorKind::Description, format!("{file}: {what}"));
        let text = |what: &str, bytes: &[u8]| {
            std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| wrong(format!("the component's {what} is not UTF-8 text")))
        };
        let name = text("name", name)?;
        if !is_name(&name) {
            return Err(wrong(format!(
                "the component's name {:?} must not be empty or contain `/`, `*`, `@` or spaces",
                shorten(&name)
            )));
        }
        let version = ComponentVersion::parse(&text("version", version)?)
            .map_err(|error| wrong(format!("the version of component {name} is wrong: {error}")))?;
        let sdk = text("sdk", sdk)?;
        let raw: RawDescriptor = serde_json::from_str(&text("descriptor", json)?).map_err(|error| {
            wrong(format!(
                "the descriptor of component {name} is not as plugins must write it: {}",
                shorten(&error.to_string())
            ))
        })?;
        let mut by_name = HashMap::new();
        let mut methods = Vec::new();
        for (position, method) in raw.methods.into_iter().enumerate() {
            if !is_name(&method.name) {
                return Err(wrong(format!(
                    "component {name} has a method named {:?}; a name must not be empty or contain `/`, `*`, `@` or spaces",
                    shorten(&method.name)
                )));
            }
            if method
                .parameters
                .iter()
                .any(|parameter| !parameter.get("name").is_some_and(Value::is_string))
            {
                return Err(wrong(format!(
                    "method {} of component {name} has a parameter without a name",
                    method.name
                )));
            }
            if by_name
                .insert(method.name.clone().into_boxed_str(), position as u32)
                .is_some()
            {
                return Err(wrong(format!(
                    "component {name} declares its method {} twice",
                    method.name
                )));
            }
            methods.push(Method {
                name: method.name.into(),
                parameters: raw_json(&method.parameters),
                description: method.description,
                schemas: method.schemas,
                asynchronous: method.asynchronous,
                idempotent: method.idempotent,
            });
        }
        if let Some(state) = &raw.state
            && (state.schema == 0 || !state.restores.contains(&state.schema))
        {
            return Err(wrong(format!(
                "the state of component {name} has schema {}: `schema` must be 1 or more, and `restores` must contain it",
                state.schema
            )));
        }
        let object = |what: &str, value: Option<Box<RawValue>>| match value {
            None => Ok(raw_json(&Map::new())),
            Some(value) if value.get().starts_with('{') => Ok(value),
            Some(_) => Err(wrong(format!(
                "`{what}` in the descriptor of component {name} must be an object"
            ))),
        };
        let routes = raw
            .routes
            .into_iter()
            .map(|(route, about)| {
                let kind = about
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or("mware")
                    .to_owned();
                (route, kind)
            })
            .collect();
        Ok(Descriptor {
            events: object("events", raw.events)?,
            data: object("data", raw.data)?,
            name,
            version,
            sdk,
            methods,
            by_name,
            routes,
            state: raw.state,
            health: raw.health,
            extensions: raw.extensions,
            unknown_members: unknown_members(json),
            bytes: json.len(),
        })
    }

    /// The name that the library gives itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The library's version.
    pub fn version(&self) -> &ComponentVersion {
        &self.version
    }

    /// Free text naming SDK and compiler.
    pub fn sdk(&self) -> &str {
        &self.sdk
    }

    /// The methods in the order of their declaration.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// A method and its position.
    pub fn method(&self, name: &str) -> Option<(u32, &Method)> {
        let position = *self.by_name.get(name)?;
        self.methods
            .get(position as usize)
            .map(|method| (position, method))
    }

    /// A JSON object of declared events.
    pub fn events(&self) -> &RawValue {
        &self.events
    }

    /// A JSON object about the component's data.
    pub fn data(&self) -> &RawValue {
        &self.data
    }

    /// How its state is written; `None` when it has none to hand over.
    pub fn state(&self) -> Option<&StateSchema> {
        self.state.as_ref()
    }

    /// Whether it can say how it is.
    pub fn has_health(&self) -> bool {
        self.health
    }

    /// Whether it says that the component uses this extension of the host.
    pub fn uses(&self, extension: &str) -> bool {
        self.extensions.iter().any(|name| name == extension)
    }

    /// Members that the contract does not know, which a host ignores: `methods[2].desc`.
    pub fn unknown_members(&self) -> &[String] {
        &self.unknown_members
    }

    /// The length of the JSON that it was read from.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Web routes: name and type.
    pub fn routes(&self) -> &[(String, String)] {
        &self.routes
    }

    /// The position of a web route.
    pub fn route(&self, name: &str) -> Option<u32> {
        let position = self.routes.iter().position(|(route, _)| route == name)?;
        u32::try_from(position).ok()
    }
}

/// The members that a descriptor and its methods may have.
const MEMBERS: [&str; 7] = [
    "methods",
    "events",
    "routes",
    "data",
    "state",
    "health",
    "extensions",
];
const MEMBERS_OF_A_METHOD: [&str; 6] = [
    "name",
    "parameters",
    "description",
    "schemas",
    "async",
    "idempotent",
];
/// More of them are not named.
const MOST_UNKNOWN: usize = 8;

fn unknown_members(json: &[u8]) -> Vec<String> {
    type Members<'a> = BTreeMap<String, &'a RawValue>;
    let top: Members<'_> = serde_json::from_slice(json).unwrap_or_default();
    let methods = top.get("methods").map(|methods| methods.get()).unwrap_or("[]");
    let methods: Vec<Members<'_>> = serde_json::from_str(methods).unwrap_or_default();
    let unknown = top.keys().filter(|name| !MEMBERS.contains(&name.as_str()));
    let of_methods = methods.iter().enumerate().flat_map(|(position, method)| {
        let unknown = method
            .keys()
            .filter(|name| !MEMBERS_OF_A_METHOD.contains(&name.as_str()));
        unknown.map(move |name| format!("methods[{position}].{}", shorten(name)))
    });
    let unknown = unknown.map(|name| shorten(name).to_string());
    unknown.chain(of_methods).take(MOST_UNKNOWN).collect()
}

/// Whether a text can be the name of a component or method: it becomes one segment of a path.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && !text.chars().any(|character| {
            matches!(character, '/' | '*' | '@') || character.is_whitespace() || character.is_control()
        })
}

fn raw_json<T: serde::Serialize>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_for_authors_has_the_members_that_are_known() {
        let schema: Value =
            serde_json::from_str(include_str!("../../../docs/schema/descriptor.json")).unwrap();
        let sorted = |names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            names.sort();
            names
        };
        let of = |place: &Value| {
            let members: Vec<String> = place["properties"].as_object().unwrap().keys().cloned().collect();
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            sorted(&members)
        };
        assert_eq!(of(&schema), sorted(&MEMBERS));
        assert_eq!(of(&schema["$defs"]["method"]), sorted(&MEMBERS_OF_A_METHOD));
    }

    #[test]
    fn members_that_the_contract_does_not_know_are_named() {
        let json = br#"{"methods":[{"name":"a","parameters":[]},{"name":"b","parameters":[],"desc":1}],"heath":true}"#;
        let checked = Descriptor::check("lib.so", b"calc", b"1.0.0", b"", json).unwrap();
        assert_eq!(checked.unknown_members(), ["heath", "methods[1].desc"]);
    }

    #[test]
    fn a_long_text_of_a_library_is_cut_in_the_error() {
        let long = "x y".repeat(10_000);
        let method = format!(r#"{{"methods":[{{"name":"{long}","parameters":[]}}]}}"#);
        let kind = format!(r#"{{"methods":"{long}"}}"#);
        for (name, described) in [(&*long, "{}"), ("calc", &*method), ("calc", &*kind)] {
            let checked = Descriptor::check("lib.so", name.as_bytes(), b"1.0.0", b"", described.as_bytes());
            let said = checked.unwrap_err().to_string();
            assert!(said.len() < 400, "{said}");
        }
    }
}
