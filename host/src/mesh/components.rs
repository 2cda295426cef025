//! Which components there are, and which version of one serves a call.

use crate::plugin::{Component, LoadError, LoadErrorKind};
use crate::versions::RequestedRange;
use std::collections::HashMap;
use std::sync::Arc;

/// All components that can be called. Immutable once it is in use.
#[derive(Clone, Default)]
pub struct Registry {
    /// By name; versions in descending order, pre-releases last.
    by_name: HashMap<Box<str>, Vec<Arc<Component>>>,
    /// In the order in which they were added.
    order: Vec<Arc<Component>>,
}

impl Registry {
    /// Adds a component.
    ///
    /// # Errors
    ///
    /// [`LoadErrorKind::Duplicate`] when one of this name and version is there; the new one comes back.
    pub fn insert(&mut self, component: Arc<Component>) -> Result<(), (LoadError, Arc<Component>)> {
        let versions = self.by_name.entry(component.name().into()).or_default();
        let version = component.descriptor().version().text();
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
        versions.push(component.clone());
        versions.sort_by(|one, other| rank(other).cmp(&rank(one)));
        self.order.push(component);
        Ok(())
    }

    /// The versions of a component, the one that serves calls without a range first.
    pub fn versions(&self, name: &str) -> &[Arc<Component>] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The version that serves a call: the highest inside the range, or the highest stable one without a range.
    pub fn find(&self, name: &str, range: Option<&RequestedRange>) -> Option<&Arc<Component>> {
        let mut versions = self.versions(name).iter();
        match range {
            None => versions.next(),
            Some(range) => versions.find(|component| range.admits(component.descriptor().version())),
        }
    }

    /// All components, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Component>> {
        self.order.iter()
    }

    /// All components in the order in which they were added.
    pub fn in_order(&self) -> impl DoubleEndedIterator<Item = &Arc<Component>> {
        self.order.iter()
    }
}

fn rank(component: &Component) -> (bool, &semver::Version) {
    let version = component.descriptor().version().exact();
    (version.pre.is_empty(), version)
}
