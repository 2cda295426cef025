//! Log lines and panics of a component, on their way to the host's log.
//!
//! Every library has `log`, `tracing` and the panic hook for itself, so the SDK connects them when an instance is made.
//! The panic hook writes message and place, and never takes a backtrace: the cache that one fills would stay behind
//! when the library is unloaded.

use crate::ffi::{Host, current_host};
use crate::guard::panic_message;
use mesh_plugin_abi::Level;
use std::panic::PanicHookInfo;
use std::sync::{PoisonError, RwLock};

/// The host for threads that the component started itself.
static HOST: RwLock<Option<Host>> = RwLock::new(None);

/// Connects the library's log, tracing events and panics to a host.
pub(crate) fn install(host: &Host) {
    *HOST.write().unwrap_or_else(PoisonError::into_inner) = Some(*host);
    connect();
    std::panic::set_hook(Box::new(report_panic));
}

/// Forgets a host that is about to become invalid.
pub(crate) fn uninstall(host: &Host) {
    let mut current = HOST.write().unwrap_or_else(PoisonError::into_inner);
    if current.is_some_and(|current| current.is(host)) {
        *current = None;
    }
}

/// Connects `log` and `tracing` only; for components under test, whose panics are the test's.
pub(crate) fn connect() {
    #[cfg(feature = "log")]
    {
        // Fails where a logger is there already: then that one is wanted.
        let _ = log::set_logger(&log_bridge::HostLogger);
        log::set_max_level(log::LevelFilter::Debug);
    }
    #[cfg(feature = "tracing")]
    crate::tracing_bridge::connect();
}

/// Sets what is written at all, to the host's word for what it wants. A host that does not say it gets everything but traces.
pub(crate) fn set_level(level: Option<&str>) {
    #[cfg(feature = "log")]
    log::set_max_level(
        level
            .and_then(|level| level.parse().ok())
            .unwrap_or(log::LevelFilter::Debug),
    );
    #[cfg(feature = "tracing")]
    crate::tracing_bridge::set_level(level);
    let _ = level;
}

/// Writes a line to the log of the host that this code runs for. False when there is none.
pub(crate) fn write(level: i32, target: &str, message: &str) -> bool {
    if let Some(host) = current_host() {
        host.log(level, target, message);
        return true;
    }
    // The lock is held for the call, so that the host cannot become invalid meanwhile.
    let host = HOST.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(host) = &*host {
        host.log(level, target, message);
    }
    host.is_some()
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let message = panic_message(info.payload());
    let line = match info.location() {
        Some(place) => format!("panicked at {place}: {message}"),
        None => format!("panicked: {message}"),
    };
    if !write(Level::ERROR, "panic", &line) {
        let shown = |character: char| match character.is_control() {
            true => character.escape_default().to_string(),
            false => character.to_string(),
        };
        eprintln!("{}", line.chars().map(shown).collect::<String>());
    }
}

#[cfg(feature = "log")]
mod log_bridge {
    use super::{Level, write};

    pub(super) struct HostLogger;

    impl log::Log for HostLogger {
        fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            let level = match record.level() {
                log::Level::Error => Level::ERROR,
                log::Level::Warn => Level::WARN,
                log::Level::Info => Level::INFO,
                log::Level::Debug => Level::DEBUG,
                log::Level::Trace => Level::TRACE,
            };
            match record.args().as_str() {
                Some(message) => write(level, record.target(), message),
                None => write(level, record.target(), &record.args().to_string()),
            };
        }

        fn flush(&self) {}
    }
}
