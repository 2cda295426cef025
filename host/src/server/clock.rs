//! Tasks of a host once a second: calls that take too long, and memory that nobody needs any more.
//!
//! Enters: a mesh, and the room for connections. Leaves: nothing. Guarantees: nobody waits for it.

use mesh_core::mesh::Mesh;
use mesh_http::transport::Room;
use mesh_plugin::ffi::allocator;
use std::sync::Arc;
use std::time::Duration;

/// Ticks until it is dropped.
pub(super) async fn run(mesh: Arc<Mesh>, room: Room) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut crowd = Crowd::default();
    loop {
        tick.tick().await;
        mesh.expire();
        let most = room.most_taken();
        let crowd_has_left = crowd.has_left(most, room.taken());
        if crowd_has_left || mesh.subscriptions().take_left_behind() >= MUCH {
            // Memory of clients is kept by the C library for the next one, unless the host asks for it.
            drop(tokio::task::spawn_blocking(allocator::trim));
        }
    }
}

/// Bytes of subscriptions that are worth giving back.
const MUCH: usize = 8 * 1024 * 1024;

/// How many connections there were at the same time since memory was given back. Those that never said a word have needed
/// memory, too.
#[derive(Debug, Default)]
struct Crowd {
    most: usize,
}

/// Fewer connections are no crowd.
const CROWD: usize = 500;

impl Crowd {
    /// Takes how many there were at most since it was asked before, and how many there are; says whether a crowd has left.
    fn has_left(&mut self, most: usize, now: usize) -> bool {
        self.most = self.most.max(most);
        let has_left = self.most >= CROWD && now <= self.most / 2;
        if has_left {
            self.most = now;
        }
        has_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_for_each_crowd() {
        let mut crowd = Crowd::default();
        let left: Vec<bool> = [10, 400, 10, 5000, 4000, 2400, 2000, 10, 600, 250, 0]
            .into_iter()
            .map(|now| crowd.has_left(now, now))
            .collect();
        let expected = [
            false, false, false, false, false, true, false, true, false, true, false,
        ];
        assert_eq!(left, expected);
    }
}
