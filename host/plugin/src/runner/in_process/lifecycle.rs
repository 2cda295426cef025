//! Life of a loaded version on its threads: stage, open, check, create, run; then destroy, close, verify.
//!
//! Lane 0 is the first thread to run code of the library and the last. It opens it, makes the instance, starts the
//! other lanes, waits for them, and frees the instance. The rest (the library, its keys) is cleared away by a
//! short-lived thread, since closing runs the library's destructors.

use crate::emitter::Identity;
use crate::eventfd;
use crate::ffi::host_table::Bound;
use crate::ffi::interpose::{self, Owner, Strangers, threads_of};
use crate::ffi::lane_thread::{self, InstancePointer};
use crate::ffi::library::{ComponentTable, Library};
use crate::instance::Instance;
use crate::lane::Lane;
use crate::rehearsal::{Extent, Life, Trial};
use crate::runner::{LANE_IS_BUSY, LANE_STACK, LoadRequest, Unloaded};
use crate::stage::{Stage, Staged};
use crate::surroundings::{self, HostsOwn, KeptMask, PUT_BACK, REFUSED};
use crate::uses::Uses;
use crate::{Descriptor, LoadError, LoadErrorKind, log_level};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The remains of lane 0.
pub(super) struct Remains {
    /// Names it in the log.
    shown: String,
    library: Library,
    /// For whom its threads work.
    owner: Owner,
    /// Threads that nobody knew the maker of when it was opened.
    strangers: Option<Strangers>,
    /// The state of the process that is the host's.
    hosts_own: HostsOwn,
    /// Freed only when the library is gone: its code may use it for as long as it is mapped, whoever drops this.
    bound: ManuallyDrop<Option<Box<Bound>>>,
    /// Part of the path that it was loaded from: a name that was never used before, and does not exist any more.
    file: PathBuf,
}

/// The remains when lane 0 ends: after a whole life, or after a failed one that got as far as opening a library.
pub(super) type LaneZero = Result<Remains, Option<Box<Remains>>>;

/// A library that is not used, and what is left of it where it was opened.
struct Refused {
    error: LoadError,
    remains: Option<Box<Remains>>,
}

/// The facts that the host gets to know when an instance was made.
pub(in crate::runner) struct Opened {
    pub(in crate::runner) instance: Arc<Instance>,
    pub(in crate::runner) descriptor: Arc<Descriptor>,
}

/// The rehearsal of a library that is about to be opened.
struct Before {
    /// How long each step of it may take.
    limit: Duration,
    /// The stack of the thread that opens it.
    stack_bytes: usize,
    /// The instance to try it out with.
    life: Option<Life>,
    /// Is told when it is over.
    passed: Option<oneshot::Sender<()>>,
}

/// How long a library that is only looked at may take.
const LOOK: Duration = Duration::from_secs(30);

/// Makes a private copy of a library, tries it out and opens it. Returns what must be cleared away, whatever came of it. The copy
/// is removed again at once: what is mapped stays, and a host that is killed later leaves nothing behind.
fn open(
    path: &Path,
    stage: &Stage,
    shown: &str,
    before: Before,
) -> Result<(Remains, ComponentTable), Box<Refused>> {
    let unopened = |error| Box::new(Refused { error, remains: None });
    let staged = stage.copy(path).map_err(unopened)?;
    if stage.rehearsal.extent() != Extent::Off {
        let trial = Trial {
            file: staged.path(),
            digest: staged.digest(),
            shown,
            limit: before.limit,
            stack_bytes: before.stack_bytes,
            life: before.life,
        };
        stage
            .rehearsal
            .of(trial)
            .map_err(|error| unopened(staged.named_as_original(error)))?;
    }
    // Nobody may wait for it any more.
    let _ = before.passed.map(|passed| passed.send(()));
    open_staged(&staged, shown)
}

/// Opens a private copy. Returns what must be cleared away, whatever came of it.
fn open_staged(staged: &Staged, shown: &str) -> Result<(Remains, ComponentTable), Box<Refused>> {
    let unopened = |error| Box::new(Refused { error, remains: None });
    let owner = Owner::new();
    owner.enter();
    let (strangers, hosts_own) = (Strangers::now(), HostsOwn::now());
    let library = Library::open(staged.path(), staged.mark(), shown)
        .map_err(|error| unopened(staged.named_as_original(error)))?;
    let table = library.component(shown);
    let remains = Remains {
        shown: shown.to_owned(),
        library,
        owner,
        strangers,
        hosts_own,
        bound: ManuallyDrop::new(None),
        file: staged.mark().to_owned(),
    };
    match table {
        Ok(table) => Ok((remains, table)),
        Err(error) => Err(Box::new(Refused {
            error,
            remains: Some(Box::new(remains)),
        })),
    }
}

/// The body of lane 0. `after_rehearsal` is told, or dropped, when code of the library is about to run here.
pub(super) fn lane_zero(
    request: LoadRequest,
    after_rehearsal: oneshot::Sender<()>,
    report: oneshot::Sender<Result<Opened, LoadError>>,
) -> LaneZero {
    let shown = request.library.display().to_string();
    let before = Before {
        limit: request.start_timeout,
        stack_bytes: request.stack_bytes,
        life: life(&request),
        passed: Some(after_rehearsal),
    };
    let mask = KeptMask::now();
    let opened = open(&request.library, &request.stage, &shown, before);
    let (mut remains, table) = match opened {
        Ok(opened) => opened,
        Err(refused) => {
            let _ = report.send(Err(refused.error));
            return Err(refused.remains);
        }
    };
    let (functions, owner, stack_bytes) = (table.functions(), remains.owner, request.stack_bytes);
    let made = make(request, &remains.library, &table, &shown);
    drop(mask);
    remains.put_back();
    let (bound, pointer, descriptor) = match made {
        Ok(made) => made,
        Err((error, bound)) => {
            let _ = report.send(Err(error));
            if let Some(bound) = &bound {
                bound.instance().end();
            }
            remains.bound = ManuallyDrop::new(bound);
            return Err(Some(Box::new(remains)));
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
            let thread = thread::Builder::new().name(name).stack_size(stack_bytes);
            thread.spawn(move || {
                owner.enter();
                lane_thread::run(&functions, pointer, number, &lane)
            })
        })
        .collect();
    let others = match others {
        Ok(others) => others,
        Err(error) => {
            // Lanes that did start are left to themselves, and the library with them.
            instance.lanes().iter().for_each(|lane| lane.close());
            let message = format!("cannot start the lanes of {shown}: {error}");
            let _ = report.send(Err(LoadError::new(LoadErrorKind::Resources, message)));
            std::mem::forget((remains, bound));
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
    instance.end();
    remains.bound = ManuallyDrop::new(Some(bound));
    Ok(remains)
}

/// The instance to try a library out with, where one is to be made.
fn life(request: &LoadRequest) -> Option<Life> {
    (request.stage.rehearsal.extent() == Extent::Life).then(|| Life {
        library: std::path::absolute(&request.library).unwrap_or_else(|_| request.library.clone()),
        name: request.name.clone(),
        mesh: request.mesh.clone(),
        domain: request.domain.clone(),
        config: request.config.clone(),
        lanes: request.lanes,
        stack_bytes: request.stack_bytes,
        lane_bytes: request.limits.bytes,
        start_timeout: request.start_timeout,
    })
}

/// The body of the thread that only looks at a library.
pub(super) fn look(
    path: &Path,
    stage: &Stage,
    report: oneshot::Sender<Result<Descriptor, LoadError>>,
) -> LaneZero {
    let shown = path.display().to_string();
    let said = stage.copy(path).and_then(|staged| {
        let said = stage.rehearsal.of(Trial {
            file: staged.path(),
            digest: staged.digest(),
            shown: &shown,
            limit: LOOK,
            stack_bytes: LANE_STACK,
            life: None,
        });
        match said {
            Ok(said) => Ok((staged, said)),
            Err(error) => Err(staged.named_as_original(error)),
        }
    });
    let (outcome, remains) = match said {
        Ok((_, Some(said))) => {
            let checked = Descriptor::check(&shown, &said.name, &said.version, &said.sdk, &said.descriptor);
            (checked, None)
        }
        Ok((staged, None)) => match open_staged(&staged, &shown) {
            Ok((remains, table)) => (
                described(&shown, &remains.library, &table),
                Some(Box::new(remains)),
            ),
            Err(refused) => (Err(refused.error), refused.remains),
        },
        Err(error) => (Err(error), None),
    };
    let _ = report.send(outcome);
    Err(remains)
}

fn described(shown: &str, library: &Library, table: &ComponentTable) -> Result<Descriptor, LoadError> {
    let says = library.description(table);
    Descriptor::check(shown, says.name, says.version, says.sdk, says.descriptor)
}

type Made = (Box<Bound>, InstancePointer, Arc<Descriptor>);

fn make(
    request: LoadRequest,
    library: &Library,
    table: &ComponentTable,
    shown: &str,
) -> Result<Made, (LoadError, Option<Box<Bound>>)> {
    static NUMBER: AtomicU64 = AtomicU64::new(1 << 63);
    let functions = table.functions();
    let descriptor = described(shown, library, table).map_err(|error| (error, None))?;
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
    let original = std::path::absolute(&request.library).unwrap_or(request.library);
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
        "logLevel": log_level::wanted(),
        // Where the original lies: the library itself is a copy, and files that come with the component lie beside the original.
        "library": original.display().to_string(),
        "directory": original.parent().map(|folder| folder.display().to_string()),
    })
    .to_string();
    let uses = Uses::of(&descriptor, table.abi_minor());
    let instance = Arc::new(Instance::new(identity, lanes.into(), request.services).using(uses));
    let bound = Bound::new(instance.clone());
    match lane_thread::create(&functions, &bound, &info, &request.config) {
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
            Ok(Ok(remains)) => unload(remains, patience),
            Ok(Err(Some(remains))) => unload(*remains, patience),
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
        _ => Unloaded::Resident(LANE_IS_BUSY.to_owned()),
    }
}

fn unload(mut remains: Remains, patience: Duration) -> Unloaded {
    // Its destructors run on this thread.
    remains.owner.enter();
    let until = Instant::now() + patience;
    let mut threads = remains.threads();
    while threads != 0 && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
        threads = remains.threads();
    }
    if threads > 0 {
        // The code must stay while a thread runs it.
        return Unloaded::Resident(format!("{threads} of its own threads still run"));
    }
    let timers = interpose::timers_of(remains.owner, remains.library.group());
    if timers > 0 {
        // The C library calls a timer's function whenever it rings.
        return Unloaded::Resident(format!("{timers} of its timers are still set"));
    }
    remains.put_back();
    if let Some(reason) = remains.hosts_own.handled() {
        return Unloaded::Resident(reason);
    }
    interpose::release_keys(remains.library.group());
    let Remains {
        library,
        bound,
        file,
        owner,
        mut hosts_own,
        ..
    } = remains;
    let file = file.to_string_lossy().into_owned();
    let group = library.group().to_vec();
    let closed = library.close();
    // Its destructors ran.
    hosts_own.put_back(&group);
    surroundings::take_refused(owner);
    if let Err(reason) = closed {
        return Unloaded::Resident(format!("the dynamic linker did not close it: {reason}"));
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    if maps.contains(&file) {
        return Unloaded::Resident("the dynamic linker keeps it in memory".to_owned());
    }
    drop(ManuallyDrop::into_inner(bound));
    Unloaded::Gone
}

impl Remains {
    /// Puts back what the library has changed in the process, and says so, also what it was not let change.
    fn put_back(&mut self) {
        let shown = &self.shown;
        for refused in surroundings::take_refused(self.owner) {
            tracing::warn!("{shown} {refused}; {REFUSED}");
        }
        for changed in self.hosts_own.put_back(self.library.group()) {
            tracing::warn!("{shown} {changed}; {PUT_BACK}");
        }
    }

    /// The number of threads that may still run its code. These are those that it started, and those of an unknown maker
    /// that appeared since it was opened.
    fn threads(&self) -> usize {
        let strange = match (&self.strangers, Strangers::now()) {
            (Some(before), Some(now)) => now.more_than(before),
            _ => 0,
        };
        threads_of(self.owner, self.library.object()) + strange
    }
}
