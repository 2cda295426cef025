//! Finds the segment patterns of the later generations that match a path: a tree with one level a segment.

use std::collections::HashMap;

/// Patterns by their segments.
#[derive(Debug, Default)]
pub(super) struct Segments {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    /// Patterns that end here.
    here: Vec<usize>,
    /// Patterns that end here with `**`.
    deep: Vec<usize>,
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
    /// Adds a pattern: its segments, `None` for `*`.
    pub(super) fn insert(&mut self, pattern: &[Option<Box<str>>], ending: Ending, registration: usize) {
        let mut node = &mut self.root;
        for segment in pattern {
            node = match segment {
                Some(literal) => node.literal.entry(literal.clone()).or_default(),
                None => node.any.get_or_insert_default(),
            };
        }
        node.ended(ending).push(registration);
    }

    /// Takes a pattern out, and the branch that held only it.
    pub(super) fn remove(&mut self, pattern: &[Option<Box<str>>], ending: Ending, registration: usize) {
        self.root.remove(pattern, ending, registration);
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

    fn remove(&mut self, pattern: &[Option<Box<str>>], ending: Ending, registration: usize) {
        let Some((first, rest)) = pattern.split_first() else {
            self.ended(ending).retain(|other| *other != registration);
            return;
        };
        match first {
            Some(literal) => {
                if let Some(node) = self.literal.get_mut(literal) {
                    node.remove(rest, ending, registration);
                    if node.is_empty() {
                        self.literal.remove(literal);
                    }
                }
            }
            None => {
                if let Some(node) = &mut self.any {
                    node.remove(rest, ending, registration);
                    if node.is_empty() {
                        self.any = None;
                    }
                }
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
        if let Some(node) = self.literal.get(*first) {
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

    fn pattern(text: &str) -> Vec<Option<Box<str>>> {
        text.split('/')
            .map(|segment| (segment != "*").then(|| segment.into()))
            .collect()
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
