//! Deeds for which a library is refused, by a running host and by commands that only look.
//!
//! Enters: libraries that are wrong when they are opened, asked or closed. Leaves: one sentence about each. Guarantees: as above.

use super::{Stage, library};
use mesh_tests::host::{Folder, mesh};
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deed_at_the_opening_or_closing_of_a_library_is_refused_in_a_sentence_that_names_it() {
    let stage = Stage::new("deeds-opening");
    for (deed, says) in [
        (
            "AT_OPENING=exit_the_process",
            "ends the process with exit code 3 when it is opened",
        ),
        (
            "AT_OPENING=exit_at_once",
            "ends the process with exit code 4 when it is opened",
        ),
        ("AT_OPENING=overflow_the_stack", "ends the process with SIG"),
        (
            "AT_OPENING=stop_the_process",
            "did not return within 2000 ms when it is opened",
        ),
        (
            "AT_OPENING=spin",
            "did not return within 2000 ms when it is opened",
        ),
        ("AT_OPENING=allow_nothing", "when it is opened"),
        ("AT_OPENING=start_a_thread", "starts 1 thread when it is opened"),
        ("AT_OPENING=set_a_timer", "sets a timer when it is opened"),
        (
            "AT_OPENING=set_a_timer_with_a_signal",
            "sets a timer when it is opened",
        ),
        (
            "AT_OPENING=set_an_alarm",
            "sets an alarm for the process (alarm, setitimer) when it is opened",
        ),
        (
            "AT_OPENING=change_the_environment",
            "changes the environment of the process",
        ),
        (
            "AT_OPENING=put_own_memory_into_the_environment",
            "changes the environment of the process",
        ),
        (
            "AT_OPENING=replace_the_environment",
            "changes the environment of the process",
        ),
        (
            "AT_OPENING=change_the_locale",
            "changes the locale of the process (setlocale) when it is opened",
        ),
        (
            "AT_OPENING=limit_descriptors",
            "changes a limit of the process (RLIMIT_NOFILE) when it is opened",
        ),
        (
            "AT_OPENING=close_the_streams",
            "closes or replaces a standard stream of the process",
        ),
        (
            "AT_OPENING=die_by_broken_pipes",
            "changes what the process does at signal 13 (SIGPIPE)",
        ),
        ("AT_OPENING=fork_and_go_on", "starts a process when it is opened"),
        ("AT_OPENING=leave_a_process", "starts a process when it is opened"),
        (
            "AT_CLOSING=exit_the_process",
            "ends the process with exit code 3 when it is closed",
        ),
        ("AT_CLOSING=start_a_thread", "when it is closed"),
        ("AT_CLOSING=start_a_c11_thread", "when it is closed"),
        ("AT_CLOSING=start_a_raw_thread", "when it is closed"),
        (
            "AT_CLOSING=set_a_timer_with_a_signal",
            "sets a timer when it is closed",
        ),
        (
            "AT_CLOSING=leave_a_key",
            "ends the process with SIGSEGV when it is closed",
        ),
        (
            "AT_CLOSING=leave_a_c11_key",
            "ends the process with SIGSEGV when it is closed",
        ),
        (
            "AT_CLOSING=handle_a_signal",
            "changes what the process does at signal 15 (SIGTERM) when it is closed",
        ),
        (
            "AT_CLOSING=change_the_environment",
            "changes the environment of the process",
        ),
        ("AT_CLOSING=fork_and_go_on", "starts a process when it is closed"),
    ] {
        let bad = stage.library(&[deed]);
        let refused = stage.swap(&bad).await;
        assert_eq!(refused.code, 1, "{deed}: {refused:?}");
        assert!(refused.err.contains(says), "{deed}: {refused:?}");
        stage.answers("steady").await;
        stage.answers("loading").await;
    }
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_or_description_that_is_wrong_is_refused_in_a_sentence_that_names_it() {
    let stage = Stage::new("deeds-description");
    for (defines, says) in [
        (
            &["EXECUTABLE_STACK"][..],
            "it asks for a stack that can be executed",
        ),
        (&["HUGE"], "cannot be loaded: "),
        (
            &["FINDS_ITS_FUNCTION_BY_CRASHING"],
            "ends the process with SIGSEGV when it is opened",
        ),
        (
            &["NEEDS_A_FUNCTION"],
            "undefined symbol: a_function_that_nobody_defines",
        ),
        (&["ENTRY=NULL"], "its entry function returned no description"),
        (
            &["ENTRY=(const mesh_component *)(uintptr_t)4096"],
            "a pointer to memory that cannot be read",
        ),
        (
            &["ENTRY=(const mesh_component *)((uintptr_t)&component + 1)"],
            "its entry function returned no description",
        ),
        (
            &["ENTRY=(const mesh_component *)many"],
            "its description does not begin with ",
        ),
        (
            &["ENTRY=(crash(), &component)"],
            "ends the process with SIGSEGV when it is asked what it is",
        ),
        (
            &["ENTRY=(hang(), &component)"],
            "did not return within 2000 ms when it is asked what it is",
        ),
        (
            &["ENTRY=(exit(5), &component)"],
            "ends the process with exit code 5 when it is asked what it is",
        ),
        (
            &["SIZE=8"],
            "its description is shorter than the first version of the ABI",
        ),
        (
            &["TABLE=(const mesh_vtable *)(uintptr_t)4096"],
            "its table of functions is in memory that cannot be read",
        ),
        (
            &["CREATE=(void *)&no_code"],
            "names for `create` an address at which there is no code",
        ),
        (
            &["CREATE=(void *)(uintptr_t)8"],
            "names for `create` an address at which there is no code",
        ),
        (
            &["NAME={(const uint8_t *)8, 4}"],
            "its name points to memory that cannot be read",
        ),
        (
            &["NAME={many, SIZE_MAX}"],
            "its name has 18446744073709551615 bytes",
        ),
        (
            &["NAME=MESH_TEXT_INITIALIZER(\"\\xff\")"],
            "the component's name is not UTF-8 text",
        ),
        (
            &["DESCRIPTOR={many, sizeof many}"],
            "its descriptor has 5242880 bytes, and may have 4194304",
        ),
        (
            &["DESCRIPTOR={(const uint8_t *)8, 4}"],
            "its descriptor points to memory that cannot be read",
        ),
        (
            &["DESCRIPTOR=MESH_TEXT_INITIALIZER(\"{\\\"methods\\\":\\xff}\")"],
            "the component's descriptor is not UTF-8 text",
        ),
    ] {
        let bad = stage.library(defines);
        let refused = stage.swap(&bad).await;
        assert_eq!(refused.code, 1, "{defines:?}: {refused:?}");
        assert!(refused.err.contains(says), "{defines:?}: {refused:?}");
        stage.answers("steady").await;
    }
    stage.answers("loading").await;
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_that_the_host_opens_untried_holds_nobody_up_and_is_not_closed_under_its_threads() {
    let stage = Stage::with("deeds-untried", "rehearse = \"off\"");
    // Refused, with a thread that runs.
    let refused = stage
        .swap(&stage.library(&["AT_OPENING=start_a_thread", "SIZE=8"]))
        .await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("shorter than the first version"),
        "{refused:?}"
    );
    stage.answers("steady").await;
    // The dynamic loader is locked from here on.
    let refused = stage.swap(&stage.library(&["AT_OPENING=hang"])).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("did not return within 2000 ms"),
        "{refused:?}"
    );
    stage.answers("steady").await;
    stage.answers("loading").await;
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_only_look_name_the_deed_and_survive_it() {
    let folder = Folder::new("deeds-commands");
    for (deed, says) in [
        (
            "AT_OPENING=exit_the_process",
            "ends the process with exit code 3 when it is opened",
        ),
        (
            "AT_OPENING=change_the_environment",
            "changes the environment of the process",
        ),
        ("AT_OPENING=fork_and_go_on", "starts a process when it is opened"),
        (
            "AT_CLOSING=leave_a_c11_key",
            "ends the process with SIGSEGV when it is closed",
        ),
        (
            "ENTRY=(const mesh_component *)(uintptr_t)4096",
            "a pointer to memory that cannot be read",
        ),
    ] {
        let bad = library(&folder, &[deed]);
        let text = format!(
            "name = \"TestNode\"\n\n[[components]]\nname = \"loading\"\nlibrary = \"{}\"\n",
            bad.display()
        );
        let config = folder.write("mesh.toml", &text);
        let config = config.display().to_string();
        let bad = bad.display().to_string();
        for arguments in [&["inspect", &bad][..], &["check", "--config", &config]] {
            let looked = mesh(arguments);
            assert_ne!(looked.code, 0, "{deed}: {looked:?}");
            assert!(looked.err.contains(says), "{deed}: {looked:?}");
        }
        let checked = mesh(&["check-plugin", &bad, "--rounds", "1", "--answer-time", "200"]);
        assert_eq!(checked.code, 1, "{deed}: {checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_names_the_deed_of_a_library_and_changes_nothing() {
    let stage = Stage::new("deeds-plan");
    let bad = stage.library(&["AT_OPENING=limit_descriptors"]);
    let text = fs::read_to_string(&stage.config).expect("it is there");
    let good = stage.library(&[]).display().to_string();
    let place = text.rfind(&good).expect("it is named");
    let mut wanted = text.clone();
    wanted.replace_range(place..place + good.len(), &bad.display().to_string());
    fs::write(&stage.config, wanted).expect("it can be written");
    let config = stage.config.display().to_string();
    let planned = mesh(&["plan", "--config", &config]);
    let said = format!("{}{}", planned.out, planned.err);
    assert!(
        said.contains("changes a limit of the process (RLIMIT_NOFILE)"),
        "{planned:?}"
    );
    assert_ne!(planned.code, 0, "{planned:?}");
    stage.answers("loading").await;
    assert!(stage.host.stop().success());
}
