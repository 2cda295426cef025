//! A whole host: from a configuration to a mesh that answers, and back to nothing.
//!
//! Enters: a checked [`Config`]. Leaves: a running [`Server`], or every mistake that was found, each at its
//! place in the configuration. Guarantees: the port is taken before anything is loaded; when something fails, all that
//! was started is stopped again.

mod clock;
mod exposed;
mod secure;

use mesh_config::{ComponentConfig, Config, ConfigError, Rehearse, TlsConfig};
use mesh_core::mesh::{Mesh, Origins, Settings, Site, StartProgress};
use mesh_deploy::deployment::{Deployment, is_in, load_request};
use mesh_http::system;
use mesh_http::transport::{self, Limits};
use mesh_http::web;
use mesh_plugin::{
    self, Approval, Component, Descriptor, LoadError, LoadErrorKind, Rehearsal, Stage, Unloaded,
};
use mesh_security::tls::{self, Certificates, Identity, TlsError, TlsErrorKind};
use mesh_session::AdmissionLimits;
use mesh_session::pubsub;
use mesh_store::{DurableStore, MemoryStore, Options, PublicStore, Store};
use mesh_wire::versions::Range;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// How long calls may take to finish on a stop.
const DRAIN: Duration = Duration::from_secs(3);

/// A running host.
pub struct Server {
    deployment: Arc<Deployment>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    transport: JoinHandle<()>,
    clock: JoinHandle<()>,
    /// Where clients connect with TLS: its certificate, and what looks after new ones.
    tls: Option<(Arc<Certificates>, JoinHandle<()>)>,
}

impl Server {
    /// Takes the port, loads the components and begins to accept clients.
    ///
    /// # Errors
    ///
    /// Everything that stands against it, at its place in the configuration.
    pub async fn start(config: &Config, rehearsal: Rehearsal) -> Result<Server, ConfigError> {
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
        for (component, library) in config.components.iter().zip(libraries) {
            let approve = approve(component, &library);
            let request = load_request(config, component, library, &mesh, &settings.stage, approve);
            let loaded = Component::load(request).await.map(Arc::new);
            let registered = loaded.map_err(|error| (error, None)).and_then(|loaded| {
                mesh.register(loaded.clone())
                    .map_err(|error| (error, Some(loaded)))
            });
            if let Err((error, duplicate)) = registered {
                if let Some(duplicate) = duplicate {
                    duplicate.stop(DRAIN).await;
                }
                mesh.stop_components(DRAIN).await;
                close_store(&mesh).await;
                return Err(at_component(config, component, &error));
            }
        }
        if let Some(error) = ConfigError::merge(web::check_routes(config, |name| routes_of(&mesh, name))) {
            mesh.stop_components(DRAIN).await;
            close_store(&mesh).await;
            return Err(error);
        }
        for component in config.security.checking_components() {
            mesh.check_authentication(component);
        }
        announce(&mesh, address.port(), StartProgress::Ready);
        mesh.set_serving(true);
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
        mesh.drain(DRAIN).await;
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

/// The warnings about this configuration: about its files, and about libraries that are loaded untried.
pub fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = exposed::warnings(config);
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

fn at_file(config: &Config, files: &TlsConfig, error: &TlsError) -> ConfigError {
    let place = match error.kind() {
        TlsErrorKind::Certificate => files.cert.at,
        TlsErrorKind::Key | TlsErrorKind::Mismatch => files.key.at,
    };
    config.diagnose(place, error.to_string(), None)
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

/// Opens the store that the configuration asks for.
async fn open_store(config: &Config) -> Result<Arc<dyn Store>, ConfigError> {
    let Some(path) = &config.store.path else {
        return Ok(Arc::new(MemoryStore::default()));
    };
    let options = Options {
        durability: config.store.durability,
        interval: config.store.interval,
        ..Options::default()
    };
    let (file, started) = (path.value.clone(), Instant::now());
    let refused = |what: String| config.diagnose(path.at, what, None);
    let store = on_a_thread("open-store", move || DurableStore::open(&file, &options))
        .await
        .map_err(|error| refused(format!("the store cannot be opened: {error}")))?
        .map_err(|error| refused(error.to_string()))?;
    tracing::info!(
        documents = store.count(),
        milliseconds = started.elapsed().as_millis() as u64,
        "store {}",
        path.value.display()
    );
    Ok(Arc::new(store))
}

/// Closes the store of a mesh that has stopped, or that ends at once.
pub async fn close_store(mesh: &Arc<Mesh>) {
    let mesh = mesh.clone();
    match on_a_thread("close-store", move || mesh.store().close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("not everything is on disk: {error}"),
        Err(error) => tracing::error!("the store was not closed: {error}"),
    }
}

/// Does what takes a while on a thread of its own. Those of the runtime may be busy, and it may get no other.
async fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (report, done) = oneshot::channel();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || drop(report.send(work())))?;
    done.await
        .map_err(|_| io::Error::other("its thread has panicked"))
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

fn cannot_listen(config: &Config, error: &io::Error) -> ConfigError {
    let (host, port) = (&config.happn.host, &config.happn.port);
    match error.kind() {
        io::ErrorKind::AddrInUse => config.diagnose(
            port.at,
            format!(
                "port {} of {} is in use by another process",
                port.value, host.value
            ),
            Some("choose another port, or 0 for any free one".to_owned()),
        ),
        io::ErrorKind::PermissionDenied => config.diagnose(
            port.at,
            format!("port {} may not be opened by this user", port.value),
            Some("choose a port from 1024 upwards".to_owned()),
        ),
        _ => config.diagnose(
            host.at,
            format!("cannot listen on {}:{}: {error}", host.value, port.value),
            Some("`host` must be an address of this machine, such as 127.0.0.1 or 0.0.0.0".to_owned()),
        ),
    }
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

fn at_component(config: &Config, component: &ComponentConfig, error: &LoadError) -> ConfigError {
    let (place, help) = match error.kind() {
        LoadErrorKind::VersionRange => (
            component.version.at,
            Some("change the range, or name a library of that version"),
        ),
        LoadErrorKind::AbiVersion => (component.library.at, Some("the component must be rebuilt")),
        LoadErrorKind::NotAComponent | LoadErrorKind::NotALibrary => (
            component.library.at,
            Some(
                "name a library that was built with the plugin SDK; `mesh inspect FILE` says what a file is",
            ),
        ),
        LoadErrorKind::Duplicate => (component.name.at, None),
        LoadErrorKind::Create | LoadErrorKind::Start => (component.at, None),
        _ => (component.library.at, None),
    };
    config.diagnose(place, error.to_string(), help.map(str::to_owned))
}
