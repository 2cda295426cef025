//! From a JSON array of arguments to a method's parameters.
//!
//! Enters: the array's bytes, borrowed. Leaves: a tuple of the parameters' types, made in one pass. Missing
//! arguments are `null`, surplus ones are skipped.

use crate::Error;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

/// Parameters of a method, in order: tuples of up to twelve types.
pub trait Parameters<'de>: Sized {
    /// Takes the parameters one by one. `position` says which one, for error messages.
    #[doc(hidden)]
    fn take<A: SeqAccess<'de>>(sequence: &mut A, position: &Cell<usize>) -> Result<Self, A::Error>;
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    sequence: &mut A,
    position: &Cell<usize>,
) -> Result<T, A::Error> {
    let value = match sequence.next_element()? {
        Some(value) => value,
        None => serde_json::from_str("null")
            .map_err(|error| A::Error::custom(without_place(&error.to_string())))?,
    };
    position.set(position.get() + 1);
    Ok(value)
}

macro_rules! parameters {
    ($(($($name:ident)*))+) => {
        $(impl<'de, $($name: Deserialize<'de>),*> Parameters<'de> for ($($name,)*) {
            #[allow(unused_variables, clippy::unused_unit)]
            fn take<Access: SeqAccess<'de>>(
                sequence: &mut Access,
                position: &Cell<usize>,
            ) -> Result<Self, Access::Error> {
                Ok(($(next::<$name, Access>(sequence, position)?,)*))
            }
        })+
    };
}
parameters! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) (A B C D E F G H I)
    (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
}

struct Arguments<'a, P> {
    position: &'a Cell<usize>,
    parameters: PhantomData<P>,
}

impl<'de, P: Parameters<'de>> Visitor<'de> for Arguments<'_, P> {
    type Value = P;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<P, A::Error> {
        self.position.set(0);
        let parameters = P::take(&mut sequence, self.position)?;
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(parameters)
    }
}

/// Reads a method's arguments. `names` are those of the parameters on the wire.
pub(crate) fn read<'de, P: Parameters<'de>>(
    payload: &'de [u8],
    component: &str,
    method: &str,
    names: &[&str],
) -> Result<P, Error> {
    let position = Cell::new(usize::MAX);
    let mut json = serde_json::Deserializer::from_slice(if payload.is_empty() { b"[]" } else { payload });
    (&mut json)
        .deserialize_seq(Arguments {
            position: &position,
            parameters: PhantomData,
        })
        .map_err(|error| {
            explain(
                &error.to_string(),
                component,
                method,
                names.get(position.get()).copied(),
            )
        })
}

#[cold]
fn explain(error: &str, component: &str, method: &str, parameter: Option<&str>) -> Error {
    let error = without_place(error);
    let problem = match error
        .strip_prefix("invalid type: ")
        .or_else(|| error.strip_prefix("invalid value: "))
    {
        Some(rest) => match rest.split_once(", expected ") {
            Some((found, expected)) => format!("expected {}, found {found}", in_words(expected)),
            None => error.to_owned(),
        },
        None => error.to_owned(),
    };
    match parameter {
        Some(parameter) => Error::type_error(format!(
            "{component}.{method}: wrong argument for parameter `{parameter}`: {problem}"
        ))
        .field("parameter", parameter),
        None => Error::type_error(format!("{component}.{method}: wrong arguments: {problem}")),
    }
}

/// serde's expectation, for readers who do not write Rust.
fn in_words(expected: &str) -> &str {
    match expected {
        "f64" | "f32" => "a number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "a sequence" => "an array",
        "a map" => "an object",
        "a borrowed string" => "a string",
        expected => expected,
    }
}

/// Removes the position that serde_json appends: it counts bytes of a text that the caller never saw.
fn without_place(error: &str) -> &str {
    error.rfind(" at line ").map_or(error, |end| &error[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn message<P: for<'de> Parameters<'de>>(json: &str) -> String {
        let error = read::<P>(json.as_bytes(), "calc", "divide", &["a", "b"])
            .err()
            .unwrap();
        assert_eq!(error.type_name(), "TypeError");
        error.message().to_owned()
    }

    #[test]
    fn missing_arguments_are_null_and_surplus_ones_ignored() {
        let read =
            |json: &'static str| read::<(Option<f64>, Value)>(json.as_bytes(), "calc", "divide", &["a", "b"]);
        assert_eq!(read("[1,2]").unwrap(), (Some(1.0), Value::from(2)));
        assert_eq!(read("[1]").unwrap(), (Some(1.0), Value::Null));
        assert_eq!(read("[]").unwrap(), (None, Value::Null));
        assert_eq!(read("").unwrap(), (None, Value::Null));
        assert_eq!(
            read("[1, [2], {\"x\":3}, 4]").unwrap(),
            (Some(1.0), Value::from(vec![2]))
        );
    }

    #[test]
    fn a_wrong_argument_is_named() {
        assert_eq!(
            message::<(f64, f64)>(r#"[1,"x"]"#),
            "calc.divide: wrong argument for parameter `b`: expected a number, found string \"x\""
        );
        assert_eq!(
            message::<(f64, f64)>("[1]"),
            "calc.divide: wrong argument for parameter `b`: expected a number, found null"
        );
        assert_eq!(
            message::<(u8,)>("[-1]"),
            "calc.divide: wrong argument for parameter `a`: expected a whole number that is not negative, found integer `-1`"
        );
        assert_eq!(
            message::<(u8,)>("{}"),
            "calc.divide: wrong arguments: expected an array of arguments, found map"
        );
    }
}
