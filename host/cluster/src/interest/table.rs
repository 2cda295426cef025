//! The wishes of all other nodes.
//!
//! Enters: differences of peers, paths and versions of events. Leaves: the nodes that want one, each once. Guarantees: looking
//! allocates nothing but in the caller's list. A node that says more than is kept wants everything.

use super::MOST_TOPICS;
use super::body::{Changed, Difference, InterestError, Wants};
use super::topic::{each_of_path, may_cross};
use crate::peer::Peer;
use mesh_wire::pattern::Pattern;
use mesh_wire::versions::{ComponentVersion, RequestedRange, VersionFilter};
use std::collections::{HashMap, HashSet};

/// The most nodes.
const MOST_NODES: usize = 512;
/// The memory that the wishes of one node may take, about.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that a wish takes beside its texts, about.
const BYTES_OF_A_WISH: usize = 128;
/// Bytes that each letter of a range may take when it is taken apart.
const BYTES_OF_A_RANGE: usize = 48;

/// A node in this table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeIndex(usize);

/// The nodes, and what they want.
#[derive(Debug, Default)]
pub struct Wanting {
    topics: HashMap<Box<str>, Vec<(NodeIndex, Filter)>>,
    nodes: Vec<Option<Node>>,
}

#[derive(Debug)]
struct Node {
    peer: Peer,
    revision: u64,
    /// Whether a difference with the same number is to follow.
    is_open: bool,
    /// Whether it says that it wants everything.
    says_everything: bool,
    /// Whether it has said more than is kept.
    said_too_much: bool,
    topics: HashSet<Box<str>>,
    bytes: usize,
}

#[derive(Debug)]
struct Filter {
    /// `None` for all.
    patterns: Option<Box<[Pattern]>>,
    /// `None` for any.
    ranges: Option<Box<[VersionFilter]>>,
    bytes: usize,
}

impl Filter {
    fn of(wants: &Wants<'_>) -> Filter {
        let patterns = wants.patterns.as_ref();
        let ranges = wants.ranges.as_ref();
        let of_patterns = patterns
            .into_iter()
            .flatten()
            .map(|wanted| 2 * wanted.pattern.len());
        let of_ranges = ranges
            .into_iter()
            .flatten()
            .map(|range| range.len() * BYTES_OF_A_RANGE);
        let lengths = of_patterns.chain(of_ranges);
        let bytes = lengths.fold(BYTES_OF_A_WISH, |sum, bytes| sum + bytes + BYTES_OF_A_WISH);
        let pattern = |wanted: &super::body::Wanted<'_>| Pattern::matched(&wanted.pattern, wanted.matching());
        let filter = |range: &std::borrow::Cow<'_, str>| VersionFilter::Range(RequestedRange::from(&**range));
        Filter {
            patterns: patterns.map(|patterns| patterns.iter().map(pattern).collect()),
            ranges: ranges.map(|ranges| ranges.iter().map(filter).collect()),
            bytes,
        }
    }

    fn wants(&self, path: &str, version: Option<&ComponentVersion>) -> bool {
        let patterns = self.patterns.as_ref();
        let is_admitted = |version| {
            let ranges = self.ranges.as_ref();
            ranges.is_none_or(|ranges| ranges.iter().any(|filter| filter.admits(version)))
        };
        patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(path)))
            && version.is_none_or(is_admitted)
    }
}

impl Wanting {
    /// Takes a difference of a peer. Returns the number that is to be acknowledged.
    ///
    /// # Errors
    ///
    /// When the peer sends what it should not.
    pub fn receive(
        &mut self,
        peer: &Peer,
        difference: &Difference<'_>,
    ) -> Result<Option<u64>, InterestError> {
        let index = self.index(peer)?;
        let Some(node) = self.nodes[index.0].as_mut() else {
            return Ok(None);
        };
        let revision = difference.revision;
        let goes_on = node.is_open || difference.reset;
        let follows = revision > node.revision || (goes_on && revision == node.revision);
        if !follows {
            return Err(InterestError::Repeated {
                revision,
                known: node.revision,
            });
        }
        node.revision = revision;
        node.is_open = difference.more;
        if difference.reset {
            node.said_too_much = false;
            self.clear(index);
        }
        for changed in &difference.topics {
            self.change(index, changed);
        }
        if let Some(node) = self.nodes[index.0].as_mut() {
            node.says_everything = difference.everything;
        }
        Ok((!difference.more).then_some(revision))
    }

    /// Takes a peer as one that wants everything until it says anew what it wants. It does so where it has forgotten this node, too.
    pub fn assume_everything(&mut self, peer: &Peer) {
        if let Ok(index) = self.index(peer)
            && let Some(node) = self.nodes[index.0].as_mut().filter(|node| node.revision == 0)
        {
            node.said_too_much = true;
        }
    }

    /// Forgets a peer, which never comes back or begins anew.
    pub fn gone(&mut self, peer: &Peer) {
        if let Some(index) = self.known(peer) {
            self.clear(index);
            self.nodes[index.0] = None;
        }
    }

    /// Puts the nodes into `found` that want an event on this path, of this version if it has one that can be compared.
    pub fn wanted(&self, path: &str, version: Option<&ComponentVersion>, found: &mut Vec<NodeIndex>) {
        found.clear();
        if !may_cross(path) {
            return;
        }
        let all = self.nodes.iter().enumerate();
        let all = all.filter(|(_, node)| {
            node.as_ref()
                .is_some_and(|node| node.says_everything || node.said_too_much)
        });
        found.extend(all.map(|(position, _)| NodeIndex(position)));
        if self.topics.is_empty() {
            return;
        }
        each_of_path(path, |topic| {
            for (index, filter) in self.topics.get(topic).into_iter().flatten() {
                if !found.contains(index) && filter.wants(path, version) {
                    found.push(*index);
                }
            }
        });
    }

    /// The peer of a node that was found.
    pub fn peer(&self, index: NodeIndex) -> Option<&Peer> {
        self.nodes.get(index.0)?.as_ref().map(|node| &node.peer)
    }

    /// Whether no node wants anything.
    pub fn is_empty(&self) -> bool {
        let wants_all = |node: &Node| node.says_everything || node.said_too_much;
        self.topics.is_empty() && !self.nodes.iter().flatten().any(wants_all)
    }

    /// How many topics some node wants.
    pub fn topics(&self) -> usize {
        self.topics.len()
    }

    fn known(&self, peer: &Peer) -> Option<NodeIndex> {
        let is_peer = |node: &Option<Node>| node.as_ref().is_some_and(|node| node.peer == *peer);
        self.nodes.iter().position(is_peer).map(NodeIndex)
    }

    fn index(&mut self, peer: &Peer) -> Result<NodeIndex, InterestError> {
        if let Some(index) = self.known(peer) {
            return Ok(index);
        }
        let node = Some(Node {
            peer: peer.clone(),
            revision: 0,
            is_open: false,
            says_everything: false,
            said_too_much: false,
            topics: HashSet::new(),
            bytes: 0,
        });
        if let Some(free) = self.nodes.iter().position(Option::is_none) {
            self.nodes[free] = node;
            return Ok(NodeIndex(free));
        }
        if self.nodes.len() >= MOST_NODES {
            return Err(InterestError::TooManyNodes(self.nodes.len()));
        }
        self.nodes.push(node);
        Ok(NodeIndex(self.nodes.len() - 1))
    }

    fn change(&mut self, index: NodeIndex, changed: &Changed<'_>) {
        self.remove(index, &changed.topic);
        let Some(wants) = &changed.wants else { return };
        let Some(node) = self.nodes[index.0].as_mut().filter(|node| !node.said_too_much) else {
            return;
        };
        let filter = Filter::of(wants);
        let bytes = filter.bytes + 2 * changed.topic.len();
        if node.topics.len() >= MOST_TOPICS || node.bytes + bytes > MOST_BYTES {
            node.said_too_much = true;
            return self.clear(index);
        }
        node.bytes += bytes;
        node.topics.insert((&*changed.topic).into());
        let wishes = self.topics.entry((&*changed.topic).into()).or_default();
        wishes.push((index, filter));
    }

    fn remove(&mut self, index: NodeIndex, topic: &str) {
        let Some(node) = self.nodes[index.0].as_mut() else {
            return;
        };
        if !node.topics.remove(topic) {
            return;
        }
        let Some(wishes) = self.topics.get_mut(topic) else {
            return;
        };
        if let Some(position) = wishes.iter().position(|(of, _)| *of == index) {
            let (_, filter) = wishes.swap_remove(position);
            node.bytes -= filter.bytes + 2 * topic.len();
        }
        if wishes.is_empty() {
            self.topics.remove(topic);
        }
    }

    fn clear(&mut self, index: NodeIndex) {
        let Some(node) = self.nodes[index.0].as_mut() else {
            return;
        };
        let topics = std::mem::take(&mut node.topics);
        node.bytes = 0;
        for topic in topics {
            if let Some(wishes) = self.topics.get_mut(&topic) {
                wishes.retain(|(of, _)| *of != index);
                if wishes.is_empty() {
                    self.topics.remove(&topic);
                }
            }
        }
    }
}
