//! Finds the segment patterns of the later generations that match a path: a tree with one level a segment.

use super::pattern::{ANY, parts_of};
use super::shrinking::{shrink, shrink_list};
use std::collections::HashMap;

/// Patterns by their segments.
#[derive(Debug, Default)]
pub(super) struct Segments {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literal: Literals,
    any: Option<Box<Node>>,
    /// Patterns that end here.
    here: Vec<usize>,
    /// Patterns that end here with `**`.
    deep: Vec<usize>,
}

/// The segments that follow a segment, other than `*`. Most segments are followed by one: a pattern with thousands of
/// them would take a map for each.
#[derive(Debug, Default)]
enum Literals {
    #[default]
    None,
    One(Box<(Box<str>, Node)>),
    #[expect(clippy::box_collection, reason = "there are many nodes, and few with a map")]
    Many(Box<HashMap<Box<str>, Node>>),
}

/// How a pattern ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its last segment.
    Exact,
    /// With `**`.
    Deep,
}

impl Segments {
    /// Adds a pattern: its segments, a slash behind each of them.
    pub(super) fn insert(&mut self, pattern: &str, ending: Ending, registration: usize) {
        let mut node = &mut self.root;
        for segment in parts_of(pattern) {
            node = match segment {
                ANY => node.any.get_or_insert_default(),
                literal => node.literal.entry(literal),
            };
        }
        node.ended(ending).push(registration);
    }

    /// Takes a pattern out, and the branch that held only it.
    pub(super) fn remove(&mut self, pattern: &str, ending: Ending, registration: usize) {
        self.root.remove(&mut parts_of(pattern), ending, registration);
    }

    /// Calls `found` for each pattern that matches the segments, with the number of segments that its `**` stands for
    /// (0 for patterns without).
    pub(super) fn find(&self, segments: &[&str], found: &mut impl FnMut(usize, u32)) {
        self.root.find(segments, found);
    }

    /// Whether there are no patterns.
    pub(super) fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl Literals {
    fn is_empty(&self) -> bool {
        matches!(self, Literals::None)
    }

    fn get(&self, segment: &str) -> Option<&Node> {
        match self {
            Literals::None => None,
            Literals::One(one) => (*one.0 == *segment).then_some(&one.1),
            Literals::Many(many) => many.get(segment),
        }
    }

    fn get_mut(&mut self, segment: &str) -> Option<&mut Node> {
        match self {
            Literals::None => None,
            Literals::One(one) => (*one.0 == *segment).then_some(&mut one.1),
            Literals::Many(many) => many.get_mut(segment),
        }
    }

    fn entry(&mut self, segment: &str) -> &mut Node {
        if let Literals::One(one) = self
            && *one.0 != *segment
        {
            let (first, node) = std::mem::take(&mut **one);
            *self = Literals::Many(Box::new(HashMap::from([(first, node)])));
        }
        if let Literals::None = self {
            *self = Literals::One(Box::new((segment.into(), Node::default())));
        }
        match self {
            Literals::One(one) => &mut one.1,
            Literals::Many(many) => many.entry(segment.into()).or_default(),
            Literals::None => unreachable!("it was made above"),
        }
    }

    fn remove(&mut self, segment: &str) {
        let is_empty = match self {
            Literals::None => true,
            Literals::One(one) => *one.0 == *segment,
            Literals::Many(many) => {
                many.remove(segment);
                shrink(many);
                many.is_empty()
            }
        };
        if is_empty {
            *self = Literals::None;
        }
    }
}

impl Node {
    fn ended(&mut self, ending: Ending) -> &mut Vec<usize> {
        match ending {
            Ending::Exact => &mut self.here,
            Ending::Deep => &mut self.deep,
        }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any.is_none() && self.here.is_empty() && self.deep.is_empty()
    }

    fn remove<'p>(
        &mut self,
        pattern: &mut impl Iterator<Item = &'p str>,
        ending: Ending,
        registration: usize,
    ) {
        let Some(segment) = pattern.next() else {
            let positions = self.ended(ending);
            positions.retain(|other| *other != registration);
            shrink_list(positions);
            return;
        };
        if segment == ANY {
            if let Some(node) = &mut self.any {
                node.remove(pattern, ending, registration);
                if node.is_empty() {
                    self.any = None;
                }
            }
        } else if let Some(node) = self.literal.get_mut(segment) {
            node.remove(pattern, ending, registration);
            if node.is_empty() {
                self.literal.remove(segment);
            }
        }
    }

    fn find(&self, segments: &[&str], found: &mut impl FnMut(usize, u32)) {
        let Some((first, rest)) = segments.split_first() else {
            self.here.iter().for_each(|registration| found(*registration, 0));
            return;
        };
        let depth = u32::try_from(segments.len()).unwrap_or(u32::MAX);
        self.deep
            .iter()
            .for_each(|registration| found(*registration, depth));
        if let Some(node) = self.literal.get(first) {
            node.find(rest, found);
        }
        if let Some(node) = &self.any {
            node.find(rest, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> String {
        format!("{text}/")
    }

    fn found(tree: &Segments, path: &str) -> Vec<(usize, u32)> {
        let mut hits = Vec::new();
        tree.find(
            &path.split('/').collect::<Vec<_>>(),
            &mut |registration, depth| hits.push((registration, depth)),
        );
        hits.sort_unstable();
        hits
    }

    #[test]
    fn inserted_patterns_are_found_until_removed() {
        let mut tree = Segments::default();
        tree.insert(&pattern("a/*"), Ending::Exact, 1);
        tree.insert(&pattern("*/b"), Ending::Exact, 2);
        tree.insert(&pattern("a"), Ending::Deep, 3);
        assert_eq!(found(&tree, "a/b"), [(1, 0), (2, 0), (3, 1)]);
        assert_eq!(found(&tree, "a/b/c"), [(3, 2)]);
        assert_eq!(found(&tree, "a"), []);
        tree.remove(&pattern("a"), Ending::Deep, 3);
        tree.remove(&pattern("a/*"), Ending::Exact, 1);
        assert_eq!(found(&tree, "a/b"), [(2, 0)]);
        tree.remove(&pattern("*/b"), Ending::Exact, 2);
        assert!(tree.is_empty());
    }
}
