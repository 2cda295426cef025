//! The moment when one version of a component takes over from another.
//!
//! Enters: pairs of versions, old and new. Leaves: a registry in which the new ones serve. Guarantees: each call
//! reaches one version and is answered once. Each event is heard by one. The requests of one connection go to the old
//! version first and to the new one ever after. Waiting requests are taken in order.

use super::exchange::unknown_method;
use super::{Mesh, Registry, StartProgress, WriteError};
use mesh_plugin::{Component, Nested, Waiting};
use std::sync::{Arc, PoisonError};

/// A pair of versions, the old and the new. Without an old version one is added, without a new one it is removed.
#[derive(Clone, Default)]
pub struct Takeover {
    /// Serves until now.
    pub old: Option<Arc<Component>>,
    /// Serves from now on.
    pub new: Option<Arc<Component>>,
}

impl Mesh {
    /// Lets new versions take over, all at once. Calls of theirs wait until [`Component::release`] lets them in; the old
    /// versions get no more, and are listed as retired.
    pub fn take_over(&self, changes: &[Takeover]) {
        for new in changes.iter().filter_map(|change| change.new.as_ref()) {
            new.hold(Nested::Waits);
        }
        self.subscriptions().in_silence(|| {
            for change in changes {
                if let Some(old) = &change.old {
                    old.instance().set_hearing(false);
                }
                if let Some(new) = &change.new {
                    new.instance().set_hearing(true);
                }
            }
        });
        let mut registry = Registry::clone(&self.registry());
        for change in changes {
            registry.exchange(change.old.as_ref(), change.new.as_ref());
        }
        self.registry.store(Arc::new(registry));
        // Before its first call: nobody who has seen the new version is sent to an older one on another node.
        self.tell_elsewhere();
        for change in changes {
            let Some(old) = &change.old else { continue };
            let waiting = old.seal();
            let left = match &change.new {
                Some(new) => new.adopt(old, waiting),
                None => waiting,
            };
            left.into_iter().for_each(|waiting| refuse(old, waiting));
            self.lock_retired().push(old.clone());
        }
        for new in changes.iter().filter_map(|change| change.new.as_ref()) {
            self.lock_retired().retain(|other| !Arc::ptr_eq(other, new));
        }
    }

    /// Versions that cannot be called any more and have not ended yet.
    pub fn retired(&self) -> Vec<Arc<Component>> {
        self.lock_retired().clone()
    }

    /// Forgets a version that has ended.
    pub fn forget(&self, component: &Arc<Component>) {
        self.subscriptions()
            .unsubscribe_all(component.instance().identity().number);
        self.lock_retired().retain(|other| !Arc::ptr_eq(other, component));
    }

    /// Lists a version that has ended while its library is still in memory.
    pub fn keep_resident(&self, component: &Arc<Component>, reason: &str) {
        component.set_resident(reason);
        self.subscriptions()
            .unsubscribe_all(component.instance().identity().number);
        let mut retired = self.lock_retired();
        if !retired.iter().any(|other| Arc::ptr_eq(other, component)) {
            retired.push(component.clone());
        }
    }

    /// Tells clients what there is now. Those that watch learn of a component's new methods only when they see it go and
    /// come again (docs/mesh-protocol.md 1.3). They lose it for a moment, so that is done only where methods have
    /// changed.
    ///
    /// # Errors
    ///
    /// When the store cannot write.
    pub fn publish_changes(&self, changes: &[Takeover]) -> Result<(), WriteError> {
        let changed: Vec<&str> = changes
            .iter()
            .filter_map(|change| Some((change.old.as_ref()?, change.new.as_ref()?)))
            .filter(|(old, new)| !has_same_methods(old, new))
            .map(|(_, new)| new.name())
            .collect();
        self.publish_description_after(StartProgress::Ready, &changed)
    }

    fn lock_retired(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Component>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether clients would write the same calls for both.
fn has_same_methods(one: &Component, other: &Component) -> bool {
    let listed = |component: &Component| {
        let methods = component.descriptor().methods().iter();
        let mut methods: Vec<(String, String)> = methods
            .map(|method| (method.name().to_owned(), method.parameters().get().to_owned()))
            .collect();
        methods.sort_unstable();
        methods
    };
    listed(one) == listed(other)
}

/// Answers a call that no version takes any more.
fn refuse(old: &Component, waiting: Waiting) {
    waiting.refuse(|method| unknown_method(old.name(), method).arguments());
}
