//! Component `web`: three web routes in its description, and a method.

use mesh_plugin_sdk::prelude::*;

#[derive(Default)]
struct Web;

#[component(name = "web", version = "1.0.0", routes("hello", "page", "missing"))]
impl Web {
    /// Answers with `pong`.
    fn ping(&self) -> &'static str {
        "pong"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin_sdk::Component;
    use mesh_plugin_sdk::testing::Harness;

    #[test]
    fn it_answers_and_lists_its_routes() {
        assert_eq!(
            Harness::<Web>::new(json!({}))
                .call("ping", ())
                .unwrap()
                .one::<String>()
                .unwrap(),
            "pong"
        );
        let descriptor: Value = mesh_plugin_sdk::serde_json::from_str(Web::DESCRIPTOR).unwrap();
        assert_eq!(descriptor["routes"]["missing"], json!({"type": "mware"}));
        assert_eq!(descriptor["methods"].as_array().map(Vec::len), Some(1));
    }
}
