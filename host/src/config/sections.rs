//! The sections of `mesh.toml`, one function each.
//!
//! Enters: the tree of the file with the overrides in it. Leaves: the values of [`Config`](super::Config),
//! all mistakes reported to the [`Reader`]. Guarantees: values returned without a reported mistake are within
//! the ranges their types document.

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Number};

use super::error::ErrorKind;
use super::keys;
use super::read::{Reader, Section};
use super::source::{Location, Spanned};
use super::tree::{Node, Value, quoted};
use super::types::{
    CallsConfig, ComponentConfig, HappnConfig, PluginsConfig, Secret, SecurityConfig, StoreConfig,
};
use crate::store::Durability;

/// Everything the file says.
pub(super) struct Contents {
    pub(super) name: Spanned<String>,
    pub(super) domain: Spanned<String>,
    pub(super) happn: HappnConfig,
    pub(super) security: SecurityConfig,
    pub(super) store: StoreConfig,
    pub(super) plugins: PluginsConfig,
    pub(super) calls: CallsConfig,
    pub(super) components: Vec<ComponentConfig>,
}

/// Reads the whole file. `folder` is where relative paths start.
pub(super) fn read<'a>(reader: &mut Reader<'a>, root: &'a Node, folder: &Path) -> Contents {
    let entries = match &root.value {
        Value::Table(entries) => entries.as_slice(),
        _ => &[],
    };
    let mut top = Section::new("", root.at, entries);
    let name = reader
        .required_text(&mut top, "name", "MyMesh")
        .unwrap_or_else(unset);
    check_name(reader, &name, "name", false);
    let domain = reader.text(&mut top, "domain").unwrap_or_else(|| name.clone());
    if domain.at != name.at {
        check_name(reader, &domain, "domain", false);
    }
    let section = reader.section(&mut top, "happn");
    let happn = happn(reader, section);
    let section = reader.section(&mut top, "security");
    let security = security(reader, section);
    let section = reader.section(&mut top, "store");
    let store = store(reader, section, folder);
    let section = reader.section(&mut top, "plugins");
    let plugins = plugins(reader, section, folder);
    let section = reader.section(&mut top, "calls");
    let calls = calls(reader, section);
    let components = components(reader, &mut top);
    reader.finish(top);
    Contents {
        name,
        domain,
        happn,
        security,
        store,
        plugins,
        calls,
        components,
    }
}

fn happn<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> HappnConfig {
    let host = reader
        .text(&mut section, "host")
        .unwrap_or_else(|| default_text(keys::DEFAULT_HOST));
    check_host(reader, &host);
    let port = reader.integer(&mut section, "port", keys::PORT);
    let secure = reader.boolean(&mut section, "secure", keys::DEFAULT_SECURE);
    let max_frame_bytes = reader.integer(&mut section, "max_frame_bytes", keys::MAX_FRAME_BYTES);
    let outbound_queue_bytes =
        reader.integer(&mut section, "outbound_queue_bytes", keys::OUTBOUND_QUEUE_BYTES);
    let max_connections = reader.integer(&mut section, "max_connections", keys::MAX_CONNECTIONS);
    let max_subscriptions = reader.integer(&mut section, "max_subscriptions", keys::MAX_SUBSCRIPTIONS);
    let acknowledge_timeout_ms = reader.integer(
        &mut section,
        "acknowledge_timeout_ms",
        keys::ACKNOWLEDGE_TIMEOUT_MS,
    );
    reader.finish(section);
    HappnConfig {
        host,
        port: port.map(|port| u16::try_from(port).unwrap_or(u16::MAX)),
        secure,
        max_frame_bytes: size(&max_frame_bytes),
        outbound_queue_bytes: size(&outbound_queue_bytes),
        max_connections: size(&max_connections),
        max_subscriptions: size(&max_subscriptions),
        acknowledge_timeout: Duration::from_millis(acknowledge_timeout_ms.value),
    }
}

fn security<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> SecurityConfig {
    let admin_password = reader.text(&mut section, "admin_password");
    if let Some(empty) = admin_password.as_ref().filter(|password| password.is_empty()) {
        let help = Some("leave the key out to set none".to_owned());
        reader.report(
            ErrorKind::InvalidValue,
            empty.at,
            "`admin_password` in [security] is empty",
            help,
        );
    }
    reader.finish(section);
    SecurityConfig {
        admin_password: admin_password.map(|password| password.map(Secret::new)),
    }
}

fn store<'a>(reader: &mut Reader<'a>, mut section: Section<'a>, folder: &Path) -> StoreConfig {
    let path = reader.text(&mut section, "path");
    let path = path.map(|path| located_path(reader, "`path` in [store]", path, folder));
    let durability = reader.choice(&mut section, "durability", keys::DURABILITIES);
    let interval_ms = reader.integer(&mut section, "interval_ms", keys::INTERVAL_MS);
    if path.is_none() {
        let given = [("durability", durability.at), ("interval_ms", interval_ms.at)];
        for (key, at) in given.into_iter().filter(|(_, at)| *at != Location::Default) {
            // Whoever writes this counts on a disk.
            let message = format!("`{key}` in [store] needs a `path`: without one nothing is kept on disk");
            let help = Some("add a line such as `path = \"data/store.redb\"`".to_owned());
            reader.report(ErrorKind::MissingKey, at, message, help);
        }
    }
    reader.finish(section);
    StoreConfig {
        path,
        durability: match durability.value {
            "interval" => Durability::Interval,
            "none" => Durability::None,
            _ => Durability::Commit,
        },
        interval: Duration::from_millis(interval_ms.value),
    }
}

fn plugins<'a>(reader: &mut Reader<'a>, mut section: Section<'a>, folder: &Path) -> PluginsConfig {
    let dir = reader
        .text(&mut section, "dir")
        .unwrap_or_else(|| default_text(keys::DEFAULT_PLUGINS_DIR));
    let dir = located_path(reader, "`dir` in [plugins]", dir, folder);
    reader.finish(section);
    PluginsConfig { dir }
}

fn calls<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> CallsConfig {
    let timeout_ms = reader.integer(&mut section, "timeout_ms", keys::TIMEOUT_MS);
    let queue_bytes = reader.integer(&mut section, "queue_bytes", keys::QUEUE_BYTES);
    reader.finish(section);
    CallsConfig {
        timeout: Duration::from_millis(timeout_ms.value),
        queue_bytes: size(&queue_bytes),
    }
}

fn components<'a>(reader: &mut Reader<'a>, top: &mut Section<'a>) -> Vec<ComponentConfig> {
    let Some(node) = top.take("components") else {
        return Vec::new();
    };
    let help = || Some("each component starts with a line `[[components]]`, its keys below".to_owned());
    let Value::Array(items) = &node.value else {
        reader.wrong_type(top, "components", node, "an array of tables", help());
        return Vec::new();
    };
    let mut components: Vec<ComponentConfig> = Vec::new();
    let mut names: HashMap<String, Location> = HashMap::new();
    for item in items {
        let Value::Table(entries) = &item.value else {
            let message = format!(
                "each of `components` must be a table, found {}",
                item.value.in_words()
            );
            reader.report(ErrorKind::WrongType, item.at, message, help());
            continue;
        };
        let component = component(reader, Section::new("components", item.at, entries));
        match names.get(&component.name.value) {
            _ if component.name.is_empty() => {}
            Some(first) => {
                let message = format!("two components are named {}", quoted(&component.name));
                let first = reader.source.describe(*first);
                let help = format!("the first is at {first}; give one of them another name");
                reader.report(
                    ErrorKind::DuplicateComponent,
                    component.name.at,
                    message,
                    Some(help),
                );
            }
            None => {
                names.insert(component.name.value.clone(), component.name.at);
            }
        }
        components.push(component);
    }
    components
}

fn component<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> ComponentConfig {
    let at = section.at;
    let name = reader
        .required_text(&mut section, "name", "calc")
        .unwrap_or_else(unset);
    check_name(reader, &name, "name", true);
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
    reader.finish(section);
    ComponentConfig {
        at,
        name,
        library,
        version,
        config,
        lanes: lanes.map(size_of_number),
    }
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

/// A TOML value as JSON: dates become strings, tables keep the order of the file.
fn json(reader: &mut Reader<'_>, node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Text(text) => serde_json::Value::String(text.clone()),
        Value::Boolean(value) => serde_json::Value::Bool(*value),
        Value::Date(date) => serde_json::Value::String(date.clone()),
        Value::Array(items) => {
            serde_json::Value::Array(items.iter().map(|item| json(reader, item)).collect())
        }
        Value::Table(entries) => {
            let entries = entries
                .iter()
                .map(|entry| (entry.key.clone(), json(reader, &entry.node)));
            serde_json::Value::Object(entries.collect())
        }
        Value::Integer(number, _) => {
            let signed = number
                .and_then(|number| i64::try_from(number).ok())
                .map(Number::from);
            let unsigned = number
                .and_then(|number| u64::try_from(number).ok())
                .map(Number::from);
            number_or_report(reader, node, signed.or(unsigned), "does not fit into 64 bits")
        }
        Value::Float(written) => {
            let number = written.parse().ok().and_then(Number::from_f64);
            number_or_report(reader, node, number, "is not a number that JSON has")
        }
    }
}

fn number_or_report(
    reader: &mut Reader<'_>,
    node: &Node,
    number: Option<Number>,
    wrong: &str,
) -> serde_json::Value {
    match number {
        Some(number) => serde_json::Value::Number(number),
        None => {
            let secret = reader.source.is_secret(node.at);
            let found = if secret {
                node.value.type_in_words().to_owned()
            } else {
                node.value.in_words()
            };
            let help = Some("a component gets its config as JSON; write the value as a string".to_owned());
            reader.report(ErrorKind::OutOfRange, node.at, format!("{found} {wrong}"), help);
            serde_json::Value::Null
        }
    }
}

/// Reports a name that cannot be part of a path such as `/name/method`.
fn check_name(reader: &mut Reader<'_>, name: &Spanned<String>, key: &str, component: bool) {
    if name.at == Location::Default {
        return;
    }
    let wrong = if name.trim().is_empty() {
        "must not be empty".to_owned()
    } else if name.contains(char::is_control) {
        "must not contain control characters".to_owned()
    } else if let Some(letter) = name.chars().find(|letter| matches!(letter, '/' | '*')) {
        format!("must not contain `{letter}`")
    } else if component && name.contains(char::is_whitespace) {
        "must not contain spaces".to_owned()
    } else {
        return;
    };
    let place = if component { " in [[components]]" } else { "" };
    let message = format!("`{key}`{place} {wrong}, found {}", quoted(name));
    let better: Vec<&str> = name
        .split(|letter: char| !is_plain(letter) && letter != '.')
        .collect();
    let better = better
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let help = (!better.is_empty()).then(|| format!("write for example `{key} = \"{better}\"`"));
    reader.report(ErrorKind::InvalidValue, name.at, message, help);
}

/// Whether a letter may stand in any name.
fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_')
}

fn check_host(reader: &mut Reader<'_>, host: &Spanned<String>) {
    let text = host.as_str();
    let help = if text.is_empty() {
        "write `host = \"0.0.0.0\"` to listen on every interface"
    } else if text.contains("://") {
        "write the host alone, without `http://`"
    } else if text.starts_with('[') {
        "write an IPv6 address without brackets, as in `host = \"::1\"`"
    } else if text.contains(':') && text.parse::<Ipv6Addr>().is_err() {
        "the port goes into its own key, `port`"
    } else if text.contains(|letter: char| letter == '/' || letter.is_whitespace() || letter.is_control()) {
        "it has no spaces and no `/`"
    } else {
        return;
    };
    let message = format!(
        "`host` in [happn] must be an address or a host name, found {}",
        quoted(text)
    );
    reader.report(ErrorKind::InvalidValue, host.at, message, Some(help.to_owned()));
}

fn located_path(
    reader: &mut Reader<'_>,
    label: &str,
    path: Spanned<String>,
    folder: &Path,
) -> Spanned<PathBuf> {
    check_path(reader, label, &path);
    path.map(|path| folder.join(path))
}

/// Reports text that cannot name a file.
fn check_path(reader: &mut Reader<'_>, label: &str, path: &Spanned<String>) {
    if path.trim().is_empty() {
        let help = Some("`.` is the folder of the configuration file".to_owned());
        reader.report(
            ErrorKind::InvalidValue,
            path.at,
            format!("{label} must not be empty"),
            help,
        );
    } else if path.contains(char::is_control) {
        let message = format!(
            "{label} must not contain control characters, found {}",
            quoted(path)
        );
        let help = Some("in double quotes `\\` starts an escape; use `/` between folders".to_owned());
        reader.report(ErrorKind::InvalidValue, path.at, message, help);
    }
}

fn default_text(text: &str) -> Spanned<String> {
    Spanned::new(text.to_owned(), Location::Default)
}

/// Stands for a required string whose absence has been reported.
fn unset() -> Spanned<String> {
    Spanned::new(String::new(), Location::Default)
}

fn size(number: &Spanned<u64>) -> usize {
    size_of_number(number.value)
}

fn size_of_number(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
