//! The state of the process that a library must leave as it is: signals, the working folder, the file mode mask, the
//! environment, the locale, limits, the standard streams, alarms.
//!
//! Enters: moments before and after code of a library ran. Leaves: the changes, in words, and the host's own state put back.
//! Guarantees: nothing of it is changed only to be looked at. An action at a signal that the host has set itself stays.

use crate::ffi::interpose::{Object, Owner, is_hosts_own, take_refused_limits};
use crate::ffi::own_state::{self, Environment, KeptStreams, ResourceLimit, Streams};
use crate::ffi::process::{self, SignalAction, SignalMask};
use std::ffi::CString;
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The end of the log's line about a change that the host has put back.
pub const PUT_BACK: &str = "a component must not change that, and the host has restored it";
/// The end of the log's line about a change that the host has not let happen.
pub const REFUSED: &str = "a component must not change that, and the host has refused it";

/// The state at one moment.
#[derive(Clone)]
pub(crate) struct Surroundings {
    folder: Option<PathBuf>,
    file_mode_mask: Option<u32>,
    signals: Vec<SignalAction>,
    environment: Environment,
    locale: Option<CString>,
    limits: Vec<ResourceLimit>,
    streams: Streams,
    has_alarm: bool,
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Folder,
    FileModeMask,
    Signal(i32),
    Environment,
    Locale,
    Limit(&'static str),
    Streams,
    Alarm,
}

impl fmt::Display for Changed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Changed::Folder => formatter.write_str("changes the working folder of the process"),
            Changed::FileModeMask => formatter.write_str("changes the file mode mask (umask) of the process"),
            Changed::Environment => {
                formatter.write_str("changes the environment of the process (setenv, putenv)")
            }
            Changed::Locale => formatter.write_str("changes the locale of the process (setlocale)"),
            Changed::Limit(name) => write!(formatter, "changes a limit of the process ({name})"),
            Changed::Streams => formatter
                .write_str("closes or replaces a standard stream of the process (descriptors 0 to 2)"),
            Changed::Alarm => formatter.write_str("sets an alarm for the process (alarm, setitimer)"),
            Changed::Signal(signal) => {
                let name = process::signal_name(*signal);
                write!(
                    formatter,
                    "changes what the process does at signal {signal}{name}"
                )
            }
        }
    }
}

impl Surroundings {
    pub(crate) fn now() -> Surroundings {
        Surroundings {
            folder: std::env::current_dir().ok(),
            file_mode_mask: file_mode_mask(),
            signals: SignalAction::all(),
            environment: Environment::now(),
            locale: own_state::locale(),
            limits: ResourceLimit::all(),
            streams: Streams::now(),
            has_alarm: own_state::an_alarm_is_set(),
        }
    }

    /// The changes since.
    pub(crate) fn changed(&self, now: &Surroundings) -> Vec<Changed> {
        let mut changed = Vec::new();
        if self.folder != now.folder {
            changed.push(Changed::Folder);
        }
        // It cannot be read where there is no descriptor left.
        if now.file_mode_mask.is_some() && self.file_mode_mask != now.file_mode_mask {
            changed.push(Changed::FileModeMask);
        }
        let signals = self.signals.iter().zip(&now.signals).zip(1..);
        let differ = signals.filter(|((before, after), _)| before != after);
        changed.extend(differ.map(|(_, signal)| Changed::Signal(signal)));
        if self.environment != now.environment {
            changed.push(Changed::Environment);
        }
        if self.locale != now.locale {
            changed.push(Changed::Locale);
        }
        let limits = self.limits.iter().zip(&now.limits);
        let differ = limits.filter(|(before, after)| before != after);
        changed.extend(differ.map(|(before, _)| Changed::Limit(before.name)));
        if self.streams != now.streams {
            changed.push(Changed::Streams);
        }
        if now.has_alarm && !self.has_alarm {
            changed.push(Changed::Alarm);
        }
        changed
    }
}

/// The changes of limits that an owner has wanted and the host has refused, since they were asked for last.
pub(crate) fn take_refused(owner: Owner) -> Vec<Changed> {
    take_refused_limits(owner)
        .into_iter()
        .map(Changed::Limit)
        .collect()
}

/// Without changing it, since other threads make files meanwhile.
fn file_mode_mask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}

/// The state from before the host opened any library.
struct FromTheStart {
    surroundings: Surroundings,
    kept_streams: KeptStreams,
}

fn from_the_start() -> &'static FromTheStart {
    static STATE: OnceLock<FromTheStart> = OnceLock::new();
    STATE.get_or_init(|| FromTheStart {
        surroundings: Surroundings::now(),
        kept_streams: KeptStreams::now(),
    })
}

/// The host's own state, for the time of one library.
pub(crate) struct HostsOwn {
    surroundings: Surroundings,
    /// A signal whose handler was in the library.
    handled: Option<i32>,
}

impl HostsOwn {
    /// To be called before the library is opened. Puts back what components that serve have changed meanwhile: it would be
    /// taken for the host's own, and for this library's deed.
    pub(crate) fn now() -> HostsOwn {
        let mut own = HostsOwn {
            surroundings: HostsOwn::expected(&Surroundings::now()),
            handled: None,
        };
        for changed in own.put_back(&[]) {
            tracing::warn!("a component {changed}; {PUT_BACK}");
        }
        let now = Surroundings::now();
        own.surroundings.limits = now.limits;
        own.surroundings.streams = now.streams;
        own
    }

    /// The host's own state: that of the start, but for the handlers of signals that it has set since. A handler of a component
    /// is not the host's.
    fn expected(now: &Surroundings) -> Surroundings {
        let start = &from_the_start().surroundings;
        let signals = start.signals.iter().zip(&now.signals);
        let signals = signals.map(|(start, now)| match now.handler() {
            handler if is_code(handler) && is_hosts_own(handler) => *now,
            _ if is_code(start.handler()) && !is_hosts_own(start.handler()) => SignalAction::of_the_system(),
            _ => *start,
        });
        Surroundings {
            signals: signals.collect(),
            // An operator may change limits from outside. So they are looked at only while a library is opened.
            limits: Vec::new(),
            // The number of one that was closed earlier may be that of a socket of the host by now.
            streams: Streams::UNKNOWN,
            ..start.clone()
        }
    }

    /// Puts back what a library, which lies or lay there in memory, has changed. Returns the changes. A handler of a signal that
    /// lies elsewhere is another component's, and stays.
    pub(crate) fn put_back(&mut self, library: &[Object]) -> Vec<Changed> {
        let now = Surroundings::now();
        let is_in_library = |address| library.iter().any(|object| object.contains(address));
        let mut changed = self.surroundings.changed(&now);
        if own_state::environment_lies(is_in_library) && !changed.contains(&Changed::Environment) {
            changed.push(Changed::Environment);
        }
        let own = &self.surroundings;
        changed.retain(|changed| match changed {
            Changed::Folder => {
                let folder = own.folder.as_ref();
                folder.is_some_and(|folder| std::env::set_current_dir(folder).is_ok())
            }
            Changed::FileModeMask => {
                let mask = own.file_mode_mask.unwrap_or(0o077);
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
                true
            }
            Changed::Signal(signal) => {
                let place = usize::try_from(*signal - 1).unwrap_or_default();
                let handler = now.signals[place].handler();
                if is_in_library(handler) {
                    self.handled = Some(*signal);
                }
                // Handlers of other components are theirs to keep. One that lies nowhere was in a library that is gone.
                let concerns = is_in_library(handler) || !is_code(handler) || Object::of(handler).is_none();
                if concerns {
                    own.signals[place].set(*signal);
                }
                concerns
            }
            Changed::Environment => {
                own.environment.put_back();
                true
            }
            Changed::Locale => {
                let locale = own.locale.as_deref();
                locale.is_some_and(|locale| {
                    own_state::set_locale(locale);
                    true
                })
            }
            Changed::Limit(name) => {
                let named =
                    |limits: &[ResourceLimit]| limits.iter().find(|limit| limit.name == *name).cloned();
                if let (Some(own), Some(now)) = (named(&own.limits), named(&now.limits)) {
                    own.put_back(&now);
                }
                true
            }
            Changed::Streams => {
                let start = from_the_start();
                let was_there = own.streams.same_as(&start.surroundings.streams);
                start.kept_streams.put_back(was_there)
            }
            Changed::Alarm => {
                own_state::end_alarms();
                true
            }
        });
        // From now on a stream may have been lost for long.
        self.surroundings.streams = Streams::UNKNOWN;
        self.surroundings.limits.clear();
        changed
    }

    /// Why the library must stay: a thread may be in its handler of a signal at any time.
    pub(crate) fn handled(&self) -> Option<String> {
        let signal = self.handled?;
        let name = process::signal_name(signal);
        Some(format!(
            "it handled signal {signal}{name}, and a thread may still be in its handler"
        ))
    }
}

/// Whether there is code behind a handler: 0 is the action of the system, and 1 ignores the signal.
fn is_code(handler: usize) -> bool {
    handler > 1
}

/// Keeps the signals that this thread does not take, while a library works on it. They are put back when it is dropped.
pub(crate) struct KeptMask(SignalMask);

impl KeptMask {
    pub(crate) fn now() -> KeptMask {
        KeptMask(SignalMask::now())
    }
}

impl Drop for KeptMask {
    fn drop(&mut self) {
        self.0.set();
    }
}
