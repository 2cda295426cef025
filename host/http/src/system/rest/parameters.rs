//! Parameters of a REST request: from a body or a query to the arguments of a method.
//!
//! Enters: a request. Leaves: a JSON array. Guarantees: values reach the component as they were written; what
//! cannot be read is answered with 400 and a reason.

use super::methods::Described;
use super::{Reply, Request};
use crate::query;
use mesh_wire::origin::Origin;
use mesh_wire::protocol::json;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Parameters that are not handed to methods that take all of them.
const KEPT_BACK: [&str; 3] = ["happn_token", "username", "password"];

/// The parameters of a request, by name or by position.
#[derive(Debug)]
pub(super) enum Parameters {
    /// In their order; of several with one name the last one counts.
    Named(Vec<(String, Box<RawValue>)>),
    Positional(Vec<Box<RawValue>>),
}

/// Where a body has its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Below `parameters`.
    Wrapped,
    /// Below `parameters`; or, without that, the body itself is an object of them.
    WrappedOrBare,
}

impl Parameters {
    /// Reads them from the body, or from the query of a `GET`.
    pub(super) fn read(request: &Request<'_>, form: Form) -> Result<Parameters, Reply> {
        if let Some(body) = body(request)? {
            return Parameters::of_body(&body, form);
        }
        let pairs = query::pairs(query::split(request.url).1);
        // A name that is there more than once is an array.
        let mut values: Map<String, Value> = Map::new();
        for (name, value) in pairs {
            match values.get_mut(&name) {
                None => {
                    values.insert(name, value.into());
                }
                Some(Value::Array(several)) => several.push(value.into()),
                Some(first) => *first = Value::Array(vec![first.take(), value.into()]),
            }
        }
        let named = values
            .into_iter()
            .map(|(name, value)| (name, to_raw_value(&value).unwrap_or_else(|_| null())));
        Ok(Parameters::Named(named.collect()))
    }

    fn of_body(text: &str, form: Form) -> Result<Parameters, Reply> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Parameters::Named(Vec::new()));
        }
        let body: Box<RawValue> =
            serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))?;
        match Parameters::of(&body) {
            Some(Parameters::Named(fields)) => {
                let inner = fields.iter().rfind(|(name, _)| name == "parameters");
                match inner.filter(|(_, value)| value.get() != RawValue::NULL.get()) {
                    Some((_, inner)) => Parameters::of(inner)
                        .ok_or_else(|| unreadable("`parameters` must be an object or an array")),
                    None if form == Form::WrappedOrBare => Ok(Parameters::Named(fields)),
                    None => Ok(Parameters::Named(Vec::new())),
                }
            }
            Some(positional) => Ok(positional),
            None => Err(unreadable("the body must be a JSON object or array")),
        }
    }

    fn of(value: &RawValue) -> Option<Parameters> {
        if value.get().starts_with('[') {
            return serde_json::from_str(value.get()).ok().map(Parameters::Positional);
        }
        let fields: Fields = serde_json::from_str(value.get()).ok()?;
        Some(Parameters::Named(fields.0))
    }

    /// Whether there is one of this name that is not empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named(name).is_some_and(json::is_truthy)
    }

    /// Whether there is one of this name that is not null.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.named(name)
            .is_some_and(|value| value.get() != RawValue::NULL.get())
    }

    /// The text of this name, when it is one.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.named(name).and_then(json::as_text).map(Cow::into_owned)
    }

    fn named(&self, name: &str) -> Option<&RawValue> {
        match self {
            Parameters::Named(fields) => fields
                .iter()
                .rfind(|(other, _)| other == name)
                .map(|(_, value)| &**value),
            Parameters::Positional(_) => None,
        }
    }

    /// The arguments for a method, as a JSON array.
    pub(super) fn arguments(&self, method: Described<'_>, request: &Request<'_>, caller: &Origin) -> String {
        let values: Vec<Cow<'_, str>> = match self {
            Parameters::Positional(values) => values.iter().map(|value| value.get().into()).collect(),
            Parameters::Named(fields) => names(method)
                .iter()
                .filter(|name| !is_callback(name))
                .map(|name| match (&**name, name.strip_prefix("$req_")) {
                    ("$restParams", _) => all_of(fields).into(),
                    ("$userSession", _) if request.principal.accepted.is_some() => {
                        Cow::Borrowed(caller.json())
                    }
                    (_, Some(property)) => property_of(request, property),
                    _ => Cow::Borrowed(self.named(name).map_or("null", RawValue::get)),
                })
                .collect(),
        };
        format!("[{}]", values.join(","))
    }
}

/// The body of a request as text, which a `GET` may have in its query; `None` for a `GET` whose query has the parameters
/// themselves.
fn body<'a>(request: &Request<'a>) -> Result<Option<Cow<'a, str>>, Reply> {
    if request.verb != "GET" {
        let text = std::str::from_utf8(request.body).map_err(|_| unreadable("it is not UTF-8 text"))?;
        // Some programs write a byte order mark, which is no part of the text (RFC 8259, section 8.1).
        return Ok(Some(text.strip_prefix('\u{feff}').unwrap_or(text).into()));
    }
    let mut pairs = query::pairs(query::split(request.url).1).into_iter();
    let encoded = pairs.find(|(name, body)| name == "encoded_parameters" && !body.is_empty());
    Ok(encoded.map(|(_, body)| {
        // Clients of real servers may have encoded it twice.
        if body.starts_with('%') {
            query::decode(&body).into()
        } else {
            body.into()
        }
    }))
}

/// A field of a request's body beside the parameters; of several the last one. A body that cannot be read has none,
/// and is refused when its parameters are read.
pub(super) fn field_of_body(request: &Request<'_>, name: &str) -> Result<Option<Box<RawValue>>, Reply> {
    let body = body(request)?;
    let fields: Option<Fields> = body.and_then(|body| serde_json::from_str(&body).ok());
    let mut fields = fields.into_iter().flat_map(|fields| fields.0.into_iter().rev());
    Ok(fields.find(|(other, _)| other == name).map(|(_, value)| value))
}

/// The names of a method's parameters, in their order.
pub(super) fn names(method: Described<'_>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Parameter {
        name: String,
    }
    let parameters: Vec<Parameter> = serde_json::from_str(method.parameters().get()).unwrap_or_default();
    parameters
        .into_iter()
        .map(|parameter| parameter.name)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Whether a parameter stands for the one who waits for the answer. Components do not get it as an argument.
pub(super) fn is_callback(name: &str) -> bool {
    name == "callback"
}

/// Whether the host itself gives a parameter its value, whatever a request says.
pub(super) fn is_filled_in(name: &str) -> bool {
    matches!(name, "$restParams" | "$userSession") || name.starts_with("$req_")
}

/// The value of a parameter named `$req_…`.
fn property_of<'a>(request: &'a Request<'_>, property: &str) -> Cow<'a, str> {
    let text = match property {
        "method" => request.verb,
        "url" | "originalUrl" => request.url,
        "headers" => return request.headers.into(),
        _ => return "null".into(),
    };
    let mut out = String::new();
    json::write_string(&mut out, text);
    out.into()
}

/// All parameters as one JSON object.
fn all_of(fields: &[(String, Box<RawValue>)]) -> String {
    let mut out = String::from("{");
    for (name, value) in fields {
        if KEPT_BACK.contains(&name.as_str()) {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        json::write_string(&mut out, name);
        out.push(':');
        out.push_str(value.get());
    }
    out.push('}');
    out
}

/// The answer to a request that does not say what it should.
pub(super) fn unreadable(reason: &str) -> Reply {
    Reply::failed(400, "Failure parsing request body", reason)
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// The fields of an object in their order, as they were written.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin::Descriptor;

    /// The arguments that a request hands to a method, or the status that it is answered with.
    fn arguments(verb: &str, url: &str, body: &str, parameters: &[&str]) -> Result<String, u16> {
        let parameters: Vec<String> = parameters
            .iter()
            .map(|name| format!(r#"{{"name":"{name}"}}"#))
            .collect();
        let descriptor = format!(
            r#"{{"methods":[{{"name":"m","parameters":[{}]}}]}}"#,
            parameters.join(",")
        );
        let descriptor = Descriptor::check("test", b"c", b"1.0.0", b"", descriptor.as_bytes()).unwrap();
        let request = Request {
            verb,
            url,
            headers: "{}",
            body: body.as_bytes(),
            principal: mesh_security::WebPrincipal {
                expiry: None,
                accepted: None,
                address: std::net::Ipv4Addr::LOCALHOST.into(),
                is_forwarded: false,
                dialect: mesh_wire::protocol::Dialect::OF_HTTP,
            },
            documented: Vec::new,
        };
        let (_, method) = descriptor.method("m").unwrap();
        Parameters::read(&request, Form::Wrapped)
            .map(|parameters| {
                parameters.arguments(Described::Here(method), &request, &Origin::of_session("S"))
            })
            .map_err(|reply| reply.status)
    }

    #[test]
    fn parameters_are_taken_from_bodies() {
        for (body, expected) in [
            ("", Ok("[null,null]")),
            (" {} ", Ok("[null,null]")),
            ("\u{feff}[1]", Ok("[1]")),
            (
                r#"{"parameters":{"b":2.50,"a":{"x":[ 1]}}}"#,
                Ok(r#"[{"x":[ 1]},2.50]"#),
            ),
            (r#"{"parameters":{"a":1,"a":2}}"#, Ok("[2,null]")),
            (r#"{"parameters":[1,2,3]}"#, Ok("[1,2,3]")),
            (r#"["x"]"#, Ok(r#"["x"]"#)),
            (r#"{"parameters":null}"#, Ok("[null,null]")),
            (r#"{"parameters":"text"}"#, Err(400)),
            (r#"{"parameters":false}"#, Err(400)),
            (r#"{"parameters":""}"#, Err(400)),
            (r#"{"a":1}"#, Ok("[null,null]")),
            ("{broken", Err(400)),
            ("5", Err(400)),
            ("[1]]", Err(400)),
        ] {
            let found = arguments("POST", "/", body, &["a", "b", "callback"]);
            assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text), "{body}");
        }
        assert_eq!(
            arguments("POST", "/", &"[".repeat(50_000), &["a"]).unwrap_err(),
            400
        );
    }

    #[test]
    fn parameters_are_taken_from_queries() {
        for (query, expected) in [
            ("", Ok("[null,null]")),
            ("?a=5&b=x%20y", Ok(r#"["5","x y"]"#)),
            ("?a=1&a=2&a=3", Ok(r#"[["1","2","3"],null]"#)),
            (
                "?encoded_parameters=%7B%22parameters%22%3A%7B%22a%22%3A3%7D%7D",
                Ok("[3,null]"),
            ),
            (
                "?encoded_parameters=%257B%2522parameters%2522%253A%257B%2522b%2522%253A3%257D%257D",
                Ok("[null,3]"),
            ),
            ("?encoded_parameters=[1]", Ok("[1]")),
            ("?encoded_parameters=%7B", Err(400)),
        ] {
            let found = arguments("GET", &format!("/c/m{query}"), "", &["a", "b", "callback"]);
            assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text), "{query}");
        }
    }

    #[test]
    fn special_parameters_get_their_values() {
        let found = arguments(
            "PUT",
            "/c/m?x",
            r#"{"parameters":{"a":1,"password":"p"}}"#,
            &[
                "$restParams",
                "$req_method",
                "$req_url",
                "$req_ip",
                "$userSession",
            ],
        );
        assert_eq!(found.as_deref(), Ok(r#"[{"a":1},"PUT","/c/m?x",null,null]"#));
    }
}
