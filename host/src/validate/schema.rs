//! A descriptor beside the JSON Schema that authors read, `docs/schema/descriptor.json`.
//!
//! Why: the host refuses a wrong descriptor with one sentence about the first fault. An author wants to see all of them, each with its
//! place. The schema uses few words of its language, so the few are read here. Validators for all of the language bring dozens
//! of crates along.
//!
//! Enters: a descriptor as it is written. Leaves: [`Finding`]s. Guarantees: a test holds the schema to the words that are read
//! here, and the npm validator of another test agrees about good and bad descriptors.

use super::report::Finding;
use mesh_plugin::is_name;
use mesh_wire::protocol::json::shorten;
use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("../../../docs/schema/descriptor.json");
/// The only pattern of the schema: a name may stand in a path as one segment.
const PATTERN_OF_NAMES: &str = r"^[^/*@\p{White_Space}\p{Cc}]*$";
/// More faults are not named.
const MOST: usize = 8;

/// The faults of a descriptor.
pub(super) fn faults(descriptor: &[u8]) -> Vec<Finding> {
    let written: Value = match serde_json::from_slice(descriptor) {
        Ok(written) => written,
        Err(error) => {
            return vec![Finding::failed(format!(
                "its descriptor is no JSON: {error}. Write a JSON object as UTF-8 text, without a zero at its end"
            ))];
        }
    };
    let schema: Value = serde_json::from_str(SCHEMA).unwrap_or_default();
    let mut found = Found {
        root: &schema,
        faults: Vec::new(),
    };
    found.look(&schema, &written, "");
    let more = found.faults.len().saturating_sub(MOST);
    let mut findings: Vec<Finding> = found.faults.into_iter().take(MOST).map(finding).collect();
    if more > 0 {
        findings.push(Finding::failed(format!(
            "its descriptor has {more} more faults of these kinds: docs/schema/descriptor.json has its form"
        )));
    }
    findings
}

fn finding(Fault { place, right }: Fault) -> Finding {
    let place = match place.as_str() {
        "" => "it".to_owned(),
        place => format!("`{}`", shorten(place)),
    };
    Finding::failed(format!(
        "its descriptor breaks docs/schema/descriptor.json: {place} {right}"
    ))
}

/// A place in the descriptor, and what would be right there.
struct Fault {
    place: String,
    right: String,
}

struct Found<'a> {
    /// The whole schema, for references.
    root: &'a Value,
    faults: Vec<Fault>,
}

impl<'a> Found<'a> {
    fn look(&mut self, schema: &'a Value, value: &Value, place: &str) {
        let Some(rules) = schema.as_object() else { return };
        if let Some(named) = rules.get("$ref").and_then(Value::as_str) {
            let way = named.trim_start_matches('#');
            if let Some(schema) = self.root.pointer(way) {
                self.look(schema, value, place);
            }
        }
        if let Some(choices) = rules.get("anyOf").and_then(Value::as_array) {
            self.look_at_choices(choices, value, place);
        }
        let types = types(rules);
        if !types.is_empty() && !types.iter().any(|kind| is_of(kind, value)) {
            let right = format!("must be {}, and is {}", types.join(" or "), kind_of(value));
            // All else is said of values of the right type.
            return self.fault(place, right);
        }
        match value {
            Value::Object(members) => self.look_at_members(rules, members, place),
            Value::Array(items) => self.look_at_items(rules, items, place),
            Value::String(text) => self.look_at_text(rules, text, place),
            Value::Number(number) => self.look_at_number(rules, number, place),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// The faults are those of the choice that the value comes closest to: the one of its type.
    fn look_at_choices(&mut self, choices: &'a [Value], value: &Value, place: &str) {
        let faults_of = |choice: &'a Value| {
            let mut found = Found {
                root: self.root,
                faults: Vec::new(),
            };
            found.look(choice, value, place);
            found.faults
        };
        let mut each: Vec<Vec<Fault>> = choices.iter().map(faults_of).collect();
        if each.iter().any(Vec::is_empty) {
            return;
        }
        let is_of_its_type = |faults: &Vec<Fault>| !faults.iter().any(|fault| fault.place == place);
        let closest = each.iter().position(is_of_its_type).unwrap_or(0);
        if !each.is_empty() {
            self.faults.append(&mut each[closest]);
        }
    }

    fn look_at_members(&mut self, rules: &'a Map<String, Value>, members: &Map<String, Value>, place: &str) {
        let required = rules.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                self.fault(place, format!("lacks the member `{name}`"));
            }
        }
        let properties = rules.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            if let Some(value) = members.get(name) {
                let place = if place.is_empty() {
                    name.clone()
                } else {
                    format!("{place}.{name}")
                };
                self.look(schema, value, &place);
            }
        }
    }

    fn look_at_items(&mut self, rules: &'a Map<String, Value>, items: &[Value], place: &str) {
        if let Some(least) = number(rules, "minItems")
            && (items.len() as f64) < least
        {
            self.fault(place, format!("must have {least} items or more"));
        }
        if let Some(schema) = rules.get("items") {
            for (position, item) in items.iter().enumerate() {
                self.look(schema, item, &format!("{place}[{position}]"));
            }
        }
    }

    fn look_at_text(&mut self, rules: &Map<String, Value>, text: &str, place: &str) {
        let length = text.chars().count() as f64;
        if number(rules, "minLength").is_some_and(|least| length < least) {
            return self.fault(place, "must not be empty".to_owned());
        }
        if let Some(most) = number(rules, "maxLength").filter(|most| length > *most) {
            return self.fault(place, format!("has {length} characters, and may have {most}"));
        }
        let is_of_names = rules
            .get("pattern")
            .is_some_and(|pattern| pattern == PATTERN_OF_NAMES);
        if is_of_names && !is_name(text) {
            let right = format!(
                "is {:?}, and a name contains no `/`, `*` or `@`, no space and no control character",
                shorten(text)
            );
            self.fault(place, right);
        }
    }

    fn look_at_number(&mut self, rules: &Map<String, Value>, value: &serde_json::Number, place: &str) {
        let given = value.as_f64().unwrap_or(f64::NAN);
        let (least, most) = (number(rules, "minimum"), number(rules, "maximum"));
        if least.is_some_and(|least| given < least) || most.is_some_and(|most| given > most) {
            let bound =
                |bound: Option<f64>| bound.map_or_else(|| "any".to_owned(), |bound| bound.to_string());
            let right = format!("is {value}, and must be {} to {}", bound(least), bound(most));
            self.fault(place, right);
        }
    }

    fn fault(&mut self, place: &str, right: String) {
        self.faults.push(Fault {
            place: place.to_owned(),
            right,
        });
    }
}

fn number(rules: &Map<String, Value>, name: &str) -> Option<f64> {
    rules.get(name).and_then(Value::as_f64)
}

fn types(rules: &Map<String, Value>) -> Vec<&str> {
    match rules.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        // For a schema 2.0 is an integer; for hosts it is none.
        "integer" => value.is_u64() || value.is_i64(),
        kind => kind_of(value) == kind,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Words that say something about a value, and are read here.
    const RULES: [&str; 12] = [
        "$ref",
        "anyOf",
        "items",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
    ];
    /// Words for readers, and the place of what is referred to.
    const OTHERS: [&str; 4] = ["$schema", "$defs", "title", "description"];

    fn check_words(schema: &Value) {
        for (word, value) in schema.as_object().unwrap() {
            assert!(
                RULES.contains(&word.as_str()) || OTHERS.contains(&word.as_str()),
                "{word}"
            );
            match word.as_str() {
                "properties" | "$defs" => value.as_object().unwrap().values().for_each(check_words),
                "items" => check_words(value),
                "anyOf" => value.as_array().unwrap().iter().for_each(check_words),
                "pattern" => assert_eq!(value, PATTERN_OF_NAMES),
                "minLength" => assert_eq!(value, 1, "that is said as `must not be empty`"),
                _ => {}
            }
        }
    }

    #[test]
    fn the_schema_has_no_word_that_is_not_read_here() {
        check_words(&serde_json::from_str(SCHEMA).unwrap());
    }

    #[test]
    fn a_descriptor_as_the_page_shows_it_has_no_fault() {
        for good in [
            json!({"methods": []}),
            json!({"methods": [{"name": "greet", "parameters": [{"name": "callback"}], "description": null,
                   "schemas": {}, "async": true, "more": 1}], "events": null, "data": {}, "routes": {},
                   "state": {"schema": 2, "restores": [1, 2]}, "health": true, "extensions": ["mesh.http/1"]}),
            json!({"methods": [], "state": null}),
        ] {
            let found = faults(good.to_string().as_bytes());
            assert!(found.is_empty(), "{good}: {found:?}");
        }
    }

    #[test]
    fn each_fault_is_named_with_its_place_and_what_is_right() {
        let method = |method: Value| json!({"methods": [{"name": "a", "parameters": []}, method]});
        let beside = |name: &str, value: Value| json!({"methods": [], name: value});
        for (bad, says) in [
            (json!([]), ": it must be object, and is array"),
            (json!({}), ": it lacks the member `methods`"),
            (json!({"methods": {}}), "`methods` must be array, and is object"),
            (
                method(json!("greet")),
                "`methods[1]` must be object, and is string",
            ),
            (
                method(json!({"parameters": []})),
                "`methods[1]` lacks the member `name`",
            ),
            (
                method(json!({"name": "", "parameters": []})),
                "`methods[1].name` must not be empty",
            ),
            (
                method(json!({"name": "a b", "parameters": []})),
                "`methods[1].name` is \"a b\", and a name contains no",
            ),
            (
                method(json!({"name": "n".repeat(257), "parameters": []})),
                "has 257 characters, and may have 256",
            ),
            (
                method(json!({"name": "b", "parameters": [{}]})),
                "`methods[1].parameters[0]` lacks the member `name`",
            ),
            (
                method(json!({"name": "b", "parameters": [], "description": 7})),
                "`methods[1].description` must be string or null, and is number",
            ),
            (
                beside("state", json!({"schema": 0, "restores": [0]})),
                "`state.schema` is 0, and must be 1 to 4294967295",
            ),
            (
                beside("state", json!({"schema": 1, "restores": []})),
                "`state.restores` must have 1 items or more",
            ),
            (
                beside("state", json!({"schema": 1.5, "restores": [1]})),
                "`state.schema` must be integer, and is number",
            ),
            (beside("state", json!(7)), "`state` must be object, and is number"),
            (
                beside("health", json!("yes")),
                "`health` must be boolean, and is string",
            ),
            (
                beside("extensions", json!([1])),
                "`extensions[0]` must be string, and is number",
            ),
        ] {
            let found = faults(bad.to_string().as_bytes());
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
            assert!(found[0].sentence.contains(says), "{bad}: {found:?}");
        }
        let many = json!({"methods": vec![7; 12]});
        let found = faults(many.to_string().as_bytes());
        assert_eq!(found.len(), MOST + 1);
        assert!(found[MOST].sentence.contains("4 more faults"), "{found:?}");
        let cut = faults(b"{\"methods\":[");
        assert!(cut[0].sentence.contains("is no JSON"), "{cut:?}");
    }
}
