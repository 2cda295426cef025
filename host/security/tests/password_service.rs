//! The threads that verify passwords, alone in a process: what a flood of wrong ones costs, and what it leaves behind.

use mesh_security::password::{MEMORY_KIB, Verdict};
use mesh_security::passwords::Passwords;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Passwords that are tried at once: many more than may wait.
const FLOOD: usize = 2_000;

/// Where all of them come from.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How long a test waits for what happens in the background.
const PATIENCE: Duration = Duration::from_secs(60);

/// A number of KiB from the process's status.
fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The nice value of a thread, from its line in `stat`.
fn nice_value(stat: &str) -> i32 {
    // Behind the name: state is the third field, nice the nineteenth.
    let behind = stat.rsplit(") ").next().unwrap();
    behind.split(' ').nth(16).unwrap().parse().unwrap()
}

/// The nice value of each thread of the service.
fn nice_values() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads
        // A thread may have ended since it was listed.
        .filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).ok())
        .filter(|stat| stat.contains("(password)"))
        .map(|stat| nice_value(&stat))
        .collect()
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_is_turned_away_and_leaves_no_memory_behind() {
    let passwords = Arc::new(Passwords::start().unwrap());
    let stored = passwords.hash("bob", "right".to_owned()).await.unwrap();
    let before = status("VmRSS:");

    let mut attempts = JoinSet::new();
    for number in 0..FLOOD {
        let (passwords, known) = (Arc::clone(&passwords), number % 2 == 0);
        let stored = known.then(|| stored.clone());
        attempts.spawn(async move {
            let name = format!("name {number}");
            let who = (ADDRESS, &*name);
            passwords.verify(who, "wrong".to_owned(), stored).await
        });
    }
    // A right password gets in beside them, and is the only one.
    let bob = (ADDRESS, "bob");
    let verdict = passwords.verify(bob, "right".to_owned(), Some(stored)).await;
    assert_eq!(verdict.unwrap(), Verdict::Right { outdated: false });
    let (busy, wrong): (Vec<_>, Vec<_>) = attempts.join_all().await.into_iter().partition(Result::is_err);
    let is_wrong = |verdict: &Result<_, _>| matches!(verdict, Ok(Verdict::Wrong));
    assert!(wrong.iter().all(is_wrong));
    assert!(
        busy.len() >= FLOOD / 2,
        "only {} of {FLOOD} were turned away",
        busy.len()
    );
    let own = nice_value(&fs::read_to_string("/proc/self/stat").unwrap());
    let expected = (own + 10).min(19);
    assert!(
        nice_values().iter().all(|nice| *nice == expected),
        "{:?}, and the process has {own}",
        nice_values()
    );
    assert!(!nice_values().is_empty());

    // The memory in which one password is hashed has to be gone, too: the threads give it back when nothing waits.
    let limit = before + u64::from(MEMORY_KIB) / 4;
    let start = Instant::now();
    while status("VmRSS:") > limit {
        assert!(
            start.elapsed() < PATIENCE,
            "{} KiB before, {} KiB now",
            before,
            status("VmRSS:")
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    drop(passwords);
    while !nice_values().is_empty() {
        assert!(start.elapsed() < PATIENCE, "threads are left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
