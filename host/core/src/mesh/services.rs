//! Requests of components: events, calls, their data, time.

use super::answer::{array, error_array};
use super::exchange::WrittenRange;
use super::hearing::ComponentListener;
use super::nested::ComponentAnswer;
use super::publishing::Own;
use super::{Mesh, Reach, Write, WriteMode, data};
use bytes::Bytes;
use mesh_plugin::{Caller, Doing, Emitter, Instance, Interest, Job, JobKind, Services, Status, Wrong};
use mesh_security::permission::Action;
use mesh_security::{Extent, Hidden};
use mesh_session::pubsub::{
    Channel, ChannelAction, DEFAULT_DEPTH, Depth, EventVersion, Subscriber, Subscription, Targets,
    VersionFilter,
};
use mesh_store::{Commit, PathPattern, StoreError};
use mesh_wire::address::Address;
use mesh_wire::protocol::{Dialect, DocumentMeta, Options, WireError, json, write_item};
use mesh_wire::versions::{Range, RequestedRange};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The mesh as its components see it. Weak, because components are part of the mesh.
pub(super) struct MeshServices(pub(super) Weak<Mesh>);

impl Mesh {
    /// The services for components of this mesh.
    pub fn services(self: &Arc<Mesh>) -> Arc<dyn Services> {
        Arc::new(MeshServices(Arc::downgrade(self)))
    }
}

impl MeshServices {
    /// Does something in the mesh, as long as that is there.
    fn with(&self, function: impl FnOnce(Arc<Mesh>) -> Result<(), Wrong>) -> Result<(), Wrong> {
        self.0.upgrade().map_or(Err(Wrong::Ended), function)
    }
}

impl Services for MeshServices {
    fn emit(&self, emitter: &Emitter, key: &str, data: &[u8], options: &[u8]) -> Result<(), Wrong> {
        self.with(|mesh| {
            let who = emitter.identity();
            if key.is_empty() {
                tracing::warn!(
                    component = who.component,
                    "an event was dropped: its key is empty or not UTF-8 text"
                );
                return Err(Wrong::Name);
            }
            let data = if data.is_empty() { b"null" } else { data };
            let Ok(value) = serde_json::from_slice::<&RawValue>(data) else {
                tracing::warn!(
                    component = who.component,
                    event = key,
                    "an event was dropped: its data is not JSON"
                );
                return Err(Wrong::Json);
            };
            let options: Option<&RawValue> = serde_json::from_slice(options).ok();
            let stores = options.is_some_and(|options| options.get().contains("noStore"))
                && !Options::read(options).no_store;
            let path = event_path(&who.domain, &who.component, key);
            let written = match mesh.store_document(Write {
                path: &path,
                value: Some(value),
                mode: if stores {
                    WriteMode::Replace
                } else {
                    WriteMode::Unstored
                },
                by: mesh.own_name(),
            }) {
                Ok(written) => written,
                Err(error) => {
                    tracing::error!(
                        component = who.component,
                        event = key,
                        "an event was not stored: {error}"
                    );
                    return Err(Wrong::Failed);
                }
            };
            let targets = targets_of(&Options::read(options));
            let mut custom_meta = String::from(r#","componentVersion":"#);
            json::write_string(&mut custom_meta, &who.version);
            let version = EventVersion::parse(&who.version).ok();
            let publish = |path: &str| {
                let event = Own {
                    stored: written.stored,
                    is_new: written.is_new,
                    custom_meta: &custom_meta,
                    version: version.as_ref(),
                    targets: targets.as_ref(),
                    ..Own::new(path, &written.data)
                };
                emitter.published(mesh.publish_own(event, Reach::Subscribers).after);
            };
            publish(&path);
            // Clients that found a version under a name of its own listen there.
            if let Some(listed) = mesh.registry().other_name(who) {
                publish(&event_path(&who.domain, &listed, key));
            }
            Ok(())
        })
    }

    fn call(
        &self,
        caller: Caller,
        component: &str,
        method: &str,
        range: &str,
        arguments: &[u8],
        timeout_milliseconds: u32,
    ) -> Result<(), Wrong> {
        self.with(|mesh| {
            let timeout = match timeout_milliseconds {
                0 => mesh.call_timeout(),
                milliseconds => Duration::from_millis(u64::from(milliseconds)),
            };
            let timeout = caller.authority.bounded(timeout, mesh.clock.now());
            if array(arguments).is_none() {
                let error = format!("the arguments of {component}.{method} are not a JSON array");
                return caller.refuse(Wrong::Json, error_array("TypeError", &error));
            }
            let parsed = Some(range)
                .filter(|range| !range.is_empty())
                .map(RequestedRange::from);
            if caller.hears_at_once() && parsed.as_ref().is_some_and(|range| range.range().is_err()) {
                return Err(Wrong::Range);
            }
            let range = parsed.as_ref().map(|parsed| WrittenRange {
                text: range,
                range: parsed,
            });
            let path = Address::Request {
                domain: mesh.domain(),
                component,
                method,
            };
            let who = caller.instance.identity();
            if let Err(error) = mesh.authorize_component(who, &caller.authority, Action::Set, path) {
                reply(&caller, Err(error));
                return Ok(());
            }
            let target = format!("{component}.{method}");
            let answer = Box::new(ComponentAnswer {
                caller: caller.clone(),
                target,
                timeout,
            });
            let job = Job {
                payload: Bytes::copy_from_slice(arguments),
                origin: Some(mesh.origin_of(&caller.authority)),
                // Which call it is for need not be known. Then it is let in where any of them may wait for it.
                chain: Some(caller.authority.chain.unwrap_or_else(|| caller.instance.chain())),
                ..Job::new(JobKind::Call, 0)
            };
            match mesh.call_from_component((component, method), range, job, timeout, answer) {
                Ok(Some(place)) => caller.note(Doing::Call(place)),
                Ok(None) => {}
                Err((failure, _)) => caller.reply(Status::ERROR, failure.arguments()),
            }
            Ok(())
        })
    }

    fn subscribe(&self, caller: Caller, component: &str, key: &str, range: &str) -> Result<(), Wrong> {
        self.with(|mesh| {
            let pattern = event_path(mesh.domain(), component, key);
            let who = caller.instance.identity();
            // It is logged who may not hear this.
            let access = mesh
                .authorize_component(who, &caller.authority, Action::On, &pattern)
                .map_err(|_| Wrong::Denied)?;
            let filter = match range {
                "" => VersionFilter::Any,
                text => VersionFilter::Range(Range::parse(text).map_err(|_| Wrong::Range)?.into()),
            };
            let subscriber = Subscriber::Listener {
                number: caller.instance.identity().number,
                listener: Arc::new(ComponentListener {
                    caller: caller.clone(),
                    mesh: mesh.id().into(),
                    user: access.map(|access| (self.0.clone(), access)),
                }),
            };
            let channel = Channel {
                action: ChannelAction::Set,
                pattern: &pattern,
            };
            // A component may hold several subscriptions of one pattern, so the channel's name tells them apart.
            let text = caller.token.to_string();
            let subscription = Subscription {
                text: &text,
                channel: Some(channel),
                dialect: Dialect::OF_COMPONENTS,
                filter,
                depth: Depth {
                    segments: DEFAULT_DEPTH,
                    named: false,
                },
                count: 1,
                as_sent: false,
                principal: None,
                is_in_part: false,
                until: None,
            };
            caller.instance.add_interest(Interest {
                lane: caller.lane,
                token: caller.token,
                component: component.into(),
                key: key.into(),
                range: range.into(),
                rights: caller.authority.rights.clone(),
            });
            // Components are not limited.
            let _ = mesh.subscriptions().subscribe(&subscriber, subscription);
            Ok(())
        })
    }

    fn unsubscribe(&self, instance: &Arc<Instance>, subscription: u64) -> Result<(), Wrong> {
        let was_there = instance.remove_interest(subscription);
        self.with(|mesh| {
            mesh.subscriptions()
                .unsubscribe_channel(instance.identity().number, &subscription.to_string());
            was_there.then_some(()).ok_or(Wrong::Unknown)
        })
    }

    fn data_set(&self, caller: Caller, path: &str, value: &[u8], options: &[u8]) -> Result<(), Wrong> {
        self.with(|mesh| {
            let value = if value.is_empty() { b"null" } else { value };
            let value: Result<&RawValue, _> = serde_json::from_slice(value);
            if caller.hears_at_once() && value.is_err() {
                return Err(Wrong::Json);
            }
            let outcome = own_path(&mesh, &caller, Action::Set, path).and_then(|OwnPath { path, .. }| {
                let value = value.map_err(|error| {
                    WireError::plain(format!("the value for {path} is not JSON: {error}"))
                })?;
                let options: Option<&RawValue> = serde_json::from_slice(options).ok();
                let options = Options::read(options);
                let mode = if options.no_store {
                    WriteMode::Unstored
                } else {
                    WriteMode::Replace
                };
                let value = Some(value);
                let path = &*path;
                let by = mesh.own_name();
                let written = mesh
                    .store_document(Write {
                        path,
                        value,
                        mode,
                        by,
                    })
                    .map_err(|error| WireError::system(error.to_string()))?;
                if !options.no_publish {
                    let targets = targets_of(&options);
                    let document = Own {
                        stored: written.stored,
                        is_new: written.is_new,
                        targets: targets.as_ref(),
                        ..Own::new(path, &written.data)
                    };
                    let published = mesh.publish_own(document, Reach::Subscribers);
                    caller.instance.emitter().published(published.after);
                }
                let unstored = DocumentMeta {
                    created: 0,
                    modified: 0,
                };
                let document = item(path, &written.data, written.stored.unwrap_or(unstored));
                Ok((document, written.commit))
            });
            reply_after(&mesh, caller, outcome);
            Ok(())
        })
    }

    fn data_get(&self, caller: Caller, path: &str) -> Result<(), Wrong> {
        self.with(|mesh| {
            let OwnPath { path, hidden } = match own_path(&mesh, &caller, Action::Get, path) {
                Ok(own) => own,
                Err(error) => {
                    reply(&caller, Err(error));
                    return Ok(());
                }
            };
            if PathPattern::new(&path).has_wildcard() {
                data::collect(&mesh, caller, data::Reach { path, hidden });
                return Ok(());
            }
            let found = mesh.store().get(&path);
            let document = found.map(|found| item(&path, &found.data, found.meta));
            reply(&caller, Ok(document.unwrap_or_else(|| "null".to_owned())));
            Ok(())
        })
    }

    fn data_remove(&self, caller: Caller, path: &str) -> Result<(), Wrong> {
        self.with(|mesh| {
            match own_path(&mesh, &caller, Action::Remove, path) {
                Ok(OwnPath { path, hidden }) => data::remove(&mesh, caller, data::Reach { path, hidden }),
                Err(error) => reply(&caller, Err(error)),
            }
            Ok(())
        })
    }

    fn after(&self, caller: Caller, milliseconds: u64) -> Result<(), Wrong> {
        self.with(|mesh| {
            let asked = caller.clone();
            let timer = mesh.runtime.spawn(async move {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                caller.reply(Status::OK, Bytes::new());
            });
            asked.note(Doing::Task(timer.abort_handle()));
            Ok(())
        })
    }
}

/// Where an event of a component is published.
pub(super) fn event_path(domain: &str, component: &str, key: &str) -> String {
    let event = Address::Event {
        domain,
        component,
        key,
    };
    event.to_string()
}

/// Whom these options mean: `targetClients` and `noCluster`.
pub fn targets_of(options: &Options<'_>) -> Option<Targets> {
    let sessions = options
        .target_clients
        .filter(|targets| json::is_truthy(targets))
        .map(named_sessions);
    (sessions.is_some() || options.no_cluster).then_some(Targets {
        sessions,
        without_cluster: options.no_cluster,
    })
}

/// The sessions that `targetClients` names: one as a text, several as an array. A value that is no text names nobody,
/// so that what is meant for few never goes to all.
fn named_sessions(targets: &RawValue) -> HashSet<String> {
    match serde_json::from_str(targets.get()) {
        Ok(Value::String(session)) => HashSet::from([session]),
        Ok(Value::Array(sessions)) => {
            let texts = sessions.into_iter().filter_map(|session| match session {
                Value::String(session) => Some(session),
                _ => None,
            });
            texts.collect()
        }
        _ => HashSet::new(),
    }
}

/// The path of a component's own document, or of several.
struct OwnPath {
    path: String,
    /// The documents that it reaches and the user for whom the component asks must not have.
    hidden: Option<Hidden>,
}

/// The path of a component's own document, to do this with.
fn own_path(mesh: &Mesh, caller: &Caller, action: Action, path: &str) -> Result<OwnPath, WireError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Err(WireError::plain("[bad path]: either empty or not a string"));
    }
    let who = caller.instance.identity();
    let path = format!("/_data/{}/{path}", who.component);
    let access = mesh.authorize_component(who, &caller.authority, action, &path)?;
    let hidden = access.and_then(|access| mesh.hidden_from(&access, action, Extent::AsWritten));
    Ok(OwnPath { path, hidden })
}

fn item(path: &str, data: &str, meta: DocumentMeta) -> String {
    let mut out = String::with_capacity(data.len() + path.len() + 80);
    write_item(&mut out, path, data, meta, Dialect::OF_COMPONENTS);
    out
}

/// Replies once what was written survives.
pub(super) fn reply_after(mesh: &Mesh, caller: Caller, outcome: Result<(String, Commit), WireError>) {
    match outcome {
        Ok((payload, Commit::Done)) => reply(&caller, Ok(payload)),
        Ok((payload, commit)) => {
            let answer = move |committed: Result<(), StoreError>| {
                let outcome = committed.map_err(|error| WireError::system(error.to_string()));
                reply(&caller, outcome.map(|()| payload));
            };
            mesh.store().when_committed(commit, Box::new(answer));
        }
        Err(error) => reply(&caller, Err(error)),
    }
}

pub(super) fn reply(caller: &Caller, outcome: Result<String, WireError>) {
    match outcome {
        Ok(payload) => caller.reply(Status::OK, payload),
        Err(error) => {
            let mut payload = String::from("[");
            error.write(&mut payload);
            payload.push(']');
            caller.reply(Status::ERROR, payload);
        }
    }
}
