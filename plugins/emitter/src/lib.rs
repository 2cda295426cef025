//! Component `emitter`: publishes the events that its callers ask for. `emitterOld` is its older version.

use mesh_plugin_sdk::prelude::*;

#[derive(Default)]
struct Emitter;

#[component(name = "emitter", version = "2.1.0")]
impl Emitter {
    /// Emits an event with this data.
    fn emit(&self, context: &Context, event_name: &str, data: Raw) -> Value {
        emitter_common::emit(context, event_name, &data)
    }

    /// Emits an event n times, with `{"seq": 0}` and so on.
    fn emit_many(&self, context: &Context, event_name: &str, n: u64) -> Value {
        emitter_common::emit_many(context, event_name, n)
    }

    /// Emits `prefix/name` with `{"name": name}` for each name.
    fn emit_spread(&self, context: &Context, prefix: &str, names: Vec<String>) -> Value {
        emitter_common::emit_spread(context, prefix, &names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin_sdk::testing::Harness;

    #[test]
    fn events_leave_in_order() {
        let harness = Harness::<Emitter>::new(json!({}));
        let one =
            |method: &str, arguments: Value| harness.call(method, arguments).unwrap().one::<Value>().unwrap();
        assert_eq!(one("emit", json!(["a/b", {"x": 1}])), json!({"emitted": "a/b"}));
        assert_eq!(one("emitMany", json!(["tick", 2])), json!({"emitted": 2}));
        assert_eq!(
            one("emitSpread", json!(["wild", ["a", "b"]])),
            json!({"emitted": 2})
        );
        let expected = [
            ("a/b", json!({"x": 1})),
            ("tick", json!({"seq": 0})),
            ("tick", json!({"seq": 1})),
            ("wild/a", json!({"name": "a"})),
            ("wild/b", json!({"name": "b"})),
        ];
        assert_eq!(
            harness.events(),
            expected.map(|(key, data)| (key.to_owned(), data))
        );
    }
}
