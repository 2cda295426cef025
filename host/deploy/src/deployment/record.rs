//! mesh.toml says what runs.
//!
//! Enters: a swap that an operator asked for and that has stood its probation. Leaves: the same file with another
//! library, or with one entry more. Guarantees: a file that does not say what runs is never left without a word about it.

use super::{Deployment, RecordError, SwapRequest, is_in};
use crate::swap::Report;
use mesh_config::{ComponentConfig, Config, Edit, Location, is_inline, rewrite};
use mesh_wire::versions::ComponentVersion;
use serde::Serialize;
use std::path::Path;
use std::sync::PoisonError;

impl Deployment {
    /// Lets mesh.toml say what runs. `entry` is the one that the library was loaded for.
    pub(super) fn write_down(&self, request: &SwapRequest, entry: &ComponentConfig, report: &mut Report) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let file = running.file().display().to_string();
        let outcome = edits(&running, request, entry, report).and_then(|edits| {
            if edits.is_empty() {
                return Ok(running.clone());
            }
            Ok(rewrite(&running, &edits)?)
        });
        match outcome {
            Ok(changed) => {
                *running = changed;
                report.notes.push(format!("{file} names the new library"));
            }
            Err(error) => {
                report.not_recorded = Some(error.kind());
                let note = format!("{file} does not say what runs: {error}");
                tracing::warn!("{note}");
                report.notes.push(note);
            }
        }
    }
}

fn edits(
    running: &Config,
    request: &SwapRequest,
    entry: &ComponentConfig,
    report: &Report,
) -> Result<Vec<Edit>, RecordError> {
    let version: ComponentVersion = report
        .components
        .first()
        .and_then(|part| part.to.as_ref()?.parse().ok())
        .ok_or(RecordError::VersionUnknown)?;
    let library = from_folder(running.folder(), &request.library);
    if request.beside {
        return Ok(vec![further_entry(running, entry, &library, &version)?]);
    }
    let entry = running
        .components
        .iter()
        .find(|other| other.is_same_entry(entry))
        .ok_or(RecordError::NoEntry)?;
    let mut edits = Vec::new();
    if entry.library.value != library {
        edits.push(Edit::replace(entry.library.at, library));
    }
    if !is_in(&entry.version.value, &version) {
        edits.push(Edit::replace(entry.version.at, format!("^{version}")));
    }
    Ok(edits)
}

/// An entry beside the first, with the same settings.
fn further_entry(
    running: &Config,
    like: &ComponentConfig,
    library: &str,
    version: &ComponentVersion,
) -> Result<Edit, RecordError> {
    #[derive(Serialize)]
    struct Root<'a> {
        components: [Entry<'a>; 1],
    }
    #[derive(Serialize)]
    struct Entry<'a> {
        name: &'a str,
        library: &'a str,
        version: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        lanes: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stack_bytes: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        start_timeout_ms: Option<u128>,
        #[serde(skip_serializing_if = "Option::is_none")]
        authority_delegation: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        config: Option<&'a serde_json::Value>,
    }
    // Entries of one name are told apart by their ranges.
    let is_taken = |range: &str| {
        running
            .components
            .iter()
            .any(|entry| entry.name.value == like.name.value && entry.version.trim() == range)
    };
    let range = [format!("^{version}"), version.text().to_owned()]
        .into_iter()
        .find(|range| !is_taken(range))
        .ok_or_else(|| RecordError::Taken {
            version: version.to_string(),
        })?;
    let entry = Entry {
        name: &like.name.value,
        library,
        version: range,
        lanes: Some(like.lanes.value).filter(|_| like.lanes.at != Location::Default),
        stack_bytes: Some(like.stack_bytes.value).filter(|_| like.stack_bytes.at != Location::Default),
        start_timeout_ms: Some(like.start_timeout.as_millis()).filter(|_| !like.has_default_start_timeout()),
        authority_delegation: like.authority_delegation,
        config: Some(&like.config.value).filter(|config| !is_empty(config)),
    };
    // Behind an array of inline tables no `[[components]]` may follow.
    if let Some(last) = running
        .components
        .last()
        .filter(|last| is_inline(running, last.at))
    {
        let value = toml::Value::try_from(entry)?;
        return Ok(Edit::After {
            at: last.at,
            more: format!(", {value}"),
        });
    }
    let text = toml::to_string(&Root { components: [entry] })?;
    Ok(Edit::Append(format!("\n{text}")))
}

fn is_empty(config: &serde_json::Value) -> bool {
    config.as_object().is_some_and(serde_json::Map::is_empty)
}

/// A path below the folder of mesh.toml, as somebody would write it there.
fn from_folder(folder: &Path, library: &str) -> String {
    let below = std::fs::canonicalize(folder)
        .ok()
        .and_then(|folder| Path::new(library).strip_prefix(folder).ok().map(Path::to_owned));
    match below {
        Some(below) => format!("./{}", below.display()),
        None => library.to_owned(),
    }
}
