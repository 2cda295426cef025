//! Whole meshes that are nodes of one cluster, in one process, on a messaging server in memory.
//!
//! Enters: requests of clients at one node, components at another. Leaves: what the clients read.

mod attacks;
mod hub;
mod stranger;

use hub::Hub;
use mesh_cluster::catalogue::Expose;
use mesh_cluster::choice::Prefer;
use mesh_cluster::component::{Affinity, Reach};
use mesh_cluster::identity::{ClusterName, NodeName};
use mesh_cluster::presence;
use mesh_cluster::presence::beat::State;
use mesh_cluster::wire::Wire;
use mesh_core::mesh::StartProgress;
use mesh_core::testing::{Client, Outcome, TestComponent, World};
use mesh_nodes::{Declared, JoinError, Joined, Rules, Settings};
use mesh_wire::protocol::Dialect;
use mesh_wire::versions::Range;
use serde_json::{Value, json};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use stranger::Stranger;

/// Nothing here takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Arguments of calls that wait for other nodes.
const CALLS_BYTES: usize = 4 << 20;

struct Node {
    world: World,
    joined: Joined,
}

struct Nodes {
    hub: Hub,
    nodes: Vec<Node>,
    strangers: Vec<Stranger>,
    prefer: Prefer,
    /// How long a node may be without its connection before it is lost.
    away: Duration,
}

fn settings(name: &str) -> Settings {
    let reached = |component: &str| Declared {
        component: component.to_owned(),
        versions: Range::parse("*").expect("it is a range"),
        reach: Reach::Cluster,
        affinity: Affinity::None,
        idempotent: ["again".to_owned()].into(),
    };
    Settings {
        cluster: ClusterName::new("test").expect("it is a name"),
        node: NodeName::new(name).expect("it is a name"),
        about: format!("process of {name}"),
        presence: presence::Settings {
            beat: Duration::from_millis(50),
            lost: PATIENCE,
            ..presence::Settings::default()
        },
        link_bytes: 1 << 20,
        payload_bytes: 1 << 20,
        calls_of_each: 100,
        calls_bytes: CALLS_BYTES,
        rules: Rules {
            expose: Expose::all(),
            prefer: Prefer::Local,
            components: ["calc", "other"].map(reached).into(),
        },
    }
}

impl Nodes {
    fn new() -> Nodes {
        Nodes {
            hub: Hub::default(),
            nodes: Vec::new(),
            strangers: Vec::new(),
            prefer: Prefer::Local,
            away: PATIENCE,
        }
    }

    /// A node that has joined, with these components.
    fn join(&mut self, name: &str, components: Vec<TestComponent>) -> usize {
        let wire = self.hub.connect();
        self.join_over(name, components, wire)
    }

    fn join_over(
        &mut self,
        name: &str,
        components: Vec<TestComponent>,
        wire: impl Wire + Send + 'static,
    ) -> usize {
        let place = self.nodes.len();
        let mut world = World::new(place as u64 + 1);
        let random = NonZeroU64::new(place as u64 + 7).expect("it is not 0");
        let mesh = world.mesh().clone();
        let mut settings = settings(name);
        settings.rules.prefer = self.prefer;
        settings.presence.away = self.away;
        let joined = world.block_on(async { mesh_nodes::join(&mesh, &settings, random, wire) });
        for component in components {
            world.start(component);
        }
        world
            .mesh()
            .publish_description(StartProgress::Ready)
            .expect("it is written");
        joined.nodes.set_state(State::Ready);
        self.nodes.push(Node { world, joined });
        place
    }

    fn turn(&mut self) {
        for stranger in &mut self.strangers {
            stranger.turn();
        }
        for node in &mut self.nodes {
            node.world.settle();
            node.world
                .block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
        }
    }

    /// Goes on until something is so.
    fn until<T>(&mut self, what: &str, mut is_so: impl FnMut(&mut [Node]) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = is_so(&mut self.nodes) {
                return found;
            }
            let others = |node: &Node| node.joined.nodes.others();
            assert!(
                began.elapsed() < PATIENCE,
                "{what}: never. {:?}",
                self.nodes.iter().map(others).collect::<Vec<_>>()
            );
            self.turn();
        }
    }

    /// A client of a node that listens to the answers of its calls.
    fn client(&mut self, place: usize) -> Client {
        let client = self.nodes[place].world.connect(Dialect::Happn4);
        let id = self.nodes[place].world.session(client).id().to_owned();
        self.listen(
            place,
            client,
            &format!("/SET@/_exchange/responses/{id}/*"),
            &json!({}),
        );
        client
    }

    fn listen(&mut self, place: usize, client: Client, path: &str, options: &Value) {
        let request = json!({"action": "on", "path": path, "options": options});
        let event = self.nodes[place].world.send(client, &request);
        self.until("the answer of `on`", |nodes| {
            let is_answer = |frame: &Value| frame["_meta"]["eventId"] == event;
            nodes[place]
                .world
                .take(client)
                .iter()
                .any(is_answer)
                .then_some(())
        });
    }

    fn call(&mut self, place: usize, client: Client, method: &str, call: &Value) -> Value {
        let address = self.nodes[place].world.begin_call(client, method, call);
        self.until(method, |nodes| {
            nodes[place].world.answers(client, &address).into_iter().next()
        })
    }

    /// Waits until a node knows that another one serves.
    fn see(&mut self, place: usize, other: &str) {
        self.until(other, |nodes| {
            let others = nodes[place].joined.nodes.others();
            let is_ready = others
                .iter()
                .any(|node| node.name == other && node.state == "ready" && !node.versions.is_empty());
            is_ready.then_some(())
        });
    }
}

fn calc() -> TestComponent {
    TestComponent::new("calc", "1.2.0")
        .method("add", |call| {
            let sum = call.arguments[0].as_i64().unwrap_or(0) + call.arguments[1].as_i64().unwrap_or(0);
            call.emit("added", &json!({"sum": sum}));
            Outcome::Result(json!(sum))
        })
        .method("who", |call| Outcome::Result(call.origin.clone()))
        .method("never", |_| Outcome::Never)
        .method("fails", |_| Outcome::Error("it does".to_owned()))
}

#[test]
fn a_client_of_one_node_calls_a_component_of_another() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    nodes.join("b", vec![calc()]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    let answer = nodes.call(a, client, "calc/add", &json!({"args": [1, 2]}));
    assert_eq!(answer, json!({"status": "ok", "args": [null, 3]}));
    let answer = nodes.call(a, client, "calc/fails", &json!({"args": []}));
    let error = json!({"message": "it does", "name": "Error"});
    assert_eq!(answer, json!({"status": "error", "args": [error]}));
    let session = nodes.nodes[a].world.session(client).id().to_owned();
    let answer = nodes.call(a, client, "calc/who", &json!({"args": []}));
    assert_eq!(answer, json!({"status": "ok", "args": [null, {"id": session}]}));
}

#[test]
fn a_call_that_no_node_can_serve_is_answered_as_without_a_cluster() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    nodes.join("b", vec![calc()]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    for (method, call, expected) in [
        (
            "calc/none",
            json!({"args": []}),
            json!({"status": "failed", "args": [{"message": "Call to unconfigured method [calc.none()]", "name": "Error"}]}),
        ),
        (
            "calc/add",
            json!({"args": [], "version": "^2.0.0"}),
            json!({"status": "failed", "args": [{
                "message": "Call to unconfigured method [calc.add]: request version [^2.0.0] does not match component version [1.2.0]",
                "name": "Error",
            }]}),
        ),
        (
            "absent/add",
            json!({"args": []}),
            json!({"args": [{"message": "Call to unconfigured component: [absent.add]", "name": "bad endpoint"}]}),
        ),
    ] {
        assert_eq!(nodes.call(a, client, method, &call), expected, "{method}");
    }
}

#[test]
fn the_description_of_each_node_has_the_components_of_all() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", vec![TestComponent::new("other", "3.0.0")]);
    let b = nodes.join("b", vec![calc()]);
    for (place, here, there) in [(a, "other", "calc"), (b, "calc", "other")] {
        let described = nodes.until("the description", |nodes| {
            let store = nodes[place].world.mesh().store();
            let document = store.get("/mesh/schema/description")?;
            let description: Value = serde_json::from_str(&document.data).ok()?;
            let components = description["components"].as_object()?.clone();
            components.contains_key(there).then_some(components)
        });
        assert!(described.contains_key(here));
        assert_eq!(described["calc"]["version"], "1.2.0");
        assert!(described["calc"]["methods"]["add"].is_object());
    }
}

/// The version has answered no call by then. Who gets its first answer finds no older version on a third node afterwards.
#[test]
fn other_nodes_are_told_of_a_version_that_takes_over_before_clients_are() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    let b = nodes.join("b", vec![calc()]);
    nodes.see(a, "b");
    nodes.nodes[b].world.start(TestComponent::new("calc", "1.3.0"));
    nodes.nodes[b].world.mesh().take_over(&[]);
    nodes.until("the newer version", |nodes| {
        let others = nodes[a].joined.nodes.others();
        let versions = &others[0].versions["calc"];
        versions.contains(&"1.3.0".to_owned()).then_some(())
    });
    let document = nodes.nodes[b]
        .world
        .mesh()
        .store()
        .get("/mesh/schema/description");
    let description = document.expect("there is a description").data.to_string();
    assert!(!description.contains("1.3.0"), "{description}");
}

#[test]
fn an_event_reaches_clients_of_other_nodes_before_the_answer_that_follows_it() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    nodes.join("b", vec![calc()]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    let domain = nodes.nodes[a].world.mesh().domain().to_owned();
    let options = json!({"meta": {"componentVersion": "^1.0.0"}});
    let path = format!("/SET@/_events/{domain}/calc/*");
    nodes.listen(a, client, &path, &options);
    for sum in 0..20 {
        let call = json!({"args": [sum, 0]});
        nodes.nodes[a].world.begin_call(client, "calc/add", &call);
        let mut frames = Vec::new();
        nodes.until("the answer", |nodes| {
            frames.extend(nodes[a].world.take(client));
            let is_answer =
                |frame: &Value| frame["data"]["status"] == "ok" && frame["data"]["args"][1] == sum;
            frames.iter().any(is_answer).then_some(())
        });
        let data: Vec<&Value> = frames.iter().map(|frame| &frame["data"]).collect();
        let event = data.iter().position(|data| data["sum"] == sum);
        let answer = data
            .iter()
            .position(|data| data["status"] == "ok" && data["args"][1] == sum);
        assert!(event.is_some() && event < answer, "{frames:?}");
    }
}

#[test]
fn publications_that_are_not_stored_cross_and_changes_of_documents_do_not() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    let b = nodes.join("b", vec![calc()]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    nodes.listen(a, client, "/ALL@/news/*", &json!({}));
    let writer = nodes.client(b);
    let set = |number: u32, options: Value| json!({"action": "set", "path": "/news/today", "data": {"number": number}, "options": options});
    for (number, options) in [
        (1, json!({})),
        (2, json!({"noStore": true})),
        (3, json!({})),
        (4, json!({"noStore": true})),
    ] {
        nodes.nodes[b].world.request(writer, &set(number, options));
    }
    let mut heard = Vec::new();
    nodes.until("the last one", |nodes| {
        let frames = nodes[a].world.take(client);
        heard.extend(frames.iter().filter_map(|frame| frame["data"]["number"].as_u64()));
        heard.contains(&4).then_some(())
    });
    assert_eq!(heard, [2, 4]);
}

#[test]
fn an_event_of_another_version_does_not_come() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    nodes.join("b", vec![calc()]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    let domain = nodes.nodes[a].world.mesh().domain().to_owned();
    let options = json!({"meta": {"componentVersion": "^2.0.0"}});
    nodes.listen(a, client, &format!("/SET@/_events/{domain}/calc/*"), &options);
    nodes.call(a, client, "calc/add", &json!({"args": [1, 1]}));
    nodes.call(a, client, "calc/add", &json!({"args": [1, 1]}));
    let frames = nodes.nodes[a].world.take(client);
    assert!(
        frames.iter().all(|frame| frame["data"]["sum"].is_null()),
        "{frames:?}"
    );
}

#[test]
fn a_node_without_a_free_name_is_told_who_has_it() {
    let mut nodes = Nodes::new();
    nodes.join("a", Vec::new());
    nodes
        .until("the first", |nodes| {
            let world = &nodes[0].world;
            let joined = &mut nodes[0].joined;
            world
                .block_on(async { tokio::time::timeout(Duration::from_millis(1), joined.named()).await })
                .ok()
        })
        .expect("its name is free");
    nodes.join("a", Vec::new());
    let refused = nodes.until("the second", |nodes| {
        let world = &nodes[1].world;
        let joined = &mut nodes[1].joined;
        world
            .block_on(async { tokio::time::timeout(Duration::from_millis(1), joined.named()).await })
            .ok()
    });
    match refused {
        Err(JoinError::NameTaken { node, about }) => {
            assert_eq!((&*node, &*about), ("a", "process of a"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_to_a_node_that_leaves_is_answered_and_later_ones_fail_with_a_reason() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    let b = nodes.join("b", vec![calc()]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    nodes.call(a, client, "calc/add", &json!({"args": [1, 1]}));
    nodes.nodes[b].joined.nodes.set_state(State::Draining);
    nodes.until("draining", |nodes| {
        let others = nodes[a].joined.nodes.others();
        (others[0].state == "draining").then_some(())
    });
    let answer = nodes.call(a, client, "calc/add", &json!({"args": [1, 1]}));
    assert_eq!(answer["args"][0]["name"], "ServiceUnavailable", "{answer}");
    assert_eq!(answer["args"][0]["code"], 503, "{answer}");
}

/// A component that counts what it is asked.
fn counter(executed: &Arc<AtomicU32>) -> TestComponent {
    let (count, again) = (executed.clone(), executed.clone());
    TestComponent::new("calc", "1.2.0")
        .method("count", move |_| {
            Outcome::Result(json!(count.fetch_add(1, Ordering::Relaxed) + 1))
        })
        .method("again", move |_| {
            again.fetch_add(1, Ordering::Relaxed);
            Outcome::Never
        })
        .method("never", |_| Outcome::Never)
}

#[test]
fn a_call_to_a_node_that_is_cut_off_for_a_moment_is_executed_once() {
    let executed = Arc::<AtomicU32>::default();
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    let b = nodes.join("b", vec![counter(&executed)]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    for number in 1..=10 {
        nodes.hub.cut(b, true);
        let call = json!({"args": []});
        let address = nodes.nodes[a].world.begin_call(client, "calc/count", &call);
        for _ in 0..20 {
            nodes.turn();
        }
        nodes.hub.cut(b, false);
        let answer = nodes.until("the answer", |nodes| {
            nodes[a].world.answers(client, &address).into_iter().next()
        });
        assert_eq!(answer, json!({"status": "ok", "args": [null, number]}));
    }
    assert_eq!(executed.load(Ordering::Relaxed), 10);
}

#[test]
fn a_call_of_a_node_that_is_lost_is_answered_with_its_name() {
    let mut nodes = Nodes::new();
    nodes.away = Duration::from_millis(300);
    let a = nodes.join("a", Vec::new());
    let b = nodes.join("b", vec![counter(&Arc::default())]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    let call = json!({"args": []});
    let address = nodes.nodes[a].world.begin_call(client, "calc/never", &call);
    nodes.until("the call", |nodes| {
        (nodes[b].world.waiting_calls() == 1).then_some(())
    });
    nodes.hub.cut(b, true);
    let answer = nodes.until("the answer", |nodes| {
        nodes[a].world.answers(client, &address).into_iter().next()
    });
    let error = &answer["args"][0];
    assert_eq!(
        (&error["name"], &error["node"], &error["executed"]),
        (&json!("NodeLost"), &json!("b"), &json!("unknown")),
        "{answer}"
    );
}

#[test]
fn a_call_that_may_be_executed_twice_goes_to_another_node_when_the_first_is_lost() {
    let mut nodes = Nodes::new();
    nodes.away = Duration::from_millis(300);
    let a = nodes.join("a", Vec::new());
    let executed = [Arc::<AtomicU32>::default(), Arc::default()];
    let places = [("b", 0), ("c", 1)].map(|(name, index)| nodes.join(name, vec![counter(&executed[index])]));
    nodes.see(a, "b");
    nodes.see(a, "c");
    let client = nodes.client(a);
    let call = json!({"args": []});
    nodes.nodes[a].world.begin_call(client, "calc/again", &call);
    let first = nodes.until("the first", |_| {
        executed
            .iter()
            .position(|executed| executed.load(Ordering::Relaxed) == 1)
    });
    nodes.hub.cut(places[first], true);
    nodes.until("the second", |_| {
        (executed[1 - first].load(Ordering::Relaxed) == 1).then_some(())
    });
    assert_eq!(executed[first].load(Ordering::Relaxed), 1);
}
