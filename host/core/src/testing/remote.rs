//! A component that a world calls and another one has.
//!
//! Enters: calls that the mesh routes to it, and outcomes that came back. Leaves: calls to be carried away, and answers.
//! Guarantees: each call is answered once, by the first outcome that comes back for it or at its deadline.

use super::component::TestComponent;
use crate::mesh::{Calls, Remote};
use mesh_plugin::{Abandoned, Answer, Descriptor, Job, Refusal, Refused};
use mesh_wire::origin::Origin;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A call on its way to where the component runs.
#[derive(Clone, Debug, PartialEq)]
pub struct CarriedCall {
    /// The number that its outcome has to name.
    pub number: u64,
    /// The method's name.
    pub method: String,
    /// A JSON array.
    pub arguments: Value,
    /// Who calls.
    pub origin: Value,
}

/// A component that runs elsewhere.
pub struct RemoteComponent {
    name: String,
    descriptor: Descriptor,
    number: u64,
    place: String,
    traffic: Mutex<Traffic>,
}

struct Waiting {
    /// The number of the call.
    number: u64,
    answer: Box<dyn Answer>,
    deadline: Instant,
}

#[derive(Default)]
struct Traffic {
    taken: u64,
    timeouts: u64,
    is_cut_off: bool,
    leaving: Vec<CarriedCall>,
    waiting: Vec<Waiting>,
}

impl RemoteComponent {
    /// Stands for `original`, which runs at `place`. No other endpoint of the mesh may have the same number.
    pub fn of(original: &TestComponent, place: &str, number: u64) -> RemoteComponent {
        RemoteComponent {
            name: original.name().to_owned(),
            descriptor: original.descriptor(),
            number,
            place: place.to_owned(),
            traffic: Mutex::default(),
        }
    }

    /// Takes the calls that are to be carried away.
    pub fn take_calls(&self) -> Vec<CarriedCall> {
        std::mem::take(&mut self.lock().leaving)
    }

    /// An outcome has come back. Nothing happens where it is not waited for any more.
    pub fn came_back(&self, number: u64, status: i32, payload: &[u8]) {
        let is_meant = |waiting: &mut Waiting| waiting.number == number;
        let waiting: Vec<Waiting> = self.lock().waiting.extract_if(.., is_meant).collect();
        for waiting in waiting {
            waiting.answer.answer(status, payload);
        }
    }

    /// Takes no more calls from now on.
    pub fn cut_off(&self) {
        self.lock().is_cut_off = true;
    }

    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remote for RemoteComponent {
    fn name(&self) -> &str {
        &self.name
    }

    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn call(&self, job: Job, answer: Box<dyn Answer>, deadline: Instant) -> Result<(), Box<Refused>> {
        let mut traffic = self.lock();
        if traffic.is_cut_off {
            let why = Refusal::Closed;
            return Err(Box::new(Refused { why, job, answer }));
        }
        traffic.taken += 1;
        let number = traffic.taken;
        let parsed = |json: &[u8]| serde_json::from_slice(json).unwrap_or(Value::Null);
        traffic.leaving.push(CarriedCall {
            number,
            method: String::from_utf8_lossy(&job.target).into_owned(),
            arguments: parsed(&job.payload),
            origin: parsed(job.origin.unwrap_or_else(Origin::nobody).json().as_bytes()),
        });
        traffic.waiting.push(Waiting {
            number,
            answer,
            deadline,
        });
        Ok(())
    }

    fn expire(&self, now: Instant) {
        let late: Vec<Waiting> = {
            let mut traffic = self.lock();
            let late = traffic.waiting.extract_if(.., |waiting| waiting.deadline <= now);
            let late: Vec<Waiting> = late.collect();
            traffic.timeouts += late.len() as u64;
            late
        };
        late.into_iter()
            .for_each(|waiting| waiting.answer.abandon(Abandoned::TimedOut));
    }

    fn calls(&self) -> Calls {
        let traffic = self.lock();
        Calls {
            taken: traffic.taken,
            pending: traffic.waiting.len(),
            timeouts: traffic.timeouts,
        }
    }
}

impl CarriedCall {
    /// As a text that a line carries.
    pub fn to_text(&self) -> String {
        json!([self.number, self.method, self.arguments, self.origin]).to_string()
    }

    /// The call that a line has carried, if it is one.
    pub fn from_text(text: &str) -> Option<CarriedCall> {
        let (number, method, arguments, origin) = serde_json::from_str(text).ok()?;
        Some(CarriedCall {
            number,
            method,
            arguments,
            origin,
        })
    }
}
