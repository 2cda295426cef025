//! The configuration that a running mesh was made from, and the ways to change it while the mesh serves.
//!
//! What enters: a wish of an operator (`mesh swap`, `mesh apply`, `mesh plan`, a saved mesh.toml). What leaves: swaps, and
//! in the end a mesh.toml that says what runs. Guarantees: nothing is loaded that the operator did not name; mesh.toml is
//! written only when a new version has stood its probation.

mod apply;
mod plan;
mod requirements;
mod watch;

pub use plan::{Plan, PlannedChange};
pub use requirements::{Objection, Requirements, is_in};
pub use watch::watch;

use crate::config::{ComponentConfig, Config, Location, Spanned, rewrite};
use crate::mesh::Mesh;
use crate::plugin::{Approval, Component, LoadRequest};
use crate::swap::{Ending, Limits, Ongoing, Place, Progress, Report, Swaps, Wanted};
use crate::versions::ComponentVersion;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc;

/// What an operator asks for with `mesh swap`.
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
    /// Replace in spite of objections.
    #[serde(default)]
    pub insist: bool,
}

/// A mesh with the configuration that it was made from.
pub struct Deployment {
    mesh: Arc<Mesh>,
    swaps: Arc<Swaps>,
    stage: PathBuf,
    /// `--set` of the command that started the host.
    overrides: OnceLock<Vec<String>>,
    running: Mutex<Config>,
}

impl Deployment {
    /// What `mesh` was made from. `stage` is where private copies of libraries go.
    pub fn new(mesh: Arc<Mesh>, config: Config, stage: PathBuf) -> Arc<Deployment> {
        Arc::new(Deployment {
            swaps: Swaps::new(mesh.clone()),
            mesh,
            stage,
            overrides: OnceLock::new(),
            running: Mutex::new(config),
        })
    }

    /// Notes the texts of `--set` that the configuration was read with. The first time counts.
    pub fn set_overrides(&self, overrides: &[String]) {
        let _ = self.overrides.set(overrides.to_vec());
    }

    fn overrides(&self) -> &[String] {
        self.overrides.get().map_or(&[], Vec::as_slice)
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
    /// One sentence, when it could not even be tried.
    pub async fn swap(
        self: &Arc<Deployment>,
        request: SwapRequest,
        progress: Option<mpsc::UnboundedSender<Progress>>,
    ) -> Result<Ongoing, String> {
        let config = self.config();
        let (entry, library) = self.entry(&config, &request)?;
        let old = self.replaced(&request)?;
        let shown = library.display().to_string();
        let (range, insists) = (entry.version.value.clone(), request.insist);
        let requirements = Requirements::of(
            &self.mesh,
            config.swap.max_versions,
            &request.component,
            &shown,
            &range,
            old.as_deref(),
        );
        let load = load_request(
            &config,
            &entry,
            library,
            &self.mesh,
            &self.stage,
            Box::new(move |descriptor| requirements.check(descriptor, insists)),
        );
        let wanted = Wanted {
            component: request.component.clone(),
            place: match &old {
                Some(old) => Place::Version(old.descriptor().version().text().to_owned()),
                None => Place::Beside,
            },
            load: Some(load),
            drops_state: false,
        };
        let own = self.clone();
        let replaces = old.is_some();
        let at_end = move |report: &mut Report| {
            if report.ending == Some(Ending::Replaced) {
                own.write_down(&request, replaces, report);
            }
        };
        let ongoing = self
            .swaps
            .run(vec![wanted], limits(&config), progress, at_end)
            .await;
        Ok(ongoing)
    }

    /// Lets mesh.toml say what runs, after a swap that has stood its probation.
    fn write_down(&self, request: &SwapRequest, replaces: bool, report: &mut Report) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = if replaces {
            rewritten(&running, self.overrides(), request, report)
        } else {
            Err("a version was loaded beside others, which needs an entry of its own".to_owned())
        };
        let file = running.file().display().to_string();
        match outcome {
            Ok(changed) => {
                *running = changed;
                report.notes.push(format!("{file} names the new library"));
            }
            Err(reason) => {
                let note = format!("{file} does not say what runs: {reason}");
                tracing::warn!("{note}");
                report.notes.push(note);
            }
        }
    }

    /// The entry of mesh.toml that a request is about, as it would be, and the file of its library.
    fn entry(&self, config: &Config, request: &SwapRequest) -> Result<(ComponentConfig, PathBuf), String> {
        let name = &request.component;
        let mut entries = config
            .components
            .iter()
            .filter(|entry| entry.name.value == *name)
            .peekable();
        if entries.peek().is_none() {
            return Err(match self.mesh.registry().versions(name) {
                [] => format!(
                    "there is no component {name}; a new one is added to mesh.toml, then `mesh apply`"
                ),
                _ => format!("component {name} is part of the host and cannot be replaced"),
            });
        }
        let serving = request.replaces.clone().and_then(|text| text.parse().ok());
        let entry = entries
            .clone()
            .find(|entry| {
                serving
                    .as_ref()
                    .is_some_and(|version| is_in(&entry.version.value, version))
            })
            .or(entries.next());
        let Some(mut entry) = entry.cloned() else {
            return Err(format!("there is no component {name}"));
        };
        entry.library = Spanned {
            value: request.library.clone(),
            at: Location::Default,
        };
        let library = config
            .find_library(&entry.library)
            .map_err(|error| one_line(&error.to_string()))?;
        Ok((entry, library))
    }

    /// The version that a request wants to replace.
    fn replaced(&self, request: &SwapRequest) -> Result<Option<Arc<Component>>, String> {
        let registry = self.mesh.registry();
        let versions = registry.versions(&request.component);
        let listed: Vec<&str> = versions
            .iter()
            .map(|component| component.descriptor().version().text())
            .collect();
        let listed = listed.join(", ");
        let name = &request.component;
        match (&request.replaces, versions) {
            _ if request.beside => Ok(None),
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some(only.clone())),
            (None, _) => Err(format!(
                "component {name} has several versions ({listed}): say which one is to be replaced, with --replaces VERSION"
            )),
            (Some(text), versions) => match versions
                .iter()
                .find(|component| component.descriptor().version().text() == text)
            {
                Some(found) => Ok(Some(found.clone())),
                None => Err(format!(
                    "component {name} has no version {text}, there is {listed}"
                )),
            },
        }
    }
}

/// What is needed to load the library of an entry.
pub fn load_request(
    config: &Config,
    entry: &ComponentConfig,
    library: PathBuf,
    mesh: &Arc<Mesh>,
    stage: &Path,
    approve: Approval,
) -> LoadRequest {
    LoadRequest {
        library,
        name: entry.name.value.clone(),
        mesh: config.name.value.clone(),
        domain: config.domain.value.clone(),
        config: entry.config.value.to_string(),
        lanes: u32::try_from(entry.lanes.value).unwrap_or(1),
        queue_limit: config.calls.queue_bytes,
        stage: stage.to_owned(),
        start_timeout: entry.start_timeout,
        services: mesh.services(),
        approve,
    }
}

/// Writes the new library into the file, and a new range where the old one excludes it.
fn rewritten(
    config: &Config,
    overrides: &[String],
    request: &SwapRequest,
    report: &Report,
) -> Result<Config, String> {
    let Some((part, version)) = report.components.first().and_then(|part| {
        let version: ComponentVersion = part.to.as_ref()?.parse().ok()?;
        Some((part, version))
    }) else {
        return Err("the new version is not known".to_owned());
    };
    let from = part.from.as_ref().and_then(|from| from.parse().ok());
    let mut entries = config
        .components
        .iter()
        .filter(|entry| entry.name.value == request.component);
    let entry = entries
        .clone()
        .find(|entry| {
            from.as_ref()
                .is_some_and(|from| is_in(&entry.version.value, from))
        })
        .or_else(|| entries.next())
        .ok_or("the component has no entry any more")?;
    let library = from_folder(config.folder(), &request.library);
    let range = format!("^{version}");
    let mut values = Vec::new();
    if entry.library.value != library {
        values.push((entry.library.at, library.as_str()));
    }
    if !is_in(&entry.version.value, &version) {
        values.push((entry.version.at, range.as_str()));
    }
    if values.is_empty() {
        return Ok(config.clone());
    }
    rewrite(config, overrides, &values).map_err(|error| one_line(&error.to_string()))
}

/// A path below the folder of mesh.toml, as somebody would write it there.
fn from_folder(folder: &Path, library: &str) -> String {
    let below = std::fs::canonicalize(folder)
        .ok()
        .and_then(|folder| Path::new(library).strip_prefix(folder).ok().map(Path::to_owned));
    match below {
        Some(below) => format!("./{}", below.display()),
        None => library.to_owned(),
    }
}

fn limits(config: &Config) -> Limits {
    let swap = &config.swap;
    Limits {
        probation: swap.probation,
        drain: swap.drain_timeout,
        handover: swap.handover_timeout,
        max_error_percent: u64::from(swap.max_error_percent),
    }
}

fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" ")
}
