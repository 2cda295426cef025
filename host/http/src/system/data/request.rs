//! Calls of `data`, taken apart.
//!
//! Enters: the arguments of a call. Leaves: the path in the store, the value, the options, the caller's dialect.
//! Guarantees: the path is below the component's folder, whatever the caller wrote.

use mesh_core::gate::check_size;
use mesh_core::mesh::BuiltinCall;
use mesh_wire::protocol::{Dialect, WireError, json};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The folder of the component's documents.
const FOLDER: &str = "/_data/data/";

/// A call.
pub(super) struct Request<'a> {
    /// The path, as the caller wrote it.
    pub(super) key: Cow<'a, str>,
    /// Where that is in the store.
    pub(super) path: String,
    /// The value to write, or for `increment` the gauge.
    pub(super) value: Option<&'a RawValue>,
    /// The last argument that is no value: an object, or for `increment` a number.
    pub(super) options: Option<&'a RawValue>,
    /// The dialect of the caller.
    pub(super) dialect: Dialect,
}

impl<'a> Request<'a> {
    /// Reads the arguments of a method that has a path.
    pub(super) fn read(call: &'a BuiltinCall, dialect: Dialect) -> Result<Request<'a>, WireError> {
        let arguments: Vec<&'a RawValue> = serde_json::from_slice(&call.arguments).unwrap_or_default();
        let mut arguments = arguments.into_iter();
        let key = arguments.next().and_then(json::as_text);
        let key = key
            .filter(|key| !key.is_empty())
            .ok_or_else(|| WireError::plain("[bad path]: either empty or not a string"))?;
        let value = match call.method.as_ref() {
            b"set" | b"increment" => arguments.next(),
            _ => None,
        };
        let path = format!("{FOLDER}{}", key.strip_prefix('/').unwrap_or(&key));
        check_size(&path)?;
        let options = arguments.next().filter(|options| options.get() != "null");
        Ok(Request {
            key,
            path,
            value,
            options,
            dialect,
        })
    }
}
