//! The server of a path (docs/mesh-protocol.md 9).
//!
//! Enters: the path of a URL as it was sent. Leaves: the place that serves it, and the path in one form. Letters of
//! another size, escapes and endings may lead to the same place. Guarantees: component routes are found whatever the
//! size of letters, and up to `/`, `.` or the end. The longest place serves, and a component before a folder.

use crate::query;
use mesh_core::mesh::{Mesh, Site, WebFolder};

/// The server of a path.
#[derive(Debug)]
pub struct Place<'a> {
    /// The server.
    pub served: Served<'a>,
    /// How many bytes of the path lead there; the rest is the place's own.
    pub length: usize,
    /// The path as permissions name it.
    pub canonical: String,
}

impl Place<'_> {
    /// Whether anybody may ask for it in a secure mesh by this path: it is open by the name that permissions know, too.
    pub fn is_open(&self, path: &str, site: &Site) -> bool {
        site.is_open(path) && site.is_open(&self.canonical)
    }
}

/// A component or a folder that serves something.
#[derive(Debug)]
pub enum Served<'a> {
    /// The web route of a component.
    Route {
        /// The component's name, which may carry a version.
        component: String,
        /// The route's name.
        route: String,
    },
    /// A folder.
    Folder(&'a WebFolder),
}

/// The server of a path, if there is one.
pub fn find<'a>(mesh: &'a Mesh, path: &str) -> Option<Place<'a>> {
    let site = mesh.site();
    let roots = site.routes.iter().filter_map(|root| {
        let served = || Served::Route {
            component: root.component.clone(),
            route: root.route.clone(),
        };
        at(path, 0, &root.path, served)
    });
    let folders = site
        .folders
        .iter()
        .filter_map(|folder| at(path, 0, &folder.path, || Served::Folder(folder)));
    let routes = component_routes(mesh, path, 0).into_iter();
    let below_mesh = below_mesh(mesh, path).and_then(|start| component_routes(mesh, path, start));
    // The last of the longest is taken.
    folders
        .chain(roots)
        .chain(below_mesh)
        .chain(routes)
        .max_by_key(|place| place.length)
}

/// The names under which components of this node and of others are listed, with their routes. Of two with one name the one of this node
/// counts.
fn listed(mesh: &Mesh, is_meant: impl Fn(&str) -> bool) -> Vec<(String, Vec<String>)> {
    let registry = mesh.registry();
    let own = registry.in_order().map(|component| {
        let routes = component
            .descriptor()
            .routes()
            .iter()
            .map(|(route, _)| route.clone());
        (registry.listed_name(component), routes.collect())
    });
    let mut listed: Vec<(String, Vec<String>)> = own.filter(|(name, _)| is_meant(name)).collect();
    let entries = mesh.elsewhere().map(|elsewhere| elsewhere.entries());
    let entries = entries.iter().flat_map(|entries| entries.iter());
    for entry in entries.filter(|entry| !entry.is_here && is_meant(&entry.listed)) {
        if !listed.iter().any(|(name, _)| **name == *entry.listed) {
            let routes = entry.component.facts().routes.iter();
            let routes = routes.map(|route| route.name.to_string());
            listed.push((entry.listed.to_string(), routes.collect()));
        }
    }
    listed
}

/// The longest route of a component that the path, from `start` on, is below of.
fn component_routes<'a>(mesh: &Mesh, path: &str, start: usize) -> Option<Place<'a>> {
    let segment = path.get(start..)?.strip_prefix('/')?.split('/').next()?;
    let wanted = query::decode(segment);
    let named = listed(mesh, |name| name.eq_ignore_ascii_case(&wanted));
    // Of names that differ in the size of letters only, the one that was written is meant.
    let is_exact = named.iter().any(|(name, _)| *name == wanted);
    let named = named.into_iter().filter(|(name, _)| !is_exact || *name == wanted);
    let places = named.flat_map(|(name, routes)| {
        let behind = start + 1 + segment.len();
        let places = routes.iter().filter_map(|route| {
            let below = below(path.get(behind..)?, &format!("/{route}"))?;
            let length = path.len() - below.len();
            let served = Served::Route {
                component: name.clone(),
                route: route.clone(),
            };
            let canonical = format!("{}/{name}/{route}{}", &path[..start], own_part(below)?);
            Some(Place {
                served,
                length,
                canonical,
            })
        });
        places.collect::<Vec<_>>()
    });
    places.max_by_key(|place| place.length)
}

/// Where the path goes on behind the mesh's name.
fn below_mesh(mesh: &Mesh, path: &str) -> Option<usize> {
    let segment = path.strip_prefix('/')?.split('/').next()?;
    let name = query::decode(segment);
    (name == mesh.name() || name == mesh.domain()).then_some(1 + segment.len())
}

/// A place of the configuration, where the path from `start` on is below of it.
fn at<'a>(path: &str, start: usize, place: &str, served: impl FnOnce() -> Served<'a>) -> Option<Place<'a>> {
    let below = below(path.get(start..)?, place)?;
    let served = served();
    let rest = match &served {
        Served::Folder(_) => file_part(below),
        Served::Route { .. } => own_part(below)?,
    };
    Some(Place {
        length: path.len() - below.len(),
        canonical: format!("{}{rest}", if place == "/" { "" } else { place }),
        served,
    })
}

/// The rest of a path behind a place: empty, or text that begins with `/` or `.`.
fn below<'p>(path: &'p str, place: &str) -> Option<&'p str> {
    if place == "/" {
        return Some(path);
    }
    let (start, below) = path.split_at_checked(place.len())?;
    let is_below = below.is_empty() || below.starts_with(['/', '.']);
    (is_below && start.eq_ignore_ascii_case(place)).then_some(below)
}

/// The path below a route as permissions name it. It is without an ending such as `.json` of the route itself,
/// without a `/` at the end, escapes undone, no empty segments. `None` where it climbs.
fn own_part(below: &str) -> Option<String> {
    let ending = if below.starts_with('.') {
        below.find('/').unwrap_or(below.len())
    } else {
        0
    };
    let decoded = query::decode(&below[ending..]);
    let mut own = String::new();
    for segment in decoded.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        if segment == ".." {
            return None;
        }
        own.push('/');
        own.push_str(segment);
    }
    Some(own)
}

/// The file that a path below a folder means, as permissions name it. Escapes are undone, there are no empty
/// segments, and it is the page of a folder where the path ends with `/`.
fn file_part(below: &str) -> String {
    let decoded = query::decode(below);
    let mut file = String::new();
    for segment in decoded.split('/').filter(|segment| !segment.is_empty()) {
        file.push('/');
        file.push_str(segment);
    }
    if decoded.ends_with('/') {
        file.push_str("/index.html");
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_a_route_has_one_name_for_permissions() {
        for (below, expected) in [
            ("", Some("")),
            ("/", Some("")),
            (".json", Some("")),
            (".x/admin", Some("/admin")),
            ("/admin/", Some("/admin")),
            ("//admin", Some("/admin")),
            ("/%61dmin", Some("/admin")),
            ("/./admin", Some("/admin")),
            ("/a%2Fb", Some("/a/b")),
            ("/a/../admin", None),
            ("/a/%2e%2e/admin", None),
        ] {
            assert_eq!(own_part(below).as_deref(), expected, "{below}");
        }
    }

    #[test]
    fn a_file_has_one_name_for_permissions() {
        for (below, expected) in [
            ("/a.txt", "/a.txt"),
            ("/%61.txt", "/a.txt"),
            ("//a.txt", "/a.txt"),
            ("/%2fa.txt", "/a.txt"),
            ("/sub//", "/sub/index.html"),
            ("/", "/index.html"),
            ("", ""),
        ] {
            assert_eq!(file_part(below), expected, "{below}");
        }
    }

    #[test]
    fn a_path_is_below_a_place_up_to_a_slash_a_dot_or_its_end() {
        for (path, place, expected) in [
            ("/lab/r1", "/lab/r1", Some("")),
            ("/LAB/R1", "/lab/r1", Some("")),
            ("/lab/r1/more", "/lab/r1", Some("/more")),
            ("/lab/r1.json", "/lab/r1", Some(".json")),
            ("/lab/r1x", "/lab/r1", None),
            ("/lab", "/lab/r1", None),
            ("/ž", "/a", None),
            ("/anything", "/", Some("/anything")),
        ] {
            assert_eq!(below(path, place), expected, "{path} {place}");
        }
    }
}
