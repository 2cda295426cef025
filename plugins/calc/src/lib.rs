//! Component `calc`: arguments and results of every kind, errors with fields, waiting, the caller, state.

mod addition;

use addition::add;
use mesh_plugin_sdk::javascript;
use mesh_plugin_sdk::prelude::*;

/// JavaScript's engines refuse longer strings, and so do we: running out of memory would end the host.
const LONGEST_TEXT: usize = (1 << 29) - 24;

#[derive(Default)]
struct Calc {
    ticks: AtomicU64,
}

#[component(name = "calc", version = "1.2.3")]
impl Calc {
    /// `a + b` as in JavaScript: the sum of two numbers, or the concatenation if either is a string.
    fn add(&self, a: Value, b: Value) -> Value {
        add(&a, &b)
    }

    /// `a / b`; fails with a DivisionError where b is 0.
    fn divide(&self, a: f64, b: f64) -> Result<f64, Error> {
        if b == 0.0 {
            return Err(Error::new("division by zero")
                .name("DivisionError")
                .field("code", 4220)
                .field("details", json!({"a": a, "b": b})));
        }
        Ok(a / b)
    }

    /// Answers with the value itself.
    fn echo(&self, value: Raw) -> Raw {
        value
    }

    /// Answers with an array of the three values.
    fn concat(&self, a: Raw, b: Raw, c: Raw) -> [Raw; 3] {
        [a, b, c]
    }

    /// Answers after so many milliseconds.
    async fn slow(&self, context: &Context, ms: f64) -> Value {
        context
            .sleep(Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default())
            .await;
        json!({"slept": ms})
    }

    /// Never answers.
    async fn never(&self) {
        std::future::pending().await
    }

    /// Answers with three results.
    fn multi(&self) -> Many<(&'static str, Value, Value)> {
        Many(("first", json!({"second": 2}), json!([3, "three"])))
    }

    /// Answers without a result.
    fn nothing(&self) -> Nothing {
        Nothing
    }

    /// Answers with null.
    fn null_result(&self) {}

    /// Fails with an error of this name and message.
    fn named_error(&self, name: String, message: String) -> Result<(), Error> {
        Err(Error::new(message).name(name))
    }

    /// Says who called whom.
    fn whoami(&self, context: &Context, origin: &Origin) -> Value {
        json!({
            "id": origin.id(),
            "username": origin.username(),
            "mesh": context.mesh(),
            "component": context.component(),
        })
    }

    /// Answers with n times the letter x.
    fn big_payload(&self, n: usize) -> Result<Value, Error> {
        if n > LONGEST_TEXT {
            return Err(Error::new(format!("Invalid count value: {n}")).name("RangeError"));
        }
        Ok(json!({"size": n, "data": "x".repeat(n)}))
    }

    /// The length of the value's compact JSON text, counted as JavaScript counts.
    fn size(&self, value: Raw) -> Value {
        // Half a surrogate pair, which JavaScript can send, is no value in Rust: then the text as it came is counted.
        let compact = serde_json_value(&value).and_then(|value| javascript::to_text(&value).ok());
        json!({"size": compact.as_deref().unwrap_or(value.get()).encode_utf16().count()})
    }

    /// How often this was called since the start.
    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn serde_json_value(raw: &Raw) -> Option<Value> {
    mesh_plugin_sdk::serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests;
