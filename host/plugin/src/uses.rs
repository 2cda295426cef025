//! Which extensions of the host a component uses, as far as the host acts otherwise for those that do.
//!
//! Enters: the descriptor of a library, the version of the ABI that it was built for, and the names that it looks up. Leaves: yes or no.
//! Guarantees: a look-up of a library that was built for ABI 1.3 or later changes nothing.

use crate::Descriptor;
use mesh_plugin_abi as abi;
use std::sync::atomic::{AtomicBool, Ordering};

/// The last minor version of the ABI whose libraries say what they use by looking it up. Later ones say it in their descriptor.
const LAST_BY_LOOK_UP: u16 = 2;

/// Extensions of those that say for whom they ask. Each request of the second versions names its call.
const DELEGATES: [&str; 4] = [
    abi::DELEGATION_EXTENSION,
    abi::EXCHANGE_2_EXTENSION,
    abi::EVENTS_2_EXTENSION,
    abi::DATA_2_EXTENSION,
];

/// The extensions that a component uses.
#[derive(Debug)]
pub(super) struct Uses {
    delegation: AtomicBool,
    web: AtomicBool,
    /// Whether a look-up says that an extension is used.
    by_look_up: bool,
}

impl Default for Uses {
    /// As an old library that has not looked anything up.
    fn default() -> Uses {
        Uses {
            delegation: AtomicBool::new(false),
            web: AtomicBool::new(false),
            by_look_up: true,
        }
    }
}

impl Uses {
    /// Those that a descriptor names. A library of an earlier minor version may still look up others.
    pub(super) fn of(descriptor: &Descriptor, abi_minor: u16) -> Uses {
        Uses {
            delegation: AtomicBool::new(DELEGATES.iter().any(|name| descriptor.uses(name))),
            web: AtomicBool::new(descriptor.uses(abi::HTTP_EXTENSION)),
            by_look_up: abi_minor <= LAST_BY_LOOK_UP,
        }
    }

    /// The library has looked up an extension of this name.
    pub(super) fn look_up(&self, name: &str) {
        if !self.by_look_up {
            return;
        }
        match name {
            name if DELEGATES.contains(&name) => self.delegation.store(true, Ordering::Relaxed),
            abi::HTTP_EXTENSION => self.web.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    /// Whether it can say for whom it asks.
    pub(super) fn delegation(&self) -> bool {
        self.delegation.load(Ordering::Relaxed)
    }

    /// Whether it can answer web requests.
    pub(super) fn web(&self) -> bool {
        self.web.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(extensions: &str) -> Descriptor {
        let json = format!(r#"{{"methods":[]{extensions}}}"#);
        Descriptor::check("lib.so", b"calc", b"1.0.0", b"", json.as_bytes()).unwrap()
    }

    #[test]
    fn a_look_up_says_something_only_in_libraries_of_the_first_versions() {
        for (abi_minor, says) in [(0, true), (1, true), (2, true), (3, false), (9, false)] {
            let uses = Uses::of(&descriptor(""), abi_minor);
            for name in ["mesh.none/1", abi::HTTP_EXTENSION, abi::DELEGATION_EXTENSION] {
                uses.look_up(name);
            }
            assert_eq!((uses.web(), uses.delegation()), (says, says), "1.{abi_minor}");
        }
    }

    #[test]
    fn a_descriptor_says_it_in_libraries_of_all_versions() {
        for abi_minor in [0, 2, 3] {
            let uses = Uses::of(
                &descriptor(r#","extensions":["mesh.http/1","mesh.none/7"]"#),
                abi_minor,
            );
            assert_eq!((uses.web(), uses.delegation()), (true, false));
        }
        for name in DELEGATES {
            let uses = Uses::of(&descriptor(&format!(r#","extensions":["{name}"]"#)), 3);
            assert_eq!((uses.web(), uses.delegation()), (false, true), "{name}");
        }
    }
}
