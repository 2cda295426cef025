//! The state of a component, on its way to another version.
//!
//! Enters: the return value of `#[snapshot]`. Leaves: its bytes, or the reason why it cannot be written. Guarantees:
//! numbers are written as they are, not as JavaScript shows them, since no client reads them.

use crate::Error;
use crate::answer::{Fallible, IntoAnswer, OneResult, OwnResult};
use mesh_plugin_abi::Status;
use serde::Serialize;

/// The types that `#[snapshot]` may return: the state, or a `Result` with it.
///
/// `Kind` tells these apart for the compiler, which finds it by itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a component's state",
    label = "not a state",
    note = "return a type that implements `Serialize`, or a `Result` of one with `mesh_plugin_sdk::Error`"
)]
pub trait IntoState<Kind> {
    /// Writes the state.
    ///
    /// # Errors
    ///
    /// The component's own, or why it cannot be written.
    fn into_state(self) -> Result<StateBytes, Error>;
}

impl<T: Serialize> IntoState<OneResult> for T {
    fn into_state(self) -> Result<StateBytes, Error> {
        serde_json::to_vec(&self)
            .map(StateBytes)
            .map_err(|error| Error::type_error(format!("the state cannot be written: {error}")))
    }
}

impl<T: IntoState<Kind>, Kind> IntoState<Fallible<Kind>> for Result<T, Error> {
    fn into_state(self) -> Result<StateBytes, Error> {
        self?.into_state()
    }
}

/// A written state: the payload is its bytes and nothing else.
#[derive(Debug)]
pub struct StateBytes(Vec<u8>);

impl IntoAnswer<OwnResult> for StateBytes {
    fn write(self, payload: &mut Vec<u8>) -> i32 {
        *payload = self.0;
        Status::OK
    }
}

/// Writes what `#[snapshot]` returned.
///
/// # Errors
///
/// The component's own, or why it cannot be written.
pub fn write_state<Kind>(state: impl IntoState<Kind>) -> Result<StateBytes, Error> {
    state.into_state()
}
