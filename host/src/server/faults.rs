//! Where in mesh.toml a fault of a start is written.
//!
//! Enters: errors of the port, of components, of certificates. Leaves: the same at their places, with help. Guarantees: none.

use mesh_config::{ComponentConfig, Config, ConfigError, TlsConfig};
use mesh_plugin::{LoadError, LoadErrorKind};
use mesh_security::tls::{TlsError, TlsErrorKind};
use std::io;

pub(super) fn cannot_listen(config: &Config, error: &io::Error) -> ConfigError {
    let (host, port) = (&config.happn.host, &config.happn.port);
    match error.kind() {
        io::ErrorKind::AddrInUse => config.diagnose(
            port.at,
            format!(
                "port {} of {} is in use by another process",
                port.value, host.value
            ),
            Some("choose another port, or 0 for any free one".to_owned()),
        ),
        io::ErrorKind::PermissionDenied => config.diagnose(
            port.at,
            format!("port {} may not be opened by this user", port.value),
            Some("choose a port from 1024 upwards".to_owned()),
        ),
        _ => config.diagnose(
            host.at,
            format!("cannot listen on {}:{}: {error}", host.value, port.value),
            Some("`host` must be an address of this machine, such as 127.0.0.1 or 0.0.0.0".to_owned()),
        ),
    }
}

pub(super) fn at_component(config: &Config, component: &ComponentConfig, error: &LoadError) -> ConfigError {
    let (place, help) = match error.kind() {
        LoadErrorKind::VersionRange => (
            component.version.at,
            Some("change the range, or name a library of that version"),
        ),
        LoadErrorKind::AbiVersion => (component.library.at, Some("the component must be rebuilt")),
        LoadErrorKind::NotAComponent | LoadErrorKind::NotALibrary => (
            component.library.at,
            Some(
                "name a library that was built with the plugin SDK; `mesh inspect FILE` says what a file is",
            ),
        ),
        LoadErrorKind::Duplicate => (component.name.at, None),
        LoadErrorKind::Create | LoadErrorKind::Start => (component.at, None),
        _ => (component.library.at, None),
    };
    config.diagnose(place, error.to_string(), help.map(str::to_owned))
}
pub(super) fn at_file(config: &Config, files: &TlsConfig, error: &TlsError) -> ConfigError {
    let place = match error.kind() {
        TlsErrorKind::Certificate => files.cert.at,
        TlsErrorKind::Key | TlsErrorKind::Mismatch => files.key.at,
    };
    config.diagnose(place, error.to_string(), None)
}
