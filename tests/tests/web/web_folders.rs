//! Files of folders over plain HTTP, and what is not served.
//!
//! Enters: a folder with files, links and secrets. Leaves: the answers to clients. Guarantees: see the names of the
//! tests.

use mesh_tests::host::{Folder, Host, library};
use mesh_tests::http::{Answer, ask, get};
use serde_json::json;
use std::os::unix::fs::symlink;

/// A host that serves a folder at `/`, another at `/web/files`, and a route at `/hi`.
fn host(folder: &Folder) -> Host {
    let public = folder.path().join("public");
    for name in ["assets", "sub", ".git", ".well-known"] {
        std::fs::create_dir_all(public.join(name)).unwrap();
    }
    for (name, text) in [
        ("index.html", "<h1>start</h1>"),
        ("sub/index.html", "below"),
        ("sub/a b.txt", "spaces"),
        (".git/config", "secret"),
        (".env", "secret"),
        (".well-known/about", "known"),
        ("assets/picture.svg", "<svg/>"),
    ] {
        std::fs::write(public.join(name), text).unwrap();
    }
    std::fs::write(public.join("assets/style.css"), "a".repeat(5000)).unwrap();
    folder.write("outside.txt", "secret");
    symlink(folder.path().join("outside.txt"), public.join("link.txt")).unwrap();
    symlink(folder.path(), public.join("up")).unwrap();
    symlink("sub/a b.txt", public.join("inside.txt")).unwrap();
    symlink(".git", public.join("shown")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(public.join("pipe"))
        .status();
    assert!(pipe.expect("mkfifo can be run").success());
    let text = format!(
        "name = \"TestNode\"\n[[components]]\nname = \"web\"\nlibrary = \"{}\"\n\
         [[web.routes]]\npath = \"/hi\"\ntarget = \"web/hello\"\n\
         [[web.folders]]\npath = \"/\"\nfolder = \"public\"\n\
         [[web.folders]]\npath = \"/web/files\"\nfolder = \"public/assets\"\nmax_age_seconds = 60\n",
        library("web").display()
    );
    Host::start(&folder.write("mesh.toml", &text), &[])
}

fn has(answer: &Answer, name: &str, value: &str) -> bool {
    answer.header(name) == Some(value)
}

#[test]
fn files_come_with_what_browsers_and_caches_need() {
    let folder = Folder::new("web-files");
    let host = host(&folder);
    let start = get(host.addr(), "/");
    assert_eq!((start.status, start.text().as_str()), (200, "<h1>start</h1>"));
    assert!(
        has(&start, "content-type", "text/html; charset=utf-8"),
        "{start:?}"
    );
    assert!(has(&start, "cache-control", "max-age=0") && has(&start, "x-content-type-options", "nosniff"));
    let picture = get(host.addr(), "/web/files/picture.svg");
    assert!(has(&picture, "content-type", "image/svg+xml") && has(&picture, "cache-control", "max-age=60"));
    assert_eq!(get(host.addr(), "/sub/a%20b.txt").text(), "spaces");
    assert_eq!(get(host.addr(), "/inside.txt").text(), "spaces");
    assert_eq!(get(host.addr(), "/.well-known/about").text(), "known");

    // It is asked again whether a file has changed, and told that it has not.
    let style = get(host.addr(), "/assets/style.css");
    let (tag, changed) = (
        style.header("etag").unwrap(),
        style.header("last-modified").unwrap(),
    );
    for known in [
        format!("If-None-Match: {tag}"),
        format!("If-Modified-Since: {changed}"),
    ] {
        let answer = ask(host.addr(), "GET", "/assets/style.css", &[&known], b"");
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
    }
    std::fs::write(folder.path().join("public/assets/style.css"), "new").unwrap();
    let known = format!("If-None-Match: {tag}");
    assert_eq!(
        ask(host.addr(), "GET", "/assets/style.css", &[&known], b"").text(),
        "new"
    );

    let part = ask(host.addr(), "GET", "/index.html", &["Range: bytes=4-8"], b"");
    assert_eq!((part.status, part.text().as_str()), (206, "start"));
    for whole in [
        ["Range: bytes=0-0", "If-Range: \"other\""],
        ["Range: bytes=0-0,2-2", "X: y"],
        ["Range: lines=1-2", "X: y"],
    ] {
        let answer = ask(host.addr(), "GET", "/index.html", &whole, b"");
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "<h1>start</h1>"),
            "{whole:?}"
        );
    }
    let beyond = ask(host.addr(), "GET", "/index.html", &["Range: bytes=90-99"], b"");
    assert_eq!(beyond.status, 416);
    assert!(host.stop().success());
}

#[test]
fn a_file_that_looks_like_an_answer_is_sent_as_it_is() {
    let folder = Folder::new("web-forged");
    let host = host(&folder);
    let forged = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\nx: y\r\n\r\n";
    let content = format!("{}{forged}", "A".repeat(65_536));
    std::fs::write(folder.path().join("public/forged.bin"), &content).unwrap();
    let answer = get(host.addr(), "/forged.bin");
    assert!(
        answer.text() == content,
        "{} bytes in place of {}",
        answer.body.len(),
        content.len()
    );
    assert!(host.stop().success());
}

#[test]
fn files_are_packed_where_that_helps_and_the_client_accepts_it() {
    let folder = Folder::new("web-packed");
    let host = host(&folder);
    let packed = ask(
        host.addr(),
        "GET",
        "/assets/style.css",
        &["Accept-Encoding: gzip"],
        b"",
    );
    assert!(
        has(&packed, "content-encoding", "gzip") && has(&packed, "vary", "accept-encoding"),
        "{packed:?}"
    );
    assert!(packed.body.starts_with(&[0x1f, 0x8b]) && packed.body.len() < 200);
    let weak = packed.header("etag").unwrap();
    assert!(weak.starts_with("W/\""), "{weak}");
    let again = ask(
        host.addr(),
        "GET",
        "/assets/style.css",
        &["Accept-Encoding: gzip", &format!("If-None-Match: {weak}")],
        b"",
    );
    assert_eq!(again.status, 304);
    let plain = ask(
        host.addr(),
        "GET",
        "/assets/style.css",
        &["Accept-Encoding: br"],
        b"",
    );
    assert!(plain.header("content-encoding").is_none() && plain.body.len() == 5000);
    let short = ask(host.addr(), "GET", "/hi", &["Accept-Encoding: gzip"], b"");
    assert_eq!(short.json(), json!({"hello": "world", "method": "GET"}));
    let client = ask(host.addr(), "GET", "/api/client", &["Accept-Encoding: gzip"], b"");
    assert!(has(&client, "content-encoding", "gzip"));
    assert!(host.stop().success());
}

#[test]
fn folders_are_entered_through_their_slash() {
    let folder = Folder::new("web-slash");
    let host = host(&folder);
    for (path, to) in [
        ("/sub", "/sub/"),
        ("/sub?x=1", "/sub/?x=1"),
        ("/web/files", "/web/files/"),
        ("//evil.example/%2e%2e/sub", ""),
    ] {
        let answer = get(host.addr(), path);
        let location = answer.header("location").unwrap_or_default();
        assert_eq!(location, to, "{path} {answer:?}");
        assert_eq!(answer.status, if to.is_empty() { 404 } else { 301 });
    }
    // A folder whose name looks like another host stays on this one.
    std::fs::create_dir_all(folder.path().join("public/evil.example")).unwrap();
    let answer = get(host.addr(), "//evil.example");
    assert_eq!(answer.header("location"), Some("/evil.example/"), "{answer:?}");
    assert_eq!(get(host.addr(), "/sub/").text(), "below");
    assert!(host.stop().success());
}

#[test]
fn nothing_leads_out_of_a_folder() {
    let folder = Folder::new("web-traversal");
    let host = host(&folder);
    for path in [
        "/../outside.txt",
        "/sub/../../outside.txt",
        "/%2e%2e/outside.txt",
        "/%2e%2e%2foutside.txt",
        "/..%5coutside.txt",
        "/sub/..%2f..%2foutside.txt",
        "/%252e%252e/outside.txt",
        "/.../outside.txt",
        "/./outside.txt",
        "//../outside.txt",
        "/web/files/../../outside.txt",
        "/web/files/%2e%2e/%2e%2e/outside.txt",
        "/link.txt",
        "/up/outside.txt",
        "/up/",
        "/.git/config",
        "/.env",
        "/%2eenv",
        "/outside.txt%00.css",
        "/etc/passwd",
        "/pipe",
        "/shown/config",
        "/web/files/picture.svg/x",
    ] {
        let answer = get(host.addr(), path);
        assert_eq!(answer.status, 404, "{path} {answer:?}");
        assert!(!answer.text().contains("secret"), "{path}");
    }
    for verb in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(host.addr(), verb, "/index.html", &[], b"");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD")),
            "{verb}"
        );
        let said = json!(format!("{verb} is none of GET, HEAD"));
        assert_eq!(answer.json()["error"]["message"], said);
    }
    assert!(host.stop().success());
}

#[test]
fn components_and_the_host_come_before_folders() {
    let folder = Folder::new("web-order");
    let public = folder.path().join("public");
    std::fs::create_dir_all(public.join("web/hello")).unwrap();
    std::fs::write(public.join("ping"), "not this").unwrap();
    std::fs::write(public.join("web/hello/index.html"), "not this").unwrap();
    let host = host(&folder);
    assert_eq!(get(host.addr(), "/ping").text(), "pong");
    assert_eq!(get(host.addr(), "/web/hello/").json()["hello"], "world");
    assert_eq!(get(host.addr(), "/hi").json()["hello"], "world");
    let described = mesh_tests::host::mesh(&["describe", "--json", "--url", &host.url()]);
    assert_eq!(described.code, 0, "{described:?}");
    assert!(
        described.out.contains("/web/files"),
        "the folder is among the routes: {}",
        described.out
    );
    assert!(host.stop().success());
}
