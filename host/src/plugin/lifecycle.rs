//! What happens on the threads of a loaded version: stage, open, check, create, run; then destroy, close, verify.
//!
//! Lane 0 is the first thread to run code of the library and the last: it opens it, makes the instance, starts the
//! other lanes, waits for them, and frees the instance. What is left then (the library, its keys) is cleared away by
//! a short-lived thread, since closing runs the library's destructors.

use super::component::{LoadRequest, Unloaded};
use super::ffi::host_table::Bound;
use super::ffi::lane_thread::{self, InstancePointer};
use super::ffi::library::{Functions, Library};
use super::ffi::{eventfd, interpose};
use super::instance::{Identity, Instance};
use super::lane::Lane;
use super::stage::Staged;
use super::{Descriptor, LoadError, LoadErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What lane 0 leaves behind.
pub(super) struct Remains {
    library: Library,
    bound: Option<Box<Bound>>,
    /// Where it was loaded from: a name that was never used before, and does not exist any more.
    file: PathBuf,
}

/// What is left when lane 0 ends: after a whole life, or after a failed one that got as far as opening a library.
pub(super) type LaneZero = Result<Remains, Option<Remains>>;

/// What the host gets to know when an instance was made.
pub(super) struct Opened {
    pub(super) instance: Arc<Instance>,
    pub(super) descriptor: Arc<Descriptor>,
}

/// Opens a private copy of a library, and says where that was. The copy is removed again at once: what is mapped stays,
/// and a host that is killed later leaves nothing behind.
fn open(path: &Path, stage: &Path, shown: &str) -> Result<(Library, PathBuf), LoadError> {
    let staged = Staged::copy(path, stage)?;
    let library = Library::open(staged.path(), shown)?;
    Ok((library, staged.path().to_owned()))
}

/// The body of lane 0.
pub(super) fn lane_zero(
    request: LoadRequest,
    report: oneshot::Sender<Result<Opened, LoadError>>,
) -> LaneZero {
    let shown = request.library.display().to_string();
    let (library, file) = match open(&request.library, &request.stage, &shown) {
        Ok(opened) => opened,
        Err(error) => {
            let _ = report.send(Err(error));
            return Err(None);
        }
    };
    let functions = library.functions();
    let made = make(request, &library, &functions, &shown);
    let (bound, pointer, descriptor) = match made {
        Ok(made) => made,
        Err((error, bound)) => {
            let _ = report.send(Err(error));
            return Err(Some(Remains { library, bound, file }));
        }
    };
    let instance = bound.instance().clone();
    let others: Result<Vec<JoinHandle<()>>, _> = instance.lanes()[1..]
        .iter()
        .zip(1..)
        .map(|(lane, number)| {
            let (lane, name) = (
                lane.clone(),
                format!("{}/{number}", instance.identity().component),
            );
            thread::Builder::new()
                .name(name)
                .spawn(move || lane_thread::run(&functions, pointer, number, &lane))
        })
        .collect();
    let others = match others {
        Ok(others) => others,
        Err(error) => {
            // Lanes that did start are left to themselves, and the library with them.
            instance.lanes().iter().for_each(|lane| lane.close());
            let message = format!("cannot start the lanes of {shown}: {error}");
            let _ = report.send(Err(LoadError::new(LoadErrorKind::Resources, message)));
            std::mem::forget((library, bound));
            return Err(None);
        }
    };
    let opened = Opened {
        instance: instance.clone(),
        descriptor,
    };
    if report.send(Ok(opened)).is_err() {
        // Nobody waited so long.
        instance.lanes().iter().for_each(|lane| lane.close());
    }
    lane_thread::run(&functions, pointer, 0, &instance.lanes()[0]);
    for other in others {
        let _ = other.join();
    }
    lane_thread::destroy(&functions, pointer);
    Ok(Remains {
        library,
        bound: Some(bound),
        file,
    })
}

/// The body of the thread that only looks at a library.
pub(super) fn look(
    path: &Path,
    stage: &Path,
    report: oneshot::Sender<Result<Descriptor, LoadError>>,
) -> LaneZero {
    let shown = path.display().to_string();
    let (library, file) = match open(path, stage, &shown) {
        Ok(opened) => opened,
        Err(error) => {
            let _ = report.send(Err(error));
            return Err(None);
        }
    };
    let says = library.description();
    let _ = report.send(Descriptor::check(
        &shown,
        says.name,
        says.version,
        says.sdk,
        says.descriptor,
    ));
    Err(Some(Remains {
        library,
        bound: None,
        file,
    }))
}

type Made = (Box<Bound>, InstancePointer, Arc<Descriptor>);

fn make(
    request: LoadRequest,
    library: &Library,
    functions: &Functions,
    shown: &str,
) -> Result<Made, (LoadError, Option<Box<Bound>>)> {
    static NUMBER: AtomicU64 = AtomicU64::new(1 << 63);
    let says = library.description();
    let descriptor = Descriptor::check(shown, says.name, says.version, says.sdk, says.descriptor)
        .map_err(|error| (error, None))?;
    (request.approve)(&descriptor).map_err(|error| (error, None))?;
    let mut lanes = Vec::new();
    for number in 0..request.lanes.clamp(1, 64) {
        let descriptor = match functions.drives_lanes().then(eventfd::new).transpose() {
            Ok(descriptor) => descriptor,
            Err(error) => {
                let message = format!("cannot make a descriptor for a lane of {shown}: {error}");
                return Err((LoadError::new(LoadErrorKind::Resources, message), None));
            }
        };
        let lane = Lane::new(number, request.limits, descriptor);
        lanes.push(Arc::new(lane.keeping_origins(request.delegates)));
    }
    let identity = Identity {
        mesh: request.mesh,
        domain: request.domain,
        component: request.name,
        version: descriptor.version().text().to_owned(),
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
    };
    let info = serde_json::json!({
        "mesh": identity.mesh,
        "domain": identity.domain,
        "component": identity.component,
        "version": identity.version,
        "lanes": lanes.len(),
    })
    .to_string();
    let instance = Arc::new(Instance::new(identity, lanes.into(), request.services));
    let bound = Bound::new(instance.clone());
    match lane_thread::create(functions, &bound, &info, &request.config) {
        Ok(pointer) => {
            if instance.misses_delegation() {
                tracing::warn!(
                    component = instance.identity().component,
                    "the component knows nothing of authority delegation: whoever calls it, it acts with its own rights"
                );
            }
            Ok((bound, pointer, Arc::new(descriptor)))
        }
        Err(status) => {
            let reason = instance
                .take_failure()
                .unwrap_or_else(|| format!("it gave no reason (status {status})"));
            let message = format!(
                "component {} of {shown} could not be created: {reason}",
                instance.identity().component
            );
            Err((LoadError::new(LoadErrorKind::Create, message), Some(bound)))
        }
    }
}

/// Waits for lane 0 to end, then unloads what it left behind. `patience` bounds the wait for the lane, and again the
/// wait for threads of the library.
pub(super) async fn clear_away(lane_zero: JoinHandle<LaneZero>, patience: Duration) -> Unloaded {
    let (sender, outcome) = oneshot::channel();
    let reaper = thread::Builder::new().name("unload".to_owned()).spawn(move || {
        let unloaded = match lane_zero.join() {
            Ok(Ok(remains)) | Ok(Err(Some(remains))) => unload(remains, patience),
            Ok(Err(None)) => Unloaded::Gone,
            Err(_) => Unloaded::Resident("its lane ended with a panic".to_owned()),
        };
        let _ = sender.send(unloaded);
    });
    if reaper.is_err() {
        return Unloaded::Resident("no thread could be started to unload it".to_owned());
    }
    match tokio::time::timeout(patience * 2, outcome).await {
        Ok(Ok(unloaded)) => unloaded,
        _ => Unloaded::Resident("one of its lanes is still busy".to_owned()),
    }
}

fn unload(remains: Remains, patience: Duration) -> Unloaded {
    let Remains { library, bound, file } = remains;
    let base = library.base();
    let until = Instant::now() + patience;
    let mut threads = interpose::threads_of(base);
    while threads > 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
        threads = interpose::threads_of(base);
    }
    if threads > 0 {
        // The code must stay while a thread runs it, and so must what its context points to.
        std::mem::forget((library, bound));
        return Unloaded::Resident(format!("{threads} of its own threads still run"));
    }
    interpose::release_keys(base);
    let file = file.to_string_lossy().into_owned();
    if let Err(reason) = library.close() {
        std::mem::forget(bound);
        return Unloaded::Resident(format!("the dynamic linker did not close it: {reason}"));
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    if maps.contains(&file) {
        std::mem::forget(bound);
        return Unloaded::Resident("the dynamic linker keeps it in memory".to_owned());
    }
    Unloaded::Gone
}
