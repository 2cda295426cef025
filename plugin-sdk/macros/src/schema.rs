//! The JSON that a parameter takes, as far as its type says so by itself.
//!
//! Enters: a type as it is written. Leaves: a JSON Schema, or nothing. Guarantees: a schema never refuses what serde
//! reads into the type, if names such as `String` and `Option` mean what they mean everywhere. Of other types nothing
//! is said.

use syn::{GenericArgument, PathArguments, Type};

/// The schema of a type. The host and tools for HTTP read it; clients of the mesh never see it.
pub(crate) fn of(written: &Type) -> Option<String> {
    let Type::Path(path) = written else { return None };
    let last = path.path.segments.last()?;
    let name = last.ident.to_string();
    let inner = match &last.arguments {
        PathArguments::None => None,
        PathArguments::AngleBracketed(list) => match list.args.first() {
            Some(GenericArgument::Type(inner)) if list.args.len() == 1 => Some(inner),
            _ => return None,
        },
        PathArguments::Parenthesized(_) => return None,
    };
    match (name.as_str(), inner) {
        ("String", None) => Some(kind("string")),
        ("bool", None) => Some(kind("boolean")),
        ("f32" | "f64", None) => Some(kind("number")),
        ("Vec", Some(element)) => Some(match of(element) {
            Some(element) => format!(r#"{{"type":"array","items":{element}}}"#),
            None => kind("array"),
        }),
        ("Option", Some(some)) => or_null(&of(some)?),
        (name, None) => whole_number(name),
        _ => None,
    }
}

fn kind(name: &str) -> String {
    format!(r#"{{"type":"{name}"}}"#)
}

fn whole_number(name: &str) -> Option<String> {
    let (least, most) = match name {
        "u8" => (0, u64::from(u8::MAX)),
        "u16" => (0, u64::from(u16::MAX)),
        "u32" => (0, u64::from(u32::MAX)),
        // Components run on 64 bits: the host loads no other library.
        "u64" | "usize" => (0, u64::MAX),
        "i8" => (i64::from(i8::MIN), i8::MAX as u64),
        "i16" => (i64::from(i16::MIN), i16::MAX as u64),
        "i32" => (i64::from(i32::MIN), i32::MAX as u64),
        "i64" | "isize" => (i64::MIN, i64::MAX as u64),
        _ => return None,
    };
    Some(format!(
        r#"{{"type":"integer","minimum":{least},"maximum":{most}}}"#
    ))
}

/// A schema that takes null as well.
fn or_null(schema: &str) -> Option<String> {
    let rest = schema.strip_prefix(r#"{"type":"#)?;
    if rest.starts_with('[') {
        return Some(schema.to_owned());
    }
    let end = rest.find([',', '}'])?;
    let (kind, rest) = rest.split_at(end);
    Some(format!(r#"{{"type":[{kind},"null"]{rest}"#))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn types_that_everybody_knows_have_a_schema() {
        for (written, expected) in [
            ("String", Some(r#"{"type":"string"}"#)),
            ("::std::string::String", Some(r#"{"type":"string"}"#)),
            ("bool", Some(r#"{"type":"boolean"}"#)),
            ("f64", Some(r#"{"type":"number"}"#)),
            ("u8", Some(r#"{"type":"integer","minimum":0,"maximum":255}"#)),
            ("i8", Some(r#"{"type":"integer","minimum":-128,"maximum":127}"#)),
            (
                "usize",
                Some(r#"{"type":"integer","minimum":0,"maximum":18446744073709551615}"#),
            ),
            (
                "Vec<String>",
                Some(r#"{"type":"array","items":{"type":"string"}}"#),
            ),
            ("Vec<Order>", Some(r#"{"type":"array"}"#)),
            (
                "Option<Vec<bool>>",
                Some(r#"{"type":["array","null"],"items":{"type":"boolean"}}"#),
            ),
            ("Option<Option<f64>>", Some(r#"{"type":["number","null"]}"#)),
            ("Option<Order>", None),
            ("Order", None),
            ("Value", None),
            ("Raw", None),
            ("HashMap<String, f64>", None),
            ("String<T>", None),
            ("[f64; 2]", None),
            ("(f64, f64)", None),
            ("u128", None),
        ] {
            let found = of(&syn::parse_str(written).unwrap());
            assert_eq!(found.as_deref(), expected, "{written}");
        }
    }
}
