//! Components that are part of the host itself.
//!
//! Enters: an identity, a descriptor and a handler. Leaves: calls for the handler, and an [`Emitter`] for its events.
//! Guarantees: there is no library, no lane and no life cycle behind one, so nothing that replaces or stops libraries can take one.

use bytes::Bytes;
use mesh_plugin::{Answer, Descriptor, Emitter, Identity, Job};
use mesh_wire::origin::Origin;
use std::sync::atomic::{AtomicU64, Ordering};

/// A component that is part of the host itself.
pub struct Builtin {
    emitter: Emitter,
    descriptor: Descriptor,
    handler: Box<dyn Handler>,
    calls: AtomicU64,
}

/// The behaviour of a component of the host.
pub trait Handler: Send + Sync {
    /// Answers a call, now or later, from any thread. Must not wait.
    fn call(&self, call: BuiltinCall, answer: Box<dyn Answer>);
}

/// A call of a component that is part of the host itself.
#[derive(Clone, Debug)]
pub struct BuiltinCall {
    /// The method's name, one that the component's descriptor lists.
    pub method: Bytes,
    /// A JSON array of arguments.
    pub arguments: Bytes,
    /// Who calls.
    pub origin: Origin,
}

impl Builtin {
    /// A component that answers calls from now on.
    pub fn new(identity: Identity, descriptor: Descriptor, handler: Box<dyn Handler>) -> Builtin {
        Builtin {
            emitter: Emitter::new(identity),
            descriptor,
            handler,
            calls: AtomicU64::new(0),
        }
    }

    /// Who it is, where events are emitted.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// The description that it gives of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Calls taken so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Hands a call to the handler.
    pub fn call(&self, job: Job, answer: Box<dyn Answer>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let call = BuiltinCall {
            method: job.target,
            arguments: job.payload,
            origin: job.origin.unwrap_or_else(Origin::nobody),
        };
        self.handler.call(call, answer);
    }
}
