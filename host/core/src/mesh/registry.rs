//! Which components there are, and which version of one serves a call.
//!
//! Enters: endpoints as they come and go. Leaves: the one that serves a call. Guarantees: of each version of a component
//! there is one; a reader sees the endpoints of one moment.

use super::Endpoint;
use mesh_plugin::{Component, Identity, LoadError, LoadErrorKind};
use mesh_wire::versions::{Advertised, Line, RequestedRange};
use std::collections::HashMap;
use std::sync::Arc;

/// All components that can be called. Immutable once it is in use.
#[derive(Clone, Default)]
pub struct Registry {
    /// By name; versions in descending order, pre-releases last.
    by_name: HashMap<Box<str>, Vec<Endpoint>>,
    /// In the order in which they were added.
    order: Vec<Endpoint>,
    /// The description that a client gets if it reads it now.
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
    /// Adds an endpoint.
    ///
    /// # Errors
    ///
    /// [`LoadErrorKind::Duplicate`] when one of this name and version is there.
    pub fn insert(&mut self, endpoint: Endpoint) -> Result<(), LoadError> {
        let version = endpoint.descriptor().version().text();
        let versions = self.versions(endpoint.name());
        if versions
            .iter()
            .any(|other| other.descriptor().version().text() == version)
        {
            let message = format!(
                "component {} {version} is there twice (the second one from {}): each version of a component can be loaded once",
                endpoint.name(),
                endpoint.source()
            );
            return Err(LoadError::new(LoadErrorKind::Duplicate, message));
        }
        self.order.push(endpoint);
        self.sort();
        Ok(())
    }

    /// Puts the library `new` in the place of `old`; without `old` it adds, without `new` it removes.
    pub fn exchange(&mut self, old: Option<&Arc<Component>>, new: Option<&Arc<Component>>) {
        let place = old.and_then(|old| {
            let is_old = |other: &Arc<Component>| Arc::ptr_eq(other, old);
            self.order
                .iter()
                .position(|endpoint| endpoint.library().is_some_and(is_old))
        });
        match (place, new) {
            (Some(place), Some(new)) => self.order[place] = new.clone().into(),
            (Some(place), None) => drop(self.order.remove(place)),
            (None, Some(new)) => self.order.push(new.clone().into()),
            (None, None) => {}
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.by_name.clear();
        for endpoint in &self.order {
            let versions = self.by_name.entry(endpoint.name().into()).or_default();
            versions.push(endpoint.clone());
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
    pub fn versions(&self, name: &str) -> &[Endpoint] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The version that serves a call.
    pub fn find(&self, name: &str, asked: Asked<'_>) -> Option<&Endpoint> {
        let versions = self.versions(name);
        match asked {
            Asked::Any => versions.first(),
            Asked::Range(range) => versions
                .iter()
                .find(|endpoint| range.admits(endpoint.descriptor().version())),
            Asked::Advertised(advertised) if Arc::ptr_eq(advertised, &self.advertised) => versions.first(),
            Asked::Advertised(advertised) => match advertised.line(name) {
                None => versions.first(),
                Some(line) => versions
                    .iter()
                    .find(|endpoint| Line::of(endpoint.descriptor().version().exact()) == line),
            },
        }
    }

    /// The versions that a client learns when it reads the description now.
    pub fn advertised(&self) -> &Arc<Advertised> {
        &self.advertised
    }

    /// All endpoints, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Endpoint> {
        self.order.iter()
    }

    /// All endpoints in the order in which they were added.
    pub fn in_order(&self) -> impl DoubleEndedIterator<Item = &Endpoint> {
        self.order.iter()
    }

    /// Those that are libraries, in the order in which they were added.
    pub fn libraries(&self) -> impl DoubleEndedIterator<Item = &Arc<Component>> {
        self.order.iter().filter_map(Endpoint::library)
    }

    /// The name under which a version is listed, where that is not the component's own.
    pub fn other_name(&self, identity: &Identity) -> Option<String> {
        let versions = self.versions(&identity.component);
        let (first, others) = versions.split_first()?;
        if first.number() == identity.number {
            return None;
        }
        let endpoint = others.iter().find(|other| other.number() == identity.number)?;
        Some(self.listed_name(endpoint))
    }

    /// The name under which a version can be reached by clients that cannot send a range: the component's own for the
    /// version that serves it, `name@1` for the highest version of another line, `name@1.2.3` for the rest.
    pub fn listed_name(&self, endpoint: &Endpoint) -> String {
        let name = endpoint.name();
        let versions = self.versions(name);
        let line = |endpoint: &Endpoint| Line::of(endpoint.descriptor().version().exact());
        let own = line(endpoint);
        let highest = versions.iter().find(|other| line(other) == own);
        match versions.first() {
            Some(first) if first.is(endpoint) => name.to_owned(),
            Some(first) if line(first) != own && highest.is_some_and(|highest| highest.is(endpoint)) => {
                format!("{name}@{own}")
            }
            _ => format!("{name}@{}", endpoint.descriptor().version().text()),
        }
    }
}

fn rank(endpoint: &Endpoint) -> (bool, &semver::Version) {
    let version = endpoint.descriptor().version().exact();
    (version.pre.is_empty(), version)
}

/// Versions as a sentence lists them.
pub fn listed(versions: &[Endpoint]) -> String {
    let texts: Vec<&str> = versions
        .iter()
        .map(|endpoint| endpoint.descriptor().version().text())
        .collect();
    texts.join(", ")
}
