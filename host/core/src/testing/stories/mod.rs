//! Stories of a whole mesh: each says in its name how the mesh behaves.
//!
//! A story under many seeds holds in every schedule that they give; a failure names its seed.

mod calls;
mod data;
mod events;
mod links;
mod order;
mod publishing;
mod remotes;
mod secure;
mod versions;

use super::{Outcome, TestComponent};
use mesh_wire::protocol::Dialect;
use serde_json::json;

/// All dialects, the default one too.
const DIALECTS: [Dialect; 5] = Dialect::ALL;

/// A component that adds two numbers.
fn calculator() -> TestComponent {
    TestComponent::new("calc", "1.2.0").method("add", |call| {
        let number = |place: usize| call.arguments[place].as_i64().unwrap_or_default();
        Outcome::Result(json!(number(0) + number(1)))
    })
}

/// A component of this version that says which it is.
fn version(version: &'static str) -> TestComponent {
    TestComponent::new("clock", version).method("version", move |_| Outcome::Result(json!(version)))
}
