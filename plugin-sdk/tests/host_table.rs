//! A component driven as the host drives it: through the functions of its library, and nothing else.

use mesh_plugin_sdk::abi::{self, Slice, Status, Work, WorkKind};
use mesh_plugin_sdk::prelude::*;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Mutex, PoisonError};

/// The component's messages to the host.
#[derive(Default)]
struct Heard {
    completed: Mutex<Vec<(u64, i32, String)>>,
    failed: Mutex<String>,
    logged: Mutex<Vec<String>>,
    wakes: AtomicU64,
    /// Batches of work for `take`, the last one first; none left closes the lane.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code))]
    batches: Mutex<Vec<Vec<Work>>>,
    taken: Mutex<(Vec<Work>, usize)>,
    #[cfg(feature = "tokio")]
    signal: Mutex<Option<std::os::unix::net::UnixStream>>,
    descriptor: i32,
}

fn heard<'a>(context: *const c_void) -> &'a Heard {
    // SAFETY: the context is the `Heard` of the test, which outlives the component.
    unsafe { &*context.cast::<Heard>() }
}

fn text(slice: Slice) -> String {
    // SAFETY: the component passes bytes that live for the call.
    String::from_utf8_lossy(unsafe { slice.as_bytes() }).into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" fn complete(context: *const c_void, token: u64, status: i32, payload: Slice) {
    lock(&heard(context).completed).push((token, status, text(payload)));
    #[cfg(feature = "tokio")]
    if let Some(signal) = &*lock(&heard(context).signal) {
        use std::io::Write;
        let _ = (&*signal).write(&[1]);
    }
}

unsafe extern "C" fn fail(context: *const c_void, message: Slice) {
    *lock(&heard(context).failed) = text(message);
}

unsafe extern "C" fn log(context: *const c_void, _level: i32, _target: Slice, message: Slice) {
    lock(&heard(context).logged).push(text(message));
}

unsafe extern "C" fn wake(context: *const c_void, _lane: u32) {
    heard(context).wakes.fetch_add(1, Ordering::SeqCst);
}

unsafe extern "C" fn take(context: *const c_void, _lane: u32, items: *mut *const Work) -> i64 {
    let heard = heard(context);
    let mut taken = lock(&heard.taken);
    // The next batch comes when the ones before were answered.
    if lock(&heard.completed).len() < taken.1 {
        return 0;
    }
    let Some(batch) = lock(&heard.batches).pop() else {
        return -1;
    };
    *taken = (batch, taken.1);
    taken.1 += taken.0.len();
    // SAFETY: the component passes a place to write to.
    unsafe { items.write(taken.0.as_ptr()) };
    taken.0.len() as i64
}

unsafe extern "C" fn lane_descriptor(context: *const c_void, _lane: u32) -> i32 {
    heard(context).descriptor
}

unsafe extern "C" fn get_extension(_context: *const c_void, _name: Slice) -> *const c_void {
    ptr::null()
}

fn host(heard: &Heard) -> abi::Host {
    abi::Host {
        struct_size: size_of::<abi::Host>() as u32,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        context: ptr::from_ref(heard).cast(),
        complete,
        fail,
        log,
        wake,
        take,
        lane_descriptor,
        get_extension,
    }
}

fn work(kind: u32, token: u64, target: &'static str, payload: &'static str) -> Work {
    Work {
        struct_size: size_of::<Work>() as u32,
        kind,
        token,
        status: 0,
        deadline_milliseconds: 0,
        method: u32::MAX,
        reserved: 0,
        target: Slice::new(target.as_bytes()),
        payload: Slice::new(payload.as_bytes()),
        origin: Slice::EMPTY,
    }
}

/// An instance of a component, as the host holds it.
struct Loaded {
    vtable: &'static abi::Vtable,
    instance: *mut c_void,
}

impl Loaded {
    fn create<C: mesh_plugin_sdk::Component>(host: &abi::Host, config: &str) -> Result<Loaded, i32> {
        let component = mesh_plugin_sdk::generated::description::<C>();
        assert_eq!(
            (component.magic, component.abi_major),
            (abi::MAGIC, abi::ABI_MAJOR)
        );
        // SAFETY: the vtable is static by contract.
        let vtable: &'static abi::Vtable = unsafe { &*component.vtable };
        let info = r#"{"mesh":"M","domain":"M","component":"renamed","version":"1.0.0","lanes":2}"#;
        let mut instance = ptr::null_mut();
        let (info, config) = (Slice::new(info.as_bytes()), Slice::new(config.as_bytes()));
        // SAFETY: the host outlives the instance in every test, and the slices live for the call.
        let status = unsafe { vtable.create.unwrap()(host, info, config, &mut instance) };
        if status == Status::OK {
            Ok(Loaded { vtable, instance })
        } else {
            Err(status)
        }
    }

    fn work(&self, lane: u32, items: &[Work]) {
        // SAFETY: the instance is alive, and the items live for the call.
        unsafe { self.vtable.work.unwrap()(self.instance, lane, items.as_ptr(), items.len()) };
    }

    fn destroy(self) {
        // SAFETY: the instance is alive, for the last time.
        unsafe { self.vtable.destroy.unwrap()(self.instance) };
    }
}

struct Plain;

#[component(name = "plain", version = "1.0.0")]
impl Plain {
    #[create]
    fn new(config: Value) -> Result<Self, Error> {
        if config["bad"] == true {
            Err(Error::new("bad configuration"))
        } else {
            Ok(Plain)
        }
    }

    fn add(&self, a: f64, b: f64) -> f64 {
        a + b
    }

    fn name(&self, context: &Context) -> String {
        context.component().to_owned()
    }

    fn panics(&self) {
        panic!("oh no");
    }

    async fn never(&self) {
        std::future::pending().await
    }

    async fn add_async(&self, a: f64, b: f64) -> f64 {
        a + b
    }

    async fn sleeps(&self, context: &Context) {
        context.sleep(Duration::from_secs(1)).await;
    }
}

/// Panic hooks belong to the process: only one test at a time makes instances.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_library_is_created_works_and_is_destroyed() {
    let _alone = lock(&ALONE);
    let heard = Heard::default();
    let host = host(&heard);
    let loaded = Loaded::create::<Plain>(&host, "{}").unwrap();
    loaded.work(0, &[work(WorkKind::START, 1, "", "")]);
    let mut numbered = work(WorkKind::CALL, 2, "anything", "[1,2]");
    numbered.method = 0;
    loaded.work(
        0,
        &[
            numbered,
            work(WorkKind::CALL, 3, "name", "[]"),
            work(99, 4, "", ""),
        ],
    );
    loaded.work(
        1,
        &[
            work(WorkKind::CALL, 5, "panics", "[]"),
            work(WorkKind::CALL, 6, "never", "[]"),
        ],
    );
    loaded.work(7, &[work(WorkKind::CALL, 7, "add", "[]")]);
    loaded.work(0, &[work(WorkKind::CALL, 8, "sleeps", "[]")]);
    let completed = std::mem::take(&mut *lock(&heard.completed));
    assert_eq!(completed[0], (1, Status::OK, "[null]".to_owned()));
    assert_eq!(completed[1], (2, Status::OK, "[3]".to_owned()));
    assert_eq!(completed[2], (3, Status::OK, r#"["renamed"]"#.to_owned()));
    assert_eq!(completed[3].1, Status::PANIC);
    assert!(
        completed[3].2.contains("renamed.panics panicked: oh no"),
        "{}",
        completed[3].2
    );
    // A host without timers lets nobody wait for ever.
    assert_eq!(completed[4], (8, Status::OK, "[null]".to_owned()));
    assert_eq!(completed.len(), 5);
    let logged = std::mem::take(&mut *lock(&heard.logged));
    assert!(
        logged[0].starts_with("panicked at ") && logged[0].ends_with(": oh no"),
        "{logged:?}"
    );
    assert!(logged[1].contains("timers"), "{logged:?}");
    loaded.work(0, &[work(WorkKind::STOP, 9, "", "")]);
    loaded.destroy();
    let completed = std::mem::take(&mut *lock(&heard.completed));
    assert_eq!(completed[0], (9, Status::OK, "[null]".to_owned()));
    assert_eq!((completed[1].0, completed[1].1), (6, Status::ERROR));
    assert!(
        completed[1].2.contains("renamed.never ended without an answer"),
        "{}",
        completed[1].2
    );
}

#[test]
fn a_cancelled_call_is_dropped_without_a_word() {
    let _alone = lock(&ALONE);
    let heard = Heard::default();
    let host = host(&heard);
    let loaded = Loaded::create::<Plain>(&host, "").unwrap();
    loaded.work(0, &[work(WorkKind::CALL, 6, "never", "[]")]);
    loaded.work(
        0,
        &[
            work(WorkKind::CANCEL, 6, "", ""),
            work(WorkKind::CANCEL, 77, "", ""),
        ],
    );
    loaded.destroy();
    assert!(lock(&heard.completed).is_empty());
}

#[test]
fn a_bad_configuration_is_explained() {
    let _alone = lock(&ALONE);
    let heard = Heard::default();
    let host = host(&heard);
    assert_eq!(
        Loaded::create::<Plain>(&host, r#"{"bad":true}"#).err(),
        Some(Status::ERROR)
    );
    assert_eq!(*lock(&heard.failed), "bad configuration");
    let other = abi::Host {
        abi_major: 99,
        ..host
    };
    assert_eq!(Loaded::create::<Plain>(&other, "{}").err(), Some(Status::ERROR));
    let struct_size = abi::HOST_SIZE_1_0 as u32 - 8;
    let short = abi::Host { struct_size, ..other };
    assert_eq!(Loaded::create::<Plain>(&short, "{}").err(), Some(Status::ERROR));
}

#[test]
fn work_that_cannot_be_read_is_lost_with_a_line_in_the_log() {
    let _alone = lock(&ALONE);
    let heard = Heard::default();
    let host = host(&heard);
    let loaded = Loaded::create::<Plain>(&host, "{}").unwrap();
    let [first, mut short] = [1, 2].map(|token| work(WorkKind::CALL, token, "add", "[1,2]"));
    short.struct_size = 40;
    loaded.work(0, &[first, short]);
    loaded.destroy();
    assert_eq!(*lock(&heard.completed), [(1, Status::OK, "[3]".to_owned())]);
    assert!(lock(&heard.logged)[0].contains("`mesh_work` has a `struct_size` of 40: it must be 80 or more"));
}

#[derive(Default)]
struct Stateful {
    text: Mutex<String>,
}

#[component(name = "stateful", version = "1.0.0", state = 2)]
impl Stateful {
    #[snapshot]
    fn save(&self) -> &Mutex<String> {
        &self.text
    }

    #[restore]
    async fn restore(&self, text: String) {
        *lock(&self.text) = text;
    }

    #[migrate(from = 1)]
    fn two(number: u64) -> String {
        assert!(number < 10, "a digit");
        number.to_string()
    }

    #[health]
    async fn healthy(&self) -> Result<(), Error> {
        Err(Error::new("weak"))
    }
}

#[test]
fn state_goes_in_and_out_as_bytes() {
    let _alone = lock(&ALONE);
    let heard = Heard::default();
    let host = host(&heard);
    let loaded = Loaded::create::<Stateful>(&host, "").unwrap();
    let restore = |token, schema, state| Work {
        method: schema,
        ..work(WorkKind::RESTORE, token, "", state)
    };
    loaded.work(
        0,
        &[
            restore(1, 1, "7"),
            work(WorkKind::START, 2, "", ""),
            work(WorkKind::HEALTH, 3, "", ""),
            work(WorkKind::SNAPSHOT, 4, "", ""),
            work(WorkKind::RESUME, 0, "", ""),
            work(WorkKind::QUIESCE, 0, "", ""),
            restore(5, 1, "10"),
            restore(6, 3, "7"),
            work(WorkKind::SNAPSHOT, 7, "", ""),
        ],
    );
    let completed = std::mem::take(&mut *lock(&heard.completed));
    loaded.destroy();
    let outcomes: Vec<(u64, i32)> = completed
        .iter()
        .map(|(token, status, _)| (*token, *status))
        .collect();
    assert_eq!(
        outcomes,
        [
            (1, Status::OK),
            (2, Status::OK),
            (3, Status::ERROR),
            (4, Status::OK),
            (5, Status::PANIC),
            (6, Status::ERROR),
            (7, Status::OK),
        ],
        "{completed:?}"
    );
    assert_eq!((&*completed[3].2, &*completed[6].2), (r#""7""#, r#""7""#));
    assert!(completed[4].2.contains("a digit"), "{completed:?}");
}

/// Not a test of right or wrong: `cargo test --release -- --ignored --nocapture sync_call` prints what a call costs.
#[test]
#[ignore = "prints a measurement"]
fn the_cost_of_synchronous_calls_is_printed() {
    unsafe extern "C" fn count(context: *const c_void, _token: u64, _status: i32, payload: Slice) {
        heard(context)
            .wakes
            .fetch_add(payload.length as u64, Ordering::Relaxed);
    }
    let _alone = lock(&ALONE);
    let heard = Heard::default();
    let host = abi::Host {
        complete: count,
        ..host(&heard)
    };
    let loaded = Loaded::create::<Plain>(&host, "{}").unwrap();
    for (method, number) in [("add", 0), ("addAsync", 4)] {
        let batch: Vec<Work> = (1..=64)
            .map(|token| Work {
                method: number,
                ..work(WorkKind::CALL, token, method, "[1,2]")
            })
            .collect();
        let rounds: u32 = 20_000;
        let before = std::time::Instant::now();
        for _ in 0..rounds {
            loaded.work(0, &batch);
        }
        println!("{method}: {:?} a call", before.elapsed() / (rounds * 64));
    }
    loaded.destroy();
}

#[cfg(feature = "tokio")]
mod tokio_lane {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[derive(Default)]
    struct OnTokio;

    #[component(name = "onTokio", version = "1.0.0", runtime = "tokio")]
    impl OnTokio {
        async fn slow(&self) -> Result<String, Error> {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let text = tokio::task::spawn_blocking(|| "blocking").await?;
            tokio::task::spawn(async move { log::info!("spawned") }).await?;
            Ok(text.to_owned())
        }

        fn fast(&self) -> u8 {
            1
        }
    }

    #[test]
    fn a_lane_is_a_runtime_that_ends_with_it() {
        let _alone = lock(&ALONE);
        let (signal, descriptor) = UnixStream::pair().unwrap();
        descriptor.set_nonblocking(true).unwrap();
        let heard = Heard {
            descriptor: descriptor.as_raw_fd(),
            ..Heard::default()
        };
        *lock(&heard.signal) = Some(signal);
        *lock(&heard.batches) = vec![
            vec![work(WorkKind::STOP, 4, "", "")],
            vec![
                work(WorkKind::CALL, 2, "slow", "[]"),
                work(WorkKind::CALL, 3, "fast", "[]"),
            ],
            vec![work(WorkKind::START, 1, "", "")],
        ];
        let host = host(&heard);
        let loaded = Loaded::create::<OnTokio>(&host, "{}").unwrap();
        // SAFETY: the instance is alive.
        unsafe { loaded.vtable.run.unwrap()(loaded.instance, 0) };
        loaded.destroy();
        let completed = std::mem::take(&mut *lock(&heard.completed));
        let tokens: Vec<u64> = completed.iter().map(|(token, ..)| *token).collect();
        assert_eq!(tokens, [1, 3, 2, 4]);
        assert_eq!(completed[2].2, r#"["blocking"]"#);
        assert_eq!(*lock(&heard.logged), ["spawned"]);
    }

    #[test]
    fn components_on_tokio_are_tested_like_others() {
        // Its log lines go to whatever host there is.
        let _alone = lock(&ALONE);
        let harness = mesh_plugin_sdk::testing::Harness::<OnTokio>::new(json!({}));
        assert_eq!(
            harness.call("slow", ()).unwrap().one::<String>().unwrap(),
            "blocking"
        );
        assert_eq!(harness.call("fast", ()).unwrap().one::<u8>().unwrap(), 1);
    }
}

#[cfg(feature = "tracing")]
mod tracing_bridge {
    use super::*;

    #[derive(Default)]
    struct Traced;

    #[component(name = "traced", version = "1.0.0")]
    impl Traced {
        fn trace(&self) {
            let _span = tracing::info_span!("outer").entered();
            tracing::warn!(answer = 42, "looked at {}", "it");
        }
    }

    #[test]
    fn tracing_events_reach_the_host() {
        let harness = mesh_plugin_sdk::testing::Harness::<Traced>::new(json!({}));
        harness.call("trace", ()).unwrap();
        assert_eq!(harness.logs(), [("warn", "looked at it answer=42".to_owned())]);
    }
}
