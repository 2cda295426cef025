//! The host as one node of a cluster.
//!
//! Enters: `[cluster]` of a configuration, a mesh. Leaves: a node that others see; components elsewhere, as soon as they are there.
//! Guarantees: without the section nothing happens. A host that reaches no server serves alone, unless it needs others.

use super::StartError;
use super::cluster;
use mesh_cluster::status::ServerStatus;
use mesh_config::{ClusterConfig, ClusterLogin, ComponentConfig, Config, RequirementConfig};
use mesh_core::mesh::Mesh;
use mesh_nats::{Credentials, Identity, Nats, Observer};
use mesh_nodes::{JoinError, Joined, Settings};
use mesh_wire::versions::Range;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a start waits for a server of the cluster, before it goes on alone.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long a start waits to learn whether its name is free. A stopped process of that name does not answer.
const NAMING: Duration = Duration::from_secs(5);
/// How often it is looked whether others are there.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// How often a start that waits says so.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Joins the cluster of a configuration, if it has one.
pub(super) async fn join(config: &Config, mesh: &Arc<Mesh>) -> Result<Option<Joined>, StartError> {
    let Some(cluster) = &config.cluster else {
        return Ok(None);
    };
    let mut nats = Nats::connect(connection(cluster)).await.map_err(|error| {
        let message = format!("the cluster cannot be joined: {error}");
        config.diagnose(cluster.at, message, None)
    })?;
    if timeout(CONNECTING, nats.up()).await.is_err() {
        let why = nats.last_error();
        tracing::warn!(
            target: "cluster",
            "no server of cluster {} has answered yet, and the host goes on alone. It joins as soon as one answers. {}",
            cluster.name.value,
            why.unwrap_or_default()
        );
    }
    let is_up = nats.server().is_some();
    let settings = Settings::of(config, cluster, nats.max_payload(), about());
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let random = NonZeroU64::new(random).unwrap_or(NonZeroU64::MIN);
    let observer = nats.observer();
    let mut joined = mesh_nodes::join(mesh, &settings, random, nats);
    joined
        .nodes
        .watch_server(Box::new(move || server_status(&observer)));
    if is_up {
        match timeout(NAMING, joined.named()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(refused(config, cluster, &error)),
            Err(_) => tracing::warn!(
                target: "cluster",
                "it is not known yet whether another host has the name {}",
                cluster.node
            ),
        }
    }
    Ok(Some(joined))
}

/// Waits for the components that a component needs before it starts.
pub(super) async fn wait_for_required(
    config: &Config,
    component: &ComponentConfig,
    mesh: &Mesh,
    joined: Option<&Joined>,
) -> Result<(), StartError> {
    let (Some(cluster), Some(joined)) = (&config.cluster, joined) else {
        return Ok(());
    };
    let missing = |requirement: &&RequirementConfig| {
        let (name, range) = (&requirement.component, Some(&requirement.range));
        !is_here(mesh, name, range) && !joined.nodes.serves(name, range)
    };
    let name = &component.name.value;
    wait(cluster, || {
        let missing = component.requires.iter().filter(missing);
        missing
            .map(|requirement| {
                let RequirementConfig { component, range, .. } = requirement;
                format!("{component} {}, which {name} requires", range.as_str())
            })
            .collect()
    })
    .await
}

/// Waits for what has to be there before clients may connect.
pub(super) async fn wait_for_others(
    config: &Config,
    mesh: &Mesh,
    joined: Option<&Joined>,
) -> Result<(), StartError> {
    let (Some(cluster), Some(joined)) = (&config.cluster, joined) else {
        return Ok(());
    };
    wait(cluster, || {
        let components = cluster.wait_for.iter().map(|name| &name.value);
        let missing = components.filter(|name| !is_here(mesh, name, None) && !joined.nodes.has(name));
        let mut missing: Vec<String> = missing.map(|name| format!("component {name}")).collect();
        let nodes = joined.nodes.count() + 1;
        let wanted = cluster.min_nodes as usize;
        if nodes < wanted {
            missing.push(format!("{} more of {wanted} nodes", wanted - nodes));
        }
        missing
    })
    .await
}

/// Whether this node has a component.
fn is_here(mesh: &Mesh, name: &str, range: Option<&Range>) -> bool {
    let registry = mesh.registry();
    let mut versions = registry.versions(name).iter();
    versions.any(|version| range.is_none_or(|range| range.admits(version.descriptor().version())))
}

/// Waits until nothing is missing.
async fn wait(cluster: &ClusterConfig, missing: impl Fn() -> Vec<String>) -> Result<(), StartError> {
    let began = Instant::now();
    let mut said = began;
    loop {
        let missing = missing();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join("; ");
        if began.elapsed() >= cluster.wait {
            return Err(StartError::Missing {
                cluster: cluster.name.value.to_string(),
                missing,
                waited: cluster.wait,
            });
        }
        if said == began || said.elapsed() >= BETWEEN_LINES {
            said = Instant::now();
            tracing::info!(
                target: "cluster",
                "waiting for other nodes of cluster {}: {missing}",
                cluster.name.value
            );
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

fn refused(config: &Config, cluster: &ClusterConfig, error: &JoinError) -> StartError {
    let help = match error {
        JoinError::NameTaken { .. } => Some("give each host a `name` of its own".to_owned()),
        JoinError::Ended => None,
    };
    let place = match error {
        JoinError::NameTaken { .. } => config.name.at,
        JoinError::Ended => cluster.at,
    };
    config.diagnose(place, error.to_string(), help).into()
}

fn server_status(observer: &Observer) -> ServerStatus {
    let server = observer.server();
    ServerStatus {
        address: server.as_ref().map(|server| server.address.clone()),
        name: server.as_ref().map(|server| server.name.clone()),
        version: server.map(|server| server.version),
        connected: observer.is_up(),
        why: observer.last_error(),
        reconnects: observer.connects().saturating_sub(1),
    }
}

fn connection(cluster: &ClusterConfig) -> mesh_nats::Settings {
    let servers = cluster.servers.iter().map(|server| server.value.to_string());
    let settings = mesh_nats::Settings::new(servers.collect(), cluster.node.to_string());
    let identity = cluster.identity.as_ref().map(|identity| Identity {
        certificate: identity.cert.value.clone(),
        key: identity.key.value.clone(),
    });
    mesh_nats::Settings {
        credentials: match &cluster.login {
            None => Credentials::None,
            Some(ClusterLogin::User(user)) => Credentials::Password {
                user: user.value.clone(),
                password: cluster::password().unwrap_or_default(),
            },
            Some(ClusterLogin::Credentials(file)) => Credentials::File(file.value.clone()),
            Some(ClusterLogin::Nkey(file)) => Credentials::Nkey(file.value.clone()),
        },
        authorities: cluster.authorities.as_ref().map(|file| file.value.clone()),
        identity,
        ..settings
    }
}

/// Where this process is, for the operator of another one that wants its name.
fn about() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "this machine",
        host => host,
    };
    format!("process {} on {host}", std::process::id())
}
