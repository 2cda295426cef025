//! Changing the components of a mesh that serves: one version takes over from another.
//!
//! Enters: a wish, from a command, from a saved `mesh.toml` or from a saved source file. Leaves: a mesh with the new
//! versions, or the same mesh and one sentence that says why not. In the end a `mesh.toml` that names what runs.
//!
//! Guarantees:
//! - A swap loses, fails, doubles and reorders no call and no event.
//! - A new version that misbehaves during probation is rolled back without anybody's help.
//! - `mesh.toml` is written only after probation, and never while developing.
//!
//! ```text
//! dev (sources, cargo) ─▶ deployment (mesh.toml, plans) ─▶ swap (steps, probation) ─▶ mesh-core: takeover
//! ```

#![forbid(unsafe_code)]

pub mod deployment;
pub mod dev;
pub mod swap;
