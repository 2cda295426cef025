//! A mesh as one node of a cluster.
//!
//! Enters: a mesh, settings, and a connection to a messaging server ([`Wire`](mesh_cluster::wire::Wire)). Leaves: calls for the mesh's
//! components, answers for its callers, a description of all nodes' components. Guarantees: those of `mesh-cluster`; all state of
//! the cluster is in one task, and no call waits for it: what it is to do is queued.
//!
//! ```text
//! mesh ─▶ Nodes (queue, catalogues) ─▶ Engine (member, calls, serving) ─▶ Wire ─▶ server ─▶ other nodes
//! ```

#![forbid(unsafe_code)]

mod answer;
mod caller;
mod engine;
mod events;
mod nodes;
mod numbers;
mod queue;
mod run;
mod settings;
mod status;

pub use nodes::Nodes;
pub use run::{JoinError, Joined, join};
pub use settings::{Declared, Rules, Settings};
pub use status::ServerWatch;
