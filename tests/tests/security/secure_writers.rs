//! The writer of a document: `_meta.modifiedBy`, which servers of the first generation tell.
//!
//! Enters: documents that two users and a component write, in memory and on disk. Leaves: answers, events and
//! documents in all four dialects. Guarantees: the expected answers are those of happner-2 3.1.2; later dialects have
//! no such name.

use mesh_tests::host::{Folder, Host, mesh, repository};
use mesh_tests::secure::{ADMIN, Client, DIALECTS, PASSWORD, host, is_first_generation, is_ok};
use serde_json::{Value, json};

const FIRST: &str = DIALECTS[0];

/// The administrator and bob, as clients of the first generation.
async fn enter(host: &Host) -> (Client, Client) {
    (
        Client::enter(host.addr(), FIRST, ADMIN, PASSWORD).await,
        Client::enter(host.addr(), FIRST, "bob", "right").await,
    )
}

async fn add_bob(host: &Host) {
    let rights = json!({"/open/*": {"actions": ["*"]}, "/_data/store/*": {"actions": ["*"]}});
    let mut admin = Client::admin(host).await;
    admin.add_member("bob", "right", "G", rights).await;
}

fn by(frame: &Value) -> &Value {
    &frame["_meta"]["modifiedBy"]
}

async fn written(client: &mut Client, path: &str, options: Value) -> Value {
    let data = json!({"n": 1});
    let request = json!({"action": "set", "path": path, "data": data, "options": options});
    let answer = client.request(request).await;
    assert!(is_ok(&answer), "{answer}");
    by(&answer).clone()
}

#[tokio::test]
async fn the_last_writer_of_a_document_is_part_of_a_read() {
    let host = host(&[]);
    add_bob(&host).await;
    let (mut admin, mut bob) = enter(&host).await;
    admin.on("/ALL@/open/*").await;
    for (path, writes) in [
        // The writer, whether it is a merge, and the name in the answer: only a new document has one.
        ("/open/1", &[(true, false, json!("bob"))][..]),
        ("/open/2", &[(false, false, json!("_ADMIN"))]),
        (
            "/open/3",
            &[
                (true, false, json!("bob")),
                (false, true, Value::Null),
                (true, false, Value::Null),
                (false, false, Value::Null),
            ],
        ),
        (
            "/open/4",
            &[(true, true, json!("bob")), (true, true, Value::Null)],
        ),
    ] {
        for (is_bobs, merge, named) in writes {
            let (writer, name) = match is_bobs {
                true => (&mut bob, "bob"),
                false => (&mut admin, "_ADMIN"),
            };
            let answered = written(writer, path, json!({"merge": merge})).await;
            assert_eq!(answered, *named, "{path}");
            let event = admin.find(|frame| frame["_meta"]["action"] == format!("/SET@{path}"));
            assert_eq!(*by(&event.await.unwrap()), *named, "{path}");
            assert_eq!(*by(&bob.get(path).await), name, "{path}");
        }
    }
    assert_eq!(
        written(&mut bob, "/open/5", json!({"noStore": true})).await,
        Value::Null
    );
    let silent = json!({"noPublish": true});
    assert_eq!(written(&mut bob, "/open/6", silent).await, "bob");

    let all = bob.get("/open/*").await;
    let items = all.as_array().unwrap().iter();
    let names: Vec<&Value> = items.filter(|item| item.get("_meta").is_some()).map(by).collect();
    assert_eq!(names, ["bob", "_ADMIN", "_ADMIN", "bob", "bob"]);
    for options in [json!({"fields": {"n": 1}}), json!({"path_only": true})] {
        let some = bob
            .request(json!({"action": "get", "path": "/open/*", "options": options}))
            .await;
        assert_eq!(*by(&some[0]), Value::Null, "{some}");
    }
    let options = json!({"initialCallback": true});
    let initial = bob
        .request(json!({"action": "on", "path": "/SET@/open/1", "options": options}))
        .await;
    assert_eq!(*by(&initial["data"][0]), "bob", "{initial}");

    assert!(is_ok(&admin.remove("/open/1").await));
    assert_eq!(written(&mut admin, "/open/1", json!({})).await, "_ADMIN");
}

#[tokio::test]
async fn documents_of_a_component_name_the_administrator() {
    let host = host(&[]);
    add_bob(&host).await;
    let (mut admin, mut bob) = enter(&host).await;
    assert_eq!(written(&mut bob, "/_data/store/x", json!({})).await, "bob");
    admin.on("/ALL@/_data/store/*").await;
    for (path, named) in [("x", Value::Null), ("y", json!("_ADMIN"))] {
        let stored = admin.call("store/setData", json!([path, {"n": 1}])).await;
        assert!(stored.is_ok(), "{stored:?}");
        let path = format!("/_data/store/{path}");
        let event = admin.find(|frame| frame["_meta"]["action"] == format!("/SET@{path}"));
        assert_eq!(*by(&event.await.unwrap()), named, "{path}");
        assert_eq!(*by(&bob.get(&path).await), "_ADMIN", "{path}");
    }
}

#[tokio::test]
async fn writers_of_all_dialects_are_stored_and_shown_to_the_first_generation_only() {
    let host = host(&[]);
    add_bob(&host).await;
    let (mut admin, _) = enter(&host).await;
    for dialect in DIALECTS {
        let mut bob = Client::enter(host.addr(), dialect, "bob", "right").await;
        let path = format!("/open/{dialect}");
        bob.on("/ALL@/open/*").await;
        let answered = written(&mut bob, &path, json!({})).await;
        let event = bob.find(|frame| frame["_meta"]["type"] == "data").await.unwrap();
        let found = bob.get(&path).await;
        let list = bob.get("/open/*").await;
        for name in [&answered, by(&event), by(&found), by(&list[0])] {
            match is_first_generation(dialect) {
                true => assert_eq!(name, "bob"),
                false => assert_eq!(*name, Value::Null, "{dialect}"),
            }
        }
        assert_eq!(*by(&admin.get(&path).await), "bob", "{dialect}");
    }
}

#[tokio::test]
async fn names_outlive_a_restart_and_an_export() {
    let folder = Folder::new("writers");
    let store = |name: &str| folder.path().join(name).display().to_string();
    let start = |name: &str| {
        let path = format!("store.path=\"{}\"", store(name));
        let settings = ["happn.secure=true", "security.admin_password=happn", &path];
        Host::start(&repository().join("tests/conformance/mesh.toml"), &settings)
    };
    let host = start("store.redb");
    add_bob(&host).await;
    let (mut admin, mut bob) = enter(&host).await;
    written(&mut bob, "/open/1", json!({})).await;
    written(&mut bob, "/open/2", json!({})).await;
    written(&mut admin, "/open/2", json!({"merge": true})).await;
    assert!(host.stop().success());

    let backup = store("backup.jsonl");
    let exported = mesh(&[
        "store",
        "export",
        "--path",
        &store("store.redb"),
        "--output",
        &backup,
    ]);
    assert_eq!((exported.code, &*exported.err), (0, ""));
    let imported = mesh(&["store", "import", &backup, "--path", &store("other.redb")]);
    assert_eq!((imported.code, &*imported.err), (0, ""));
    for name in ["store.redb", "other.redb"] {
        let host = start(name);
        let (mut admin, mut bob) = enter(&host).await;
        assert_eq!(*by(&admin.get("/open/1").await), "bob", "{name}");
        assert_eq!(*by(&bob.get("/open/2").await), "_ADMIN", "{name}");
    }
}
