//! The history of the swaps of a mesh, for observers.
//!
//! Enters: the report of a swap, again with each of its steps. Leaves: the last reports, the oldest first.
//! Guarantees: one report for each swap, the one that came last; their number is bounded.

use super::Report;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many reports are remembered.
const REMEMBERED: usize = 32;

/// The last swaps, and the one that goes on.
#[derive(Debug, Default)]
pub struct History {
    reports: Mutex<VecDeque<Report>>,
}

impl History {
    /// Keeps a report in place of an earlier one of the same swap.
    pub fn remember(&self, report: Report) {
        let mut reports = self.lock();
        match reports.iter_mut().find(|other| other.number == report.number) {
            Some(earlier) => *earlier = report,
            None => reports.push_back(report),
        }
        while reports.len() > REMEMBERED {
            reports.pop_front();
        }
    }

    /// The last swaps, the oldest first.
    pub fn reports(&self) -> Vec<Report> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_of_each_of_the_last_swaps_is_kept() {
        let history = History::default();
        for number in 1..=REMEMBERED as u64 + 2 {
            for reason in [None, Some("the last".to_owned())] {
                history.remember(Report {
                    number,
                    reason,
                    ..Report::default()
                });
            }
        }
        let reports = history.reports();
        assert_eq!(reports.len(), REMEMBERED);
        assert_eq!(reports[0].number, 3);
        assert!(reports.iter().all(|report| report.reason.is_some()));
    }
}
