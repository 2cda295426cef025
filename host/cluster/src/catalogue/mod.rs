//! The words of nodes about their components, and the one description that follows from it.
//!
//! Enters: the own components, catalogues of peers, verdicts, and the time. Leaves: the catalogue's body for links, the
//! providers of each component, and the description when it changes. Guarantees: a peer's catalogue is believed only as far as
//! its form is right, and what was shown to clients stays for a while when its last provider goes.

mod body;
mod description;
mod expose;
mod lines;
mod offers;
mod table;

pub use body::{CatalogueError, LONGEST_BODY, MOST_COMPONENTS};
pub use description::{Entry, Publication};
pub use expose::{Expose, ExposeError};
pub use offers::offers;
pub use table::{Catalogues, MOST_NODES, Received, Settings};

use crate::component::Component;
use crate::hash::bytes_hash;
use bytes::Bytes;
use std::sync::Arc;

/// The words of a node about its components.
#[derive(Debug)]
pub struct Catalogue {
    revision: u64,
    hash: u64,
    components: Vec<Arc<Component>>,
}

impl Catalogue {
    /// The catalogue of these components. The revision rises with each change.
    pub fn new(revision: u64, components: Vec<Arc<Component>>) -> Catalogue {
        let hash = bytes_hash(&body::write(revision, &components));
        Catalogue {
            revision,
            hash,
            components,
        }
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    ///
    /// When it has another version, is damaged, or holds too much of anything.
    pub fn read(body: &[u8]) -> Result<Catalogue, CatalogueError> {
        let (revision, components) = body::read(body)?;
        Ok(Catalogue {
            revision,
            hash: bytes_hash(body),
            components,
        })
    }

    /// The body of a frame that says the same.
    pub fn body(&self) -> Bytes {
        body::write(self.revision, &self.components).into()
    }

    /// How often it has changed.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The hash of its body. Beats carry it, so that a catalogue that was missed is asked for.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The components, in the order in which the node lists them.
    pub fn components(&self) -> &[Arc<Component>] {
        &self.components
    }
}

#[cfg(test)]
mod tests;
