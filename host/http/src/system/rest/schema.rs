//! The parameters that a call may send over HTTP, as a JSON Schema.
//!
//! Enters: a method as its component describes it. Leaves: the schema of a request's body. Guarantees: it is a schema
//! whatever the component says, since only what is known to be right is taken from there. Nothing is said of a
//! parameter that its component does not say, since the host checks none.

use super::methods::Described;
use super::parameters::{is_callback, is_filled_in};
use serde_json::{Map, Value, json};

/// The types that JSON Schema knows. A component may say others of its parameters, which mean something to it alone.
const TYPES: [&str; 7] = [
    "null", "boolean", "object", "array", "number", "integer", "string",
];

/// The parameters that a call may send, by name or by position.
pub(super) fn of_body(method: Described<'_>, is_secure: bool) -> Value {
    let declared: Vec<Map<String, Value>> =
        serde_json::from_str(method.parameters().get()).unwrap_or_default();
    let (mut properties, mut positions, mut required) = (Map::new(), Vec::new(), Vec::new());
    // So many must be there, if they are given by position.
    let mut least = 0;
    for parameter in &declared {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() || is_callback(name) || is_filled_in(name) {
            continue;
        }
        let beside = method.schema(name).map(known).unwrap_or_default();
        let mut titled = Map::from_iter([("title".to_owned(), name.into())]);
        let mut schema = beside.clone();
        schema.extend(known_of(parameter));
        titled.extend(schema.clone());
        positions.push(Value::Object(titled));
        // A missing parameter is null for the component.
        if parameter.get("required") == Some(&Value::Bool(true)) || refuses_null(&beside) {
            required.push(name);
            least = positions.len();
        }
        properties.insert(name.to_owned(), schema.into());
    }
    let mut named = json!({ "type": "object", "properties": properties });
    let mut positional = json!({ "type": "array", "description": "The same by position." });
    if !positions.is_empty() {
        positional["prefixItems"] = positions.into();
    }
    let mut forms = Vec::new();
    if required.is_empty() {
        forms.push(json!({ "type": "null" }));
    } else {
        named["required"] = json!(required);
        positional["minItems"] = least.into();
    }
    forms.splice(0..0, [named, positional.clone()]);
    let mut fields = json!({ "parameters": { "anyOf": forms } });
    if is_secure {
        fields["as"] = json!({
            "type": ["string", "null"],
            "description": "The user that the call is made for, by administrators and members of _MESH_DELEGATE.",
        });
    }
    let mut object = json!({ "type": "object", "properties": fields });
    if !required.is_empty() {
        object["required"] = json!(["parameters"]);
    }
    json!({ "anyOf": [object, positional] })
}

/// The valid part of a component's statements about values.
fn known(schema: &Value) -> Map<String, Value> {
    schema.as_object().map(known_of).unwrap_or_default()
}

fn known_of(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut known_to_be_right = Map::new();
    for (keyword, value) in schema {
        let value = match keyword.as_str() {
            "type" if are_types(value) => value.clone(),
            "description" if value.is_string() => value.clone(),
            "minimum" | "maximum" if value.is_number() => value.clone(),
            "minLength" | "maxLength" if value.is_u64() => value.clone(),
            "items" if value.is_object() => known(value).into(),
            _ => continue,
        };
        known_to_be_right.insert(keyword.clone(), value);
    }
    known_to_be_right
}

fn are_types(value: &Value) -> bool {
    let is_type = |value: &Value| value.as_str().is_some_and(|kind| TYPES.contains(&kind));
    match value {
        Value::Array(several) => {
            let is_alone = |position: usize| !several[..position].contains(&several[position]);
            !several.is_empty() && several.iter().all(is_type) && (0..several.len()).all(is_alone)
        }
        one => is_type(one),
    }
}

fn refuses_null(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        None => false,
        Some(Value::Array(several)) => !several.iter().any(|kind| kind == "null"),
        Some(one) => one != "null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin::Descriptor;

    fn body_of(parameters: &str, more: &str) -> Value {
        let descriptor = format!(r#"{{"methods":[{{"name":"m","parameters":{parameters}{more}}}]}}"#);
        let descriptor = Descriptor::check("test", b"c", b"1.0.0", b"", descriptor.as_bytes()).unwrap();
        let (_, method) = descriptor.method("m").unwrap();
        of_body(Described::Here(method), false)
    }

    #[test]
    fn a_parameter_without_a_schema_of_its_component_has_none() {
        let body = body_of(
            r#"[{"name":"a"},{"name":"b","type":"integer","required":true,"description":"how many","value":5},
                {"name":"c","type":"Buffer"},{"name":"$userSession"},{"name":"$req_method"},
                {"name":"callback","type":"callback"},{"name":""}]"#,
            "",
        );
        let named = &body["anyOf"][0]["properties"]["parameters"]["anyOf"][0];
        assert_eq!(
            named["properties"],
            json!({"a": {}, "b": {"type": "integer", "description": "how many"}, "c": {}})
        );
        assert_eq!(named["required"], json!(["b"]));
        assert_eq!(
            body["anyOf"][1]["prefixItems"],
            json!([{"title": "a"}, {"title": "b", "type": "integer", "description": "how many"}, {"title": "c"}])
        );
        assert_eq!(body["anyOf"][1]["minItems"], 2);
    }

    #[test]
    fn a_parameter_that_takes_no_null_is_required() {
        let body = body_of(
            r#"[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"callback"}]"#,
            r#","schemas":{"a":{"type":"string"},"b":{"type":["array","null"],"items":{"type":"number"}},"z":{"type":"null"}}"#,
        );
        let forms = body["anyOf"][0]["properties"]["parameters"]["anyOf"]
            .as_array()
            .unwrap();
        assert_eq!(forms.len(), 2, "null is none of them: {forms:?}");
        assert_eq!(
            forms[0]["properties"],
            json!({"a": {"type": "string"}, "b": {"type": ["array", "null"], "items": {"type": "number"}}, "c": {}})
        );
        assert_eq!(forms[0]["required"], json!(["a"]));
        assert_eq!(body["anyOf"][0]["required"], json!(["parameters"]));
        assert_eq!(body["anyOf"][1]["minItems"], 1);
    }

    #[test]
    fn a_value_that_is_no_schema_is_left_out() {
        let body = body_of(
            r#"[{"name":"a"},{"name":"b","description":5,"minimum":"1"}]"#,
            r##","schemas":{"a":{"type":["string","string"],"$ref":"#/nowhere","minLength":-1,"items":{"type":"Order"}},"b":5}"##,
        );
        let named = &body["anyOf"][0]["properties"]["parameters"]["anyOf"][0];
        assert_eq!(named["properties"], json!({"a": {"items": {}}, "b": {}}));
        assert!(named.get("required").is_none());
    }

    #[test]
    fn a_method_without_parameters_takes_an_empty_body() {
        let body = body_of(r#"[{"name":"callback"}]"#, "");
        assert!(body["anyOf"][1].get("prefixItems").is_none());
        assert!(body["anyOf"][0].get("required").is_none());
    }
}
