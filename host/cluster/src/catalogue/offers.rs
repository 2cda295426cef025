//! Who has which version, for operators.
//!
//! Enters: the own components, the catalogues of others. Leaves: a row for each version. Guarantees: nodes that say different things of a
//! version are in different rows.

use super::Catalogues;
use crate::component::{Component, Reach};
use crate::identity::NodeName;
use crate::presence::Verdict;
use crate::status::{Offer, OfferedBy};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The components of all nodes, by name, the highest version first. `node` is the own node, and `own` are its components.
pub fn offers(catalogues: &Catalogues, node: &NodeName, own: &[Arc<Component>]) -> Vec<Offer> {
    let here = own
        .iter()
        .map(|component| (component, node, Verdict::Alive, true));
    let elsewhere = catalogues.nodes().flat_map(|(peer, standing, catalogue)| {
        let components = catalogue.into_iter().flat_map(|catalogue| catalogue.components());
        let reached = components.filter(|component| component.facts().reach == Reach::Cluster);
        reached.map(move |component| {
            let providers = catalogues.providers(component.name()).iter();
            let is_exposed = providers
                .filter(|provider| provider.place.peer() == Some(peer))
                .any(|provider| provider.component.version() == component.version());
            (component, &peer.node, standing.verdict, is_exposed)
        })
    });
    let mut all: BTreeMap<Offer, (&Component, Vec<OfferedBy>)> = BTreeMap::new();
    for (component, node, verdict, is_exposed) in here.chain(elsewhere) {
        let offer = offer(component, is_exposed);
        let (_, nodes) = all.entry(offer).or_insert((component, Vec::new()));
        nodes.push(OfferedBy {
            name: node.to_string(),
            verdict: verdict.to_string(),
        });
    }
    let mut all: Vec<(Offer, (&Component, Vec<OfferedBy>))> = all.into_iter().collect();
    all.sort_by(|(_, (one, _)), (_, (other, _))| {
        let by_name = one.name().cmp(other.name());
        by_name.then_with(|| other.rank().cmp(&one.rank()))
    });
    let with_nodes = |(offer, (_, nodes))| Offer { nodes, ..offer };
    all.into_iter().map(with_nodes).collect()
}

fn offer(component: &Component, is_exposed: bool) -> Offer {
    let facts = component.facts();
    let idempotent = facts.methods.iter().filter(|method| method.is_idempotent);
    Offer {
        component: facts.name.to_string(),
        version: facts.version.text().to_owned(),
        nodes: Vec::new(),
        reach: facts.reach.as_str().to_owned(),
        affinity: facts.affinity.as_str().to_owned(),
        idempotent: idempotent.map(|method| method.name.to_string()).collect(),
        settled: facts.is_settled,
        exposed: is_exposed,
    }
}
