//! `mesh cluster`: everything about a mesh of several hosts.
//!
//! Enters: a running node, or the names of nodes to come. Leaves: who is where; what NATS servers have to know. Guarantees: none.

pub(super) mod catalogue;
mod nats_conf;
mod nodes;
mod table;

use super::CommandError;
use clap::Subcommand;

pub(super) use nodes::write as write_nodes;

/// Options of `mesh cluster`.
#[derive(clap::Args)]
#[command(after_help = "\
Hosts whose mesh.toml has the section [cluster] form one mesh. They meet on NATS servers. Each host is a node, and the \
`name` of its mesh.toml is the name of the node.

Examples:
    mesh cluster nodes
    mesh cluster catalogue
    mesh cluster nats-conf --name shop shop-1 shop-2 shop-3 > shop.conf
    mesh cluster nats-conf --help")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the nodes, as a running host sees them.
    Nodes(nodes::Arguments),
    /// List the components of all nodes, and who has them.
    Catalogue(catalogue::Arguments),
    /// Print users and permissions of nodes for nats-server.
    NatsConf(nats_conf::Arguments),
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Nodes(arguments) => nodes::run(arguments).await,
        Command::Catalogue(arguments) => catalogue::run(arguments).await,
        Command::NatsConf(arguments) => nats_conf::run(arguments),
    }
}
