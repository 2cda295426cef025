//! A host that does nothing of what a component asks for, for tests.
//!
//! Enters: requests of a component. Leaves: nothing. Guarantees: no request is ever answered.

use super::emitter::Emitter;
use super::instance::{Caller, Instance, Services};
use std::sync::Arc;

/// Services that leave each request alone.
pub struct NoServices;

impl Services for NoServices {
    fn emit(&self, _: &Emitter, _: &str, _: &[u8], _: &[u8]) {}
    fn call(&self, _: Caller, _: &str, _: &str, _: &str, _: &[u8], _: u32) {}
    fn subscribe(&self, _: Caller, _: &str, _: &str, _: &str) {}
    fn unsubscribe(&self, _: &Arc<Instance>, _: u64) {}
    fn data_set(&self, _: Caller, _: &str, _: &[u8], _: &[u8]) {}
    fn data_get(&self, _: Caller, _: &str) {}
    fn data_remove(&self, _: Caller, _: &str) {}
    fn after(&self, _: Caller, _: u64) {}
}
