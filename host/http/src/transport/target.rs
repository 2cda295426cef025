//! The handler of a request.
//!
//! Enters: a path. Leaves: a fixed path of the host, or a place of components and folders. Guarantees: paths that the
//! host answers itself come before all that the configuration names. It is found out once, so that who is let in and
//! who answers are decided of the same thing.

use crate::paths::{self, Found, Handler};
use crate::system::rest::Route;
use crate::web::{self, Place};
use mesh_core::mesh::Mesh;

/// The handler of a request.
#[derive(Debug)]
pub(super) enum Target<'a> {
    /// The host, at one of its fixed paths.
    Fixed(Found<'a>),
    /// A component or a folder.
    Place(Place<'a>),
    /// Nobody.
    Nothing,
}

impl Target<'_> {
    /// The handler of requests for a path.
    pub(super) fn of<'a>(mesh: &'a Mesh, path: &'a str) -> Target<'a> {
        let fixed = paths::find(mesh, path);
        if let Some(found) = fixed
            && found.row.handler != Handler::Nothing
        {
            return Target::Fixed(found);
        }
        // A target that is no path, as in `OPTIONS *`, has no handler.
        let place = path.starts_with('/').then(|| web::find(mesh, path)).flatten();
        match (place, fixed) {
            (Some(place), _) => Target::Place(place),
            (None, Some(found)) => Target::Fixed(found),
            (None, None) => Target::Nothing,
        }
    }

    /// Whether the request calls a method of a component.
    pub(super) fn is_call(&self) -> bool {
        matches!(self, Target::Fixed(found) if found.row.handler == Handler::Rest(Route::Method))
    }
}
