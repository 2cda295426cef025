//! Warnings of the host itself while it runs a component.
//!
//! Enters: events of the host's log. Leaves: the messages of warnings and errors, in order. Guarantees: what
//! a component logs is apart from them.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The complaints so far.
#[derive(Clone, Default)]
pub(super) struct Warnings(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    of_the_host: Vec<String>,
    errors_of_the_component: Vec<String>,
}

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
        std::mem::take(&mut self.lock().of_the_host)
    }

    /// Takes the errors that the component has logged.
    pub(super) fn take_errors_of_the_component(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().errors_of_the_component)
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        // The most verbose level is the greatest.
        let is_of_the_host = *about.level() <= Level::WARN && about.target().starts_with("mesh_");
        let is_of_the_component = *about.level() == Level::ERROR && about.target() == "component";
        if !is_of_the_host && !is_of_the_component {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let mut collected = self.lock();
        let warnings = if is_of_the_host {
            &mut collected.of_the_host
        } else {
            &mut collected.errors_of_the_component
        };
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
