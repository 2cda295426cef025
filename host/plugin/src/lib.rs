//! Component libraries: loading them, running their code on lanes, answering them, and giving all their memory back.
//!
//! Enters: a path, a configuration, calls and events as [`Job`]s. Leaves: answers through [`Answer`], and requests of
//! the component through [`Services`].
//!
//! Guarantees (docs/plugins.md, "The rehearsal, and rules that protect the host"):
//! - Library code runs on threads that belong to that loaded version. They end before the library is unloaded.
//! - Each call is answered once, also where the library answers twice, late or never.
//! - A library is tried out in a child process ([`rehearsal`]) and its description is checked before it is believed.
//! - After unloading the host looks whether the library is really gone.
//! - All `unsafe` code of the host is in [`ffi`].

#![deny(unsafe_code)]

mod authority;
mod awaited;
mod chain;
mod component;
mod descriptor;
mod elf;
mod emitter;
mod error;
mod eventfd;
mod faults;
#[allow(unsafe_code)]
pub mod ffi;
pub mod inside;
mod instance;
mod intake;
mod job;
mod lane;
mod latency;
mod log_level;
mod metrics;
mod no_services;
mod orders;
mod owed;
mod place;
#[cfg(feature = "testing")]
pub mod played;
pub mod rehearsal;
mod runner;
mod slots;
mod stage;
mod surroundings;
mod uses;
mod wrong;

pub use authority::{Authority, Rights, ServedCall};
pub use awaited::{Awaited, Given};
pub use chain::Began;
pub use component::{Component, ComponentState};
pub use descriptor::{Descriptor, Method, StateSchema, is_name};
pub use elf::FileFacts;
pub use emitter::{Emitter, Identity};
pub use error::{Fate, LoadError, LoadErrorKind};
pub use instance::{Caller, Instance, Interest, Services};
pub use intake::{Nested, Waiting};
pub use job::{Abandoned, Answer, Job, JobKind, NO_PUBLISHER, Response, Unserved};
pub use lane::{Lane, Limits, Refusal, Refused, RequestNumber, Wake};
pub use latency::{Latencies, STEPS as LATENCY_STEPS};
pub use mesh_plugin_abi::Status;
pub use metrics::Versions;
pub use no_services::NoServices;
pub use orders::Patience;
pub use owed::Owed;
pub use place::{Doing, Place};
pub use rehearsal::Rehearsal;
pub use runner::{Approval, LANE_STACK, LoadRequest, Unloaded};
pub use stage::{Stage, remove_left_behind};
pub use wrong::Wrong;
