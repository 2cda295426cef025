//! Disks that fail.

use super::disk::{Disk, Fault};
use super::*;
use mesh_choices::Choices;
use std::collections::BTreeMap;

fn on(disk: &Disk, options: &Options) -> DurableStore {
    let file = StoreFile::with_backend(disk.clone(), Path::new("the disk")).unwrap();
    DurableStore::of_file(file, options).unwrap()
}

/// Writes until a commit fails. Returns what was acknowledged, and what was written at all.
#[allow(clippy::type_complexity)]
fn until_failure(
    store: &DurableStore,
    choices: &mut Choices,
) -> (BTreeMap<String, String>, Vec<(String, Option<String>)>) {
    let mut acknowledged = BTreeMap::new();
    for round in 0..10_000 {
        let mut batch = Vec::new();
        for number in 0..choices.below(20) {
            let path = format!("/{}", choices.below(40));
            let made = if choices.below(4) == 0 {
                let removed = store.remove(&PathPattern::new(&path), &mut |_, _| true);
                removed.map(|(_, commit)| (commit, None))
            } else {
                let length = choices.below(3000);
                let data = format!(r#"{{"round":{round},"n":{number},"x":"{}"}}"#, "x".repeat(length));
                store.set(&path, &data).map(|stored| (stored.commit, Some(data)))
            };
            match made {
                Ok((commit, data)) => batch.push((path, data, commit)),
                Err(error) => {
                    assert_eq!(error.kind(), StoreErrorKind::ReadOnly);
                    break;
                }
            }
        }
        let outcomes: Vec<_> = batch
            .iter()
            .map(|(_, _, commit)| outcome(store, *commit))
            .collect();
        let mut lost = Vec::new();
        for ((path, data, _), outcome) in batch.into_iter().zip(outcomes) {
            match (outcome, &data) {
                (Ok(()), Some(data)) => drop(acknowledged.insert(path, data.clone())),
                (Ok(()), None) => drop(acknowledged.remove(&path)),
                (Err(error), _) => {
                    assert_eq!(error.kind(), StoreErrorKind::ReadOnly);
                    lost.push((path, data));
                }
            }
        }
        if store.health().failure.is_some() {
            return (acknowledged, lost);
        }
    }
    panic!("the disk has not failed");
}

fn story(seed: u64, fault: Fault) {
    let mut choices = Choices::new(seed);
    let disk = Disk::default();
    let store = on(&disk, &Options::default());
    disk.fail(fault, choices.below(300) as u64);
    let (acknowledged, lost) = until_failure(&store, &mut choices);
    let what = format!("seed {seed}, {fault:?}");
    // A write that only removed what was not there has nothing to lose.
    let shown: BTreeMap<String, String> = content(&store).into_iter().collect();
    assert!(
        shown == acknowledged,
        "{what}: readers see what was not acknowledged, or miss what was"
    );
    let refused = store.set("/new", "{}").unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::ReadOnly, "{what}");
    assert!(
        refused
            .to_string()
            .starts_with("the store takes no more writes until the host is started again: the disk"),
        "{refused}"
    );
    assert!(store.get("/new").is_none(), "{what}");
    assert!(store.close().is_err(), "{what}");
    drop(store);
    // All acknowledged writes come back, and the failed commit as a whole or not at all.
    for bytes in [disk.synced(), disk.bytes()] {
        let back = on(&Disk::of(bytes), &Options::default());
        assert!(back.damaged().is_empty(), "{what}");
        let found: BTreeMap<String, String> = content(&back).into_iter().collect();
        // The commit that failed took some of what was lost, and what came behind it was not tried.
        let mut state = acknowledged.clone();
        let mut is_some_prefix = found == state;
        for (path, data) in &lost {
            match data {
                Some(data) => drop(state.insert(path.clone(), data.clone())),
                None => drop(state.remove(path)),
            }
            is_some_prefix |= found == state;
        }
        assert!(is_some_prefix, "{what}");
    }
}

#[test]
fn a_full_disk_loses_no_acknowledged_write() {
    (0..15).for_each(|seed| story(seed, Fault::Full));
}

#[test]
fn a_disk_that_writes_halves_loses_no_acknowledged_write() {
    (100..115).for_each(|seed| story(seed, Fault::ShortWrites));
}

#[test]
fn a_disk_that_does_not_sync_loses_no_acknowledged_write() {
    (200..215).for_each(|seed| story(seed, Fault::Sync));
}

#[test]
fn a_disk_that_forgets_a_failed_sync_loses_no_acknowledged_write() {
    (300..315).for_each(|seed| story(seed, Fault::SyncOnce));
}

#[test]
fn a_file_that_cannot_grow_fails_writes() {
    (400..405).for_each(|seed| {
        let mut choices = Choices::new(seed);
        let disk = Disk::default();
        let store = on(&disk, &Options::default());
        disk.fail(Fault::NoGrowth, 0);
        let data = format!(r#"{{"x":"{}"}}"#, "x".repeat(200_000));
        let mut written = 0;
        let error = loop {
            let commit = match store.set(&format!("/{}", choices.number()), &data) {
                Ok(stored) => stored.commit,
                Err(error) => break error,
            };
            match outcome(&store, commit) {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("no storage space"), "{error}");
        assert_eq!(store.count(), written);
    });
}

#[test]
fn an_interval_that_cannot_be_kept_is_rolled_back_as_well() {
    let disk = Disk::default();
    let options = Options {
        durability: Durability::None,
        ..Options::default()
    };
    let store = on(&disk, &options);
    store.set("/a", r#"{"n":1}"#).unwrap();
    store.close().unwrap();
    let disk = Disk::of(disk.synced());
    let store = on(&disk, &options);
    disk.fail(Fault::Sync, 0);
    store.set("/a", r#"{"n":2}"#).unwrap();
    store.remove(&PathPattern::new("/*"), &mut |_, _| true).unwrap();
    store.set("/b", "{}").unwrap();
    assert_eq!(content(&store), [("/b".to_owned(), "{}".to_owned())]);
    assert_eq!(store.close().unwrap_err().kind(), StoreErrorKind::ReadOnly);
    assert_eq!(content(&store), [("/a".to_owned(), r#"{"n":1}"#.to_owned())]);
}

#[test]
fn a_really_full_file_system_fails_writes() {
    let folder = Folder::new();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "none"])
        .arg(&folder.0)
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: this user may not mount a file system of its own");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
        let (acknowledged, _) = until_failure_of_space(&store);
        assert_eq!(content(&store), acknowledged);
        drop(store);
        // Opened again it answers, and nobody else opens it meanwhile.
        let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
        let mut expected = content(&store);
        // The commit that failed may be there as a whole.
        let count = expected.len();
        assert!(
            count <= acknowledged.len() + 1,
            "{count} of {}",
            acknowledged.len()
        );
        assert!(
            expected.starts_with(&acknowledged),
            "{count} of {}",
            acknowledged.len()
        );
        let other = StoreFile::open(&folder.file(), IfMissing::Refuse).err().unwrap();
        assert_eq!(other.kind(), FileErrorKind::InUse, "{other}");
        if let Some(failure) = store.health().failure {
            assert!(
                failure.to_string().contains("until the disk has room"),
                "{failure}"
            );
            let refused = store.set("/new", "{}").unwrap_err();
            assert_eq!(refused.kind(), StoreErrorKind::ReadOnly);
        }
        // With room again it takes writes by itself.
        let bigger = std::process::Command::new("mount")
            .args(["-o", "remount,size=40m"])
            .arg(&folder.0)
            .status();
        assert!(bigger.unwrap().success());
        while store.health().failure.is_some() {
            std::thread::sleep(Duration::from_millis(50));
        }
        set(&store, "/new", "{}");
        store.close().unwrap();
        drop(store);
        expected.push(("/new".to_owned(), "{}".to_owned()));
        expected.sort();
        let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
        assert_eq!(content(&store), expected);
    });
    let _ = std::process::Command::new("umount").arg(&folder.0).status();
    result.unwrap();
}

#[allow(clippy::type_complexity)]
fn until_failure_of_space(store: &DurableStore) -> (Vec<(String, String)>, StoreError) {
    let data = format!(r#"{{"x":"{}"}}"#, "x".repeat(100_000));
    let mut acknowledged = Vec::new();
    loop {
        let path = format!("/{:05}", acknowledged.len());
        let commit = store.set(&path, &data).unwrap().commit;
        match outcome(store, commit) {
            Ok(()) => acknowledged.push((path, data.clone())),
            Err(error) => return (acknowledged, error),
        }
    }
}
