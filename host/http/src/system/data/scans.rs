//! Calls of `data` that look through documents.
//!
//! Enters: a path, which may be a wildcard, and a query. Leaves: documents, a number, or what was removed. Guarantees:
//! others get their turns meanwhile. No answer is larger than a session's queue, and no more is collected for one.

use super::request::Request;
use super::{Outcome, PATHS_ONLY, with_meta, write_meta};
use mesh_core::gate::{check_path, too_large};
use mesh_core::mesh::{BuiltinCall, Change, Mesh};
use mesh_scans::{Budget, Share};
use mesh_store::{Commit, Document, PathPattern, Removal, Walk, Walked, now};
use mesh_wire::protocol::{EventAction, Options, Publicity, WireError, json};
use mesh_wire::query::{Collected, Query};
use serde_json::value::RawValue;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Documents that are written in one go.
const PIECE: usize = 256;

/// Works off a call in turns.
pub(super) async fn look_through(
    mesh: &Arc<Mesh>,
    call: &BuiltinCall,
    request: &Request<'_>,
    share: &Share,
) -> Outcome {
    let fields = match call.method.as_ref() {
        b"getPaths" => RawValue::from_string(PATHS_ONLY.to_owned()).ok(),
        _ => None,
    };
    let options = fields.as_deref().or(request.options);
    let query = match call.method.as_ref() {
        b"count" => Query::read_for_count(options, request.dialect),
        _ => Query::read(options, request.dialect),
    };
    let query = query.map_err(|error| error.to_wire(request.dialect, &request.path))?;
    match call.method.as_ref() {
        b"count" => count(mesh, request, &query, share).await,
        b"remove" => remove(mesh, call, request, &query, share).await,
        _ => find(mesh, request, &query, share).await,
    }
}

async fn find(mesh: &Mesh, request: &Request<'_>, query: &Query<'_>, share: &Share) -> Outcome {
    let pattern = PathPattern::new(&request.path);
    let limit = mesh.session_queue();
    let mut walk = Walk::new(query.bytes_as_one());
    let mut found = Collected::default();
    // Where nothing is sorted, documents to skip are passed over as they are found.
    let mut to_skip = match query.is_sorted() {
        true => 0,
        false => query.skip(),
    };
    // Where all must be seen, no number of them is enough.
    let enough = query.limit().filter(|_| !query.is_sorted());
    loop {
        let mut visit = |path: Arc<str>, document: Document| {
            if to_skip > 0 {
                to_skip -= usize::from(query.admits(&path, &document.data, document.meta));
                return ControlFlow::Continue(());
            }
            if let Some(one) = query.select(path, document) {
                found.push(query, one, limit);
            }
            let is_enough = enough.is_some_and(|enough| found.len() >= enough);
            match is_enough || found.bytes() > limit {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let walked = walk.advance(mesh.store(), &pattern, &mut Budget::turn(), &mut visit);
        if found.bytes() > limit {
            return Err(too_large(limit));
        }
        if walked == Walked::Ended {
            break;
        }
        share.give_way(found.bytes()).await;
    }
    let bytes = found.bytes();
    let found = found.arranged(query);
    if !pattern.has_wildcard() {
        let result = match found.first() {
            None => "null".to_owned(),
            Some(one) => with_meta(&query.data(&one.document), "get", Publicity::Withheld, |out| {
                query.write_meta(out, &one.path, &one.document);
            }),
        };
        return Ok((Some(result), Commit::Done));
    }
    let mut out = String::from("[");
    for (number, one) in found.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        query.write_item(&mut out, &one.path, &one.document);
        if out.len() > limit {
            return Err(too_large(limit));
        }
        if number % PIECE == PIECE - 1 {
            share.give_way(bytes + out.capacity()).await;
        }
    }
    out.push(']');
    Ok((Some(out), Commit::Done))
}

async fn count(mesh: &Mesh, request: &Request<'_>, query: &Query<'_>, share: &Share) -> Outcome {
    let pattern = PathPattern::new(&request.path);
    let mut walk = Walk::new(match query.admits_everything() {
        true => usize::MAX,
        false => query.bytes_as_one(),
    });
    let mut admitted = 0_usize;
    let enough = query.limit().map(|limit| limit.saturating_add(query.skip()));
    let mut visit = |path: Arc<str>, document: Document| {
        admitted += usize::from(query.admits(&path, &document.data, document.meta));
        match enough {
            Some(enough) if admitted >= enough => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    while walk.advance(mesh.store(), &pattern, &mut Budget::turn(), &mut visit) == Walked::Paused {
        share.give_way(0).await;
    }
    let data = format!(r#"{{"value":{}}}"#, admitted.saturating_sub(query.skip()));
    Ok((
        Some(with_meta(&data, "count", Publicity::Withheld, |_| {})),
        Commit::Done,
    ))
}

async fn remove(
    mesh: &Mesh,
    call: &BuiltinCall,
    request: &Request<'_>,
    query: &Query<'_>,
    share: &Share,
) -> Outcome {
    let path = &*request.path;
    check_path(path, request.dialect)?;
    let pattern = PathPattern::new(path);
    let mut removal = Removal::new(query.bytes_as_one());
    let mut admits = |path: &str, document: &Document| query.admits(path, &document.data, document.meta);
    loop {
        let walked = removal
            .advance(mesh.store(), &pattern, &mut Budget::turn(), &mut admits)
            .map_err(|error| WireError::system(error.to_string()))?;
        if walked == Walked::Ended {
            break;
        }
        share.give_way(0).await;
    }
    let (removed, commit) = removal.outcome();
    let data = format!(r#"{{"removed":{removed}}}"#);
    let publicity = Publicity::asked_for(&Options::read(request.options));
    if publicity == Publicity::Published {
        let published = mesh.publish_own_change(&Change::new(EventAction::Remove, path, &data));
        call.emitter.published(published.after);
    }
    let result = with_meta(&data, "remove", publicity, |out| {
        out.push_str(r#""timestamp":"#);
        json::write_number(out, now());
        out.push(',');
        write_meta(out, path, None, None);
    });
    Ok((Some(result), commit))
}
