//! A life of an instance, within a rehearsal: it is created, started, stopped and freed.
//!
//! Enters: the copy of a library, and how an instance of it would be made. Leaves: one sentence about the step that failed.
//! Guarantees: the instance finds no other component and no listener; nothing that it stores is kept.

use super::{Alone, Host};
use crate::rehearsal::{Life, Rehearsal};
use crate::runner::{LANE_IS_BUSY, LoadRequest, Unloaded};
use crate::{Component, Limits, LoadError, LoadErrorKind, Stage};
use std::path::PathBuf;

/// Lives it.
pub(super) fn live(host: &mut Host, life: Life, copy: PathBuf) -> Result<(), LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| {
        let message = format!("{} cannot be tried out: {error}", life.library.display());
        LoadError::new(LoadErrorKind::Resources, message)
    })?;
    runtime.block_on(steps(host, life, copy))
}

async fn steps(host: &mut Host, life: Life, copy: PathBuf) -> Result<(), LoadError> {
    let limit = life.start_timeout;
    let shown = life.library.display().to_string();
    let request = LoadRequest {
        library: life.library,
        name: life.name,
        mesh: life.mesh,
        domain: life.domain,
        config: life.config,
        lanes: life.lanes,
        stack_bytes: life.stack_bytes,
        limits: Limits {
            bytes: life.lane_bytes,
            calls_of_each: usize::MAX,
            lanes: life.lanes as usize,
        },
        stage: Stage {
            folder: PathBuf::new(),
            rehearsal: Rehearsal::within(copy),
        },
        start_timeout: limit,
        services: Alone::new(),
        delegates: false,
        approve: Box::new(|_| Ok(())),
    };
    host.life_step("when an instance of it is created");
    let component = Component::create(request).await?;
    host.life_step("when an instance of it is started");
    component.start(limit).await?;
    host.life_step("when an instance of it is stopped");
    let refused = |what: String| {
        let message = format!("{shown} was tried out: {what}");
        LoadError::new(LoadErrorKind::Rehearsal, message)
    };
    let stopped = component.order_to_stop(limit).await;
    stopped.map_err(|reason| refused(format!("an instance of it does not stop: {reason}")))?;
    host.life_step("when an instance of it is freed");
    // It waits twice as long for the threads that free it.
    match component.discard(limit / 2).await {
        Unloaded::Resident(reason) if reason == LANE_IS_BUSY => Err(refused(format!(
            "an instance of it is not freed within {} ms: {reason}",
            limit.as_millis()
        ))),
        // Other things that keep it in memory do so in the host, too, which says so.
        Unloaded::Resident(_) | Unloaded::Gone => Ok(()),
    }
}
