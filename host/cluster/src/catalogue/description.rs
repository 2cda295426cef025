//! The description: which version stands under which name.
//!
//! Enters: the own components, and what stands for the lines of other nodes. Leaves: entries in their order, and what clients have
//! to be told. Guarantees: the own node's names are those that it has without a cluster, unless a stable version is elsewhere alone.

use super::lines::{Lines, line_of};
use crate::component::{Component, Rank};
use mesh_wire::versions::{Advertised, Line};
use std::collections::HashMap;
use std::sync::Arc;

/// One component of the description.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name under which it stands: the component's own, `name@1`, or `name@1.2.3`.
    pub listed: Arc<str>,
    /// The version that it describes.
    pub component: Arc<Component>,
    /// Whether it is one of the own node.
    pub is_here: bool,
}

impl Entry {
    fn reads_like(&self, other: &Entry) -> bool {
        self.listed == other.listed && self.component.reads_like(&other.component)
    }
}

/// A description that clients have to be told.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Names that are left out of a description that is published first: their methods have changed, and clients compare names.
    pub without: Vec<Arc<str>>,
    /// All entries.
    pub entries: Arc<[Entry]>,
}

impl Publication {
    /// The versions that a client learns when it reads this description.
    pub fn advertised(&self) -> Advertised {
        let bare = self
            .entries
            .iter()
            .filter(|entry| *entry.listed == **entry.component.name());
        Advertised::new(bare.map(|entry| (Box::from(&*entry.listed), line_of(&entry.component))))
    }
}

/// Which of a component's versions stands under its name: the last of these that there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    ElsewherePrerelease,
    ElsewhereInProbation,
    HerePrerelease,
    Elsewhere,
    Here,
}

fn class(component: &Component, is_here: bool) -> Class {
    let is_stable = !component.version().is_prerelease();
    match (is_here, is_stable, component.facts().is_settled) {
        (true, true, _) => Class::Here,
        (true, false, _) => Class::HerePrerelease,
        (false, true, true) => Class::Elsewhere,
        (false, true, false) => Class::ElsewhereInProbation,
        (false, false, _) => Class::ElsewherePrerelease,
    }
}

/// The entries of the description.
pub(super) fn entries(own: &[Arc<Component>], lines: &Lines) -> Vec<Entry> {
    let mut listed: Vec<(&Arc<Component>, bool)> = own.iter().map(|component| (component, true)).collect();
    let mut own_lines: HashMap<(&str, Line), bool> = HashMap::new();
    for component in own {
        let has_stable = own_lines
            .entry((component.name(), line_of(component)))
            .or_default();
        *has_stable |= !component.version().is_prerelease();
    }
    for shown in lines.iter() {
        let component = &shown.component;
        let is_covered = match own_lines.get(&(&**component.name(), shown.line())) {
            None => false,
            Some(has_stable) => *has_stable || component.version().is_prerelease(),
        };
        if !is_covered {
            listed.push((component, false));
        }
    }
    let names = Names::of(&listed);
    let entry = |(component, is_here): &(&Arc<Component>, bool)| Entry {
        listed: names.listed(component),
        component: (*component).clone(),
        is_here: *is_here,
    };
    listed.iter().map(entry).collect()
}

/// Which versions have short names.
struct Names<'a> {
    first: HashMap<&'a str, ((Class, Rank<'a>), &'a Component)>,
    highest: HashMap<(&'a str, Line), Rank<'a>>,
}

impl<'a> Names<'a> {
    fn of(listed: &[(&'a Arc<Component>, bool)]) -> Names<'a> {
        let mut names = Names {
            first: HashMap::new(),
            highest: HashMap::new(),
        };
        for (component, is_here) in listed {
            let order = (class(component, *is_here), component.rank());
            let first = names.first.entry(component.name()).or_insert((order, component));
            if order > first.0 {
                *first = (order, component);
            }
            let line = (&**component.name(), line_of(component));
            let highest = names.highest.entry(line).or_insert(component.rank());
            *highest = component.rank().max(*highest);
        }
        names
    }

    fn listed(&self, component: &Arc<Component>) -> Arc<str> {
        let (name, line) = (component.name(), line_of(component));
        let Some((_, first)) = self.first.get(&**name) else {
            return name.clone();
        };
        if first.version() == component.version() {
            return name.clone();
        }
        let is_highest = self.highest.get(&(&**name, line)) == Some(&component.rank());
        match is_highest && line_of(first) != line {
            true => format!("{name}@{line}").into(),
            false => format!("{name}@{}", component.version()).into(),
        }
    }
}

/// Whether clients would read the same.
pub(super) fn reads_alike(one: &[Entry], other: &[Entry]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.reads_like(other))
}

/// The description that clients have to be told after `former`.
pub(super) fn publication(former: &[Entry], entries: Arc<[Entry]>) -> Publication {
    let known: HashMap<&str, &Component> = former
        .iter()
        .map(|entry| (&*entry.listed, &*entry.component))
        .collect();
    let is_changed = |entry: &&Entry| {
        known
            .get(&*entry.listed)
            .is_some_and(|known| !known.has_methods_of(&entry.component))
    };
    let without = entries
        .iter()
        .filter(is_changed)
        .map(|entry| entry.listed.clone());
    Publication {
        without: without.collect(),
        entries,
    }
}
