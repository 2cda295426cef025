//! The version that stands for each line that other nodes have, or had a moment ago.
//!
//! Enters: all versions that living nodes offer, and whether a node was lost or said that it has another version. Leaves: one
//! version for each component and line. Guarantees: a loss changes nothing until it is forgotten. While a version is offered, it
//! gives way only to a higher one that is settled.

use crate::component::{Aim, Component};
use crate::moment::Moment;
use mesh_wire::versions::{ComponentVersion, Line};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How many lines of other nodes are kept.
pub(super) const MOST_LINES: usize = 4096;

/// All that living nodes offer, by component and line.
#[derive(Default)]
pub(super) struct Offered {
    positions: HashMap<(Arc<str>, Line), usize>,
    rows: Vec<Row>,
}

struct Row {
    name: Arc<str>,
    line: Line,
    versions: Vec<Arc<Component>>,
}

impl Offered {
    pub(super) fn add(&mut self, component: &Arc<Component>) {
        let (name, line) = (component.name(), line_of(component));
        let rows = &mut self.rows;
        let position = *self.positions.entry((name.clone(), line)).or_insert_with(|| {
            rows.push(Row {
                name: name.clone(),
                line,
                versions: Vec::new(),
            });
            rows.len() - 1
        });
        rows[position].versions.push(component.clone());
    }

    fn of(&self, name: &Arc<str>, line: Line) -> &[Arc<Component>] {
        let position = self.positions.get(&(name.clone(), line));
        position.map_or(&[], |position| &self.rows[*position].versions)
    }
}

/// Why versions may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A node is gone.
    Loss,
    /// A node that lives says so, or the configuration does.
    Word,
}

/// The lines of other nodes, in the order in which they came.
#[derive(Default)]
pub(super) struct Lines(Vec<Shown>);

/// The version that stands for a line.
pub(super) struct Shown {
    pub(super) component: Arc<Component>,
    line: Line,
    /// Since when nobody offers it.
    gone: Option<Moment>,
}

impl Shown {
    pub(super) fn line(&self) -> Line {
        self.line
    }

    fn is_over(&self, now: Moment, forget: Duration) -> bool {
        self.gone.is_some_and(|gone| now >= gone + forget)
    }

    /// Takes note of what is offered. `None` when nothing stands for the line any more.
    fn updated(
        mut self,
        offered: &[Arc<Component>],
        cause: Cause,
        now: Moment,
        forget: Duration,
    ) -> Option<Shown> {
        let rank = self.component.rank();
        let is_risen = |other: &&Arc<Component>| other.facts().is_settled && other.rank() > rank;
        let same = offered
            .iter()
            .find(|other| other.version() == self.component.version());
        let risen = offered.iter().filter(is_risen).max_by_key(|other| other.rank());
        let next = match risen.or(same) {
            Some(next) => Some(next),
            None if self.gone.is_none() && cause == Cause::Loss => {
                self.gone = Some(now);
                return Some(self);
            }
            None if self.gone.is_some() && !self.is_over(now, forget) => return Some(self),
            None => best(offered),
        };
        next.map(|next| Shown {
            component: next.clone(),
            line: self.line,
            gone: None,
        })
    }
}

impl Lines {
    /// Takes note of what is offered now.
    pub(super) fn update(&mut self, offered: &Offered, cause: Cause, now: Moment, forget: Duration) {
        let former = std::mem::take(&mut self.0).into_iter();
        let updated = former.filter_map(|shown| {
            let versions = offered.of(shown.component.name(), shown.line);
            shown.updated(versions, cause, now, forget)
        });
        self.0 = updated.collect();
        let known = self.0.iter();
        let known: HashSet<(Arc<str>, Line)> = known
            .map(|shown| (shown.component.name().clone(), shown.line))
            .collect();
        for row in &offered.rows {
            if !known.contains(&(row.name.clone(), row.line))
                && let Some(best) = best(&row.versions)
            {
                self.add(best.clone(), row.line);
            }
        }
    }

    fn add(&mut self, component: Arc<Component>, line: Line) {
        if self.0.len() >= MOST_LINES {
            let gone = self
                .0
                .iter()
                .enumerate()
                .filter(|(_, shown)| shown.gone.is_some());
            let Some((oldest, _)) = gone.min_by_key(|(_, shown)| shown.gone) else {
                return;
            };
            self.0.remove(oldest);
        }
        self.0.push(Shown {
            component,
            line,
            gone: None,
        });
    }

    /// Forgets what is not exposed any more.
    pub(super) fn retain(&mut self, is_exposed: impl Fn(&Component) -> bool) {
        self.0.retain(|shown| is_exposed(&shown.component));
    }

    /// When something is forgotten next.
    pub(super) fn next(&self, forget: Duration) -> Option<Moment> {
        self.0
            .iter()
            .filter_map(|shown| shown.gone)
            .min()
            .map(|gone| gone + forget)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Shown> {
        self.0.iter()
    }

    /// Whether a version that is gone, and not forgotten, would serve such a request.
    pub(super) fn remember(
        &self,
        name: &str,
        aim: Aim<'_>,
        admits: impl Fn(&ComponentVersion) -> bool,
    ) -> bool {
        self.0.iter().any(|shown| {
            let component = &shown.component;
            shown.gone.is_some()
                && **component.name() == *name
                && admits(component.version())
                && component.has(aim)
        })
    }
}

pub(super) fn line_of(component: &Component) -> Line {
    Line::of(component.version().exact())
}

/// The highest settled version, or the highest where none is settled.
fn best(versions: &[Arc<Component>]) -> Option<&Arc<Component>> {
    versions
        .iter()
        .max_by_key(|component| (component.facts().is_settled, component.rank()))
}
