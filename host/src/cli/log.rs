//! The log of a running host.
//!
//! Enters: the wishes of the command line, and events with fields that strangers wrote parts of. Leaves: one line of
//! standard error for each event. Guarantees: no event has a second line, so that nobody forges one. No control
//! character leaves but for the colours of a terminal. A log that cannot be written stops nothing.

use super::CommandError;
use crate::terminal::{self, LineWriter};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{MakeVisitor, VisitFmt, VisitOutput};
use tracing_subscriber::fmt::format::Writer;

/// Begins to log.
///
/// # Errors
///
/// When the filter makes no sense.
pub(super) fn start(log: &str, as_json: bool) -> Result<(), CommandError> {
    // `json`, alone or in front of a filter, asks for the form.
    let (as_json, filter) = match log.split_once(',') {
        Some(("json", filter)) => (true, filter),
        None if log == "json" => (true, "info"),
        _ => (as_json, log),
    };
    let filter = EnvFilter::try_new(without_attempts(filter)).map_err(|error| {
        CommandError::usage(format!(
            "--log {log}: {error}; try `info`, `debug` or `info,component=debug`"
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would be told on the same output, with a panic when that is closed.
        .log_internal_errors(false);
    if as_json {
        install(builder.json().with_writer(terminal::json_errors).finish());
    } else {
        let builder = builder
            .with_ansi(io::stderr().is_terminal())
            .fmt_fields(OneLineFields)
            .with_writer(io::stderr);
        install(builder.finish());
    }
    Ok(())
}

/// Makes this the log of the process, for events of `tracing` alone. Records that dependencies write by the crate `log` have whole frames in
/// them, with passwords and tokens, and stay out whatever features they were compiled with.
fn install(subscriber: impl tracing::Subscriber + Send + Sync) {
    // The second log of a process would change nothing.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Fields as tracing-subscriber writes them, each on one line.
struct OneLineFields;

impl<'writer> MakeVisitor<Writer<'writer>> for OneLineFields {
    type Visitor = Fields<'writer>;

    fn make_visitor(&self, out: Writer<'writer>) -> Fields<'writer> {
        Fields {
            out,
            is_first: true,
            outcome: Ok(()),
        }
    }
}

struct Fields<'writer> {
    out: Writer<'writer>,
    is_first: bool,
    outcome: fmt::Result,
}

impl Fields<'_> {
    fn field(&mut self, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.out.write_char(' ')?;
        }
        if name != "message" {
            let name = name.strip_prefix("r#").unwrap_or(name);
            match self.out.has_ansi_escapes() {
                true => write!(self.out, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?,
                false => write!(self.out, "{name}=")?,
            }
        }
        write!(LineWriter::new(&mut self.out), "{value:?}")
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.outcome.is_ok() {
            self.outcome = self.field(field.name(), value);
        }
    }
}

impl VisitOutput<fmt::Result> for Fields<'_> {
    fn finish(self) -> fmt::Result {
        self.outcome
    }
}

impl VisitFmt for Fields<'_> {
    fn writer(&mut self) -> &mut dyn fmt::Write {
        &mut self.out
    }
}

/// The library that speaks with NATS servers logs each attempt to connect. The host says once why no server takes it, in plain words.
fn without_attempts(filter: &str) -> Cow<'_, str> {
    const LIBRARY: &str = "async_nats";
    match filter.is_empty() || filter.contains(LIBRARY) {
        true => Cow::Borrowed(filter),
        false => Cow::Owned(format!("{filter},{LIBRARY}=off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::is_acted_on;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(colours: bool, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(colours)
            .fmt_fields(OneLineFields)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        const FORGED: &str = "x\n2026-01-01T00:00:00Z  INFO audit: forged\r\u{1b}[31m\u{9b}2J\u{202e}\u{7f}";
        for colours in [false, true] {
            let text = logged(colours, || {
                tracing::info!(user = FORGED, shown = %FORGED, debug = ?FORGED, r#type = 1, "message {FORGED}");
            });
            assert_eq!(text.lines().count(), 1, "{text}");
            let own = text.replace("\u{1b}[", "");
            assert_eq!(
                own.len() < text.len(),
                colours,
                "only the colours have escapes: {text}"
            );
            assert!(!own.trim_end().chars().any(is_acted_on), "{own:?}");
            assert!(!text.contains("\u{1b}[31m"), "{text}");
            assert!(text.contains("message x\\n2026-01-01"), "{text}");
        }
    }

    #[test]
    fn attempts_to_connect_are_logged_for_those_who_ask_for_them() {
        assert_eq!(without_attempts("info"), "info,async_nats=off");
        for chosen in ["", "info,async_nats=debug"] {
            assert_eq!(without_attempts(chosen), chosen);
        }
    }

    #[test]
    fn fields_are_shown_as_ever() {
        let text = logged(
            false,
            || tracing::warn!(user = "bob", number = 3, shown = %"a", "hello {}", 1),
        );
        assert!(
            text.trim_end().ends_with("hello 1 user=\"bob\" number=3 shown=a"),
            "{text}"
        );
    }
}
