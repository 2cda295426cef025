//! A catalogue on the wire: `{"catalogue":1,"revision":7,"components":[…]}`.
//!
//! Enters: components, or bytes of a peer. Leaves: bytes, or checked components. Guarantees: members that are not known are
//! passed over, so that a later minor version may add some. The number under `catalogue` changes where that does not suffice.

use crate::component::{Affinity, Component, ComponentError, Facts, Method, Reach, Route};
use mesh_wire::protocol::json::shorten;
use mesh_wire::versions::{ComponentVersion, VersionError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use thiserror::Error;

/// The longest body, in bytes.
pub const LONGEST_BODY: usize = 4 * 1024 * 1024;
/// The most versions of components of one node.
pub const MOST_COMPONENTS: usize = 1024;

/// The form that is written here.
const FORM: u32 = 1;

/// A body that is no catalogue.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// It is too long.
    #[error("a catalogue has {0} bytes, more than {LONGEST_BODY}")]
    TooLong(usize),
    /// It is no JSON of the right form.
    #[error("a catalogue cannot be read: {0}")]
    Malformed(String),
    /// It has another form.
    #[error("a catalogue has form {0}, and this node reads form {FORM}")]
    Form(u32),
    /// It lists too much.
    #[error("a catalogue lists {0} components, more than {MOST_COMPONENTS}")]
    TooMany(usize),
    /// It lists a version twice.
    #[error("a catalogue lists component {0} twice in one version")]
    Twice(String),
    /// The version of a component is none.
    #[error("a catalogue lists a component with a wrong version: {0}")]
    Version(#[from] VersionError),
    /// A component is wrong.
    #[error("a catalogue lists a wrong component: {0}")]
    Component(#[from] ComponentError),
    /// There are too many nodes.
    #[error("the catalogue of one more node is refused: there are {0} nodes, the most that can be")]
    TooManyNodes(usize),
}

#[derive(Deserialize)]
struct Head {
    catalogue: u32,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    catalogue: u32,
    revision: u64,
    #[serde(borrow)]
    components: Vec<Listed<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    methods: Vec<ListedMethod<'a>>,
    #[serde(borrow, default)]
    routes: Vec<ListedRoute<'a>>,
    #[serde(borrow)]
    events: &'a RawValue,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default = "one")]
    lanes: u32,
    #[serde(default)]
    reach: Reach,
    #[serde(default)]
    affinity: Affinity,
    #[serde(default = "yes")]
    settled: bool,
}

#[derive(Serialize, Deserialize)]
struct ListedMethod<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    parameters: &'a RawValue,
    #[serde(default)]
    asynchronous: bool,
    #[serde(default)]
    idempotent: bool,
}

#[derive(Serialize, Deserialize)]
struct ListedRoute<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// The body that says this.
pub(super) fn write(revision: u64, components: &[Arc<Component>]) -> Vec<u8> {
    let body = Body {
        catalogue: FORM,
        revision,
        components: components.iter().map(|component| listed(component)).collect(),
    };
    // Texts, numbers and finished JSON can always be written.
    serde_json::to_vec(&body).unwrap_or_default()
}

fn listed(component: &Component) -> Listed<'_> {
    let facts = component.facts();
    let methods = facts.methods.iter().map(|method| ListedMethod {
        name: Cow::Borrowed(&method.name),
        parameters: &method.parameters,
        asynchronous: method.is_asynchronous,
        idempotent: method.is_idempotent,
    });
    let routes = facts.routes.iter().map(|route| ListedRoute {
        name: Cow::Borrowed(&route.name),
        kind: Cow::Borrowed(&route.kind),
    });
    Listed {
        name: Cow::Borrowed(&facts.name),
        version: Cow::Borrowed(facts.version.text()),
        methods: methods.collect(),
        routes: routes.collect(),
        events: &facts.events,
        data: &facts.data,
        lanes: facts.lanes,
        reach: facts.reach,
        affinity: facts.affinity,
        settled: facts.is_settled,
    }
}

/// The revision and the components that a body says.
pub(super) fn read(body: &[u8]) -> Result<(u64, Vec<Arc<Component>>), CatalogueError> {
    let malformed =
        |error: serde_json::Error| CatalogueError::Malformed(shorten(&error.to_string()).into_owned());
    if body.len() > LONGEST_BODY {
        return Err(CatalogueError::TooLong(body.len()));
    }
    let head: Head = serde_json::from_slice(body).map_err(malformed)?;
    if head.catalogue != FORM {
        return Err(CatalogueError::Form(head.catalogue));
    }
    let body: Body<'_> = serde_json::from_slice(body).map_err(malformed)?;
    if body.components.len() > MOST_COMPONENTS {
        return Err(CatalogueError::TooMany(body.components.len()));
    }
    let mut known = HashSet::with_capacity(body.components.len());
    let mut components = Vec::with_capacity(body.components.len());
    for listed in &body.components {
        if !known.insert((&listed.name, &listed.version)) {
            return Err(CatalogueError::Twice(shorten(&listed.name).into_owned()));
        }
        components.push(Arc::new(Component::new(facts(listed)?)?));
    }
    Ok((body.revision, components))
}

fn facts(listed: &Listed<'_>) -> Result<Facts, VersionError> {
    let methods = listed.methods.iter().map(|method| Method {
        name: (&*method.name).into(),
        parameters: method.parameters.to_owned(),
        is_asynchronous: method.asynchronous,
        is_idempotent: method.idempotent,
    });
    let routes = listed.routes.iter().map(|route| Route {
        name: (&*route.name).into(),
        kind: (&*route.kind).into(),
    });
    Ok(Facts {
        name: (&*listed.name).into(),
        version: ComponentVersion::parse(&listed.version)?,
        methods: methods.collect(),
        routes: routes.collect(),
        events: listed.events.to_owned(),
        data: listed.data.to_owned(),
        lanes: listed.lanes,
        reach: listed.reach,
        affinity: listed.affinity,
        is_settled: listed.settled,
    })
}
