//! Many writes, few commits.

use super::disk::Disk;
use super::*;
use std::time::Instant;

fn on(disk: &Disk, options: &Options) -> DurableStore {
    let file = StoreFile::with_backend(disk.clone(), Path::new("the disk")).unwrap();
    DurableStore::of_file(file, options).unwrap()
}

/// How many sets are acknowledged in a time, with so many in flight.
fn sets(store: &DurableStore, in_flight: u64, time: Duration) -> u64 {
    let (tell, received) = mpsc::channel();
    let set = |number: u64| {
        let stored = store
            .set(&format!("/{}", number % 1000), r#"{"some":"data"}"#)
            .unwrap();
        let tell = tell.clone();
        store.when_committed(stored.commit, Box::new(move |result| drop(tell.send(result))));
    };
    (0..in_flight).for_each(set);
    let (started, mut done) = (Instant::now(), 0);
    while started.elapsed() < time {
        received.recv().unwrap().unwrap();
        done += 1;
        set(in_flight + done);
    }
    done
}

#[test]
fn writers_share_the_sync() {
    let disk = Disk::default();
    let store = on(&disk, &Options::default());
    // A disk as people have them; what is measured is what is made of it.
    disk.sync_takes(Duration::from_millis(3));
    let time = Duration::from_millis(500);
    // More than once: other processes may want the processor as well.
    let rounds: Vec<(u64, u64)> = (0..3)
        .map(|_| (sets(&store, 1, time), sets(&store, 256, time)))
        .collect();
    println!("sets with one and with 256 in flight: {rounds:?}");
    assert!(rounds.iter().any(|(one, many)| *many > 50 * one), "{rounds:?}");
}

#[test]
fn a_path_that_is_written_often_is_written_once_a_commit() {
    let disk = Disk::default();
    let store = on(&disk, &Options::default());
    disk.sync_takes(Duration::from_millis(100));
    let first = store.set("/first", "{}").unwrap().commit;
    let before = disk.syncs();
    let last = (0..1000)
        .map(|number| store.set("/a", &format!(r#"{{"n":{number}}}"#)).unwrap().commit)
        .last()
        .unwrap();
    outcome(&store, first).unwrap();
    outcome(&store, last).unwrap();
    assert!(disk.syncs() - before <= 3, "{} syncs", disk.syncs() - before);
    assert_eq!(store.health().waiting, 0);
    let survived = on(&Disk::of(disk.synced()), &Options::default());
    assert_eq!(&*survived.get("/a").unwrap().data, r#"{"n":999}"#);
}

#[test]
fn callbacks_come_in_the_order_of_commits() {
    let disk = Disk::default();
    let store = on(&disk, &Options::default());
    disk.sync_takes(Duration::from_millis(50));
    let commits: Vec<Commit> = (0..100)
        .map(|number| store.set(&format!("/{number}"), "{}").unwrap().commit)
        .collect();
    let (tell, received) = mpsc::channel();
    for (number, commit) in commits.iter().enumerate().rev() {
        let tell = tell.clone();
        let then: Committed = Box::new(move |_| {
            let _ = tell.send(number);
        });
        store.when_committed(*commit, then);
    }
    let order: Vec<usize> = received.iter().take(100).collect();
    // The first commit may have been on its way alone, and done before its callback was there.
    assert!(order[1..].is_sorted() || order.is_sorted(), "{order:?}");
}

#[test]
fn an_interval_acknowledges_at_once_and_syncs_in_its_time() {
    let disk = Disk::default();
    let options = Options {
        durability: Durability::Interval,
        interval: Duration::from_millis(200),
        ..Options::default()
    };
    let store = on(&disk, &options);
    let (before, started) = (disk.syncs(), Instant::now());
    let mut written = 0;
    while started.elapsed() < Duration::from_millis(900) {
        let stored = store.set(&format!("/{}", written % 50), "{}").unwrap();
        assert_eq!(stored.commit, Commit::Done);
        written += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    let syncs = disk.syncs() - before;
    assert!((2..=5).contains(&syncs), "{syncs} syncs in 0.9 s");
    std::thread::sleep(Duration::from_millis(400));
    let survived = on(&Disk::of(disk.synced()), &Options::default());
    assert_eq!(survived.count(), 50);
}

#[test]
fn nothing_is_synced_early_and_nothing_is_lost_by_a_stop_with_none() {
    let disk = Disk::default();
    let options = Options {
        durability: Durability::None,
        ..Options::default()
    };
    let store = on(&disk, &options);
    let before = disk.syncs();
    for number in 0..1000 {
        store.set(&format!("/{number}"), "{}").unwrap();
    }
    assert_eq!(disk.syncs(), before);
    store.close().unwrap();
    assert_eq!(on(&Disk::of(disk.synced()), &Options::default()).count(), 1000);
}

#[test]
fn a_full_queue_says_busy_and_takes_writes_again_later() {
    let disk = Disk::default();
    let options = Options {
        queue_bytes: 10_000,
        ..Options::default()
    };
    let store = on(&disk, &options);
    disk.sync_takes(Duration::from_millis(100));
    let mut last = Commit::Done;
    let refused = loop {
        match store.set("/a", r#"{"some":"data"}"#) {
            Ok(stored) => last = stored.commit,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), StoreErrorKind::Busy);
    let before = content(&store);
    assert_eq!(
        store
            .remove(&PathPattern::new("*"), &mut |_, _| true)
            .unwrap_err()
            .kind(),
        StoreErrorKind::Busy
    );
    assert_eq!(content(&store), before);
    outcome(&store, last).unwrap();
    set(&store, "/a", "{}");
}

#[test]
fn a_callback_that_panics_and_one_that_drops_the_store_hurt_nobody() {
    let folder = Folder::new();
    let store = Arc::new(DurableStore::open(&folder.file(), &Options::default()).unwrap());
    let commit = store.set("/a", "{}").unwrap().commit;
    store.when_committed(commit, Box::new(|_| panic!("on purpose")));
    set(&store, "/b", "{}");
    let commit = store.set("/c", "{}").unwrap().commit;
    let (tell, received) = mpsc::channel::<()>();
    let (go, gone) = mpsc::channel::<()>();
    let own = store.clone();
    store.when_committed(
        commit,
        Box::new(move |_| {
            let _ = gone.recv();
            drop((own, tell));
        }),
    );
    drop(store);
    drop(go);
    assert!(received.recv().is_err());
    let reopened = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        DurableStore::open(&folder.file(), &Options::default()).ok()
    });
    assert_eq!(reopened.unwrap().count(), 3);
}
