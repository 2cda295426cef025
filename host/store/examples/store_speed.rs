//! Costs of a durable store on this machine. It prints sets a second with one and with many in flight, the time to
//! open many documents, and the memory of each.
//!
//! ```text
//! cargo run --release -p mesh-host --example store_speed -- FOLDER [DOCUMENTS]
//! ```
//!
//! FOLDER should be on the disk in question; memory file systems say nothing about fsync.

use mesh_store::{Durability, DurableStore, Options, PathPattern, Store};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const DATA: &str = r#"{"name":"some name","numbers":[1,2,3,4,5,6,7,8,9,10],"text":"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat.","ok":true}"#;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    if let Some(path) = std::env::var_os("STORE_SPEED_OPEN") {
        return open(Path::new(&path));
    }
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("name a folder on the disk in question")?);
    let documents = match arguments.next() {
        Some(number) => number.to_string_lossy().parse()?,
        None => 1_000_000,
    };
    let one = sets_a_second(&folder, 1)?;
    let many = sets_a_second(&folder, 256)?;
    println!(
        "sets/s   1 in flight {one:.0}, 256 in flight {many:.0}, ratio {:.0}",
        many / one
    );
    open_many(&folder, documents)
}

/// As many sets as fit into three seconds, `in_flight` of them at a time.
fn sets_a_second(folder: &Path, in_flight: u64) -> Outcome<f64> {
    let path = folder.join("store-speed-sets.redb");
    let _ = std::fs::remove_file(&path);
    let store = DurableStore::open(&path, &Options::default())?;
    let (acknowledge, acknowledged) = mpsc::channel();
    let set = |number: u64| -> Outcome<()> {
        // 32,768 paths, neighbours in time far from each other in order.
        let path = format!("/sets/{}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 49);
        let stored = store.set(&path, DATA)?;
        let acknowledge = acknowledge.clone();
        let then = move |result: Result<(), _>| drop(acknowledge.send(result));
        store.when_committed(stored.commit, Box::new(then));
        Ok(())
    };
    let started = Instant::now();
    for number in 0..in_flight {
        set(number)?;
    }
    let mut done = 0;
    while started.elapsed() < Duration::from_secs(3) {
        acknowledged.recv()??;
        done += 1;
        set(in_flight + done)?;
    }
    let rate = done as f64 / started.elapsed().as_secs_f64();
    store.close()?;
    println!(
        "         {in_flight} in flight: {} commits, file {} MB",
        store.health().commits,
        megabytes(&path)?
    );
    std::fs::remove_file(&path)?;
    Ok(rate)
}

fn open_many(folder: &Path, documents: u64) -> Outcome<()> {
    let path = folder.join("store-speed-many.redb");
    let _ = std::fs::remove_file(&path);
    let options = Options {
        durability: Durability::None,
        queue_bytes: usize::MAX,
        ..Options::default()
    };
    let started = Instant::now();
    let store = DurableStore::open(&path, &options)?;
    for number in 0..documents {
        let path = format!("/documents/{:04}/{number:08}", number / 200);
        store.set(&path, DATA)?;
    }
    drop(store);
    println!(
        "writing  {documents} documents in {:.1} s, file {} MB",
        started.elapsed().as_secs_f64(),
        megabytes(&path)?
    );
    // A process of its own: what writing has left in this one's memory does not count.
    let status = std::process::Command::new(std::env::current_exe()?)
        .env("STORE_SPEED_OPEN", &path)
        .status()?;
    if !status.success() {
        return Err("the process that opens the file has failed".into());
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

/// Opens a file and says what that took.
fn open(path: &Path) -> Outcome<()> {
    let before = resident_bytes()?;
    let started = Instant::now();
    let store = DurableStore::open(path, &Options::default())?;
    let took = started.elapsed();
    let (count, mut content) = (store.count(), 0);
    store.scan(&PathPattern::new("*"), &mut |path, document| {
        content += path.len() + document.data.len();
        true
    });
    let each = (resident_bytes()? - before) / count;
    println!(
        "opening  {count} documents in {:.2} s; each takes {each} bytes of memory, {} of them path and data",
        took.as_secs_f64(),
        content / count
    );
    let started = Instant::now();
    store.close()?;
    println!("closing  {:.2} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn resident_bytes() -> Outcome<usize> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = status.split(' ').nth(1).ok_or("no resident size")?.parse()?;
    Ok(pages * 4096)
}

fn megabytes(path: &Path) -> Outcome<u64> {
    Ok(std::fs::metadata(path)?.len() / 1_000_000)
}
