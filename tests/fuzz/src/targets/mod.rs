//! The targets, one file each.
//!
//! Enters: an input. Leaves: nothing, or a panic. Guarantees: each file names the properties that it checks, and
//! [`ALL`] lists every target.

mod completions;
mod criteria;
mod descriptors;
mod frames;
mod heads;
mod mesh_toml;
mod meshes;
mod paths;
mod ranges;
mod stores;
mod tokens;

pub use completions::COMPLETIONS;
pub use criteria::CRITERIA;
pub use descriptors::DESCRIPTORS;
pub use frames::FRAMES;
pub use heads::HEADS;
pub use mesh_toml::MESH_TOML;
pub use meshes::MESHES;
pub use paths::PATHS;
pub use ranges::RANGES;
pub use stores::STORES;
pub use tokens::TOKENS;

use crate::Target;
use mesh_wire::protocol::Dialect;

/// All targets.
pub const ALL: [&Target; 11] = [
    &COMPLETIONS,
    &CRITERIA,
    &DESCRIPTORS,
    &FRAMES,
    &HEADS,
    &MESH_TOML,
    &MESHES,
    &PATHS,
    &RANGES,
    &STORES,
    &TOKENS,
];

/// All dialects, the default one too.
const DIALECTS: [Dialect; 5] = [
    Dialect::Unconfigured,
    Dialect::Happn1,
    Dialect::Happn2,
    Dialect::Happn3,
    Dialect::Happn4,
];
