//! Component `componentName`: the smallest one that shows an answer, an event and an error.

use mesh_plugin_sdk::prelude::*;

#[derive(Default)]
struct ComponentName;

#[component(name = "componentName", version = "1.0.0", events("event/name"))]
impl ComponentName {
    /// Answers with an object.
    fn method_name(&self) -> Value {
        json!({"key": "value"})
    }

    /// Emits `event/name`, then answers.
    fn cause_event_method(&self, context: &Context) -> Value {
        let data = json!({"key": "value"});
        context.emit("event/name", &data);
        data
    }

    /// Always fails.
    fn erroring_method_name(&self) -> Result<(), Error> {
        Err(Error::new("There has been an error calling this function!"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin_sdk::testing::Harness;

    #[test]
    fn methods_answer_emit_and_fail() {
        let harness = Harness::<ComponentName>::new(json!({}));
        let answer = |method: &str| harness.call(method, ()).unwrap().raw()[0].to_string();
        assert_eq!(answer("methodName"), r#"{"key":"value"}"#);
        assert!(harness.events().is_empty());
        assert_eq!(answer("causeEventMethod"), r#"{"key":"value"}"#);
        assert_eq!(
            harness.events(),
            [("event/name".to_owned(), json!({"key": "value"}))]
        );
        let error = harness.call("erroringMethodName", ()).unwrap_err();
        let message = "There has been an error calling this function!";
        assert_eq!(error.as_value(), &json!({"message": message, "name": "Error"}));
    }
}
