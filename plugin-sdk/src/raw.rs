//! JSON that is handed on as it came.

use serde_json::value::RawValue;

/// JSON text that nobody looks into: taken as an argument and returned as a result, it stays byte for byte the same.
///
/// ```
/// use mesh_plugin_sdk::{Raw, raw};
/// let value: Raw = raw(&[1, 2]).unwrap();
/// assert_eq!(value.get(), "[1,2]");
/// ```
pub type Raw = Box<RawValue>;

/// Writes a value as JSON text.
///
/// # Errors
///
/// When the value cannot be written as JSON, such as a map whose keys are no texts.
pub fn raw<T: serde::Serialize + ?Sized>(value: &T) -> Result<Raw, crate::Error> {
    let mut text = Vec::new();
    crate::javascript::write(&mut text, value)?;
    Ok(RawValue::from_string(String::from_utf8(text)?)?)
}

/// The JSON text `null`.
pub(crate) fn null() -> Raw {
    RawValue::NULL.to_owned()
}

/// Bytes that ought to be JSON; what is none becomes `null`.
pub(crate) fn from_bytes(bytes: &[u8]) -> Raw {
    serde_json::from_slice(bytes).unwrap_or_else(|_| null())
}
