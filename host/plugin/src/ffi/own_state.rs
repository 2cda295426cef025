//! The state of the process beyond its signals: environment, locale, limits, standard streams, alarms.
//!
//! Enters: moments. Leaves: copies of that state, and the state put back. Guarantees: a copy never points into memory of a
//! library; nothing is changed only to be looked at.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

unsafe extern "C" {
    /// The variables as the C library and its users see them.
    static mut environ: *mut *mut c_char;
}

/// More variables than that are not looked at: the list has lost its end.
const MOST_VARIABLES: usize = 1 << 16;

/// The variables of the environment, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Environment(Vec<CString>);

impl Environment {
    pub(crate) fn now() -> Environment {
        let texts = entries().map(|entry| {
            // SAFETY: each entry of the environment is a text that ends with zero.
            unsafe { CStr::from_ptr(entry) }.to_owned()
        });
        Environment(texts.collect())
    }

    /// Makes them those of the process. The list is new memory, which stays for ever: somebody may still read any list.
    pub(crate) fn put_back(&self) {
        let texts = self.0.iter().map(|text| text.clone().into_raw());
        let list: Vec<*mut c_char> = texts.chain([ptr::null_mut()]).collect();
        // SAFETY: the list ends with null, its texts end with zero, and none of them is ever freed. The C library takes over a list
        // that is not its own.
        unsafe { environ = list.leak().as_mut_ptr() };
    }
}

/// Whether the list of variables, or one of them, lies where `is_there` says so.
pub(crate) fn environment_lies(is_there: impl Fn(usize) -> bool) -> bool {
    // SAFETY: the pointer is only compared.
    let list = unsafe { environ }.addr();
    is_there(list) || entries().any(|entry| is_there(entry.addr()))
}

fn entries() -> impl Iterator<Item = *mut c_char> {
    // SAFETY: reads the pointer; components must not change it while others read.
    let list = unsafe { environ };
    let count = if list.is_null() { 0 } else { MOST_VARIABLES };
    (0..count)
        // SAFETY: the list ends with null, and nothing behind that is read.
        .map(move |position| unsafe { *list.wrapping_add(position) })
        .take_while(|entry| !entry.is_null())
}

/// The name of the locale of all categories.
pub(crate) fn locale() -> Option<CString> {
    // SAFETY: null asks for the name and changes nothing.
    let name = unsafe { libc::setlocale(libc::LC_ALL, ptr::null()) };
    // SAFETY: the C library returned null or a text that ends with zero, and it is copied at once.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_owned())
}

/// Makes a locale that of the process.
pub(crate) fn set_locale(name: &CStr) {
    // SAFETY: the name ends with zero, and was given by the C library itself.
    unsafe { libc::setlocale(libc::LC_ALL, name.as_ptr()) };
}

/// The limits of the process, with the names that people know.
const LIMITS: [(Resource, &str); 16] = [
    (Resource::Cpu, "RLIMIT_CPU"),
    (Resource::Fsize, "RLIMIT_FSIZE"),
    (Resource::Data, "RLIMIT_DATA"),
    (Resource::Stack, "RLIMIT_STACK"),
    (Resource::Core, "RLIMIT_CORE"),
    (Resource::Rss, "RLIMIT_RSS"),
    (Resource::Nproc, "RLIMIT_NPROC"),
    (Resource::Nofile, "RLIMIT_NOFILE"),
    (Resource::Memlock, "RLIMIT_MEMLOCK"),
    (Resource::As, "RLIMIT_AS"),
    (Resource::Locks, "RLIMIT_LOCKS"),
    (Resource::Sigpending, "RLIMIT_SIGPENDING"),
    (Resource::Msgqueue, "RLIMIT_MSGQUEUE"),
    (Resource::Nice, "RLIMIT_NICE"),
    (Resource::Rtprio, "RLIMIT_RTPRIO"),
    (Resource::Rttime, "RLIMIT_RTTIME"),
];

/// The name of a limit by its number; none for a number that Linux does not have.
pub(crate) fn limit_name(number: u32) -> Option<&'static str> {
    let limit = LIMITS.iter().find(|(resource, _)| *resource as u32 == number);
    limit.map(|(_, name)| *name)
}

/// One limit of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceLimit {
    resource: Resource,
    pub(crate) name: &'static str,
    limit: Rlimit,
}

impl ResourceLimit {
    pub(crate) fn all() -> Vec<ResourceLimit> {
        let limit = |(resource, name)| ResourceLimit {
            resource,
            name,
            limit: getrlimit(resource),
        };
        LIMITS.into_iter().map(limit).collect()
    }

    /// Makes it that of the process, as far as `now` lets it: who has lowered the maximum may not be able to raise it.
    pub(crate) fn put_back(&self, now: &ResourceLimit) {
        let own = &self.limit;
        let least = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if setrlimit(self.resource, *own).is_err() {
            let possible = Rlimit {
                current: least(own.current, now.limit.maximum),
                maximum: now.limit.maximum,
            };
            let _ = setrlimit(self.resource, possible);
        }
    }
}

/// The identity of each standard stream: device and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Streams([Option<(u64, u64)>; 3]);

impl Streams {
    /// Nothing is known of them.
    pub(crate) const UNKNOWN: Streams = Streams([None; 3]);

    pub(crate) fn now() -> Streams {
        Streams([0, 1, 2].map(Streams::identity))
    }

    fn of(kept: &[Option<OwnedFd>; 3]) -> Streams {
        let identity =
            |kept: &Option<OwnedFd>| kept.as_ref().and_then(|kept| Streams::identity(kept.as_raw_fd()));
        Streams([identity(&kept[0]), identity(&kept[1]), identity(&kept[2])])
    }

    /// For each of them whether it is the same.
    pub(crate) fn same_as(&self, other: &Streams) -> [bool; 3] {
        [0, 1, 2].map(|place| self.0[place] == other.0[place])
    }

    fn identity(descriptor: c_int) -> Option<(u64, u64)> {
        let mut about = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: `about` is a place to write to.
        let result = unsafe { libc::fstat(descriptor, about.as_mut_ptr()) };
        // SAFETY: zeroed bytes are valid here, and so is what the system wrote.
        let about = unsafe { about.assume_init() };
        (result == 0).then_some((about.st_dev, about.st_ino))
    }
}

/// Further descriptors of the standard streams, to put them back from.
pub(crate) struct KeptStreams([Option<OwnedFd>; 3]);

impl KeptStreams {
    pub(crate) fn now() -> KeptStreams {
        use std::os::fd::AsFd;
        KeptStreams([
            std::io::stdin().as_fd().try_clone_to_owned().ok(),
            std::io::stdout().as_fd().try_clone_to_owned().ok(),
            std::io::stderr().as_fd().try_clone_to_owned().ok(),
        ])
    }

    /// Makes them the standard streams again: those that are closed, and those of `lost` that are others by now. Returns whether
    /// there was one.
    pub(crate) fn put_back(&self, lost: [bool; 3]) -> bool {
        let (now, own) = (Streams::now(), Streams::of(&self.0));
        let mut is_done = false;
        for (descriptor, kept) in self.0.iter().enumerate() {
            let is_other = lost[descriptor] && now.0[descriptor] != own.0[descriptor];
            if let (Some(kept), true) = (kept, is_other || now.0[descriptor].is_none()) {
                // SAFETY: the three numbers are the standard streams by convention. Nothing in the host owns one that is closed,
                // or that was a standard stream before a library ran.
                unsafe { libc::dup2(kept.as_raw_fd(), descriptor as c_int) };
                is_done = true;
            }
        }
        is_done
    }
}

/// The alarms of a process: by the clock, by its own time, and by its time and the system's.
const ALARMS: [c_int; 3] = [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF];

/// Whether an alarm is set, which ends a process that does not handle its signal.
pub(crate) fn an_alarm_is_set() -> bool {
    ALARMS.into_iter().any(|alarm| {
        let mut set = MaybeUninit::<libc::itimerval>::zeroed();
        // SAFETY: `set` is a place to write to.
        unsafe { libc::getitimer(alarm, set.as_mut_ptr()) };
        // SAFETY: zeroed bytes are a valid time, and so is what the system wrote.
        let set = unsafe { set.assume_init() };
        set.it_value.tv_sec != 0 || set.it_value.tv_usec != 0
    })
}

/// Takes all alarms back.
pub(crate) fn end_alarms() {
    let none = MaybeUninit::<libc::itimerval>::zeroed();
    // SAFETY: zeroed bytes are a valid time.
    let none = unsafe { none.assume_init() };
    for alarm in ALARMS {
        // SAFETY: `none` lives for the call, and nothing is asked for.
        unsafe { libc::setitimer(alarm, &none, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_streams_are_the_same_at_two_looks() {
        assert_eq!(ResourceLimit::all(), ResourceLimit::all());
        assert_eq!(Streams::now(), Streams::now());
        assert!(!an_alarm_is_set());
    }

    #[test]
    fn the_environment_is_copied_and_lies_outside_of_libraries() {
        let path = std::env::var("PATH").unwrap_or_default();
        let text = CString::new(format!("PATH={path}")).unwrap();
        assert!(Environment::now().0.contains(&text));
        assert!(!environment_lies(|_| false));
        assert!(environment_lies(|address| address != 0));
    }
}
