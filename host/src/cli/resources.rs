//! Whether the system lets this process have what a command needs: threads, and descriptors of files.
//!
//! Enters: how many. Leaves: a sentence that names the limit, what is needed and what to set. Guarantees: a shortage at
//! the start is an error before anything is begun, and never a panic.

use super::CommandError;
use crate::terminal;
use mesh_config::Config;
use rustix::process::{Resource, getrlimit};
use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Threads beside the lanes of components and those of passwords: of the store, for files, and some that come and go.
const THREADS: u64 = 5;
/// Descriptors beside those of components: the port, the log, the store, the control socket, and a few clients.
const DESCRIPTORS: u64 = 16;
/// Descriptors that loading and serving a component takes beside one for each lane.
const PER_COMPONENT: u64 = 1;
/// An idle thread costs little, and when the system has none left, those that there are go on to do the work.
const KEEP_IDLE_THREADS: Duration = Duration::from_secs(365 * 24 * 3600);
/// Threads that wait for files at most.
const MOST_BLOCKING_THREADS: usize = 64;

/// Builds a runtime. A system that has no thread for it ends the process with a sentence: tokio panics then, while other threads
/// of the runtime run already.
pub(super) fn build(mut builder: tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, CommandError> {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let reason = text.or_else(|| payload.downcast_ref::<&str>().copied());
        terminal::note(match reason.unwrap_or("no reason given") {
            reason if reason.contains("Too many open files") => too_few_descriptors("for its signals"),
            reason => too_few_threads(reason),
        });
        std::process::exit(1);
    }));
    let built = builder
        .enable_all()
        .thread_keep_alive(KEEP_IDLE_THREADS)
        .max_blocking_threads(MOST_BLOCKING_THREADS)
        .build();
    drop(std::panic::take_hook());
    std::panic::set_hook(before);
    built.map_err(|error| CommandError::failed(sentence(&error)))
}

/// Whether a host with this configuration can have the threads and descriptors that it needs.
///
/// # Errors
///
/// When it cannot.
pub(super) fn check(config: &Config) -> Result<(), CommandError> {
    let lanes: u64 = config
        .components
        .iter()
        .map(|component| component.lanes.value as u64)
        .sum();
    let components = config.components.len() as u64;
    have_descriptors(DESCRIPTORS + lanes + PER_COMPONENT * components)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    have_threads(THREADS + (cores as u64 / 2).max(1) + lanes)
}

/// Starts so many threads at the same time, and ends them.
fn have_threads(needed: u64) -> Result<(), CommandError> {
    let mut started = Vec::new();
    for number in 0..needed {
        let (keep, ended) = mpsc::channel::<()>();
        let thread = thread::Builder::new().spawn(move || {
            let _ = ended.recv();
        });
        match thread {
            Ok(thread) => started.push((keep, thread)),
            Err(error) => {
                end(started);
                return Err(CommandError::failed(too_few_threads(&format!(
                    "only {number} of {needed} threads that it needs could be started: {error}"
                ))));
            }
        }
    }
    end(started);
    Ok(())
}

fn end(started: Vec<(mpsc::Sender<()>, thread::JoinHandle<()>)>) {
    for (keep, thread) in started {
        drop(keep);
        let _ = thread.join();
    }
}

/// Opens so many descriptors at the same time, and closes them.
fn have_descriptors(needed: u64) -> Result<(), CommandError> {
    let input = io::stdin();
    let mut opened = Vec::new();
    for number in 0..needed {
        match input.as_fd().try_clone_to_owned() {
            Ok(descriptor) => opened.push(descriptor),
            Err(error) => {
                drop(opened);
                return Err(CommandError::failed(too_few_descriptors(&format!(
                    "only {number} of {needed} descriptors that it needs could be opened: {error}"
                ))));
            }
        }
    }
    Ok(())
}

/// The message when the system refuses something at the start.
fn sentence(error: &io::Error) -> String {
    const TOO_MANY_OPEN: [i32; 2] = [libc::EMFILE, libc::ENFILE];
    match error.raw_os_error() {
        Some(code) if TOO_MANY_OPEN.contains(&code) => too_few_descriptors(&error.to_string()),
        _ => too_few_threads(&error.to_string()),
    }
}

fn too_few_threads(reason: &str) -> String {
    format!(
        "cannot start, the system gives this process too few threads or too little memory ({reason}). The limit of processes \
         and threads of this user is {} (`ulimit -u`), that of memory is {} (`ulimit -v`): raise them, or LimitNPROC, TasksMax \
         and MemoryMax of the service, or the pids limit of the container",
        limit(Resource::Nproc),
        limit(Resource::As),
    )
}

fn too_few_descriptors(reason: &str) -> String {
    format!(
        "cannot start, the system gives this process too few descriptors ({reason}). The limit of open files is {} (`ulimit \
         -n`), and each client needs one more: raise it, for example with `ulimit -n 65536`, or LimitNOFILE of the service",
        limit(Resource::Nofile)
    )
}

fn limit(resource: Resource) -> String {
    getrlimit(resource)
        .current
        .map_or_else(|| "not set".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_resources_suffice_and_missing_ones_are_named() {
        assert!(have_threads(4).is_ok());
        assert!(have_descriptors(16).is_ok());
        if let Some(limit) = getrlimit(Resource::Nofile)
            .current
            .filter(|limit| *limit < 1 << 21)
        {
            let refused = have_descriptors(limit + 1).unwrap_err().to_string();
            assert!(
                refused.contains(&format!("is {limit} (`ulimit -n`)")),
                "{refused}"
            );
            // Opened descriptors are closed again.
            assert!(have_descriptors(16).is_ok());
        }
    }
}
