//! The fixed HTTP paths of the host.
//!
//! Enters: the path of a URL, or of an entry of mesh.toml. Leaves: the row of [`TABLE`] that it belongs to. Guarantees:
//! routing, access, refused verbs, the paths that mesh.toml may not take and the OpenAPI document all read this one table.

mod table;

pub(crate) use table::{TABLE, WEBSOCKETS};

pub(crate) use crate::operations::{Access, Documented, Operation, OwnFailure};

use crate::query;
use crate::system::client::ClientFile;
use crate::system::rest;
use mesh_core::mesh::Mesh;

/// One fixed path, or several that are served alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FixedPath {
    /// The path as permissions and the OpenAPI document name it.
    pub(crate) path: &'static str,
    /// Which other paths the row is for.
    pub(crate) reach: Reach,
    /// The verbs that are answered.
    pub(crate) verbs: Verbs,
    /// Its access in a secure mesh.
    pub(crate) access: Access,
    /// The handler.
    pub(crate) handler: Handler,
    /// Its description in the OpenAPI document.
    pub(crate) operation: Option<Operation>,
}

/// Which paths belong to a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    /// The path, in letters of any size.
    Exact,
    /// The path as the row has it, and no other spelling.
    AsWritten,
    /// The paths of a list that the handler keeps.
    Listed(fn(&str) -> bool),
    /// The path in letters of any size, and all that follows it behind a slash.
    Below,
    /// Every text that begins with the path, in letters of any size.
    Beginning,
}

/// The verbs that a path answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verbs {
    /// Their list as in the header `Allow`.
    pub(crate) allow: &'static str,
    /// When another verb is refused.
    pub(crate) refused: Refused,
}

impl Verbs {
    /// Whether a verb is one of these.
    pub(crate) fn include(&self, verb: &str) -> bool {
        self.allow.split(", ").any(|allowed| allowed == verb)
    }
}

/// When a verb that a path does not answer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Before anybody looks at who asks.
    AtOnce,
    /// When the one who asks was let in; the handler does it.
    OnceAdmitted,
    /// Never.
    Never,
}

/// The handler of requests for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// That the host is there.
    Ping,
    /// The version of the host.
    Version,
    /// That this is the path of websockets.
    Primus,
    /// How websockets are spoken here.
    PrimusSpec,
    /// Figures for Prometheus.
    Metrics,
    /// Whether the host runs.
    Health,
    /// Whether the mesh takes requests.
    Readiness,
    /// Logging in and out without a websocket, which only a secure mesh has.
    Authentication(Authentication),
    /// A file of the client for browsers.
    Client(ClientFile),
    /// A file of the console.
    ConsoleFile,
    /// The figures of the console.
    ConsoleFigures,
    /// The component `rest`.
    Rest(rest::Route),
    /// Nothing, unless a component or a folder serves the path.
    Nothing,
}

/// The operations of a login without a websocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// Gives a token.
    LogIn,
    /// Gives a nonce to sign.
    RequestNonce,
    /// Ends a token.
    LogOut,
}

/// The fixed paths in the OpenAPI document.
pub(crate) fn documented() -> Vec<Documented> {
    let operations = TABLE.iter().filter_map(|row| Some((row, row.operation?)));
    let documented = operations.map(|(row, operation)| Documented {
        path: row.path,
        access: row.access,
        operation,
    });
    documented.collect()
}

/// The row that a path belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'p> {
    /// The row.
    pub(crate) row: &'static FixedPath,
    /// The rest behind the row's path, without the slash between them.
    pub(crate) below: &'p str,
}

/// The row of a path in a mesh; rows of parts that the mesh does not have are left out.
pub(crate) fn find<'p>(mesh: &Mesh, path: &'p str) -> Option<Found<'p>> {
    let is_there = |row: &FixedPath| match row.handler {
        Handler::Rest(_) => rest::is_there(mesh),
        Handler::ConsoleFile | Handler::ConsoleFigures => mesh.has_console(),
        _ => true,
    };
    matching(path, &[mesh.name(), mesh.domain()]).find(|found| is_there(found.row))
}

/// Whether an entry of mesh.toml for this path, in small letters, would never be reached.
pub(crate) fn is_reserved(path: &str, has_console: bool) -> bool {
    let is_there = |row: &&FixedPath| match row.handler {
        Handler::Nothing => false,
        Handler::ConsoleFile | Handler::ConsoleFigures => has_console,
        _ => true,
    };
    TABLE.iter().filter(is_there).any(|row| match row.reach {
        Reach::Below => row.below(path).is_some(),
        _ => path == row.path,
    })
}

/// The rows that a path belongs to, the most important first. The path of a row of `rest` may follow the name of the mesh.
fn matching<'p>(path: &'p str, meshes: &[&str]) -> impl Iterator<Item = Found<'p>> {
    let of_rest = below_mesh(path, meshes).unwrap_or(path).trim_end_matches('/');
    TABLE.iter().filter_map(move |row| {
        let path = match row.handler {
            Handler::Rest(_) => of_rest,
            _ => path,
        };
        row.below(path).map(|below| Found { row, below })
    })
}

/// The rest behind the name of the mesh in a path that begins with it. A path that begins with `/rest` has none.
fn below_mesh<'p>(path: &'p str, meshes: &[&str]) -> Option<&'p str> {
    let (first, _) = path.strip_prefix('/')?.split_once('/')?;
    let is_mesh = || meshes.contains(&&*query::decode(first));
    (!first.eq_ignore_ascii_case("rest") && is_mesh()).then(|| &path[1 + first.len()..])
}

impl FixedPath {
    /// The rest behind the row's path in one that belongs to it.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let behind = || {
            let (start, behind) = path.split_at_checked(self.path.len())?;
            start.eq_ignore_ascii_case(self.path).then_some(behind)
        };
        match self.reach {
            Reach::Exact => self.path.eq_ignore_ascii_case(path).then_some(""),
            Reach::AsWritten => (self.path == path).then_some(""),
            Reach::Listed(has) => has(path).then_some(""),
            Reach::Below => behind().and_then(|behind| match behind {
                "" => Some(behind),
                _ => behind.strip_prefix('/'),
            }),
            Reach::Beginning => behind(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rest::Route;

    fn first<'p>(path: &'p str, meshes: &[&str]) -> Option<Found<'p>> {
        matching(path, meshes).next()
    }

    #[test]
    fn a_path_of_rest_has_many_spellings_and_may_follow_the_name_of_the_mesh() {
        let method = |below| Some((Route::Method, below));
        for (path, expected) in [
            ("/rest/login", Some((Route::Login, ""))),
            ("/rest/login//", Some((Route::Login, ""))),
            ("/rest/login/more", Some((Route::Login, "more"))),
            ("/REST/Describe", Some((Route::Describe, ""))),
            ("/rest/describe/", Some((Route::Describe, ""))),
            ("/rest/openapi.json", Some((Route::OpenApi, ""))),
            ("/D/rest/openapi.json", Some((Route::OpenApi, ""))),
            ("/rest/method/calc/add", method("calc/add")),
            ("/My%20Mesh/rest/method/calc/add", method("calc/add")),
            ("/D/rest/method/D/calc/add", method("D/calc/add")),
            ("/Other/rest/method/calc/add", None),
            ("/rest/method", method("")),
            ("/rest/methods/calc/add", None),
            ("/rest", None),
            ("/rest/", None),
            ("/", None),
            ("", None),
        ] {
            let found = first(path, &["My Mesh", "D"]).map(|found| match found.row.handler {
                Handler::Rest(route) => (route, found.below),
                other => panic!("{path}: {other:?}"),
            });
            assert_eq!(found, expected, "{path}");
        }
        let of_a_mesh_named_rest = first("/rest/rest/login", &["rest"]);
        assert!(of_a_mesh_named_rest.is_none());
    }

    #[test]
    fn a_path_is_found_in_letters_of_any_size_but_for_those_of_the_console() {
        for (path, expected) in [
            ("/PING", Some(Handler::Ping)),
            ("/ping/", None),
            ("/Primus/Spec", Some(Handler::PrimusSpec)),
            ("/primus", Some(Handler::Primus)),
            ("/primus/other", Some(Handler::Nothing)),
            ("/primus.js", Some(Handler::Nothing)),
            ("/browser_primus.js", Some(Handler::Nothing)),
            ("/api/Client.MJS", Some(Handler::Client(ClientFile::Module))),
            ("/console/", Some(Handler::ConsoleFile)),
            ("/console/dom.js", Some(Handler::ConsoleFile)),
            ("/console/none.js", None),
            ("/Console", None),
            ("/console/status", Some(Handler::ConsoleFigures)),
            ("/console/Status", None),
            ("ping", None),
            ("*", None),
        ] {
            let found = first(path, &[]).map(|found| found.row.handler);
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn each_row_is_the_first_for_its_own_path_or_for_what_is_below_it() {
        for row in TABLE {
            let below = format!("{}/x", row.path);
            let is_first = |path| first(path, &[]).is_some_and(|found| std::ptr::eq(found.row, row));
            assert!(is_first(row.path) || is_first(&below), "{}", row.path);
        }
    }

    #[test]
    fn the_described_verb_is_one_that_is_answered() {
        for row in TABLE {
            let Some(operation) = &row.operation else { continue };
            let verb = operation.verb.to_uppercase();
            assert!(row.verbs.include(&verb), "{} {verb}", row.path);
        }
    }

    #[test]
    fn mesh_toml_may_not_use_the_fixed_paths() {
        for (path, expected) in [
            ("/ping", true),
            ("/primus", true),
            ("/primus/other", false),
            ("/browser_primus.js", false),
            ("/auth/logout", true),
            ("/auth", false),
            ("/api/client", true),
            ("/api/client.mjs", true),
            ("/api/client/more", false),
            ("/rest", false),
            ("/rest/login", true),
            ("/rest/method/calc/add", true),
            ("/rest/other", false),
            ("/console/pictures", false),
        ] {
            assert_eq!(is_reserved(path, true), expected, "{path}");
        }
        assert!(is_reserved("/console", true) && !is_reserved("/console", false));
    }
}
