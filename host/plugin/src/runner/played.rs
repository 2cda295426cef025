//! The runner of a library that a test plays.
//!
//! Enters: the same requests as for real libraries. Leaves: the same lanes and instances. Guarantees: the end of a library waits
//! for the lanes that the test has not left.

use super::{LANE_IS_BUSY, LoadRequest, Loaded, Runner, Running, Unloaded};
use crate::emitter::Identity;
use crate::instance::Instance;
use crate::lane::Lane;
use crate::played::{PlayedLibrary, Player};
use crate::{Descriptor, LoadError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How often it is looked whether the lanes have been left.
const LOOK: Duration = Duration::from_millis(1);

/// The lanes of a played library.
pub(super) struct PlayedLanes {
    lanes: usize,
    left: Arc<AtomicUsize>,
}

impl PlayedLanes {
    pub(super) async fn end(self, patience: Duration) -> Unloaded {
        let left = async {
            while self.left.load(Ordering::Relaxed) < self.lanes {
                tokio::time::sleep(LOOK).await;
            }
        };
        match tokio::time::timeout(patience * 2, left).await {
            Ok(()) => Unloaded::Gone,
            Err(_) => Unloaded::Resident(LANE_IS_BUSY.to_owned()),
        }
    }
}

/// Makes an instance that `player` plays.
pub(super) async fn load(request: LoadRequest, player: &dyn Player) -> Result<Loaded, LoadError> {
    static NUMBER: AtomicU64 = AtomicU64::new(1 << 62);
    let shown = request.library.display().to_string();
    let described = player.describe(&request.library)?;
    let descriptor = Descriptor::check(
        &shown,
        described.name.as_bytes(),
        described.version.as_bytes(),
        b"played",
        described.descriptor.as_bytes(),
    )?;
    (request.approve)(&descriptor)?;
    tokio::time::sleep(described.creation).await;
    let lanes = (0..request.lanes)
        .map(|number| Arc::new(Lane::new(number, request.limits, None).keeping_origins(request.delegates)));
    let identity = Identity {
        mesh: request.mesh,
        domain: request.domain,
        component: request.name,
        version: described.version,
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
    };
    let instance = Arc::new(Instance::new(identity, lanes.collect(), request.services));
    let (played, left) = PlayedLibrary::of(instance.clone());
    let lanes = PlayedLanes {
        lanes: played.lanes(),
        left,
    };
    player.begin(&request.library, played);
    Ok(Loaded {
        instance,
        descriptor: Arc::new(descriptor),
        runner: Runner::of(Running::Played(lanes)),
    })
}
