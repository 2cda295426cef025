//! Saving mesh.toml applies it.
//!
//! Enters: the file, looked at four times a second, which works on every file system and whichever way an editor
//! replaces it. Leaves: [`Deployment::apply`], once for each change that has come to rest. Guarantees: a file that is
//! half written, or wrong, changes nothing and is reported once; while it is away, nothing happens.

use super::Deployment;
use mesh_wire::stamp::Stamp;
use std::sync::Arc;
use std::time::Duration;

/// How often the file is looked at. A change has come to rest when two looks see the same.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The results of the looks so far. None at the beginning: a file that was saved after it was read, and before the first look, counts
/// as one that was saved later.
#[derive(Default)]
struct Watch {
    applied: Option<Stamp>,
    last: Option<Stamp>,
}

impl Watch {
    /// Takes what a look has shown; says whether a change has come to rest.
    fn look(&mut self, now: Option<Stamp>) -> bool {
        let rests = now.is_some() && now == self.last;
        self.last = now;
        if rests && now != self.applied {
            self.applied = now;
            return true;
        }
        false
    }
}

/// Watches the file of a deployment for as long as this is polled, while `swap.watch` says so.
pub async fn watch(deployment: Arc<Deployment>) {
    let file = deployment.config().file().to_owned();
    let mut watch = Watch::default();
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        if !watch.look(Stamp::of(&file)) {
            continue;
        }
        let running = deployment.config();
        // The file that runs asks for nothing, and neither does the host's own change, which names the version that runs.
        let is_known = std::fs::read_to_string(&file).is_ok_and(|text| text == running.text());
        if running.swap.watch && !is_known {
            deployment.apply_and_log("it was saved").await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn a_change_counts_when_it_has_come_to_rest() {
        let at = |seconds| {
            Some(Stamp {
                modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
                length: 1,
            })
        };
        let mut watch = Watch::default();
        let looks = [
            at(1),
            at(1),
            at(1),
            at(2),
            at(3),
            at(3),
            at(3),
            None,
            None,
            at(3),
            at(3),
            at(4),
            at(4),
        ];
        let rests: Vec<bool> = looks.into_iter().map(|now| watch.look(now)).collect();
        let expected = [
            false, true, false, false, false, true, false, false, false, false, false, false, true,
        ];
        assert_eq!(rests, expected);
    }
}
