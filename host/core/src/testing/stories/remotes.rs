//! Components that run in another mesh.

use super::calculator;
use crate::mesh::{Calls, Endpoint, Mesh, Remote, StartProgress};
use crate::testing::{CarriedCall, Client, Faults, Outcome, RemoteComponent, TestComponent, Worlds};
use mesh_plugin::{Abandoned, Answer, Job, JobKind};
use mesh_wire::origin::Origin;
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Two meshes: clients are at world 0, and the component runs in world 1.
struct Pair {
    worlds: Worlds,
    remote: Arc<RemoteComponent>,
    client: Client,
    /// Outcomes in world 1 that are to be carried back.
    replies: Arc<Mutex<Vec<String>>>,
}

/// Carries an outcome back.
struct Back {
    number: u64,
    replies: Arc<Mutex<Vec<String>>>,
}

impl Answer for Back {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        let payload: Value = serde_json::from_slice(payload).unwrap();
        let reply = json!([self.number, status, payload]);
        self.replies.lock().unwrap().push(reply.to_string());
    }

    fn abandon(self: Box<Self>, _: Abandoned) {}
}

impl Pair {
    fn new(component: TestComponent, faults: Faults) -> Pair {
        let mut worlds = Worlds::new(7, 2, faults);
        let remote = Arc::new(RemoteComponent::of(&component, "world 1", 1 << 63));
        let registered: Arc<dyn Remote> = remote.clone();
        worlds[0].mesh().register(registered).unwrap();
        worlds[1].start(component);
        let client = worlds[0].connect(Dialect::Happn4);
        worlds[0].expect_answers(client);
        Pair {
            worlds,
            remote,
            client,
            replies: Arc::default(),
        }
    }

    /// Carries what is on its way, both ways, until the calls so far could have been answered.
    fn carry(&mut self) {
        self.worlds.tick();
        for call in self.remote.take_calls() {
            self.worlds.send(0, 1, call.to_text());
        }
        self.worlds.tick();
        for text in self.worlds.receive(1, 0) {
            let call = CarriedCall::from_text(&text).unwrap();
            let job = Job {
                payload: call.arguments.to_string().into(),
                origin: call.origin["id"].as_str().map(Origin::of_session),
                ..Job::new(JobKind::Call, 0)
            };
            let answer = Box::new(Back {
                number: call.number,
                replies: self.replies.clone(),
            });
            let mesh = self.worlds[1].mesh().clone();
            let target = (&*self.remote.name().to_owned(), &*call.method);
            let called = mesh.call_from_host(target, "", job, mesh.call_timeout(), answer);
            assert!(called.is_ok(), "{call:?}");
        }
        self.worlds.tick();
        let replies = std::mem::take(&mut *self.replies.lock().unwrap());
        replies
            .into_iter()
            .for_each(|reply| self.worlds.send(1, 0, reply));
        self.worlds.tick();
        for text in self.worlds.receive(0, 1) {
            let (number, status, payload): (u64, i32, Value) = serde_json::from_str(&text).unwrap();
            self.remote
                .came_back(number, status, payload.to_string().as_bytes());
        }
        self.worlds.tick();
    }

    fn begin(&mut self, method: &str, arguments: &Value) -> String {
        self.worlds[0].begin_call(self.client, method, &json!({"args": arguments}))
    }

    fn answers(&mut self, address: &str) -> Vec<Value> {
        self.worlds[0].answers(self.client, address)
    }
}

#[test]
fn a_call_of_a_component_in_another_mesh_is_answered_from_there() {
    let mut pair = Pair::new(calculator(), Faults::default());
    let address = pair.begin("calc/add", &json!([1, 2]));
    pair.worlds.tick();
    assert_eq!(pair.remote.calls().pending, 1);
    pair.carry();
    let expected = json!({"status": "ok", "args": [null, 3]});
    assert_eq!(pair.answers(&address), [expected]);
    let counted = Calls {
        taken: 1,
        pending: 0,
        timeouts: 0,
    };
    assert_eq!(pair.remote.calls(), counted);
}

#[test]
fn a_component_in_another_mesh_learns_who_called() {
    let whom =
        TestComponent::new("who", "1.0.0").method("calls", |call| Outcome::Result(call.origin.clone()));
    let mut pair = Pair::new(whom, Faults::default());
    let address = pair.begin("who/calls", &json!([]));
    pair.carry();
    let session = pair.worlds[0].session(pair.client).id().to_owned();
    assert_eq!(pair.answers(&address)[0]["args"][1], json!({"id": session}));
}

#[test]
fn an_answer_that_comes_twice_from_another_mesh_is_one_answer() {
    let doubled = Faults {
        doubled: 100,
        ..Faults::default()
    };
    let mut pair = Pair::new(calculator(), doubled);
    let address = pair.begin("calc/add", &json!([1, 2]));
    pair.carry();
    assert_eq!(pair.answers(&address).len(), 1);
}

#[test]
fn a_call_that_is_lost_on_its_way_ends_when_its_time_is_over() {
    let mut pair = Pair::new(calculator(), Faults::default());
    pair.worlds.cut(0, 1);
    let address = pair.begin("calc/add", &json!([1, 2]));
    pair.carry();
    assert_eq!(pair.answers(&address), [] as [Value; 0]);
    pair.worlds[0].pass(Duration::from_millis(10_001));
    let error = json!({"message": "calc.add did not answer within 10000 ms", "name": "TimeoutError"});
    assert_eq!(
        pair.answers(&address),
        [json!({"status": "error", "args": [error]})]
    );
    let counted = Calls {
        taken: 1,
        pending: 0,
        timeouts: 1,
    };
    assert_eq!(pair.remote.calls(), counted);
}

#[test]
fn a_call_that_another_mesh_does_not_take_is_answered_with_an_error() {
    let mut pair = Pair::new(calculator(), Faults::default());
    pair.remote.cut_off();
    let address = pair.begin("calc/add", &json!([1, 2]));
    pair.worlds.tick();
    let error = json!({"message": "component calc is stopping", "name": "Error"});
    assert_eq!(
        pair.answers(&address),
        [json!({"status": "failed", "args": [error]})]
    );
}

#[test]
fn a_component_in_another_mesh_is_described_and_listed_as_one_that_is_here() {
    let pair = Pair::new(calculator(), Faults::default());
    let [here, there] = [1, 0].map(|place: usize| pair.worlds[place].mesh());
    let description = |mesh: &Mesh| mesh.description(StartProgress::Ready);
    assert_eq!(description(there), description(here));
    let status = there.status("");
    let [component] = &*status.components else {
        panic!("{:?}", status.components);
    };
    assert_eq!(
        [
            &*component.name,
            &component.version,
            &component.state,
            &component.library
        ],
        ["calc", "1.2.0", "active", "(on world 1)"]
    );
}

#[test]
fn only_a_library_can_be_replaced() {
    let pair = Pair::new(calculator(), Faults::default());
    let refusal = |place: usize| {
        let registry = pair.worlds[place].mesh().registry();
        let endpoint: &Endpoint = registry.all().next().unwrap();
        endpoint.replaceable().err().unwrap().to_string()
    };
    assert_eq!(
        refusal(1),
        "component calc is part of the host and cannot be replaced"
    );
    assert_eq!(
        refusal(0),
        "component calc runs on world 1 and can only be replaced there"
    );
}
