//! Attacks on a host by other users of the same machine.
//!
//! Enters: a umask that forbids nothing, users with names that they take first, links, environment variables. Leaves:
//! modes of files, and what commands say. Guarantees: files of the host are its own; a command believes no other user.

use mesh_tests::host::{Folder, Host, executable, library, mesh};
use mesh_tests::tools::Tool;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const VICTIM: u32 = 4242;
const ATTACKER: u32 = 4343;
const PASSWORD: &str = "right-one";

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .mode()
        & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A process that is ended with the value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a host and waits until it serves.
fn serve(command: &mut Command) -> Process {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let process = Process(child);
    assert!(line.starts_with("ready "), "{line:?}");
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    process
}

fn asked_to_stop(mut process: Process) {
    let _ = Command::new("kill").arg(process.0.id().to_string()).status();
    process.0.wait().unwrap();
}

/// The log comes through a pipe: waits until it has a text.
fn until_logged(host: &Host, text: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    while !host.log().contains(text) {
        assert!(Instant::now() < until, "{text} is missing: {}", host.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Folders that every user may enter, with a mesh.toml, the executable and a component.
struct Shared {
    folder: Folder,
    temporary: PathBuf,
}

impl Shared {
    fn new(name: &str) -> Shared {
        let folder = Folder::new(name);
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        set_mode(folder.path(), 0o755);
        set_mode(&temporary, 0o1777);
        for file in [executable(), library("calc")] {
            std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        folder.write(
            "mesh.toml",
            "name = \"V\"\n[happn]\nport = 0\n[plugins]\ndir = \".\"\n[[components]]\nname = \"calc\"\nlibrary = \"calc\"\n",
        );
        Shared { folder, temporary }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("mesh.toml")
    }

    /// `mesh` as another user.
    fn mesh(&self, user: u32, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={user}"))
            .arg("--clear-groups")
            .arg(self.folder.path().join("mesh"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("MESH_SOCKET")
            .env("TMPDIR", &self.temporary)
            .stdin(Stdio::null());
        command
    }

    fn says(&self, user: u32, arguments: &[&str]) -> (i32, String) {
        let ended = self.mesh(user, arguments).output().unwrap();
        let text = [ended.stdout, ended.stderr].concat();
        (
            ended.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}

#[test]
fn files_of_the_host_are_its_own_whatever_the_umask() {
    for umask in ["000", "022", "777"] {
        let folder = Folder::new("umask");
        let config = folder.write("mesh.toml", "name = \"U\"\n");
        let store = folder.path().join("data/below/store.db");
        let export = folder.path().join("export.jsonl");
        let run = |arguments: &[&str]| {
            let mut command = Command::new("sh");
            command
                .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
                .arg(executable())
                .args(arguments);
            command
        };
        let named = store.to_str().unwrap();
        let place = format!("store.path={named}");
        let shown = config.to_str().unwrap();
        asked_to_stop(serve(&mut run(&[
            "run",
            "--config",
            shown,
            "--set",
            &place,
            "--set",
            "happn.port=0",
        ])));
        let written = export.to_str().unwrap();
        for arguments in [
            &["store", "compact", "--path", named][..],
            &["store", "export", "--path", named, "--output", written],
        ] {
            let ended = run(arguments).stdout(Stdio::null()).status().unwrap();
            assert!(ended.success(), "{arguments:?} with umask {umask}");
        }
        assert_eq!(mode(&store), 0o600, "umask {umask}");
        assert_eq!(mode(&export), 0o600, "umask {umask}");
        for made in ["data", "data/below"] {
            assert_eq!(mode(&folder.path().join(made)), 0o700, "umask {umask}");
        }
    }
}

#[test]
fn a_file_with_secrets_that_others_may_read_is_warned_about() {
    let folder = Folder::new("exposed");
    let config = folder.write(
        "mesh.toml",
        &format!("name = \"E\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"{PASSWORD}\"\n[store]\npath = \"store.db\"\n"),
    );
    set_mode(&config, 0o600);
    let host = Host::start(&config, &[]);
    assert!(!host.log().contains("chmod"), "{}", host.log());
    host.stop();
    let store = folder.path().join("store.db");
    set_mode(&store, 0o640);
    set_mode(&config, 0o644);
    let host = Host::start(&config, &[]);
    until_logged(&host, "reach it at");
    let log = host.log();
    for (file, mode, command) in [(&store, "0640", "chmod 600"), (&config, "0644", "chmod o-rwx")] {
        let line = log.lines().find(|line| line.contains(command));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(
            line.contains(&file.display().to_string()) && line.contains(mode),
            "{line}"
        );
    }
    host.stop();
    let checked = mesh(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert_eq!(checked.err.matches("chmod").count(), 2, "{}", checked.err);
    assert!(!checked.err.contains(PASSWORD), "{}", checked.err);
}

#[test]
fn a_host_goes_on_when_somebody_took_the_name_of_its_folder() {
    if !Tool::Users.is_there() {
        return;
    }
    type Take = fn(&Path);
    let ways: [Take; 3] = [
        |name| {
            std::fs::create_dir(name).unwrap();
            set_mode(name, 0o777);
            chown(name, Some(ATTACKER), Some(ATTACKER)).unwrap();
        },
        |name| symlink("/etc", name).unwrap(),
        |name| std::fs::write(name, "").unwrap(),
    ];
    for take in ways {
        let shared = Shared::new("taken");
        let name = shared.temporary.join(format!("mesh-host-{VICTIM}"));
        take(&name);
        let host = serve(&mut shared.mesh(VICTIM, &["run"]));
        let (code, said) = shared.says(VICTIM, &["status"]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("pid {}", host.0.id())), "{said}");
        // Two hosts share one folder, and neither the attacker's.
        let other = serve(&mut shared.mesh(VICTIM, &["run"]));
        let (_, said) = shared.says(VICTIM, &["status"]);
        assert_eq!(said.matches(", pid ").count(), 2, "{said}");
        let made: Vec<PathBuf> = std::fs::read_dir(&shared.temporary)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| *path != name)
            .collect();
        assert_eq!(made.len(), 1, "{made:?}");
        assert_eq!(mode(&made[0]), 0o700);
        if name.is_dir() && !name.is_symlink() {
            assert_eq!(std::fs::read_dir(&name).unwrap().count(), 0);
        }
        let (code, said) = shared.says(ATTACKER, &["status"]);
        assert_eq!(code, 69, "{said}");
        asked_to_stop(host);
        asked_to_stop(other);
    }
}

/// As the names of sockets begin.
fn prefix(config: &Path) -> String {
    let path = std::fs::canonicalize(config).unwrap();
    let hash = path
        .to_str()
        .unwrap()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}-")
}

/// Listens as a host of somebody else would, and keeps what it is told.
fn false_host(socket: &Path) -> Arc<Mutex<String>> {
    let listener = UnixListener::bind(socket).unwrap();
    set_mode(socket, 0o777);
    let heard = Arc::new(Mutex::new(String::new()));
    let kept = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap_or(0);
            kept.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&bytes[..count]));
            let _ = stream.write_all(b"{\"error\":\"hello from the false host\"}\n");
        }
    });
    heard
}

#[test]
fn a_command_believes_no_host_of_another_user() {
    if !Tool::Users.is_there() {
        return;
    }
    let shared = Shared::new("false");
    // Served by root here, which is another user, too. In a folder of another user, and in one of the victim's own.
    for owner in [ATTACKER, VICTIM] {
        let folder = shared.temporary.join(format!("mesh-host-{VICTIM}"));
        std::fs::create_dir(&folder).unwrap();
        set_mode(&folder, if owner == VICTIM { 0o700 } else { 0o777 });
        chown(&folder, Some(owner), Some(owner)).unwrap();
        let heard = false_host(&folder.join(format!("{}999.sock", prefix(&shared.config()))));
        for arguments in [
            &["status"][..],
            &["apply"],
            &["plan"],
            &["swap", "calc", "./libcalc.so"],
            &["call", "calc/add", "1", "2", "--timeout", "1"],
        ] {
            let (code, said) = shared.says(VICTIM, arguments);
            assert_ne!(code, 0, "{arguments:?}: {said}");
            assert!(!said.contains("false host"), "{arguments:?}: {said}");
        }
        assert_eq!(*heard.lock().unwrap(), "", "nothing is said to it");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn the_control_socket_is_where_the_environment_says() {
    let folder = Folder::new("named");
    let config = folder.write("mesh.toml", "name = \"N\"\n");
    let socket = folder.path().join("control.sock");
    let start = || {
        Host::start_with(&config, &[], |command| {
            command.env("MESH_SOCKET", &socket);
        })
    };
    let status = |socket: &Path| {
        let ended = Command::new(executable())
            .args(["status", "--config"])
            .arg(&config)
            .env("MESH_SOCKET", socket)
            .output()
            .unwrap();
        (
            ended.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned(),
        )
    };
    let host = start();
    assert_eq!(mode(&socket), 0o600);
    let (code, said) = status(&socket);
    assert!(
        code == 0 && said.contains(&format!("pid {}", host.pid())),
        "{said}"
    );
    // The socket of a host that serves is left to it.
    let second = start();
    until_logged(&second, "another process listens there");
    assert_eq!(status(&socket).0, 0);
    second.stop();
    assert_eq!(status(&socket).0, 0);
    // That of one that was killed is not.
    drop(host);
    assert_eq!(status(&socket).0, 69);
    let host = start();
    assert_eq!(status(&socket).0, 0);
    host.stop();
    assert!(!socket.exists());
    // A file that is no socket is left as it is.
    std::fs::write(&socket, "text").unwrap();
    let host = start();
    until_logged(&host, "no socket is there");
    host.stop();
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "text");
}

#[test]
fn a_named_socket_of_a_stranger_is_not_believed() {
    if !Tool::Users.is_there() {
        return;
    }
    let shared = Shared::new("stranger");
    let place = shared.temporary.join("place");
    std::fs::create_dir(&place).unwrap();
    set_mode(&place, 0o777);
    chown(&place, Some(VICTIM), Some(VICTIM)).unwrap();
    let socket = place.join("control.sock");
    let host = serve(shared.mesh(ATTACKER, &["run"]).env("MESH_SOCKET", &socket));
    set_mode(&socket, 0o777);
    let status = |user| {
        let ended = shared
            .mesh(user, &["status"])
            .env("MESH_SOCKET", &socket)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
        (ended.status.code().unwrap_or(-1), said)
    };
    let (code, said) = status(VICTIM);
    assert!(code == 69 && said.contains(&format!("user {ATTACKER}")), "{said}");
    // Its own user, and root, which runs services for others, may ask it.
    assert_eq!(status(ATTACKER).0, 0);
    assert_eq!(status(0).0, 0);
    asked_to_stop(host);
}

static FLIPS: AtomicUsize = AtomicUsize::new(0);

/// Lets a link lead elsewhere in one moment.
fn flip(link: &Path, to: &str) {
    let number = FLIPS.fetch_add(1, Ordering::Relaxed);
    let next = link.with_file_name(format!("next-{number}"));
    symlink(to, &next).unwrap();
    std::fs::rename(next, link).unwrap();
}

#[test]
fn a_host_is_found_after_a_link_in_its_path_led_elsewhere() {
    let folder = Folder::new("flip");
    for version in ["v0", "v1"] {
        std::fs::create_dir(folder.path().join(version)).unwrap();
        folder.write(
            &format!("{version}/mesh.toml"),
            &format!("name = \"F\" # {version}\n"),
        );
    }
    let data = folder.path().join("data");
    symlink("v0", &data).unwrap();
    symlink("data/mesh.toml", folder.path().join("mesh.toml")).unwrap();
    for named in ["mesh.toml", "data/mesh.toml"] {
        flip(&data, "v0");
        let named = folder.path().join(named);
        let host = Host::start(&named, &[]);
        let status = || mesh(&["status", "--config", named.to_str().unwrap()]);
        let before = status();
        assert_eq!(before.code, 0, "{}", before.err);
        assert_eq!(before.out.matches(", pid ").count(), 1, "{}", before.out);
        flip(&data, "v1");
        let after = status();
        assert_eq!(after.code, 0, "{}", after.err);
        host.stop();
        assert_eq!(status().code, 69);
    }
}
