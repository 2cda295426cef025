//! Components and peers that tests play.
//!
//! Enters: a name, a version or a number. Leaves: the same, with all that the test does not ask for. Guarantees: the same input gives
//! the same output.

use crate::component::{Affinity, Facts, Method, Reach};
use crate::identity::{Incarnation, NodeName};
use crate::peer::Peer;
use mesh_wire::versions::ComponentVersion;
use serde_json::value::RawValue;
use std::num::NonZeroU64;

pub(crate) fn version(text: &str) -> ComponentVersion {
    ComponentVersion::parse(text).unwrap()
}

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// A method with these parameters, which may not be repeated.
pub(crate) fn method(name: &str, parameters: &str) -> Method {
    Method {
        name: name.into(),
        parameters: raw(parameters),
        is_asynchronous: false,
        is_idempotent: false,
    }
}

/// A settled component that all nodes may call, with the method `add`.
pub(crate) fn facts(name: &str, text: &str) -> Facts {
    Facts {
        name: name.into(),
        version: version(text),
        methods: vec![method("add", "[]")],
        routes: Vec::new(),
        events: raw("{}"),
        data: raw("{}"),
        lanes: 1,
        reach: Reach::Cluster,
        affinity: Affinity::None,
        is_settled: true,
    }
}

/// A node of this name, in a start of this number.
pub(crate) fn peer(name: &str, started: u64) -> Peer {
    Peer {
        node: NodeName::new(name).unwrap(),
        incarnation: Incarnation::new(started, NonZeroU64::MIN),
    }
}
