//! `[cluster]`, and the keys of components that count there.

use super::*;
use mesh_cluster::catalogue::Expose;
use mesh_cluster::choice::Prefer;
use mesh_cluster::component::{Affinity, Reach};
use mesh_cluster::presence;

/// A file with this in the section, behind what the section needs.
fn with(lines: &str) -> String {
    format!(
        "name = \"shop-1\"\ndomain = \"shop\"\n[cluster]\nname = \"shop\"\nservers = [\"tls://n:4222\"]\n{lines}"
    )
}

fn section(text: &str) -> ClusterConfig {
    good(text, &[]).cluster.expect("the section is there")
}

#[test]
fn a_section_with_every_key_becomes_types() {
    let config = Config::parse(FULL, Path::new("/etc/mesh/mesh.toml"), &[]).expect("the file is right");
    let cluster = config.cluster.as_ref().expect("the section is there");
    assert_eq!(
        (cluster.name.as_str(), cluster.node.as_str()),
        ("shop", "TestNode")
    );
    let servers: Vec<String> = cluster.servers.iter().map(|server| server.to_string()).collect();
    assert_eq!(servers, ["tls://nats-1.example:4222", "nats://127.0.0.1:4222"]);
    let Some(ClusterLogin::Credentials(file)) = &cluster.login else {
        panic!("{:?}", cluster.login);
    };
    assert_eq!(file.value, Path::new("/etc/mesh/shop-1.creds"));
    let authorities = cluster.authorities.as_ref().map(|file| file.value.as_path());
    assert_eq!(authorities, Some(Path::new("/etc/mesh/tls/ca.pem")));
    let identity = cluster.identity.as_ref().expect("there is a certificate");
    assert_eq!(identity.cert.value, Path::new("/etc/mesh/tls/cert.pem"));
    assert_eq!(identity.key.value, Path::new("/etc/ssl/key.pem"));
    assert_eq!(Ok(&cluster.expose), Expose::parse(["stock", "calc@^1"]).as_ref());
    assert_eq!(cluster.prefer, Prefer::Any);
    let waited_for: Vec<&str> = cluster.wait_for.iter().map(|name| name.as_str()).collect();
    assert_eq!((waited_for, cluster.min_nodes), (vec!["stock"], 2));
    assert_eq!(cluster.wait.as_millis(), 5000);
    let presence = &cluster.presence;
    let times = [presence.beat, presence.lost, presence.away, presence.forget];
    assert_eq!(times.map(|time| time.as_millis()), [200, 1000, 400, 60_000]);
    assert_eq!((presence.suspect_beats, cluster.link_bytes), (5, 2 << 20));
    assert!(cluster.has_separate_users);
    let calc = config.component("calc").expect("calc is there");
    assert_eq!((calc.reach, calc.affinity), (Reach::Node, Affinity::Session));
    assert_eq!(calc.idempotent, ["get", "list"]);
    let requires = calc.requires.iter();
    let requires: Vec<_> = requires
        .map(|required| (&*required.component, required.range.as_str()))
        .collect();
    assert_eq!(requires, [("stock", "^2"), ("price.list", "*")]);
}

#[test]
fn a_section_with_a_name_and_a_server_is_complete() {
    let cluster = section(&with(""));
    assert!(cluster.login.is_none() && cluster.authorities.is_none() && cluster.identity.is_none());
    assert_eq!((&cluster.expose, cluster.prefer), (&Expose::all(), Prefer::Local));
    assert_eq!((cluster.wait_for.len(), cluster.min_nodes), (0, 1));
    assert_eq!((cluster.wait.as_secs(), cluster.link_bytes), (120, 16 << 20));
    assert_eq!(cluster.presence, presence::Settings::default());
    assert!(!cluster.has_separate_users);
}

#[test]
fn a_cluster_for_development_has_a_server_on_this_machine() {
    let without = with("dev = true\n").replace("servers = [\"tls://n:4222\"]\n", "");
    let cluster = section(&without);
    assert!(cluster.dev);
    assert_eq!(cluster.servers[0].to_string(), "nats://127.0.0.1:4222");
    let own = section(&with("dev = true\n").replace("tls://n:4222", "nats://[::1]:5222"));
    assert_eq!(own.servers[0].to_string(), "nats://[::1]:5222");
    assert!(!section(&with("")).dev);
    prints(
        &with("dev = true\n"),
        &[],
        r#"
mesh.toml:6:7: `dev` in [cluster] is for servers on this machine, and tls://n:4222 is none
6 | dev = true
  |       ^^^^
help: leave `dev` out, or write `servers = ["nats://127.0.0.1:4222"]`"#,
    );
}

#[test]
fn components_of_a_file_without_the_section_may_have_the_keys_of_a_cluster() {
    let entry = |lines: &str| format!("name = \"x\"\n[[components]]\nname = \"a\"\nlibrary = \"a\"\n{lines}");
    let config = good(&entry(""), &[]);
    let plain = &config.components[0];
    assert!(config.cluster.is_none());
    assert_eq!((plain.reach, plain.affinity), (Reach::Cluster, Affinity::None));
    assert!(plain.idempotent.is_empty() && plain.requires.is_empty());
    good(
        &entry("reach = \"node\"\nidempotent = [\"get\"]\nrequires = { stock = \"^2\" }\n"),
        &[],
    );
    prints(
        &entry(
            "reach = \"mesh\"\naffinity = true\nidempotent = [\"a/b\", \"\"]\n\
             requires = { stock = \"two\", calc = 2, \"a b\" = \"*\" }\n",
        ),
        &[],
        r#"
mesh.toml:5:9: `reach` in [[components]] must be one of "cluster", "node", found "mesh"
5 | reach = "mesh"
  |         ^^^^^^

mesh.toml:6:12: `affinity` in [[components]] must be a string, found the boolean true
6 | affinity = true
  |            ^^^^
help: write `affinity = "true"`

mesh.toml:7:15: each of `idempotent` in [[components]] must not contain `/`, found "a/b"
7 | idempotent = ["a/b", ""]
  |               ^^^^^
help: write names of methods, such as `"list"`

mesh.toml:7:22: each of `idempotent` in [[components]] must not be empty, found ""
7 | idempotent = ["a/b", ""]
  |                      ^^
help: write names of methods, such as `"list"`

mesh.toml:8:22: `stock` of `requires` in [[components]] must be a range of versions, found "two": "two" is not a comparator such as "^1.2.0", ">=1.2" or "1.x"
8 | requires = { stock = "two", calc = 2, "a b" = "*" }
  |                      ^^^^^
help: write an npm range such as `^1.2.0`, `1.x` or `>=1.0.0 <3.0.0`

mesh.toml:8:36: `calc` of `requires` in [[components]] must be a string, found an integer
8 | requires = { stock = "two", calc = 2, "a b" = "*" }
  |                                    ^
help: write for example `requires = { stock = "^2" }`; `"*"` is any version

mesh.toml:8:39: a component in `requires` in [[components]] must not contain spaces, found `a b`
8 | requires = { stock = "two", calc = 2, "a b" = "*" }
  |                                       ^^^^^
help: write for example `requires = { stock = "^2" }`; `"*"` is any version"#,
    );
}

#[test]
fn what_the_section_needs_and_lacks_is_reported() {
    prints(
        "name = \"shop.1\"\n[cluster]\n",
        &[],
        r#"
mesh.toml:1:8: `name` has the character '.', found "shop.1": with [cluster] it is the name of the node
1 | name = "shop.1"
  |        ^^^^^^^^
help: use 1 to 64 letters, digits, `-` and `_`, as in `name = "shop-1"`

mesh.toml:2:1: missing key `domain` at the top level: with [cluster] all nodes have the same one
2 | [cluster]
  | ^^^^^^^^^
help: add a line such as `domain = "shop"` before the first `[section]`

mesh.toml:2:1: missing key `name` in [cluster]
2 | [cluster]
  | ^^^^^^^^^
help: add a line such as `name = "shop"`

mesh.toml:2:1: missing key `servers` in [cluster]
2 | [cluster]
  | ^^^^^^^^^
help: add a line such as `servers = ["tls://nats-1.example:4222"]`"#,
    );
    prints(
        "name = \"a\"\ndomain = \"b\"\n[cluster]\nname = \"\u{e4}\"\nservers = []\n",
        &[],
        "mesh.toml:4:8: `name` in [cluster] has the character '\u{e4}', found \"\u{e4}\"\n4 | name = \"\u{e4}\"\n  |        ^^^\n\
         help: use 1 to 32 letters, digits, `-` and `_`\n\n\
         mesh.toml:5:11: `servers` in [cluster] must not be empty\n5 | servers = []\n  |           ^^\n\
         help: write for example `servers = [\"tls://nats-1.example:4222\"]`",
    );
    // A name that no mesh may have is reported once.
    let error = bad(&with("").replace("shop-1", "a/b"), &[]);
    assert_eq!(error.diagnostics().count(), 1, "{error}");
}

#[test]
fn what_is_no_address_of_a_server_is_reported() {
    prints(
        &with("").replace("\"tls://n:4222\"", "\"nats-1:4222\", \"tls://n\""),
        &[],
        r#"
mesh.toml:5:12: each of `servers` in [cluster] must be `tls://host:port` or `nats://host:port`, found "nats-1:4222"
5 | servers = ["nats-1:4222", "tls://n"]
  |            ^^^^^^^^^^^^^
help: write for example `servers = ["tls://nats-1.example:4222"]`

mesh.toml:5:27: each of `servers` in [cluster] must be `tls://host:port` or `nats://host:port`, found "tls://n"
5 | servers = ["nats-1:4222", "tls://n"]
  |                           ^^^^^^^^^
help: write for example `servers = ["tls://nats-1.example:4222"]`"#,
    );
    let open = with("separate_users = true\n[happn]\nsecure = true\n").replace("tls:", "nats:");
    prints(
        &open,
        &[],
        r#"
mesh.toml:5:12: each of `servers` in [cluster] must begin with `tls://` in a secure mesh, found "nats://n:4222"
5 | servers = ["nats://n:4222"]
  |            ^^^^^^^^^^^^^^^
help: write "tls://n:4222"; `nats://` is for servers on this machine"#,
    );
    good(&open.replace("//n:", "//[::1]:"), &[]);
}

#[test]
fn a_secure_mesh_says_that_users_are_those_of_each_node() {
    let secure = |lines: &str| with(&format!("{lines}[happn]\nsecure = true\n"));
    prints(
        &secure(""),
        &[],
        r#"
mesh.toml:7:10: a secure mesh with [cluster] needs `separate_users = true` there: users, groups and permissions are each node's own
7 | secure = true
  |          ^^^^
help: write `separate_users = true` in [cluster], and make the same users on all nodes"#,
    );
    prints(
        &secure("separate_users = false\n"),
        &[],
        r#"
mesh.toml:6:18: a secure mesh with [cluster] needs `separate_users = true` there: users, groups and permissions are each node's own
6 | separate_users = false
  |                  ^^^^^
help: write `separate_users = true` in [cluster], and make the same users on all nodes"#,
    );
    good(&secure("separate_users = true\n"), &[]);
    good(&with("separate_users = true\n"), &[]);
    let alone = "name = \"x\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"p\"\n";
    good(alone, &[]);
}

#[test]
fn a_password_in_the_address_of_a_server_is_not_shown() {
    prints(
        &with("").replace("//n", "//me:77/2\u{40}211\u{40}n"),
        &[],
        r#"
mesh.toml:5:12: each of `servers` in [cluster] must have no user and no password in it
5 | servers = [***
  |            ^^^
help: write `user` in a line of its own, and the password into the environment variable MESH_CLUSTER_PASSWORD"#,
    );
    let address = "nats://me:772211@n:4222";
    for text in [
        with(&format!("ca = [\"{address}\"]\n")),
        with("").replace("[\"tls://n:4222\"]", &format!("\"{address}\"")),
        with("").replace("[\"tls://n:4222\"]", &format!("[\n  {address}\n]")),
        with("").replace("servers", &format!("servrs = \"{address}\"\nsrvers")),
    ] {
        let error = bad(&text, &[]);
        assert!(
            !format!("{error}{error:?}").contains("772211"),
            "{text}\n{error:?}"
        );
    }
    let error = bad(&with(""), &[&format!("cluster.servers=[\"{address}\"]")]);
    assert!(
        error.to_string().starts_with("--set cluster.servers=***: "),
        "{error}"
    );
    assert!(!format!("{error}{error:?}").contains("772211"), "{error:?}");
}

#[test]
fn a_node_logs_in_in_one_way() {
    let login = |lines: &str| section(&with(lines)).login;
    assert!(matches!(login("user = \"shop-1\"\n"), Some(ClusterLogin::User(user)) if *user == "shop-1"));
    assert!(
        matches!(login("nkey = \"a.nk\"\n"), Some(ClusterLogin::Nkey(file)) if *file == Path::new("./a.nk"))
    );
    prints(
        &with("nkey = \"a.nk\"\nuser = \"shop-1\"\n"),
        &[],
        r#"
mesh.toml:6:8: `user` and `nkey` in [cluster] cannot stand together
6 | nkey = "a.nk"
  |        ^^^^^^
help: a node logs in in one way: leave out all but one of `user`, `credentials` and `nkey`"#,
    );
    prints(
        &with("user = \"\"\ncredentials = \" \"\n"),
        &["cluster.nkey=a.nk"],
        r#"
mesh.toml:6:8: `user` in [cluster] must not be empty
6 | user = ""
  |        ^^
help: leave the key out where the servers let everybody in

mesh.toml:7:15: `credentials` in [cluster] must not be empty
7 | credentials = " "
  |               ^^^
help: `.` is the folder of the configuration file

mesh.toml:7:15: `user` and `credentials` in [cluster] cannot stand together
7 | credentials = " "
  |               ^^^
help: a node logs in in one way: leave out all but one of `user`, `credentials` and `nkey`

--set cluster.nkey=a.nk: `user` and `nkey` in [cluster] cannot stand together
help: a node logs in in one way: leave out all but one of `user`, `credentials` and `nkey`"#,
    );
}

#[test]
fn files_of_certificates_need_each_other_and_a_server_with_encryption() {
    prints(
        &with("cert = \"c\"\n"),
        &[],
        r#"
mesh.toml:6:8: `cert` in [cluster] needs `key`: a certificate is shown with its key
6 | cert = "c"
  |        ^^^
help: add a line such as `key = "tls/key.pem"`"#,
    );
    assert_eq!(bad(&with("key = \"k\"\n"), &[]).kind(), ErrorKind::MissingKey);
    prints(
        &with("ca = \"ca.pem\"\n").replace("tls:", "nats:"),
        &[],
        r#"
mesh.toml:6:6: `ca` in [cluster] is for servers with `tls://`, and `servers` names none
6 | ca = "ca.pem"
  |      ^^^^^^^^
help: write `tls://` in place of `nats://` in `servers`, or leave `ca` out"#,
    );
}

#[test]
fn names_of_components_and_their_ranges_are_checked() {
    prints(
        &with("expose = [\"\", \"calc@first\"]\nwait_for = [\"my calc\"]\n"),
        &[],
        r#"
mesh.toml:6:11: each of `expose` in [cluster] must name a component, found ""
6 | expose = ["", "calc@first"]
  |           ^^
help: write `"*"` for all, a name, or a name with a range, such as `"calc@^1"`

mesh.toml:6:15: each of `expose` in [cluster] must have a range behind its `@`, found "calc@first": "first" is not a comparator such as "^1.2.0", ">=1.2" or "1.x"
6 | expose = ["", "calc@first"]
  |               ^^^^^^^^^^^^
help: write an npm range behind the `@`, such as `"calc@^1.2.0"`

mesh.toml:7:13: each of `wait_for` in [cluster] must not contain spaces, found "my calc"
7 | wait_for = ["my calc"]
  |             ^^^^^^^^^
help: write names of components, such as `"calc"`"#,
    );
    assert_eq!(Ok(section(&with("expose = []\n")).expose), Expose::parse([]));
}

#[test]
fn a_node_is_suspect_before_it_is_lost() {
    prints(
        &with("suspect_beats = 0\n"),
        &[],
        r#"
mesh.toml:6:17: `suspect_beats` in [cluster] must be from 1 to 100, found 0
6 | suspect_beats = 0
  |                 ^
help: without this key it is 3"#,
    );
    prints(
        &with("beat_ms = 4_000\n"),
        &[],
        r#"
mesh.toml:6:11: a node would be lost before it is suspect: `lost_ms` in [cluster] is 10000, and `beat_ms` times `suspect_beats` is 12000
6 | beat_ms = 4_000
  |           ^^^^^
help: write `lost_ms = 12000` or more, or fewer beats of a shorter time"#,
    );
    section(&with("beat_ms = 4_000\nlost_ms = 12_000\n"));
}

#[test]
fn the_section_itself_comes_and_goes_with_a_restart() {
    let alone = good("name = \"shop-1\"\ndomain = \"shop\"", &[]);
    let member = good(&with(""), &[]);
    for (running, wanted) in [(&alone, &member), (&member, &alone)] {
        let difference = difference(running, wanted);
        assert_eq!((difference.restart, difference.live.len()), (vec!["cluster"], 0));
    }
}
