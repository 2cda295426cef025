//! The entries of `[[components]]`.
//!
//! Enters: the array of the tree. Leaves: one [`ComponentConfig`] for each entry, in the order of the file, all
//! mistakes reported to the [`Reader`]. Guarantees: without a reported mistake no two entries have the same name and the
//! same text of `version`; settings hold only what JSON can hold.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::Duration;

use serde_json::Map;

use super::error::ErrorKind;
use super::json::json;
use super::keys;
use super::read::{Reader, Section};
use super::source::{Location, Spanned};
use super::tree::{Value, quoted, shown};
use super::types::{ComponentConfig, RequirementConfig};
use super::values::{
    Named, check_item, check_name, check_path, default_text, fault_of_name, is_plain, located_path,
    size_of_number, unset,
};
use mesh_cluster::component::{Affinity, Reach};
use mesh_wire::versions::Range;

/// Reads all entries. `folder` is where relative paths start.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    top: &mut Section<'a>,
    folder: &Path,
) -> Vec<ComponentConfig> {
    let Some(node) = top.take("components") else {
        return Vec::new();
    };
    let help = || Some("each component starts with a line `[[components]]`, its keys below".to_owned());
    let Value::Array(items) = &node.value else {
        reader.wrong_type(top, "components", node, "an array of tables", help());
        return Vec::new();
    };
    let mut components: Vec<ComponentConfig> = Vec::new();
    let mut entries_by_name = HashMap::new();
    for item in items {
        let Value::Table(entries) = &item.value else {
            let message = format!(
                "each of `components` must be a table, found {}",
                item.value.in_words()
            );
            reader.report(ErrorKind::WrongType, item.at, message, help());
            continue;
        };
        let component = component(reader, Section::new("components", item.at, entries), folder);
        if !component.name.is_empty() {
            match entries_by_name.entry(identity(&component)) {
                Entry::Occupied(first) => report_duplicate(reader, &component, *first.get()),
                Entry::Vacant(place) => {
                    place.insert(component.name.at);
                }
            }
        }
        components.push(component);
    }
    components
}

/// The key that tells two entries apart: the name and the text of the range.
fn identity(component: &ComponentConfig) -> (String, String) {
    (component.name.value.clone(), component.version.trim().to_owned())
}

fn report_duplicate(reader: &mut Reader<'_>, component: &ComponentConfig, first: Location) {
    let name = quoted(&component.name);
    let first = reader.source.describe(first);
    let message = format!(
        "two components are named {name} and have the same `version`, {}",
        quoted(component.version.trim())
    );
    let help = format!(
        "the first is at {first}; give one of them another name, or, to serve two versions of {name} side by side, \
         each its own `version`"
    );
    reader.report(
        ErrorKind::DuplicateComponent,
        component.name.at,
        message,
        Some(help),
    );
}

fn component<'a>(reader: &mut Reader<'a>, mut section: Section<'a>, folder: &Path) -> ComponentConfig {
    let at = section.at;
    let name = reader
        .required_text(&mut section, "name", "calc")
        .unwrap_or_else(unset);
    check_name(reader, &name, "name", Named::Component);
    let example = match name.as_str() {
        plain if !plain.is_empty() && plain.chars().all(is_plain) => plain,
        _ => "calc",
    };
    let library = reader
        .required_text(&mut section, "library", example)
        .unwrap_or_else(unset);
    if library.at != Location::Default {
        check_path(reader, "`library` in [[components]]", &library);
    }
    let version = reader
        .text(&mut section, "version")
        .unwrap_or_else(|| default_text(keys::DEFAULT_VERSION));
    let config = component_config(reader, &mut section);
    let lanes = reader.integer(&mut section, "lanes", keys::LANES);
    let stack_bytes = reader.integer(&mut section, "stack_bytes", keys::STACK_BYTES);
    let start_timeout_ms = reader.integer(&mut section, "start_timeout_ms", keys::START_TIMEOUT_MS);
    let delegation = reader.boolean(&mut section, "authority_delegation", false);
    let crate_folder = reader.text(&mut section, "crate");
    let crate_folder =
        crate_folder.map(|path| located_path(reader, "`crate` in [[components]]", path, folder));
    let reach = reader.choice(&mut section, "reach", keys::REACHES);
    let affinity = reader.choice(&mut section, "affinity", keys::AFFINITIES);
    let idempotent = reader.texts(&mut section, "idempotent");
    for method in &idempotent {
        check_item(reader, method, "`idempotent` in [[components]]", Named::Method);
    }
    let requires = requires(reader, &mut section);
    reader.finish(section);
    ComponentConfig {
        at,
        name,
        library,
        version,
        config,
        lanes: lanes.map(size_of_number),
        stack_bytes: stack_bytes.map(size_of_number),
        start_timeout: Duration::from_millis(start_timeout_ms.value),
        authority_delegation: (delegation.at != Location::Default).then_some(delegation.value),
        crate_folder,
        reach: match reach.value {
            "node" => Reach::Node,
            _ => Reach::Cluster,
        },
        affinity: match affinity.value {
            "session" => Affinity::Session,
            _ => Affinity::None,
        },
        idempotent: idempotent.into_iter().map(|method| method.value).collect(),
        requires,
    }
}

/// Components by name, each with a range of versions.
fn requires<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Vec<RequirementConfig> {
    const KEY: &str = "requires";
    let help =
        || Some("write for example `requires = { stock = \"^2\" }`; `\"*\"` is any version".to_owned());
    let Some(node) = section.take(KEY) else {
        return Vec::new();
    };
    let Value::Table(entries) = &node.value else {
        reader.wrong_type(section, KEY, node, "a table", help());
        return Vec::new();
    };
    let mut required = Vec::new();
    for entry in entries {
        let (name, at) = (shown(&entry.key), entry.node.at);
        if let Some(wrong) = fault_of_name(&entry.key, Named::Component) {
            let message = format!("a component in `{KEY}` in [[components]] {wrong}, found `{name}`");
            reader.report(ErrorKind::InvalidValue, entry.key_at, message, help());
            continue;
        }
        let Value::Text(text) = &entry.node.value else {
            let found = entry.node.value.type_in_words();
            let message = format!("`{name}` of `{KEY}` in [[components]] must be a string, found {found}");
            reader.report(ErrorKind::WrongType, at, message, help());
            continue;
        };
        match Range::parse(text) {
            Ok(range) => required.push(RequirementConfig {
                at,
                component: entry.key.clone(),
                range,
            }),
            Err(error) => {
                let message = format!(
                    "`{name}` of `{KEY}` in [[components]] must be a range of versions, found {}: {}",
                    quoted(text),
                    error.kind()
                );
                let help = "write an npm range such as `^1.2.0`, `1.x` or `>=1.0.0 <3.0.0`".to_owned();
                reader.report(ErrorKind::InvalidValue, at, message, Some(help));
            }
        }
    }
    required
}

fn component_config<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Spanned<serde_json::Value> {
    let empty = || serde_json::Value::Object(Map::new());
    let Some(node) = section.take("config") else {
        return Spanned::new(empty(), Location::Default);
    };
    if !matches!(node.value, Value::Table(_)) {
        let help = Some(
            "write `[components.config]` below the component's keys, its settings below that".to_owned(),
        );
        reader.wrong_type(section, "config", node, "a table", help);
        return Spanned::new(empty(), node.at);
    }
    Spanned::new(json(reader, node), node.at)
}
