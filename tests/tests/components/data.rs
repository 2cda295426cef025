//! The component `data`, where mesh.toml asks for it.
//!
//! Enters: calls of users with different rights, in all four dialects. Leaves: answers, documents, publications and
//! events. Guarantees: see the names of the tests.

use mesh_tests::secure::{Client, DIALECTS, host, is_first_generation, is_ok};
use serde_json::{Value, json};

const WANTED: &[&str] = &["data_component=true"];

/// The only result of a call that must succeed.
async fn result(client: &mut Client, method: &str, arguments: Value) -> Value {
    let results = client.call(&format!("data/{method}"), arguments).await.unwrap();
    results.into_iter().next().unwrap_or_default()
}

/// The paths of an array of documents, below the component's folder.
fn names(items: &Value) -> Vec<&str> {
    let items = items.as_array().unwrap().iter();
    let paths = items.map(|item| item["_meta"]["path"].as_str().unwrap());
    paths
        .map(|path| path.strip_prefix("/_data/data/").unwrap())
        .collect()
}

#[tokio::test]
async fn a_mesh_has_the_component_data_where_it_is_wanted() {
    for (overrides, is_there) in [(&[] as &[&str], false), (WANTED, true)] {
        let host = host(overrides);
        let mut admin = Client::admin(&host).await;
        let description = admin.get("/mesh/schema/description").await;
        let described = &description["data"]["components"]["data"];
        assert_eq!(described.is_object(), is_there, "{described}");
        assert_eq!(
            admin.call("data/get", json!(["x"])).await.is_ok(),
            is_there,
            "{overrides:?}"
        );
    }
}

#[tokio::test]
async fn data_keeps_documents_for_clients_of_every_dialect() {
    let host = host(WANTED);
    let mut listener = Client::admin(&host).await;
    assert!(is_ok(&listener.on("/ALL@/_data/data/*/one").await));
    for dialect in DIALECTS {
        let mut client = Client::enter(host.addr(), dialect, "_ADMIN", "happn").await;
        let path = |name: &str| format!("{}/{name}", dialect.replace('.', "_"));
        let set = result(&mut client, "set", json!([path("one"), {"x": 1, "kept": true}])).await;
        assert_eq!((&set["x"], &set["_meta"]["published"]), (&json!(1), &json!(true)));
        assert_eq!(
            set["_meta"]["path"],
            format!("/_data/data/{}", path("one")),
            "{set}"
        );
        let merged = result(
            &mut client,
            "set",
            json!([path("one"), {"x": 2}, {"merge": true}]),
        )
        .await;
        assert_eq!((&merged["x"], &merged["kept"]), (&json!(2), &json!(true)));
        result(&mut client, "set", json!([path("two"), "text", {}])).await;
        result(
            &mut client,
            "set",
            json!([path("three"), {"x": 3}, {"noPublish": true}]),
        )
        .await;
        result(
            &mut client,
            "set",
            json!([path("gone"), {"x": 4}, {"noStore": true}]),
        )
        .await;

        let got = result(&mut client, "get", json!([format!("/{}", path("one"))])).await;
        assert_eq!((&got["x"], &got["kept"]), (&json!(2), &json!(true)), "{got}");
        assert_eq!(
            result(&mut client, "get", json!([path("two"), {}])).await["value"],
            "text"
        );
        assert_eq!(
            result(&mut client, "get", json!([path("gone")])).await,
            Value::Null
        );
        let all = result(&mut client, "get", json!([path("*")])).await;
        assert_eq!(names(&all), [path("one"), path("three"), path("two")]);
        let criteria = json!({"criteria": {"x": {"$gt": 1}}, "options": {"sort": {"x": -1}, "limit": 1}});
        let largest = result(&mut client, "get", json!([path("*"), criteria])).await;
        assert_eq!(names(&largest), [path("three")], "{dialect}: {largest}");
        let listed = result(&mut client, "getPaths", json!([path("*")])).await;
        assert_eq!(names(&listed), names(&all));
        assert!(
            listed[0].get("x").is_none(),
            "only paths were asked for: {listed}"
        );
        assert_eq!(result(&mut client, "count", json!([path("*")])).await["value"], 3);
        let counted = result(&mut client, "increment", json!([path("gauge"), "hits", 2])).await;
        assert_eq!(
            (&counted["value"], &counted["gauge"]),
            (&json!(2), &json!("hits"))
        );
        let counted = result(&mut client, "increment", json!([path("gauge"), "hits"])).await;
        assert_eq!(counted["value"], 3);
        let removed = result(&mut client, "remove", json!([path("one")])).await;
        assert_eq!(
            (&removed["removed"], &removed["_meta"]["published"]),
            (&json!(1), &json!(true))
        );
        assert_eq!(
            result(&mut client, "remove", json!([path("*"), {}])).await["removed"],
            3
        );

        let heard = listener.pushed().await;
        let actions: Vec<&Value> = heard.iter().map(|frame| &frame["_meta"]["action"]).collect();
        let of = |action: &str| json!(format!("/{action}@/_data/data/{}", path("one")));
        assert_eq!(actions, [&of("SET"), &of("SET"), &of("REMOVE")], "{dialect}");
    }
}

#[tokio::test]
async fn a_value_that_is_set_in_data_is_also_an_event_of_the_component() {
    let host = host(WANTED);
    let mut admin = Client::admin(&host).await;
    assert!(is_ok(&admin.on("/SET@/_events/TestNode/data/rooms/*").await));
    result(&mut admin, "set", json!(["rooms/1", {"x": 1}])).await;
    result(
        &mut admin,
        "set",
        json!(["rooms/2", {"x": 2}, {"noPublish": true}]),
    )
    .await;
    result(&mut admin, "set", json!(["rooms/1", {"y": 1}, {"merge": true}])).await;
    let heard = admin.pushed().await;
    let events: Vec<(&Value, &Value)> = heard
        .iter()
        .map(|frame| (&frame["_meta"]["path"], &frame["data"]))
        .collect();
    let path = json!("/_events/TestNode/data/rooms/1");
    assert_eq!(events, [(&path, &json!({"x": 1})), (&path, &json!({"y": 1}))]);
}

#[tokio::test]
async fn the_right_to_call_data_is_all_that_is_needed_and_reaches_its_own_documents_only() {
    let host = host(WANTED);
    let mut admin = Client::admin(&host).await;
    assert!(is_ok(&admin.set("/secret", json!({"n": 1})).await));
    let methods =
        json!({"/TestNode/data/get": {"authorized": true}, "/TestNode/data/set": {"authorized": true}});
    let group = json!([{"name": "readers", "permissions": {"methods": methods}}]);
    admin.security("upsertGroup", group).await;
    admin.add_member("none", "right", "none", json!({})).await;
    let user = json!([{"username": "bob", "password": "right", "groups": {"readers": true}}]);
    admin.security("upsertUser", user).await;
    result(&mut admin, "set", json!(["shared", {"n": 1}])).await;
    for dialect in DIALECTS {
        let mut bob = Client::enter(host.addr(), dialect, "bob", "right").await;
        assert!(!is_ok(&bob.get("/_data/data/shared").await), "{dialect}");
        assert_eq!(result(&mut bob, "get", json!(["shared"])).await["n"], 1);
        for outside in ["../secret", "/../../secret", "*/secret", "//secret", "/_SYSTEM/*"] {
            let found = bob.call("data/get", json!([outside])).await.unwrap();
            assert!(
                !json!(found).to_string().contains("\"n\":1"),
                "{outside}: {found:?}"
            );
        }
        let denied = bob.call("data/remove", json!(["shared"])).await.unwrap_err();
        assert_eq!(denied["code"], 403, "{denied}");
        let mut none = Client::enter(host.addr(), dialect, "none", "right").await;
        assert!(
            none.call("data/get", json!(["shared"])).await.is_err(),
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn calls_of_data_that_make_no_sense_are_refused_in_words() {
    let host = host(WANTED);
    for dialect in DIALECTS {
        let mut admin = Client::enter(host.addr(), dialect, "_ADMIN", "happn").await;
        for (method, arguments, expected) in [
            ("set", json!([]), "[bad path]"),
            ("set", json!([5, 1]), "[bad path]"),
            ("get", json!(["", {}]), "[bad path]"),
            ("get", json!([{"path": "x"}]), "[bad path]"),
            ("set", json!(["x", {}, {"tag": "t"}]), "option tag"),
            (
                "set",
                json!(["x", {}, {"set_type": "sibling"}]),
                "option set_type",
            ),
            (
                "set",
                json!(["x", {}, {"onBehalfOf": "bob"}]),
                "option onBehalfOf",
            ),
            ("set", json!(["x".repeat(9000), {}]), "must not be longer"),
            ("remove", json!(["x".repeat(9000)]), "must not be longer"),
            ("increment", json!(["x", 5, 1]), "must be a string"),
            ("increment", json!(["x", "g", "many"]), "must be a number"),
            (
                "on",
                json!(["x", {}, null]),
                "without passing in a subscription callback",
            ),
        ] {
            let refused = admin
                .call(&format!("data/{method}"), arguments)
                .await
                .unwrap_err();
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains(expected), "{dialect} {method}: {refused}");
        }
        let odd = admin.call("data/set", json!(["a b?", 1])).await;
        assert_eq!(odd.is_ok(), is_first_generation(dialect), "{odd:?}");
        for (method, arguments) in [
            ("off", json!([1])),
            ("offPath", json!(["x"])),
            ("offAll", json!([])),
        ] {
            let done = admin.call(&format!("data/{method}"), arguments).await;
            assert_eq!(done, Ok(Vec::new()), "{method}");
        }
    }
}

#[tokio::test]
async fn data_refuses_paths_that_a_client_could_not_write_or_look_for() {
    let host = host(WANTED);
    let mut client = Client::enter(host.addr(), "happn_4", "_ADMIN", "happn").await;
    let long = "x".repeat(9000);
    for (method, arguments) in [
        ("set", json!(["a/*", {"x": 1}])),
        ("increment", json!(["a/*"])),
        ("set", json!([long, {"x": 1}])),
        ("get", json!([long])),
        ("count", json!([format!("{long}*")])),
    ] {
        let refused = client
            .call(&format!("data/{method}"), arguments)
            .await
            .unwrap_err();
        let message = refused["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("Bad path"), "{method}: {refused}");
    }
    assert_eq!(result(&mut client, "getPaths", json!(["*"])).await, json!([]));
}

#[tokio::test]
async fn data_passes_over_what_is_skipped_however_much_that_is() {
    let host = host(&["data_component=true", "happn.outbound_queue_bytes=65536"]);
    let mut client = Client::enter(host.addr(), "happn_4", "_ADMIN", "happn").await;
    let filling = "x".repeat(4000);
    for number in 0..40 {
        result(
            &mut client,
            "set",
            json!([format!("many/{number:02}"), {"filling": filling}]),
        )
        .await;
    }
    let options = json!({"options": {"skip": 38, "limit": 2}});
    let found = result(&mut client, "get", json!(["many/*", options])).await;
    assert_eq!(names(&found), ["many/38", "many/39"]);
}
