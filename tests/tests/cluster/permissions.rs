//! Users and permissions that `mesh cluster nats-conf` prints, in a real server.
//!
//! Enters: the names of nodes, one of which belongs to somebody hostile. Leaves: what each of them can say and hear.

use crate::connection::{connect, event, failure, message, password, publish, ready, settings};
use bytes::Bytes;
use mesh_cluster::identity::{ClusterName, Mark, NodeName};
use mesh_cluster::subjects::{Attempt, Subjects};
use mesh_cluster::wire::{Event, Wire};
use mesh_nats::{Credentials, Nats};
use mesh_tests::host::{Finished, Folder, Host, mesh};
use mesh_tests::nats::{self, NatsServer};
use nkeys::KeyPair;

/// The nodes of a test: two, and one that is hostile.
const NODES: [&str; 3] = ["shop-1", "shop-2", "hostile"];

fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("it is a name")
}

fn subjects() -> Subjects {
    Subjects::new(&ClusterName::new("shop").expect("it is a name"))
}

/// The subject on which something that a node sent comes back.
fn returns(name: &str, batch: u64) -> String {
    let attempt = Attempt {
        sender: Mark::of(0xabc),
        link: 1,
        batch,
        before: 0,
    };
    subjects().attempt(&node(name), attempt)
}

/// The output of the command for these nodes.
fn printed(nodes: &[String]) -> String {
    let mut arguments = vec!["cluster", "nats-conf", "--name", "shop"];
    arguments.extend(nodes.iter().map(String::as_str));
    let Finished { code, out, err } = mesh(&arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    out
}

/// A server with that configuration, and how each node logs in.
struct Servers {
    server: NatsServer,
    logins: Vec<Credentials>,
    _folder: Folder,
}

fn with_passwords() -> Servers {
    let configuration = printed(&NODES.map(str::to_owned));
    let secret = |name: &str| format!("long-enough-for-{name}");
    let variables = NODES.map(|name| {
        let variable = format!("{}_PASSWORD", name.to_uppercase().replace('-', "_"));
        assert!(configuration.contains(&format!("${variable}")), "{configuration}");
        (variable, format!("\"{}\"", secret(name)))
    });
    Servers {
        server: NatsServer::with_environment(&configuration, variables.into()),
        logins: NODES.map(|name| password(name, &secret(name))).into(),
        _folder: Folder::new("permissions"),
    }
}

fn with_nkeys() -> Servers {
    let folder = Folder::new("permissions");
    let mut nodes = Vec::new();
    let mut logins = Vec::new();
    for name in NODES {
        let key = KeyPair::new_user();
        nodes.push(format!("{name}={}", key.public_key()));
        let seed = key.seed().expect("a new pair has a seed");
        logins.push(Credentials::Nkey(folder.write(&format!("{name}.nk"), &seed)));
    }
    Servers {
        server: NatsServer::with(&printed(&nodes)),
        logins,
        _folder: folder,
    }
}

/// Each of the nodes, with all the subscriptions that a node has.
async fn nodes(servers: &Servers) -> [Nats; 3] {
    let mut nodes = Vec::new();
    for (name, login) in NODES.iter().zip(&servers.logins) {
        let mut settings = settings(&servers.server.url());
        settings.credentials = login.clone();
        let mut nats = connect(settings).await;
        let subjects = subjects();
        for subject in [
            subjects.beats(),
            subjects.inboxes(&node(name)),
            subjects.attempts(&node(name)),
        ] {
            nats.subscribe(&subject).unwrap();
        }
        // The server has all of them when it has this one.
        let own = subjects.inbox(&node(name), &node(name));
        publish(&mut nats, &own, "own").await;
        assert_eq!(message(&mut nats).await.payload, "own");
        nodes.push(nats);
    }
    nodes.try_into().expect("there are three")
}

/// The next message with this content; others must be among those that may come.
async fn until_hears(nats: &mut Nats, payload: &str) -> String {
    loop {
        let message = message(nats).await;
        assert!(!message.payload.starts_with(b"forged"), "{message:?}");
        if message.payload == payload {
            return String::from_utf8_lossy(&message.subject).into_owned();
        }
    }
}

async fn each_node_can_do_what_it_needs(servers: &Servers) {
    let subjects = subjects();
    let [mut one, mut two, mut three] = nodes(servers).await;
    // Beats are heard by all, the node itself among them.
    let beat = subjects.beat(&node("shop-1"));
    publish(&mut one, &beat, "beat").await;
    for nats in [&mut one, &mut two, &mut three] {
        assert_eq!(until_hears(nats, "beat").await, beat);
    }
    // A batch reaches its node, with the subject on which it would come back.
    let inbox = subjects.inbox(&node("shop-2"), &node("shop-1"));
    one.publish_with_reply(&inbox, &returns("shop-1", 1), Bytes::from("batch"))
        .unwrap();
    let heard = message(&mut two).await;
    assert_eq!(
        (heard.subject.as_ref(), heard.payload.as_ref()),
        (inbox.as_bytes(), b"batch".as_slice())
    );
    assert_eq!(heard.reply.as_deref(), Some(returns("shop-1", 1).as_bytes()));
    // One to a node that is not there comes back.
    let nobody = subjects.inbox(&node("nobody"), &node("shop-1"));
    one.publish_with_reply(&nobody, &returns("shop-1", 2), Bytes::from("lost"))
        .unwrap();
    assert_eq!(
        event(&mut one).await,
        Event::Returned(returns("shop-1", 2).into())
    );
    // A node asks for its own name, and one with that name answers where returns come.
    let own = subjects.inbox(&node("shop-1"), &node("shop-1"));
    one.publish_with_reply(&own, &returns("shop-1", 3), Bytes::from("hello"))
        .unwrap();
    assert_eq!(until_hears(&mut one, "hello").await, own);
    publish(&mut one, &returns("shop-1", 3), "here").await;
    assert_eq!(until_hears(&mut one, "here").await, returns("shop-1", 3));
    for nats in [&one, &two, &three] {
        assert_eq!(nats.last_error(), None);
    }
}

async fn nobody_speaks_as_another_node(servers: &Servers) {
    let subjects = subjects();
    let [mut one, mut two, mut hostile] = nodes(servers).await;
    let [victim, other, own] = ["shop-1", "shop-2", "hostile"].map(node);
    let forged = [
        subjects.beat(&other),
        subjects.inbox(&victim, &other),
        subjects.inbox(&victim, &victim),
        subjects.inbox(&other, &victim),
        returns("shop-1", 9),
        returns("shop-2", 9),
        "mesh.shop.in.shop-1".to_owned(),
        "mesh.shop.in.shop-1.hostile.x".to_owned(),
        "mesh.shop.nr.shop-1".to_owned(),
        "mesh.other.beat.hostile".to_owned(),
        "$SYS.REQ.SERVER.PING".to_owned(),
        "_INBOX.a".to_owned(),
    ];
    for subject in &forged {
        hostile.publish(subject, Bytes::from("forged")).unwrap();
        hostile
            .publish_with_reply(subject, &returns("hostile", 1), Bytes::from("forged"))
            .unwrap();
        failure(
            &hostile,
            &format!("Permissions Violation for Publish to \"{subject}\""),
        )
        .await;
    }
    // Its own messages arrive behind all that, on each of the subscriptions that the forged messages are for.
    publish(&mut hostile, &subjects.beat(&own), "beat").await;
    publish(&mut hostile, &subjects.inbox(&victim, &own), "in").await;
    publish(&mut hostile, &subjects.inbox(&other, &own), "in").await;
    for (nats, name) in [(&mut one, "shop-1"), (&mut two, "shop-2")] {
        // They are of two subscriptions, and come in any order.
        let both = [message(nats).await, message(nats).await];
        let mut both = both.map(|message| message.payload);
        both.sort();
        assert_eq!(both, ["beat", "in"]);
        publish(nats, &returns(name, 8), "end").await;
        until_hears(nats, "end").await;
        for event in ready(nats).await {
            assert!(!format!("{event:?}").contains("forged"), "{event:?}");
        }
    }
}

async fn nobody_reads_what_is_for_another_node(servers: &Servers) {
    let subjects = subjects();
    let [mut one, mut two, mut hostile] = nodes(servers).await;
    let [victim, other, own] = ["shop-1", "shop-2", "hostile"].map(node);
    let wished = [
        subjects.inboxes(&victim),
        subjects.inbox(&victim, &other),
        subjects.attempts(&victim),
        "mesh.shop.in.*.*".to_owned(),
        "mesh.shop.in.*.hostile".to_owned(),
        "mesh.shop.in.>".to_owned(),
        "mesh.shop.nr.>".to_owned(),
        "mesh.shop.*.shop-1.*".to_owned(),
        "mesh.shop.>".to_owned(),
        "mesh.>".to_owned(),
        "*.>".to_owned(),
        ">".to_owned(),
        "$SYS.>".to_owned(),
        "_INBOX.>".to_owned(),
    ];
    for subject in &wished {
        hostile.subscribe(subject).unwrap();
        failure(
            &hostile,
            &format!("Permissions Violation for Subscription to \"{subject}\""),
        )
        .await;
    }
    // Each of these is read by its own node only.
    let inbox = subjects.inbox(&victim, &other);
    two.publish_with_reply(&inbox, &returns("shop-2", 1), Bytes::from("secret"))
        .unwrap();
    assert_eq!(until_hears(&mut one, "secret").await, inbox);
    publish(&mut one, &returns("shop-1", 7), "secret").await;
    assert_eq!(until_hears(&mut one, "secret").await, returns("shop-1", 7));
    let nobody = subjects.inbox(&node("nobody"), &other);
    two.publish_with_reply(&nobody, &returns("shop-2", 2), Bytes::from("secret"))
        .unwrap();
    assert_eq!(
        event(&mut two).await,
        Event::Returned(returns("shop-2", 2).into())
    );
    // Had the server sent any of them to the third one, they would be in front of these.
    publish(&mut one, &subjects.inbox(&own, &victim), "end").await;
    publish(&mut two, &subjects.inbox(&own, &other), "end").await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.push(message(&mut hostile).await);
    }
    heard.extend(
        ready(&mut hostile)
            .await
            .into_iter()
            .filter_map(|event| match event {
                Event::Message(message) => Some(message),
                _ => None,
            }),
    );
    let payloads: Vec<&[u8]> = heard.iter().map(|message| message.payload.as_ref()).collect();
    assert_eq!(payloads, [b"end", b"end"]);
}

/// A return goes to who has sent something, whatever subject somebody names for it.
async fn nobody_makes_returns_for_another_node(servers: &Servers) {
    let subjects = subjects();
    let [mut one, _two, mut hostile] = nodes(servers).await;
    let [victim, own, nobody] = ["shop-1", "hostile", "nobody"].map(node);
    let to_nobody = subjects.inbox(&nobody, &own);
    hostile
        .publish_with_reply(&to_nobody, &returns("shop-1", 5), Bytes::from("x"))
        .unwrap();
    publish(&mut hostile, &subjects.inbox(&victim, &own), "end").await;
    until_hears(&mut one, "end").await;
    publish(&mut one, &returns("shop-1", 6), "end").await;
    assert_eq!(until_hears(&mut one, "end").await, returns("shop-1", 6));
    assert_eq!(ready(&mut one).await, []);
}

/// Each test, with each way to log in.
macro_rules! in_both_ways {
    ($($name:ident),+) => {
        mod passwords {
            $(#[tokio::test]
            async fn $name() {
                if mesh_tests::nats::is_there() {
                    super::$name(&super::with_passwords()).await;
                }
            })+
        }

        mod keys {
            $(#[tokio::test]
            async fn $name() {
                if mesh_tests::nats::is_there() {
                    super::$name(&super::with_nkeys()).await;
                }
            })+
        }
    };
}

in_both_ways!(
    each_node_can_do_what_it_needs,
    nobody_speaks_as_another_node,
    nobody_reads_what_is_for_another_node,
    nobody_makes_returns_for_another_node
);

#[tokio::test]
async fn nobody_gets_in_without_a_login_or_with_that_of_another_node() {
    if !nats::is_there() {
        return;
    }
    let servers = with_passwords();
    let url = servers.server.url();
    for login in [
        Credentials::None,
        password("shop-1", "long-enough-for-shop-2"),
        password("somebody", "long-enough-for-shop-1"),
    ] {
        let mut settings = settings(&url);
        settings.credentials = login;
        let nats = Nats::connect(settings).await.expect("the settings are right");
        failure(&nats, "it refuses the credentials").await;
        assert_eq!(nats.connects(), 0);
    }
}

#[test]
fn hosts_with_these_users_are_nodes_of_one_mesh() {
    if !nats::is_there() {
        return;
    }
    let servers = with_passwords();
    let folder = Folder::new("permissions-hosts");
    let start = |name: &str, others: u32| {
        let text = format!(
            "name = \"{name}\"\ndomain = \"shop\"\n[happn]\nport = 0\n[cluster]\nname = \"shop\"\nservers = [\"{}\"]\n\
             user = \"{name}\"\nmin_nodes = {}\nbeat_ms = 100\n",
            servers.server.url(),
            others + 1
        );
        let file = folder.write(&format!("{name}.toml"), &text);
        let password = format!("long-enough-for-{name}");
        Host::start_with(&file, &[], |command| {
            command.env("MESH_CLUSTER_PASSWORD", password);
        })
    };
    // The second one serves when it has seen the first.
    let hosts = [start("shop-1", 0), start("shop-2", 1)];
    for host in hosts {
        let log = host.log();
        for wrong in ["long-enough-for", "Violation", "no connection"] {
            assert!(!log.contains(wrong), "{log}");
        }
    }
}
