//! The configuration that a running mesh was made from, and the ways to change it while the mesh serves.
//!
//! Enters: a wish of an operator (`mesh swap`, `mesh apply`, `mesh plan`, a saved mesh.toml). Leaves: swaps, and
//! in the end a mesh.toml that says what runs. Guarantees: nothing is loaded that the operator did not name; mesh.toml is
//! written only when a new version has stood its probation.

mod apply;
mod change;
mod error;
mod plan;
mod record;
mod requirements;
mod watch;

pub use change::load_request;
pub use error::{DeploymentError, RecordError};
pub use plan::{Plan, PlannedChange};
pub use requirements::{FailedCheck, Insistence, Requirements, is_in};
pub use watch::watch;

use crate::swap::{Ending, Limits, Ongoing, Progress, Report, SwapError, Swaps, version_of};
use change::{Change, entry_of};
use mesh_config::{ComponentConfig, Config, Location, Spanned};
use mesh_core::mesh::{Mesh, listed};
use mesh_plugin::{Component, Stage};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// A request of an operator with `mesh swap`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SwapRequest {
    /// The component's name.
    pub component: String,
    /// The library, as in mesh.toml.
    pub library: String,
    /// The version to replace, where there are several.
    #[serde(default)]
    pub replaces: Option<String>,
    /// Keep what serves, and load the library beside it.
    #[serde(default)]
    pub beside: bool,
    /// Replace although checks fail.
    #[serde(default)]
    pub insist: bool,
    /// Do not hand the state over.
    #[serde(default)]
    pub drop_state: bool,
}

/// A mesh with the configuration that it was made from.
pub struct Deployment {
    mesh: Arc<Mesh>,
    swaps: Arc<Swaps>,
    stage: Stage,
    running: Mutex<Config>,
}

impl Deployment {
    /// The configuration that `mesh` was made from. `stage` is where private copies of libraries go.
    pub fn new(mesh: Arc<Mesh>, config: Config, stage: Stage) -> Arc<Deployment> {
        Arc::new(Deployment {
            swaps: Swaps::new(mesh.clone()),
            mesh,
            stage,
            running: Mutex::new(config),
        })
    }

    /// The mesh.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// The swaps so far.
    pub fn swaps(&self) -> &Arc<Swaps> {
        &self.swaps
    }

    /// The configuration that runs.
    pub fn config(&self) -> Config {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Loads a library in the place of a version, or beside it. Returns when it serves, or will not.
    ///
    /// # Errors
    ///
    /// When it could not even be tried.
    pub async fn swap(
        self: &Arc<Deployment>,
        request: SwapRequest,
        progress: Option<mpsc::UnboundedSender<Progress>>,
    ) -> Result<Ongoing, DeploymentError> {
        let config = self.config();
        let insistence = match request.insist {
            true => Insistence::Full,
            false => Insistence::None,
        };
        let (entry, change) = self.change(&config, &request)?;
        let wanted = self.wanted(&config, change, insistence);
        let own = self.clone();
        let at_end = move |report: &mut Report| {
            if report.ending == Some(Ending::Replaced) {
                own.write_down(&request, &entry, report);
            }
        };
        let ongoing = self
            .swaps
            .run(vec![wanted], limits(&config), progress, at_end)
            .await;
        Ok(ongoing)
    }

    /// The plan of [`Deployment::swap`]. Opens the library to ask what it is; nothing else of it runs.
    ///
    /// # Errors
    ///
    /// When it could not even be tried.
    pub async fn plan_swap(&self, request: &SwapRequest) -> Result<Plan, DeploymentError> {
        let config = self.config();
        let (_, change) = self.change(&config, request)?;
        Ok(Plan {
            changes: vec![self.planned(&config, change).await],
            needs_restart: Vec::new(),
        })
    }

    /// The change that a request asks for, and the entry of mesh.toml that it is about.
    fn change(
        &self,
        config: &Config,
        request: &SwapRequest,
    ) -> Result<(ComponentConfig, Change), DeploymentError> {
        let name = &request.component;
        let old = self.replaced(request)?;
        let entry = entry_of(config, name, old.as_deref()).ok_or_else(|| {
            let component = name.clone();
            let registry = self.mesh.registry();
            let first = registry.versions(name).first();
            match first.and_then(|first| first.replaceable().err()) {
                None => DeploymentError::NoEntry { component },
                Some(why) => SwapError::from(why).into(),
            }
        })?;
        let new = ComponentConfig {
            library: Spanned {
                value: request.library.clone(),
                at: Location::Default,
            },
            ..entry.clone()
        };
        let library = config
            .resolve_library(&new)
            .map_err(|source| DeploymentError::Library { source })?;
        let change = Change {
            component: name.clone(),
            old,
            new: Some((new, library)),
            drops_state: request.drop_state,
        };
        Ok((entry.clone(), change))
    }

    /// The version that a request wants to replace.
    fn replaced(&self, request: &SwapRequest) -> Result<Option<Arc<Component>>, DeploymentError> {
        let registry = self.mesh.registry();
        let name = &request.component;
        let old = match (&request.replaces, registry.versions(name)) {
            _ if request.beside => return Ok(None),
            (None, []) => return Ok(None),
            (None, [only]) => only,
            (None, versions) => {
                return Err(DeploymentError::SeveralVersions {
                    component: name.clone(),
                    loaded: listed(versions),
                });
            }
            (Some(text), versions) => version_of(name, versions, text)?,
        };
        let old = old.replaceable().map_err(SwapError::from)?;
        Ok(Some(old.clone()))
    }
}

fn limits(config: &Config) -> Limits {
    let swap = &config.swap;
    Limits {
        probation: swap.probation,
        drain: swap.drain_timeout,
        handover: swap.handover_timeout,
        state_bytes: swap.max_state_bytes,
        max_error_percent: u64::from(swap.max_error_percent),
    }
}
