//! One version of a component, as a node tells others of it.
//!
//! Enters: names, a version, methods and routes. Leaves: a checked [`Component`]. Guarantees: names fit into paths, JSON is of
//! the kind that readers expect and of a bounded depth, and a method is found without a search.

use mesh_wire::protocol::json::shorten;
use mesh_wire::versions::ComponentVersion;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

/// The most methods of one version.
pub const MOST_METHODS: usize = 4096;
/// The most routes of one version.
pub const MOST_ROUTES: usize = 1024;
/// The longest JSON of one method's parameters, or of a version's events or data, in bytes.
pub const LONGEST_JSON: usize = 256 * 1024;
/// The most levels of such JSON. In a description it lies some levels deeper, and many readers take at most 128.
pub const DEEPEST_JSON: usize = 64;
/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 256;

/// How far a component is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// From all nodes.
    #[default]
    Cluster,
    /// From its own node.
    Node,
}

impl Reach {
    /// The word for it in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Reach::Cluster => "cluster",
            Reach::Node => "node",
        }
    }
}

/// Which node serves a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Affinity {
    /// Any.
    #[default]
    None,
    /// The same for all calls of a session, as long as it is there.
    Session,
}

impl Affinity {
    /// The word for it in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Affinity::None => "none",
            Affinity::Session => "session",
        }
    }
}

/// A method.
#[derive(Clone, Debug)]
pub struct Method {
    /// Its name.
    pub name: Arc<str>,
    /// A JSON array of objects, each with a `name`.
    pub parameters: Box<RawValue>,
    /// Whether it says of itself that it answers later. No client reads it.
    pub is_asynchronous: bool,
    /// Whether it may be executed twice for one call.
    pub is_idempotent: bool,
}

/// A path of HTTP that a component answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name.
    pub name: Box<str>,
    /// Its kind, such as `mware`.
    pub kind: Box<str>,
}

/// The facts of a version before they are checked.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The component's name.
    pub name: Arc<str>,
    /// The version.
    pub version: ComponentVersion,
    /// In the order of declaration.
    pub methods: Vec<Method>,
    /// In the order of declaration.
    pub routes: Vec<Route>,
    /// A JSON object.
    pub events: Box<RawValue>,
    /// A JSON object.
    pub data: Box<RawValue>,
    /// How many calls it works on at once, at least 1.
    pub lanes: u32,
    /// How far it is reached.
    pub reach: Reach,
    /// Which node serves a session.
    pub affinity: Affinity,
    /// Whether it is out of its probation.
    pub is_settled: bool,
}

/// One version of a component, checked.
#[derive(Debug)]
pub struct Component {
    facts: Facts,
    by_name: HashMap<Arc<str>, u32>,
}

impl Component {
    /// Checks the facts.
    ///
    /// # Errors
    ///
    /// When a name does not fit into a path, JSON is of the wrong kind, or there is too much of anything.
    pub fn new(facts: Facts) -> Result<Component, ComponentError> {
        let wrong = |kind| ComponentError {
            component: shorten(&facts.name).into_owned(),
            kind,
        };
        if !is_name(&facts.name) {
            return Err(wrong(ComponentErrorKind::Name));
        }
        if facts.methods.len() > MOST_METHODS {
            return Err(wrong(ComponentErrorKind::Methods(facts.methods.len())));
        }
        if facts.routes.len() > MOST_ROUTES {
            return Err(wrong(ComponentErrorKind::Routes(facts.routes.len())));
        }
        if facts.lanes == 0 {
            return Err(wrong(ComponentErrorKind::Lanes));
        }
        let mut by_name = HashMap::with_capacity(facts.methods.len());
        for (position, method) in (0..).zip(&facts.methods) {
            let named = || shorten(&method.name).into_owned();
            if !is_name(&method.name) {
                return Err(wrong(ComponentErrorKind::Method(named())));
            }
            if !is_list_of_parameters(&method.parameters) {
                return Err(wrong(ComponentErrorKind::Parameters(named())));
            }
            if by_name.insert(method.name.clone(), position).is_some() {
                return Err(wrong(ComponentErrorKind::Twice(named())));
            }
        }
        let is_long = |route: &Route| route.name.len() > LONGEST_NAME || route.kind.len() > LONGEST_NAME;
        if facts.routes.iter().any(is_long) {
            return Err(wrong(ComponentErrorKind::Route));
        }
        for (member, json) in [("events", &facts.events), ("data", &facts.data)] {
            if !matches!(bounded(json), Some(Value::Object(_))) {
                return Err(wrong(ComponentErrorKind::Object(member)));
            }
        }
        Ok(Component { facts, by_name })
    }

    /// All that is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The component's name.
    pub fn name(&self) -> &Arc<str> {
        &self.facts.name
    }

    /// The version.
    pub fn version(&self) -> &ComponentVersion {
        &self.facts.version
    }

    /// The method of this name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        let position = *self.by_name.get(name)?;
        self.facts.methods.get(position as usize)
    }

    /// Whether it has a part that answers such a request.
    pub fn has(&self, aim: Aim<'_>) -> bool {
        match aim {
            Aim::Method(name) => self.by_name.contains_key(name),
            Aim::Route(name) => self.facts.routes.iter().any(|route| *route.name == *name),
        }
    }

    /// Whether a request of this kind may be executed twice.
    pub fn is_idempotent(&self, aim: Aim<'_>) -> bool {
        match aim {
            Aim::Method(name) => self.method(name).is_some_and(|method| method.is_idempotent),
            Aim::Route(_) => false,
        }
    }

    /// Where the version stands among others of the same component.
    pub fn rank(&self) -> Rank<'_> {
        Rank::of(&self.facts.version)
    }

    /// Whether clients see the same methods.
    pub fn has_methods_of(&self, other: &Component) -> bool {
        let (own, others) = (&self.facts.methods, &other.facts.methods);
        let is_same = |(one, two): (&Method, &Method)| {
            one.name == two.name && one.parameters.get() == two.parameters.get()
        };
        own.len() == others.len() && own.iter().zip(others).all(is_same)
    }

    /// Whether the description says the same of both.
    pub fn reads_like(&self, other: &Component) -> bool {
        let (own, others) = (&self.facts, &other.facts);
        let is_same = |(one, two): (&Method, &Method)| one.is_asynchronous == two.is_asynchronous;
        own.version == others.version
            && self.has_methods_of(other)
            && own.methods.iter().zip(&others.methods).all(is_same)
            && own.routes == others.routes
            && own.events.get() == others.events.get()
            && own.data.get() == others.data.get()
    }
}

/// The part of a component that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim<'a> {
    /// To answer a call of this method.
    Method(&'a str),
    /// To answer a web request for this route.
    Route(&'a str),
}

impl<'a> Aim<'a> {
    /// The name of the part.
    pub fn name(self) -> &'a str {
        match self {
            Aim::Method(name) | Aim::Route(name) => name,
        }
    }
}

/// The order of versions of a component: pre-releases stand below all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank<'a> {
    is_stable: bool,
    version: &'a semver::Version,
}

impl Rank<'_> {
    /// The rank of a version.
    pub fn of(version: &ComponentVersion) -> Rank<'_> {
        Rank {
            is_stable: !version.is_prerelease(),
            version: version.exact(),
        }
    }
}

/// Whether a text can be the name of a component or method: it becomes one segment of a path.
fn is_name(text: &str) -> bool {
    let is_wrong = |character: char| {
        matches!(character, '/' | '*' | '@') || character.is_whitespace() || character.is_control()
    };
    (1..=LONGEST_NAME).contains(&text.len()) && !text.contains(is_wrong)
}

/// The JSON as a value, unless it is too long or too deep.
fn bounded(json: &RawValue) -> Option<Value> {
    let value = (json.get().len() <= LONGEST_JSON).then(|| serde_json::from_str(json.get()).ok());
    value.flatten().filter(|value| is_flat(value, DEEPEST_JSON))
}

/// Whether a value has at most so many levels. It has few enough for one function call each.
fn is_flat(value: &Value, levels: usize) -> bool {
    let below = |value: &Value| levels > 0 && is_flat(value, levels - 1);
    match value {
        Value::Array(elements) => elements.iter().all(below),
        Value::Object(members) => members.values().all(below),
        _ => true,
    }
}

fn is_list_of_parameters(json: &RawValue) -> bool {
    let is_named = |parameter: &Value| parameter.get("name").is_some_and(Value::is_string);
    matches!(bounded(json), Some(Value::Array(parameters)) if parameters.iter().all(is_named))
}

/// A version that cannot be one of a component.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("component {component:?}: {kind}")]
pub struct ComponentError {
    component: String,
    kind: ComponentErrorKind,
}

impl ComponentError {
    /// The fault.
    pub fn kind(&self) -> &ComponentErrorKind {
        &self.kind
    }
}

/// The ways in which a version fails to be one of a component.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ComponentErrorKind {
    /// The component's name is no segment of a path.
    #[error(
        "its name must have 1 to {LONGEST_NAME} bytes, without `/`, `*`, `@`, spaces and control characters"
    )]
    Name,
    /// The name of a method is no segment of a path.
    #[error("its method {0:?} needs a name of 1 to {LONGEST_NAME} bytes, without `/`, `*`, `@` and spaces")]
    Method(String),
    /// The parameters of a method are no list of objects with names.
    #[error(
        "the parameters of its method {0:?} must be a JSON array of objects with a `name`, and have at most {DEEPEST_JSON} levels"
    )]
    Parameters(String),
    /// Two methods have one name.
    #[error("its method {0:?} is there twice")]
    Twice(String),
    /// There are too many methods.
    #[error("it has {0} methods, more than {MOST_METHODS}")]
    Methods(usize),
    /// There are too many routes.
    #[error("it has {0} routes, more than {MOST_ROUTES}")]
    Routes(usize),
    /// A route's name or kind is too long.
    #[error("the name and the kind of a route must have at most {LONGEST_NAME} bytes")]
    Route,
    /// Events or data are no object.
    #[error("its `{0}` must be a JSON object of at most {LONGEST_JSON} bytes and {DEEPEST_JSON} levels")]
    Object(&'static str),
    /// It works on nothing.
    #[error("it must have at least one lane")]
    Lanes,
}

#[cfg(test)]
#[path = "component/tests.rs"]
mod tests;
