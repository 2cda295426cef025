//! Writing and publishing documents, on behalf of clients, of components and of the mesh itself.

use super::Mesh;
use crate::protocol::{DocumentMeta, EventAction, Publication, custom_meta, value};
use crate::pubsub::{Event, EventVersion};
use crate::store::{PathPattern, StoreError, now};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;

/// Who publishes.
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
    /// What was sent; `None` for nothing.
    pub value: Option<&'a RawValue>,
    /// The value is only published.
    pub no_store: bool,
}

/// What was written.
#[derive(Debug)]
pub struct Written<'a> {
    /// The document: a JSON object.
    pub data: Cow<'a, str>,
    /// Its times, when it was stored.
    pub stored: Option<DocumentMeta>,
}

impl Mesh {
    /// Makes a document of a value by the value rule and stores it unless told otherwise.
    ///
    /// # Errors
    ///
    /// When the store cannot write.
    pub fn store_document<'a>(&self, write: Write<'a>) -> Result<Written<'a>, StoreError> {
        if write.no_store {
            return Ok(Written {
                data: value::unstored_document(write.value),
                stored: None,
            });
        }
        let data = value::document(write.value);
        let stored = self.store().set(write.path, &data)?.document.meta;
        Ok(Written {
            data,
            stored: Some(stored),
        })
    }

    /// Publishes what happened to a path. `meta` is the publisher's `options.meta`, `targets` its `targetClients`.
    /// Returns the number of recipients.
    #[allow(clippy::too_many_arguments)] // The parts of one publication, each from another place.
    pub fn publish_document(
        &self,
        publisher: &Publisher<'_>,
        action: EventAction,
        path: &str,
        data: &str,
        stored: Option<DocumentMeta>,
        consistency: u8,
        meta: Option<&RawValue>,
        targets: Option<&HashSet<String>>,
    ) -> usize {
        let custom = meta.map(custom_meta).unwrap_or_default();
        let version = meta.and_then(component_version);
        let publication = Publication {
            action,
            path,
            data,
            session_id: publisher.session_id,
            event_id: publisher.event_id,
            consistency,
            stored,
            timestamp: (action == EventAction::Remove).then(now),
            username: publisher.username,
            custom_meta: &custom,
        };
        self.subscriptions.publish(&Event {
            publication: &publication,
            version: version.as_ref(),
            targets,
        })
    }

    /// Removes documents and returns how many there were.
    ///
    /// # Errors
    ///
    /// When the store cannot write.
    pub fn remove_documents(&self, path: &str) -> Result<u64, StoreError> {
        Ok(self.store().remove(&PathPattern::new(path), &mut |_, _| true)?.0)
    }
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
