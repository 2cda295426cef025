//! Replays recorded traces against a running server: `replay [--real-time SECONDS] ADDR FILE…`.
//!
//! Enters: the address of a server and recordings. Leaves: one report per recording on stdout. Guarantees: the
//! exit status is 0 only if nothing mismatched.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use mesh_tests::trace::{self, Options, Rules};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<bool, String> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut options = Options::default();
    if let Some(position) = arguments.iter().position(|argument| argument == "--real-time") {
        let seconds: u64 = arguments
            .get(position + 1)
            .and_then(|seconds| seconds.parse().ok())
            .ok_or("--real-time needs a number of seconds")?;
        options.real_time = Duration::from_secs(seconds);
        arguments.drain(position..position + 2);
    }
    let (addr, files) = arguments
        .split_first()
        .ok_or("usage: replay [--real-time SECONDS] ADDR FILE…")?;
    let addr: SocketAddr = addr.parse().map_err(|error| format!("{addr}: {error}"))?;
    let rules = Rules::load(&trace::folder().join("deviations.toml")).map_err(|error| error.to_string())?;
    let mut clean = true;
    for file in files {
        let report = trace::replay_file(addr, &PathBuf::from(file), &rules, options)
            .await
            .map_err(|error| error.to_string())?;
        print!("{report}");
        clean &= report.is_clean();
    }
    Ok(clean)
}
