//! Components that bring libraries along, found by their run path.
//!
//! Enters: a component and the libraries that it needs, in folders as installers make them. Leaves: the answers of the
//! component. Guarantees: what a version answers comes from the libraries beside that version.

use mesh_tests::c_library;
use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, config, swap};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The component: its answer is the number that a library knows.
const COMPONENT: &str = "#include \"fixture.h\"\n#include <stdio.h>\n\
    int part(void);\n\
    static void work(void *instance, uint32_t lane, const mesh_work *items, size_t count) {\n\
        const struct fixture *fixture = instance;\n\
        (void)lane;\n\
        for (size_t index = 0; index < count; index++) {\n\
            const mesh_work *item = mesh_work_at(items, index);\n\
            if (!fixture_start_or_stop(fixture->host, item) && item->kind == MESH_WORK_CALL) {\n\
                char text[32];\n\
                int length = snprintf(text, sizeof text, \"[%d]\", part());\n\
                mesh_slice answer = {(const uint8_t *)text, (size_t)length};\n\
                fixture_complete(fixture->host, item->token, MESH_STATUS_OK, answer);\n\
            }\n\
        }\n\
    }\n\
    FIXTURE_COMPONENT(\"bundled\", FIXTURE_METHOD(\"ask\"), fixture_create, work, fixture_destroy)\n";

/// A component in `root/bin`. The library that it needs lies in `root/lib` and needs another one beside it.
fn installed(root: &Path, number: u32, run_path: &str) -> PathBuf {
    let (bin, lib) = (root.join("bin"), root.join("lib"));
    let search = format!("-L{}", lib.display());
    std::fs::create_dir_all(root).expect("a folder can be made");
    let compile = |name: &str, text: &str, options: &[&str], output: PathBuf| {
        c_library::compile_text(&root.join(name), text, options, &output).expect("it compiles");
    };
    compile(
        "number.c",
        &format!("int number(void) {{ return {number}; }}\n"),
        &["-Wl,-soname,libnumber.so"],
        lib.join("libnumber.so"),
    );
    compile(
        "part.c",
        "int number(void);\nint part(void) { return number(); }\n",
        &[
            &search,
            "-lnumber",
            "-Wl,-soname,libpart.so.1",
            "-Wl,-rpath,$ORIGIN",
        ],
        lib.join("libpart.so.1"),
    );
    compile(
        "component.c",
        COMPONENT,
        &[&search, "-l:libpart.so.1", &format!("-Wl,-rpath,{run_path}")],
        bin.join("component.so"),
    );
    bin.join("component.so")
}

async fn number(host: &Host) -> i64 {
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/bundled/ask", 1, json!([0])).await;
    let answer = answer_to(&mut receiver, 1).await;
    let number = answer["args"].as_array().and_then(|args| args.last()?.as_i64());
    number.unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_version_has_the_libraries_that_lie_beside_it() {
    let folder = Folder::new("bundles");
    let first = installed(&folder.path().join("one"), 41, "$ORIGIN/../lib");
    let config = config(&folder, "bundled", &first, "probation_ms = 0");
    let host = Host::start(&config, &[]);
    assert_eq!(number(&host).await, 41);
    let second = installed(&folder.path().join("two"), 42, "/nowhere:${ORIGIN}/../lib");
    let swapped = swap(&config, "bundled", &second, &["--force", "--wait"]).await;
    assert_eq!(swapped.code, 0, "{swapped:?}");
    assert!(!swapped.out.contains("still in memory"), "{swapped:?}");
    assert_eq!(number(&host).await, 42);
    // Replaced in place, as an installer does.
    let again = installed(&folder.path().join("two"), 43, "$ORIGIN/../lib");
    let swapped = swap(&config, "bundled", &again, &["--force", "--wait"]).await;
    assert_eq!(swapped.code, 0, "{swapped:?}");
    assert_eq!(number(&host).await, 43);
    assert!(host.stop().success());
}

/// A component whose answer goes through two libraries that need each other. One of them needs the component as well, and asks it for the
/// number. `own_name` is for the linker: how the component is named in libraries that need it.
fn installed_in_a_circle(root: &Path, number: u32, own_name: &[&str]) -> PathBuf {
    std::fs::create_dir_all(root).expect("a folder can be made");
    let search = format!("-L{}", root.display());
    let (search, origin) = (search.as_str(), "-Wl,-rpath,$ORIGIN");
    let compile = |name: &str, text: &str, options: &[&str]| {
        let output = root.join(name);
        c_library::compile_text(&output.with_extension("c"), text, options, &output).expect("it compiles");
    };
    let is_first = "int number_of_component(void);\nint is_second(void);\n\
        int is_first(void) { return 1; }\nint part(void) { return is_second() ? number_of_component() : 0; }\n";
    let is_second = "int is_first(void);\nint is_second(void) { return is_first(); }\n";
    let component = format!(
        "static int own_number;\nint number_of_component(void) {{ return own_number; }}\n\
         __attribute__((constructor)) static void begin(void) {{ own_number = {number}; }}\n{COMPONENT}"
    );
    let component = component.replace("part());", "(own_number++, part()));");
    // Those that nobody needs yet come first.
    compile(
        "libsecond.so",
        "int is_second(void) { return 0; }\n",
        &["-Wl,-soname,libsecond.so"],
    );
    compile(
        "libcircle.so",
        "int number_of_component(void) { return 0; }\n",
        own_name,
    );
    let needs = ["-lsecond", "-lcircle", search, origin, "-Wl,-soname,libfirst.so"];
    compile("libfirst.so", is_first, &needs);
    compile(
        "libsecond.so",
        is_second,
        &["-lfirst", search, origin, "-Wl,-soname,libsecond.so"],
    );
    let needs = [&["-lfirst", search, origin], own_name].concat();
    compile("libcircle.so", &component, &needs);
    root.join("libcircle.so")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libraries_that_need_each_other_and_the_component_are_loaded_and_swapped() {
    for own_name in [&["-Wl,-soname,libcircle.so"][..], &[]] {
        let folder = Folder::new("circle");
        let first = installed_in_a_circle(&folder.path().join("one"), 40, own_name);
        let config = config(&folder, "bundled", &first, "probation_ms = 0");
        let host = Host::start(&config, &[]);
        // Counted in the component, and asked for by the library: there is one component.
        assert_eq!(number(&host).await, 41);
        assert_eq!(number(&host).await, 42);
        for _ in 0..3 {
            let second = installed_in_a_circle(&folder.path().join("two"), 50, own_name);
            let swapped = swap(&config, "bundled", &second, &["--force", "--wait"]).await;
            assert_eq!(swapped.code, 0, "{swapped:?}");
            assert!(!swapped.out.contains("still in memory"), "{swapped:?}");
            assert_eq!(number(&host).await, 51);
        }
        assert!(host.stop().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_stays_in_memory_while_a_library_that_it_needs_runs_a_thread() {
    for run_path in ["$ORIGIN/../lib", "a place of its own"] {
        let folder = Folder::new("dependency-thread");
        let root = folder.path().join("one");
        let lib = root.join("lib");
        let place = lib.display().to_string();
        let run_path = if run_path.starts_with('$') {
            run_path
        } else {
            &place
        };
        let first = installed(&root, 41, run_path);
        c_library::compile_text(
            &root.join("number.c"),
            "#include <pthread.h>\n#include <unistd.h>\n\
             static volatile int number_ = 41;\n\
             static void *beat(void *nothing) { for (;;) { number_ = 41; usleep(1000); } return nothing; }\n\
             __attribute__((constructor)) static void begin(void) {\n\
                 pthread_t thread;\n\
                 pthread_create(&thread, 0, beat, 0);\n\
                 pthread_detach(thread);\n\
             }\n\
             int number(void) { return number_; }\n",
            &["-pthread", "-Wl,-soname,libnumber.so"],
            &lib.join("libnumber.so"),
        )
        .expect("it compiles");
        let config = config(
            &folder,
            "bundled",
            &first,
            "probation_ms = 0\ndrain_timeout_ms = 500",
        );
        let host = Host::start(&config, &[]);
        assert_eq!(number(&host).await, 41);
        let second = installed(&folder.path().join("two"), 42, "$ORIGIN/../lib");
        let swapped = swap(&config, "bundled", &second, &["--force", "--wait"]).await;
        assert_eq!(swapped.code, 0, "{swapped:?}");
        assert!(swapped.out.contains("still in memory"), "{swapped:?}");
        assert_eq!(number(&host).await, 42);
        assert!(host.stop().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_with_a_place_of_its_own_that_was_replaced_is_noticed() {
    let folder = Folder::new("replaced");
    let root = folder.path().join("fixed");
    let run_path = root.join("lib").display().to_string();
    let first = installed(&root, 41, &run_path);
    let config = config(&folder, "bundled", &first, "probation_ms = 0");
    let host = Host::start(&config, &[]);
    assert_eq!(number(&host).await, 41);
    // Its bytes in memory may be others from now on, or not.
    let part = std::fs::File::options()
        .append(true)
        .open(root.join("lib/libpart.so.1"));
    let written = std::time::SystemTime::UNIX_EPOCH;
    part.and_then(|part| part.set_modified(written))
        .expect("it can be touched");
    let refused = swap(&config, "bundled", &first, &["--force"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused
            .err
            .contains("libpart.so.1, which was written to while it is in memory"),
        "{refused:?}"
    );
    std::fs::remove_dir_all(root.join("lib")).expect("it can be removed");
    let second = installed(&root, 42, &run_path);
    let refused = swap(&config, "bundled", &second, &["--force"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused
            .err
            .contains("libpart.so.1, of which another file is in memory"),
        "{refused:?}"
    );
    assert_eq!(number(&host).await, 41);
    assert!(host.stop().success());
}

#[test]
fn a_library_beside_a_component_that_cannot_be_loaded_is_named_by_its_own_path() {
    let folder = Folder::new("bundle-errors");
    let component = installed(folder.path(), 41, "$ORIGIN/../lib");
    let part = folder.path().join("lib/libnumber.so");
    let whole = std::fs::read(&part).expect("it is there");
    std::fs::write(&part, &whole[..whole.len() / 2]).expect("it can be written");
    let cut = mesh(&["inspect", &component.display().to_string()]);
    assert_eq!(cut.code, 1, "{cut:?}");
    assert!(
        cut.err.contains("libnumber.so") && cut.err.contains("cut short"),
        "{cut:?}"
    );
    let text = "int other(void) { return 0; }\n";
    let options = ["-Wl,-soname,libnumber.so"];
    c_library::compile_text(&folder.path().join("other.c"), text, &options, &part).expect("it compiles");
    let lacking = mesh(&["inspect", &component.display().to_string()]);
    assert_eq!(lacking.code, 1, "{lacking:?}");
    assert!(
        lacking.err.contains("lib/libpart.so.1") && lacking.err.contains("undefined symbol: number"),
        "{lacking:?}"
    );
}
