//! A whole host: from a configuration to a mesh that answers, and back to nothing.
//!
//! Enters: a checked [`Config`]. Leaves: a running [`Server`], or every mistake that was found, each at its
//! place in the configuration. Guarantees: the port is taken before anything is loaded; when something fails, all that
//! was started is stopped again.

mod clock;
mod cluster;
mod exposed;
mod faults;
mod nodes;
mod secure;
mod stores;

pub use stores::close_store;

use faults::{at_component, at_file, cannot_listen};
use mesh_cluster::presence::beat::State;
use mesh_config::{ComponentConfig, Config, ConfigError, Rehearse};
use mesh_core::mesh::{Mesh, Origins, Settings, Site, StartProgress};
use mesh_deploy::deployment::{Deployment, is_in, load_request};
use mesh_http::system;
use mesh_http::transport::{self, Limits};
use mesh_http::web;
use mesh_nodes::{JoinError, Joined, Nodes};
use mesh_plugin::{
    self, Approval, Component, Descriptor, LoadError, LoadErrorKind, Rehearsal, Stage, Unloaded,
};
use mesh_security::tls::{self, Certificates, Identity};
use mesh_session::AdmissionLimits;
use mesh_session::pubsub;
use mesh_store::PublicStore;
use mesh_wire::versions::Range;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use stores::open_store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long calls may take to finish on a stop.
const DRAIN: Duration = Duration::from_secs(3);

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something stands against it, at its place in the configuration.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Other nodes that it needs did not come in time.
    #[error(
        "{missing}: not there in cluster {cluster} within {} ms, which is `wait_ms` in [cluster]",
        waited.as_millis()
    )]
    Missing {
        /// The name of the cluster.
        cluster: String,
        /// The nodes and components that are missing.
        missing: String,
        /// How long the host has waited.
        waited: Duration,
    },
}

/// A running host.
pub struct Server {
    deployment: Arc<Deployment>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    transport: JoinHandle<()>,
    clock: JoinHandle<()>,
    /// The cluster that it is a node of.
    joined: Option<Joined>,
    /// Where clients connect with TLS: its certificate, and what looks after new ones.
    tls: Option<(Arc<Certificates>, JoinHandle<()>)>,
}

impl Server {
    /// Takes the port, loads the components and begins to accept clients.
    ///
    /// # Errors
    ///
    /// Everything that stands against it, at its place in the configuration.
    pub async fn start(config: &Config, rehearsal: Rehearsal) -> Result<Server, StartError> {
        check_values(config)?;
        let libraries = libraries(config)?;
        let certificates = open_certificates(config)?;
        let (host, port) = (&*config.happn.host.value, config.happn.port.value);
        let listener = transport::bind(host, port)
            .await
            .map_err(|error| cannot_listen(config, &error))?;
        let address = listener
            .local_addr()
            .map_err(|error| cannot_listen(config, &error))?;
        let settings = Settings {
            name: config.name.value.clone(),
            domain: config.domain.value.clone(),
            call_timeout: config.calls.timeout,
            client_timeout: config.calls.client_timeout,
            subscriptions_each: pubsub::Limits {
                count: config.happn.max_subscriptions,
                bytes: config.happn.max_subscription_bytes,
            },
            acknowledge_timeout: config.happn.acknowledge_timeout,
            lane_queue: config.calls.queue_bytes,
            admission: AdmissionLimits {
                all: config.happn.max_connections_before_login,
                per_address: config.happn.max_connections_before_login_per_address,
            },
            ping_interval: config.happn.ping_interval,
            compression: config.happn.compression,
            session_queue: config.happn.outbound_queue_bytes,
            site: Site::new(config),
            console: config.console.enabled,
            stage: stage(rehearsal)
                .map_err(|error| config.diagnose(config.plugins.dir.at, error.to_string(), None))?,
        };
        let store = open_store(config).await?;
        for warning in warnings(config) {
            tracing::warn!("{warning}");
        }
        let security = match config.happn.secure.value {
            true => Some(Arc::new(secure::open(config, store.clone()).await?)),
            false => None,
        };
        let mesh = Mesh::new(settings.clone(), Arc::new(PublicStore::new(store)), security);
        mesh.authenticate_with(&config.security);
        mesh.set_origins(Origins::new(
            &config.rest.cors_origins,
            config.rest.cors_credentials,
        ));
        announce(&mesh, address.port(), StartProgress::Initializing);
        let is_configured = |name: &str| config.components.iter().any(|other| other.name.value == name);
        let wanted = system::Wanted {
            data: config.data_component,
            calls_of_each: config.calls.max_pending_per_session,
        };
        system::register(&mesh, wanted, is_configured)
            .map_err(|error| config.diagnose(config.name.at, error.to_string(), None))?;
        let (joined, populated) = match nodes::join(config, &mesh).await {
            Ok(joined) => {
                let announce = || announce(&mesh, address.port(), StartProgress::Ready);
                let mut populated =
                    populate(config, libraries, &mesh, &settings.stage, joined.as_ref()).await;
                if populated.is_ok() {
                    announce();
                    populated = nodes::wait_for_others(config, &mesh, joined.as_ref()).await;
                }
                if populated.is_ok() && joined.is_some() {
                    // Changes of others are collected for a while. The first client sees them all the same.
                    announce();
                }
                (joined, populated)
            }
            Err(error) => (None, Err(error)),
        };
        if let Err(error) = populated {
            leave(joined, Duration::ZERO).await;
            mesh.stop_components(DRAIN).await;
            close_store(&mesh).await;
            return Err(error);
        }
        mesh.set_serving(true);
        if let Some(joined) = &joined {
            joined.nodes.set_state(State::Ready);
        }
        let limits = Limits {
            frame: config.happn.max_frame_bytes,
            login_timeout: config.happn.login_timeout,
            ping_interval: config.happn.ping_interval,
        };
        let (stop, stopping) = watch::channel(false);
        let room = transport::Room::new(config.happn.max_connections);
        let clock = tokio::spawn(clock::run(mesh.clone(), room.clone()));
        let certified = certificates.clone();
        let transport = transport::run(listener, certified, mesh.clone(), limits, room, stopping);
        let transport = tokio::spawn(transport);
        Ok(Server {
            deployment: Deployment::new(mesh, config.clone(), settings.stage),
            address,
            stop,
            transport,
            clock,
            joined,
            tls: certificates
                .map(|certificates| (certificates.clone(), tokio::spawn(tls::watch(certificates)))),
        })
    }

    /// The mesh that is served.
    pub fn mesh(&self) -> &Arc<Mesh> {
        self.deployment.mesh()
    }

    /// The configuration that it was made from, and the ways to change it.
    pub fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// Where clients connect; the real port where the configuration said 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients connect, as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The cluster that the host is a node of.
    pub fn nodes(&self) -> Option<&Arc<Nodes>> {
        self.joined.as_ref().map(|joined| &joined.nodes)
    }

    /// Waits until the host cannot be a node of its cluster any more, which most hosts never do.
    pub async fn excluded(&mut self) -> JoinError {
        match &mut self.joined {
            Some(joined) => joined.excluded().await,
            None => std::future::pending().await,
        }
    }

    /// Reads the files of the certificate again, if there is one.
    pub fn reload_certificate(&self) {
        if let Some((certificates, _)) = &self.tls {
            certificates.reload();
        }
    }

    /// Lets calls finish for a while, tells all clients to come back later, stops the components, unloads their
    /// libraries and closes the store.
    pub async fn stop(self) -> Vec<(String, Unloaded)> {
        let mesh = self.mesh().clone();
        mesh.set_serving(false);
        if let Some(joined) = &self.joined {
            joined.nodes.set_state(State::Draining);
        }
        mesh.drain(DRAIN).await;
        // Calls of own clients have their answers by now. Those of other nodes get theirs.
        leave(self.joined, DRAIN).await;
        let _ = self.stop.send(true);
        let _ = self.transport.await;
        self.clock.abort();
        if let Some((_, watching)) = &self.tls {
            watching.abort();
        }
        let unloaded = mesh.stop_components(DRAIN).await;
        close_store(&mesh).await;
        unloaded
    }
}

/// Loads the components one after the other, each when those are there that it requires.
async fn populate(
    config: &Config,
    libraries: Vec<PathBuf>,
    mesh: &Arc<Mesh>,
    stage: &Stage,
    joined: Option<&Joined>,
) -> Result<(), StartError> {
    for (component, library) in config.components.iter().zip(libraries) {
        nodes::wait_for_required(config, component, mesh, joined).await?;
        let approve = approve(component, &library);
        let request = load_request(config, component, library, mesh, stage, approve);
        let loaded = Component::load(request).await.map(Arc::new);
        let registered = loaded.map_err(|error| (error, None)).and_then(|loaded| {
            mesh.register(loaded.clone())
                .map_err(|error| (error, Some(loaded)))
        });
        if let Err((error, duplicate)) = registered {
            if let Some(duplicate) = duplicate {
                duplicate.stop(DRAIN).await;
            }
            return Err(at_component(config, component, &error).into());
        }
    }
    if let Some(error) = ConfigError::merge(web::check_routes(config, |name| routes_of(mesh, name))) {
        return Err(error.into());
    }
    for component in config.security.checking_components() {
        mesh.check_authentication(component);
    }
    Ok(())
}

async fn leave(joined: Option<Joined>, patience: Duration) {
    if let Some(joined) = joined {
        joined.leave(patience).await;
    }
}

/// Checks a configuration as far as that is possible without running anything of it: the libraries are opened and
/// asked what they are.
///
/// # Errors
///
/// Everything that is wrong.
pub async fn check(config: &Config, rehearsal: Rehearsal) -> Result<Vec<(String, Descriptor)>, ConfigError> {
    check_values(config)?;
    let libraries = libraries(config)?;
    let stage =
        stage(rehearsal).map_err(|error| config.diagnose(config.plugins.dir.at, error.to_string(), None))?;
    let mut found: Vec<(String, Descriptor)> = Vec::new();
    let mut errors: Vec<ConfigError> = check_certificate(config).err().into_iter().collect();
    for (component, library) in config.components.iter().zip(libraries) {
        let range = component.version.value.clone();
        let checked = Component::inspect(library.clone(), stage.clone())
            .await
            .and_then(|descriptor| {
                in_range(
                    &range,
                    &component.name.value,
                    &library.display().to_string(),
                    &descriptor,
                )?;
                Ok(descriptor)
            });
        match checked {
            Ok(descriptor) => found.push((component.name.value.clone(), descriptor)),
            Err(error) => errors.push(at_component(config, component, &error)),
        }
    }
    let routes = |name: &str| {
        let descriptors = found.iter().filter(|(other, _)| other == name);
        let routes = descriptors.flat_map(|(_, descriptor)| descriptor.routes());
        routes.map(|(route, _)| route.clone()).collect()
    };
    if errors.is_empty() {
        errors = web::check_routes(config, routes);
    }
    match ConfigError::merge(errors) {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

/// The warnings about this configuration: about its files, about a cluster that others can read, and about libraries that are loaded
/// untried.
pub fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = exposed::warnings(config);
    warnings.extend(cluster::warnings(config));
    if config.swap.rehearse == Rehearse::Off {
        warnings.push(
            "`rehearse = \"off\"` in [swap]: a library that crashes or hangs when it is opened ends or stops the host"
                .to_owned(),
        );
    }
    warnings
}

/// The warning about the certificate: that it has expired, or is about to.
///
/// # Errors
///
/// When it cannot be used.
pub fn check_certificate(config: &Config) -> Result<Option<String>, ConfigError> {
    let Some(files) = &config.happn.tls else {
        return Ok(None);
    };
    let identity = Identity::read(&files.cert, &files.key).map_err(|error| at_file(config, files, &error))?;
    let warning = identity.validity().warning(SystemTime::now());
    Ok(warning.map(|warning| format!("certificate {}: {warning}", files.cert.display())))
}

fn open_certificates(config: &Config) -> Result<Option<Arc<Certificates>>, ConfigError> {
    let Some(files) = &config.happn.tls else {
        return Ok(None);
    };
    let opened = Certificates::open(files.cert.value.clone(), files.key.value.clone());
    let certificates = opened.map_err(|error| at_file(config, files, &error))?;
    Ok(Some(Arc::new(certificates)))
}

/// Where private copies of libraries go for the moment of their opening, tried out by `rehearsal` before. Those of killed hosts are removed.
///
/// # Errors
///
/// When there is no folder that only this user can reach.
pub fn stage(rehearsal: Rehearsal) -> Result<Stage, LoadError> {
    let folder = crate::control::private_run_folder().map_err(|error| {
        LoadError::new(
            LoadErrorKind::File,
            format!("libraries cannot be copied to a safe place: {error}"),
        )
    })?;
    mesh_plugin::remove_left_behind(&folder);
    Ok(Stage { folder, rehearsal })
}

fn announce(mesh: &Mesh, port: u16, progress: StartProgress) {
    let announced = mesh
        .publish_description(progress)
        .and_then(|()| mesh.publish_config(port));
    if let Err(error) = announced {
        tracing::error!("the schema could not be written: {error}");
    }
}

/// A key that this version does not act on must not be taken for one that it does.
fn check_values(config: &Config) -> Result<(), ConfigError> {
    let mut errors = web::check(config);
    errors.extend(secure::check(config));
    errors.extend(cluster::check(config));
    for component in &config.components {
        if let Err(error) = Range::parse(&component.version.value) {
            errors.push(config.diagnose(
                component.version.at,
                error.to_string(),
                Some("write an npm range such as `^1.2.0`, `1.x` or `>=1.0.0 <3.0.0`".to_owned()),
            ));
        }
    }
    ConfigError::merge(errors).map_or(Ok(()), Err)
}

/// The web routes that a component has in any of its versions.
fn routes_of(mesh: &Mesh, name: &str) -> Vec<String> {
    let registry = mesh.registry();
    let routes = registry.versions(name).iter().flat_map(|component| {
        let routes = component.descriptor().routes().iter();
        routes.map(|(route, _)| route.clone())
    });
    routes.collect()
}

fn libraries(config: &Config) -> Result<Vec<PathBuf>, ConfigError> {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for component in &config.components {
        match config.resolve_library(component) {
            Ok(library) => found.push(library),
            Err(error) => errors.push(error),
        }
    }
    ConfigError::merge(errors).map_or(Ok(found), Err)
}

/// A last look at a library before an instance of it is made.
fn approve(component: &ComponentConfig, library: &Path) -> Approval {
    let (range, name) = (component.version.value.clone(), component.name.value.clone());
    let library = library.display().to_string();
    Box::new(move |descriptor| in_range(&range, &name, &library, descriptor))
}

fn in_range(range: &str, name: &str, library: &str, descriptor: &Descriptor) -> Result<(), LoadError> {
    if is_in(range, descriptor.version()) {
        return Ok(());
    }
    Err(LoadError::new(
        LoadErrorKind::VersionRange,
        format!(
            "component {name} asks for version {range}, but {library} is version {}",
            descriptor.version().text()
        ),
    ))
}
