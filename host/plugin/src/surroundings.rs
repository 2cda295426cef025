//! The state of the process that a library must leave as it is: signals, the working folder, the file mode mask.
//!
//! Enters: moments before and after code of a library ran. Leaves: the changes, in words, and the host's own state put back.
//! Guarantees: nothing of it is changed only to be looked at. An action at a signal that the host has set itself stays.

use crate::ffi::interpose::{Object, is_hosts_own};
use crate::ffi::process::{self, SignalAction, SignalMask};
use std::fmt;
use std::path::PathBuf;

/// The state at one moment.
pub(crate) struct Surroundings {
    folder: Option<PathBuf>,
    file_mode_mask: Option<u32>,
    signals: Vec<SignalAction>,
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Folder,
    FileModeMask,
    Signal(i32),
}

impl fmt::Display for Changed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Changed::Folder => formatter.write_str("changes the working folder of the process"),
            Changed::FileModeMask => formatter.write_str("changes the file mode mask (umask) of the process"),
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
        }
    }

    /// The changes since.
    pub(crate) fn changed(&self, now: &Surroundings) -> Vec<Changed> {
        let mut changed = Vec::new();
        if self.folder != now.folder {
            changed.push(Changed::Folder);
        }
        if self.file_mode_mask != now.file_mode_mask {
            changed.push(Changed::FileModeMask);
        }
        let signals = self.signals.iter().zip(&now.signals).zip(1..);
        let differ = signals.filter(|((before, after), _)| before != after);
        changed.extend(differ.map(|(_, signal)| Changed::Signal(signal)));
        changed
    }
}

/// Without changing it, since other threads make files meanwhile.
fn file_mode_mask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}

/// The host's own state, for the time of one library.
pub(crate) struct HostsOwn {
    surroundings: Surroundings,
    /// A signal whose handler was in the library.
    handled: Option<i32>,
}

impl HostsOwn {
    /// To be called before the library is opened.
    pub(crate) fn now() -> HostsOwn {
        let mut surroundings = Surroundings::now();
        // A handler of another component is not the host's, and that component may be gone when this library is unloaded.
        for action in &mut surroundings.signals {
            if is_code(action.handler()) && !is_hosts_own(action.handler()) {
                *action = SignalAction::of_the_system();
            }
        }
        HostsOwn {
            surroundings,
            handled: None,
        }
    }

    /// Puts back what a library, which lies or lay there in memory, has changed. Returns the changes. A handler of a signal that
    /// lies elsewhere is another component's, and stays.
    pub(crate) fn put_back(&mut self, library: &[Object]) -> Vec<Changed> {
        let now = Surroundings::now();
        let mut changed = self.surroundings.changed(&now);
        changed.retain(|changed| match changed {
            Changed::Folder => {
                let folder = self.surroundings.folder.as_ref();
                folder.is_some_and(|folder| std::env::set_current_dir(folder).is_ok())
            }
            Changed::FileModeMask => {
                let mask = self.surroundings.file_mode_mask.unwrap_or(0o077);
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
                true
            }
            Changed::Signal(signal) => {
                let place = usize::try_from(*signal - 1).unwrap_or_default();
                let handler = now.signals[place].handler();
                let is_in_library = library.iter().any(|object| object.contains(handler));
                if is_in_library {
                    self.handled = Some(*signal);
                }
                // Handlers of other components are theirs to keep.
                let concerns = is_in_library || !is_code(handler);
                if concerns {
                    self.surroundings.signals[place].set(*signal);
                }
                concerns
            }
        });
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
