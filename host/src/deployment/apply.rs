//! Making a running mesh what mesh.toml says: all of it, or nothing.
//!
//! What enters: the file as it is now. What leaves: one swap of all components that differ, or a plan of it. Guarantees: a
//! file that is wrong changes nothing; what only a restart could change is named.

use super::{Deployment, Plan, PlannedChange, Requirements, limits, load_request, one_line, plan};
use crate::config::{ComponentConfig, Config, difference};
use crate::mesh::Mesh;
use crate::plugin::{Component, LoadErrorKind};
use crate::swap::{Ending, Ongoing, Place, Progress, Report, Wanted};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// One component that is not as the file says.
struct Pending {
    name: String,
    old: Option<Arc<Component>>,
    /// What is to come; nothing for a component that is not in the file any more.
    new: Option<(ComponentConfig, PathBuf)>,
}

/// What is not as the file says.
struct Pendings {
    components: Vec<Pending>,
    needs_restart: Vec<String>,
}

impl Deployment {
    /// Makes the mesh what mesh.toml says now. Returns when the new versions serve, or will not.
    ///
    /// # Errors
    ///
    /// One text, when the file is wrong.
    pub async fn apply(
        self: &Arc<Deployment>,
        insist: bool,
        progress: Option<mpsc::UnboundedSender<Progress>>,
    ) -> Result<Ongoing, String> {
        let wanted = self.read_again()?;
        let pendings = self.pendings(&wanted)?;
        let notes = pendings
            .needs_restart
            .iter()
            .map(|key| format!("{key} has changed, which needs a restart"));
        let notes: Vec<String> = notes.collect();
        if pendings.components.is_empty() {
            self.set_running(wanted);
            let report = Report {
                ending: Some(Ending::Replaced),
                notes,
                ..Report::default()
            };
            let (_, end) = oneshot::channel();
            return Ok(Ongoing { report, end });
        }
        let swaps = pendings
            .components
            .into_iter()
            .map(|pending| self.wanted(&wanted, pending, insist));
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
        match self.apply(false, None).await {
            Err(reason) => tracing::error!("nothing was changed: {reason}"),
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

    /// What [`Deployment::apply`] would do.
    ///
    /// # Errors
    ///
    /// One text, when the file is wrong.
    pub async fn plan_apply(&self) -> Result<Plan, String> {
        let wanted = self.read_again()?;
        let pendings = self.pendings(&wanted)?;
        let mut changes = Vec::new();
        for pending in pendings.components {
            let old = pending.old.as_deref();
            let mut change = PlannedChange {
                component: pending.name.clone(),
                from: old.map(|old| old.descriptor().version().text().to_owned()),
                ..PlannedChange::default()
            };
            if let Some((entry, library)) = pending.new {
                let most = wanted.swap.max_versions;
                let requirements = requirements(&self.mesh, most, &entry, &library, old);
                change.library = Some(library.display().to_string());
                match Component::inspect(library, self.stage.clone()).await {
                    Ok(descriptor) => plan::describe(&mut change, old, &descriptor, &requirements),
                    Err(error) => {
                        change.objections.push(error.to_string());
                        change.is_impossible = true;
                    }
                }
            }
            changes.push(change);
        }
        Ok(Plan {
            changes,
            needs_restart: pendings.needs_restart,
        })
    }

    fn read_again(&self) -> Result<Config, String> {
        let running = self.config();
        Config::load(running.file(), self.overrides()).map_err(|error| error.to_string())
    }

    fn set_running(&self, config: Config) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    fn pendings(&self, wanted: &Config) -> Result<Pendings, String> {
        let running = self.config();
        let difference = difference(&running, wanted);
        let mut components = Vec::new();
        for entry in &wanted.components {
            let library = wanted
                .resolve_library(entry)
                .map_err(|error| one_line(&error.to_string()))?;
            let is_added = difference.added.iter().any(|other| is_same(other, entry));
            let changed = difference
                .changed
                .iter()
                .find(|changed| is_same(&changed.wanted, entry));
            let before = match changed {
                Some(changed) => Some(&changed.running),
                None => Some(entry).filter(|_| !is_added),
            };
            let old = before.and_then(|before| self.serving(before));
            let is_as_wanted = match (&old, changed) {
                (_, Some(changed)) => !changed.aspects.iter().any(|aspect| aspect.needs_swap()),
                (None, None) => false,
                (Some(old), None) => old.library() == library && !old.library_has_changed(),
            };
            if !is_as_wanted {
                components.push(Pending {
                    name: entry.name.value.clone(),
                    old,
                    new: Some((entry.clone(), library)),
                });
            }
        }
        for entry in &difference.removed {
            components.extend(self.serving(entry).map(|old| Pending {
                name: entry.name.value.clone(),
                old: Some(old),
                new: None,
            }));
        }
        Ok(Pendings {
            components,
            needs_restart: difference.restart.iter().map(|key| (*key).to_owned()).collect(),
        })
    }

    /// The version that serves for an entry: the highest inside its range, else the only one.
    fn serving(&self, entry: &ComponentConfig) -> Option<Arc<Component>> {
        let registry = self.mesh.registry();
        let versions = registry.versions(&entry.name.value);
        let inside = |component: &&Arc<Component>| {
            super::is_in(&entry.version.value, component.descriptor().version())
        };
        let only = match versions {
            [only] => Some(only),
            _ => None,
        };
        versions.iter().find(inside).or(only).cloned()
    }

    fn wanted(&self, config: &Config, pending: Pending, insists: bool) -> Wanted {
        let place = match &pending.old {
            Some(old) => Place::Version(old.descriptor().version().text().to_owned()),
            None => Place::Beside,
        };
        let load = pending.new.map(|(entry, library)| {
            let most = config.swap.max_versions;
            let requirements = requirements(&self.mesh, most, &entry, &library, pending.old.as_deref());
            let approve = Box::new(move |descriptor: &_| {
                // The range in the file is the operator's own word.
                match requirements.check(descriptor, false) {
                    Err(error) if insists && error.kind() != LoadErrorKind::VersionRange => {
                        requirements.check(descriptor, true)
                    }
                    outcome => outcome,
                }
            });
            load_request(config, &entry, library, &self.mesh, &self.stage, approve)
        });
        Wanted {
            component: pending.name,
            place,
            load,
            drops_state: false,
        }
    }
}

fn requirements(
    mesh: &Mesh,
    most: usize,
    entry: &ComponentConfig,
    library: &Path,
    old: Option<&Component>,
) -> Requirements {
    let library = library.display().to_string();
    Requirements::of(mesh, most, &entry.name.value, &library, &entry.version.value, old)
}

fn is_same(one: &ComponentConfig, other: &ComponentConfig) -> bool {
    one.at == other.at
}
