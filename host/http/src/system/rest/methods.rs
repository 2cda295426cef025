//! The methods that requests without a range reach, on this node and on others of its cluster.
//!
//! Enters: a mesh, who asks. Leaves: components and methods in the order of the description. Guarantees: a component that this node has
//! comes from this node.

use super::access;
use mesh_cluster::component::{self, Component};
use mesh_core::mesh::{Asked, Endpoint, Mesh};
use mesh_plugin::Method;
use mesh_security::WebPrincipal;
use mesh_wire::versions::ComponentVersion;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The version of a component that serves requests without a range.
pub(super) enum Serving {
    /// On this node.
    Here(Endpoint),
    /// On another one.
    Elsewhere(Arc<Component>),
}

/// A method of it.
#[derive(Clone, Copy)]
pub(super) enum Described<'a> {
    /// On this node.
    Here(&'a Method),
    /// On another one, which tells nothing but names.
    Elsewhere(&'a component::Method),
}

impl Serving {
    /// The one of this name.
    pub(super) fn find(mesh: &Mesh, name: &str) -> Option<Serving> {
        if let Some(endpoint) = mesh.registry().find(name, Asked::Any) {
            return Some(Serving::Here(endpoint.clone()));
        }
        elsewhere(mesh).into_iter().find(|serving| serving.name() == name)
    }

    /// All of them.
    fn all(mesh: &Mesh) -> Vec<Serving> {
        let registry = mesh.registry();
        let serves = |endpoint: &&Endpoint| {
            let shown = registry.versions(endpoint.name()).first();
            shown.is_some_and(|shown| shown.is(endpoint))
        };
        let mut all: Vec<Serving> = registry
            .in_order()
            .filter(serves)
            .cloned()
            .map(Serving::Here)
            .collect();
        all.extend(elsewhere(mesh));
        all
    }

    /// The component's name.
    pub(super) fn name(&self) -> &str {
        match self {
            Serving::Here(endpoint) => endpoint.name(),
            Serving::Elsewhere(component) => component.name(),
        }
    }

    /// Its version.
    pub(super) fn version(&self) -> &ComponentVersion {
        match self {
            Serving::Here(endpoint) => endpoint.descriptor().version(),
            Serving::Elsewhere(component) => component.version(),
        }
    }

    /// A method.
    pub(super) fn method(&self, name: &str) -> Option<Described<'_>> {
        match self {
            Serving::Here(endpoint) => {
                let (_, method) = endpoint.descriptor().method(name)?;
                Some(Described::Here(method))
            }
            Serving::Elsewhere(component) => {
                let mut methods = component.facts().methods.iter();
                methods
                    .find(|method| *method.name == *name)
                    .map(Described::Elsewhere)
            }
        }
    }

    fn methods(&self) -> Vec<Described<'_>> {
        match self {
            Serving::Here(endpoint) => endpoint
                .descriptor()
                .methods()
                .iter()
                .map(Described::Here)
                .collect(),
            Serving::Elsewhere(component) => component
                .facts()
                .methods
                .iter()
                .map(Described::Elsewhere)
                .collect(),
        }
    }
}

impl<'a> Described<'a> {
    /// The method's name.
    pub(super) fn name(self) -> &'a str {
        match self {
            Described::Here(method) => method.name(),
            Described::Elsewhere(method) => &method.name,
        }
    }

    /// A JSON array of objects with at least a `name`, in order.
    pub(super) fn parameters(self) -> &'a RawValue {
        match self {
            Described::Here(method) => method.parameters(),
            Described::Elsewhere(method) => &method.parameters,
        }
    }

    /// The JSON that a parameter takes, where that is known here.
    pub(super) fn schema(self, parameter: &str) -> Option<&'a Value> {
        match self {
            Described::Here(method) => method.schema(parameter),
            Described::Elsewhere(_) => None,
        }
    }

    /// The method in words, where that is known here.
    pub(super) fn description(self) -> Option<&'a str> {
        match self {
            Described::Here(method) => method.description(),
            Described::Elsewhere(_) => None,
        }
    }
}

/// Those of other nodes that this one has not.
fn elsewhere(mesh: &Mesh) -> Vec<Serving> {
    let entries = mesh.elsewhere().map(|elsewhere| elsewhere.entries());
    let entries = entries.iter().flat_map(|entries| entries.iter());
    entries
        .filter(|entry| !entry.is_here && *entry.listed == **entry.component.name())
        .map(|entry| Serving::Elsewhere(entry.component.clone()))
        .collect()
}

/// Hands over, in their order, all methods that somebody may call, but for those of `security`.
pub(super) fn for_each(
    mesh: &Mesh,
    principal: &WebPrincipal,
    mut found: impl FnMut(&Serving, Described<'_>),
) {
    let may = access::filter(mesh, principal);
    for serving in Serving::all(mesh) {
        if serving.name() == "security" {
            continue;
        }
        for method in serving.methods() {
            if may(serving.name(), method.name()) {
                found(&serving, method);
            }
        }
    }
}
