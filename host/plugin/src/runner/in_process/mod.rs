//! A library that runs on threads of this process, one for each lane.
//!
//! Enters: a [`LoadRequest`]. Leaves: what the library is, its instance, and the [`Threads`] to end in the end. Guarantees: nobody
//! waits longer for a library than its time to start; one that does not come back is left alone on its own thread.

mod lifecycle;

pub(super) use lifecycle::Opened;

use super::{LoadRequest, Unloaded};
use crate::ffi::{interpose, process};
use crate::{Descriptor, LoadError, LoadErrorKind, Stage};
use lifecycle::LaneZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the report about a library may take to arrive.
const REPORT: Duration = Duration::from_millis(500);
/// Without the host's own key functions the process has room for this many libraries.
const LIBRARIES_WITHOUT_KEY_RELEASE: u64 = 900;

/// The threads of one loaded library. The first of them ends after all others.
pub(super) struct Threads {
    lane_zero: JoinHandle<LaneZero>,
}

impl Threads {
    /// Waits for the threads, then unloads the library.
    pub(super) async fn end(self, patience: Duration) -> Unloaded {
        lifecycle::clear_away(self.lane_zero, patience).await
    }
}

/// Loads a library and makes its instance.
pub(super) async fn load(request: LoadRequest) -> Result<(Opened, Threads), LoadError> {
    static LOADED: AtomicU64 = AtomicU64::new(0);
    process::note_copies();
    let count = LOADED.fetch_add(1, Ordering::Relaxed);
    if count >= LIBRARIES_WITHOUT_KEY_RELEASE && !interpose::is_active() {
        return Err(LoadError::new(
            LoadErrorKind::Resources,
            "900 libraries were loaded, and thread keys cannot be released in this build of the host: restart it to load more",
        ));
    }
    let (library, patience) = (request.library.clone(), request.start_timeout);
    let rehearsal_time = request.stage.rehearsal.longest(patience);
    let (report, opened) = oneshot::channel();
    let (after_rehearsal, rehearsed) = oneshot::channel();
    let name = format!("{}/0", request.name);
    let lane_zero = thread::Builder::new()
        .name(name)
        .stack_size(request.stack_bytes)
        .spawn(move || lifecycle::lane_zero(request, after_rehearsal, report))
        .map_err(|error| no_lane(&error))?;
    let failed = |what: String| {
        let message = format!("{} could not be created: {what}", library.display());
        LoadError::new(LoadErrorKind::Create, message)
    };
    // Each step of the rehearsal has as long as the component. The report tells its outcome in any case.
    let _ = tokio::time::timeout(rehearsal_time + REPORT, rehearsed).await;
    let opened = match tokio::time::timeout(patience, opened).await {
        Ok(Ok(opened)) => opened,
        // A lane that ends without a report has panicked in host code.
        Ok(Err(_)) => Err(failed("its lane ended with a panic".to_owned())),
        Err(_) => {
            // Its thread cannot be ended, and so the library stays for as long as that runs.
            tokio::spawn(lifecycle::clear_away(lane_zero, Duration::ZERO));
            let limit = patience.as_millis();
            return Err(failed(format!("it did not return within {limit} ms")));
        }
    };
    match opened {
        Ok(opened) => Ok((opened, Threads { lane_zero })),
        Err(error) => {
            lifecycle::clear_away(lane_zero, Duration::from_secs(10)).await;
            Err(error)
        }
    }
}

/// Asks a library what it is: in a process of its own, where libraries are tried out, else in this one. Nothing of it runs but
/// its constructors and destructors.
pub(super) async fn describe(library: PathBuf, stage: Stage) -> Result<Descriptor, LoadError> {
    let (report, described) = oneshot::channel();
    let lane = thread::Builder::new()
        .name("inspect".to_owned())
        .spawn(move || lifecycle::look(&library, &stage, report))
        .map_err(|error| no_lane(&error))?;
    let described = described.await;
    lifecycle::clear_away(lane, Duration::from_secs(5)).await;
    described.unwrap_or_else(|_| {
        Err(LoadError::new(
            LoadErrorKind::File,
            "the library could not be looked at",
        ))
    })
}

fn no_lane(error: &std::io::Error) -> LoadError {
    LoadError::new(LoadErrorKind::Resources, format!("cannot start a lane: {error}"))
}
