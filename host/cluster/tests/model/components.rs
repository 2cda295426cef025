//! The components of the stories: `calc`, with a method that may be repeated and one that may not.

use mesh_cluster::component::{Affinity, Component, Facts, Method, Reach};
use mesh_wire::versions::ComponentVersion;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The method that may be executed twice, but for some versions.
pub const IDEMPOTENT: &str = "get";
/// The method that may not.
pub const ONCE: &str = "add";

/// A version of `calc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Calc {
    pub major: u64,
    pub minor: u64,
    pub is_settled: bool,
}

impl Calc {
    pub fn made(self, affinity: Affinity) -> Arc<Component> {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).expect("it is JSON");
        let method = |name: &str| Method {
            name: name.into(),
            parameters: raw("[]"),
            is_asynchronous: false,
            is_idempotent: name == IDEMPOTENT && self.minor % 3 != 2,
        };
        let version = format!("{}.{}.0", self.major, self.minor);
        let facts = Facts {
            name: "calc".into(),
            version: ComponentVersion::parse(&version).expect("it is a version"),
            methods: vec![method(IDEMPOTENT), method(ONCE)],
            routes: Vec::new(),
            events: raw("{}"),
            data: raw("{}"),
            lanes: 1,
            reach: Reach::Cluster,
            affinity,
            is_settled: self.is_settled,
        };
        Arc::new(Component::new(facts).expect("it is right"))
    }
}
