//! A real happner-cluster beside hosts of this kind: the same published client, the same calls, the same failures.
//!
//! Enters: for each of both, an edge `n2` and the providers `n1` and `n3`. `n3` is stopped, goes on, and is killed. Leaves: how each call
//! ended, printed for both. Guarantees: asserted of this host alone. Times are printed, and nothing is asserted of them.

use mesh_tests::beside::{self, Answer, EdgeClient, HappnerCluster};
use mesh_tests::cluster::{Cluster, Node};
use mesh_tests::host::Host;
use mesh_tests::nats::{self, NatsServer};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// A busy machine may take so long for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// Calls of each part of the story.
const CALLS: usize = 20;

/// The things that can be done to the node `n3` of a cluster, and how the story waits for the consequences.
trait Fate {
    fn signal(&self, signal: &str);
    /// Waits until the edge has had the chance to notice that `n3` is silent.
    fn until_noticed(&self);
    /// Waits until `n3` has calls of the second part of the story.
    fn until_taken(&self);
    /// Waits until the edge has had the chance to notice that `n3` is gone. A call on its way to a process that dies may be executed, or not.
    fn until_gone(&self);
}

/// The ends of the calls of each part.
struct Story {
    /// Both providers are well.
    well: Vec<Answer>,
    /// `n3` is stopped, and had time to be missed.
    stopped: Vec<Answer>,
    /// In flight when `n3` was killed. Each second one is idempotent for hosts that know such methods.
    in_flight: Vec<Answer>,
    /// Begun after that.
    after: Vec<Answer>,
}

impl Story {
    fn tell(client: &mut EdgeClient, fate: &dyn Fate) -> Result<Story, String> {
        until_both(client)?;
        let well = client.calls(CALLS)?;
        fate.signal("-STOP");
        fate.until_noticed();
        let stopped = client.calls(CALLS)?;
        fate.signal("-CONT");
        until_both(client)?;
        client.begin("enter", CALLS / 2, 1500)?;
        client.begin("again", CALLS / 2, 1500)?;
        fate.until_taken();
        fate.signal("-KILL");
        fate.until_gone();
        client.begin("enter", CALLS, 0)?;
        let mut in_flight = client.end()?;
        let after = in_flight.split_off(CALLS);
        Ok(Story {
            well,
            stopped,
            in_flight,
            after,
        })
    }

    fn print(&self, name: &str) {
        println!("{name}:");
        print("both providers are well", &self.well);
        print("one is stopped", &self.stopped);
        print("in flight when it is killed", &self.in_flight);
        print("begun after the kill", &self.after);
    }
}

/// Waits until calls reach both providers.
fn until_both(client: &mut EdgeClient) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let answers = client.calls(4)?;
        if ["n1", "n3"].iter().all(|node| has(&answers, node)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err("calls do not reach both providers".to_owned())
}

fn has(answers: &[Answer], node: &str) -> bool {
    answers.iter().any(|answer| answer.node.as_deref() == Some(node))
}

/// One line for each way to end.
fn print(part: &str, answers: &[Answer]) {
    let mut ends = BTreeMap::<String, Vec<u64>>::new();
    for answer in answers {
        let answered = answer.node.as_ref().map(|node| format!("answered by {node}"));
        let end = answered.or_else(|| answer.error.clone()).unwrap_or_default();
        ends.entry(end).or_default().push(answer.waited);
    }
    for (end, waited) in ends {
        let longest = waited.iter().max().copied().unwrap_or_default();
        println!("  {part}: {} {end}, after {longest} ms at most", waited.len());
    }
}

/// Three hosts of this kind.
struct Ours {
    cluster: Cluster,
    edge: Host,
    third: Host,
}

impl Fate for Ours {
    fn signal(&self, signal: &str) {
        self.third.signal(signal);
    }

    fn until_noticed(&self) {
        wait_for("the edge misses n3", || {
            self.edge.log().contains("node n3 is suspect")
        });
    }

    fn until_taken(&self) {
        wait_for("n3 executes calls that take long", || {
            let lines = self.cluster.ledger_of("n3");
            lines.lines().filter(|line| line.contains(",1500]")).count() > 1
        });
    }

    fn until_gone(&self) {
        wait_for("the edge notices that n3 is gone", || {
            let log = self.edge.log();
            log.contains("node n3 is away") || log.contains("node n3 is lost")
        });
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Fate for HappnerCluster {
    fn signal(&self, signal: &str) {
        HappnerCluster::signal(self, "n3", signal);
    }

    fn until_noticed(&self) {
        thread::sleep(Duration::from_millis(3500));
    }

    fn until_taken(&self) {
        thread::sleep(Duration::from_millis(500));
    }

    fn until_gone(&self) {
        thread::sleep(Duration::from_millis(500));
    }
}

/// The same story at a happner-cluster.
fn theirs() -> Result<Story, String> {
    let cluster = HappnerCluster::start()?;
    let mut client = EdgeClient::connect(cluster.edge())?;
    Story::tell(&mut client, &cluster)
}

#[test]
fn calls_outlive_a_provider_that_is_stopped_or_killed_where_a_happner_cluster_loses_them() {
    if !nats::is_there() || !beside::ready() {
        return;
    }
    let other = thread::spawn(theirs);
    let server = NatsServer::start();
    let servers = [server.url()];
    let cluster = Cluster::new();
    let provider = |name: &str| cluster.begin(&Node::new(name, &servers).having_ledger(&cluster, "1.100.0"));
    let edge = cluster.begin(&Node::new("n2", &servers).with("wait_for = [\"ledger\"]"));
    let (first, third) = (provider("n1"), provider("n3"));
    let (_first, third, edge) = (first.served(), third.served(), edge.served());
    let mut client = EdgeClient::connect(edge.addr().port()).expect("the edge serves");
    let ours = Ours { cluster, edge, third };
    let story = Story::tell(&mut client, &ours).expect("the client lives");
    story.print("these hosts");
    match other.join().expect("the other story ends") {
        Ok(story) => story.print("happner-cluster"),
        Err(error) => println!("happner-cluster: {error}"),
    }
    for answer in story.well.iter().chain(&story.stopped).chain(&story.after) {
        assert!(answer.node.is_some(), "another provider lives: {answer:?}");
    }
    assert!(!has(&story.stopped, "n3"), "it is silent: {:?}", story.stopped);
    assert!(!has(&story.after, "n3"), "it is dead: {:?}", story.after);
    let (once, again) = story.in_flight.split_at(CALLS / 2);
    for answer in once {
        let is_lost = answer
            .error
            .as_deref()
            .is_some_and(|error| error.starts_with("NodeLost"));
        assert!(answer.node.is_some() || is_lost, "{answer:?}");
    }
    for answer in again {
        assert!(answer.node.is_some(), "the next node executes it: {answer:?}");
    }
    let executed = ours.cluster.executions(&["n1", "n3"], 1);
    let twice = |answer: &&Answer| executed.get(&answer.number).is_some_and(|count| *count > 1);
    let parts = [&story.well[..], &story.stopped, once, &story.after];
    let twice: Vec<&Answer> = parts.into_iter().flatten().filter(twice).collect();
    assert!(twice.is_empty(), "executed twice: {twice:?}");
}
