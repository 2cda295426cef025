//! A host that does nothing of what a component asks for, for tests.
//!
//! Enters: requests of a component. Leaves: nothing. Guarantees: no request is ever answered.

use super::emitter::Emitter;
use super::instance::{Caller, Instance, Services};
use super::wrong::Wrong;
use std::sync::Arc;

/// Services that leave each request alone.
pub struct NoServices;

impl Services for NoServices {
    fn emit(&self, _: &Emitter, _: &str, _: &[u8], _: &[u8]) -> Result<(), Wrong> {
        Ok(())
    }
    fn call(&self, _: Caller, _: &str, _: &str, _: &str, _: &[u8], _: u32) -> Result<(), Wrong> {
        Ok(())
    }
    fn subscribe(&self, _: Caller, _: &str, _: &str, _: &str) -> Result<(), Wrong> {
        Ok(())
    }
    fn unsubscribe(&self, _: &Arc<Instance>, _: u64) -> Result<(), Wrong> {
        Ok(())
    }
    fn data_set(&self, _: Caller, _: &str, _: &[u8], _: &[u8]) -> Result<(), Wrong> {
        Ok(())
    }
    fn data_get(&self, _: Caller, _: &str) -> Result<(), Wrong> {
        Ok(())
    }
    fn data_remove(&self, _: Caller, _: &str) -> Result<(), Wrong> {
        Ok(())
    }
    fn after(&self, _: Caller, _: u64) -> Result<(), Wrong> {
        Ok(())
    }
}
