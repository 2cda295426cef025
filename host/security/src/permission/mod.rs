//! Permissions: what groups and users may do, and how that is decided.
//!
//! Enters: permissions as administrators write them (happn's form in [`Rules`], the mesh's form in [`from_mesh`]),
//! the groups of a user and facts about the user. Later an action and a path. Leaves: [`Access`], which decides.
//! Guarantees: nothing matching is denied. A prohibition beats every allowance. Patterns are anchored. No pattern,
//! template or expression takes more than linear time or an unbounded amount of memory. Everything is immutable once
//! compiled.
//!
//! `docs/security.md` says what the rules are, `tests/corpus/permissions` holds the answers of real servers.

mod access;
mod actions;
mod entry;
mod error;
mod lookup;
mod mesh_form;
mod pattern;
mod rules;
mod system_groups;
mod table;
mod template;

pub use access::{Access, checked_path};
pub use actions::{Action, Actions};
pub use entry::{Front, Permission, Words, Written};
pub use error::PermissionError;
pub use lookup::{LookupPermission, LookupTable, lookup_allows};
pub use mesh_form::{Purpose, from_mesh, hidden_prohibitions, to_mesh};
pub use pattern::{LONGEST_PATH, covers};
pub use rules::{Holder, MOST_PATHS, Rules};
pub use system_groups::{admin, delegate, guest, mesh_admin};
pub use table::{Decision, Table};
pub use template::Facts;
