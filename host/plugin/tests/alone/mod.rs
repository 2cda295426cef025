//! A component without a mesh: loaded, called, and alone.
//!
//! Enters: a library. Leaves: a request to load it as the only component of the world, and answers to calls.

use bytes::Bytes;
use mesh_plugin::{
    Abandoned, Answer, Component, Job, JobKind, LoadRequest, NoServices, Rehearsal, Stage, Status,
};
use mesh_wire::origin::Origin;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Reply(oneshot::Sender<(i32, String)>);

impl Answer for Reply {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        let payload = String::from_utf8_lossy(payload).into_owned();
        let _ = self.0.send((status, payload));
    }

    fn abandon(self: Box<Self>, _: Abandoned) {
        let _ = self.0.send((Status::ERROR, "abandoned".to_owned()));
    }
}

/// The data to load a library under a name.
pub fn request(library: PathBuf, name: &str) -> LoadRequest {
    LoadRequest {
        library,
        name: name.to_owned(),
        mesh: "TestNode".to_owned(),
        domain: "TestNode".to_owned(),
        config: "{}".to_owned(),
        lanes: 1,
        stack_bytes: mesh_plugin::LANE_STACK,
        limits: mesh_plugin::Limits {
            bytes: 1 << 20,
            calls_of_each: 10_000,
            lanes: 1,
        },
        stage: Stage {
            folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            rehearsal: Rehearsal::off(),
        },
        start_timeout: Duration::from_secs(10),
        services: Arc::new(NoServices),
        delegates: false,
        approve: Box::new(|_| Ok(())),
    }
}

/// Calls a method without arguments; returns the status and the payload of the answer.
pub async fn ask(component: &Component, method: &'static str) -> (i32, String) {
    let (sender, outcome) = oneshot::channel();
    let (position, _) = component.descriptor().method(method).expect("it has the method");
    let job = Job {
        method: position,
        target: Bytes::from_static(method.as_bytes()),
        payload: Bytes::from_static(b"[]"),
        origin: Some(Origin::of_session("S")),
        ..Job::new(JobKind::Call, 0)
    };
    let called = component.call(job, Box::new(Reply(sender)), Instant::now() + PATIENCE);
    drop(called.ok().expect("it takes a call"));
    outcome.await.expect("it answers")
}
