//! The OpenAPI document: what a host says of its methods to tools that know nothing of happner.
//!
//! Enters: documents of running hosts, and requests built from nothing but them. Leaves: the verdict of a validator
//! from npm about them (`openapi/`), and whether they are true. Guarantees: see the names of the tests. Without Node the
//! validator is skipped.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host, repository};
use mesh_tests::http::{ask, get};
use mesh_tests::kit;
use mesh_tests::secure::{self, Client, PASSWORD};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const DOCUMENT: &str = "/rest/openapi.json";
const JSON: &str = "Content-Type: application/json";

fn folder() -> PathBuf {
    repository().join("tests/openapi")
}

/// Fails when a document is no OpenAPI document of version 3.1.
fn validate(document: &Value) {
    if !kit::ready_in(&folder()) {
        return;
    }
    let mut validator = Command::new("node")
        .current_dir(folder())
        .arg("validate.js")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut input = validator.stdin.take().expect("its input is a pipe");
    write!(input, "{document}").expect("it reads");
    drop(input);
    let output = validator.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// The methods in a document, `component/method` as their path has them.
fn methods(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths are an object");
    let methods = paths.keys().filter_map(|path| path.strip_prefix("/rest/method/"));
    methods.map(str::to_owned).collect()
}

/// Names as a set.
fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The document for the holder of a token.
fn document_for(address: SocketAddr, token: &str) -> Value {
    let bearer = format!("Authorization: Bearer {token}");
    let answer = ask(address, "GET", DOCUMENT, &[&bearer], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A token for a name and a password.
fn token(address: SocketAddr, username: &str, password: &str) -> String {
    let body = json!({"username": username, "password": password}).to_string();
    let answer = ask(address, "POST", "/rest/login", &[JSON], body.as_bytes());
    let token = answer.json()["data"]["token"].as_str().map(str::to_owned);
    token.unwrap_or_else(|| panic!("{}", answer.text()))
}

#[test]
fn the_document_is_valid_and_has_each_method_once() {
    let host = Host::start(&repository().join("tests/conformance/mesh.toml"), &[]);
    let answer = get(host.addr(), DOCUMENT);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let document = answer.json();
    validate(&document);

    // The document has what clients of happner see over REST, and nothing else.
    let described = get(host.addr(), "/rest/describe").json();
    let described = described["data"].as_object().expect("methods by their paths");
    let described: BTreeSet<String> = described
        .keys()
        .map(|path| path.trim_start_matches('/').to_owned())
        .collect();
    assert_eq!(methods(&document), described);
    assert!(described.contains("calc/add") && described.contains("system/systemInfo"));
    assert!(!described.iter().any(|method| method.starts_with("security/")));

    // A JSON object has each path once only if nobody wrote it twice.
    let text = answer.text();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths are an object") {
        assert_eq!(text.matches(&format!("\"{path}\":")).count(), 1, "{path}");
        for (verb, operation) in item.as_object().expect("operations by verbs") {
            let id = operation["operationId"].as_str().expect("an operation has an id");
            assert!(ids.insert(id.to_owned()), "{verb} {path}: {id} is there twice");
        }
    }

    // The texts of components about themselves are there to read.
    let add = &document["paths"]["/rest/method/calc/add"]["post"];
    assert_eq!(
        add["summary"],
        "`a + b` as in JavaScript: the sum of two numbers, or the concatenation if either is a string."
    );
    assert!(host.stop().success());
}

#[test]
fn a_mesh_of_another_name_and_domain_has_the_same_paths() {
    let overrides = ["name=Other mesh", "domain=elsewhere"];
    let host = Host::start(&repository().join("tests/conformance/mesh.toml"), &overrides);
    let document = get(host.addr(), DOCUMENT).json();
    validate(&document);
    assert_eq!(document["info"]["title"], "Other mesh");
    assert_eq!(
        get(host.addr(), "/Other%20mesh/rest/openapi.json").json(),
        document
    );
    let body = br#"{"parameters":{"a":1,"b":2}}"#;
    let answer = ask(host.addr(), "POST", "/rest/method/calc/add", &[JSON], body);
    assert_eq!(answer.json()["data"], 3);
    assert!(host.stop().success());
}

#[test]
fn odd_names_are_escaped_and_lead_to_their_methods() {
    let folder = Folder::new("openapi-names");
    let library = folder.path().join("names.so");
    compile(&fixture("names.c"), &[], &library).expect("it compiles");
    let config = format!(
        "name = \"T\"\n\n[[components]]\nname = \"č+%41?#{{x}}\"\nlibrary = \"{}\"\n",
        library.display()
    );
    let host = Host::start(&folder.write("mesh.toml", &config), &[]);
    let document = get(host.addr(), DOCUMENT).json();
    validate(&document);
    let component = "%C4%8D%2B%2541%3F%23%7Bx%7D";
    let own: BTreeSet<String> = methods(&document)
        .into_iter()
        .filter_map(|method| method.strip_prefix(&format!("{component}/")).map(str::to_owned))
        .collect();
    let expected = [
        "%7Bid%7D",
        "%C5%BE%C3%A1%22b%5Cc",
        "100%2525",
        "a%2Bb%3Fc%23d",
        "odd",
    ];
    assert_eq!(own, set(&expected));
    for method in expected {
        let path = format!("/rest/method/{component}/{method}");
        let name = if method == "odd" { "$count" } else { "value" };
        let body = json!({"parameters": {name: method, "n": 3}}).to_string();
        let answer = ask(host.addr(), "POST", &path, &[JSON], body.as_bytes());
        assert_eq!(
            (answer.status, &answer.json()["data"]),
            (200, &json!(method)),
            "{path}"
        );
    }
    let odd = &document["paths"][format!("/rest/method/{component}/odd")]["post"];
    let body = &odd["requestBody"]["content"]["application/json"]["schema"]["anyOf"];
    assert_eq!(
        body[1]["prefixItems"],
        json!([{"title": "$count"}, {"title": "a/b~c"}, {"title": "n", "type": "integer", "minimum": 3}])
    );
    assert_eq!(odd["summary"], "\"One\" line.");
    assert_eq!(
        odd["description"],
        "\"One\" line.\n\nAnother, with <b> and {{braces}}."
    );
    assert!(host.stop().success());
}

#[test]
fn a_component_that_comes_or_goes_is_in_the_next_document() {
    let folder = Folder::new("openapi-changes");
    let library = mesh_tests::host::library("calc");
    let component = |name: &str| {
        format!(
            "[[components]]\nname = \"{name}\"\nlibrary = \"{}\"\n",
            library.display()
        )
    };
    let config = folder.write("mesh.toml", &format!("name = \"T\"\n{}", component("calc")));
    let host = Host::start(&config, &[]);
    assert!(methods(&get(host.addr(), DOCUMENT).json()).contains("calc/add"));
    folder.write("mesh.toml", &format!("name = \"T\"\n{}", component("sums")));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let found = methods(&get(host.addr(), DOCUMENT).json());
        if found.contains("sums/add") && !found.contains("calc/add") {
            break;
        }
        assert!(std::time::Instant::now() < until, "{found:?}\n{}", host.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_secure_mesh_users_see_the_methods_that_they_may_call() {
    let host = secure::host(&[]);
    let address = host.addr();
    let mut admin = Client::admin(&host).await;
    let group = json!({"name": "G", "permissions": {
        "methods": {"/TestNode/calc/add": {"authorized": true}, "/TestNode/store/*": {"authorized": true},
            "/TestNode/store/count": {"authorized": false}, "/TestNode/security/listUsers": {"authorized": true}},
        "web": {"/rest/openapi.json": {"authorized": true, "actions": ["get"]}},
    }});
    admin.security("upsertGroup", json!([group])).await;
    let user = json!({"username": "ann", "password": "secret", "groups": {"G": true}});
    admin.security("upsertUser", json!([user])).await;
    let user = json!({"username": "bob", "password": "secret"});
    admin.security("upsertUser", json!([user])).await;

    let asked = tokio::task::spawn_blocking(move || {
        let without = get(address, DOCUMENT);
        assert_eq!(without.status, 401);
        assert_eq!(without.header("www-authenticate"), Some("happn-auth"));
        let forged = ask(
            address,
            "GET",
            DOCUMENT,
            &["Authorization: Bearer e30.e30.e30"],
            b"",
        );
        assert_eq!(forged.status, 401);
        // A user who may not read the document does not get it.
        let bearer = format!("Authorization: Bearer {}", token(address, "bob", "secret"));
        assert_eq!(ask(address, "GET", DOCUMENT, &[&bearer], b"").status, 403);

        let all = document_for(address, &token(address, "_ADMIN", PASSWORD));
        validate(&all);
        let few = document_for(address, &token(address, "ann", "secret"));
        validate(&few);
        (all, few)
    });
    let (all, few) = asked.await.expect("it is answered");
    assert!(methods(&all).contains("calc/divide") && methods(&all).contains("store/count"));
    assert!(!methods(&all).iter().any(|method| method.starts_with("security/")));
    assert_eq!(
        methods(&few),
        set(&["calc/add", "store/getData", "store/removeData", "store/setData"])
    );
    let tags: Vec<&str> = few["tags"]
        .as_array()
        .expect("tags are a list")
        .iter()
        .filter_map(|tag| tag["name"].as_str())
        .collect();
    assert_eq!(
        tags,
        ["mesh", "calc", "store"],
        "nothing tells of other components"
    );

    // How to prove who one is stands in the document, and logging in needs no proof.
    assert_eq!(all["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(all["paths"]["/rest/login"]["post"]["security"], json!([]));
    assert!(all["paths"]["/rest/describe"]["get"].get("security").is_none());
    assert!(host.stop().success());
}
