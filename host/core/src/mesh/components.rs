//! Which components there are, and which version of one serves a call.

use mesh_plugin::{Component, Instance, LoadError, LoadErrorKind};
use mesh_wire::versions::{Advertised, Line, RequestedRange};
use std::collections::HashMap;
use std::sync::Arc;

/// All components that can be called. Immutable once it is in use.
#[derive(Clone, Default)]
pub struct Registry {
    /// By name; versions in descending order, pre-releases last.
    by_name: HashMap<Box<str>, Vec<Arc<Component>>>,
    /// In the order in which they were added.
    order: Vec<Arc<Component>>,
    /// The versions that a client learns when it reads the description now.
    advertised: Arc<Advertised>,
}

/// Which version a call wants.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// Whichever serves the component's bare name.
    Any,
    /// One like the version that the caller was advertised.
    Advertised(&'a Arc<Advertised>),
    /// The highest inside a range.
    Range(&'a RequestedRange),
}

impl Registry {
    /// Adds a component.
    ///
    /// # Errors
    ///
    /// [`LoadErrorKind::Duplicate`] when one of this name and version is there; the new one comes back.
    pub fn insert(&mut self, component: Arc<Component>) -> Result<(), (LoadError, Arc<Component>)> {
        let version = component.descriptor().version().text();
        let versions = self.versions(component.name());
        if versions
            .iter()
            .any(|other| other.descriptor().version().text() == version)
        {
            let message = format!(
                "component {} {version} is there twice (the second one from {}): each version of a component can be loaded once",
                component.name(),
                component.library().display()
            );
            return Err((LoadError::new(LoadErrorKind::Duplicate, message), component));
        }
        self.order.push(component);
        self.sort();
        Ok(())
    }

    /// Puts `new` in the place of `old`; without `old` it adds, without `new` it removes.
    pub fn exchange(&mut self, old: Option<&Arc<Component>>, new: Option<&Arc<Component>>) {
        let place = old.and_then(|old| self.order.iter().position(|other| Arc::ptr_eq(other, old)));
        match (place, new) {
            (Some(place), Some(new)) => self.order[place] = new.clone(),
            (Some(place), None) => drop(self.order.remove(place)),
            (None, Some(new)) => self.order.push(new.clone()),
            (None, None) => {}
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.by_name.clear();
        for component in &self.order {
            let versions = self.by_name.entry(component.name().into()).or_default();
            versions.push(component.clone());
        }
        for versions in self.by_name.values_mut() {
            versions.sort_by(|one, other| rank(other).cmp(&rank(one)));
        }
        let first = self.by_name.iter().filter_map(|(name, versions)| {
            let version = versions.first()?.descriptor().version();
            Some((name.clone(), Line::of(version.exact())))
        });
        self.advertised = Arc::new(Advertised::new(first));
    }

    /// The versions of a component, the one that serves its bare name first.
    pub fn versions(&self, name: &str) -> &[Arc<Component>] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The version that serves a call.
    pub fn find(&self, name: &str, asked: Asked<'_>) -> Option<&Arc<Component>> {
        let versions = self.versions(name);
        match asked {
            Asked::Any => versions.first(),
            Asked::Range(range) => versions
                .iter()
                .find(|component| range.admits(component.descriptor().version())),
            Asked::Advertised(advertised) if Arc::ptr_eq(advertised, &self.advertised) => versions.first(),
            Asked::Advertised(advertised) => match advertised.line(name) {
                None => versions.first(),
                Some(line) => versions
                    .iter()
                    .find(|component| Line::of(component.descriptor().version().exact()) == line),
            },
        }
    }

    /// The versions that a client learns when it reads the description now.
    pub fn advertised(&self) -> &Arc<Advertised> {
        &self.advertised
    }

    /// All components, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Component>> {
        self.order.iter()
    }

    /// All components in the order in which they were added.
    pub fn in_order(&self) -> impl DoubleEndedIterator<Item = &Arc<Component>> {
        self.order.iter()
    }

    /// The name under which a version is listed, where that is not the component's own.
    pub fn other_name(&self, instance: &Instance) -> Option<String> {
        let identity = instance.identity();
        let versions = self.versions(&identity.component);
        let (first, others) = versions.split_first()?;
        if first.instance().identity().number == identity.number {
            return None;
        }
        let component = others
            .iter()
            .find(|other| other.instance().identity().number == identity.number)?;
        Some(self.listed_name(component))
    }

    /// The name under which a version can be reached by clients that cannot send a range. It is the component's own
    /// for the version that serves it, `name@1` for the highest version of another line, `name@1.2.3` for the rest.
    pub fn listed_name(&self, component: &Arc<Component>) -> String {
        let name = component.name();
        let versions = self.versions(name);
        let line = |component: &Component| Line::of(component.descriptor().version().exact());
        let own = line(component);
        let highest = versions.iter().find(|other| line(other) == own);
        match versions.first() {
            Some(first) if Arc::ptr_eq(first, component) => name.to_owned(),
            Some(first)
                if line(first) != own && highest.is_some_and(|highest| Arc::ptr_eq(highest, component)) =>
            {
                format!("{name}@{own}")
            }
            _ => format!("{name}@{}", component.descriptor().version().text()),
        }
    }
}

fn rank(component: &Component) -> (bool, &semver::Version) {
    let version = component.descriptor().version().exact();
    (version.pre.is_empty(), version)
}

/// Versions as a sentence lists them.
pub fn listed(versions: &[Arc<Component>]) -> String {
    let texts: Vec<&str> = versions
        .iter()
        .map(|component| component.descriptor().version().text())
        .collect();
    texts.join(", ")
}
