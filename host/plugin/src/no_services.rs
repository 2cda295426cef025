//! Stand-ins for tests: a host that does nothing of what a component asks for, a caller who does not mind, a component.
//!
//! Enters: requests of a component, answers of one. Leaves: nothing. Guarantees: no request is ever answered.

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

/// A caller who does not mind.
#[cfg(test)]
pub(crate) struct Nobody;

#[cfg(test)]
impl crate::Answer for Nobody {
    fn answer(self: Box<Self>, _: i32, _: &[u8]) {}
    fn abandon(self: Box<Self>, _: crate::Abandoned) {}
}

/// A component that asks.
#[cfg(test)]
pub(crate) fn identity(number: u64) -> crate::Identity {
    crate::Identity {
        mesh: "M".to_owned(),
        domain: "M".to_owned(),
        component: "asks".to_owned(),
        version: "1.0.0".to_owned(),
        number,
    }
}
