//! `tracing` events of a component, on their way to the host's log. Spans are counted, not recorded.

use crate::logging;
use mesh_plugin_abi::Level;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, LevelFilter, Metadata, Subscriber};

/// The most detailed level written, as a number of [`Level`].
static LEVEL: AtomicU8 = AtomicU8::new(Level::DEBUG as u8);

struct HostSubscriber {
    spans: AtomicU64,
}

pub(crate) fn connect() {
    // Fails where a subscriber is there already: then that one is wanted.
    let subscriber = HostSubscriber {
        spans: AtomicU64::new(0),
    };
    let _ = tracing_core::dispatcher::set_global_default(Dispatch::new(subscriber));
}

pub(crate) fn set_level(level: Option<&str>) {
    let filter = level
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::DEBUG);
    LEVEL.store(
        filter.into_level().map_or(0, |level| number(&level) as u8),
        Ordering::Relaxed,
    );
    tracing_core::callsite::rebuild_interest_cache();
}

fn number(level: &tracing_core::Level) -> i32 {
    match *level {
        tracing_core::Level::ERROR => Level::ERROR,
        tracing_core::Level::WARN => Level::WARN,
        tracing_core::Level::INFO => Level::INFO,
        tracing_core::Level::DEBUG => Level::DEBUG,
        tracing_core::Level::TRACE => Level::TRACE,
    }
}

impl Subscriber for HostSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        number(metadata.level()) <= i32::from(LEVEL.load(Ordering::Relaxed))
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        logging::write(
            number(metadata.level()),
            metadata.target(),
            &(line.message + &line.fields),
        );
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
