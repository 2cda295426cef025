//! The REST component of a secure mesh, from the first login to what is denied.
//!
//! Enters: requests of users with few permissions. Leaves: their answers. Guarantees: see the names of the tests. A
//! mesh that is not secured is driven by the conformance kit, and wrong requests by `http_bad_*.rs`.

use mesh_tests::host::Host;
use mesh_tests::http::{Answer, ask};
use mesh_tests::secure::{self, Client};
use serde_json::{Value, json};
use std::net::SocketAddr;

const JSON: &str = "Content-Type: application/json";
const ADD: &str = "/rest/method/calc/add";

/// Sends JSON with a token, if there is one.
fn post(address: SocketAddr, path: &str, token: &str, body: &Value) -> Answer {
    let bearer = format!("Authorization: Bearer {token}");
    let headers = if token.is_empty() {
        vec![JSON]
    } else {
        vec![JSON, &bearer]
    };
    ask(address, "POST", path, &headers, body.to_string().as_bytes())
}

/// A token for a name and a password.
fn log_in(address: SocketAddr, username: &str, password: &str) -> String {
    let body = json!({"username": username, "password": password});
    let login = post(address, "/rest/login", "", &body);
    login.json()["data"]["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{username}: {}", login.text()))
        .to_owned()
}

/// A failure in the words of clients.
fn failure(message: &str, error: &Value) -> Value {
    json!({"message": message, "data": null, "error": error})
}

/// Adds a user who may use these methods, and see these web paths.
async fn add_user(host: &Host, name: &str, methods: &[&str], web: &[&str], groups: &[&str]) {
    let mut admin = Client::admin(host).await;
    let allowed = |paths: &[&str], permission: Value| -> Value {
        let entries = paths.iter().map(|path| ((*path).to_owned(), permission.clone()));
        Value::Object(entries.collect())
    };
    let permissions = json!({
        "methods": allowed(methods, json!({"authorized": true})),
        "web": allowed(web, json!({"authorized": true, "actions": ["get"]})),
    });
    let own = format!("group of {name}");
    admin
        .security("upsertGroup", json!([{"name": own, "permissions": permissions}]))
        .await;
    let groups: Value = [&[own.as_str()], groups]
        .concat()
        .into_iter()
        .map(|group| (group.to_owned(), json!(true)))
        .collect::<serde_json::Map<String, Value>>()
        .into();
    let user = json!({"username": name, "password": "secret", "groups": groups});
    admin.security("upsertUser", json!([user])).await;
}

/// Runs a story of plain requests off the runtime's own threads.
async fn story(told: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(told).await.expect("the story holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_log_in_works() {
    let host = secure::host(&[]);
    let address = host.addr();
    add_user(&host, "ann", &["/TestNode/calc/whoami"], &[], &[]).await;
    story(move || {
        let credentials = json!({"username": "ann", "password": "secret"});
        for (path, body) in [
            ("/rest/login", credentials.clone()),
            ("/rest/login", json!({ "parameters": credentials })),
            ("/TestNode/rest/login", credentials.clone()),
            ("/REST/Login", credentials.clone()),
        ] {
            let login = post(address, path, "", &body);
            assert_eq!(login.status, 200, "{path}: {}", login.text());
            assert_eq!(login.json()["message"], "Logged in ok");
            assert_eq!(login.json()["error"], Value::Null);
        }
        let token = log_in(address, "ann", "secret");
        let again = post(
            address,
            "/rest/login",
            "",
            &json!({"username": "ann", "token": token}),
        );
        assert_eq!(again.status, 200, "{}", again.text());

        // However the token comes, it says who calls.
        let cookie = format!("Cookie: a=b; happn_token={token}");
        let bearer = format!("Authorization: bearer {token}");
        let query = format!("/rest/method/calc/whoami?happn_token={token}");
        let whoami = "/rest/method/calc/whoami";
        for (path, header) in [(whoami, &*cookie), (whoami, &bearer), (&query, "Accept: */*")] {
            let who = ask(address, "POST", path, &[JSON, header], b"{}");
            assert_eq!(who.json()["data"]["username"], "ann", "{path} {header}");
        }
        let inside = json!({"happn_token": token, "parameters": {"happn_token": token}});
        let denied = post(address, whoami, "", &inside);
        let expected = failure("Bad origin", &json!({"message": "origin of call unknown"}));
        assert_eq!((denied.status, denied.json()), (403, expected), "not in the body");

        let missing = |name: &str| {
            failure(
                "Failure parsing request body",
                &json!({"message": format!("no {name}")}),
            )
        };
        let wrong = failure(
            "Failure logging in",
            &json!({"name": "AccessDenied", "code": 401, "message": "Invalid credentials"}),
        );
        for (body, expected) in [
            (json!({"password": "secret"}), missing("username")),
            (json!({}), missing("username")),
            (json!({"username": "ann"}), missing("password")),
            (json!({"username": "ann", "password": "other"}), wrong.clone()),
            (json!({"username": "nobody", "password": "secret"}), wrong),
        ] {
            let answer = post(address, "/rest/login", "", &body);
            assert_eq!((answer.status, answer.json()), (401, expected), "{body}");
        }
    })
    .await;
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_without_a_permission_are_not_revealed() {
    let host = secure::host(&[]);
    let address = host.addr();
    let methods = [
        "/TestNode/calc/add",
        "/TestNode/calc/gone",
        "/TestNode/security/listUsers",
    ];
    add_user(&host, "ann", &methods, &[], &[]).await;
    story(move || {
        let token = log_in(address, "ann", "secret");
        let body = json!({"parameters": {"a": 1, "b": 2}});
        for path in [
            ADD,
            "/TestNode/rest/method/calc/add",
            "/rest/method/TestNode/calc/add",
        ] {
            let answer = post(address, path, &token, &body);
            assert_eq!(answer.json()["data"], 3, "{path}: {}", answer.text());
        }
        let denied = failure("Authorization failed", &json!({"message": "Access denied"}));
        for path in [
            "/rest/method/calc/divide",
            "/rest/method/calc/such",
            "/rest/method/no/such",
            "/rest/method/Calc/add",
            "/rest/method/security/addUser",
        ] {
            let answer = post(address, path, &token, &body);
            assert_eq!(
                (answer.status, answer.json()),
                (403, denied.clone()),
                "{path}: whether it is there is not said"
            );
        }
        let answer = post(address, "/rest/method/calc/gone", &token, &body);
        let error = &answer.json()["error"]["message"];
        assert_eq!(
            (answer.status, error),
            (404, &json!("method gone does not exist on component calc"))
        );
        let answer = post(address, "/rest/method/security/listUsers", &token, &body);
        let expected = json!({"message": "attempt to access security component over rest"});
        assert_eq!(
            (answer.status, answer.json()),
            (403, failure("Access denied", &expected)),
            "whatever is permitted"
        );
    })
    .await;
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_need_a_permission_and_list_permitted_methods_only() {
    let host = secure::host(&[]);
    let address = host.addr();
    let methods = ["/TestNode/calc/add", "/TestNode/store/*"];
    add_user(&host, "ann", &methods, &["/rest/describe"], &[]).await;
    add_user(&host, "bob", &methods, &[], &[]).await;
    story(move || {
        let describe = |username: &str| {
            let bearer = format!("Authorization: Bearer {}", log_in(address, username, "secret"));
            ask(address, "GET", "/rest/describe", &[&bearer], b"")
        };
        let seen = describe("ann").json();
        assert_eq!(seen["message"], "TestNode description");
        let paths: Vec<&String> = seen["data"]
            .as_object()
            .expect("methods by their paths")
            .keys()
            .collect();
        assert_eq!(
            paths,
            [
                "/calc/add",
                "/store/setData",
                "/store/getData",
                "/store/removeData",
                "/store/count"
            ]
        );
        assert_eq!(
            seen["data"]["/calc/add"],
            json!({"uri": "/calc/add", "parameters": {"a": "{{a}}", "b": "{{b}}"}})
        );
        assert_eq!(describe("bob").status, 403);
        assert_eq!(ask(address, "GET", "/rest/describe", &[], b"").status, 401);
    })
    .await;
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_behalf_of_another_user_needs_a_permission() {
    let host = secure::host(&[]);
    let address = host.addr();
    let whoami = ["/TestNode/calc/whoami"];
    add_user(&host, "ann", &whoami, &[], &["_MESH_DELEGATE"]).await;
    add_user(&host, "bob", &whoami, &[], &[]).await;
    add_user(&host, "cid", &[], &[], &[]).await;
    story(move || {
        let call = |username: &str, name: Value| {
            let token = log_in(address, username, "secret");
            post(
                address,
                "/rest/method/calc/whoami",
                &token,
                &json!({ "as": name }),
            )
        };
        assert_eq!(call("ann", json!("bob")).json()["data"]["username"], "bob");
        // A caller that names nobody calls for itself.
        for nobody in [json!(null), json!(""), json!("ann")] {
            assert_eq!(
                call("ann", nobody.clone()).json()["data"]["username"],
                "ann",
                "{nobody}"
            );
        }
        for (username, name, status, expected) in [
            (
                "bob",
                json!("ann"),
                403,
                failure(
                    "Authorization failed",
                    &json!({"message": "origin does not belong to the delegate group"}),
                ),
            ),
            (
                "ann",
                json!("cid"),
                403,
                failure(
                    "request on behalf of unauthorised user: cid",
                    &json!({"message": "Access denied"}),
                ),
            ),
            (
                "ann",
                json!("ghost"),
                403,
                failure(
                    "Call failed",
                    &json!({
                        "name": "AccessDenied", "message": "invalid credentials", "code": 401,
                        "reason": "request on behalf of non-existent user: ghost",
                    }),
                ),
            ),
        ] {
            let answer = call(username, name);
            assert_eq!((answer.status, answer.json()), (status, expected), "{username}");
        }
        for wrong in [json!(false), json!(0), json!(5), json!(["bob"]), json!({"a": 1})] {
            let answer = call("ann", wrong.clone());
            assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
            assert_eq!(
                answer.json()["error"]["message"],
                "`as` must be a string, the name of a user"
            );
        }
    })
    .await;
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_the_first_generation_get_the_statuses_that_they_know() {
    let host = secure::host(&[]);
    let address = host.addr();
    let mut old = Client::open(address, "happn_1.3.0").await;
    let login = old.login(secure::ADMIN, secure::PASSWORD).await;
    assert!(secure::is_ok(&login), "{login}");
    story(move || {
        let wrong = json!({"username": "ann", "password": "other"});
        let answer = post(address, "/rest/login", "", &wrong);
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (500, &json!(403))
        );
        let answer = post(address, "/rest/login", "", &json!({}));
        assert_eq!(answer.status, 500);
    })
    .await;
    assert!(host.stop().success());
}
