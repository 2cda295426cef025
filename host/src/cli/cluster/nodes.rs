//! `mesh cluster nodes`: who is there, as a running host sees it.

use super::table;
use crate::cli::CommandError;
use crate::control;
use crate::terminal::{self, OneLine};
use mesh_cluster::status::{ClusterStatus, NodeStatus};
use mesh_core::mesh::Status;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Options of `mesh cluster nodes`.
#[derive(clap::Args)]
#[command(after_help = "\
The host is found by its configuration file, on this machine and for this user. Each node judges the others for itself, so \
another host may see them otherwise.

    alive    it was heard lately
    suspect  it has missed some beats, and gets calls only if nobody else can take them
    away     nobody listens there, and it gets no calls
    lost     its calls were given up; it is alive again as soon as it is heard

Examples:
    mesh cluster nodes
    mesh cluster nodes --config production.toml
    mesh cluster nodes --json | jq '.nodes[].name'")]
pub struct Arguments {
    /// The file that the host runs with.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
    /// Print JSON: an object for each host, one a line.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let hosts = control::status(&arguments.config)
        .await
        .map_err(|error| CommandError::unreachable(error.to_string()))?;
    let mut found = false;
    for host in &hosts {
        let Some(cluster) = &host.cluster else { continue };
        found = true;
        if arguments.json {
            let text = serde_json::to_string(cluster).unwrap_or_default();
            writeln!(terminal::json_output(), "{text}")?;
        } else {
            let mut out = terminal::output();
            write(&mut out, host, cluster)?;
            out.flush()?;
        }
    }
    match found {
        true => Ok(()),
        false => Err(CommandError::failed(control::NO_CLUSTER)),
    }
}

/// Writes the state of the cluster, and a table of its nodes. The own node is the first one.
pub(in crate::cli) fn write(out: &mut impl Write, host: &Status, cluster: &ClusterStatus) -> io::Result<()> {
    writeln!(
        out,
        "node {} of cluster {}, {}, {}",
        OneLine(&cluster.node),
        OneLine(&cluster.name),
        OneLine(&cluster.state),
        OneLine(server(cluster))
    )?;
    if let Some(why) = &cluster.alone {
        writeln!(out, "this node judges no other one: {}", OneLine(why))?;
    }
    let own = [
        cluster.node.clone(),
        "this node".to_owned(),
        cluster.state.clone(),
        time(Duration::from_secs(host.uptime_seconds)),
        "-".to_owned(),
        "-".to_owned(),
        components(&own_versions(host)),
    ];
    let others = cluster.nodes.iter().map(row);
    let rows: Vec<[String; 7]> = std::iter::once(own).chain(others).collect();
    let head = [
        "NODE",
        "VERDICT",
        "STATE",
        "FOR",
        "CALLS",
        "WAITING",
        "COMPONENTS",
    ];
    table::write(out, head, &rows)
}

fn server(cluster: &ClusterStatus) -> String {
    let server = &cluster.server;
    let address = server.address.as_deref();
    match (server.connected, address, server.why.as_deref()) {
        (true, Some(address), _) => format!("server {address}"),
        (true, None, _) => "connected".to_owned(),
        (false, _, Some(why)) => format!("not connected: {why}"),
        (false, ..) => "not connected: no server has answered".to_owned(),
    }
}

fn row(node: &NodeStatus) -> [String; 7] {
    let since = UNIX_EPOCH + Duration::from_millis(node.since);
    // A clock that was set back makes it 0.
    let since = SystemTime::now().duration_since(since).unwrap_or_default();
    [
        node.name.clone(),
        node.verdict.clone(),
        node.state.clone(),
        time(since),
        node.in_flight.to_string(),
        format!("{} B", node.waiting_bytes),
        components(&node.versions),
    ]
}

fn own_versions(host: &Status) -> BTreeMap<String, Vec<String>> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Parts of the host have no lanes, and serve their own node alone.
    let own = host.components.iter().filter(|component| component.lanes > 0);
    for component in own {
        let of_name = versions.entry(component.name.clone()).or_default();
        if !of_name.contains(&component.version) {
            of_name.push(component.version.clone());
        }
    }
    versions
}

fn components(versions: &BTreeMap<String, Vec<String>>) -> String {
    let each = versions
        .iter()
        .map(|(name, versions)| format!("{name} {}", versions.join(" ")));
    let listed: Vec<String> = each.collect();
    match listed.is_empty() {
        true => "-".to_owned(),
        false => listed.join(", "),
    }
}

/// A time for people, in its largest unit.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
