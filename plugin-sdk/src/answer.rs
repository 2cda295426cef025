//! Return values of methods, and their form on the wire.
//!
//! Enters: a method's return value. Leaves: a status and a JSON array for the host.

use crate::error::parse;
use crate::raw::Raw;
use crate::{Error, javascript};
use mesh_plugin_abi::Status;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// The types that a method may return.
///
/// | returned | the caller gets |
/// |---|---|
/// | any `T: Serialize` | one result |
/// | `()` | one result, `null` |
/// | [`Nothing`] | no result, as from `callback()` |
/// | [`NoError`] | no result behind a `null` for the error, as from `callback(null)` |
/// | [`Many`]`((a, b))`, [`Results`] | several results |
/// | `Result<T, Error>` with any of these | the results, or the error |
///
/// `Kind` tells these apart for the compiler, which finds it by itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of a method",
    label = "not an answer",
    note = "return a type that implements `Serialize`, `Nothing`, `NoError`, `Many<..>`, `Results`, or a `Result` of these with `mesh_plugin_sdk::Error`",
    note = "errors of other types become `mesh_plugin_sdk::Error` through `?`"
)]
pub trait IntoAnswer<Kind> {
    /// Writes the answer's payload into the empty `payload` and returns its [`Status`].
    fn write(self, payload: &mut Vec<u8>) -> i32;
}

/// One result: see [`IntoAnswer`].
#[derive(Debug)]
pub struct OneResult;
/// A type of the SDK's own: see [`IntoAnswer`].
#[derive(Debug)]
pub struct OwnResult;
/// Results or an error: see [`IntoAnswer`].
#[derive(Debug)]
pub struct Fallible<Kind>(PhantomData<Kind>);

impl<T: Serialize> IntoAnswer<OneResult> for T {
    fn write(self, payload: &mut Vec<u8>) -> i32 {
        payload.push(b'[');
        finish(
            javascript::write(payload, &self).map(|()| payload.push(b']')),
            payload,
        )
    }
}

/// No result at all: the caller's callback is called without arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nothing;

impl IntoAnswer<OwnResult> for Nothing {
    fn write(self, _payload: &mut Vec<u8>) -> i32 {
        Status::OK
    }
}

/// No result, and that there was no error: the caller's callback is called with `null`, as by `callback(null)`.
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Memory;
///
/// #[component(name = "memory", version = "1.0.0", export = false)]
/// impl Memory {
///     fn forget(&self, name: String) -> Result<NoError, Error> {
///         if name.is_empty() {
///             return Err(Error::new("whom should I forget?"));
///         }
///         Ok(NoError)
///     }
/// }
///
/// # use mesh_plugin_sdk::testing::Harness;
/// # fn main() -> Result<(), Error> {
/// # let memory = Harness::<Memory>::new(json!({}));
/// # assert!(memory.call("forget", json!(["a"]))?.is_empty());
/// # assert!(memory.call("forget", json!([""])).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoError;

impl NoError {
    /// The caller's result.
    pub(crate) const PAYLOAD: &[u8] = b"[null]";
}

impl IntoAnswer<OwnResult> for NoError {
    fn write(self, payload: &mut Vec<u8>) -> i32 {
        payload.extend_from_slice(NoError::PAYLOAD);
        Status::VALUE_ERROR
    }
}

/// Several results: those in a tuple, an array or a vector.
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Halves;
///
/// #[component(name = "halves", version = "1.0.0", export = false)]
/// impl Halves {
///     fn split(&self, text: String) -> Many<(String, String)> {
///         let (left, right) = text.split_at(text.len() / 2);
///         Many((left.to_owned(), right.to_owned()))
///     }
/// }
///
/// # use mesh_plugin_sdk::testing::Harness;
/// # fn main() -> Result<(), Error> {
/// # let results = Harness::<Halves>::new(json!({})).call("split", json!(["abcd"]))?;
/// # assert_eq!(results.values::<Value>()?, [json!("ab"), json!("cd")]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Many<T>(pub T);

impl<T: Sequence> IntoAnswer<OwnResult> for Many<T> {
    fn write(self, payload: &mut Vec<u8>) -> i32 {
        finish(javascript::write(payload, &self.0), payload)
    }
}

/// The types that [`Many`] may hold: those written as JSON arrays.
pub trait Sequence: Serialize {}

impl<T: Serialize> Sequence for Vec<T> {}

macro_rules! sequences {
    ($(($($name:ident)+))+) => {
        $(impl<$($name: Serialize),+> Sequence for ($($name,)+) {})+
    };
}
sequences! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

macro_rules! arrays {
    ($($length:literal)+) => { $(impl<T: Serialize> Sequence for [T; $length] {})+ };
}
arrays! { 1 2 3 4 5 6 7 8 }

impl<T: IntoAnswer<Kind>, Kind> IntoAnswer<Fallible<Kind>> for Result<T, Error> {
    fn write(self, payload: &mut Vec<u8>) -> i32 {
        match self {
            Ok(answer) => answer.write(payload),
            Err(error) => error.write(payload),
        }
    }
}

/// Results of a call: what another component answered, or what a method hands on.
#[derive(Clone, Debug, Default)]
pub struct Results(Vec<Raw>);

impl Results {
    /// Results to answer with.
    pub fn new(results: Vec<Raw>) -> Results {
        Results(results)
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Results, Error> {
        if payload.is_empty() {
            return Ok(Results::default());
        }
        Ok(Results(serde_json::from_slice(payload)?))
    }

    /// The first result as a value of one's own type; none counts as `null`.
    ///
    /// # Errors
    ///
    /// A `TypeError` when the result is something else.
    pub fn one<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.get(0)
    }

    /// The result at a position as a value of one's own type; none counts as `null`.
    ///
    /// # Errors
    ///
    /// A `TypeError` when the result is something else.
    pub fn get<T: DeserializeOwned>(&self, position: usize) -> Result<T, Error> {
        match self.0.get(position) {
            Some(result) => parse("result of a call", result),
            None => parse("result of a call", &crate::raw::null()),
        }
    }

    /// All results.
    ///
    /// # Errors
    ///
    /// A `TypeError` when a result is not a `T`.
    pub fn values<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        self.0
            .iter()
            .map(|result| parse("result of a call", result))
            .collect()
    }

    /// The results as JSON texts.
    pub fn raw(&self) -> &[Raw] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoAnswer<OwnResult> for Results {
    fn write(self, payload: &mut Vec<u8>) -> i32 {
        finish(javascript::write(payload, &self.0), payload)
    }
}

/// The failure of a call in which the component panicked: the host counts it against the component's version.
pub(crate) struct Panicked(pub(crate) Error);

impl IntoAnswer<OwnResult> for Panicked {
    fn write(self, payload: &mut Vec<u8>) -> i32 {
        self.0.write(payload);
        Status::PANIC
    }
}

/// The types that `#[start]`, `#[stop]`, `#[restore]`, `#[health]`, `#[quiesce]` and `#[resume]` may return: nothing,
/// or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether it went well",
    label = "neither nothing nor a `Result`",
    note = "return nothing, or a `Result<(), Error>`"
)]
pub trait IntoOutcome {
    /// Whether it went well.
    ///
    /// # Errors
    ///
    /// The component's own.
    fn into_outcome(self) -> Result<(), Error>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E: Into<Error>> IntoOutcome for Result<(), E> {
    fn into_outcome(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}

fn finish(written: Result<(), serde_json::Error>, payload: &mut Vec<u8>) -> i32 {
    match written {
        Ok(()) => Status::OK,
        Err(error) => {
            Error::type_error(format!("the result cannot be written as JSON: {error}")).write(payload)
        }
    }
}
