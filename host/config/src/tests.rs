//! Stories about configurations, right and wrong.
//!
//! Enters: texts of `mesh.toml` and overrides. Leaves: nothing. Guarantees: the messages that people read when they
//! make a mistake is fixed here word by word.

use std::path::{Path, PathBuf};

use super::*;
use mesh_files::Durability;

mod cluster;
mod difference;
mod files;
mod keys;
mod mistakes;
mod overrides;
mod robustness;

/// A file with every key.
const FULL: &str = r#"
name = "TestNode"
domain = "testing"

[happn]
host = "0.0.0.0"
port = 0
secure = true
max_frame_bytes = 1_024
outbound_queue_bytes = 65536
max_connections = 10

[security]
admin_password = "hunter2"

[store]
path = "data/store"
durability = "interval"
interval_ms = 250

[plugins]
dir = "target/release"

[calls]
timeout_ms = 1500
queue_bytes = 0x10000

[swap]
probation_ms = 0
max_error_percent = 5
drain_timeout_ms = 700
handover_timeout_ms = 80
max_state_bytes = 4096
watch = false
max_versions = 2

[cluster]
name = "shop"
servers = ["tls://nats-1.example:4222", "nats://127.0.0.1:4222"]
credentials = "shop-1.creds"
ca = "tls/ca.pem"
cert = "tls/cert.pem"
key = "/etc/ssl/key.pem"
expose = ["stock", "calc@^1"]
prefer = "any"
wait_for = ["stock"]
min_nodes = 2
wait_ms = 5000
beat_ms = 200
suspect_beats = 5
lost_ms = 1000
away_ms = 400
forget_ms = 60000
link_bytes = 2097152
separate_users = true

[console]
enabled = true

[[components]]
name = "calc"
library = "calc"
version = "^1.2 || ^2"
lanes = 4
stack_bytes = 1048576
start_timeout_ms = 900
crate = "plugins/calc"
reach = "node"
affinity = "session"
idempotent = ["get", "list"]
requires = { stock = "^2", "price.list" = "*" }

[components.config]
started = 2026-01-02T03:04:05Z
zeta = [1, 2.5, "x"]
alpha = { deep = true, big = 18446744073709551615 }

[[components]]
name = "echo"
library = "/opt/echo.so"
"#;

fn parsed(text: &str, overrides: &[&str]) -> Result<Config, ConfigError> {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    Config::parse(text, Path::new("mesh.toml"), &overrides)
}

#[track_caller]
fn good(text: &str, overrides: &[&str]) -> Config {
    match parsed(text, overrides) {
        Ok(config) => config,
        Err(error) => panic!("expected a good configuration, got\n{error}"),
    }
}

#[track_caller]
fn bad(text: &str, overrides: &[&str]) -> ConfigError {
    match parsed(text, overrides) {
        Ok(config) => panic!("expected mistakes, got {config:#?}"),
        Err(error) => error,
    }
}

/// Asserts the exact text printed for a configuration, first line of `expected` empty for readability.
#[track_caller]
fn prints(text: &str, overrides: &[&str], expected: &str) {
    let printed = bad(text, overrides).to_string();
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert_eq!(
        printed, expected,
        "\n--- printed ---\n{printed}\n--- expected ---\n{expected}"
    );
}

#[test]
fn a_file_with_every_key_becomes_types() {
    let config = Config::parse(FULL, Path::new("/etc/mesh/mesh.toml"), &[]).expect("the file is right");
    assert_eq!(config.name.as_str(), "TestNode");
    assert_eq!(config.domain.as_str(), "testing");
    assert_eq!(config.happn.host.as_str(), "0.0.0.0");
    assert_eq!(*config.happn.port, 0);
    assert!(*config.happn.secure);
    assert_eq!(config.happn.max_frame_bytes, 1024);
    assert_eq!(config.happn.outbound_queue_bytes, 65_536);
    assert_eq!(config.happn.max_connections, 10);
    assert_eq!(
        config
            .security
            .admin_password
            .as_ref()
            .map(|password| password.expose()),
        Some("hunter2")
    );
    assert_eq!(
        config.store.path.as_ref().map(|path| path.value.clone()),
        Some(PathBuf::from("/etc/mesh/data/store"))
    );
    assert_eq!(
        (config.store.durability, config.store.interval.as_millis()),
        (Durability::Interval, 250)
    );
    assert_eq!(config.plugins.dir.value, Path::new("/etc/mesh/target/release"));
    assert_eq!(config.calls.timeout.as_millis(), 1500);
    assert_eq!(config.calls.queue_bytes, 65_536);
    let swap = &config.swap;
    let times = [swap.probation, swap.drain_timeout, swap.handover_timeout];
    assert_eq!(times.map(|time| time.as_millis()), [0, 700, 80]);
    assert_eq!(
        (swap.max_error_percent, swap.watch, swap.max_versions),
        (5, false, 2)
    );
    assert_eq!(swap.max_state_bytes, 4096);
    assert!(config.console.enabled);
    let calc = config.component("calc").expect("calc is there");
    assert_eq!(calc.start_timeout.as_millis(), 900);
    assert_eq!(
        calc.crate_folder.as_ref().map(|folder| folder.value.clone()),
        Some(PathBuf::from("/etc/mesh/plugins/calc"))
    );
    assert_eq!((calc.version.as_str(), *calc.lanes), ("^1.2 || ^2", 4));
    assert_eq!(*calc.stack_bytes, 1 << 20);
    let json = r#"{"started":"2026-01-02T03:04:05Z","zeta":[1,2.5,"x"],"alpha":{"deep":true,"big":18446744073709551615}}"#;
    assert_eq!(
        calc.config.value,
        serde_json::from_str::<serde_json::Value>(json).expect("this is JSON")
    );
    let echo = &config.components[1];
    assert_eq!(
        (echo.name.as_str(), echo.library.as_str(), echo.version.as_str()),
        ("echo", "/opt/echo.so", "*")
    );
    assert_eq!((&echo.config.value, *echo.lanes), (&serde_json::json!({}), 1));
    assert_eq!(*echo.stack_bytes, 2 << 20);
}

#[test]
fn a_file_with_only_a_name_is_complete() {
    let config = good("name = \"Small\"", &[]);
    assert_eq!(config.domain.as_str(), "Small");
    assert_eq!(
        (
            config.happn.host.as_str(),
            *config.happn.port,
            *config.happn.secure
        ),
        ("127.0.0.1", 55_000, false)
    );
    assert_eq!(config.happn.max_frame_bytes, 10 * 1024 * 1024);
    assert_eq!(config.happn.outbound_queue_bytes, 32 * 1024 * 1024);
    assert_eq!(config.happn.max_connections, 65_536);
    assert_eq!(config.calls.timeout.as_secs(), 120);
    assert_eq!(config.calls.client_timeout.as_secs(), 10);
    assert_eq!(config.calls.queue_bytes, 64 * 1024 * 1024);
    assert_eq!(config.calls.max_pending_per_session, 10_000);
    assert!(config.security.admin_password.is_none() && config.store.path.is_none());
    assert_eq!(
        (config.store.durability, config.store.interval.as_millis()),
        (Durability::Commit, 1000)
    );
    let swap = &config.swap;
    let times = [swap.probation, swap.drain_timeout, swap.handover_timeout];
    assert_eq!(times.map(|time| time.as_millis()), [30_000, 30_000, 2000]);
    assert_eq!(
        (swap.max_error_percent, swap.watch, swap.max_versions),
        (20, true, 4)
    );
    assert_eq!(swap.max_state_bytes, 256 << 20);
    assert!(!config.console.enabled);
    assert!(config.components.is_empty());
    assert_eq!(config.folder(), Path::new("."));
    assert_eq!(config.plugins.dir.at, Location::Default);
}

#[test]
fn versions_of_one_component_stand_side_by_side() {
    let entry = |version: &str| format!("[[components]]\nname = \"calc\"\nlibrary = \"calc\"\n{version}\n");
    let both = format!("name = \"x\"\n{}{}", entry("version = \"^1\""), entry(""));
    let versions: Vec<String> = good(&both, &[])
        .components
        .iter()
        .map(|entry| entry.version.value.clone())
        .collect();
    assert_eq!(versions, ["^1", "*"]);
    let twice = format!("{both}{}", entry("version = \" ^1 \""));
    assert_eq!(bad(&twice, &[]).kind(), ErrorKind::DuplicateComponent);
}

#[test]
fn a_password_is_not_in_debug_output() {
    let shown = format!("{:?}", good(FULL, &["security.admin_password=swordfish"]));
    assert!(shown.contains("***"), "{shown}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("swordfish"),
        "{shown}"
    );
}

#[test]
fn later_checks_point_into_the_file_the_overrides_or_at_a_default() {
    let config = good("name = \"x\"\n[happn]\n  port = 80\n", &["happn.host=localhost"]);
    assert_eq!(config.position(config.happn.port.at), Some((3, 10)));
    let help = Some("stop the other process or choose another port".to_owned());
    let error = config.diagnose(config.happn.port.at, "port 80 is in use", help);
    assert_eq!(error.kind(), ErrorKind::Check);
    let expected = "mesh.toml:3:10: port 80 is in use\n3 |   port = 80\n  |          ^^\n\
                    help: stop the other process or choose another port";
    assert_eq!(error.to_string(), expected);
    let error = config.diagnose(config.happn.host.at, "no such host", None);
    assert_eq!(error.to_string(), "--set happn.host=localhost: no such host");
    let error = config.diagnose(config.plugins.dir.at, "the folder is empty", None);
    assert_eq!(error.to_string(), "mesh.toml: the folder is empty");
    let error = config.diagnose(Location::File { start: 9_999, end: 3 }, "far out", None);
    assert_eq!(
        error.diagnostics().next().and_then(|diagnostic| diagnostic.line),
        Some(4)
    );
}

#[test]
fn errors_merge_in_order() {
    let config = good("name = \"x\"", &[]);
    let errors = ["one", "two"].map(|message| config.diagnose(Location::Default, message, None));
    let merged = ConfigError::merge(errors).expect("there are two");
    assert_eq!(merged.to_string(), "mesh.toml: one\n\nmesh.toml: two");
    assert!(ConfigError::merge([]).is_none());
}

#[test]
fn durability_is_one_of_three_words_and_needs_a_path() {
    prints(
        "name = \"x\"\n[store]\npath = \"data\"\ndurability = \"comit\"\ninterval_ms = 0",
        &[],
        r#"
mesh.toml:4:14: `durability` in [store] must be one of "commit", "interval", "none", found "comit"
4 | durability = "comit"
  |              ^^^^^^^
help: did you mean `durability = "commit"`?

mesh.toml:5:15: `interval_ms` in [store] must be from 1 to 3600000, found 0
5 | interval_ms = 0
  |               ^
help: without this key it is 1000"#,
    );
    prints(
        "name = \"x\"\n[store]\ndurability = \"none\"",
        &[],
        r#"
mesh.toml:3:14: `durability` in [store] needs a `path`: without one nothing is kept on disk
3 | durability = "none"
  |              ^^^^^^
help: add a line such as `path = "data/store.redb"`"#,
    );
}
