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
        context.data().set(path, &value).await?;
        Ok(json!({"stored": path}))
    }

    /// The object stored at a path, or null.
    async fn get_data(&self, context: &Context, path: &str) -> Result<Option<Value>, Error> {
        let mut found: Option<Value> = context.data().get(path).await?;
        if let Some(Value::Object(fields)) = &mut found {
            // `remove` would put the last field into the gap.
            fields.shift_remove("_meta");
        }
        Ok(found)
    }

    /// Removes what is stored at a path.
    async fn remove_data(&self, context: &Context, path: &str) -> Result<Value, Error> {
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
