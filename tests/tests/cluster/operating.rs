//! A cluster as its operators see it: commands, metrics, lines of the log.
//!
//! Enters: two hosts that meet on a real nats-server. Leaves: what the commands say on either of them. Guarantees: see the names of the
//! tests.

use mesh_tests::host::{Folder, Host, build_folder, mesh, repository};
use mesh_tests::metrics::{get, problems, samples};
use mesh_tests::nats::{self, NatsServer};
use serde_json::Value;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// A busy machine may take so long for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A host that is a node, with the file that it runs with.
struct Node {
    host: Host,
    config: PathBuf,
    _folder: Folder,
}

/// The components of a node that serves others.
const CALC: &str = "\n[[components]]\nname = \"calc\"\nlibrary = \"calc\"\nidempotent = [\"add\"]\naffinity = \"session\"\n\n\
    [[components]]\nname = \"emitter\"\nlibrary = \"emitter\"\nversion = \"*\"\n";

impl Node {
    fn start(nats: &NatsServer, name: &str, more: &str) -> Node {
        let folder = Folder::new(name);
        let text = format!(
            "name = \"{name}\"\ndomain = \"shop\"\n\n[cluster]\nname = \"shop\"\nservers = [\"{}\"]\n{more}",
            nats.url()
        );
        let config = folder.write("mesh.toml", &text);
        // A call of a node that is killed must not be over before it counts as lost.
        let host = Host::start(&config, &["calls.timeout_ms=600000"]);
        Node {
            host,
            config,
            _folder: folder,
        }
    }

    /// The output of a command for this host.
    fn says(&self, arguments: &[&str]) -> String {
        let config = self.config.display().to_string();
        let all: Vec<&str> = arguments.iter().copied().chain(["--config", &config]).collect();
        let finished = mesh(&all);
        assert_eq!(finished.code, 0, "{all:?}: {}{}", finished.out, finished.err);
        finished.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let text = self.says(&all);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn cluster(&self) -> Value {
        self.json(&["status"])["cluster"].clone()
    }

    /// Another node, as this one sees it; nothing while it does not.
    fn sees(&self, other: &str) -> Value {
        let cluster = self.cluster();
        let nodes = cluster["nodes"].as_array().cloned().unwrap_or_default();
        nodes
            .into_iter()
            .find(|node| node["name"] == other)
            .unwrap_or_default()
    }

    /// Waits until another node takes calls of this component.
    fn waits_for(&self, other: &str, component: &str) {
        until("the other node is ready", || {
            let node = self.sees(other);
            let is_ready = node["verdict"] == "alive" && node["state"] == "ready";
            (is_ready && node["versions"][component].is_array()).then_some(())
        });
        // Clients are told a moment later, of all changes together.
        until("clients see it", || {
            let described = self.json(&["describe"]);
            described["components"][component].is_object().then_some(())
        });
    }

    fn metrics(&self) -> String {
        let (status, text) = get(self.host.addr(), "/metrics", "");
        assert_eq!(status, 200, "{text}");
        text
    }
}

fn until<T>(what: &str, mut is_so: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = is_so() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: never");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn each_node_says_who_is_where() {
    if !nats::is_there() {
        return;
    }
    let nats = NatsServer::start();
    let one = Node::start(&nats, "shop-1", "");
    let two = Node::start(&nats, "shop-2", CALC);
    one.waits_for("shop-2", "calc");
    let cluster = one.cluster();
    assert_eq!(cluster["name"], "shop", "{cluster}");
    assert_eq!(cluster["node"], "shop-1", "{cluster}");
    assert_eq!(cluster["state"], "ready", "{cluster}");
    assert_eq!(cluster["server"]["connected"], true, "{cluster}");
    let address = cluster["server"]["address"].as_str().unwrap_or_default();
    assert!(address.ends_with(&format!(":{}", nats.port())), "{cluster}");
    let other = one.sees("shop-2");
    assert_eq!(other["versions"]["calc"][0], "1.2.3", "{other}");
    assert!(other["since"].as_u64() > Some(1_500_000_000_000), "{other}");
    assert_eq!(
        one.json(&["cluster", "nodes"])["nodes"][0]["incarnation"],
        other["incarnation"]
    );

    for command in [&["cluster", "nodes"][..], &["status"]] {
        let text = one.says(command);
        let line = text.lines().find(|line| line.starts_with("shop-2"));
        let cells: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        assert_eq!(cells.get(1..3), Some(&["alive", "ready"][..]), "{text}");
        assert!(text.contains("calc 1.2.3, emitter 2.1.0"), "{text}");
        assert!(
            text.contains("node shop-1 of cluster shop, ready, server "),
            "{text}"
        );
    }
    // A node that serves nobody is seen as well.
    until("the other way round", || {
        (two.sees("shop-1")["state"] == "ready").then_some(())
    });

    let catalogue = one.json(&["cluster", "catalogue", "calc"]);
    assert_eq!(catalogue.as_array().map(Vec::len), Some(1), "{catalogue}");
    let calc = &catalogue[0];
    assert_eq!(calc["nodes"][0]["name"], "shop-2", "{calc}");
    assert_eq!(calc["idempotent"][0], "add", "{calc}");
    assert_eq!(calc["affinity"], "session", "{calc}");
    assert_eq!(calc["reach"], "cluster", "{calc}");
    let text = one.says(&["cluster", "catalogue"]);
    let calc = text.lines().find(|line| line.starts_with("calc "));
    let cells: Vec<&str> = calc.unwrap_or_default().split_whitespace().collect();
    let expected = [
        "calc",
        "1.2.3",
        "shop-2",
        "affinity=session",
        "idempotent:",
        "add",
    ];
    assert_eq!(cells, expected, "{text}");

    let text = one.says(&["describe", "calc", "--nodes"]);
    assert!(
        text.starts_with("calc 1.2.3\n  version 1.2.3 on shop-2\n  add("),
        "{text}"
    );
    let finished = mesh(&[
        "cluster",
        "catalogue",
        "nobody",
        "--config",
        &one.config.display().to_string(),
    ]);
    assert_eq!(finished.code, 1);
    assert!(
        finished.err.contains("no node has a component nobody"),
        "{finished:?}"
    );
}

#[test]
fn calls_and_events_between_nodes_are_counted_by_the_other_node() {
    if !nats::is_there() {
        return;
    }
    let nats = NatsServer::start();
    let one = Node::start(&nats, "shop-1", "");
    let two = Node::start(&nats, "shop-2", CALC);
    assert_eq!(problems(&one.metrics()), None, "before the other one is known");
    one.waits_for("shop-2", "calc");
    for (first, second) in [("1", "2"), ("3", "4")] {
        one.says(&["call", "calc/add", first, second]);
    }
    let value = |node: &Node, name: &str| samples(&node.metrics()).get(name).copied();
    let answered = r#"mesh_cluster_calls_total{peer="shop-2",outcome="answered"}"#;
    until("both calls are counted", || {
        (value(&one, answered) == Some(2.0)).then_some(())
    });
    for name in [
        r#"mesh_cluster_calls_total{peer="shop-2",outcome="lost"}"#,
        r#"mesh_cluster_calls_in_flight{peer="shop-2"}"#,
        r#"mesh_cluster_events_total{peer="shop-2",direction="received"}"#,
        r#"mesh_cluster_events_lost_total{peer="shop-2"}"#,
        r#"mesh_cluster_peers{verdict="lost"}"#,
        "mesh_cluster_nats_reconnects_total",
    ] {
        assert_eq!(value(&one, name), Some(0.0), "{name}");
    }
    for name in [
        r#"mesh_cluster_peers{verdict="alive"}"#,
        "mesh_cluster_nats_connected",
    ] {
        assert_eq!(value(&one, name), Some(1.0), "{name}");
    }
    assert!(value(&one, r#"mesh_cluster_link_bytes{peer="shop-2"}"#).is_some());
    // Those that serve count none of their own.
    let of_other = r#"mesh_cluster_calls_total{peer="shop-1",outcome="answered"}"#;
    assert_eq!(value(&two, of_other), Some(0.0));
    assert_eq!(problems(&one.metrics()), None);

    let config = one.config.display().to_string();
    let hears = thread::spawn(move || mesh(&["on", "emitter/told", "--count", "2", "--config", &config]));
    until("two events were heard", || {
        one.says(&["call", "emitter/emit", "\"told\"", "{}"]);
        hears.is_finished().then_some(())
    });
    assert_eq!(hears.join().expect("the command ends").code, 0);
    let received = r#"mesh_cluster_events_total{peer="shop-2",direction="received"}"#;
    let sent = r#"mesh_cluster_events_total{peer="shop-1",direction="sent"}"#;
    assert!(value(&one, received) >= Some(2.0));
    assert!(value(&two, sent) >= value(&one, received));
    let before = value(&one, answered);

    // Nobody answers this. Its end is another one.
    let config = one.config.clone();
    let waits = thread::spawn(move || {
        let config = config.display().to_string();
        mesh(&["call", "calc/never", "--timeout", "600", "--config", &config])
    });
    until("the call is there", || {
        let name = r#"mesh_cluster_calls_in_flight{peer="shop-2"}"#;
        (value(&one, name) == Some(1.0)).then_some(())
    });
    assert_eq!(one.sees("shop-2")["in_flight"], 1);
    drop(two);
    let finished = waits.join().expect("the command ends");
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.err.contains("shop-2 was lost"), "{finished:?}");
    let lost = r#"mesh_cluster_calls_total{peer="shop-2",outcome="lost"}"#;
    until("its loss is counted", || {
        (value(&one, lost) == Some(1.0)).then_some(())
    });
    assert_eq!(value(&one, answered), before);
    until("the node counts as lost", || {
        (value(&one, r#"mesh_cluster_peers{verdict="lost"}"#) == Some(1.0)).then_some(())
    });
    assert_eq!(one.sees("shop-2")["verdict"], "lost");
    let text = one.says(&["cluster", "catalogue", "calc"]);
    assert!(text.contains("shop-2 (lost)"), "{text}");
    assert_eq!(problems(&one.metrics()), None, "of a node that is lost");
}

#[test]
fn the_log_says_in_plain_words_who_comes_and_goes() {
    if !nats::is_there() {
        return;
    }
    let nats = NatsServer::start();
    let one = Node::start(&nats, "shop-1", "");
    let two = Node::start(&nats, "shop-2", CALC);
    one.waits_for("shop-2", "calc");
    assert!(two.host.stop().success());
    let says = |line: &str| until(line, || one.host.log().contains(line).then_some(()));
    says("node shop-2 has joined");
    says("node shop-2 has left");
    let three = Node::start(&nats, "shop-3", CALC);
    one.waits_for("shop-3", "calc");
    drop(three);
    says("node shop-3 is lost: ");
    let log = one.host.log();
    assert!(
        !log.contains("it has just joined"),
        "each start is alone for a moment, and that is no news: {log}"
    );
}

#[test]
fn a_server_that_is_gone_is_named_in_status_and_log_and_comes_back() {
    if !nats::is_there() {
        return;
    }
    let mut nats = NatsServer::start();
    let one = Node::start(&nats, "shop-1", "");
    let two = Node::start(&nats, "shop-2", CALC);
    one.waits_for("shop-2", "calc");
    nats.kill();
    let cluster = until("the status names the loss", || {
        let cluster = one.cluster();
        let is_told = cluster["server"]["connected"] == false && cluster["server"]["why"].is_string();
        is_told.then_some(cluster)
    });
    let why = cluster["server"]["why"].as_str().unwrap_or_default();
    assert!(why.contains(&nats.url()), "{cluster}");
    assert_eq!(
        cluster["alone"], "the connection to the server is lost",
        "{cluster}"
    );
    let text = one.says(&["cluster", "nodes"]);
    assert!(
        text.contains("not connected: no connection to the cluster"),
        "{text}"
    );
    assert!(text.contains("this node judges no other one"), "{text}");
    assert_eq!(problems(&one.metrics()), None, "without a server");

    nats.start_again(None);
    until("both are together again", || {
        let is_back = |node: &Node| node.cluster()["alone"].is_null();
        (is_back(&one) && is_back(&two)).then_some(())
    });
    one.waits_for("shop-2", "calc");
    assert_eq!(one.says(&["call", "calc/add", "5", "6"]).trim(), "11");
    let reconnects = samples(&one.metrics())["mesh_cluster_nats_reconnects_total"];
    assert!(reconnects >= 1.0, "{reconnects}");
    let log = one.host.log();
    assert!(
        log.contains("this node is alone, and judges no other one: the connection to the server is lost"),
        "{log}"
    );
    assert!(log.contains("this node is not alone any more"), "{log}");
    assert!(!log.contains("async_nats"), "{log}");
}

#[test]
fn a_host_that_is_no_node_says_so() {
    let folder = Folder::new("own");
    let config = folder.write("mesh.toml", "name = \"own\"\n");
    let host = Host::start(&config, &[]);
    let config = config.display().to_string();
    for command in [
        &["cluster", "nodes"][..],
        &["cluster", "catalogue"],
        &["describe", "--nodes"],
    ] {
        let all: Vec<&str> = command.iter().copied().chain(["--config", &config]).collect();
        let finished = mesh(&all);
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(
            finished
                .err
                .contains("this host is no node of a cluster: its mesh.toml has no section [cluster]"),
            "{finished:?}"
        );
        assert_eq!(finished.out, "", "{command:?}");
    }
    let status = mesh(&["status", "--json", "--config", &config]);
    assert!(!status.out.contains("cluster"), "{status:?}");
    let (_, text) = get(host.addr(), "/metrics", "");
    assert!(!text.contains("mesh_cluster"), "{text}");
    drop(host);
    let finished = mesh(&["cluster", "nodes", "--config", &config]);
    assert_eq!(finished.code, 69, "{finished:?}");
}

#[test]
fn the_hosts_of_the_example_with_containers_pass_the_check() {
    let config = repository().join("docs/cluster/mesh.toml").display().to_string();
    let compose = std::fs::read_to_string(repository().join("docs/cluster/compose.yaml"));
    let compose = compose.expect("the example is there");
    let plugins = format!("plugins.dir={}", build_folder().display());
    for node in ["shop-1", "shop-2", "shop-3"] {
        let name = format!("name={node}");
        assert!(compose.contains(&format!("[\"--set\", \"{name}\"]")), "{node}");
        let finished = mesh(&["check", "--config", &config, "--set", &plugins, "--set", &name]);
        assert_eq!(finished.code, 0, "{finished:?}");
        assert!(
            finished.out.contains(&format!("mesh {node} with")),
            "{finished:?}"
        );
    }
}
