//! Replays the recordings of real servers and clients against the host.
//!
//! Enters: `traces/*.jsonl`, the rules of `traces/deviations.toml`, a host that is started afresh for each recording.
//! Leaves: a report per recording. Guarantees: a group passes only if nothing but documented deviations was found;
//! every recording belongs to exactly one group.
//!
//! The recordings about heartbeats take five minutes; they run when `MESH_TESTS_LONG=1`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_tests::host::Host;
use mesh_tests::trace::{self, Options, Report, Rules};

/// First generation sessions without a mesh around them.
const FIRST_GENERATION: &[&str] = &[
    "era-session-unsecure",
    "era-transport",
    "era-set-get",
    "era-get-options",
    "era-remove",
    "era-subscribe",
    "era-publish",
    "era-misc",
];
/// The same for the second generation, and its older dialects.
const SECOND_GENERATION: &[&str] = &[
    "modern-session-unsecure",
    "modern-browser-session",
    "modern-transport",
    "modern-set-get",
    "modern-get-options",
    "modern-remove",
    "modern-subscribe",
    "modern-depth",
    "modern-publish",
    "modern-misc",
    "modern-legacy-happn2",
    "modern-legacy-happn3",
];
/// Published happn clients.
const CLIENTS: &[&str] = &[
    "era-client-1.13.2",
    "era-client-3.1.1",
    "modern-client-5.3.1",
    "modern-client-7.3.2",
    "modern-client-8.2.7",
    "modern-client-10.6.0",
    "modern-client-12.1.10",
    "modern-client-13.12.1",
];
/// Calls and events of first generation happner clients.
const FIRST_GENERATION_MESH: &[&str] = &[
    "era-mesh-client-2.0.0",
    "era-exchange-insecure-client-1.0.0",
    "era-exchange-insecure-client-1.2.4",
    "era-exchange-edge-cases-raw",
    "era-events-insecure-client-1.2.4",
    "era-meshclient-insecure",
    "era-reconnect-client-1.2.4",
    "era-endpoint-node-to-node-insecure",
];
/// Calls and events of second generation happner clients.
const SECOND_GENERATION_MESH: &[&str] = &[
    "modern-mesh-client-12.7.6",
    "modern-exchange-insecure-client-5.1.0",
    "modern-exchange-insecure-client-12.7.6",
    "modern-exchange-edge-cases-raw",
    "modern-events-insecure-client-8.1.2",
    "modern-events-insecure-client-12.7.6",
    "modern-meshclient-insecure",
    "modern-light-client-insecure",
    "modern-reconnect-client-12.7.6",
    "modern-endpoint-node-to-node-insecure",
];
/// Heartbeats and idle connections.
const HEARTBEATS: &[&str] = &["era-heartbeat", "modern-heartbeat"];

/// How far the recordings of heartbeats are followed.
const HEARTBEATS_UNTIL: Duration = Duration::from_secs(300);

#[tokio::test]
async fn sessions_of_the_first_generation() {
    replay(
        FIRST_GENERATION,
        &trace::folder().join("mesh.toml"),
        Options::default(),
    )
    .await;
}

#[tokio::test]
async fn sessions_of_the_second_generation() {
    replay(
        SECOND_GENERATION,
        &trace::folder().join("mesh.toml"),
        Options::default(),
    )
    .await;
}

#[tokio::test]
async fn published_happn_clients() {
    replay(CLIENTS, &trace::folder().join("mesh.toml"), Options::default()).await;
}

#[tokio::test]
async fn calls_and_events_of_the_first_generation() {
    replay(FIRST_GENERATION_MESH, &lab(), Options::default()).await;
}

#[tokio::test]
async fn calls_and_events_of_the_second_generation() {
    replay(SECOND_GENERATION_MESH, &lab(), Options::default()).await;
}

#[tokio::test]
async fn recorded_heartbeats_are_answered() {
    if std::env::var_os("MESH_TESTS_LONG").is_none() {
        println!(
            "heartbeats are replayed for their first seconds only; MESH_TESTS_LONG=1 replays five minutes"
        );
        return replay(HEARTBEATS, &trace::folder().join("mesh.toml"), Options::default()).await;
    }
    let options = Options {
        real_time: HEARTBEATS_UNTIL,
        ..Options::default()
    };
    replay(HEARTBEATS, &trace::folder().join("mesh.toml"), options).await;
}

#[test]
fn every_recording_belongs_to_one_group() {
    let groups = [
        FIRST_GENERATION,
        SECOND_GENERATION,
        CLIENTS,
        FIRST_GENERATION_MESH,
        SECOND_GENERATION_MESH,
        HEARTBEATS,
    ];
    let mut grouped: Vec<String> = groups.concat().into_iter().map(str::to_owned).collect();
    grouped.sort();
    let folder = std::fs::read_dir(trace::folder()).expect("the folder of recordings can be read");
    let mut recordings: Vec<String> = folder
        .map(|file| file.expect("its files can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .map(|path| {
            path.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    recordings.sort();
    assert_eq!(grouped, recordings);
}

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/mesh.toml")
}

/// Replays a group, each recording against a host of its own, and fails with all mismatches at once.
async fn replay(names: &[&str], config: &Path, options: Options) {
    let rules = Rules::load(&trace::folder().join("deviations.toml")).expect("the rules can be read");
    let mut failed: Vec<Report> = Vec::new();
    for name in names {
        let host = Host::start(config, &["happn.port=0"]);
        let file = trace::folder().join(format!("{name}.jsonl"));
        let report = trace::replay_file(host.addr(), &file, &rules, options)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        print!("{report}");
        if !report.is_clean() {
            failed.push(report);
        }
    }
    let mismatches: usize = failed.iter().map(|report| report.mismatches.len()).sum();
    let traces: Vec<&str> = failed.iter().map(|report| report.trace.as_str()).collect();
    assert!(
        failed.is_empty(),
        "{mismatches} mismatches in {}",
        traces.join(", ")
    );
}
