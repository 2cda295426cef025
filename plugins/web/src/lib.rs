//! Component `web`: three web routes, and a method.

use mesh_plugin_sdk::prelude::*;

#[derive(Default)]
struct Web;

#[component(name = "web", version = "1.0.0")]
impl Web {
    /// Answers with `pong`.
    fn ping(&self) -> &'static str {
        "pong"
    }

    #[route]
    fn hello(&self, request: &HttpRequest) -> HttpResponse {
        HttpResponse::json(&json!({"hello": "world", "method": request.method()}))
    }

    #[route]
    fn page(&self) -> HttpResponse {
        HttpResponse::bytes("text/html", "<html><body>conformance page</body></html>")
    }

    #[route]
    fn missing(&self) -> HttpResponse {
        HttpResponse::bytes("text/plain", "nothing here").status(404)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin_sdk::Component;
    use mesh_plugin_sdk::testing::Harness;

    #[test]
    fn routes_answer() {
        let web = Harness::<Web>::new(json!({}));
        assert_eq!(web.call("ping", ()).unwrap().one::<String>().unwrap(), "pong");
        let hello = web.http("PUT", "/web/hello/below?x=1", b"").unwrap();
        assert_eq!(hello.body(), br#"{"hello":"world","method":"PUT"}"#);
        let page = web.http("GET", "/web/page", b"").unwrap();
        assert_eq!(page.header_value("content-type"), Some("text/html"));
        let missing = web.http("GET", "/web/missing", b"").unwrap();
        assert_eq!(
            (missing.status_code(), missing.body()),
            (404, &b"nothing here"[..])
        );
        assert!(web.http("GET", "/web/hellox", b"").is_err());
    }

    #[test]
    fn the_description_lists_the_routes_and_one_method() {
        let descriptor: Value = mesh_plugin_sdk::serde_json::from_str(Web::DESCRIPTOR).unwrap();
        assert_eq!(descriptor["routes"]["missing"], json!({"type": "mware"}));
        assert_eq!(descriptor["methods"].as_array().map(Vec::len), Some(1));
        assert_eq!(
            descriptor["extensions"],
            json!([
                mesh_plugin_sdk::abi::DELEGATION_EXTENSION,
                mesh_plugin_sdk::abi::HTTP_EXTENSION
            ])
        );
    }
}
