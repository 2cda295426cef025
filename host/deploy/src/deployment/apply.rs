//! Making a running mesh what mesh.toml says: all of it, or nothing.
//!
//! Enters: the file as it is now. Leaves: one swap of all components that differ, or a plan of it. Guarantees: a
//! file that is wrong changes nothing; what only a restart could change is named.

use super::change::{Change, serving};
use super::{Deployment, DeploymentError, Insistence, Plan, limits};
use crate::swap::{Ending, Ongoing, Progress, Report};
use mesh_config::{ComponentConfig, Config, difference};
use mesh_core::mesh::Origins;
use mesh_plugin::Component;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// The differences between the file and the mesh.
struct Pending {
    changes: Vec<Change>,
    needs_restart: Vec<String>,
    /// Components that were left alone, one sentence each.
    left: Vec<String>,
}

impl Deployment {
    /// Makes the mesh what mesh.toml says now. Returns when the new versions serve, or will not.
    ///
    /// # Errors
    ///
    /// When the file is wrong, or names a library that is not there.
    pub async fn apply(
        self: &Arc<Deployment>,
        insistence: Insistence,
        progress: Option<mpsc::UnboundedSender<Progress>>,
    ) -> Result<Ongoing, DeploymentError> {
        let wanted = self.read_again()?;
        let pending = self.pending(&wanted)?;
        let restart = pending
            .needs_restart
            .iter()
            .map(|key| format!("{key} has changed, which needs a restart"));
        let notes: Vec<String> = restart.chain(pending.left).collect();
        if pending.changes.is_empty() {
            self.set_running(wanted);
            let report = Report {
                ending: Some(Ending::Replaced),
                notes,
                ..Report::default()
            };
            let (_, end) = oneshot::channel();
            let refusal = None;
            return Ok(Ongoing { report, refusal, end });
        }
        let swaps = pending
            .changes
            .into_iter()
            .map(|change| self.wanted(&wanted, change, insistence));
        let swaps = swaps.collect();
        let limits = limits(&wanted);
        let mut ongoing = self.swaps.run(swaps, limits, progress, |_| {}).await;
        if ongoing.report.ending != Some(Ending::Refused) {
            self.set_running(wanted);
        }
        ongoing.report.notes.extend(notes);
        Ok(ongoing)
    }

    /// As [`Deployment::apply`], and says in the log how it went. `why` is what made it happen.
    pub async fn apply_and_log(self: &Arc<Deployment>, why: &str) {
        tracing::info!("{why}: applying {}", self.config().file().display());
        match self.apply(Insistence::None, None).await {
            Err(error) => {
                // An event is one line.
                for line in format!("nothing was changed: {error}").lines() {
                    tracing::error!("{line}");
                }
            }
            Ok(ongoing) => {
                if ongoing.report.components.is_empty() {
                    tracing::info!("nothing to change");
                }
                for note in &ongoing.report.notes {
                    tracing::warn!("{note}");
                }
            }
        }
    }

    /// Replaces what serves for an entry by a library that was built for it, in spite of all failed checks but the entry's own
    /// range. Returns when it serves, or will not. mesh.toml stays as it is.
    pub async fn replace(&self, entry: &ComponentConfig, library: PathBuf) -> Ongoing {
        let config = self.config();
        let change = Change {
            component: entry.name.value.clone(),
            old: self.serving(entry),
            new: Some((entry.clone(), library)),
            drops_state: false,
        };
        let swaps = vec![self.wanted(&config, change, Insistence::ButForRange)];
        self.swaps.run(swaps, limits(&config), None, |_| {}).await
    }

    /// The version that serves for an entry of the configuration that runs.
    pub fn serving(&self, entry: &ComponentConfig) -> Option<Arc<Component>> {
        serving(&self.mesh.registry(), &self.config(), entry)
    }

    /// The plan of [`Deployment::apply`].
    ///
    /// # Errors
    ///
    /// When the file is wrong, or names a library that is not there.
    pub async fn plan_apply(&self) -> Result<Plan, DeploymentError> {
        let wanted = self.read_again()?;
        let pending = self.pending(&wanted)?;
        let mut changes = Vec::new();
        for change in pending.changes {
            changes.push(self.planned(&wanted, change).await);
        }
        Ok(Plan {
            changes,
            needs_restart: pending.needs_restart,
        })
    }

    fn read_again(&self) -> Result<Config, DeploymentError> {
        let read = self.config().load_again();
        read.map_err(|source| DeploymentError::Config { source })
    }

    fn set_running(&self, config: Config) {
        let rest = &config.rest;
        self.mesh
            .set_origins(Origins::new(&rest.cors_origins, rest.cors_credentials));
        if let Err(error) = self.mesh.configure_elsewhere(&config) {
            tracing::error!("the schema could not be written: {error}");
        }
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    fn pending(&self, wanted: &Config) -> Result<Pending, DeploymentError> {
        let running = self.config();
        let registry = self.mesh.registry();
        let difference = difference(&running, wanted);
        let (mut changes, mut left) = (Vec::new(), Vec::new());
        for entry in &wanted.components {
            let library = wanted
                .resolve_library(entry)
                .map_err(|source| DeploymentError::Library { source })?;
            let name = &entry.name.value;
            let is_added = difference.added.iter().any(|other| is_same(other, entry));
            let changed = difference
                .changed
                .iter()
                .find(|changed| is_same(&changed.wanted, entry));
            let old = match changed {
                Some(changed) => serving(&registry, &running, &changed.running),
                None if is_added => None,
                None => serving(&registry, wanted, entry),
            };
            let is_as_wanted = match (&old, changed) {
                (_, Some(changed)) => !changed.aspects.iter().any(|aspect| aspect.needs_swap()),
                (None, None) => false,
                (Some(old), None) if old.library() != library && self.swaps.is_in_probation(name) => {
                    left.push(format!(
                        "{name} {} is in probation and not in the file yet: left as it is",
                        old.descriptor().version()
                    ));
                    true
                }
                (Some(old), None) => old.library() == library && !old.library_has_changed(),
            };
            if !is_as_wanted {
                changes.push(Change {
                    component: name.clone(),
                    old,
                    new: Some((entry.clone(), library)),
                    drops_state: false,
                });
            }
        }
        for entry in &difference.removed {
            changes.extend(serving(&registry, &running, entry).map(|old| Change {
                component: entry.name.value.clone(),
                old: Some(old),
                new: None,
                drops_state: false,
            }));
        }
        Ok(Pending {
            changes,
            needs_restart: difference.restart.iter().map(|key| (*key).to_owned()).collect(),
            left,
        })
    }
}

fn is_same(one: &ComponentConfig, other: &ComponentConfig) -> bool {
    one.at == other.at
}
