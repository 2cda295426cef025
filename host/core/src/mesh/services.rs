//! Requests of components: events, calls, their data, time.

use super::answer::{abandoned, array, error_array, unreadable, without_null_error};
use super::publishing::Own;
use super::{Mesh, Reach, Write, WriteMode, data};
use bytes::Bytes;
use mesh_plugin::{
    Abandoned, Answer, Caller, Emitter, Instance, Interest, Job, JobKind, NO_PUBLISHER, Services, Status,
};
use mesh_security::permission::Action;
use mesh_security::{Extent, Hidden, User};
use mesh_session::After;
use mesh_session::pubsub::{
    Channel, ChannelAction, DEFAULT_DEPTH, Depth, EventVersion, Listener, Subscriber, Subscription, Targets,
    VersionFilter,
};
use mesh_store::{Commit, PathPattern, StoreError};
use mesh_wire::address::Address;
use mesh_wire::protocol::{Dialect, DocumentMeta, Options, Publication, WireError, json, write_item};
use mesh_wire::versions::RequestedRange;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fmt;
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
    fn with<T>(&self, function: impl FnOnce(Arc<Mesh>) -> T) -> Option<T> {
        self.0.upgrade().map(function)
    }
}

impl Services for MeshServices {
    fn emit(&self, emitter: &Emitter, key: &str, data: &[u8], options: &[u8]) {
        self.with(|mesh| {
            let who = emitter.identity();
            if key.is_empty() {
                tracing::warn!(
                    component = who.component,
                    "an event was dropped: its key is empty or not UTF-8 text"
                );
                return;
            }
            let data = if data.is_empty() { b"null" } else { data };
            let Ok(value) = serde_json::from_slice::<&RawValue>(data) else {
                tracing::warn!(
                    component = who.component,
                    event = key,
                    "an event was dropped: its data is not JSON"
                );
                return;
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
                    return;
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
        });
    }

    fn call(
        &self,
        caller: Caller,
        component: &str,
        method: &str,
        range: &str,
        arguments: &[u8],
        timeout_milliseconds: u32,
    ) {
        self.with(|mesh| {
            let timeout = match timeout_milliseconds {
                0 => mesh.call_timeout(),
                milliseconds => Duration::from_millis(u64::from(milliseconds)),
            };
            if array(arguments).is_none() {
                let error = format!("the arguments of {component}.{method} are not a JSON array");
                return caller.reply(Status::ERROR, error_array("TypeError", &error));
            }
            let path = Address::Request {
                domain: mesh.domain(),
                component,
                method,
            };
            let who = caller.instance.identity();
            if let Err(error) = mesh.authorize_component(who, &caller.authority, Action::Set, path) {
                return reply(&caller, Err(error));
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
                chain: Some(caller.instance.chain()),
                ..Job::new(JobKind::Call, 0)
            };
            let called = mesh.call_from_host((component, method), range, job, timeout, answer);
            if let Err((failure, _)) = called {
                caller.reply(Status::ERROR, failure.arguments());
            }
        });
    }

    fn subscribe(&self, caller: Caller, component: &str, key: &str, range: &str) {
        self.with(|mesh| {
            let pattern = event_path(mesh.domain(), component, key);
            let who = caller.instance.identity();
            // It is logged who may not hear this.
            let Ok(access) = mesh.authorize_component(who, &caller.authority, Action::On, &pattern) else {
                return;
            };
            let filter = match range {
                "" => VersionFilter::Any,
                text => VersionFilter::Range(RequestedRange::from(text)),
            };
            let subscriber = Subscriber::Listener {
                number: caller.instance.identity().number,
                listener: Arc::new(ComponentListener {
                    caller: caller.clone(),
                    mesh: mesh.id().into(),
                    user: access.map(|access| (self.0.clone(), access.user().clone())),
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
            };
            caller.instance.add_interest(Interest {
                lane: caller.lane,
                token: caller.token,
                component: component.into(),
                key: key.into(),
                range: range.into(),
            });
            // Components are not limited.
            let _ = mesh.subscriptions().subscribe(&subscriber, subscription);
        });
    }

    fn unsubscribe(&self, instance: &Arc<Instance>, subscription: u64) {
        instance.remove_interest(subscription);
        self.with(|mesh| {
            mesh.subscriptions()
                .unsubscribe_channel(instance.identity().number, &subscription.to_string())
        });
    }

    fn data_set(&self, caller: Caller, path: &str, value: &[u8], options: &[u8]) {
        self.with(|mesh| {
            let outcome = own_path(&mesh, &caller, Action::Set, path).and_then(|OwnPath { path, .. }| {
                let value: &RawValue = serde_json::from_slice(if value.is_empty() { b"null" } else { value })
                    .map_err(|error| {
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
        });
    }

    fn data_get(&self, caller: Caller, path: &str) {
        self.with(|mesh| {
            let OwnPath { path, hidden } = match own_path(&mesh, &caller, Action::Get, path) {
                Ok(own) => own,
                Err(error) => return reply(&caller, Err(error)),
            };
            if PathPattern::new(&path).has_wildcard() {
                return data::collect(&mesh, caller, data::Reach { path, hidden });
            }
            let found = mesh.store().get(&path);
            let document = found.map(|found| item(&path, &found.data, found.meta));
            reply(&caller, Ok(document.unwrap_or_else(|| "null".to_owned())));
        });
    }

    fn data_remove(&self, caller: Caller, path: &str) {
        self.with(|mesh| match own_path(&mesh, &caller, Action::Remove, path) {
            Ok(OwnPath { path, hidden }) => data::remove(&mesh, caller, data::Reach { path, hidden }),
            Err(error) => reply(&caller, Err(error)),
        });
    }

    fn after(&self, caller: Caller, milliseconds: u64) {
        self.with(|mesh| {
            mesh.runtime.spawn(async move {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                caller.reply(Status::OK, Bytes::new());
            });
        });
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

/// A component that waits for another one.
struct ComponentAnswer {
    caller: Caller,
    target: String,
    timeout: Duration,
}

impl Answer for ComponentAnswer {
    fn follow(&mut self, after: After) {
        // The answer that it gives in its turn follows that, too.
        self.caller.instance.emitter().answered_after(after);
    }

    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        // A defect is the other component's: the one that hands the error on must not be blamed for it.
        let status = if status == Status::PANIC {
            Status::ERROR
        } else {
            status
        };
        match array(payload) {
            Some(array) if status == Status::VALUE_ERROR => {
                let (status, array) = without_null_error(array);
                self.caller.reply(status, array);
            }
            Some(array) => self.caller.reply(status, array.to_owned()),
            None => self
                .caller
                .reply(Status::ERROR, unreadable(&self.target).arguments()),
        }
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        let failure = abandoned(&self.target, why, self.timeout.as_millis());
        self.caller.reply(Status::ERROR, failure.arguments());
    }
}

/// A component that hears events.
struct ComponentListener {
    caller: Caller,
    /// The id under which the mesh and its components publish.
    mesh: Box<str>,
    /// For whom it listens, where it asked with the rights of a caller.
    user: Option<(Weak<Mesh>, Arc<User>)>,
}

/// The key of the session with this id where events are counted by publisher.
fn publisher(session_id: &str) -> u8 {
    let kinds = u64::from(NO_PUBLISHER);
    (xxhash_rust::xxh3::xxh3_64(session_id.as_bytes()) % kinds) as u8
}

impl ComponentListener {
    /// Whether the user for whom it listens may hear an event at this moment. A user of the same name who was made since is
    /// somebody else.
    fn may_hear(&self, path: &str) -> bool {
        let Some((mesh, user)) = &self.user else {
            return true;
        };
        let Some(mesh) = mesh.upgrade() else { return false };
        mesh.security().is_none_or(|security| {
            let access = security.access_of(&user.name);
            let access = access.filter(|access| access.user().id == user.id);
            access.is_some_and(|access| security.allows(&access, Action::On, path))
        })
    }
}

impl fmt::Debug for ComponentListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(_, user)| &user.name);
        formatter
            .debug_struct("ComponentListener")
            .field("caller", &self.caller)
            .field("user", &user)
            .finish()
    }
}

impl Listener for ComponentListener {
    fn hear(&self, publication: &Publication<'_>) -> bool {
        // Two versions of a component may listen while one takes over from the other; one of them hears.
        let caller = &self.caller;
        if !caller.instance.is_hearing() || !self.may_hear(publication.path) {
            return false;
        }
        let mut meta = String::new();
        publication.meta_object(&mut meta);
        let job = Job {
            target: Bytes::copy_from_slice(publication.path.as_bytes()),
            payload: Bytes::copy_from_slice(publication.data.as_bytes()),
            meta,
            publisher: match *publication.session_id == *self.mesh {
                true => NO_PUBLISHER,
                false => publisher(publication.session_id),
            },
            ..Job::new(JobKind::Event, caller.token)
        };
        caller.instance.push(caller.lane, job);
        true
    }
}
