//! The sections of `mesh.toml`, one function each.
//!
//! Enters: the tree of the file with the overrides in it. Leaves: the values of [`Config`](super::Config),
//! all mistakes reported to the [`Reader`]. Guarantees: values returned without a reported mistake are within
//! the ranges their types document.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use super::cluster::{self, Surroundings};
use super::components;
use super::error::ErrorKind;
use super::keys;
use super::read::{Reader, Section};
use super::rest;
use super::security;
use super::source::{Location, Spanned};
use super::tree::{Node, Value, quoted};
use super::types::{
    CallsConfig, ClusterConfig, ComponentConfig, ConsoleConfig, HappnConfig, PluginsConfig, Rehearse,
    RestConfig, SecurityConfig, StoreConfig, SwapConfig, TlsConfig, WebConfig,
};
use super::values::{Named, check_name, default_text, located_path, size, unset};
use super::web;
use mesh_files::Durability;

/// Everything the file says.
pub(super) struct Contents {
    pub(super) name: Spanned<String>,
    pub(super) domain: Spanned<String>,
    pub(super) data_component: bool,
    pub(super) happn: HappnConfig,
    pub(super) security: SecurityConfig,
    pub(super) store: StoreConfig,
    pub(super) plugins: PluginsConfig,
    pub(super) rest: RestConfig,
    pub(super) calls: CallsConfig,
    pub(super) swap: SwapConfig,
    pub(super) cluster: Option<ClusterConfig>,
    pub(super) web: WebConfig,
    pub(super) console: ConsoleConfig,
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
    check_name(reader, &name, "name", Named::Mesh);
    let domain = reader.text(&mut top, "domain").unwrap_or_else(|| name.clone());
    if domain.at != name.at {
        check_name(reader, &domain, "domain", Named::Mesh);
    }
    let data_component = reader.boolean(&mut top, "data_component", false);
    let section = reader.section(&mut top, "happn");
    let happn = happn(reader, section, folder);
    let section = reader.section(&mut top, "security");
    let security = security::read(reader, section);
    let section = reader.section(&mut top, "store");
    let store = store(reader, section, folder);
    let section = reader.section(&mut top, "plugins");
    let plugins = plugins(reader, section, folder);
    let section = reader.section(&mut top, "rest");
    let rest = rest::read(reader, section);
    let section = reader.section(&mut top, "calls");
    let calls = calls(reader, section);
    let section = reader.section(&mut top, "swap");
    let swap = swap(reader, section);
    let section = reader.section(&mut top, "cluster");
    let surroundings = Surroundings {
        folder,
        name: &name,
        domain: (domain.at != name.at).then_some(domain.at),
        secure: &happn.secure,
    };
    let cluster = cluster::read(reader, section, &surroundings);
    let section = reader.section(&mut top, "web");
    let web = web::read(reader, section, folder);
    let section = reader.section(&mut top, "console");
    let console = console(reader, section);
    let components = components::read(reader, &mut top, folder);
    reader.finish(top);
    Contents {
        name,
        domain,
        data_component: data_component.value,
        happn,
        security,
        store,
        plugins,
        rest,
        calls,
        swap,
        cluster,
        web,
        console,
        components,
    }
}

fn happn<'a>(reader: &mut Reader<'a>, mut section: Section<'a>, folder: &Path) -> HappnConfig {
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
    let before_login = reader.integer(
        &mut section,
        "max_connections_before_login",
        keys::MAX_CONNECTIONS_BEFORE_LOGIN,
    );
    let before_login_per_address = reader.integer(
        &mut section,
        "max_connections_before_login_per_address",
        keys::MAX_CONNECTIONS_BEFORE_LOGIN_PER_ADDRESS,
    );
    let login_timeout_ms = reader.integer(&mut section, "login_timeout_ms", keys::LOGIN_TIMEOUT_MS);
    let ping_interval_ms = reader.integer(&mut section, "ping_interval_ms", keys::PING_INTERVAL_MS);
    let compression = reader.boolean(&mut section, "compression", false);
    let max_subscriptions = reader.integer(&mut section, "max_subscriptions", keys::MAX_SUBSCRIPTIONS);
    let max_subscription_bytes = reader.integer(
        &mut section,
        "max_subscription_bytes",
        keys::MAX_SUBSCRIPTION_BYTES,
    );
    let acknowledge_timeout_ms = reader.integer(
        &mut section,
        "acknowledge_timeout_ms",
        keys::ACKNOWLEDGE_TIMEOUT_MS,
    );
    let inner = reader.section_in(&mut section, "tls", "happn.tls");
    let tls = tls(reader, inner, folder);
    reader.finish(section);
    HappnConfig {
        host,
        port: port.map(|port| u16::try_from(port).unwrap_or(u16::MAX)),
        secure,
        max_frame_bytes: size(&max_frame_bytes),
        outbound_queue_bytes: size(&outbound_queue_bytes),
        max_connections: size(&max_connections),
        max_connections_before_login: size(&before_login),
        max_connections_before_login_per_address: size(&before_login_per_address),
        login_timeout: Duration::from_millis(login_timeout_ms.value),
        ping_interval: Duration::from_millis(ping_interval_ms.value),
        compression: compression.value,
        max_subscriptions: size(&max_subscriptions),
        max_subscription_bytes: size(&max_subscription_bytes),
        acknowledge_timeout: Duration::from_millis(acknowledge_timeout_ms.value),
        tls,
    }
}

/// The section means encryption: the result is that or an error. One key without the other is an error.
fn tls<'a>(reader: &mut Reader<'a>, mut section: Section<'a>, folder: &Path) -> Option<TlsConfig> {
    if section.at == Location::Default {
        return None;
    }
    let cert = reader.required_text(&mut section, "cert", "tls/cert.pem");
    let key = reader.required_text(&mut section, "key", "tls/key.pem");
    let cert = cert.map(|path| located_path(reader, "`cert` in [happn.tls]", path, folder));
    let key = key.map(|path| located_path(reader, "`key` in [happn.tls]", path, folder));
    let hsts_seconds = reader.integer(&mut section, "hsts_seconds", keys::HSTS_SECONDS);
    reader.finish(section);
    Some(TlsConfig {
        cert: cert?,
        key: key?,
        hsts: Duration::from_secs(hsts_seconds.value),
    })
}

fn store<'a>(reader: &mut Reader<'a>, mut section: Section<'a>, folder: &Path) -> StoreConfig {
    let path = reader.text(&mut section, "path");
    let path = path.map(|path| located_path(reader, "`path` in [store]", path, folder));
    let durability = reader.choice(&mut section, "durability", keys::DURABILITIES);
    let interval_ms = reader.integer(&mut section, "interval_ms", keys::INTERVAL_MS);
    if path.is_none() {
        let given = [("durability", durability.at), ("interval_ms", interval_ms.at)];
        for (key, at) in given.into_iter().filter(|(_, at)| *at != Location::Default) {
            // This key means that the data is on a disk.
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
    let client_timeout_ms = reader.integer(&mut section, "client_timeout_ms", keys::CLIENT_TIMEOUT_MS);
    let queue_bytes = reader.integer(&mut section, "queue_bytes", keys::QUEUE_BYTES);
    let max_pending = reader.integer(
        &mut section,
        "max_pending_per_session",
        keys::MAX_PENDING_PER_SESSION,
    );
    reader.finish(section);
    CallsConfig {
        timeout: Duration::from_millis(timeout_ms.value),
        client_timeout: Duration::from_millis(client_timeout_ms.value),
        queue_bytes: size(&queue_bytes),
        max_pending_per_session: size(&max_pending),
    }
}

fn swap<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> SwapConfig {
    let probation_ms = reader.integer(&mut section, "probation_ms", keys::PROBATION_MS);
    let max_error_percent = reader.integer(&mut section, "max_error_percent", keys::MAX_ERROR_PERCENT);
    let drain_timeout_ms = reader.integer(&mut section, "drain_timeout_ms", keys::DRAIN_TIMEOUT_MS);
    let handover_timeout_ms = reader.integer(&mut section, "handover_timeout_ms", keys::HANDOVER_TIMEOUT_MS);
    let max_state_bytes = reader.integer(&mut section, "max_state_bytes", keys::MAX_STATE_BYTES);
    let watch = reader.boolean(&mut section, "watch", keys::DEFAULT_WATCH);
    let max_versions = reader.integer(&mut section, "max_versions", keys::MAX_VERSIONS);
    let rehearse = reader.choice(&mut section, "rehearse", keys::REHEARSALS);
    reader.finish(section);
    SwapConfig {
        probation: Duration::from_millis(probation_ms.value),
        max_error_percent: u32::try_from(max_error_percent.value).unwrap_or(u32::MAX),
        drain_timeout: Duration::from_millis(drain_timeout_ms.value),
        handover_timeout: Duration::from_millis(handover_timeout_ms.value),
        max_state_bytes: size(&max_state_bytes),
        watch: watch.value,
        max_versions: size(&max_versions),
        rehearse: match rehearse.value {
            "life" => Rehearse::Life,
            "off" => Rehearse::Off,
            _ => Rehearse::Load,
        },
    }
}

fn console<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> ConsoleConfig {
    let enabled = reader.boolean(&mut section, "enabled", keys::DEFAULT_CONSOLE);
    reader.finish(section);
    ConsoleConfig {
        enabled: enabled.value,
    }
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
