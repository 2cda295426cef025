//! The components `emitter` and `emitterOld`, which publish the events that their callers ask for.

use mesh_plugin_sdk::prelude::*;

/// Emits one event.
pub fn emit(context: &Context, event_name: &str, data: &Raw) -> Value {
    context.emit(event_name, data);
    json!({"emitted": event_name})
}

/// Emits an event n times, numbered from 0.
pub fn emit_many(context: &Context, event_name: &str, n: u64) -> Value {
    for number in 0..n {
        context.emit(event_name, &json!({"seq": number}));
    }
    json!({"emitted": n})
}

/// Emits `prefix/name` for each name.
pub fn emit_spread(context: &Context, prefix: &str, names: &[String]) -> Value {
    for name in names {
        context.emit(&format!("{prefix}/{name}"), &json!({"name": name}));
    }
    json!({"emitted": names.len()})
}
