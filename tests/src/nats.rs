//! Real NATS servers, for tests of clusters.
//!
//! Enters: lines of a configuration. Leaves: a process of `nats-server` on loopback, with its address. Guarantees: each server has a
//! port of its own, which the kernel chose and which it keeps when it is started again. It ends with the value that stands for it.

use crate::host::Folder;
use crate::tools::{Tool, try_out};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// The variable that names another program.
const PROGRAM: &str = "MESH_NATS_SERVER";

/// A `nats-server` of one test.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    port: u16,
    configuration: PathBuf,
    environment: Vec<(String, String)>,
    folder: Folder,
}

impl NatsServer {
    /// Starts one with its defaults.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    pub fn start() -> NatsServer {
        NatsServer::with("")
    }

    /// Starts one with these lines in its configuration.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    pub fn with(configuration: &str) -> NatsServer {
        NatsServer::with_environment(configuration, Vec::new())
    }

    /// The same, with these variables in its environment, which the configuration may name.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    pub fn with_environment(configuration: &str, environment: Vec<(String, String)>) -> NatsServer {
        let folder = Folder::new("nats");
        let configuration = folder.write("nats.conf", configuration);
        let started = listen(&folder, &configuration, &environment, None);
        let (child, port) = started.unwrap_or_else(|log| panic!("{log}"));
        NatsServer {
            child,
            port,
            configuration,
            environment,
            folder,
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port for other servers, where its configuration has a cluster.
    ///
    /// # Panics
    ///
    /// When it has none.
    pub fn cluster_port(&self) -> u16 {
        let text = std::fs::read(ports_file(&self.folder, &self.child)).unwrap_or_default();
        port_in(&text, "cluster").expect("the configuration of the server has a cluster")
    }

    /// Its address, as settings have it.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The address for connections with TLS.
    pub fn tls_url(&self) -> String {
        format!("tls://127.0.0.1:{}", self.port)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        log(&self.folder)
    }

    /// Ends it without a word, as a machine does that loses its power.
    ///
    /// # Panics
    ///
    /// When it is gone already.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server is there");
        self.child.wait().expect("the server can be waited for");
    }

    /// Starts it again after its end, with the same port and, if there is one, with another configuration.
    ///
    /// # Panics
    ///
    /// When it does not listen.
    pub fn start_again(&mut self, configuration: Option<&str>) {
        if let Some(configuration) = configuration {
            self.folder.write("nats.conf", configuration);
        }
        let until = Instant::now() + PATIENCE;
        loop {
            // Somebody else's connection may have the port for a moment.
            match listen(
                &self.folder,
                &self.configuration,
                &self.environment,
                Some(self.port),
            ) {
                Ok((child, _)) => {
                    self.child = child;
                    return;
                }
                Err(log) => assert!(Instant::now() < until, "{log}"),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops its process, so that it takes and says nothing until [`NatsServer::go_on`].
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets a process go on that was stopped.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill can be run").success(), "the server is gone");
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether there is a server to test with. Where there is none, that is printed.
pub fn is_there() -> bool {
    Tool::NatsServer.is_there()
}

/// Why there is no server that can be run.
pub(crate) fn look_for() -> Option<String> {
    try_out(program(), &["--version"])
}

/// Debian puts it where not every user looks for programs.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os(PROGRAM) {
        return PathBuf::from(named);
    }
    let of_debian = Path::new("/usr/sbin/nats-server");
    match of_debian.exists() {
        true => of_debian.to_owned(),
        false => PathBuf::from("nats-server"),
    }
}

/// Starts a process and waits until it listens. The error is its log.
fn listen(
    folder: &Folder,
    configuration: &Path,
    environment: &[(String, String)],
    port: Option<u16>,
) -> Result<(Child, u16), String> {
    let output = File::create(folder.path().join("log")).expect("a log can be made");
    let port = port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let mut child = Command::new(program())
        .args(["--addr", "127.0.0.1", "--port", &port])
        .arg("--config")
        .arg(configuration)
        .arg("--ports_file_dir")
        .arg(folder.path())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("the log can be shared"))
        .stderr(output)
        .spawn()
        .expect("nats-server can be run");
    // It writes this file when it listens.
    let ports = ports_file(folder, &child);
    let until = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read(&ports).unwrap_or_default();
        if let Some(port) = port_in(&text, "nats") {
            return Ok((child, port));
        }
        let has_ended = child.try_wait().expect("the server can be waited for").is_some();
        if has_ended || Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("nats-server does not listen\n{}", log(folder)));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The file that a server writes its ports to.
fn ports_file(folder: &Folder, child: &Child) -> PathBuf {
    folder.path().join(format!("nats-server_{}.ports", child.id()))
}

/// The port of this use in the file that a server writes, once it is complete.
fn port_in(text: &[u8], used: &str) -> Option<u16> {
    let ports: serde_json::Value = serde_json::from_slice(text).ok()?;
    let url = ports.get(used)?.get(0)?.as_str()?;
    url.rsplit_once(':')?.1.parse().ok()
}

fn log(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join("log")).unwrap_or_default()
}
