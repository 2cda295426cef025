//! `mesh describe`: prints what a mesh offers.
//!
//! Enters: perhaps the name of a component. Leaves: its description on stdout, or that of all components.
//! Guarantees: with `--json` the description is what the host sent, unchanged.

use super::CommandError;
use super::connection::Connection;
use crate::terminal::{self, OneLine};
use mesh_client::{Component, Description, Method};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

/// Show the components of a mesh, their methods, events and web routes
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  mesh describe                    everything
  mesh describe calc               one component
  mesh describe --json | jq '.components | keys'

Components may emit events that they do not list.")]
pub struct Arguments {
    /// Only this component
    #[arg(value_name = "COMPONENT")]
    pub component: Option<String>,
    /// How to connect.
    #[command(flatten)]
    pub connection: Connection,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let client = arguments.connection.connect().await?;
    let description = client.description().await;
    client.close().await;
    let description = description?;
    let is_json = arguments.connection.json;
    let text = match (&arguments.component, is_json) {
        (None, true) => format!("{}\n", description.raw.get()),
        (None, false) => everything(&description),
        (Some(name), is_json) => {
            let component = description
                .component(name)
                .ok_or_else(|| unknown(&description, name))?;
            if is_json {
                raw_component(&description.raw, name)
            } else {
                one(component)
            }
        }
    };
    let mut out = match is_json {
        true => terminal::json_output(),
        false => terminal::output(),
    };
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn unknown(description: &Description, name: &str) -> CommandError {
    let names: Vec<&str> = description
        .components
        .iter()
        .map(|component| component.name.as_str())
        .collect();
    CommandError::Failed(format!(
        "the mesh {} has no component `{}`; it has {}",
        OneLine(&description.name),
        OneLine(name),
        OneLine(names.join(", "))
    ))
}

/// The component's part of the document, as it stands there.
fn raw_component(document: &RawValue, name: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        components: BTreeMap<String, &'a RawValue>,
    }
    let found = serde_json::from_str::<Document<'_>>(document.get());
    let text = found
        .ok()
        .and_then(|document| document.components.get(name).map(|raw| raw.get().to_owned()));
    format!("{}\n", text.unwrap_or_default())
}

fn everything(description: &Description) -> String {
    let mut text = format!("mesh {}\n", OneLine(&description.name));
    for component in &description.components {
        text.push('\n');
        text.push_str(&one(component));
    }
    text
}

fn one(component: &Component) -> String {
    let mut text = format!("{} {}\n", OneLine(&component.name), OneLine(&component.version));
    // Writing to memory cannot fail.
    for method in &component.methods {
        let _ = writeln!(text, "  {}", OneLine(signature(method)));
    }
    for event in &component.events {
        let details = match &event.details {
            Value::Object(fields) if fields.is_empty() => String::new(),
            Value::Null => String::new(),
            details => format!(" {details}"),
        };
        let _ = writeln!(text, "  event {}{details}", OneLine(&event.key));
    }
    for route in &component.routes {
        let kind = match route.kind.as_str() {
            "static" => " (files)".to_owned(),
            "mware" | "" => String::new(),
            other => format!(" ({other})"),
        };
        let _ = writeln!(text, "  route {}{}", OneLine(&route.path), OneLine(kind));
    }
    text
}

/// `add(a, b)`; the callback at the end is not an argument.
fn signature(method: &Method) -> String {
    let parameters = method
        .parameters
        .iter()
        .filter(|parameter| !parameter.is_callback())
        .map(|parameter| match &parameter.kind {
            Some(kind) => format!("{}: {kind}", parameter.name),
            None => parameter.name.clone(),
        });
    format!("{}({})", method.name, parameters.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_printed_with_its_methods_and_events() {
        let text = r#"{"name":"D","components":{"calc":{"version":"1.2.3","methods":{"add":{"parameters":[
            {"name":"a","type":"number"},{"name":"b"},{"name":"callback"}]},"tick":{"parameters":[{"name":""}]}},
            "events":{"e":{},"f":{"x":1}},"routes":{"/calc/r":{"type":"mware"},"/":{"type":"static"}}}}}"#;
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        let description = Description::parse(raw).expect("readable");
        assert_eq!(
            everything(&description),
            "mesh D\n\ncalc 1.2.3\n  add(a: number, b)\n  tick()\n  event e\n  event f {\"x\":1}\n  \
             route /calc/r\n  route / (files)\n"
        );
        assert!(raw_component(&description.raw, "calc").starts_with("{\"version\":\"1.2.3\""));
    }
}
