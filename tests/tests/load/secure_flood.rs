//! Crowds that never log in, and crowds that log in wrongly: sessions that are logged in are served on.
//!
//! Enters: connections that say nothing, or not enough, and wrong passwords over many names, while one client calls.
//! Leaves: that client's answers, and what the host holds afterwards. Guarantees: all calls are answered; threads return to about
//! what they were, and memory to what the allocator keeps for the next crowd. Rates are printed, and not asserted.
//!
//! Short by default; with `MESH_TESTS_LONG=1` there are 10,000 connections for a minute, and ten seconds of logins.

use mesh_tests::host::Host;
use mesh_tests::http;
use mesh_tests::secure::{Client, error, host, is_ok};
use mesh_tests::turns;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The memory that the host may hold more than before.
const KEPT_KIB: u64 = 48 * 1024;
/// The memory that the allocator may keep for each connection that there was.
const KEPT_KIB_OF_EACH: u64 = 16;

fn is_long() -> bool {
    std::env::var_os("MESH_TESTS_LONG").is_some()
}

/// A number of the host's `/proc/<pid>/status`.
fn status(host: &Host, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).expect("the host lives");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    number.and_then(|number| number.parse().ok()).expect("a number")
}

/// Calls until it is told to end; returns how many were answered, and the longest wait.
async fn call_on(mut client: Client, ends: Arc<AtomicBool>) -> (u64, Duration) {
    let (mut answered, mut longest) = (0, Duration::ZERO);
    while !ends.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let sum = client.call("calc/add", json!([answered, 1])).await;
        assert_eq!(sum, Ok(vec![json!(answered + 1)]));
        longest = longest.max(begin.elapsed());
        answered += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (answered, longest)
}

/// Waits until the host holds about what it held before.
async fn returns(host: &Host, field: &str, most: u64) -> u64 {
    let mut now = status(host, field);
    for _ in 0..150 {
        if now <= most {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        now = status(host, field);
    }
    now
}

/// How many descriptors this process may still open: a crowd is as large as the system lets it be.
fn room_for_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits can be read");
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    soft.unwrap_or(1024).saturating_sub(200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_cost_nobody_else_anything() {
    let _turn = turns::of_heavy_tests();
    let (wanted, time) = if is_long() { (10_000, 60) } else { (500, 3) };
    let crowd_size = wanted.min(room_for_connections());
    let host = host(&["happn.max_connections=20000"]);
    let client = Client::admin(&host).await;
    let (memory, threads) = (status(&host, "RssAnon"), status(&host, "Threads"));
    let ends = Arc::new(AtomicBool::new(false));
    let calls = tokio::spawn(call_on(client, ends.clone()));
    let begin = Instant::now();
    let mut crowd = Vec::new();
    for number in 0..crowd_size {
        let Ok(mut stream) = TcpStream::connect(host.addr()).await else {
            continue;
        };
        // Silent ones, half a request, a request without its end, and a websocket that stops behind its greeting.
        let said = match number % 4 {
            0 => String::new(),
            1 => "GET /primus HT".to_owned(),
            2 => format!("GET /primus HTTP/1.1\r\nHost: {}\r\nX-Long: ", host.addr()),
            _ => format!(
                "GET /primus HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                host.addr()
            ),
        };
        let _ = stream.write_all(said.as_bytes()).await;
        crowd.push(stream);
    }
    println!("{} connections after {:?}", crowd.len(), begin.elapsed());
    let late = Client::admin(&host).await;
    drop(late);
    tokio::time::sleep(Duration::from_secs(time)).await;
    let most = status(&host, "RssAnon");
    drop(crowd);
    ends.store(true, Ordering::Relaxed);
    let (answered, longest) = calls.await.expect("every call is answered");
    println!("{answered} calls answered, the slowest in {longest:?}");
    let bound = memory + KEPT_KIB + crowd_size as u64 * KEPT_KIB_OF_EACH;
    let after = returns(&host, "RssAnon", bound).await;
    println!("memory: {memory} KiB before, {most} KiB with them, {after} KiB after");
    assert!(after <= bound, "{memory} KiB became {after} KiB");
    let left = returns(&host, "Threads", threads + 4).await;
    assert!(left <= threads + 4, "{threads} threads became {left}");
    Client::admin(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_right_logins_succeed_during_a_flood_of_wrong_logins() {
    let _turn = turns::of_heavy_tests();
    let time = Duration::from_secs(if is_long() { 10 } else { 2 });
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("bob", "right", "G", json!({"/g/*": {"actions": ["*"]}}))
        .await;
    let carol = json!({"username": "carol", "password": "right"});
    admin.security("addUser", json!([carol])).await;
    let (memory, threads) = (status(&host, "RssAnon"), status(&host, "Threads"));
    let ends = Arc::new(AtomicBool::new(false));
    let calls = tokio::spawn(call_on(admin, ends.clone()));
    let (tried, busy) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let begin = Instant::now();
    let mut attackers = Vec::new();
    // Sessions wait for the answer to a login, so that only many of them are a flood.
    let most = if is_long() { 3000 } else { 300 };
    let are_over = Arc::new(AtomicBool::new(false));
    for attacker in 0..most.min(room_for_connections()) {
        let (tried, busy, address) = (tried.clone(), busy.clone(), host.addr());
        let are_over = are_over.clone();
        attackers.push(tokio::spawn(async move {
            let dialect = if attacker % 2 == 0 {
                "happn_4"
            } else {
                "happn_1.3.0"
            };
            // Most of them are where bob is, others elsewhere. Each guess has a name of its own.
            let last = if attacker % 3 == 0 {
                2 + (attacker % 5) as u8
            } else {
                1
            };
            let own = IpAddr::from([127, 0, 0, last]);
            let mut session = Client::open_from(own, address, dialect).await;
            let mut number = 0;
            while !are_over.load(Ordering::Relaxed) {
                let answer = session.login(&format!("name-{attacker}-{number}"), "wrong").await;
                assert!(!is_ok(&answer), "{answer}");
                number += 1;
                tried.fetch_add(1, Ordering::Relaxed);
                if error(&answer)["message"] != "Invalid credentials" {
                    busy.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    tokio::time::sleep(time).await;
    // A user with the right password gets in at each attempt: also one who was never there before, also over HTTP.
    // A session that is logged in may make users.
    for _ in 0..6 {
        for last in [1, 2, 99] {
            let own = IpAddr::from([127, 0, 0, last]);
            let mut bob = Client::open_from(own, host.addr(), "happn_4").await;
            let answer = bob.login("bob", "right").await;
            assert!(is_ok(&answer), "from {own}: {answer}");
            assert!(is_ok(&bob.get("/g/1").await));
        }
        let address = host.addr();
        let of_carol = move || http::get(address, "/auth/login?username=carol&password=right");
        let answer = tokio::task::spawn_blocking(of_carol).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let mut root = Client::admin(&host).await;
    for number in 0..5 {
        let user = json!({"username": format!("user-{number}"), "password": "new"});
        root.security("addUser", json!([user])).await;
    }
    are_over.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.await.expect("every login is answered");
    }
    let took = begin.elapsed();
    println!("{tried:?} logins refused in {took:?}, {busy:?} of them because there were too many");
    ends.store(true, Ordering::Relaxed);
    let (answered, longest) = calls.await.expect("every call is answered");
    println!("{answered} calls answered, the slowest in {longest:?}");
    let after = returns(&host, "RssAnon", memory + KEPT_KIB).await;
    println!("memory: {memory} KiB before, {after} KiB after");
    assert!(after <= memory + KEPT_KIB, "{memory} KiB became {after} KiB");
    let left = returns(&host, "Threads", threads + 4).await;
    assert!(left <= threads + 4, "{threads} threads became {left}");
}
