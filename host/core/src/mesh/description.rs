//! `/mesh/schema/description` and `/mesh/schema/config` (docs/mesh-protocol.md 1): what clients read to learn what there is.

use super::{Change, Endpoint, Mesh, Publisher, Write, WriteError, WriteMode};
use mesh_cluster::catalogue::Entry;
use mesh_session::Session;
use mesh_store::PathPattern;
use mesh_wire::protocol::{EventAction, json};
use mesh_wire::versions::Advertised;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Where clients find the description.
pub const DESCRIPTION: &str = "/mesh/schema/description";
/// Where clients find the public part of the configuration.
pub const CONFIG: &str = "/mesh/schema/config";

/// How far a mesh has come when it describes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartProgress {
    /// It loads its components, and lists none of them.
    Initializing,
    /// It lists all that there are.
    Ready,
}

impl Mesh {
    /// Writes and publishes the description.
    ///
    /// # Errors
    ///
    /// When the store cannot write.
    pub fn publish_description(&self, progress: StartProgress) -> Result<(), WriteError> {
        self.publish_description_after(progress, &[])
    }

    /// As [`Mesh::publish_description`]. Where there are components of these names, the description is published without them first.
    pub(super) fn publish_description_after(
        &self,
        progress: StartProgress,
        changed: &[&str],
    ) -> Result<(), WriteError> {
        if let Some(elsewhere) = self.elsewhere() {
            return self.publish_described(elsewhere, progress, changed);
        }
        let advertised = self.registry().advertised().clone();
        if !changed.is_empty() {
            self.publish_description_of(progress, changed, &[], &advertised)?;
        }
        self.publish_description_of(progress, &[], &[], &advertised)
    }

    /// Writes and publishes the description of the components here and of these entries, and promises sessions what they read there.
    pub(super) fn publish_description_of(
        &self,
        progress: StartProgress,
        hidden: &[&str],
        entries: &[Entry],
        shown: &Arc<Advertised>,
    ) -> Result<(), WriteError> {
        let description = self.description_of(progress, hidden, entries);
        for session in self.subscriptions().sessions_of(DESCRIPTION) {
            session.set_advertised(shown.clone());
        }
        self.publish_schema(DESCRIPTION, &description)
    }

    /// Notes that a session reads documents: should the description be among them, it is promised what that says.
    pub fn note_reading(&self, session: &Session, pattern: &PathPattern<'_>) {
        if pattern.matches(DESCRIPTION) {
            session.set_advertised(self.advertised());
        }
    }

    /// Writes and publishes the public part of the configuration.
    ///
    /// # Errors
    ///
    /// When the store cannot write.
    pub fn publish_config(&self, port: u16) -> Result<(), WriteError> {
        let secure = self.security().is_some();
        let options = self.set_options();
        let happn = format!(r#"{{"port":{port},"secure":{secure},"setOptions":{options}}}"#);
        let mut out = String::from(r#"{"name":"#);
        json::write_string(&mut out, self.domain());
        out.push_str(r#","version":"#);
        json::write_string(&mut out, env!("CARGO_PKG_VERSION"));
        out.push_str(&format!(r#","happn":{happn},"datalayer":{happn}}}"#));
        self.publish_schema(CONFIG, &out)
    }

    /// The description as JSON. Of a component with several versions, the one that serves calls without a range stands
    /// under the component's name. Each other stands under a name that no older client asks for
    /// ([`Registry::listed_name`](super::Registry::listed_name)).
    #[cfg(test)]
    pub(crate) fn description(&self, progress: StartProgress) -> String {
        let entries = self.elsewhere().map(|elsewhere| elsewhere.entries());
        self.description_of(progress, &[], entries.as_deref().unwrap_or_default())
    }

    fn description_of(&self, progress: StartProgress, hidden: &[&str], entries: &[Entry]) -> String {
        let initializing = progress == StartProgress::Initializing;
        let mut out = String::from(r#"{"name":"#);
        json::write_string(&mut out, self.domain());
        out.push_str(&format!(
            r#","initializing":{initializing},"brokered":false,"components":{{"#
        ));
        if !initializing {
            self.write_components(&mut out, hidden, entries);
        }
        out.push_str(&format!(r#"}},"setOptions":{}}}"#, self.set_options()));
        out
    }

    /// Writes the components here, and those of other nodes behind them. Entries say how they are listed.
    fn write_components(&self, out: &mut String, hidden: &[&str], entries: &[Entry]) {
        let registry = self.registry();
        let listed = |endpoint: &Endpoint| {
            let version = endpoint.descriptor().version();
            let is_meant = |entry: &&Entry| {
                entry.is_here
                    && **entry.component.name() == *endpoint.name()
                    && entry.component.version() == version
            };
            match entries.iter().find(is_meant) {
                Some(entry) => entry.listed.to_string(),
                None => registry.listed_name(endpoint),
            }
        };
        let is_shown =
            |name: &str, listed: &str| !hidden.iter().any(|hidden| *hidden == name || *hidden == listed);
        let mut separator = "";
        for endpoint in registry.in_order() {
            let listed = listed(endpoint);
            if is_shown(endpoint.name(), &listed) {
                out.push_str(std::mem::replace(&mut separator, ","));
                let folders = self.site().folders_of(endpoint.name());
                write_component(out, &Shape::of_endpoint(endpoint, &listed), folders);
            }
        }
        for entry in entries.iter().filter(|entry| !entry.is_here) {
            if is_shown(entry.component.name(), &entry.listed) {
                out.push_str(std::mem::replace(&mut separator, ","));
                write_component(out, &Shape::of_entry(entry), std::iter::empty());
            }
        }
    }

    /// The options that MeshClient sends with each call, and the time that it waits for the answer.
    fn set_options(&self) -> String {
        let timeout = self.settings.client_timeout.as_millis();
        format!(r#"{{"timeout":{timeout},"noStore":true}}"#)
    }

    fn publish_schema(&self, path: &str, document: &str) -> Result<(), WriteError> {
        let Ok(value) = serde_json::from_str::<&RawValue>(document) else {
            return Ok(());
        };
        let event_id = self.next_event().to_string();
        let publisher = Publisher {
            session_id: self.id(),
            event_id: &event_id,
            username: Some(super::exchange::MESH_USER),
        };
        let written = self.store_document(Write {
            path,
            value: Some(value),
            mode: WriteMode::Replace,
            by: self.own_name(),
        })?;
        let change = Change {
            stored: written.stored,
            modified_by: self.own_name().map(|name| &**name).filter(|_| written.is_new),
            ..Change::new(EventAction::Set, path, &written.data)
        };
        self.publish_change(&publisher, &change);
        Ok(())
    }
}

/// A component as the description shows it, wherever it is.
struct Shape<'a> {
    component: &'a str,
    listed: &'a str,
    version: &'a str,
    methods: Vec<MethodShape<'a>>,
    /// Names and kinds.
    routes: Vec<(&'a str, &'a str)>,
    events: &'a RawValue,
    data: &'a RawValue,
}

struct MethodShape<'a> {
    name: &'a str,
    parameters: &'a RawValue,
    is_asynchronous: bool,
}

impl<'a> Shape<'a> {
    fn of_endpoint(endpoint: &'a Endpoint, listed: &'a str) -> Shape<'a> {
        let descriptor = endpoint.descriptor();
        let methods = descriptor.methods().iter().map(|method| MethodShape {
            name: method.name(),
            parameters: method.parameters(),
            is_asynchronous: method.is_asynchronous(),
        });
        let routes = descriptor.routes().iter();
        Shape {
            component: endpoint.name(),
            listed,
            version: descriptor.version().text(),
            methods: methods.collect(),
            routes: routes.map(|(name, kind)| (&**name, &**kind)).collect(),
            events: descriptor.events(),
            data: descriptor.data(),
        }
    }

    fn of_entry(entry: &'a Entry) -> Shape<'a> {
        let facts = entry.component.facts();
        let methods = facts.methods.iter().map(|method| MethodShape {
            name: &method.name,
            parameters: &method.parameters,
            is_asynchronous: method.is_asynchronous,
        });
        let routes = facts.routes.iter();
        Shape {
            component: &facts.name,
            listed: &entry.listed,
            version: facts.version.text(),
            methods: methods.collect(),
            routes: routes.map(|route| (&*route.name, &*route.kind)).collect(),
            events: &facts.events,
            data: &facts.data,
        }
    }
}

/// `folders` are those that the configuration serves below the component's path.
fn write_component<'a>(out: &mut String, shape: &Shape<'_>, folders: impl Iterator<Item = &'a str>) {
    json::write_string(out, shape.listed);
    out.push_str(r#":{"name":"#);
    json::write_string(out, shape.listed);
    out.push_str(r#","version":"#);
    json::write_string(out, shape.version);
    out.push_str(r#","methods":{"#);
    for (position, method) in shape.methods.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        json::write_string(out, method.name);
        out.push_str(&format!(
            r#":{{"isAsyncMethod":{},"parameters":{}}}"#,
            method.is_asynchronous, method.parameters
        ));
    }
    out.push_str(r#"},"routes":{"#);
    let routes = shape.routes.iter();
    let routes = routes.map(|(route, kind)| (advertised_route(shape.listed, route), *kind));
    let folders = folders.map(|folder| (format!("/{}/{folder}", shape.component), "static"));
    for (position, (path, kind)) in routes.chain(folders).enumerate() {
        if position > 0 {
            out.push(',');
        }
        json::write_string(out, &path);
        out.push_str(r#":{"type":"#);
        json::write_string(out, kind);
        out.push('}');
    }
    out.push_str(&format!(
        r#"}},"events":{},"data":{}}}"#,
        shape.events, shape.data
    ));
}

/// Where a route is said to be (the table in docs/mesh-protocol.md 1.1).
fn advertised_route(component: &str, route: &str) -> String {
    match (component, route) {
        (_, "static") => "/".to_owned(),
        ("www", route) => format!("/{route}"),
        ("resources", "resources") => "/resources".to_owned(),
        (component, route) => format!("/{component}/{route}"),
    }
}
