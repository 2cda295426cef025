//! `mesh describe`: prints what a mesh offers.
//!
//! Enters: perhaps the name of a component. Leaves: its description on stdout, or that of all components; which nodes have it.
//! Guarantees: with `--json` the description is what the host sent, unchanged. Nodes are told to the host's own user alone.

use super::CommandError;
use super::cluster::catalogue;
use super::connection::Connection;
use crate::terminal::{self, OneLine};
use mesh_client::{Component, Description, Method};
use mesh_cluster::status::Offer;
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
  mesh describe --nodes            which nodes of the cluster have it

Components may emit events that they do not list.")]
pub struct Arguments {
    /// Only this component
    #[arg(value_name = "COMPONENT")]
    pub component: Option<String>,
    /// Say which nodes of the cluster have which version; only for a host of this user, which is found by --config
    #[arg(long, conflicts_with = "url")]
    pub nodes: bool,
    /// How to connect.
    #[command(flatten)]
    pub connection: Connection,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let offers = match arguments.nodes {
        true => Some(catalogue::ask(&arguments.connection.config).await?),
        false => None,
    };
    let client = arguments.connection.connect().await?;
    let description = client.description().await;
    client.close().await;
    let description = description?;
    let is_json = arguments.connection.json;
    let offers = offers.as_deref().unwrap_or_default();
    let text = match (&arguments.component, is_json) {
        (name, true) if arguments.nodes => raw_offers(offers, name.as_deref()),
        (None, true) => format!("{}\n", description.raw.get()),
        (None, false) => everything(&description, offers),
        (Some(name), is_json) => {
            let component = description
                .component(name)
                .ok_or_else(|| unknown(&description, name))?;
            if is_json {
                raw_component(&description.raw, name)
            } else {
                one(component, offers)
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

/// The versions of one component or of all, with their nodes, as JSON.
fn raw_offers(offers: &[Offer], name: Option<&str>) -> String {
    let is_meant = |offer: &&Offer| name.is_none_or(|name| offer.component == bare(name));
    let meant: Vec<&Offer> = offers.iter().filter(is_meant).collect();
    format!("{}\n", serde_json::to_string(&meant).unwrap_or_default())
}

/// The name of a component without the version that tells it from others of its name.
fn bare(listed: &str) -> &str {
    listed.split_once('@').map_or(listed, |(name, _)| name)
}

fn everything(description: &Description, offers: &[Offer]) -> String {
    let mut text = format!("mesh {}\n", OneLine(&description.name));
    for component in &description.components {
        text.push('\n');
        text.push_str(&one(component, offers));
    }
    text
}

/// One component. Its versions follow, where it is known which nodes have them.
fn one(component: &Component, offers: &[Offer]) -> String {
    let mut text = format!("{} {}\n", OneLine(&component.name), OneLine(&component.version));
    // Writing to memory cannot fail.
    let name = bare(&component.name);
    for offer in offers.iter().filter(|offer| offer.component == name) {
        let nodes = catalogue::nodes(offer);
        let _ = writeln!(
            text,
            "  version {} on {}",
            OneLine(&offer.version),
            OneLine(nodes)
        );
    }
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
    use mesh_cluster::status::OfferedBy;

    #[test]
    fn a_component_is_printed_with_its_methods_and_events() {
        let text = r#"{"name":"D","components":{"calc":{"version":"1.2.3","methods":{"add":{"parameters":[
            {"name":"a","type":"number"},{"name":"b"},{"name":"callback"}]},"tick":{"parameters":[{"name":""}]}},
            "events":{"e":{},"f":{"x":1}},"routes":{"/calc/r":{"type":"mware"},"/":{"type":"static"}}}}}"#;
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        let description = Description::parse(raw).expect("readable");
        assert_eq!(
            everything(&description, &[]),
            "mesh D\n\ncalc 1.2.3\n  add(a: number, b)\n  tick()\n  event e\n  event f {\"x\":1}\n  \
             route /calc/r\n  route / (files)\n"
        );
        let offer = |version: &str, nodes: &[(&str, &str)]| Offer {
            component: "calc".to_owned(),
            version: version.to_owned(),
            nodes: nodes
                .iter()
                .map(|(name, verdict)| OfferedBy {
                    name: (*name).to_owned(),
                    verdict: (*verdict).to_owned(),
                })
                .collect(),
            reach: "cluster".to_owned(),
            affinity: "none".to_owned(),
            idempotent: Vec::new(),
            settled: true,
            exposed: true,
        };
        let offers = [
            offer("2.0.0", &[("shop-2", "lost")]),
            offer("1.2.3", &[("shop-1", "alive"), ("shop-3", "alive")]),
        ];
        assert!(one(&description.components[0], &offers).starts_with(
            "calc 1.2.3\n  version 2.0.0 on shop-2 (lost)\n  version 1.2.3 on shop-1, shop-3\n  add("
        ));
        assert!(raw_component(&description.raw, "calc").starts_with("{\"version\":\"1.2.3\""));
    }
}
