//! `system` (docs/mesh-protocol.md 6.1): what the machine is, what the host does, and that again as an event at intervals.
//!
//! Enters: calls, and what the mesh knows of its components. Leaves: JSON objects with the fields of both
//! generations that have a meaning here, and the event `stats/system`. Guarantees: at most one timer runs, whatever
//! clients ask for; it ends with the mesh. Fields that nobody here counts (emits, errors, log lines, a JavaScript heap)
//! are left out rather than filled with zeros.

use super::{MethodEntry, arguments_of, is_truthy, machine, own_component};
use mesh_core::mesh::{BuiltinCall, Handler, Mesh};
use mesh_plugin::{Abandoned, Answer, Services, Status};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

pub(super) const METHODS: &[MethodEntry] = &[
    ("compactDBFile", &["callback"]),
    ("activateStatistics", &["interval", "callback"]),
    ("deactivateStatistics", &["callback"]),
    ("getDBFileInfo", &["callback"]),
    ("getStats", &["measureInterval", "callback"]),
    ("systemInfo", &["callback"]),
];

/// Milliseconds between events when nobody says how many.
const DEFAULT_INTERVAL: f64 = 3000.0;
/// Shorter intervals are refused: any client may ask for one, and everybody pays for it.
const SHORTEST_INTERVAL: f64 = 100.0;
/// Longer intervals are refused as mistakes.
const LONGEST_INTERVAL: f64 = 24.0 * 60.0 * 60.0 * 1000.0;

/// The component.
pub(super) struct System {
    mesh: Weak<Mesh>,
    services: Arc<dyn Services>,
    runtime: Handle,
    meter: Arc<Meter>,
    timer: Mutex<Option<AbortHandle>>,
}

impl System {
    pub(super) fn new(mesh: &Arc<Mesh>) -> System {
        System {
            mesh: Arc::downgrade(mesh),
            services: mesh.services(),
            runtime: Handle::current(),
            meter: Arc::new(Meter::new()),
            timer: Mutex::default(),
        }
    }

    fn activate(&self, interval: Duration) {
        let (mesh, services, meter) = (self.mesh.clone(), self.services.clone(), self.meter.clone());
        let task = self.runtime.spawn(async move {
            let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let Some(mesh) = mesh.upgrade() else { return };
                let Some(own) = own_component(&mesh, "system") else {
                    return;
                };
                let statistics = meter.measure(&mesh, Detail::WithRates).to_string();
                // The log has what was wrong.
                let _ = services.emit(own.emitter(), "stats/system", statistics.as_bytes(), b"");
            }
        });
        self.replace_timer(Some(task.abort_handle()));
    }

    fn replace_timer(&self, next: Option<AbortHandle>) {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = std::mem::replace(&mut *timer, next) {
            last.abort();
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.replace_timer(None);
    }
}

impl Handler for System {
    fn call(&self, call: BuiltinCall, answer: Box<dyn Answer>) {
        let arguments = arguments_of(&call.arguments);
        let first = arguments.first().unwrap_or(&Value::Null);
        let Some(mesh) = self.mesh.upgrade() else {
            return answer.abandon(Abandoned::Stopped);
        };
        let result = match &*call.method {
            b"systemInfo" => system_info().into(),
            b"getStats" if is_truthy(first) => self.meter.measure(&mesh, Detail::WithRates),
            b"getStats" => self.meter.measure(&mesh, Detail::Counts),
            b"activateStatistics" => match interval_of(first) {
                Ok(interval) => {
                    self.activate(interval);
                    Value::Null
                }
                Err(message) => {
                    let error = json!([{"message": message, "name": "TypeError", "parameter": "interval"}]);
                    return answer.answer(Status::ERROR, error.to_string().as_bytes());
                }
            },
            b"deactivateStatistics" => {
                self.replace_timer(None);
                Value::Null
            }
            // The store makes its file smaller itself, and clients are told nothing of files of this machine.
            b"getDBFileInfo" => return answer.answer(Status::OK, b"[]"),
            _ => Value::Null,
        };
        answer.answer(Status::OK, json!([result]).to_string().as_bytes());
    }
}

fn system_info() -> Map<String, Value> {
    let mut about = machine::describe();
    about.insert("happnerVersion".to_owned(), env!("CARGO_PKG_VERSION").into());
    about
}

fn interval_of(value: &Value) -> Result<Duration, String> {
    let milliseconds = match value {
        value if !is_truthy(value) => Some(DEFAULT_INTERVAL),
        Value::Number(number) => number.as_f64(),
        // REST clients send texts.
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    milliseconds
        .filter(|milliseconds| (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(milliseconds))
        .map(|milliseconds| Duration::from_millis(milliseconds as u64))
        .ok_or_else(|| {
            format!(
                "interval must be a number of milliseconds from {SHORTEST_INTERVAL} to {LONGEST_INTERVAL}"
            )
        })
}

/// Takes measurements and remembers the last one.
struct Meter {
    started: Instant,
    started_at: u64,
    last: Mutex<Measurement>,
}

struct Measurement {
    at: Instant,
    /// By component.
    calls: HashMap<String, u64>,
}

/// How much of a measurement is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Counts,
    /// Also per second since the last measurement.
    WithRates,
}

impl Meter {
    fn new() -> Meter {
        Meter {
            started: Instant::now(),
            started_at: now_milliseconds(),
            last: Mutex::new(Measurement {
                at: Instant::now(),
                calls: HashMap::new(),
            }),
        }
    }

    /// The state at this moment.
    fn measure(&self, mesh: &Mesh, detail: Detail) -> Value {
        let mut components: Map<String, Value> = Map::new();
        let mut calls: HashMap<String, u64> = HashMap::new();
        for endpoint in mesh.registry().in_order() {
            let counted = endpoint.calls();
            let counts = components
                .entry(endpoint.name())
                .or_insert_with(|| json!({ "calls": 0, "pending": 0, "timeouts": 0 }));
            for (name, count) in [
                ("calls", counted.taken),
                ("pending", counted.pending as u64),
                ("timeouts", counted.timeouts),
            ] {
                // Versions of one component are counted together.
                counts[name] = (counts[name].as_u64().unwrap_or(0) + count).into();
            }
            *calls.entry(endpoint.name().to_owned()).or_default() += counted.taken;
        }
        let now = Instant::now();
        let last = std::mem::replace(
            &mut *self.last.lock().unwrap_or_else(PoisonError::into_inner),
            Measurement {
                at: now,
                calls: calls.clone(),
            },
        );
        let seconds = now.saturating_duration_since(last.at).as_secs_f64();
        let total: u64 = calls.values().sum();
        let mut statistics = Map::new();
        if detail == Detail::WithRates {
            let rate = |count: u64, before: u64| {
                let rate = count.saturating_sub(before) as f64 / seconds.max(0.001);
                Value::from((rate * 1000.0).round() / 1000.0)
            };
            for (name, count) in &calls {
                let before = last.calls.get(name).copied().unwrap_or(0);
                if let Some(counts) = components.get_mut(name) {
                    counts["callsPerSec"] = rate(*count, before);
                }
            }
            statistics.insert("callsPerSec".to_owned(), rate(total, last.calls.values().sum()));
        }
        let mut system = system_info();
        system.insert(
            "upTime".to_owned(),
            (self.started.elapsed().as_millis() as u64).into(),
        );
        system.insert("meshName".to_owned(), mesh.name().into());
        statistics.insert("measurementInterval".to_owned(), seconds.into());
        statistics.insert("proc".to_owned(), json!({ "up": self.started_at }));
        statistics.insert("component".to_owned(), components.into());
        statistics.insert("system".to_owned(), system.into());
        statistics.insert("timestamp".to_owned(), now_milliseconds().into());
        statistics.insert("totalCalls".to_owned(), total.into());
        statistics.insert("usage".to_owned(), machine::usage());
        Value::Object(statistics)
    }
}

fn now_milliseconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_and_bounded() {
        for (value, expected) in [
            (json!(null), Some(3000)),
            (json!(0), Some(3000)),
            (json!(250), Some(250)),
            (json!("250"), Some(250)),
            (json!(99), None),
            (json!(-5), None),
            (json!(1e300), None),
            (json!("often"), None),
            (json!([500]), None),
        ] {
            let found = interval_of(&value).ok();
            assert_eq!(found, expected.map(Duration::from_millis), "{value}");
        }
    }
}
