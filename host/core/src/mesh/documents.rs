//! Writing and publishing documents, on behalf of clients, of components and of the mesh itself.

use super::exchange::MESH_USER;
use super::{Mesh, Reach};
use mesh_session::pubsub::{Event, EventVersion, Published, Targets};
use mesh_session::{Deferred, Session};
use mesh_store::{Commit, Document, StoreError, StoreErrorKind, Stored, now};
use mesh_wire::protocol::{
    Dialect, DocumentMeta, EventAction, MergeRule, Options, Publication, custom_meta, json, value,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

/// Changing a larger document takes longer than the store may be locked.
const LARGE: usize = 256 * 1024;
/// How often a change of a large document is made anew because somebody else has written it meanwhile.
const MOST_ATTEMPTS: usize = 8;

/// The publisher.
#[derive(Clone, Copy, Debug)]
pub struct Publisher<'a> {
    /// The real session.
    pub session_id: &'a str,
    /// The request behind it, as raw JSON of its `eventId`.
    pub event_id: &'a str,
    /// The user, where there is one.
    pub username: Option<&'a str>,
}

/// A value to write.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// Where.
    pub path: &'a str,
    /// The value that was sent; `None` for nothing.
    pub value: Option<&'a RawValue>,
    /// The operation.
    pub mode: WriteMode<'a>,
    /// The writer, in a secure mesh.
    pub by: Option<&'a Arc<str>>,
}

/// The operation on a value.
#[derive(Clone, Copy, Debug)]
pub enum WriteMode<'a> {
    /// It takes the place of what is stored.
    Replace,
    /// It is only published.
    Unstored,
    /// Its fields are laid over those of what is stored, by this rule.
    Merge(MergeRule),
    /// It names a gauge, to which this number is added.
    Increment(&'a RawValue),
}

impl<'a> WriteMode<'a> {
    /// The operation that a client of this dialect asks for with these options.
    pub fn of(options: &Options<'a>, dialect: Dialect) -> WriteMode<'a> {
        match options.increment {
            _ if options.no_store => WriteMode::Unstored,
            _ if options.merge => WriteMode::Merge(dialect.merge_rule()),
            Some(step) if dialect.has_increment() => WriteMode::Increment(step),
            _ => WriteMode::Replace,
        }
    }

    /// Whether the outcome depends on the document that is stored.
    pub fn changes(&self) -> bool {
        matches!(self, WriteMode::Merge(_) | WriteMode::Increment(_))
    }
}

/// The result of a write.
#[derive(Debug)]
pub struct Written<'a> {
    /// The document that publisher and subscribers see: a JSON object.
    pub data: Data<'a>,
    /// The document's times, when it was stored and they are of interest.
    pub stored: Option<DocumentMeta>,
    /// The document was stored, and there was none before.
    pub is_new: bool,
    /// From when on it survives.
    pub commit: Commit,
}

/// A JSON object, wherever its text is.
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// Part of the request, or made of it.
    Sent(Cow<'a, str>),
    /// In the store.
    Stored(Arc<str>),
}

impl Deref for Data<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Data::Sent(text) => text,
            Data::Stored(text) => text,
        }
    }
}

/// Why a value was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store cannot write.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The value or its options cannot be what they should be.
    #[error("{0}")]
    Increment(String),
}

/// A change of a path, and the form of its publication.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The change.
    pub action: EventAction,
    /// Where, in the publisher's words.
    pub path: &'a str,
    /// Where the document is, when that is not `path`.
    pub document_path: Option<&'a str>,
    /// The tag under which the document was copied.
    pub tag: Option<&'a RawValue>,
    /// The value as it is now: a JSON object.
    pub data: &'a str,
    /// The value as it was sent, raw JSON.
    pub sent: &'a str,
    /// The document's times, when it was stored.
    pub stored: Option<DocumentMeta>,
    /// The user who stored it, where there was no document before: clients of the first generation are told.
    pub modified_by: Option<&'a str>,
    /// The consistency asked for: 0 to 3.
    pub consistency: u8,
    /// The publisher's `options.meta`.
    pub meta: Option<&'a RawValue>,
    /// Whom the publisher means.
    pub targets: Option<&'a Targets>,
}

impl<'a> Change<'a> {
    /// A change with nothing special to it.
    pub fn new(action: EventAction, path: &'a str, data: &'a str) -> Change<'a> {
        Change {
            action,
            path,
            document_path: None,
            tag: None,
            data,
            sent: data,
            stored: None,
            modified_by: None,
            consistency: 2,
            meta: None,
            targets: None,
        }
    }
}

impl Mesh {
    /// Makes a document of a value by the value rule and stores it as `mode` says.
    ///
    /// # Errors
    ///
    /// When the store cannot write, or an increment makes no sense. Nothing is changed then.
    pub fn store_document<'a>(&self, write: Write<'a>) -> Result<Written<'a>, WriteError> {
        let stored = match write.mode {
            WriteMode::Unstored => {
                return Ok(Written {
                    data: Data::Sent(value::unstored_document(write.value)),
                    stored: None,
                    is_new: false,
                    commit: Commit::Done,
                });
            }
            WriteMode::Increment(step) => return self.increment(write, step),
            WriteMode::Replace => {
                let data = value::document(write.value);
                let stored = self.store().set_by(write.path, &data, write.by)?;
                return Ok(Written {
                    data: Data::Sent(data),
                    stored: Some(stored.document.meta),
                    is_new: stored.is_new,
                    commit: stored.commit,
                });
            }
            WriteMode::Merge(rule) => {
                let data = value::document(write.value);
                self.update_document(write, &mut |before| {
                    Some(match before {
                        None => (*data).into(),
                        Some(before) => value::merged(&before.data, &data, rule).into(),
                    })
                })?
            }
        };
        // A merge never declines.
        let stored = stored.ok_or_else(|| StoreError::new(StoreErrorKind::Busy, "nothing was merged"))?;
        Ok(Written {
            data: Data::Stored(stored.document.data),
            stored: Some(stored.document.meta),
            is_new: stored.is_new,
            commit: stored.commit,
        })
    }

    /// Whether changing the document at a path takes so long that it is better done elsewhere.
    pub fn is_large(&self, path: &str) -> bool {
        let document = self.store().get(path);
        document.is_some_and(|document| document.data.len() > LARGE)
    }

    /// As [`mesh_store::Store::update_by`], but what is made of a large document is made before the store is locked.
    /// `change` may be called more than once.
    fn update_document(
        &self,
        Write { path, by, .. }: Write<'_>,
        change: &mut dyn FnMut(Option<&Document>) -> Option<Arc<str>>,
    ) -> Result<Option<Stored>, StoreError> {
        for _ in 0..MOST_ATTEMPTS {
            let before = self.store().get(path);
            let Some(before) = before.filter(|before| before.data.len() > LARGE) else {
                return self.store().update_by(path, by, change);
            };
            let Some(after) = change(Some(&before)) else {
                return Ok(None);
            };
            let stored = self.store().update_by(path, by, &mut |now| {
                let is_same = now.is_some_and(|now| Arc::ptr_eq(&now.data, &before.data));
                is_same.then(|| after.clone())
            })?;
            if stored.is_some() {
                return Ok(stored);
            }
        }
        Err(StoreError::new(
            StoreErrorKind::Busy,
            "the document is large, and others write it all the time: try again",
        ))
    }

    fn increment<'a>(&self, write: Write<'a>, step: &RawValue) -> Result<Written<'a>, WriteError> {
        let gauge = write
            .value
            .and_then(json::as_text)
            .ok_or_else(|| invalid("invalid increment counter field name, must be a string"))?;
        let step: f64 = step
            .get()
            .parse()
            .map_err(|_| invalid("increment option value must be a number"))?;
        let mut outcome = Err(String::new());
        let stored = self.update_document(write, &mut |before| {
            let counted = value::incremented(before.map(|before| &*before.data), &gauge, step);
            let (document, value) = counted.map_err(|error| outcome = Err(error)).ok()?;
            outcome = Ok(value);
            Some(document.into())
        })?;
        let value = outcome.map_err(WriteError::Increment)?;
        let mut data = format!(r#"{{"value":{value},"gauge":"#);
        json::write_string(&mut data, &gauge);
        data.push('}');
        Ok(Written {
            data: Data::Sent(Cow::Owned(data)),
            stored: None,
            is_new: stored.as_ref().is_some_and(|stored| stored.is_new),
            commit: stored.map_or(Commit::Done, |stored| stored.commit),
        })
    }

    /// Publishes what happened to a path.
    pub fn publish_change(&self, publisher: &Publisher<'_>, change: &Change<'_>) -> Published {
        self.with_event(publisher, change, |event| self.publish(event, Reach::Subscribers))
    }

    /// As [`Mesh::publish_change`], under the mesh's own name: for its components, and for parts of the host.
    pub fn publish_own_change(&self, change: &Change<'_>) -> Published {
        let event_id = self.next_event().to_string();
        let publisher = Publisher {
            session_id: self.id(),
            event_id: &event_id,
            username: Some(MESH_USER),
        };
        self.publish_change(&publisher, change)
    }

    /// As [`Mesh::publish_change`], by somebody who will soon write for recipients that sleep.
    pub fn publish_change_with(
        &self,
        publisher: &Publisher<'_>,
        change: &Change<'_>,
        deferred: &mut Deferred,
    ) -> Published {
        self.with_event(publisher, change, |event| {
            self.publish(event, Reach::SubscribersSoon(deferred))
        })
    }

    /// As [`Mesh::publish_change`], but recipients acknowledge, and `session` is told of it.
    pub fn publish_acknowledged(
        &self,
        session: &Arc<Session>,
        publisher: &Publisher<'_>,
        change: &Change<'_>,
    ) {
        self.with_event(publisher, change, |event| {
            self.publish(event, Reach::Acknowledged(session));
        });
    }

    fn with_event<T>(
        &self,
        publisher: &Publisher<'_>,
        change: &Change<'_>,
        then: impl FnOnce(&Event<'_>) -> T,
    ) -> T {
        let mut custom = change.meta.map(custom_meta).unwrap_or_default();
        if let Some(tag) = change.tag {
            custom.push_str(r#","tag":"#);
            custom.push_str(tag.get());
        }
        let version = change.meta.and_then(component_version);
        let publication = Publication {
            action: change.action,
            path: change.path,
            data: change.data,
            sent: change.sent,
            document_path: change.document_path,
            session_id: publisher.session_id,
            event_id: publisher.event_id,
            consistency: change.consistency,
            stored: change.stored,
            timestamp: (change.action == EventAction::Remove).then(now),
            username: publisher.username,
            modified_by: change.modified_by,
            custom_meta: &custom,
        };
        then(&Event {
            publication: &publication,
            version: version.as_ref(),
            targets: change.targets,
        })
    }
}

fn invalid(message: &str) -> WriteError {
    WriteError::Increment(message.to_owned())
}

/// The version that a publication's `meta` carries, when it can be compared.
fn component_version(meta: &RawValue) -> Option<EventVersion> {
    #[derive(Deserialize)]
    struct Carried<'a> {
        #[serde(borrow, rename = "componentVersion")]
        version: Option<Cow<'a, str>>,
    }
    let carried: Carried = serde_json::from_str(meta.get()).ok()?;
    EventVersion::parse(&carried.version?).ok()
}
