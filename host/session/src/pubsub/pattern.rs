//! The matching rules of one pattern and one path, which lie below: [`mesh_wire::pattern`]. [`super::Index`] finds the same
//! answers for many patterns at once.

pub use mesh_wire::pattern::{ANY, DEFAULT_DEPTH, Pattern, follow, parts_of, without_slash};
