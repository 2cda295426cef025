//! `mesh cluster catalogue`: which version is on which node, as a running host sees it.

use super::table;
use crate::cli::CommandError;
use crate::control::{self, ControlError, Reply, Request};
use crate::terminal;
use mesh_cluster::status::Offer;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Options of `mesh cluster catalogue`.
#[derive(clap::Args)]
#[command(after_help = "\
The host is found by its configuration file, on this machine and for this user.

    idempotent:  methods that may be executed twice for one call
    reach=node   it serves its own node alone
    affinity=session  one node serves all calls of a session
    hidden       clients of this host do not see it: `expose` in [cluster] leaves it out
    unsettled    a new version whose probation is not over

Examples:
    mesh cluster catalogue
    mesh cluster catalogue calc
    mesh cluster catalogue --json | jq -r '.[] | .component + \" \" + .version'")]
pub struct Arguments {
    /// Only this component.
    component: Option<String>,
    /// The file that the host runs with.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
    /// Print JSON: an array of versions.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let mut offers = ask(&arguments.config).await?;
    if let Some(name) = &arguments.component {
        offers.retain(|offer| offer.component == *name);
        if offers.is_empty() {
            return Err(CommandError::failed(format!("no node has a component {name}")));
        }
    }
    if arguments.json {
        let text = serde_json::to_string(&offers).unwrap_or_default();
        writeln!(terminal::json_output(), "{text}")?;
        return Ok(());
    }
    let rows: Vec<[String; 4]> = offers.iter().map(row).collect();
    let mut out = terminal::output();
    table::write(&mut out, ["COMPONENT", "VERSION", "NODES", "FLAGS"], &rows)?;
    Ok(out.flush()?)
}

/// Asks the host that runs with this configuration who has which version.
pub(in crate::cli) async fn ask(config: &Path) -> Result<Vec<Offer>, CommandError> {
    let asked = control::request(config, &Request::Catalogue, |_| {}).await;
    match asked.map_err(|error: ControlError| CommandError::unreachable(error.to_string()))? {
        Reply::Catalogue(offers) => Ok(offers),
        Reply::Error(failure) => Err(failure.into()),
        _ => Err(CommandError::failed("the host answered something else")),
    }
}

/// The nodes of a version, with the verdict of those that are not alive.
pub(in crate::cli) fn nodes(offer: &Offer) -> String {
    let nodes = offer.nodes.iter().map(|node| match &*node.verdict {
        "alive" => node.name.clone(),
        verdict => format!("{} ({verdict})", node.name),
    });
    nodes.collect::<Vec<String>>().join(", ")
}

fn row(offer: &Offer) -> [String; 4] {
    [
        offer.component.clone(),
        offer.version.clone(),
        nodes(offer),
        flags(offer),
    ]
}

fn flags(offer: &Offer) -> String {
    let mut flags = Vec::new();
    if offer.reach != "cluster" {
        flags.push(format!("reach={}", offer.reach));
    }
    if offer.affinity != "none" {
        flags.push(format!("affinity={}", offer.affinity));
    }
    if !offer.exposed {
        flags.push("hidden".to_owned());
    }
    if !offer.settled {
        flags.push("unsettled".to_owned());
    }
    if !offer.idempotent.is_empty() {
        flags.push(format!("idempotent: {}", offer.idempotent.join(", ")));
    }
    flags.join(" ")
}
