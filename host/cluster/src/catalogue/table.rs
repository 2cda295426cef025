//! The catalogues of all nodes.
//!
//! Enters: the own components, bodies of peers, verdicts, loads, and the time. Leaves: the providers of each component, ready to
//! choose from, and the description when clients have to be told. Guarantees: rows belong to one incarnation; a former one
//! changes nothing any more. Changes of others are collected, and one that is undone meanwhile is told to nobody.

use super::description::{self, Entry, Publication};
use super::lines::{Cause, Lines, Offered};
use super::{Catalogue, CatalogueError, Expose};
use crate::choice::{NoChoice, Wish, choose};
use crate::component::{Component, Reach};
use crate::identity::NodeName;
use crate::moment::Moment;
use crate::peer::{Peer, Standing};
use crate::presence::Verdict;
use crate::presence::beat::State;
use crate::provider::{Load, Place, Provider};
use mesh_wire::versions::ComponentVersion;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// The most nodes of a cluster, this one not among them.
pub const MOST_NODES: usize = 512;

/// The part of the configuration that counts here.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which components of other nodes clients here see and may call.
    pub expose: Expose,
    /// How long a component stays in the description when its last provider has gone.
    pub forget: Duration,
    /// How long changes of others are collected before they are published.
    pub collect: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            expose: Expose::all(),
            forget: Duration::from_secs(600),
            collect: Duration::from_millis(250),
        }
    }
}

/// The fate of a catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It counts.
    Taken,
    /// It is not newer than the one that is there.
    Old,
    /// Its sender is not known, or was replaced by another incarnation.
    Stranger,
}

/// All that is known of all nodes' components.
pub struct Catalogues {
    settings: Settings,
    own: Vec<Arc<Component>>,
    /// Components that clients here never reach on other nodes.
    kept: HashSet<Arc<str>>,
    own_state: State,
    nodes: BTreeMap<NodeName, Node>,
    providers: HashMap<Arc<str>, Vec<Provider>>,
    lines: Lines,
    published: Arc<[Entry]>,
    /// When the changes that were collected are published.
    due: Option<Moment>,
}

struct Node {
    peer: Peer,
    standing: Standing,
    catalogue: Option<Arc<Catalogue>>,
    /// Since when it is lost.
    lost: Option<Moment>,
}

impl Catalogues {
    /// Those of a node that is alone and has nothing.
    pub fn new(settings: Settings) -> Catalogues {
        Catalogues {
            settings,
            own: Vec::new(),
            kept: HashSet::new(),
            own_state: State::Joining,
            nodes: BTreeMap::new(),
            providers: HashMap::new(),
            lines: Lines::default(),
            published: Arc::new([]),
            due: None,
        }
    }

    /// Takes the own components. Their changes are told at once.
    pub fn set_own(&mut self, now: Moment, own: Vec<Arc<Component>>) -> Option<Publication> {
        self.own = own;
        self.changed(now, Cause::Word);
        self.publish()
    }

    /// Takes the names that other nodes do not serve, whatever they say: those of parts of this host. Counts from the next change on.
    pub fn set_kept(&mut self, kept: HashSet<Arc<str>>) {
        self.kept = kept;
    }

    /// Takes what is exposed from now on. That is told at once.
    pub fn set_expose(&mut self, now: Moment, expose: Expose) -> Option<Publication> {
        self.settings.expose = expose;
        let expose = &self.settings.expose;
        self.lines
            .retain(|component| expose.admits(component.name(), component.version()));
        self.changed(now, Cause::Word);
        self.publish()
    }

    /// Takes the state of the own node.
    pub fn set_own_state(&mut self, state: State) {
        self.own_state = state;
        let standing = self.own_standing();
        let own = self.providers.values_mut().flatten();
        own.filter(|provider| provider.place == Place::Here)
            .for_each(|provider| provider.standing = standing);
    }

    /// The state of the own node.
    pub fn own_state(&self) -> State {
        self.own_state
    }

    /// Takes how a peer stands. A new incarnation of a name replaces the former one, whose components are lost.
    ///
    /// # Errors
    ///
    /// When there are too many nodes.
    pub fn stand(&mut self, now: Moment, peer: &Peer, standing: Standing) -> Result<(), CatalogueError> {
        let is_gone = standing.verdict.is_gone();
        let known = self.nodes.get_mut(&peer.node).filter(|node| node.peer == *peer);
        match known {
            Some(_) if standing.verdict.is_final() => {
                self.nodes.remove(&peer.node);
                self.changed(now, Cause::Loss);
            }
            Some(node) => {
                let was_gone = node.lost.is_some();
                node.standing = standing;
                node.lost = is_gone.then(|| node.lost.unwrap_or(now));
                match was_gone == is_gone {
                    true => self.note_standing(peer, standing),
                    false => self.changed(now, Cause::Loss),
                }
            }
            None if is_gone => {}
            None => {
                if !self.nodes.contains_key(&peer.node) && self.nodes.len() >= MOST_NODES {
                    return Err(CatalogueError::TooManyNodes(self.nodes.len()));
                }
                let node = Node {
                    peer: peer.clone(),
                    standing,
                    catalogue: None,
                    lost: None,
                };
                self.nodes.insert(peer.node.clone(), node);
                self.changed(now, Cause::Loss);
            }
        }
        Ok(())
    }

    /// Takes the body of a frame.
    ///
    /// # Errors
    ///
    /// When it cannot be read. The sender's link is to be closed.
    pub fn receive(&mut self, now: Moment, peer: &Peer, body: &[u8]) -> Result<Received, CatalogueError> {
        Ok(self.take(now, peer, Catalogue::read(body)?))
    }

    /// Takes what [`Catalogue::read`] has made of the body of a frame. Reading takes long, and nobody need wait for it.
    pub fn take(&mut self, now: Moment, peer: &Peer, catalogue: Catalogue) -> Received {
        let Some(node) = self.nodes.get_mut(&peer.node).filter(|node| node.peer == *peer) else {
            return Received::Stranger;
        };
        let known = node.catalogue.as_ref();
        if known.is_some_and(|known| known.revision() >= catalogue.revision()) {
            return Received::Old;
        }
        node.catalogue = Some(Arc::new(catalogue));
        self.changed(now, Cause::Word);
        Received::Taken
    }

    /// Whether a peer's beat names a catalogue that is not here and has to be asked for.
    pub fn lacks(&self, peer: &Peer, revision: u64, hash: u64) -> bool {
        let node = self.nodes.get(&peer.node).filter(|node| node.peer == *peer);
        node.is_some_and(|node| match &node.catalogue {
            None => true,
            Some(known) => {
                known.revision() < revision || (known.revision() == revision && known.hash() != hash)
            }
        })
    }

    /// Takes how much a version on a node has to do.
    pub fn set_load(&mut self, place: &Place, component: &str, version: &ComponentVersion, load: Load) {
        let providers = self.providers.get_mut(component).into_iter().flatten();
        providers
            .filter(|provider| provider.place == *place && provider.component.version() == version)
            .for_each(|provider| provider.load = load);
    }

    /// Forgets what is long gone, and returns the description when clients have to be told.
    pub fn tick(&mut self, now: Moment) -> Option<Publication> {
        let forget = self.settings.forget;
        let nodes = self.nodes.len();
        self.nodes
            .retain(|_, node| node.lost.is_none_or(|lost| now < lost + forget));
        let is_over = self.lines.next(forget).is_some_and(|over| over <= now);
        if is_over || self.nodes.len() < nodes {
            self.changed(now, Cause::Loss);
        }
        match self.due.is_some_and(|due| due <= now) {
            true => self.publish(),
            false => None,
        }
    }

    /// When [`Catalogues::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Moment> {
        let forget = self.settings.forget;
        let lost = self.nodes.values().filter_map(|node| node.lost).min();
        [self.due, self.lines.next(forget), lost.map(|lost| lost + forget)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Chooses who serves a call of a component. `left` is as for [`choose`].
    ///
    /// # Errors
    ///
    /// Why nobody does. A version that went a moment ago is unreachable, and not unknown.
    pub fn choose(
        &self,
        component: &str,
        wish: &Wish<'_>,
        in_flight: impl Fn(&Peer) -> u32,
        left: &mut Vec<usize>,
    ) -> Result<&Provider, NoChoice> {
        let providers = self.providers(component);
        match choose(providers, wish, in_flight, left) {
            Ok(position) => Ok(&providers[position]),
            Err(_)
                if self
                    .lines
                    .remember(component, wish.aim, |version| wish.asked.admits(version)) =>
            {
                Err(NoChoice::Unreachable)
            }
            Err(why) => Err(why),
        }
    }

    /// The versions of a component that this node's clients may call, wherever they are.
    pub fn providers(&self, component: &str) -> &[Provider] {
        self.providers.get(component).map_or(&[], Vec::as_slice)
    }

    /// The versions of a component that there are, or were a moment ago: the highest first, each once.
    pub fn versions(&self, component: &str) -> Vec<ComponentVersion> {
        let present = self
            .providers(component)
            .iter()
            .map(|provider| &provider.component);
        let shown = self.lines.iter().map(|shown| &shown.component);
        let shown = shown.filter(|shown| **shown.name() == *component);
        let mut all: Vec<&Arc<Component>> = present.chain(shown).collect();
        all.sort_by(|one, other| other.rank().cmp(&one.rank()));
        all.dedup_by(|one, other| one.version() == other.version());
        all.into_iter()
            .map(|component| component.version().clone())
            .collect()
    }

    /// Whether a version of a component went a moment ago and is still described.
    pub fn remembers(&self, component: &str) -> bool {
        self.lines
            .iter()
            .any(|shown| **shown.component.name() == *component)
    }

    /// All other nodes, by name, with what they have.
    pub fn nodes(&self) -> impl Iterator<Item = (&Peer, Standing, Option<&Arc<Catalogue>>)> {
        let nodes = self.nodes.values();
        nodes.map(|node| (&node.peer, node.standing, node.catalogue.as_ref()))
    }

    /// The description as clients were told it.
    pub fn published(&self) -> &Arc<[Entry]> {
        &self.published
    }

    fn own_standing(&self) -> Standing {
        Standing {
            verdict: Verdict::Alive,
            state: self.own_state,
        }
    }

    fn note_standing(&mut self, peer: &Peer, standing: Standing) {
        let providers = self.providers.values_mut().flatten();
        providers
            .filter(|provider| provider.place.peer() == Some(peer))
            .for_each(|provider| provider.standing = standing);
    }

    /// Makes the tables anew that follow from what nodes have.
    fn changed(&mut self, now: Moment, cause: Cause) {
        self.list_providers();
        let mut offered = Offered::default();
        for node in self.nodes.values().filter(|node| node.lost.is_none()) {
            for component in exposed(node, &self.settings.expose, &self.kept) {
                offered.add(component);
            }
        }
        self.lines.update(&offered, cause, now, self.settings.forget);
        let entries = description::entries(&self.own, &self.lines);
        self.due = match description::reads_alike(&self.published, &entries) {
            true => None,
            false => Some(self.due.unwrap_or(now + self.settings.collect)),
        };
    }

    fn list_providers(&mut self) {
        let former = std::mem::take(&mut self.providers);
        let load = |place: &Place, component: &Component| {
            let former = former.get(component.name()).into_iter().flatten();
            let mut same = former.filter(|provider| {
                provider.place == *place && provider.component.version() == component.version()
            });
            same.next().map(|provider| provider.load).unwrap_or_default()
        };
        let mut providers: HashMap<Arc<str>, Vec<Provider>> = HashMap::new();
        let mut add = |place: Place, component: &Arc<Component>, standing| {
            let provider = Provider {
                load: load(&place, component),
                place,
                component: component.clone(),
                standing,
            };
            providers
                .entry(component.name().clone())
                .or_default()
                .push(provider);
        };
        for component in &self.own {
            add(Place::Here, component, self.own_standing());
        }
        for node in self.nodes.values() {
            for component in exposed(node, &self.settings.expose, &self.kept) {
                add(Place::Node(node.peer.clone()), component, node.standing);
            }
        }
        self.providers = providers;
    }

    fn publish(&mut self) -> Option<Publication> {
        self.due.take()?;
        let entries: Arc<[Entry]> = description::entries(&self.own, &self.lines).into();
        let publication = description::publication(&self.published, entries.clone());
        self.published = entries;
        Some(publication)
    }
}

/// The components of a node that clients here may call.
fn exposed<'a>(
    node: &'a Node,
    expose: &'a Expose,
    kept: &'a HashSet<Arc<str>>,
) -> impl Iterator<Item = &'a Arc<Component>> {
    let components = node.catalogue.iter().flat_map(|catalogue| catalogue.components());
    components.filter(|component| {
        component.facts().reach == Reach::Cluster
            && !kept.contains(component.name())
            && expose.admits(component.name(), component.version())
    })
}
