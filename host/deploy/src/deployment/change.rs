//! One component that is to change: from an entry of mesh.toml and the version that serves for it, to what swaps and plans
//! need.
//!
//! Enters: a [`Change`]. Leaves: a [`Wanted`] or a [`PlannedChange`] of it. Guarantees: both are judged by the
//! same [`Requirements`].

use super::plan::{self, PlannedChange};
use super::{Deployment, Insistence, Requirements, is_in};
use crate::swap::Wanted;
use mesh_config::{ComponentConfig, Config, Rehearse};
use mesh_core::mesh::{Endpoint, Mesh, Registry};
use mesh_plugin::rehearsal::Extent;
use mesh_plugin::{Approval, Component, Limits, LoadRequest, Stage};
use std::path::PathBuf;
use std::sync::Arc;

/// One component that is to change.
pub(super) struct Change {
    /// The component's name.
    pub(super) component: String,
    /// The version that is to go.
    pub(super) old: Option<Arc<Component>>,
    /// The entry of what is to come, and its library; nothing where a version only goes.
    pub(super) new: Option<(ComponentConfig, PathBuf)>,
    /// The state of what goes is not handed over.
    pub(super) drops_state: bool,
}

impl Change {
    fn requirements(&self, mesh: &Mesh, config: &Config) -> Option<Requirements> {
        let (entry, library) = self.new.as_ref()?;
        Some(Requirements::of(
            mesh,
            config.swap.max_versions,
            &entry.name.value,
            &library.display().to_string(),
            &entry.version.value,
            self.old.as_deref(),
        ))
    }

    fn replaces(&self) -> Option<String> {
        let old = self.old.as_ref()?;
        Some(old.descriptor().version().text().to_owned())
    }
}

impl Deployment {
    /// The steps for a change.
    pub(super) fn wanted(&self, config: &Config, change: Change, insistence: Insistence) -> Wanted {
        let requirements = change.requirements(&self.mesh, config);
        let replaces = change.replaces();
        let load = change
            .new
            .zip(requirements)
            .map(|((entry, library), requirements)| {
                let approve: Approval = Box::new(move |descriptor| {
                    for failed_check in requirements.check(descriptor, insistence)? {
                        tracing::warn!("a failed check is overridden: {}", failed_check.text);
                    }
                    Ok(())
                });
                load_request(config, &entry, library, &self.mesh, &self.stage, approve)
            });
        Wanted {
            component: change.component,
            replaces,
            load,
            drops_state: change.drops_state,
        }
    }

    /// The plan for a change. Opens the library to ask what it is; nothing else of it runs.
    pub(super) async fn planned(&self, config: &Config, change: Change) -> PlannedChange {
        let requirements = change.requirements(&self.mesh, config);
        let mut planned = PlannedChange {
            component: change.component.clone(),
            from: change.replaces(),
            ..PlannedChange::default()
        };
        let Some(((_, library), requirements)) = change.new.zip(requirements) else {
            return planned;
        };
        planned.library = Some(library.display().to_string());
        match Component::inspect(library, self.stage.clone()).await {
            Ok(descriptor) => {
                plan::describe(&mut planned, change.old.as_deref(), &descriptor, &requirements);
            }
            Err(error) => {
                planned.failed_checks.push(error.to_string());
                planned.is_impossible = true;
            }
        }
        planned
    }
}

/// The entry that a version serves for: the one that names its library, else the first whose range admits it, else the
/// first.
pub(super) fn entry_of<'a>(
    config: &'a Config,
    name: &str,
    version: Option<&Component>,
) -> Option<&'a ComponentConfig> {
    let entries = || config.components.iter().filter(|entry| entry.name.value == name);
    let Some(version) = version else {
        return entries().next();
    };
    let by_library = entries().find(|entry| is_from(version, config, entry));
    by_library
        .or_else(|| entries().find(|entry| is_in(&entry.version.value, version.descriptor().version())))
        .or_else(|| entries().next())
}

/// The version that serves for an entry. It is the one from its library, else the highest inside its range that is of
/// no other entry, else the only one.
pub(super) fn serving(
    registry: &Registry,
    config: &Config,
    entry: &ComponentConfig,
) -> Option<Arc<Component>> {
    let versions = registry.versions(&entry.name.value);
    let versions: Vec<&Arc<Component>> = versions.iter().filter_map(Endpoint::library).collect();
    let by_library = versions.iter().find(|version| is_from(version, config, entry));
    let is_free = |version: &Component| {
        let others = config
            .components
            .iter()
            .filter(|other| other.name.value == entry.name.value && other.at != entry.at);
        !others.into_iter().any(|other| is_from(version, config, other))
    };
    let inside = |version: &&&Arc<Component>| {
        is_in(&entry.version.value, version.descriptor().version()) && is_free(version)
    };
    let only = match &*versions {
        [only] => Some(only),
        _ => None,
    };
    by_library
        .or_else(|| versions.iter().find(inside))
        .or(only)
        .copied()
        .cloned()
}

fn is_from(version: &Component, config: &Config, entry: &ComponentConfig) -> bool {
    config
        .resolve_library(entry)
        .is_ok_and(|library| library == version.library())
}

/// The data to load the library of an entry.
pub fn load_request(
    config: &Config,
    entry: &ComponentConfig,
    library: PathBuf,
    mesh: &Arc<Mesh>,
    stage: &Stage,
    approve: Approval,
) -> LoadRequest {
    LoadRequest {
        library,
        name: entry.name.value.clone(),
        mesh: config.name.value.clone(),
        domain: config.domain.value.clone(),
        config: entry.config.value.to_string(),
        lanes: u32::try_from(entry.lanes.value).unwrap_or(1),
        stack_bytes: entry.stack_bytes.value,
        limits: Limits {
            bytes: config.calls.queue_bytes,
            calls_of_each: config.calls.max_pending_per_session,
            lanes: entry.lanes.value,
        },
        stage: stage.with(match config.swap.rehearse {
            Rehearse::Load => Extent::Load,
            Rehearse::Life => Extent::Life,
            Rehearse::Off => Extent::Off,
        }),
        start_timeout: entry.start_timeout,
        services: mesh.services(),
        delegates: mesh.security().is_some() && config.delegates_authority(entry),
        approve,
    }
}
