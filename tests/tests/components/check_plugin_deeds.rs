//! `mesh check-plugin` on each deed of the fixture `deeds.c`: it is named, or it harms nobody.
//!
//! Enters: the fixture, with one deed at a time. Leaves: the finding of the check that meets it. Guarantees: a deed that is added to the
//! fixture must be listed here. `MESH_TESTS_LONG=1` tries those as well for which a check has to wait.

use super::check_plugin::findings;
use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, mesh};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// A deed that is named.
struct Named {
    /// The flag of the fixture.
    define: &'static str,
    /// The check that names it.
    check: &'static str,
    /// Its words.
    says: &'static str,
}

const fn named(define: &'static str, check: &'static str, says: &'static str) -> Named {
    Named { define, check, says }
}

const NAMED: &[Named] = &[
    named(
        "AT_CALL=take_long",
        "no-arguments",
        "warning: method `echo` with no arguments did not answer within ",
    ),
    named(
        "AT_CALL=crash",
        "process",
        "failed: the plugin ended the process with SIGSEGV during method `echo`",
    ),
    named(
        "AT_CALL=exit_the_process",
        "process",
        "failed: the plugin ended the process with exit code 3 during ",
    ),
    named(
        "AT_CALL=exit_at_once",
        "process",
        "failed: the plugin ended the process with exit code 4 during ",
    ),
    named(
        "AT_CALL=end_the_thread",
        "process",
        "failed: the plugin ended the process with SIGABRT during ",
    ),
    named(
        "AT_CALL=overflow_the_stack",
        "process",
        "failed: the plugin ended the process with SIGABRT during ",
    ),
    named(
        "AT_CALL=set_a_timer_with_a_signal",
        "process",
        "since 1 of its timers are still set",
    ),
    named(
        "AT_CALL=set_an_alarm",
        "process",
        "failed: it sets an alarm for the process (alarm, setitimer) while it serves: ",
    ),
    named(
        "AT_CALL=change_the_environment",
        "process",
        "failed: it changes the environment of the process ",
    ),
    named(
        "AT_CALL=put_own_memory_into_the_environment",
        "process",
        "failed: it changes the environment of the process ",
    ),
    named(
        "AT_CALL=replace_the_environment",
        "process",
        "failed: it changes the environment of the process ",
    ),
    named(
        "AT_CALL=change_the_locale",
        "process",
        "failed: it changes the locale of the process (setlocale) while it serves: ",
    ),
    named(
        "AT_CALL=limit_descriptors",
        "process",
        "(RLIMIT_NOFILE) while it serves: that belongs to the host, which does not let it",
    ),
    named(
        "AT_CALL=limit_descriptors_for_ever",
        "process",
        "(RLIMIT_NOFILE) while it serves: that belongs to the host, which does not let it",
    ),
    named(
        "AT_CALL=limit_files",
        "process",
        "(RLIMIT_FSIZE) while it serves: that belongs to the host, which does not let it",
    ),
    named(
        "AT_CREATE=limit_files",
        "process",
        "changes a limit of the process (RLIMIT_FSIZE); a component must not change that, and the host has refused it",
    ),
    named(
        "AT_CALL=close_the_streams",
        "process",
        "failed: it closes or replaces a standard stream of the process ",
    ),
    named(
        "AT_CALL=replace_the_output",
        "process",
        "failed: it closes or replaces a standard stream of the process ",
    ),
    named(
        "AT_CALL=change_the_folder",
        "process",
        "failed: it changes the working folder of the process while it serves: ",
    ),
    named(
        "AT_CREATE=change_the_folder",
        "process",
        "changes the working folder of the process; a component must not change that",
    ),
    named(
        "AT_CALL=change_the_mask",
        "process",
        "failed: it changes the file mode mask (umask) of the process while it serves: ",
    ),
    named(
        "AT_CALL=handle_a_signal",
        "process",
        "failed: it changes what the process does at signal 15 (SIGTERM) while it serves: ",
    ),
    named(
        "AT_CALL=die_by_broken_pipes",
        "process",
        "failed: it changes what the process does at signal 13 (SIGPIPE) while it serves: ",
    ),
    named(
        "AT_CALL=fork_and_go_on",
        "process",
        "failed: a process that it started is left behind: ",
    ),
    named(
        "AT_OPENING=change_the_environment",
        "rehearsal",
        "changes the environment of the process (setenv, putenv) when it is opened: ",
    ),
    named(
        "EXPORTS",
        "file",
        "warning: it exports `malloc`, `pthread_create` beside the entry function: ",
    ),
    named(
        "DESCRIPTOR=MESH_TEXT_INITIALIZER(\"{\\\"methods\\\":[],\\\"heath\\\":true}\")",
        "description",
        "warning: its descriptor has `heath`, which the contract does not know and hosts ignore: ",
    ),
];

/// Those for which a check has to wait until something takes too long. They are tried in the long form.
const NAMED_LATE: &[Named] = &[
    named(
        "AT_CALL=hang",
        "no-arguments",
        "failed: the plugin did not return within ",
    ),
    named(
        "AT_CALL=spin",
        "no-arguments",
        "failed: the plugin did not return within ",
    ),
    named(
        "AT_CALL=stop_the_process",
        "process",
        "failed: the plugin did not return within ",
    ),
    named(
        "AT_CREATE=start_a_thread",
        "process",
        "since 1 of its own threads still run: threads must have ended",
    ),
    named(
        "AT_CREATE=start_a_c11_thread",
        "process",
        "since 1 of its own threads still run: threads must have ended",
    ),
    named(
        "AT_CREATE=start_a_raw_thread",
        "process",
        "since 1 of its own threads still run: threads must have ended",
    ),
    named(
        "AT_CALL=set_a_timer",
        "process",
        "after its methods were called it stays in memory, since 1 of its ",
    ),
    named(
        "AT_CALL=allow_nothing",
        "no-arguments",
        "since one of its lanes is still busy: ",
    ),
    named(
        "AT_STOP=take_long",
        "lifecycle",
        "warning: STOP, `destroy` and unloading took ",
    ),
    named(
        "RUN=run",
        "lifecycle",
        "the component left its lane without being told to stop",
    ),
];

/// Deeds that no check names: they concern the component's own threads, keys or processes alone, and harm nobody.
const UNNAMED: &[&str] = &[
    "nothing",
    "rest",
    "start_threads_that_end",
    "limit_a_child",
    "block_signals",
    "take_another_signal_stack",
    "be_less_important",
    "register_handlers",
    "leave_a_key",
    "leave_a_c11_key",
    "use_half_a_mebibyte_of_stack",
];

/// Tried elsewhere, in a rehearsal: a process that is left behind in `create` would stay for ever, with the output of this test.
const ELSEWHERE: &str = "leave_a_process";

/// The report of some checks on one deed.
fn report(folder: &Folder, define: &str, checks: &str) -> Value {
    let name: String = define
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect();
    let file = folder.path().join(format!("lib{name}.so"));
    compile(&fixture("deeds.c"), &[define], &file).expect("the fixture compiles");
    let file = file.display().to_string();
    let limits = ["--rounds", "1", "--answer-time", "150", "--step-time", "5000"];
    let finished = mesh(&[&["check-plugin", &file, "--json", "--only", checks], &limits[..]].concat());
    serde_json::from_str(&finished.out).unwrap_or_else(|error| panic!("{define}: {error}: {finished:?}"))
}

/// Does something with each of these, two at a time: most of it is waiting.
fn each<T: Sync>(items: &[T], act: impl Fn(&T) + Sync) {
    let next = Mutex::new(items.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let item = next.lock().expect("nobody panics with it").next();
                    let Some(item) = item else { return };
                    act(item);
                }
            });
        }
    });
}

#[test]
fn each_deed_is_named_with_what_its_author_does_about_it_or_harms_nobody() {
    let text = std::fs::read_to_string(fixture("deeds.c")).expect("the fixture is there");
    let deeds = text.lines().filter_map(|line| line.strip_prefix("DEED void "));
    let deeds: BTreeSet<&str> = deeds
        .filter_map(|line| Some(line.split_once("(void) {")?.0))
        .collect();
    assert!(deeds.len() > 30, "the fixture has another form: {deeds:?}");
    let named = NAMED.iter().chain(NAMED_LATE);
    let named = named.filter_map(|named| Some(named.define.split_once('=')?.1));
    let listed: BTreeSet<&str> = named.chain(UNNAMED.iter().copied()).chain([ELSEWHERE]).collect();
    let missing: Vec<_> = deeds.difference(&listed).collect();
    assert!(missing.is_empty(), "{missing:?} are in no list");

    let folder = Folder::new("check-deeds");
    let is_named = |Named { define, check, says }: &Named| {
        let report = report(&folder, define, check);
        let found = findings(&report, check);
        assert!(
            found.iter().any(|finding| finding.contains(says)),
            "{define}: {says:?} is not in {found:#?}"
        );
    };
    each(NAMED, is_named);
    if std::env::var_os("MESH_TESTS_LONG").is_some() {
        each(NAMED_LATE, is_named);
    }
    each(UNNAMED, |deed| {
        let report = report(&folder, &format!("AT_CALL={deed}"), "process");
        assert_eq!(findings(&report, "process"), [""; 0], "{deed}");
    });
}
