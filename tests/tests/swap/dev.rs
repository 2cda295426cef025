//! Stories of `mesh run --dev`: sources are edited and saved, and the running mesh follows, or says why not.

use mesh_tests::host::{Finished, Folder, Host, executable, mesh, repository, target_folder_of_new_crates};
use mesh_tests::turns;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Compilers take their time, on a busy machine more than that.
const PATIENCE: Duration = Duration::from_secs(180);

/// The output of `mesh new`, in a folder of its own.
fn new_component(folder: &Folder, name: &str, arguments: &[&str]) -> PathBuf {
    let made = Command::new(executable())
        .args(["new", name])
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("mesh can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let own = folder.path().join(name);
    if own.join("Cargo.toml").exists() {
        // The versions that were fetched for the tests.
        let lock = repository().join("Cargo.lock");
        std::fs::copy(lock, own.join("Cargo.lock")).expect("it can be copied");
    }
    own
}

/// Nothing is fetched, and libraries go where those of other tests' crates are.
fn develop(command: &mut Command) {
    command
        .arg("--dev")
        .env("CARGO_TARGET_DIR", target_folder_of_new_crates())
        .env("CARGO_NET_OFFLINE", "true");
}

/// A `mesh run --dev` that ends by itself.
fn ends(config: &Path, adapt: impl FnOnce(&mut Command)) -> Finished {
    let mut command = Command::new(executable());
    command.arg("run").arg("--config").arg(config);
    command.args(["--set", "happn.port=0"]);
    develop(&mut command);
    adapt(&mut command);
    let output = command.output().expect("mesh can be run");
    Finished {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn call(host: &Host, method: &str) -> String {
    let finished = mesh(&["call", "--url", &host.url(), "--json", method, "World"]);
    format!("{}{}", finished.out.trim(), finished.err.trim())
}

fn until(host: &Host, what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come\n{}", host.log());
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn until_answer(host: &Host, method: &str, wanted: &str) {
    until(host, wanted, || call(host, method) == wanted);
}

fn until_log(host: &Host, wanted: &str) {
    until(host, wanted, || host.log().contains(wanted));
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("it is there");
    assert!(text.contains(from), "{from}: {text}");
    std::fs::write(file, text.replace(from, to)).expect("it can be written");
}

#[test]
fn the_mesh_follows_the_sources() {
    let _turn = turns::of_heavy_tests();
    let folder = Folder::new("dev");
    let own = new_component(&folder, "dev-greeter", &[]);
    let (config, source) = (own.join("mesh.toml"), own.join("src/lib.rs"));
    let described = std::fs::read_to_string(&config).expect("it is there");

    // There is no library yet.
    let libraries = target_folder_of_new_crates().join("release");
    let _ = std::fs::remove_file(libraries.join("libdev_greeter.so"));
    let here = format!("plugins.dir={}", libraries.display());
    let host = Host::start_with(&config, &[&here], develop);
    let greet = "devGreeter/greet";
    assert_eq!(call(&host, greet), r#"["Hello, World!"]"#);

    // A text that is compiled in is a source as well as the code.
    std::fs::write(own.join("word.txt"), "Howdy").expect("it can be written");
    edit(
        &source,
        r#"format!("Hello, {name}!")"#,
        r#"format!("{}, {name}!", include_str!("../word.txt"))"#,
    );
    until_answer(&host, greet, r#"["Howdy, World!"]"#);
    std::fs::write(own.join("word.txt"), "Ciao").expect("it can be written");
    until_answer(&host, greet, r#"["Ciao, World!"]"#);

    // A mistake is shown as the compiler shows it, and nothing changes.
    edit(&source, "name.is_empty()", "nam.is_empty()");
    until_log(&host, "devGreeter: not built after");
    let log = host.log();
    assert!(log.contains("cannot find value `nam` in this scope"), "{log}");
    assert!(log.contains("the version before serves on"), "{log}");
    assert_eq!(call(&host, greet), r#"["Ciao, World!"]"#);

    // It is mended, and now mesh.toml has another opinion of the number.
    let manifest = own.join("Cargo.toml");
    edit(&manifest, "0.1.0", "0.2.0");
    edit(&source, "nam.is_empty()", "name.is_empty()");
    until_log(&host, "s, refused: component devGreeter asks for version ^0.1.0");
    assert_eq!(call(&host, greet), r#"["Ciao, World!"]"#);

    // While developing, a number promises nothing.
    edit(&manifest, "0.2.0", "0.1.0");
    edit(&source, "fn greet(", "fn welcome(");
    until_answer(&host, "devGreeter/welcome", r#"["Ciao, World!"]"#);
    until_log(&host, "has no method greet, though its number promises");

    // A source that is saved again unchanged is built and not swapped.
    let text = std::fs::read_to_string(&source).expect("it is there");
    std::fs::write(&source, text).expect("it can be written");
    until_log(&host, "the same as what serves");
    let still = std::fs::read_to_string(&config).expect("it is there");
    assert_eq!(still, described, "mesh.toml is the developer's");
    assert!(host.stop().success());
}

#[test]
fn c_is_built_with_make() {
    let folder = Folder::new("dev-c");
    let own = new_component(&folder, "dev-greeter", &["--language", "c"]);
    let here = format!("plugins.dir={}", own.display());
    let host = Host::start_with(&own.join("mesh.toml"), &[&here], develop);
    let greet = "devGreeter/greet";
    assert_eq!(call(&host, greet), r#"["Hello, World!"]"#);
    edit(&own.join("component.c"), "Hello, ", "Howdy, ");
    until_answer(&host, greet, r#"["Howdy, World!"]"#);

    // The compiler ends with the host.
    let endless =
        "libdev_greeter.so: component.c\n\techo $$$$ > pid.new && mv pid.new pid && exec sleep 1000\n";
    std::fs::write(own.join("Makefile"), endless).expect("it can be written");
    // The library has to be older than its source, or there is nothing to make.
    edit(&own.join("component.c"), "Howdy, ", "Hello, ");
    until(&host, "the build", || own.join("pid").exists());
    let builder = std::fs::read_to_string(own.join("pid")).expect("it is there");
    let builder = PathBuf::from("/proc").join(builder.trim());
    assert!(builder.exists());
    assert!(host.stop().success());
    let end = Instant::now() + PATIENCE;
    while builder.exists() {
        assert!(Instant::now() < end, "the build goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn projects_that_cannot_be_developed_are_named() {
    let _turn = turns::of_heavy_tests();
    let folder = Folder::new("dev-wrong");
    let entry = |key: &str| {
        let entry =
            "name = \"TestNode\"\n\n[[components]]\nname = \"greeter\"\nlibrary = \"./libgreeter.so\"\n";
        folder.write("mesh.toml", &format!("{entry}{key}\n"))
    };
    let finished = ends(&entry(""), |_| {});
    assert_eq!(finished.code, 78, "{finished:?}");
    assert!(
        finished.err.contains("no component has a `crate`"),
        "{finished:?}"
    );
    assert!(finished.err.contains("crate = \"plugins/calc\""), "{finished:?}");

    let finished = ends(&entry("crate = \"nowhere\""), |_| {});
    assert_eq!(finished.code, 78, "{finished:?}");
    assert!(finished.err.contains("mesh.toml:6:9"), "{finished:?}");

    let finished = ends(&entry("crate = \".\""), |_| {});
    assert_eq!(finished.code, 78, "{finished:?}");
    assert!(finished.err.contains("a crate has a Cargo.toml"), "{finished:?}");

    folder.write("Cargo.toml", "this is not a manifest");
    let finished = ends(&entry("crate = \".\""), |_| {});
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(
        finished.err.contains("greeter has no library yet"),
        "{finished:?}"
    );

    let finished = ends(&entry("crate = \".\""), |command| {
        command.env("PATH", folder.path());
    });
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.err.contains("`cargo` was not found"), "{finished:?}");

    folder.write(
        "Cargo.toml",
        "[package]\nname = \"dev-plain\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n[workspace]\n",
    );
    folder.write("lib.rs", "");
    let finished = ends(&entry("crate = \".\""), |_| {});
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.err.contains("crate-type = [\"cdylib\"]"), "{finished:?}");

    folder.write(
        "lib.rs",
        "#[unsafe(no_mangle)]\npub extern \"C\" fn nothing() {}\n",
    );
    let manifest = std::fs::read_to_string(folder.path().join("Cargo.toml")).expect("it is there");
    let manifest = manifest.replace("[lib]", "[lib]\ncrate-type = [\"cdylib\"]");
    folder.write("Cargo.toml", &manifest);
    let finished = ends(&entry("crate = \".\""), |_| {});
    assert_eq!(finished.code, 78, "{finished:?}");
    assert!(
        finished.err.contains("what was built from `crate` is") && finished.err.contains("libdev_plain.so"),
        "{finished:?}"
    );
}
