//! Web requests of a component under test.
//!
//! Enters: a request as a browser sends it. Leaves: the component's response, or its error.

use super::Harness;
use super::host::{Completion, Item};
use crate::Error;
use crate::component::Component;
use crate::http::HttpResponse;
use mesh_plugin_abi::WorkKind;
use serde_json::{Value, json};

impl<C: Component> Harness<C> {
    /// Asks for a web route, as a browser that is not logged in: `harness.http("GET", "/shop/price?of=apples", b"")`.
    ///
    /// # Errors
    ///
    /// The component's own, for which the host answers 500; or that it has no such route.
    pub fn http(&self, method: &str, url: &str, body: &[u8]) -> Result<HttpResponse, Error> {
        self.http_as(&Value::Null, method, url, &[], body)
    }

    /// Asks for a web route as somebody, such as `json!({"id": "s1", "username": "ada"})`, and with headers.
    ///
    /// # Errors
    ///
    /// As for [`Harness::http`].
    pub fn http_as(
        &self,
        origin: &Value,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<HttpResponse, Error> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let routes = C::ROUTES.iter().enumerate().filter_map(|(number, route)| {
            let rest = path.strip_prefix('/')?.strip_prefix(C::NAME)?;
            let rest = rest.strip_prefix('/')?.strip_prefix(route)?;
            (rest.is_empty() || rest.starts_with(['/', '.'])).then_some((number, *route, rest))
        });
        let Some((number, route, rest)) = routes.max_by_key(|(_, route, _)| route.len()) else {
            return Err(Error::new(format!("{url} is no web route of {}", C::NAME)));
        };
        let headers: serde_json::Map<String, Value> = headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), Value::from(*value)))
            .collect();
        let head = json!({
            "route": route, "method": method, "url": url, "path": rest, "query": query, "headers": headers,
            "address": "127.0.0.1",
        });
        let token = self.services.next_token();
        self.services.queue(Item {
            kind: WorkKind::HTTP,
            token,
            method: number as u32,
            target: head.to_string().into_bytes(),
            payload: body.to_vec(),
            origin: origin.to_string().into_bytes(),
            ..Item::default()
        });
        match self.completion_of(token, route)? {
            Completion::Response(response) => Ok(response),
            Completion::Answer(status, payload) => Err(Error::read(status, &payload)),
        }
    }
}
