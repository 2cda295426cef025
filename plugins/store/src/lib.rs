//! Component `store`: documents kept by the host, and counters in the component's own memory.

use mesh_plugin_sdk::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
struct Store {
    counters: Mutex<HashMap<String, f64>>,
}

#[component(name = "store", version = "1.0.0")]
impl Store {
    /// Stores a value at a path.
    async fn set_data(&self, context: &Context, path: &str, value: Raw) -> Result<Value, Error> {
        check("setData", path)?;
        context.data().set(path, &value).await?;
        Ok(json!({"stored": path}))
    }

    /// The object stored at a path, or null.
    async fn get_data(&self, context: &Context, path: &str) -> Result<Option<Value>, Error> {
        check("getData", path)?;
        let mut found: Option<Value> = context.data().get(path).await?;
        if let Some(Value::Object(fields)) = &mut found {
            // `remove` would put the last field into the gap.
            fields.shift_remove("_meta");
        }
        Ok(found)
    }

    /// Removes what is stored at a path.
    async fn remove_data(&self, context: &Context, path: &str) -> Result<Value, Error> {
        check("removeData", path)?;
        let removed = context.data().remove(path).await?;
        Ok(json!({"removed": removed}))
    }

    /// Adds to a counter, and answers with its new value.
    fn count(&self, name: String, by: f64) -> f64 {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(name).or_default();
        *counter += by;
        *counter
    }
}

/// A path of nothing is the caller's mistake, and is said to be about the caller's argument.
fn check(method: &str, path: &str) -> Result<(), Error> {
    if path.trim_start_matches('/').is_empty() {
        let message = format!(
            "store.{method}: wrong argument for parameter `path`: expected the path of a document, found {path:?}"
        );
        return Err(Error::type_error(message).field("parameter", "path"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin_sdk::testing::Harness;

    #[test]
    fn documents_are_stored_read_and_removed() {
        let harness = Harness::<Store>::new(json!({}));
        let one =
            |method: &str, arguments: Value| harness.call(method, arguments).unwrap().one::<Value>().unwrap();
        assert_eq!(
            one("setData", json!(["a/b", {"z": 1, "x": 2}])),
            json!({"stored": "a/b"})
        );
        assert_eq!(harness.stored("a/b"), Some(json!({"z": 1, "x": 2})));
        assert_eq!(one("getData", json!(["a/b"])).to_string(), r#"{"z":1,"x":2}"#);
        assert_eq!(one("getData", json!(["a/c"])), Value::Null);
        assert_eq!(one("removeData", json!(["a/b"])), json!({"removed": 1}));
        assert_eq!(one("removeData", json!(["a/b"])), json!({"removed": 0}));
    }

    #[test]
    fn an_empty_path_is_the_callers_mistake() {
        let harness = Harness::<Store>::new(json!({}));
        for (method, arguments) in [
            ("setData", json!(["", 1])),
            ("getData", json!(["/"])),
            ("removeData", json!([""])),
        ] {
            let error = harness.call(method, arguments).unwrap_err();
            assert_eq!(error.type_name(), "TypeError");
            assert_eq!(error.as_value()["parameter"], "path");
        }
    }

    #[test]
    fn counters_count_from_zero() {
        let harness = Harness::<Store>::new(json!({}));
        let count = |name: &str, by: f64| {
            harness.call("count", (name, by)).unwrap().raw()[0]
                .get()
                .to_owned()
        };
        assert_eq!(
            [count("a", 2.0), count("a", 0.5), count("b", -1.0)],
            ["2", "2.5", "-1"]
        );
    }
}
