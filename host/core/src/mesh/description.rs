//! `/mesh/schema/description` and `/mesh/schema/config` (docs/mesh-protocol.md 1): what clients read to learn what there is.

use super::{Change, Endpoint, Mesh, Publisher, Write, WriteError, WriteMode};
use mesh_session::Session;
use mesh_store::PathPattern;
use mesh_wire::protocol::{EventAction, json};
use serde_json::value::RawValue;

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
        self.publish_description_without(progress, &[])
    }

    /// As [`Mesh::publish_description`], leaving out components of these names.
    pub(super) fn publish_description_without(
        &self,
        progress: StartProgress,
        hidden: &[&str],
    ) -> Result<(), WriteError> {
        let description = self.description_without(progress, hidden);
        let shown = self.registry().advertised().clone();
        for session in self.subscriptions().sessions_of(DESCRIPTION) {
            session.set_advertised(shown.clone());
        }
        self.publish_schema(DESCRIPTION, &description)
    }

    /// Notes that a session reads documents: should the description be among them, it is promised what that says.
    pub fn note_reading(&self, session: &Session, pattern: &PathPattern<'_>) {
        if pattern.matches(DESCRIPTION) {
            session.set_advertised(self.registry().advertised().clone());
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
    pub(crate) fn description_without(&self, progress: StartProgress, hidden: &[&str]) -> String {
        let initializing = progress == StartProgress::Initializing;
        let mut out = String::from(r#"{"name":"#);
        json::write_string(&mut out, self.domain());
        out.push_str(&format!(
            r#","initializing":{initializing},"brokered":false,"components":{{"#
        ));
        let registry = self.registry();
        let mut shown = registry
            .in_order()
            .filter(|endpoint| !initializing && !hidden.contains(&endpoint.name()))
            .peekable();
        while let Some(endpoint) = shown.next() {
            let folders = self.site().folders_of(endpoint.name());
            write_component(&mut out, endpoint, &registry.listed_name(endpoint), folders);
            if shown.peek().is_some() {
                out.push(',');
            }
        }
        out.push_str(&format!(r#"}},"setOptions":{}}}"#, self.set_options()));
        out
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

/// `folders` are those that the configuration serves below the component's path.
fn write_component<'a>(
    out: &mut String,
    endpoint: &Endpoint,
    name: &str,
    folders: impl Iterator<Item = &'a str>,
) {
    let descriptor = endpoint.descriptor();
    json::write_string(out, name);
    out.push_str(r#":{"name":"#);
    json::write_string(out, name);
    out.push_str(r#","version":"#);
    json::write_string(out, descriptor.version().text());
    out.push_str(r#","methods":{"#);
    for (position, method) in descriptor.methods().iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        json::write_string(out, method.name());
        out.push_str(&format!(
            r#":{{"isAsyncMethod":{},"parameters":{}}}"#,
            method.is_asynchronous(),
            method.parameters()
        ));
    }
    out.push_str(r#"},"routes":{"#);
    let routes = descriptor.routes().iter();
    let routes = routes.map(|(route, kind)| (advertised_route(name, route), &**kind));
    let folders = folders.map(|folder| (format!("/{}/{folder}", endpoint.name()), "static"));
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
        descriptor.events(),
        descriptor.data()
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
