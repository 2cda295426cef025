//! The process that tries a library out.
//!
//! Enters: the file of a private copy, and a socket as standard input, whose first line says with which instance it is tried
//! out. Leaves: lines for the host. Guarantees: the process ends with the host that started it. The library is opened, asked and closed as in the host, on a thread
//! that is its own.

mod alone;
mod entry;
mod life;
mod watch;

pub use alone::Alone;
pub use entry::Entry;
pub use watch::{PUT_BACK, REFUSED, Watch};

use crate::ffi::interpose::Object;
use crate::ffi::interpose::{self, Owner, Strangers, threads_begun_in, threads_of, timers_begun_in};
use crate::ffi::library::Library;
use crate::ffi::process;
use crate::rehearsal::report::{Message, Order, Refused, Said};
use crate::stage;
use crate::surroundings::{self, Changed, Surroundings};
use crate::{LANE_STACK, LoadError, LoadErrorKind};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long threads that a library ends in its destructors may take to go.
const THREADS_END: Duration = Duration::from_millis(200);

/// Tries a library out and ends the process.
pub fn main(file: &Path, shown: &str) -> ! {
    // Nothing of the host's comes along, not even what a component of it left open for children.
    process::close_inherited_descriptors();
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // Processes that a library leaves to themselves become children of this one, where they are seen.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    // A library that takes all memory ends this process rather than the host.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    interpose::is_active();
    if let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() {
        let (file, shown) = (file.to_owned(), shown.to_owned());
        let socket = UnixStream::from(socket);
        let order = order(&socket, &shown);
        let stack = order.as_ref().map_or(LANE_STACK, |order| order.stack_bytes);
        let mut host = Host(socket, std::process::id());
        let lane = thread::Builder::new().name("rehearsal".to_owned());
        let tried = lane.stack_size(stack).spawn(move || {
            let outcome = order.and_then(|order| {
                rehearse(&mut host, &file, &shown)?;
                order
                    .life
                    .map_or(Ok(()), |life| life::live(&mut host, life, file))
            });
            host.say(&match outcome {
                Ok(()) => Message::Done,
                Err(error) => Message::Refused(Refused::new(&error)),
            });
        });
        let _ = tried.map(|lane| lane.join());
    }
    // Exit handlers of the library are none of the host's business.
    process::end(0)
}

/// How the host wants the library to be tried out.
fn order(socket: &UnixStream, shown: &str) -> Result<Order, LoadError> {
    let mut line = String::new();
    let read = BufReader::new(socket).read_line(&mut line);
    let order = read.and_then(|_| Ok(serde_json::from_str(&line)?));
    order.map_err(|error| {
        let message = format!("{shown} was not tried out: the order of the host cannot be read: {error}");
        LoadError::new(LoadErrorKind::Resources, message)
    })
}

/// The way to the host, and the process that may use it.
pub(super) struct Host(UnixStream, u32);

impl Host {
    /// The host that does not listen any more ends this process.
    fn say(&mut self, message: &Message) {
        if std::process::id() != self.1 {
            // A copy that the library made says nothing.
            process::end(1);
        }
        let mut line = serde_json::to_vec(message).unwrap_or_default();
        line.push(b'\n');
        let _ = self.0.write_all(&line);
    }

    fn step(&mut self, step: &str) {
        self.say(&Message::Step(step.to_owned()));
    }

    /// A step of an instance's life.
    pub(super) fn life_step(&mut self, step: &str) {
        self.say(&Message::LifeStep(step.to_owned()));
    }
}

/// The first change of the process that an owner has made, or wanted to make.
fn first_change(before: &Surroundings, owner: Owner) -> Option<Changed> {
    let changed = before.changed(&Surroundings::now());
    let refused = surroundings::take_refused(owner);
    changed.first().or(refused.first()).copied()
}

fn rehearse(host: &mut Host, file: &Path, shown: &str) -> Result<(), LoadError> {
    let owner = Owner::new();
    owner.enter();
    let before = Surroundings::now();
    let strangers = Strangers::now();
    let refused = |what: String| LoadError::new(LoadErrorKind::Rehearsal, format!("{shown} {what}"));
    host.step("when it is opened (its constructors run then)");
    let library = Library::open(file, stage::mark(file), shown)?;
    host.step("when it is asked what it is");
    let table = library.component(shown)?;
    let says = library.description(&table);
    host.say(&Message::Said(Said {
        name: says.name.to_vec(),
        version: says.version.to_vec(),
        sdk: says.sdk.to_vec(),
        descriptor: says.descriptor.to_vec(),
    }));
    if process::has_children() {
        return Err(refused(
            "starts a process when it is opened: start processes in `create`, and end them before `destroy` returns"
                .to_owned(),
        ));
    }
    if let Some(what) = first_change(&before, owner) {
        return Err(refused(format!(
            "{what} when it is opened: that belongs to the host, leave it as it is"
        )));
    }
    let count_of = |object: &Object| {
        let strange = match (&strangers, Strangers::now()) {
            (Some(before), Some(now)) => now.more_than(before),
            _ => 0,
        };
        threads_of(owner, object) + strange
    };
    let object = *library.object();
    match threads_begun_in(&object) {
        0 => {}
        threads => {
            return Err(refused(format!(
                "starts {threads} {} when it is opened: start threads in `create`, and end them before `destroy` returns",
                if threads == 1 { "thread" } else { "threads" }
            )));
        }
    }
    if timers_begun_in(owner, &object) > 0 {
        return Err(refused(
            "sets a timer when it is opened: set timers in `create`, and delete them before `destroy` returns"
                .to_owned(),
        ));
    }
    if count_of(&object) > 0 {
        // A library that it depends on has started them. As in the host, all of it then stays in memory.
        return Ok(());
    }
    host.step("when it is closed (its destructors run then)");
    interpose::release_keys(library.group());
    // As in the host, on a thread of its own: what the destructors leave for the end of their thread happens, too.
    let closing = thread::Builder::new().name("unload".to_owned()).spawn(move || {
        owner.enter();
        // A library that cannot be closed stays in memory in the host, too, which says so.
        let _ = library.close();
    });
    let _ = closing.map(|closing| closing.join());
    let until = Instant::now() + THREADS_END;
    while count_of(&object) > 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    if count_of(&object) > 0 {
        return Err(refused("starts threads when it is closed".to_owned()));
    }
    if timers_begun_in(owner, &object) > 0 {
        return Err(refused("sets a timer when it is closed".to_owned()));
    }
    if process::has_children() {
        return Err(refused("starts a process when it is closed".to_owned()));
    }
    if let Some(what) = first_change(&before, owner) {
        return Err(refused(format!(
            "{what} when it is closed: that belongs to the host, leave it as it is"
        )));
    }
    Ok(())
}
