//! All swaps of a running mesh: one at a time up to the switch, any number in probation.
//!
//! Enters: wishes. Leaves: reports. Guarantees: two swaps never change components at the same moment. A swap of a
//! component whose last swap is in probation ends that probation, and finds the version that won.

use super::standing::Standing;
use super::transaction::{Part, Transaction};
use super::{Ending, Limits, Progress, Report, SwapError};
use mesh_core::mesh::{Endpoint, Mesh, listed};
use mesh_plugin::LoadRequest;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex as TurnMutex, mpsc, oneshot};

/// The swaps of one mesh.
pub struct Swaps {
    mesh: Arc<Mesh>,
    turn: TurnMutex<()>,
    number: AtomicU64,
    standings: Mutex<Vec<Arc<Standing>>>,
}

/// One component to be changed.
pub struct Wanted {
    /// The component's name.
    pub component: String,
    /// The version to go; nothing where one comes beside the others.
    pub replaces: Option<String>,
    /// The new version; `None` where a version is only removed.
    pub load: Option<LoadRequest>,
    /// The state of the version that goes is not handed over.
    pub drops_state: bool,
}

/// A swap that has switched, or that will not.
pub struct Ongoing {
    /// Its state so far.
    pub report: Report,
    /// Why it was refused, exactly when it was.
    pub refusal: Option<SwapError>,
    /// Gets the report at the end, after the probation.
    pub end: oneshot::Receiver<Report>,
}

impl Swaps {
    /// No swaps yet.
    pub fn new(mesh: Arc<Mesh>) -> Arc<Swaps> {
        Arc::new(Swaps {
            mesh,
            turn: TurnMutex::new(()),
            number: AtomicU64::new(0),
            standings: Mutex::default(),
        })
    }

    /// Changes components: all of them, or none. Returns when the new versions serve, or will not. `at_end` is told how it
    /// ended, before anybody else.
    pub async fn run(
        self: &Arc<Swaps>,
        wanted: Vec<Wanted>,
        limits: Limits,
        progress: Option<mpsc::UnboundedSender<Progress>>,
        at_end: impl FnOnce(&mut Report) + Send + 'static,
    ) -> Ongoing {
        let names: Vec<String> = wanted.iter().map(|wanted| wanted.component.clone()).collect();
        let turn = self.turn(&names).await;
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, end) = oneshot::channel();
        let parts: Result<Vec<Part>, SwapError> =
            wanted.into_iter().map(|wanted| self.part(wanted)).collect();
        let parts = match parts {
            Ok(parts) => parts,
            Err(error) => {
                let report = Report {
                    ending: Some(Ending::Refused),
                    reason: Some(error.to_string()),
                    failure: Some(error.kind()),
                    ..Report::begin(number, Vec::new())
                };
                let _ = sender.send(self.remember(report.clone()));
                let refusal = Some(error);
                return Ongoing { report, refusal, end };
            }
        };
        let mut transaction = Transaction::new(self.mesh.clone(), number, parts, limits, progress);
        transaction.switch().await;
        drop(turn);
        let report = self.remember(transaction.report().clone());
        if report.ending.is_some() {
            tracing::warn!(
                "{} refused: {}",
                report.title(),
                report.reason.as_deref().unwrap_or("no reason")
            );
            let _ = sender.send(report.clone());
            let refusal = transaction.into_failure();
            return Ongoing { report, refusal, end };
        }
        tracing::info!(
            milliseconds = report.switched_after_milliseconds,
            "{} serves",
            report.title()
        );
        let standing = Arc::new(Standing::new(names));
        self.lock_standings().push(standing.clone());
        let swaps = self.clone();
        tokio::spawn(async move {
            transaction.finish(&standing, &swaps.turn).await;
            let mut report = transaction.report().clone();
            at_end(&mut report);
            swaps
                .lock_standings()
                .retain(|other| !Arc::ptr_eq(other, &standing));
            match (report.ending, &report.reason) {
                (Some(Ending::RolledBack), Some(reason)) => {
                    tracing::error!("{} rolled back: {reason}", report.title())
                }
                (Some(Ending::NotRolledBack), Some(reason)) => {
                    tracing::error!("{} not rolled back: {reason}", report.title())
                }
                _ => tracing::info!("{}: the swap is complete", report.title()),
            }
            let _ = sender.send(swaps.remember(report));
        });
        let refusal = None;
        Ongoing { report, refusal, end }
    }

    /// Whether a swap of this component has switched, and what runs is not settled yet.
    pub fn is_in_probation(&self, component: &str) -> bool {
        let name = [component.to_owned()];
        self.lock_standings()
            .iter()
            .any(|standing| standing.concerns(&name))
    }

    /// Waits for its turn to change these components: until no other swap changes any, and none takes one of these back.
    async fn turn(&self, names: &[String]) -> tokio::sync::MutexGuard<'_, ()> {
        loop {
            let turn = self.turn.lock().await;
            let concerned: Vec<Arc<Standing>> = self
                .lock_standings()
                .iter()
                .filter(|standing| standing.concerns(names))
                .cloned()
                .collect();
            let Some(busy) = concerned.iter().find(|standing| !standing.supersede()) else {
                return turn;
            };
            drop(turn);
            busy.ended().await;
        }
    }

    fn part(&self, wanted: Wanted) -> Result<Part, SwapError> {
        let name = &wanted.component;
        let registry = self.mesh.registry();
        let versions = registry.versions(name);
        let old = match &wanted.replaces {
            None => None,
            Some(text) => Some(version_of(name, versions, text)?),
        };
        let old = old.map(|old| old.replaceable().cloned()).transpose()?;
        let mut part = Part::new(name, old, wanted.load);
        part.drops_state = wanted.drops_state;
        Ok(part)
    }

    fn remember(&self, report: Report) -> Report {
        self.mesh.swap_history().remember(report.clone());
        report
    }

    fn lock_standings(&self) -> MutexGuard<'_, Vec<Arc<Standing>>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The version of this text, among those of a component.
///
/// # Errors
///
/// When there is none.
pub fn version_of<'a>(name: &str, versions: &'a [Endpoint], text: &str) -> Result<&'a Endpoint, SwapError> {
    let has = |endpoint: &&Endpoint| endpoint.descriptor().version().text() == text;
    match versions.iter().find(has) {
        Some(found) => Ok(found),
        None if versions.is_empty() => Err(SwapError::NoComponent {
            component: name.to_owned(),
        }),
        None => Err(SwapError::NoVersion {
            component: name.to_owned(),
            version: text.to_owned(),
            loaded: listed(versions),
        }),
    }
}
