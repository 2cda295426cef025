//! Thousands of swaps in one process: what a version took is given back when it goes.
//!
//! Enters: a component with a tokio runtime, threads and thread-locals in each call (`fixtures/churn`). It is swapped
//! again and again through the control socket while a client calls it. Leaves: threads, descriptors, mappings and
//! thread keys as after the first swaps, and a slope of memory. `MESH_TESTS_LONG=1` makes it 5,000 swaps and looks at
//! the slope, which a few hundred cannot show.

use mesh_tests::control;
use mesh_tests::host::{Folder, Host, library};
use mesh_tests::session::{self, Receiver, Sender};
use mesh_tests::swapping::answer_to;
use mesh_tests::turns;
use serde_json::{Value, json};
use std::time::Duration;

const SHORT: usize = 300;
const LONG: usize = 5_000;
/// Swaps before the first look: allocator and runtime take what they need once.
const WARM_UP: usize = 200;
/// Swaps between two looks.
const BETWEEN_LOOKS: usize = 20;
/// Most that a swap may cost for good, in kilobytes.
const MOST_PER_SWAP: f64 = 0.2;

/// The resources of the operating system that a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Memory of its own, in memory or swapped out.
    memory_kilobytes: usize,
    threads: usize,
    descriptors: usize,
    mappings: usize,
    keys: u64,
}

fn held(host: &Host) -> Held {
    let process = format!("/proc/{}", host.pid());
    let text = |name: &str| std::fs::read_to_string(format!("{process}/{name}")).expect("the host runs");
    let status = text("status");
    let number = |name: &str| -> usize {
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a line");
        let number = line.split_whitespace().nth(1).expect("a number");
        number.parse().expect("a number")
    };
    let descriptors = std::fs::read_dir(format!("{process}/fd")).expect("the host runs");
    Held {
        memory_kilobytes: number("RssAnon:") + number("VmSwap:"),
        threads: number("Threads:"),
        descriptors: descriptors.count(),
        mappings: text("maps").lines().filter(|line| line.contains(".so")).count(),
        keys: control::status(host)["thread_keys"].as_u64().expect("a number"),
    }
}

impl Held {
    /// No more than then, of what is counted in pieces.
    fn is_no_more_than(&self, then: &Held) -> bool {
        self.threads <= then.threads
            && self.descriptors <= then.descriptors
            && self.mappings <= then.mappings
            && self.keys <= then.keys
    }
}

/// Looks until there is no more than at the beginning: what is on its way out gets its time. At the beginning itself
/// the least of many looks counts.
fn settled(host: &Host, begun: Option<Held>) -> Held {
    let enough = |now: &Held, looks: usize| match &begun {
        Some(begun) => now.is_no_more_than(begun),
        None => looks >= 50,
    };
    let (mut now, mut looks) = (held(host), 1);
    while !enough(&now, looks) && looks < 500 {
        std::thread::sleep(Duration::from_millis(10));
        let next = held(host);
        now = if next.is_no_more_than(&now) { next } else { now };
        looks += 1;
    }
    now
}

/// The slope of a line through points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let middle = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (middle(|point| point.0), middle(|point| point.1));
    let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let across: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    along / across
}

async fn call((sender, receiver): &mut (Sender, Receiver), number: u64) -> Value {
    sender.call("TestNode/churn/churn", number, json!([])).await;
    answer_to(receiver, number).await
}

#[test]
fn the_slope_of_a_line_is_found() {
    let points: Vec<(f64, f64)> = (0..100).map(f64::from).map(|x| (x, 7.0 + 0.5 * x)).collect();
    assert!((slope(&points) - 0.5).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_swaps_leave_nothing_behind() {
    let _turn = turns::of_heavy_tests();
    let is_long = std::env::var_os("MESH_TESTS_LONG").is_some();
    let swaps = if is_long { LONG } else { SHORT };
    let folder = Folder::new("endurance");
    let churn = library("fixture-churn");
    let text = format!(
        "name = \"TestNode\"\n\n[[components]]\nname = \"churn\"\nlibrary = \"{}\"\n\n[swap]\nprobation_ms = 1\n",
        churn.display()
    );
    let host = Host::start(&folder.write("mesh.toml", &text), &[]);
    let mut session = session::open(host.addr()).await;
    let mut begun = None;
    let mut points = Vec::new();
    let mut times = Vec::new();
    for swap in 0..swaps {
        let answer = call(&mut session, swap as u64).await;
        assert_eq!(answer["status"], "ok", "swap {swap}: {answer}");
        let report = control::swap(&host, "churn", &churn, true).report();
        assert_eq!(report["ending"], "replaced", "swap {swap}: {report}");
        let milliseconds = |name: &str| report[name].as_f64().expect("a time");
        times.push((
            milliseconds("switched_after_milliseconds"),
            milliseconds("start_milliseconds"),
        ));
        let notes = report["notes"].as_array().expect("notes");
        assert!(
            !notes
                .iter()
                .any(|note| note.to_string().contains("still in memory")),
            "swap {swap}: {report}"
        );
        if swap >= WARM_UP && swap % BETWEEN_LOOKS == 0 {
            let now = settled(&host, begun);
            let begun = begun.get_or_insert(now);
            assert!(
                now.is_no_more_than(begun),
                "after swap {swap}: {now:?}, at the beginning {begun:?}"
            );
            points.push((swap as f64, now.memory_kilobytes as f64));
        }
    }
    let slope = slope(&points);
    let after = settled(&host, begun);
    println!("{swaps} swaps, {slope:.3} KB each\nbefore {begun:?}\nafter  {after:?}");
    times.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (part, (whole, own)) in [
        ("half of the swaps", times[swaps / 2]),
        ("99 %", times[swaps * 99 / 100]),
    ] {
        println!("{part} took at most {whole:.1} ms, loading and starting {own:.1} ms of that");
    }
    if is_long {
        assert!(
            slope < MOST_PER_SWAP,
            "each swap takes {slope:.3} KB for good: {points:?}"
        );
    }
    assert!(host.stop().success());
}
