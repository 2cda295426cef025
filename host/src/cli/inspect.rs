//! `mesh inspect`: what a component library says of itself.

use super::CommandError;
use crate::server;
use crate::terminal::{self, OneLine};
use mesh_plugin::{Component, Descriptor, LoadError};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Options of `mesh inspect`.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
    mesh inspect target/release/libcalc.so

The library is opened and asked; no component is made and no method is called. In JSON, `host_abi` is what this host
offers, not what the library was built for.")]
pub struct Arguments {
    /// The library file.
    #[arg(value_name = "LIBRARY")]
    library: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let failed = |error: LoadError| CommandError::failed(error.to_string());
    let stage = server::stage(super::rehearsal()).map_err(failed)?;
    let descriptor = Component::inspect(arguments.library, stage)
        .await
        .map_err(failed)?;
    if arguments.json {
        writeln!(terminal::json_output(), "{:#}", as_json(&descriptor))?;
    } else {
        print_text(&descriptor)?;
    }
    Ok(())
}

fn as_json(descriptor: &Descriptor) -> Value {
    let methods: Vec<Value> = descriptor
        .methods()
        .iter()
        .map(|method| {
            json!({
                "name": method.name(),
                "parameters": method.parameters(),
                "async": method.is_asynchronous(),
                "idempotent": method.is_idempotent(),
                "description": method.description(),
            })
        })
        .collect();
    json!({
        "name": descriptor.name(),
        "version": descriptor.version().text(),
        "sdk": descriptor.sdk(),
        "host_abi": format!("{}.{}", mesh_plugin_abi::ABI_MAJOR, mesh_plugin_abi::ABI_MINOR),
        "methods": methods,
        "events": descriptor.events(),
        "state": descriptor.state().map(|state| json!({"schema": state.schema, "restores": state.restores})),
        "health": descriptor.has_health(),
        "data": descriptor.data(),
        "routes": descriptor.routes().iter().map(|(name, kind)| (name.clone(), json!({"type": kind}))).collect::<serde_json::Map<_, _>>(),
    })
}

fn print_text(descriptor: &Descriptor) -> io::Result<()> {
    let mut out = terminal::output();
    writeln!(
        out,
        "{} {} ({})",
        OneLine(descriptor.name()),
        descriptor.version().text(),
        OneLine(descriptor.sdk())
    )?;
    for method in descriptor.methods() {
        let parameters: Vec<Value> = serde_json::from_str(method.parameters().get()).unwrap_or_default();
        let names: Vec<&str> = parameters
            .iter()
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        writeln!(out, "  {}({})", OneLine(method.name()), OneLine(names.join(", ")))?;
        for line in method.description().into_iter().flat_map(str::lines) {
            writeln!(out, "      {line}")?;
        }
    }
    for (route, kind) in descriptor.routes() {
        writeln!(out, "  route {} ({})", OneLine(route), OneLine(kind))?;
    }
    let events: Value = serde_json::from_str(descriptor.events().get()).unwrap_or_default();
    for event in events.as_object().into_iter().flat_map(|events| events.keys()) {
        writeln!(out, "  event {}", OneLine(event))?;
    }
    if let Some(state) = descriptor.state() {
        let reads: Vec<String> = state.restores.iter().map(u32::to_string).collect();
        writeln!(out, "  state schema {}, reads {}", state.schema, reads.join(", "))?;
    }
    if descriptor.has_health() {
        writeln!(out, "  says how it is")?;
    }
    out.flush()
}
