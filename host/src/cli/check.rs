//! `mesh check`: looks at a configuration without serving it.

use super::CommandError;
use crate::server;
use crate::terminal::{self, OneLine};
use mesh_config::{Config, KEYS};
use std::io::Write;
use std::path::PathBuf;

/// Options of `mesh check`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    mesh check
    mesh check --config production.toml --set plugins.dir=/opt/mesh/components
    mesh check --keys")]
pub struct Arguments {
    /// The file that describes the mesh.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
    /// Sets a key of the file to another value. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// List all keys instead: their default, when a change applies, and their meaning.
    #[arg(long)]
    keys: bool,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    if arguments.keys {
        let mut out = terminal::output();
        for key in KEYS {
            writeln!(out, "{key}")?;
        }
        return Ok(());
    }
    let config = Config::load(&arguments.config, &arguments.set)?;
    let components = server::check(&config, super::rehearsal()).await?;
    let mut warnings = Vec::from_iter(server::check_certificate(&config)?);
    warnings.extend(server::warnings(&config));
    for warning in &warnings {
        terminal::note(format_args!("warning: {warning}"));
    }
    if arguments.json {
        let list: Vec<_> = components
            .iter()
            .map(|(name, descriptor)| serde_json::json!({"name": name, "version": descriptor.version().text()}))
            .collect();
        writeln!(
            terminal::json_output(),
            "{}",
            serde_json::json!({"name": config.name.value, "components": list, "warnings": warnings})
        )?;
        return Ok(());
    }
    let mut out = terminal::output();
    writeln!(
        out,
        "{}: mesh {} with {} components",
        OneLine(arguments.config.display()),
        OneLine(&config.name.value),
        components.len()
    )?;
    for (name, descriptor) in components {
        writeln!(
            out,
            "  {} {}, {} methods",
            OneLine(name),
            descriptor.version().text(),
            descriptor.methods().len()
        )?;
    }
    Ok(())
}
