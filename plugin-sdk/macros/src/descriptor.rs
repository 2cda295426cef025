//! The component's description as JSON, known when the macro runs.

use crate::attribute::{ComponentAttribute, Role};
use crate::function::Function;
use crate::schema;
use crate::state::State;

/// `{"methods":[…],"events":{…},"routes":{…},"data":{},"extensions":[…]}`, and `state` and `health` where the component has them.
pub(crate) fn write(
    attribute: &ComponentAttribute,
    methods: &[Function],
    routes: &[Function],
    state: Option<&State>,
    has_health: bool,
) -> String {
    let methods: Vec<String> = methods.iter().map(method).collect();
    let events: Vec<String> = attribute
        .events
        .iter()
        .map(|event| format!("{}:{{}}", quoted(&event.value())))
        .collect();
    let routes: Vec<String> = routes
        .iter()
        .map(|route| format!("{}:{{\"type\":\"mware\"}}", quoted(&route.wire_name().value())))
        .collect();
    let state = state.map_or_else(String::new, |state| {
        let restores: Vec<String> = state.restores().map(|schema| schema.to_string()).collect();
        format!(
            ",\"state\":{{\"schema\":{},\"restores\":[{}]}}",
            state.schema,
            restores.join(",")
        )
    });
    let health = if has_health { ",\"health\":true" } else { "" };
    // The SDK makes each request for a caller with the caller's rights, and answers what routes are asked.
    let web = if routes.is_empty() { "" } else { ",\"mesh.http/1\"" };
    format!(
        "{{\"methods\":[{}],\"events\":{{{}}},\"routes\":{{{}}},\"data\":{{}}{state}{health},\
         \"extensions\":[\"mesh.delegation/1\"{web}]}}",
        methods.join(","),
        events.join(","),
        routes.join(",")
    )
}

fn method(method: &Function) -> String {
    // The callback that JavaScript methods end with stands for the answer; clients count on it in the list.
    let parameters: Vec<String> = method
        .arguments()
        .map(|argument| &*argument.name)
        .chain(["callback"])
        .map(|name| format!("{{\"name\":{}}}", quoted(name)))
        .collect();
    let mut json = format!(
        "{{\"name\":{},\"parameters\":[{}]",
        quoted(&method.wire_name().value()),
        parameters.join(",")
    );
    if !method.description.is_empty() {
        json += &format!(",\"description\":{}", quoted(&method.description));
    }
    // Not among the parameters, which clients are shown as they are.
    let schemas: Vec<String> = method
        .arguments()
        .filter_map(|argument| {
            let schema = schema::of(&argument.owned)?;
            Some(format!("{}:{schema}", quoted(&argument.name)))
        })
        .collect();
    if !schemas.is_empty() {
        json += &format!(",\"schemas\":{{{}}}", schemas.join(","));
    }
    if method.is_async {
        json += ",\"async\":true";
    }
    if matches!(&method.role, Role::Method(attribute) if attribute.is_idempotent) {
        json += ",\"idempotent\":true";
    }
    json + "}"
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json += "\\\"",
            '\\' => json += "\\\\",
            '\n' => json += "\\n",
            character if character < ' ' => json += &format!("\\u{:04x}", u32::from(character)),
            character => json.push(character),
        }
    }
    json + "\""
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn texts_are_json() {
        assert_eq!(quoted("a\"b\\c\nd\u{1}é"), "\"a\\\"b\\\\c\\nd\\u0001é\"");
    }
}
