//! Warnings of the host itself while it runs a component.
//!
//! Enters: events of the host's log. Leaves: the messages of warnings and errors, in order. Guarantees: what
//! a component logs is not among them.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The complaints so far.
#[derive(Clone, Default)]
pub(super) struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Listens to the log of this process from now on.
    pub(super) fn listen() -> Warnings {
        let warnings = Warnings::default();
        let subscriber = tracing_subscriber::registry().with(warnings.clone());
        // Where somebody listens already, there is nothing to collect.
        let _ = tracing::subscriber::set_global_default(subscriber);
        warnings
    }

    /// Takes what was collected.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        // The most verbose level is the greatest.
        if *about.level() > Level::WARN || !about.target().starts_with("mesh_") {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&message.0) {
            warnings.push(message.0);
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}
