//! The lines of a host that has just started.
//!
//! Enters: a running host and its configuration. Leaves: components, where clients connect, what is served over HTTP,
//! where the data is, how the host is controlled, and which cluster it is a node of. Guarantees: no secret is among it.

use crate::server::Server;
use mesh_config::Config;
use mesh_core::mesh::Mesh;
use std::path::Path;

/// Five lines, and one more for a node of a cluster.
pub(super) fn lines(server: &Server, config: &Config, control: Option<&Path>) -> Vec<String> {
    let mesh = server.mesh();
    let mut lines = vec![
        components(mesh),
        clients(server, config),
        over_http(server, config),
        data(mesh, config),
        controlled(config, control),
    ];
    lines.extend(clustered(server, config));
    lines
}

fn clustered(server: &Server, config: &Config) -> Option<String> {
    let (nodes, cluster) = (server.nodes()?, config.cluster.as_ref()?);
    let others: Vec<String> = nodes
        .others()
        .iter()
        .map(|node| format!("{} ({})", node.name, node.verdict))
        .collect();
    let who = match others.is_empty() {
        true => "no other node is there yet".to_owned(),
        false => format!("with {}", others.join(", ")),
    };
    Some(format!(
        "node {} of cluster {}, {who}",
        nodes.node(),
        cluster.name.value
    ))
}

fn components(mesh: &Mesh) -> String {
    let registry = mesh.registry();
    let listed: Vec<String> = registry
        .libraries()
        .map(|component| {
            let (name, version) = (component.name(), component.descriptor().version().text());
            match component.lanes() {
                1 => format!("{name} {version}"),
                lanes => format!("{name} {version} on {lanes} lanes"),
            }
        })
        .collect();
    match listed.is_empty() {
        true => format!(
            "mesh {} serves no component yet: [[components]] lists them",
            mesh.name()
        ),
        false => format!("mesh {} serves {}", mesh.name(), listed.join(", ")),
    }
}

fn clients(server: &Server, config: &Config) -> String {
    let url = server.url().replacen("http", "ws", 1);
    let who = if !config.happn.secure.value {
        "not secured: whoever reaches it may do everything"
    } else if config.security.allow_anonymous {
        "secured, anonymous logins allowed"
    } else {
        "secured"
    };
    format!("clients connect to {url}/primus, {who}")
}

fn over_http(server: &Server, config: &Config) -> String {
    let mut served = vec![
        "/rest".to_owned(),
        "/api/client".to_owned(),
        "/metrics".to_owned(),
    ];
    if config.console.enabled {
        served.push("/console".to_owned());
    }
    let registry = server.mesh().registry();
    for component in registry.libraries() {
        let routes = component.descriptor().routes().iter();
        served.extend(routes.map(|(route, _)| format!("/{}/{route}", component.name())));
    }
    served.extend(config.web.routes.iter().map(|route| route.path.value.clone()));
    let folders = config.web.folders.iter();
    served.extend(folders.map(|entry| format!("{} ({})", entry.path.value, entry.folder.value.display())));
    format!("{} serves {}", server.url(), served.join(", "))
}

fn data(mesh: &Mesh, config: &Config) -> String {
    match &config.store.path {
        None => "data is in memory only, and gone when the host ends: store.path keeps it".to_owned(),
        Some(path) => format!(
            "data is in {}, {} documents",
            path.value.display(),
            mesh.store().count()
        ),
    }
}

fn controlled(config: &Config, control: Option<&Path>) -> String {
    let file = config.file().display();
    let follows = match config.swap.watch {
        true => format!("saving {file} or SIGHUP applies it"),
        false => format!("SIGHUP or `mesh apply` applies {file}"),
    };
    match control {
        Some(socket) => format!(
            "{follows}; `mesh status` and `mesh swap` reach it at {}",
            socket.display()
        ),
        None => follows,
    }
}
