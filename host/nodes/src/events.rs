//! Events of this node for others, and the way back.
//!
//! Enters: publications as they leave the mesh; frames of other nodes. Leaves: bodies of frames; publications for those who listen
//! here. Guarantees: nothing that another node says becomes part of a client's frame unless it is JSON of the right kind.

use mesh_cluster::event::EventFrame;
use mesh_cluster::interest::may_cross;
use mesh_core::gate::check_size;
use mesh_core::mesh::Mesh;
use mesh_session::pubsub::{Event, EventVersion, Published, Targets};
use mesh_wire::protocol::{DocumentMeta, EventAction, Publication};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// Stands for the number of a request that had none.
const NO_NUMBER: &str = "undefined";

/// The body of a frame for other nodes; nothing where the data is no JSON.
pub(crate) fn write(event: &Event<'_>) -> Option<bytes::Bytes> {
    let publication = event.publication;
    check_size(publication.path).ok()?;
    let data: &RawValue = serde_json::from_str(publication.data).ok()?;
    let sent = match std::ptr::eq(publication.sent, publication.data) {
        true => None,
        false => Some(serde_json::from_str(publication.sent).ok()?),
    };
    let sessions = event.targets.and_then(|targets| targets.sessions.as_ref());
    let frame = EventFrame {
        event: 0,
        path: publication.path.into(),
        data,
        sent,
        document_path: publication.document_path.map(Cow::Borrowed),
        session: publication.session_id.into(),
        id: publication.event_id.into(),
        consistency: publication.consistency,
        stored: publication.stored.map(|stored| [stored.created, stored.modified]),
        username: publication.username.map(Cow::Borrowed),
        modified_by: publication.modified_by.map(Cow::Borrowed),
        custom_meta: publication.custom_meta.into(),
        version: event.version.map(|version| version.text().into()),
        sessions: sessions.map(|sessions| sessions.iter().map(|id| Cow::Borrowed(&**id)).collect()),
    };
    Some(frame.write())
}

/// Publishes an event of another node to those who listen here.
pub(crate) fn publish(mesh: &Mesh, body: &[u8]) -> Result<Published, String> {
    let frame = EventFrame::read(body).map_err(|error| error.to_string())?;
    if !may_cross(&frame.path) || check_size(&frame.path).is_err() {
        return Err("no event of another node may have this path".to_owned());
    }
    let is_plain = |character: char| !matches!(character, '"' | '\\') && !character.is_control();
    if !frame.session.chars().all(is_plain) {
        return Err("the session of an event is no id".to_owned());
    }
    if frame.id != NO_NUMBER && serde_json::from_str::<IgnoredAny>(&frame.id).is_err() {
        return Err("the number of an event is not JSON".to_owned());
    }
    let whole = format!(r#"{{"":0{}}}"#, frame.custom_meta);
    if serde_json::from_str::<HashMap<Cow<'_, str>, IgnoredAny>>(&whole).is_err() {
        return Err("the `_meta` of an event is not JSON".to_owned());
    }
    let version = frame.version.as_deref().map(EventVersion::parse);
    let version = version.and_then(Result::ok);
    let targets = frame.sessions.map(|sessions| Targets {
        sessions: Some(sessions.into_iter().map(Cow::into_owned).collect()),
        without_cluster: false,
    });
    let publication = Publication {
        action: EventAction::Set,
        path: &frame.path,
        data: frame.data.get(),
        sent: frame.sent.unwrap_or(frame.data).get(),
        document_path: frame.document_path.as_deref(),
        session_id: &frame.session,
        event_id: &frame.id,
        consistency: frame.consistency,
        stored: frame
            .stored
            .map(|[created, modified]| DocumentMeta { created, modified }),
        timestamp: None,
        username: frame.username.as_deref(),
        modified_by: frame.modified_by.as_deref(),
        custom_meta: &frame.custom_meta,
    };
    Ok(mesh.publish_from_node(&Event {
        publication: &publication,
        version: version.as_ref(),
        targets: targets.as_ref(),
    }))
}
