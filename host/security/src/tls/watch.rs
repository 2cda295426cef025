//! New certificates are used when their files are there.
//!
//! Enters: the two files, looked at once a second, which works on every file system and however they are replaced,
//! links included. Leaves: [`Certificates::reload`], once for each change that has come to rest, and once a day a
//! warning while the certificate is about to expire.

use super::{Certificates, Stamps};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often the files are looked at. A change has come to rest when two looks see the same.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How often a certificate that is about to expire is warned of.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(24 * 60 * 60);

/// Watches the files for as long as this is polled.
pub async fn watch(certificates: Arc<Certificates>) {
    let mut last = certificates.stamps();
    let mut warned = Instant::now();
    loop {
        sleep(BETWEEN_LOOKS).await;
        let now = certificates.stamps();
        if has_come_to_rest(certificates.stamps_read(), last, now) {
            certificates.reload();
        }
        last = now;
        if warned.elapsed() >= BETWEEN_WARNINGS {
            warned = Instant::now();
            certificates.warn_in_time();
        }
    }
}

/// Whether both files are there, are as they were at the look before, and are not what was read.
fn has_come_to_rest(read: Stamps, last: Stamps, now: Stamps) -> bool {
    now == last && now != read && now.iter().all(Option::is_some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_wire::stamp::Stamp;
    use std::time::SystemTime;

    #[test]
    fn a_change_is_read_once_it_has_come_to_rest() {
        let stamp = |seconds| {
            Some(Stamp {
                modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
                length: 1,
            })
        };
        let (old, cert, both) = ([stamp(1), stamp(1)], [stamp(2), stamp(1)], [stamp(2), stamp(3)]);
        assert!(!has_come_to_rest(old, old, old), "nothing has changed");
        assert!(!has_come_to_rest(old, old, cert), "it may be half written");
        assert!(!has_come_to_rest(old, cert, both), "the key has followed");
        assert!(has_come_to_rest(old, both, both));
        assert!(!has_come_to_rest(both, both, both), "it was read");
        let gone = [stamp(2), None];
        assert!(!has_come_to_rest(old, gone, gone), "a file is away");
    }
}
