//! The mesh's name, and the place of its data.
//!
//! Leaves: the keys of the top level, `[store]`. Guarantees: see [`super::super`].

use super::*;

/// Keys of the top level.
pub(super) const MESH: &[Key] = &[
    Key {
        section: "",
        name: "name",
        takes: Takes::Text,
        default: KeyDefault::Required,
        applies: Restart,
        meaning: "Name of the mesh; not empty, no `/`, no `*`.",
    },
    Key {
        section: "",
        name: "domain",
        takes: Takes::Text,
        default: KeyDefault::SameAs("name"),
        applies: Restart,
        meaning: "Domain of the mesh, for peers that group meshes; same rules as `name`.",
    },
    Key {
        section: "",
        name: "data_component",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(false),
        applies: Restart,
        meaning: "Whether the mesh has the component `data`, as happner meshes with `data: {}` have.",
    },
];

/// Keys of `[store]`.
pub(super) const STORE: &[Key] = &[
    Key {
        section: "store",
        name: "path",
        takes: Takes::Path,
        default: KeyDefault::Unset,
        applies: Restart,
        meaning: "File that keeps the data; without it data lives in memory only.",
    },
    Key {
        section: "store",
        name: "durability",
        takes: Takes::Choice(DURABILITIES),
        default: KeyDefault::Text(DURABILITIES[0]),
        applies: Restart,
        meaning: "When a write is acknowledged: when it is on disk, or (`interval`, `none`) at once.",
    },
    integer(
        "store",
        "interval_ms",
        INTERVAL_MS,
        Restart,
        "Milliseconds of writes that a crash may take with `durability = \"interval\"`.",
    ),
];
