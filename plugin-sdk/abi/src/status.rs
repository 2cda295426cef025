//! Numbers that cross the boundary: how something ended, and how loud a log line is.

/// How a token was completed. The values are fixed; an unknown one is treated as [`Status::ERROR`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status;

impl Status {
    /// It worked. For a call the payload is a JSON array of results: `[]` for none, `[r]` for one, `[a,b]` for more.
    /// An empty payload means `[]`. The client sees `ok` with `[null, …results]`, or with `[]`.
    pub const OK: i32 = 0;
    /// It failed. For a call the payload is a JSON array whose first element is an object with `message` and `name`
    /// and any further fields. Elements after it are handed on. The client sees `error` with that array.
    pub const ERROR: i32 = 1;
    /// A call failed with something that is no error object. The payload is a JSON array whose first element is a string
    /// or a plain object. The client sees `ok` with that array and takes the first element for the error, as happner's
    /// components may answer. Where it is `null` there was no error: `[null]` is what `callback(null)` answers.
    pub const VALUE_ERROR: i32 = 2;
    /// As [`Status::ERROR`], and the cause was a defect of the component itself, such as a panic: counted against its
    /// version. Since minor version 1.
    pub const PANIC: i32 = 3;
}

/// Levels of [`crate::Host::log`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level;

impl Level {
    /// Something failed and a person should look.
    pub const ERROR: i32 = 1;
    /// Something is odd but was handled.
    pub const WARN: i32 = 2;
    /// Normal, rare events.
    pub const INFO: i32 = 3;
    /// For the author of the component.
    pub const DEBUG: i32 = 4;
    /// For the author of the component, in detail.
    pub const TRACE: i32 = 5;
}
