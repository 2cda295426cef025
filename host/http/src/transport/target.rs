//! Who answers a request.
//!
//! What enters: a path. What leaves: the component `rest`, a place of components and folders, or the host. Guarantees: what the host
//! answers itself comes before all that the configuration names; it is found out once, so that who is let in and who answers are
//! decided of the same thing.

use super::console;
use crate::system;
use crate::system::rest::{self, Route};
use crate::web::{self, OWN_PATHS, Place};
use mesh_core::mesh::Mesh;

/// Who answers a request.
#[derive(Debug)]
pub(super) enum Target<'m> {
    /// The component `rest`.
    Rest(Route),
    /// A component or a folder.
    Place(Place<'m>),
    /// The host: a path of its own, or one where nothing is.
    Host,
}

impl Target<'_> {
    /// Who answers requests for a path.
    pub(super) fn of<'m>(mesh: &'m Mesh, path: &str) -> Target<'m> {
        if let Some(route) = rest::route(mesh, path) {
            return Target::Rest(route);
        }
        // What is no path, as in `OPTIONS *`, is nobody's.
        let is_own = !path.starts_with('/')
            || OWN_PATHS.iter().any(|own| own.eq_ignore_ascii_case(path))
            || system::client::file(path).is_some()
            || console::serves(mesh, path);
        let place = (!is_own).then(|| web::find(mesh, path)).flatten();
        place.map_or(Target::Host, Target::Place)
    }
}
