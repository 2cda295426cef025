//! The table of all keys.
//!
//! Leaves: [`KEYS`]. Guarantees: see [`super`].

use super::Applies::{Live, Restart};
use super::*;

mod clients;
mod cluster;
mod components;
mod http;
mod mesh;
mod security;

/// Every key of `mesh.toml`, in the order of the documentation.
pub static KEYS: &[Key] = &joined::<{ count(SECTIONS) }>(SECTIONS);

const SECTIONS: &[&[Key]] = &[
    mesh::MESH,
    clients::HAPPN,
    clients::TLS,
    security::SECURITY,
    security::PROFILES,
    security::PROVIDERS,
    mesh::STORE,
    components::PLUGINS,
    http::REST,
    components::CALLS,
    components::SWAP,
    cluster::CLUSTER,
    http::WEB,
    http::ROUTES,
    http::FOLDERS,
    http::CONSOLE,
    components::COMPONENTS,
];

const fn count(sections: &[&[Key]]) -> usize {
    let (mut count, mut section) = (0, 0);
    while section < sections.len() {
        count += sections[section].len();
        section += 1;
    }
    count
}

/// The keys of all sections in one list. A constant cannot be collected from an iterator.
const fn joined<const COUNT: usize>(sections: &[&[Key]]) -> [Key; COUNT] {
    let mut keys = [sections[0][0]; COUNT];
    let (mut next, mut section) = (0, 0);
    while section < sections.len() {
        let mut key = 0;
        while key < sections[section].len() {
            keys[next] = sections[section][key];
            next += 1;
            key += 1;
        }
        section += 1;
    }
    keys
}

const fn integer(
    section: &'static str,
    name: &'static str,
    limits: Limits,
    applies: Applies,
    meaning: &'static str,
) -> Key {
    Key {
        section,
        name,
        takes: Takes::Integer {
            min: limits.min,
            max: limits.max,
        },
        default: KeyDefault::Integer(limits.default),
        applies,
        meaning,
    }
}
