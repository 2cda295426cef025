//! The counters of logins.
//!
//! Enters: refused logins, by reason. Leaves: their series. Guarantees: a reason that has not occurred has no line.

use super::Security;
use mesh_metrics::{Collect, Kind, Labels, Page};

impl Collect for Security {
    fn collect(&self, page: &mut Page) {
        let help = "Logins refused, by reason.";
        let mut refused = page.family("mesh_logins_refused_total", Kind::Counter, help);
        for (reason, count) in self.refused_logins() {
            refused.sample(&Labels::default().with("reason", reason), count);
        }
    }
}
