//! The control socket of a running host, as `mesh swap` uses it, without a process for each request.
//!
//! Enters: a request as a JSON document. Leaves: the replies, one JSON document each. Guarantees: a request goes to
//! the host that the test has started, whichever others run; a reply that does not come fails the test.

use crate::host::Host;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The replies to one request, as they come.
#[derive(Debug)]
pub struct Replies(Lines<BufReader<UnixStream>>);

/// The folder that the hosts of this user keep sockets and copies of libraries in.
pub fn run_folder() -> PathBuf {
    let user = std::fs::metadata("/proc/self").map_or(0, |about| about.uid());
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(folder) if folder.is_absolute() && folder.is_dir() => folder.join("mesh-host"),
        _ => std::env::temp_dir().join(format!("mesh-host-{user}")),
    }
}

/// Sends a request.
///
/// # Panics
///
/// When the host has no control socket.
pub fn send(host: &Host, request: &Value) -> Replies {
    let ending = format!("-{}.sock", host.pid());
    let socket = std::fs::read_dir(run_folder())
        .expect("the folder of sockets is there")
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().ends_with(&ending))
        .expect("the host has a control socket");
    let mut stream = UnixStream::connect(socket.path()).expect("it listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket has options");
    writeln!(stream, "{request}").expect("it reads");
    Replies(BufReader::new(stream).lines())
}

/// Asks for a swap; with `wait`, the last reply comes when the probation is over and the old version is gone.
///
/// # Panics
///
/// As [`send`].
pub fn swap(host: &Host, component: &str, library: &Path, wait: bool) -> Replies {
    let swap = json!({"component": component, "library": library});
    send(host, &json!({"command": "swap", "swap": swap, "wait": wait}))
}

/// The output of `mesh status --json`.
///
/// # Panics
///
/// When the host does not answer.
pub fn status(host: &Host) -> Value {
    send(host, &json!({"command": "status"})).last()["status"].clone()
}

impl Replies {
    fn reply(&mut self) -> Value {
        let line = self
            .0
            .next()
            .expect("the host replies")
            .expect("it replies in time");
        serde_json::from_str(&line).expect("a reply is JSON")
    }

    /// Waits until a step of a swap begins.
    ///
    /// # Panics
    ///
    /// When the swap ends without it.
    pub fn until_step(&mut self, step: &str) {
        loop {
            let reply = self.reply();
            let told = &reply["progress"];
            assert!(told.is_object(), "no step {step}: {reply}");
            if told["step"] == step {
                return;
            }
        }
    }

    /// The last reply.
    ///
    /// # Panics
    ///
    /// When the host ends without it.
    pub fn last(mut self) -> Value {
        loop {
            let reply = self.reply();
            if !reply["progress"].is_object() {
                return reply;
            }
        }
    }

    /// The report of a swap whose new version serves now.
    ///
    /// # Panics
    ///
    /// When the swap was refused or rolled back.
    pub fn report(self) -> Value {
        let reply = self.last();
        let report = &reply["report"];
        assert!(
            report["ending"].is_null() || report["ending"] == "replaced",
            "the swap went wrong: {reply}"
        );
        assert!(report.is_object(), "{reply}");
        report.clone()
    }
}
