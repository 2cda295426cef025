//! Authority delegation: what a component asks for while it works on a call is decided by the rights of whoever called.
//!
//! Users with and without rights call the fixture `delegate`, registered as `front` and `back`, which delegate, and as
//! `trusted`, which does not.

use futures_util::{SinkExt, StreamExt};
use mesh_tests::c_library::{compile, fixture};
use mesh_tests::control;
use mesh_tests::host::{Folder, Host};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "as good as any other";

/// `more` goes into the entry of `front`.
fn configuration(delegation: bool, more: &str) -> String {
    let entry = |name: &str, more: &str| {
        format!("[[components]]\nname = \"{name}\"\nlibrary = \"fixture-delegate\"\n{more}\n\n")
    };
    format!(
        "name = \"TestNode\"\n\n[happn]\nsecure = true\n\n[swap]\nwatch = false\nprobation_ms = 0\n\n\
         [security]\nadmin_password = \"{PASSWORD}\"\nauthority_delegation = {delegation}\n\n{}{}{}",
        entry("front", more),
        entry("back", ""),
        entry("trusted", "authority_delegation = false"),
    )
}

struct Secured {
    host: Host,
    folder: Folder,
    admin: User,
}

/// A host with the user `bob`, who may use all methods of `front` and `trusted`, and of `back` only `who` and
/// `forward`. Of the documents of `front` those below `open/` are his.
async fn secured(name: &str) -> Secured {
    let folder = Folder::new(name);
    let config: PathBuf = folder.write("mesh.toml", &configuration(true, ""));
    let host = Host::start(&config, &[]);
    let mut admin = User::log_in(&host, "_ADMIN").await;
    let group = json!({"name": "callers", "permissions": {
        "methods": {
            "/front/*": {"authorized": true}, "/trusted/*": {"authorized": true},
            "/back/who": {"authorized": true}, "/back/forward": {"authorized": true},
        },
        "data": {"/_data/front/open/*": {"actions": ["get", "set", "remove"]}},
    }});
    admin.succeeds("security/addGroup", json!([group])).await;
    add_user(&mut admin, "bob", "callers").await;
    Secured { host, folder, admin }
}

async fn add_user(admin: &mut User, name: &str, group: &str) {
    let user = json!({"username": name, "password": PASSWORD});
    admin.succeeds("security/addUser", json!([user])).await;
    let link = json!([group, {"username": name}]);
    admin.succeeds("security/linkGroupName", link).await;
}

/// A session of somebody who has logged in.
struct User {
    socket: WebSocketStream<TcpStream>,
    session: String,
    sent: u64,
}

impl User {
    async fn log_in(host: &Host, name: &str) -> User {
        let stream = TcpStream::connect(host.addr()).await.expect("the host accepts");
        let url = format!("ws://{}/primus", host.addr());
        let (socket, _) = tokio_tungstenite::client_async(url, stream)
            .await
            .expect("a websocket");
        let mut user = User {
            socket,
            session: String::new(),
            sent: 0,
        };
        let login = json!({"protocol": "happn_4", "username": name, "password": PASSWORD, "info": {}});
        let answer = user.request(json!({"action": "login", "data": login})).await;
        user.session = answer["data"]["id"].as_str().expect("a session").to_owned();
        user
    }

    async fn send(&mut self, mut request: Value) -> u64 {
        self.sent += 1;
        request["eventId"] = self.sent.into();
        request["sessionId"] = self.session.clone().into();
        let message = Message::text(request.to_string());
        self.socket.send(message).await.expect("the host reads");
        self.sent
    }

    /// The next frame that is looked for; others are passed over.
    async fn next(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let message = self
                    .socket
                    .next()
                    .await
                    .expect("an open connection")
                    .expect("a frame");
                let text = message.into_text().unwrap_or_default();
                let frame: Value = serde_json::from_str(&text).unwrap_or_default();
                if is_it(&frame) {
                    return frame;
                }
            }
        });
        found.await.expect("a frame in time")
    }

    async fn request(&mut self, request: Value) -> Value {
        let number = self.send(request).await;
        let answer = self
            .next(|frame| frame["_meta"]["eventId"] == number && frame["_meta"]["type"] == "response")
            .await;
        assert_eq!(answer["_meta"]["status"], "ok", "{answer}");
        answer
    }

    async fn subscribe(&mut self, path: &str) {
        let request = json!({"action": "on", "path": path, "data": null, "options": {"event_type": "set"}});
        self.request(request).await;
    }

    /// Calls a method such as `front/who`; the address that the answer goes to.
    async fn call(&mut self, method: &str, arguments: Value) -> String {
        let own = format!("/_exchange/responses/TestNode/{method}/{}", self.session);
        self.subscribe(&format!("/SET@{own}/*")).await;
        self.call_again(method, arguments).await
    }

    /// As [`User::call`], of a method whose answers are heard already.
    async fn call_again(&mut self, method: &str, arguments: Value) -> String {
        let own = format!("/_exchange/responses/TestNode/{method}/{}", self.session);
        let address = format!("{own}/{}", self.sent);
        let data = json!({"callbackAddress": address, "args": arguments, "origin": {"id": self.session}});
        let path = format!("/_exchange/requests/TestNode/{method}");
        let options = json!({"noStore": true, "noDataResponse": true});
        self.send(json!({"action": "set", "path": path, "data": data, "options": options}))
            .await;
        address
    }

    async fn answer(&mut self, address: &str) -> Value {
        let answer = self.next(|frame| frame["_meta"]["path"] == *address).await;
        answer["data"].clone()
    }

    /// Calls a method; its first result.
    async fn succeeds(&mut self, method: &str, arguments: Value) -> Value {
        let address = self.call(method, arguments).await;
        let answer = self.answer(&address).await;
        assert_eq!(answer["args"][0], Value::Null, "{method}: {answer}");
        answer["args"][1].clone()
    }

    /// Calls a method which asks for something that `user` may not do.
    async fn is_denied(&mut self, method: &str, arguments: Value, user: &str) {
        let address = self.call(method, arguments).await;
        assert_eq!(self.answer(&address).await, denial(user));
    }
}

/// The answer when this user may not do what a component asked for.
fn denial(user: &str) -> Value {
    json!({"status": "error", "args": [{
        "name": "AccessDenied", "message": "unauthorized", "code": 403,
        "reason": format!("request on behalf of unauthorised user: {user}"),
    }]})
}

#[tokio::test]
async fn a_component_calls_what_its_caller_may_call_and_nothing_else() {
    let Secured { host, mut admin, .. } = secured("delegated-calls").await;
    let mut bob = User::log_in(&host, "bob").await;
    let (who, read) = (json!(["back", "who", []]), json!(["back", "read", ["x"]]));
    // The called component sees the original caller.
    assert_eq!(bob.succeeds("front/forward", who.clone()).await, "bob");
    assert_eq!(admin.succeeds("front/forward", who).await, "_ADMIN");
    bob.is_denied("front/forward", read.clone(), "bob").await;
    assert_eq!(admin.succeeds("front/forward", read.clone()).await, Value::Null);
    // The security of the mesh is no exception.
    let remove = json!(["security", "deleteUser", [{"username": "bob"}]]);
    bob.is_denied("front/forward", remove, "bob").await;

    // On purpose, or where delegation is off, a component is itself.
    assert_eq!(
        bob.succeeds("front/forwardItself", read.clone()).await,
        Value::Null
    );
    assert_eq!(bob.succeeds("trusted/forward", read).await, Value::Null);
    let who = json!(["back", "who", []]);
    assert_eq!(bob.succeeds("trusted/forward", who).await, Value::Null);
    assert!(host.stop().success());
}

#[tokio::test]
async fn chains_of_calls_have_the_rights_of_the_first_caller() {
    let Secured { host, mut admin, .. } = secured("delegated-chains").await;
    let mut bob = User::log_in(&host, "bob").await;
    let through_back = |then: Value| json!(["back", "forward", then]);
    let who = through_back(json!(["trusted", "who", []]));
    assert_eq!(bob.succeeds("front/forward", who).await, "bob");
    // The denial of the second call goes back through the first one as it is.
    let write = through_back(json!(["back", "write", ["x", {"text": "y"}]]));
    bob.is_denied("front/forward", write.clone(), "bob").await;
    admin.succeeds("front/forward", write).await;
    // Behind a component that acts as itself nobody is restricted.
    let read = json!(["trusted", "forward", ["back", "read", ["x"]]]);
    assert_eq!(bob.succeeds("front/forward", read).await, "y");
    assert!(host.stop().success());
}

#[tokio::test]
async fn documents_are_read_written_and_removed_with_the_rights_of_the_caller() {
    let Secured { host, mut admin, .. } = secured("delegated-data").await;
    let mut bob = User::log_in(&host, "bob").await;
    bob.succeeds("front/write", json!(["open/a", {"text": "mine"}]))
        .await;
    bob.is_denied("front/write", json!(["closed/a", {"text": "mine"}]), "bob")
        .await;
    assert_eq!(
        admin.succeeds("front/read", json!(["closed/a"])).await,
        Value::Null
    );
    let theirs = json!(["closed/a", {"text": "theirs"}]);
    bob.succeeds("front/writeItself", theirs).await;

    assert_eq!(bob.succeeds("front/read", json!(["open/a"])).await, "mine");
    for path in ["closed/a", "*", "open*"] {
        bob.is_denied("front/read", json!([path]), "bob").await;
        bob.is_denied("front/remove", json!([path]), "bob").await;
    }
    assert_eq!(admin.succeeds("front/read", json!(["closed/a"])).await, "theirs");
    assert_eq!(bob.succeeds("front/remove", json!(["open/*"])).await, 1);
    assert!(host.stop().success());
}

#[tokio::test]
async fn wildcards_reach_what_the_caller_may_have() {
    let Secured { host, mut admin, .. } = secured("delegated-wildcards").await;
    add_user(&mut admin, "eve", "callers").await;
    for user in ["bob", "eve"] {
        let path = format!("/_data/front/open/{user}");
        let prohibited = json!([user, {"data": {path: {"prohibit": ["*"]}}}]);
        admin.succeeds("security/addUserPermissions", prohibited).await;
    }
    for (user, other) in [("bob", "eve"), ("eve", "bob")] {
        let mut client = User::log_in(&host, user).await;
        for path in ["open/bob", "open/eve"] {
            admin.succeeds("front/write", json!([path, {"text": path}])).await;
        }
        let listed = client.succeeds("front/list", json!(["open/*"])).await;
        assert_eq!(listed, json!([format!("/_data/front/open/{other}")]));
        assert_eq!(client.succeeds("front/remove", json!(["open/*"])).await, 1);
        let left = admin.succeeds("front/list", json!(["open/*"])).await;
        assert_eq!(left, json!([format!("/_data/front/open/{user}")]));
    }
    assert!(host.stop().success());
}

#[tokio::test]
async fn a_subscription_for_a_caller_hears_what_the_caller_may_hear() {
    let Secured { host, mut admin, .. } = secured("delegated-subscriptions").await;
    let group = json!({"name": "hearers", "permissions": {"events": {
        "/back/a/*": {"authorized": true}, "/back/a/no": {"authorized": false}}}});
    admin.succeeds("security/addGroup", json!([group])).await;
    let hearer = json!(["hearers", {"username": "bob"}]);
    admin.succeeds("security/linkGroupName", hearer.clone()).await;
    add_user(&mut admin, "eve", "callers").await;
    let mut watcher = User::log_in(&host, "_ADMIN").await;
    watcher.subscribe("/SET@/_events/TestNode/front/heard").await;
    for user in ["bob", "eve"] {
        let mut client = User::log_in(&host, user).await;
        client.succeeds("front/listen", json!(["back", "a/*"])).await;
    }
    admin.succeeds("front/listen", json!(["back", "b/*"])).await;
    let mut told = Vec::new();
    for round in 0..2 {
        for key in ["a/no", "a/yes", "b/mark"] {
            let address = admin.call("back/announceItself", json!([key])).await;
            admin.answer(&address).await;
        }
        loop {
            let frame = watcher
                .next(|frame| frame["_meta"]["path"] == "/_events/TestNode/front/heard")
                .await;
            let path = frame["data"]["path"].as_str().unwrap_or_default().to_owned();
            told.push((round, path.clone()));
            if path.ends_with("b/mark") {
                break;
            }
        }
        // A user of the same name is somebody else.
        let bob = json!([{"username": "bob"}]);
        admin.succeeds("security/deleteUser", bob).await;
        add_user(&mut admin, "bob", "callers").await;
        admin.succeeds("security/linkGroupName", hearer.clone()).await;
    }
    let path = |key: &str| format!("/_events/TestNode/back/{key}");
    assert_eq!(
        told,
        [(0, path("a/yes")), (0, path("b/mark")), (1, path("b/mark"))]
    );
    assert!(host.stop().success());
}

#[tokio::test]
async fn the_events_of_a_component_are_its_own() {
    let Secured { host, mut admin, .. } = secured("delegated-events").await;
    let mut bob = User::log_in(&host, "bob").await;
    admin.subscribe("/SET@/_events/TestNode/front/*").await;
    bob.succeeds("front/announce", json!(["first"])).await;
    bob.succeeds("front/announceItself", json!(["second"])).await;
    for heard in ["first", "second"] {
        let event = admin.next(|frame| frame["_meta"]["type"] == "data").await;
        assert_eq!(event["_meta"]["path"], format!("/_events/TestNode/front/{heard}"));
    }
    assert!(host.stop().success());
}

#[tokio::test]
async fn rights_count_at_the_moment_and_end_with_the_answer() {
    let Secured { host, mut admin, .. } = secured("delegated-moment").await;
    let mut bob = User::log_in(&host, "bob").await;
    // The right is lost while the component waits.
    let own = format!(
        "/SET@/_exchange/responses/TestNode/front/forward/{}/*",
        bob.session
    );
    bob.subscribe(&own).await;
    let arguments = json!(["back", "who", [], "go"]);
    let waits = bob.call_again("front/forward", arguments).await;
    let less = json!({"name": "callers", "permissions": {"methods": {"/back/who": {}}}});
    admin
        .succeeds(
            "security/removeGroupPermissions",
            json!(["callers", less["permissions"]]),
        )
        .await;
    admin.succeeds("front/write", json!(["go", {}])).await;
    assert_eq!(bob.answer(&waits).await, denial("bob"));

    // Work that goes on after a call was answered has nobody's rights, not even the administrator's.
    admin.subscribe("/SET@/_events/TestNode/front/afterwards").await;
    admin
        .succeeds("front/callAfterwards", json!(["back", "who"]))
        .await;
    let told = admin
        .next(|frame| frame["_meta"]["path"] == "/_events/TestNode/front/afterwards")
        .await;
    let error = told["data"]["error"].as_str().expect("it was denied");
    assert!(error.contains("unauthorized"), "{error}");
    assert!(host.stop().success());
}

async fn apply(host: &Host) {
    let apply = json!({"command": "apply", "insist": false, "wait": false});
    let replies = control::send(host, &apply);
    let report = tokio::task::spawn_blocking(|| replies.report()).await;
    report.expect("it is applied");
}

#[tokio::test]
async fn swaps_keep_the_rights_of_callers_apart() {
    let Secured { host, folder, .. } = secured("delegated-swaps").await;
    let mut bob = User::log_in(&host, "bob").await;
    let own = format!(
        "/SET@/_exchange/responses/TestNode/front/forward/{}/*",
        bob.session
    );
    bob.subscribe(&own).await;
    let mut sent = Vec::new();
    for round in 0..3 {
        folder.write(
            "mesh.toml",
            &configuration(true, &format!("config = {{ round = {round} }}")),
        );
        let (applied, calls) = tokio::join!(apply(&host), async {
            let mut calls = Vec::new();
            for number in 0..100 {
                let method = if number % 2 == 0 { "who" } else { "remove" };
                let arguments = json!(["back", method, ["x"]]);
                calls.push((number % 2 == 0, bob.call_again("front/forward", arguments).await));
                tokio::task::yield_now().await;
            }
            calls
        });
        let () = applied;
        sent.extend(calls);
    }
    let (mut allowed, mut denied) = (0, 0);
    let answered = json!({"status": "ok", "args": [null, "bob"]});
    while allowed + denied < sent.len() {
        let frame = bob
            .next(|frame| {
                let path = frame["_meta"]["path"].as_str().unwrap_or_default();
                path.starts_with("/_exchange/responses/") && frame["_meta"]["type"] == "data"
            })
            .await;
        let path = frame["_meta"]["path"].as_str().unwrap_or_default();
        let (may, _) = sent
            .iter()
            .find(|(_, address)| address == path)
            .expect("it was asked");
        let expected = if *may { answered.clone() } else { denial("bob") };
        assert_eq!(frame["data"], expected, "{path}");
        *if *may { &mut allowed } else { &mut denied } += 1;
    }
    assert_eq!((allowed, denied), (150, 150));
    assert!(host.stop().success());
}

#[tokio::test]
async fn delegation_is_turned_off_and_on_while_the_mesh_runs() {
    let Secured { host, folder, .. } = secured("delegated-change").await;
    let mut bob = User::log_in(&host, "bob").await;
    let (who, remove) = (json!(["back", "who", []]), json!(["back", "remove", ["x"]]));
    bob.is_denied("front/forward", remove.clone(), "bob").await;

    folder.write("mesh.toml", &configuration(false, ""));
    apply(&host).await;
    assert_eq!(bob.succeeds("front/forward", remove.clone()).await, 0);
    assert_eq!(bob.succeeds("front/forward", who.clone()).await, Value::Null);

    // For one component only.
    folder.write("mesh.toml", &configuration(false, "authority_delegation = true"));
    apply(&host).await;
    bob.is_denied("front/forward", remove, "bob").await;
    assert_eq!(bob.succeeds("front/forward", who).await, "bob");
    assert!(host.stop().success());
}

#[tokio::test]
async fn a_call_that_never_was_or_is_over_gives_no_rights() {
    let Secured {
        host,
        folder,
        mut admin,
    } = secured("delegated-tokens").await;
    let compiled = |file: &str| {
        let library = folder.path().join(file).with_extension("so");
        compile(&fixture(file), &[], &library).expect("it compiles");
        library
    };
    let library = compiled("delegation.c");
    let entry_of = |name: &str, library: &Path, more: &str| {
        let library = library.display();
        format!("[[components]]\nname = \"{name}\"\nlibrary = \"{library}\"\n{more}\n")
    };
    let entry = |name: &str, more: &str| entry_of(name, &library, more);
    let old = entry_of("old", &compiled("description.c"), "");
    let named = entry_of("named", &compiled("requests.c"), "");
    let all = entry("c", "") + &entry("plain", "authority_delegation = false") + &old + &named;
    folder.write("mesh.toml", &(configuration(true, "") + &all));
    apply(&host).await;
    let permissions = json!({"methods": {"/c/*": {"authorized": true}, "/plain/*": {"authorized": true},
        "/named/*": {"authorized": true}}});
    let group = json!([{"name": "callers-of-c", "permissions": permissions}]);
    admin.succeeds("security/addGroup", group).await;
    add_user(&mut admin, "eve", "callers-of-c").await;
    let mut eve = User::log_in(&host, "eve").await;

    assert_eq!(admin.succeeds("c/offered", json!([])).await, true);
    for method in ["c/forged", "c/start", "c/finished"] {
        let over = "nobody waits for the call any more";
        admin.is_denied(method, json!([]), over).await;
        eve.is_denied(method, json!([]), over).await;
    }
    eve.is_denied("c/caller", json!([]), "eve").await;
    assert_eq!(admin.succeeds("c/caller", json!([])).await, 0);
    assert_eq!(eve.succeeds("c/itself", json!([])).await, 0);

    // One whose requests name their call asks for its caller on any thread.
    let to_remove = json!([["back", "remove"]]);
    eve.is_denied("named/forward", to_remove.clone(), "eve").await;
    assert_eq!(admin.succeeds("named/forward", to_remove).await, 0);

    // Of a component that cannot say for whom it asks, the operator is told.
    let log = host.log();
    let mut warned = log.lines().filter(|line| line.contains("authority delegation"));
    let first = warned.next().unwrap_or_default();
    assert!(first.contains("old") && warned.next().is_none(), "{log}");

    // Where delegation is off, the host does not even offer it.
    assert_eq!(eve.succeeds("plain/offered", json!([])).await, false);
    for method in ["plain/caller", "plain/forged", "plain/itself"] {
        assert_eq!(eve.succeeds(method, json!([])).await, 0);
    }
    assert!(host.stop().success());
}
