//! Watching a version that has just taken over.
//!
//! Enters: the counters of the new version and of the one before. Leaves: a [`SwapError`] when the new one is bad.
//! Guarantees: one panic is enough; errors are compared with what was usual before, since a component may well have
//! errors that are no defect.

use super::SwapError;
use mesh_plugin::Component;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Fewer calls than this say nothing about a share.
const FEWEST_CALLS: u64 = 20;
/// How often a component that can say how it is, is asked.
const BETWEEN_HEALTH_CHECKS: Duration = Duration::from_secs(5);
/// How long it may take to say so.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

/// The watch over one new version.
pub struct Watch {
    component: Arc<Component>,
    before: Counters,
    usual_percent: f64,
    max_rise_percent: f64,
    asked: Instant,
}

#[derive(Clone, Copy)]
struct Counters {
    calls: u64,
    failed: u64,
    panics: u64,
}

impl Counters {
    fn of(component: &Component) -> Counters {
        Counters {
            calls: component.calls(),
            failed: component.errors() + component.timeouts(),
            panics: component.panics(),
        }
    }

    fn percent(self) -> f64 {
        if self.calls == 0 {
            return 0.0;
        }
        self.failed as f64 * 100.0 / self.calls as f64
    }
}

impl Watch {
    /// Begins to watch `new`, which took over from `old`.
    pub fn new(new: Arc<Component>, old: &Component, max_error_percent: u64) -> Watch {
        Watch {
            before: Counters::of(&new),
            component: new,
            usual_percent: Counters::of(old).percent(),
            max_rise_percent: max_error_percent as f64,
            asked: Instant::now(),
        }
    }

    /// Looks once.
    ///
    /// # Errors
    ///
    /// Why the version should not stay.
    pub async fn look(&mut self) -> Result<(), SwapError> {
        let version = format!(
            "{} {}",
            self.component.name(),
            self.component.descriptor().version().text()
        );
        let now = Counters::of(&self.component);
        let since = Counters {
            calls: now.calls - self.before.calls,
            failed: now.failed - self.before.failed,
            panics: now.panics - self.before.panics,
        };
        if since.panics > 0 {
            let panics = since.panics;
            return Err(SwapError::Panicked { version, panics });
        }
        let rise = since.percent() - self.usual_percent;
        if since.calls >= FEWEST_CALLS && rise > self.max_rise_percent {
            return Err(SwapError::Failing {
                version,
                calls: since.calls,
                failed: since.failed,
                percent: since.percent(),
                usual_percent: self.usual_percent,
            });
        }
        if self.asked.elapsed() >= BETWEEN_HEALTH_CHECKS {
            self.asked = Instant::now();
            let health = self.component.check_health(HEALTH_PATIENCE).await;
            health.map_err(|source| SwapError::Unwell { source })?;
        }
        Ok(())
    }
}
