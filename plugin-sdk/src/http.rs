//! Web routes: what a browser asks, and what it is answered.
//!
//! Enters: a work item of the host, or whatever a function with `#[route]` returns. Leaves: a request in safe types,
//! and a response as bytes. Guarantees: nothing that a client sends panics here. A response that cannot be written is
//! an error of the component's, told to the client as status 500.

use crate::error::parse;
use crate::origin::Origin;
use crate::{Error, javascript};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request for a web route. Taken by a function with `#[route]`.
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
/// use mesh_plugin_sdk::testing::Harness;
///
/// #[derive(Default)]
/// struct Shop;
///
/// #[component(name = "shop", version = "1.0.0", export = false)]
/// impl Shop {
///     /// Served at `/shop/price` and at all paths below.
///     #[route("price")]
///     fn price(&self, request: &HttpRequest) -> HttpResponse {
///         match request.path().trim_start_matches('/') {
///             "apples" => HttpResponse::json(&json!({"price": 3})),
///             other => HttpResponse::text(format!("no {other} here\n")).status(404),
///         }
///     }
/// }
///
/// let harness = Harness::<Shop>::new(json!({}));
/// let response = harness.http("GET", "/shop/price/apples", b"").unwrap();
/// assert_eq!(response.body(), br#"{"price":3}"#);
/// assert_eq!(harness.http("GET", "/shop/price/pears", b"").unwrap().status_code(), 404);
/// ```
#[derive(Clone, Debug)]
pub struct HttpRequest {
    head: Head,
    origin: Origin,
    body: Vec<u8>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    route: String,
    method: String,
    url: String,
    path: String,
    query: String,
    headers: Map<String, Value>,
    address: String,
}

impl HttpRequest {
    pub(crate) fn read(head: &[u8], body: &[u8], origin: &[u8]) -> Result<HttpRequest, Error> {
        let head = serde_json::from_slice(head)
            .map_err(|error| Error::new(format!("the host sent an unreadable request: {error}")))?;
        Ok(HttpRequest {
            head,
            origin: Origin::read(origin),
            body: body.to_vec(),
        })
    }

    /// The route's name, as the component declares it.
    pub fn route(&self) -> &str {
        &self.head.route
    }

    /// The HTTP method in capitals, such as `GET`.
    pub fn method(&self) -> &str {
        &self.head.method
    }

    /// Path and query as the client sent them: `/shop/price/apples?currency=eur`. Percent signs are not decoded.
    pub fn url(&self) -> &str {
        &self.head.url
    }

    /// The rest of the path behind the route, such as `/apples`: empty, or beginning with `/` or `.`. Not decoded.
    pub fn path(&self) -> &str {
        &self.head.path
    }

    /// The query behind the `?`: `currency=eur`, or empty. Not decoded.
    pub fn query(&self) -> &str {
        &self.head.query
    }

    /// A parameter of the query, decoded; the first of several.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let pairs = self.head.query.split('&');
        let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .find(|(key, _)| decode(key) == name)
            .map(|(_, value)| decode(value))
    }

    /// A header, whatever the size of its letters. Of several with the same name, all in one with commas between.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(&name.to_ascii_lowercase())?.as_str()
    }

    /// All headers, their names in small letters.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.head.headers.iter();
        headers.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// The client's address.
    pub fn address(&self) -> &str {
        &self.head.address
    }

    /// The principal, on a secure mesh: the user of the token that came along. `None` where none did.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The body, as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// A `TypeError` when it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body)
            .map_err(|error| Error::type_error(format!("the body is not UTF-8 text: {error}")))
    }

    /// The body, which should be JSON.
    ///
    /// # Errors
    ///
    /// A `TypeError` that says what is wrong with it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let body: crate::Raw = serde_json::from_slice(&self.body)
            .map_err(|error| Error::type_error(format!("the body is not JSON: {error}")))?;
        parse("body", &body)
    }
}

/// Undoes percent signs and the `+` of queries. Other characters stay as they are.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match behind {
            [high, low, behind @ ..] if *first == b'%' => hex(*high)
                .zip(hex(*low))
                .map(|(high, low)| (high << 4 | low, behind)),
            _ => None,
        };
        let (byte, behind) = escaped.unwrap_or((if *first == b'+' { b' ' } else { *first }, behind));
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// The answer to a request for a web route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl HttpResponse {
    /// A response without a body.
    ///
    /// The host answers 500 in place of a status that is not one of 200 to 599.
    pub fn new(status: u16) -> HttpResponse {
        HttpResponse {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Status 200 with any bytes; `kind` is their `Content-Type`.
    pub fn bytes(kind: &str, body: impl Into<Vec<u8>>) -> HttpResponse {
        HttpResponse {
            body: body.into(),
            ..HttpResponse::new(200).header("Content-Type", kind)
        }
    }

    /// Status 200 with plain text.
    pub fn text(text: impl Into<String>) -> HttpResponse {
        HttpResponse::bytes("text/plain; charset=utf-8", text.into())
    }

    /// Status 200 with a page.
    pub fn html(page: impl Into<String>) -> HttpResponse {
        HttpResponse::bytes("text/html; charset=utf-8", page.into())
    }

    /// Status 200 with JSON. A value that cannot be written as JSON becomes status 500.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> HttpResponse {
        let mut body = Vec::new();
        match javascript::write(&mut body, value) {
            Ok(()) => HttpResponse::bytes("application/json", body),
            Err(error) => {
                HttpResponse::text(format!("the response cannot be written as JSON: {error}\n")).status(500)
            }
        }
    }

    /// Status 303: the browser is to get another page.
    pub fn redirect(url: &str) -> HttpResponse {
        HttpResponse::new(303).header("Location", url)
    }

    /// The same with another status.
    #[must_use]
    pub fn status(self, status: u16) -> HttpResponse {
        HttpResponse { status, ..self }
    }

    /// The same with one more header. A second `Content-Type` takes the place of the first.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> HttpResponse {
        if name.eq_ignore_ascii_case("content-type") {
            self.headers
                .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        }
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Its status.
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// The first of its headers with this name.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The headers as the host reads them: texts, and arrays of texts where a name comes more than once.
    pub(crate) fn headers_json(&self) -> Vec<u8> {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            let value = Value::String(value.clone());
            match headers.get_mut(name) {
                None => drop(headers.insert(name.clone(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        Value::Object(headers).to_string().into_bytes()
    }

    pub(crate) fn read(status: u32, headers: &[u8], body: &[u8]) -> HttpResponse {
        let headers: Map<String, Value> = serde_json::from_slice(headers).unwrap_or_default();
        let texts = headers.into_iter().flat_map(|(name, value)| {
            let values = match value {
                Value::Array(values) => values,
                single => vec![single],
            };
            let texts = values.into_iter().filter_map(|value| match value {
                Value::String(text) => Some(text),
                _ => None,
            });
            texts.map(move |text| (name.clone(), text)).collect::<Vec<_>>()
        });
        HttpResponse {
            status: u16::try_from(status).unwrap_or_default(),
            headers: texts.collect(),
            body: body.to_vec(),
        }
    }
}

/// The types that a function with `#[route]` may return.
///
/// | returned | the client gets |
/// |---|---|
/// | [`HttpResponse`] | just that |
/// | `String`, `&'static str` | status 200 and plain text |
/// | `()` | status 204 |
/// | `Result<T, Error>` with any of these | the same, or status 500 and the error as JSON |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer to a web request",
    label = "not a response",
    note = "return an `HttpResponse`, such as `HttpResponse::json(&value)`, a text, nothing, or a `Result` of these"
)]
pub trait IntoHttpResponse {
    /// The response.
    ///
    /// # Errors
    ///
    /// The component's own.
    fn into_response(self) -> Result<HttpResponse, Error>;
}

impl IntoHttpResponse for HttpResponse {
    fn into_response(self) -> Result<HttpResponse, Error> {
        Ok(self)
    }
}

impl IntoHttpResponse for String {
    fn into_response(self) -> Result<HttpResponse, Error> {
        Ok(HttpResponse::text(self))
    }
}

impl IntoHttpResponse for &'static str {
    fn into_response(self) -> Result<HttpResponse, Error> {
        Ok(HttpResponse::text(self))
    }
}

impl IntoHttpResponse for () {
    fn into_response(self) -> Result<HttpResponse, Error> {
        Ok(HttpResponse::new(204))
    }
}

impl<T: IntoHttpResponse> IntoHttpResponse for Result<T, Error> {
    fn into_response(self) -> Result<HttpResponse, Error> {
        self?.into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let head = br#"{"query":"a=1&b%20c=x+y%2Fz&a=2&d&e=%zz%"}"#;
        let request = HttpRequest::read(head, b"{", b"null").unwrap();
        let value = |name: &str| request.query_value(name);
        assert_eq!(value("a").as_deref(), Some("1"));
        assert_eq!(value("b c").as_deref(), Some("x y/z"));
        assert_eq!(value("d").as_deref(), Some(""));
        assert_eq!(value("e").as_deref(), Some("%zz%"));
        assert_eq!(value("f"), None);
        assert!(request.origin().username().is_none());
        let error = request.json::<Value>().unwrap_err();
        assert!(error.message().starts_with("the body is not JSON: "), "{error}");
    }

    #[test]
    fn headers_come_and_go() {
        let response = HttpResponse::html("<p>")
            .header("content-type", "text/plain")
            .header("Set-Cookie", "a=1")
            .header("Set-Cookie", "b=2")
            .header("X", "1");
        let json = response.headers_json();
        assert_eq!(
            serde_json::from_slice::<Value>(&json).unwrap(),
            serde_json::json!({"content-type": "text/plain", "Set-Cookie": ["a=1", "b=2"], "X": "1"})
        );
        assert_eq!(
            HttpResponse::read(200, &json, b"<p>").header_value("set-cookie"),
            Some("a=1")
        );
    }
}
