//! Mistakes in `[cluster]` and on the command line of `mesh cluster nats-conf`, as `mesh` tells them.
//!
//! Guarantees: needs no server, and no variable of the environment that the tests run in counts.

use mesh_tests::certificates::Authority;
use mesh_tests::host::{Folder, executable};
use nkeys::KeyPair;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PASSWORD: &str = "MESH_CLUSTER_PASSWORD";

/// A folder with a mesh.toml.
struct Files(Folder);

/// The output of `mesh`.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Files {
    fn new() -> Files {
        Files(Folder::new("cluster-checks"))
    }

    /// Writes a file that this user alone can read, as a secret has to be.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.write(name, text);
        let alone = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&file, alone).expect("it is this test's file");
        file
    }

    /// Runs `mesh check` with these lines in `[cluster]`.
    fn check(&self, lines: &str, password: Option<&str>) -> Said {
        let text = format!(
            "name = \"shop-1\"\ndomain = \"shop\"\n[cluster]\nname = \"shop\"\nservers = [\"tls://nats-1:4222\"]\n{lines}"
        );
        self.check_file(&text, password)
    }

    fn check_file(&self, text: &str, password: Option<&str>) -> Said {
        let file = self.write("mesh.toml", text);
        let mut command = Command::new(executable());
        command.args(["check", "--config"]).arg(file).env_remove(PASSWORD);
        if let Some(password) = password {
            command.env(PASSWORD, password);
        }
        self.run(&mut command)
    }

    fn run(&self, command: &mut Command) -> Said {
        let output = command.stdin(Stdio::null()).output().expect("mesh can be run");
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.replace(&format!("{}/", self.0.path().display()), "")
        };
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// The first mistake with these lines: it is line 6 that is wrong.
    #[track_caller]
    fn refuses(&self, lines: &str, expected: &str) {
        let Said { code, out, err } = self.check(lines, None);
        assert_eq!((code, out.as_str()), (78, ""), "{err}");
        assert_eq!(err, expected.strip_prefix('\n').unwrap_or(expected));
    }
}

#[test]
fn a_user_without_a_password_is_told_where_it_comes_from() {
    let files = Files::new();
    let expected = r#"
mesh.toml:6:8: `user` in [cluster] needs a password, and the environment variable MESH_CLUSTER_PASSWORD has none
6 | user = "shop-1"
  |        ^^^^^^^^
help: set MESH_CLUSTER_PASSWORD, or log in with `credentials` or `nkey`
"#;
    files.refuses("user = \"shop-1\"\n", expected);
    let empty = files.check("user = \"shop-1\"\n", Some(""));
    assert_eq!((empty.code, empty.err.as_str()), (78, expected.trim_start()));
    let said = files.check("user = \"shop-1\"\n", Some("swordfish"));
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(!said.out.contains("swordfish"), "{}", said.out);
}

#[test]
fn a_file_that_is_missing_is_named() {
    let files = Files::new();
    for (key, help) in [
        ("credentials", "name a file that `nsc generate creds` has written"),
        (
            "nkey",
            "name a file with one line, the seed, which begins with SU",
        ),
        (
            "ca",
            "name the PEM file of the authority that has signed the certificates of the servers",
        ),
    ] {
        let place = key.len() + 4;
        let (space, line) = (" ".repeat(place - 1), format!("{key} = \"no.file\""));
        let expected = format!(
            "mesh.toml:6:{place}: `{key}` in [cluster]: no.file cannot be read: No such file or directory (os error 2)\n\
             6 | {line}\n  | {space}^^^^^^^^^\nhelp: {help}\n"
        );
        files.refuses(&format!("{line}\n"), &expected);
    }
    let said = files.check("cert = \"no.pem\"\nkey = \"no.key\"\n", None);
    assert_eq!(said.code, 78);
    assert!(
        said.err.starts_with("mesh.toml:6:8: ") && said.err.contains("no.pem"),
        "{}",
        said.err
    );
}

#[test]
fn a_file_with_something_else_is_named_and_not_repeated() {
    let files = Files::new();
    let key = KeyPair::new_user();
    let (seed, public) = (key.seed().expect("it has a seed"), key.public_key());
    let authority = Authority::new();
    let pair = authority.issue();
    pair.write(&files.0);
    authority.write(&files.0);
    files.write("seed.nk", &format!("{seed}\n"));
    files.write("public.nk", &format!("{public}\n"));
    files.write("other.key", &authority.issue().key);
    for (lines, expected) in [
        (
            "nkey = \"public.nk\"",
            "mesh.toml:6:8: `nkey` in [cluster]: public.nk holds the public half of an nkey, and not its seed\n",
        ),
        (
            "nkey = \"key.pem\"",
            "mesh.toml:6:8: `nkey` in [cluster]: key.pem does not hold the seed of a user's nkey\n",
        ),
        (
            "credentials = \"seed.nk\"",
            "mesh.toml:6:15: `credentials` in [cluster]: seed.nk does not hold a token and a seed\n",
        ),
        (
            "ca = \"key.pem\"",
            "mesh.toml:6:6: `ca` in [cluster]: key.pem does not hold a certificate in PEM form\n",
        ),
        ("cert = \"cert.pem\"\nkey = \"other.key\"", "mesh.toml:7:7: "),
        ("cert = \"key.pem\"\nkey = \"key.pem\"", "mesh.toml:6:8: "),
    ] {
        let said = files.check(&format!("{lines}\n"), None);
        assert_eq!(said.code, 78, "{}", said.err);
        assert!(said.err.starts_with(expected), "{}", said.err);
        let secret = pair.key.lines().nth(1).expect("a key has lines");
        for secret in [seed.as_str(), secret] {
            assert!(!said.err.contains(secret), "{}", said.err);
        }
    }
    for right in [
        "nkey = \"seed.nk\"\nca = \"authority.pem\"\n",
        "cert = \"cert.pem\"\nkey = \"key.pem\"\n",
    ] {
        let said = files.check(right, None);
        assert_eq!((said.code, said.err.as_str()), (0, ""));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let files = Files::new();
    let said = files.check("user = \"shop-1\"\nca = \"no.pem\"\n", None);
    assert_eq!(said.code, 78);
    for place in ["mesh.toml:6:8: ", "mesh.toml:7:6: "] {
        assert!(said.err.contains(place), "{}", said.err);
    }
}

#[test]
fn a_server_elsewhere_that_is_spoken_to_in_the_clear_is_a_warning_and_in_a_secure_mesh_an_error() {
    let files = Files::new();
    let with = |server: &str, lines: &str| {
        format!(
            "name = \"shop-1\"\ndomain = \"shop\"\n[cluster]\nname = \"shop\"\nservers = [\"tls://a:4222\", \"{server}\"]\n{lines}"
        )
    };
    let said = files.check_file(&with("nats://nats-2:4222", ""), None);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(
        said.err,
        "warning: `servers` in [cluster]: the connection to nats://nats-2:4222 is not encrypted, so others on the way can read \
         and change what the nodes say; `tls://` encrypts it\n"
    );
    for here in [
        "nats://127.0.0.1:4222",
        "nats://[::1]:4222",
        "nats://localhost:4222",
    ] {
        let said = files.check_file(&with(here, ""), None);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{here}");
    }
    let secure =
        "separate_users = true\n[happn]\nsecure = true\n[security]\nadmin_password = \"swordfish\"\n";
    let said = files.check_file(&with("nats://nats-2:4222", secure), None);
    assert_eq!(said.code, 78);
    let expected = "mesh.toml:5:28: each of `servers` in [cluster] must begin with `tls://` in a secure mesh, \
                    found \"nats://nats-2:4222\"\n";
    assert!(said.err.starts_with(expected), "{}", said.err);
    let said = files.check_file(&with("nats://127.0.0.1:4222", secure), None);
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn a_secure_mesh_says_that_users_are_each_nodes_own() {
    let files = Files::new();
    let secure = "[happn]\nsecure = true\n[security]\nadmin_password = \"swordfish\"\n";
    let said = files.check(secure, None);
    assert_eq!(said.code, 78);
    let expected = "mesh.toml:7:10: a secure mesh with [cluster] needs `separate_users = true` there: users, groups and \
                    permissions are each node's own\n";
    assert!(said.err.starts_with(expected), "{}", said.err);
    let said = files.check(&format!("separate_users = true\n{secure}"), None);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn a_wrong_command_line_of_nats_conf_is_told() {
    let files = Files::new();
    let empty = files.write("alone.toml", "name = \"shop-1\"\n");
    let file = empty.to_str().expect("it is text");
    let seed = KeyPair::new_user().seed().expect("it has a seed");
    let with_seed = format!("shop-1={seed}");
    let account = format!("shop-1={}", KeyPair::new_account().public_key());
    for (arguments, code, expected) in [
        (
            vec!["--config", file, "shop-1"],
            2,
            "alone.toml has no section [cluster]: say with --name CLUSTER which one it is",
        ),
        (
            vec!["--name", "my shop", "shop-1"],
            2,
            "the name of a cluster has the character ' ': \"my shop\"; use 1 to 32 letters, digits, - and _",
        ),
        (
            vec!["--name", "shop", "shop.1"],
            2,
            "the name of a node has the character '.': \"shop.1\"; use 1 to 64 letters, digits, - and _",
        ),
        (
            vec!["--name", "shop", "shop-1", "shop-1"],
            2,
            "the node shop-1 is named twice: name each node once",
        ),
        (
            vec!["--name", "shop", &with_seed],
            2,
            "behind shop-1= is no public half of a user's nkey",
        ),
        (
            vec!["--name", "shop", &account],
            2,
            "behind shop-1= is no public half of a user's nkey",
        ),
        (vec!["--config", "/no/mesh.toml", "shop-1"], 78, "/no/mesh.toml"),
        (vec!["--name", "shop"], 2, "<NODE[=KEY]>..."),
    ] {
        let said = files.run(
            Command::new(executable())
                .args(["cluster", "nats-conf"])
                .args(&arguments),
        );
        assert_eq!(
            (said.code, said.out.as_str()),
            (code, ""),
            "{arguments:?}: {}",
            said.err
        );
        assert!(said.err.contains(expected), "{arguments:?}: {}", said.err);
        assert!(!said.err.contains(&seed), "{}", said.err);
    }
}

#[test]
fn the_name_of_the_cluster_may_come_from_the_configuration() {
    let files = Files::new();
    let text =
        "name = \"shop-1\"\ndomain = \"shop\"\n[cluster]\nname = \"shop\"\nservers = [\"tls://a:4222\"]\n";
    let file = files.write("mesh.toml", text);
    let conf = |of: &[&str]| {
        let mut command = Command::new(executable());
        files.run(command.args(["cluster", "nats-conf"]).args(of))
    };
    let file = file.to_str().expect("it is text");
    let (by_file, by_name) = (
        conf(&["--config", file, "shop-1", "shop-2"]),
        conf(&["--name", "shop", "shop-1", "shop-2"]),
    );
    assert_eq!(
        (by_file.code, by_name.code),
        (0, 0),
        "{}{}",
        by_file.err,
        by_name.err
    );
    assert_eq!(by_file.out, by_name.out);
    assert!(
        by_file.out.contains("accounts {\n  mesh_shop {"),
        "{}",
        by_file.out
    );
}
