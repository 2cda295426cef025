//! Documents of a component, many at once.
//!
//! Enters: a component's own path with a wildcard. Leaves: one reply. Guarantees: work that takes longer than a
//! millisecond goes on in turns on the threads of [`mesh_scans`]. Neither the component's lane nor anybody else waits
//! for it.

use super::services::{reply, reply_after};
use super::{Change, Mesh};
use mesh_plugin::Caller;
use mesh_scans::{Budget, Memory, Owner};
use mesh_security::Hidden;
use mesh_store::{Commit, PathPattern, Removal, StoreError, Walk, Walked};
use mesh_wire::protocol::{Dialect, EventAction, WireError, write_item};
use std::ops::ControlFlow;
use std::sync::Arc;

/// So many bytes of a document take the time that a small document takes.
const BYTES_AS_ONE: usize = 4096;

/// The documents of a component that a path reaches.
pub(super) struct Reach {
    pub(super) path: String,
    /// The documents among them that are hidden from the user for whom the component asks.
    pub(super) hidden: Option<Hidden>,
}

impl Reach {
    fn hides(&self, path: &str) -> bool {
        self.hidden.as_ref().is_some_and(|hidden| hidden.hides(path))
    }
}

fn owner(caller: &Caller) -> Owner {
    Owner::Component((*caller.instance.identity().component).into())
}

/// Replies with the documents that match.
pub(super) fn collect(mesh: &Arc<Mesh>, caller: Caller, reach: Reach) {
    let mut walk = Walk::new(BYTES_AS_ONE);
    let mut out = String::from("[");
    if collect_on(mesh, &reach, &mut walk, &mut out, &mut Budget::inline()) == Walked::Ended {
        return reply(&caller, Ok(out + "]"));
    }
    let (own, owner, asked) = (mesh.clone(), owner(&caller), caller.clone());
    let work = mesh
        .scans()
        .spawn(owner, Memory::Collects, move |share| async move {
            // Nobody reads the rest of what was cancelled.
            while !caller.is_over() {
                match collect_on(&own, &reach, &mut walk, &mut out, &mut Budget::turn()) {
                    Walked::Paused => share.give_way(out.capacity()).await,
                    Walked::Ended => return reply(&caller, Ok(out + "]")),
                }
            }
        });
    work.unwrap_or_else(|error| fail(&asked, "the documents cannot be collected", &error));
}

/// Replies that something could not be begun.
fn fail(caller: &Caller, what: &str, error: &impl std::fmt::Display) {
    tracing::warn!("{what}: {error}");
    reply(caller, Err(WireError::system(format!("{what}: {error}"))));
}

fn collect_on(mesh: &Mesh, reach: &Reach, walk: &mut Walk, out: &mut String, budget: &mut Budget) -> Walked {
    let pattern = PathPattern::new(&reach.path);
    walk.advance(mesh.store(), &pattern, budget, &mut |path, document| {
        if reach.hides(&path) {
            return ControlFlow::Continue(());
        }
        if out.len() > 1 {
            out.push(',');
        }
        write_item(out, &path, &document.data, document.meta, Dialect::OF_COMPONENTS);
        ControlFlow::Continue(())
    })
}

/// Removes the documents that match, publishes that, and replies.
pub(super) fn remove(mesh: &Arc<Mesh>, caller: Caller, reach: Reach) {
    let mut removal = Removal::new(BYTES_AS_ONE);
    match remove_on(mesh, &reach, &mut removal, &mut Budget::inline()) {
        Ok(Walked::Paused) => {}
        ended => return conclude(mesh, caller, &reach.path, ended.map(|_| removal.outcome())),
    }
    let (own, owner, asked) = (mesh.clone(), owner(&caller), caller.clone());
    let work = mesh
        .scans()
        .spawn(owner, Memory::Constant, move |share| async move {
            let outcome = loop {
                match remove_on(&own, &reach, &mut removal, &mut Budget::turn()) {
                    Ok(Walked::Paused) => share.give_way(0).await,
                    Ok(Walked::Ended) => break Ok(removal.outcome()),
                    Err(error) => break Err(error),
                }
            };
            conclude(&own, caller, &reach.path, outcome);
        });
    work.unwrap_or_else(|error| fail(&asked, "the documents cannot be removed", &error));
}

fn remove_on(
    mesh: &Mesh,
    reach: &Reach,
    removal: &mut Removal,
    budget: &mut Budget,
) -> Result<Walked, StoreError> {
    let pattern = PathPattern::new(&reach.path);
    removal.advance(mesh.store(), &pattern, budget, &mut |path, _| !reach.hides(path))
}

fn conclude(mesh: &Mesh, caller: Caller, path: &str, outcome: Result<(u64, Commit), StoreError>) {
    let outcome = outcome.map(|(removed, commit)| {
        let data = format!(r#"{{"removed":{removed}}}"#);
        let published = mesh.publish_own_change(&Change::new(EventAction::Remove, path, &data));
        caller.instance.emitter().published(published.after);
        (data, commit)
    });
    reply_after(
        mesh,
        caller,
        outcome.map_err(|error| WireError::system(error.to_string())),
    );
}
