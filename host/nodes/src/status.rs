//! Other nodes at one moment.
//!
//! Enters: the tables that the task keeps. Leaves: a status for operators. Guarantees: the task is not asked, so a status comes also while
//! it is busy.

use crate::numbers::AllNumbers;
use mesh_cluster::catalogue::Catalogues;
use mesh_cluster::component::Reach;
use mesh_cluster::identity::Incarnation;
use mesh_cluster::status::{NodeStatus, ServerStatus};
use std::collections::BTreeMap;

/// Says how the connection to a server is.
pub type ServerWatch = Box<dyn Fn() -> ServerStatus + Send + Sync>;

/// This start, and whether others take it for one of them.
#[derive(Debug, Default)]
pub(crate) struct OwnStart {
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) is_excluded: bool,
}

/// The nodes of these catalogues, by name.
pub(crate) fn others(catalogues: &Catalogues, numbers: &AllNumbers) -> Vec<NodeStatus> {
    let mut others: Vec<NodeStatus> = Vec::new();
    for (peer, standing, catalogue) in catalogues.nodes() {
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let components = catalogue.into_iter().flat_map(|catalogue| catalogue.components());
        for component in components.filter(|component| component.facts().reach == Reach::Cluster) {
            let of_name = versions.entry(component.name().to_string()).or_default();
            of_name.push(component.version().text().to_owned());
        }
        let mut status = NodeStatus {
            name: peer.node.to_string(),
            incarnation: peer.incarnation.to_string(),
            verdict: standing.verdict.to_string(),
            state: standing.state.as_str().to_owned(),
            versions,
            ..NodeStatus::default()
        };
        if let Some(numbers) = numbers.find(&peer.node) {
            numbers.write(&mut status);
        }
        others.push(status);
    }
    others
}
