//! `mesh run --dev`: components follow their sources.
//!
//! Enters: the components of mesh.toml that have a `crate`, and a running mesh. Leaves: a swap for every saved change
//! that builds. Guarantees: a change that does not build, load or start leaves the version before it in place, with
//! one line that says why. A library that is the same as what serves is not swapped. The file mesh.toml is never
//! written.

mod build;
mod project;
mod sources;

pub use build::BuildError;

use crate::deployment::Deployment;
use crate::swap::SwapError;
use mesh_config::{ComponentConfig, Config, ConfigError};
use mesh_plugin::Component;
use project::Project;
use sources::Sources;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};
use xxhash_rust::xxh3::xxh3_128;

/// How often the sources are looked at. A change has come to rest when two looks see the same.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const AS_BEFORE: &str = "the version before serves on";

/// Why development cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// mesh.toml does not say what to build, or names another library than what is built.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nothing to serve.
    #[error("component {component} has no library yet, and it could not be built: {source}")]
    NotBuilt {
        /// The component's name.
        component: String,
        /// Why.
        source: BuildError,
    },
}

/// The components that follow their sources.
pub struct Development {
    /// mesh.toml as it was when `projects` was made from it.
    text: String,
    projects: Vec<Watched>,
    /// The libraries that were loaded, by the name and the range of the entry.
    loaded: HashMap<(String, String), Loaded>,
}

struct Watched {
    project: Project,
    sources: Sources,
    /// The output of the last build; none where mesh.toml alone knows, and before the first one.
    library: Option<PathBuf>,
}

struct Loaded {
    component: Weak<Component>,
    digest: u128,
}

/// The fate of a library.
enum Deployed {
    Same,
    Serves,
    Refused(RefusedLibrary),
}

/// Why a library that was built does not serve.
#[derive(Debug, thiserror::Error)]
enum RefusedLibrary {
    /// mesh.toml names another file, which is not there.
    #[error("{0}")]
    NotFound(#[source] ConfigError),
    /// It cannot be read.
    #[error("{} cannot be read: {source}", library.display())]
    Unreadable {
        /// The file.
        library: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The swap was refused.
    #[error("{0}")]
    Swap(#[source] SwapError),
}

impl Watched {
    fn new(project: Project) -> Watched {
        let sources = Sources::below(&project.folder);
        Watched {
            project,
            sources,
            library: None,
        }
    }

    async fn build(&mut self, names: &str) -> Result<(), BuildError> {
        tracing::info!("{names}: {} in {}", self.project, self.project.folder.display());
        let began = SystemTime::now();
        let (places, outcome) = build::build(&self.project).await;
        self.sources.add(places, began).await;
        self.library = outcome?;
        Ok(())
    }
}

impl Development {
    /// Builds all components that have a `crate`, before anything is loaded.
    ///
    /// # Errors
    ///
    /// When no component has one, when there is nothing to build in it, and when a library does not exist and cannot be
    /// built. A build that fails is no error where a library of an earlier one can serve.
    pub async fn begin(config: &Config) -> Result<Development, DevelopmentError> {
        let (projects, errors) = project::projects(config);
        if let Some(error) = ConfigError::merge(errors) {
            return Err(error.into());
        }
        if projects.is_empty() {
            let help =
                "add the folder of its Cargo.toml to a component's entry, such as `crate = \"plugins/calc\"`";
            let message = "`--dev` has nothing to watch: no component has a `crate`";
            let error = config.diagnose(config.name.at, message, Some(help.to_owned()));
            return Err(error.into());
        }
        let mut development = Development {
            text: config.text().to_owned(),
            projects: projects.into_iter().map(Watched::new).collect(),
            loaded: HashMap::new(),
        };
        for watched in &mut development.projects {
            let entries = watched.project.entries(config);
            let names = names(&entries);
            // A file that is saved during the build is a change.
            watched.sources.look().await;
            watched.sources.take();
            let began = Instant::now();
            match watched.build(&names).await {
                Ok(()) => {
                    tracing::info!("{names}: built in {}", seconds(began));
                    for entry in entries {
                        expect_library(config, entry, watched.library.as_deref())?;
                    }
                }
                Err(source) => match entries
                    .iter()
                    .find(|entry| config.resolve_library(entry).is_err())
                {
                    Some(entry) => {
                        let component = entry.name.value.clone();
                        return Err(DevelopmentError::NotBuilt { component, source });
                    }
                    None => tracing::error!(
                        "{names}: not built after {}: {source}; the library of an earlier build is loaded",
                        seconds(began)
                    ),
                },
            }
        }
        Ok(development)
    }

    /// Builds and swaps whenever sources have changed, for as long as this is polled.
    pub async fn run(mut self, deployment: Arc<Deployment>) {
        self.note_loaded(&deployment);
        for place in 0..self.projects.len() {
            if self.projects[place].library.is_some() {
                self.deploy(&deployment, place, None).await;
            }
        }
        loop {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            self.follow(&deployment.config());
            for place in 0..self.projects.len() {
                let sources = &mut self.projects[place].sources;
                if sources.look().await {
                    sources.take();
                    self.build(&deployment, place).await;
                }
            }
        }
    }

    /// Takes up what mesh.toml says by now.
    fn follow(&mut self, config: &Config) {
        if config.text() == self.text {
            return;
        }
        self.text = config.text().to_owned();
        let (projects, errors) = project::projects(config);
        for error in errors {
            tracing::error!("not watched: {error}");
        }
        let mut before = std::mem::take(&mut self.projects);
        for project in projects {
            let known = before.iter().position(|watched| watched.project == project);
            let watched = match known {
                Some(place) => before.swap_remove(place),
                None => Watched::new(project),
            };
            self.projects.push(watched);
        }
    }

    async fn build(&mut self, deployment: &Arc<Deployment>, place: usize) {
        self.note_loaded(deployment);
        let watched = &mut self.projects[place];
        let names = names(&watched.project.entries(&deployment.config()));
        let began = Instant::now();
        match watched.build(&names).await {
            Ok(()) => self.deploy(deployment, place, Some(began)).await,
            Err(error) => tracing::error!(
                "{names}: not built after {}: {error}; {AS_BEFORE}",
                seconds(began)
            ),
        }
    }

    /// Loads what was built for each of its components. `built` is when that build began; without it, only what is new is
    /// worth a line.
    async fn deploy(&mut self, deployment: &Arc<Deployment>, place: usize, built: Option<Instant>) {
        let config = deployment.config();
        let watched = &self.projects[place];
        let library = watched.library.clone();
        let duration = built
            .map(|began| format!("built in {}, ", seconds(began)))
            .unwrap_or_default();
        for entry in watched.project.entries(&config) {
            let name = &entry.name.value;
            match self.swap(deployment, &config, entry, library.as_deref()).await {
                Deployed::Same if built.is_none() => {}
                Deployed::Same => tracing::info!("{name}: {duration}the same as what serves"),
                Deployed::Serves => tracing::info!("{name}: {duration}serves"),
                Deployed::Refused(error) => {
                    tracing::error!("{name}: {duration}refused: {error}; {AS_BEFORE}")
                }
            }
        }
    }

    async fn swap(
        &mut self,
        deployment: &Arc<Deployment>,
        config: &Config,
        entry: &ComponentConfig,
        built: Option<&Path>,
    ) -> Deployed {
        let library = match (config.resolve_library(entry), built) {
            // By this name `mesh apply` finds that nothing differs.
            (Ok(named), None) => named,
            (Ok(named), Some(built)) if is_same_file(&named, built) => named,
            (_, Some(built)) => {
                tracing::warn!(
                    "{} names another library for {} than {}, which was built: without --dev that one is loaded",
                    config.file().display(),
                    entry.name.value,
                    built.display()
                );
                built.to_owned()
            }
            (Err(error), None) => return Deployed::Refused(RefusedLibrary::NotFound(error)),
        };
        let digest = match std::fs::read(&library) {
            Ok(bytes) => xxh3_128(&bytes),
            Err(source) => return Deployed::Refused(RefusedLibrary::Unreadable { library, source }),
        };
        let serving = deployment.serving(entry);
        let key = key(entry);
        if let (Some(serving), Some(loaded)) = (serving, self.loaded.get(&key))
            && loaded.is(&serving)
            && loaded.digest == digest
        {
            return Deployed::Same;
        }
        if let Some(error) = deployment.replace(entry, library).await.refusal {
            return Deployed::Refused(RefusedLibrary::Swap(error));
        }
        if let Some(component) = deployment.serving(entry) {
            let component = Arc::downgrade(&component);
            self.loaded.insert(key, Loaded { component, digest });
        }
        Deployed::Serves
    }

    /// Notes what serves while its file is still there: the next build writes over it.
    fn note_loaded(&mut self, deployment: &Arc<Deployment>) {
        for entry in &deployment.config().components {
            let Some(serving) = deployment.serving(entry).filter(|_| entry.crate_folder.is_some()) else {
                continue;
            };
            let key = key(entry);
            if self.loaded.get(&key).is_some_and(|loaded| loaded.is(&serving))
                || serving.library_has_changed()
            {
                continue;
            }
            if let Ok(bytes) = std::fs::read(serving.library()) {
                let component = Arc::downgrade(&serving);
                let digest = xxh3_128(&bytes);
                self.loaded.insert(key, Loaded { component, digest });
            }
        }
    }
}

impl Loaded {
    fn is(&self, component: &Arc<Component>) -> bool {
        self.component.as_ptr() == Arc::as_ptr(component)
    }
}

/// The key that tells the entries of a component apart.
fn key(entry: &ComponentConfig) -> (String, String) {
    (entry.name.value.clone(), entry.version.value.clone())
}

/// A component is loaded from what mesh.toml names, which has to be there after the build.
fn expect_library(config: &Config, entry: &ComponentConfig, built: Option<&Path>) -> Result<(), ConfigError> {
    match (config.resolve_library(entry), built) {
        (Ok(_), _) => Ok(()),
        (Err(error), None) => Err(error),
        (Err(_), Some(built)) => {
            let built = built.display();
            let message = format!("`library` names no file; what was built from `crate` is {built}");
            let help = format!("write `library = \"{built}\"`, or set `dir` in [plugins]");
            Err(config.diagnose(entry.library.at, message, Some(help)))
        }
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (std::fs::canonicalize(one), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn names(entries: &[&ComponentConfig]) -> String {
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.value.as_str()).collect();
    names.dedup();
    names.join(", ")
}

fn seconds(began: Instant) -> String {
    format!("{:.1} s", began.elapsed().as_secs_f64())
}
