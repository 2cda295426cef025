//! Component `emitterOld`: publishes the events that its callers ask for. The older version of `emitter`.

use mesh_plugin_sdk::prelude::*;

#[derive(Default)]
struct EmitterOld;

#[component(name = "emitterOld", version = "1.4.0")]
impl EmitterOld {
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
