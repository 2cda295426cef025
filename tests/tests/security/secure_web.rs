//! Web routes and folders of a secure mesh: who gets what, and as whom.
//!
//! Enters: requests with and without tokens, in all spellings that lead to the same place. Leaves: what clients were
//! answered. Guarantees: see the names of the tests.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host, library};
use mesh_tests::http::{Answer, ask, get};
use mesh_tests::secure::{ADMIN, Client, PASSWORD};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A secure host with the components `web` and `pages`, a folder, a root route, and paths that are open to all.
fn host(folder: &Folder) -> Host {
    let pages = folder.path().join("pages.so");
    compile(&fixture("web.c"), &[], &pages).expect("it compiles");
    std::fs::create_dir(folder.path().join("public")).unwrap();
    for name in ["a.txt", "b.txt"] {
        std::fs::write(folder.path().join("public").join(name), name).unwrap();
    }
    let config = format!(
        "name = \"TestNode\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"happn\"\n\
         [web]\nopen = [\"/web/page\", \"/files/b.*\", \"/pages/who\", \"/*.css\"]\n\
         [[web.routes]]\npath = \"/greeting\"\ntarget = \"web/hello\"\n\
         [[web.routes]]\npath = \"/\"\ntarget = \"pages/echo\"\n\
         [[web.folders]]\npath = \"/files\"\nfolder = \"public\"\n\
         [[components]]\nname = \"web\"\nlibrary = \"{}\"\n[[components]]\nname = \"pages\"\nlibrary = \"{}\"\n",
        library("web").display(),
        pages.display()
    );
    Host::start(&folder.write("mesh.toml", &config), &[])
}

/// The token of a user with these permissions for web paths.
async fn token(host: &Host, name: &str, permissions: Value) -> String {
    let mut admin = Client::admin(host).await;
    let group = json!({"name": "G", "permissions": {"web": permissions}});
    admin.security("addGroup", json!([group])).await;
    let user = json!({"username": name, "password": "secret", "groups": {"G": true}});
    admin.security("upsertUser", json!([user])).await;
    let mut client = Client::open(host.addr(), "happn_4").await;
    let login = client.login(name, "secret").await;
    login["data"]["token"].as_str().expect("a token").to_owned()
}

/// Asks with a token, off the runtime's own thread.
async fn with(address: SocketAddr, verb: &str, path: &str, token: &str) -> Answer {
    let (verb, path) = (verb.to_owned(), path.to_owned());
    let header = format!("Authorization: Bearer {token}");
    let asking = tokio::task::spawn_blocking(move || ask(address, &verb, &path, &[&header], b""));
    asking.await.expect("it is answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_is_checked_before_anything_else() {
    let folder = Folder::new("secure-web");
    let host = host(&folder);
    let address = host.addr();
    for path in [
        "/web/hello",
        "/TestNode/web/hello",
        "/greeting",
        "/files/a.txt",
        "/nothing",
        "/",
    ] {
        let answer = get(address, path);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("happn-auth"), "{path}");
    }
    let permissions = json!({"/web/hello": {"actions": ["get"]}, "/files/*": {"actions": ["get"]}});
    let token = token(&host, "bob", permissions).await;
    for (verb, path, status) in [
        ("GET", "/web/hello", 200),
        ("GET", "/web/hello?x=1", 200),
        ("POST", "/web/hello", 403),
        ("GET", "/web/hello/below", 403),
        ("GET", "/TestNode/web/hello", 403),
        ("GET", "/WEB/hello", 403),
        ("GET", "/greeting", 403),
        ("GET", "/files/a.txt", 200),
        ("GET", "/files/none.txt", 404),
        ("GET", "/pages/echo", 403),
        ("GET", "/nothing", 403),
        ("GET", "/primus-like", 403),
    ] {
        let answer = with(address, verb, path, &token).await;
        assert_eq!(answer.status, status, "{verb} {path}");
        if status == 403 {
            let path = path.split('?').next().unwrap_or_default();
            assert_eq!(answer.text(), format!("unauthorized access to path /@HTTP{path}"));
        }
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prohibited_route_has_no_other_spelling() {
    let folder = Folder::new("secure-web-spelling");
    let host = host(&folder);
    let permissions = json!({
        "/*": {"actions": ["*"]},
        "/web/hello": {"authorized": false, "actions": ["*"]},
        "/pages/echo/admin*": {"authorized": false, "actions": ["*"]},
        "/files/a.txt": {"authorized": false, "actions": ["*"]},
    });
    let token = token(&host, "bob", permissions).await;
    for (path, status) in [
        ("/web/hello", 403),
        ("/Web/Hello", 403),
        ("/web/hello/", 403),
        ("/web/hello.json", 403),
        ("/%77eb/hello", 403),
        ("/web/%68ello", 403),
        ("/files/a.txt", 403),
        ("/files/%61.txt", 403),
        ("/FILES/a.txt", 403),
        ("/files//a.txt", 403),
        ("/files/%2fa.txt", 403),
        ("/pages/echo", 200),
        ("/pages/echo/other", 200),
        ("/pages/echo/admin", 403),
        ("/pages/echo//admin/x", 403),
        ("/pages/echo/%61dmin", 403),
        ("/pages/echo/./admin", 403),
        ("/pages/echo.x/admin", 403),
        ("/files/b.txt", 200),
        ("/greeting", 200),
    ] {
        assert_eq!(
            with(host.addr(), "GET", path, &token).await.status,
            status,
            "{path}"
        );
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn open_paths_are_for_everybody_and_still_know_the_principal() {
    let folder = Folder::new("secure-web-open");
    let host = host(&folder);
    let address = host.addr();
    for (path, status) in [
        ("/web/page", 200),
        ("/web/pages", 401),
        ("/X/web/page", 401),
        ("/files/b.txt", 200),
        ("/files/a.txt", 401),
        ("/files/b.%2e%2f..%2fa.txt", 404),
        ("/web/hello.css", 401),
        ("/primus-like", 401),
        ("/primus/below", 401),
        ("/browser_client", 200),
        ("/browser_client/", 401),
        ("/testnode/rest/login", 401),
        ("/testnode/rest/method/pages/page", 401),
    ] {
        assert_eq!(get(address, path).status, status, "{path}");
    }
    assert_eq!(get(address, "/pages/who").text(), "null");
    let token = token(&host, "bob", json!({})).await;
    assert_eq!(
        with(address, "GET", "/pages/who", &token).await.json()["username"],
        "bob"
    );
    for carried in [
        format!("Cookie: happn_token={token}"),
        "Cookie: happn_token=forged".to_owned(),
    ] {
        let answer = ask(address, "GET", "/pages/who", &[&carried], b"");
        let expected = if carried.ends_with("forged") {
            Value::Null
        } else {
            json!("bob")
        };
        assert_eq!(answer.json()["username"], expected);
    }

    // Browsers add cookies to what pages of other origins send.
    let cookie = format!("Cookie: happn_token={token}");
    let addressed = ask(
        address,
        "GET",
        "/pages/who",
        &[
            "Cookie: happn_token=stale.a.b",
            &format!("Authorization: Bearer {token}"),
        ],
        b"",
    );
    assert_eq!(
        addressed.json()["username"],
        "bob",
        "an old cookie does not hide who asks"
    );
    let forged = [
        "Origin: https://evil.example",
        "Sec-Fetch-Site: cross-site",
        &cookie,
    ];
    let answer = ask(address, "POST", "/pages/who", &forged, b"");
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(ask(address, "GET", "/pages/who", &forged, b"").status, 200);
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_sees_the_page_for_refusals() {
    let folder = Folder::new("secure-web-pages");
    folder.write("who.html", "<h1>Who are you?</h1>");
    let forbidden = folder.write("no.html", "<h1>Not for you</h1>");
    let config = format!(
        "name = \"TestNode\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"happn\"\n\
         [web]\nunauthorized_page = \"who.html\"\nforbidden_page = \"no.html\"\n\
         [[components]]\nname = \"web\"\nlibrary = \"{}\"\n",
        library("web").display()
    );
    let host = Host::start(&folder.write("mesh.toml", &config), &[]);
    let address = host.addr();
    let token = token(&host, "bob", json!({})).await;
    for path in ["/web/hello", "/nothing", "/metrics"] {
        let unknown = get(address, path);
        assert_eq!(
            (
                unknown.status,
                unknown.text().as_str(),
                unknown.header("content-type")
            ),
            (401, "<h1>Who are you?</h1>", Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert_eq!(unknown.header("www-authenticate"), Some("happn-auth"), "{path}");
        let refused = with(address, "GET", path, &token).await;
        assert_eq!(
            (refused.status, refused.text().as_str()),
            (403, "<h1>Not for you</h1>"),
            "{path}"
        );
        let program = ask(address, "GET", path, &["Accept: application/json"], b"");
        assert_eq!(
            (program.status, &program.json()["data"]),
            (401, &Value::Null),
            "{path}"
        );
    }
    // Failed logins are answers to programs.
    let login = get(address, "/auth/login?username=bob&password=wrong");
    assert_eq!(
        (login.status, &login.json()["message"]),
        (401, &json!("login failed"))
    );
    std::fs::write(&forbidden, "<h1>Changed</h1>").unwrap();
    assert_eq!(
        with(address, "GET", "/nothing", &token).await.text(),
        "<h1>Changed</h1>"
    );
    std::fs::remove_file(&forbidden).unwrap();
    let without = with(address, "GET", "/nothing", &token).await;
    assert_eq!(
        (without.status, without.text().as_str()),
        (403, "unauthorized access to path /@HTTP/nothing")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_behind_a_local_proxy_does_not_count_as_local() {
    let folder = Folder::new("secure-web-proxy");
    let config = "name = \"TestNode\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"happn\"\n\
                  admin_over_network = false\nhttp_logout = true\n";
    let host = Host::start(&folder.write("mesh.toml", config), &[]);
    let words = "use of _ADMIN credentials over the network is disabled";
    let mut admin = Client::admin(&host).await;
    admin.add_member("bob", "right", "bob", json!({})).await;
    let answer = admin.login(ADMIN, PASSWORD).await;
    let token = answer["data"]["token"].as_str().unwrap().to_owned();
    let address = host.addr();
    let asking = move || {
        let bearer = format!("Authorization: Bearer {token}");
        let login = |name: &str, password: &str| format!("/auth/login?username={name}&password={password}");
        let by_token = format!("/auth/login?token={token}");
        let rest = json!({"username": ADMIN, "password": PASSWORD}).to_string();
        assert_eq!(ask(address, "GET", "/metrics", &[&bearer], b"").status, 200);
        for proxy in [
            "X-Forwarded-For: 192.0.2.7",
            "Forwarded: for=192.0.2.7",
            "X-Real-IP: 127.0.0.1",
            "Via: 1.1 p",
        ] {
            for path in [&login(ADMIN, PASSWORD), &login(ADMIN, "wrong"), &by_token] {
                let refused = ask(address, "GET", path, &[proxy], b"");
                assert_eq!(
                    refused.json()["error"]["message"],
                    words,
                    "{proxy} {path}: {}",
                    refused.text()
                );
            }
            let json = "Content-Type: application/json";
            let refused = ask(address, "POST", "/rest/login", &[proxy, json], rest.as_bytes());
            assert_eq!(
                refused.json()["error"]["message"],
                words,
                "{proxy}: {}",
                refused.text()
            );
            assert_eq!(
                ask(address, "GET", "/metrics", &[proxy, &bearer], b"").status,
                401,
                "{proxy}"
            );
            let logout = ask(address, "GET", "/auth/logout", &[proxy, &bearer], b"");
            assert_eq!(logout.status, 401, "{proxy}: {}", logout.text());
            // Others come through a proxy as ever.
            let other = ask(address, "GET", &login("bob", "right"), &[proxy], b"");
            assert_eq!(other.status, 200, "{proxy}: {}", other.text());
        }
        assert_eq!(ask(address, "GET", "/metrics", &[&bearer], b"").status, 200);
    };
    tokio::task::spawn_blocking(asking).await.unwrap();
}
