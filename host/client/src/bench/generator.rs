//! Runs a plan on a thread of its own.
//!
//! Enters: a [`Plan`]. Leaves: a [`Report`], and [`Progress`] once a second while it runs. Guarantees: one thread for
//! all load, independent of the caller's runtime. Servers take turns in rotating order. Documents that were made are
//! removed, also when the measurement fails.

use super::board::Phase;
use super::measure::Outcome;
use super::plan::{Plan, Source, Target, Workload};
use super::round::Ready;
use super::{BenchError, Report, process};
use crate::{Address, Client, Connector, Options};
use std::io;
use std::net::ToSocketAddrs;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// How far a benchmark is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Whose turn it is.
    pub url: String,
    /// The state of the round.
    pub(super) phase: Phase,
    /// For how long.
    pub elapsed: Duration,
    /// Operations of this turn.
    pub operations: u64,
    /// Errors of this turn.
    pub errors: u64,
}

impl Progress {
    /// Whether what happens now counts.
    #[must_use]
    pub fn is_measuring(&self) -> bool {
        self.phase == Phase::Measuring
    }
}

/// Measures.
pub async fn run(plan: Plan, progress: impl FnMut(Progress) + Send + 'static) -> Result<Report, BenchError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::Generator)?;
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("load generator".to_owned())
        .spawn(move || {
            let report = LocalSet::new().block_on(&runtime, measure(plan, progress));
            // Nobody waits when the command was interrupted.
            let _ = sender.send(report);
        })
        .map_err(BenchError::Generator)?;
    receiver
        .await
        .unwrap_or_else(|_| Err(BenchError::Generator(io::Error::other("its thread ended early"))))
}

async fn measure(plan: Plan, mut progress: impl FnMut(Progress)) -> Result<Report, BenchError> {
    let mut servers = Vec::with_capacity(plan.targets.len());
    for target in &plan.targets {
        servers.push(prepare(&plan, target).await?);
    }
    let outcomes = take_turns(&plan, &servers, &mut progress).await;
    for server in &servers {
        let removed = server.remove_documents(&plan).await;
        // A measurement that failed has told already what is wrong.
        if outcomes.is_ok() {
            removed?;
        }
    }
    Ok(Report::new(&plan, &servers, outcomes?))
}

/// Measures each server in each round. The order rotates.
async fn take_turns(
    plan: &Plan,
    servers: &[Ready],
    progress: &mut impl FnMut(Progress),
) -> Result<Vec<Vec<Outcome>>, BenchError> {
    for server in servers {
        server.create_documents(plan).await?;
    }
    let mut outcomes: Vec<Vec<Outcome>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.load.rounds {
        for turn in 0..servers.len() {
            let position = (round + turn) % servers.len();
            outcomes[position].push(servers[position].measure(plan, &mut *progress).await?);
        }
    }
    Ok(outcomes)
}

/// Looks at a server with the ordinary client.
async fn prepare(plan: &Plan, target: &Target) -> Result<Ready, BenchError> {
    let failed = |source| BenchError::Connect {
        url: target.url.clone(),
        source,
    };
    let connector = Connector::new(&target.url, &plan.trust).map_err(failed)?;
    let address = connector.address();
    let mut options = Options::new(target.url.as_str())
        .protocol(plan.protocol)
        .timeout(plan.timeout)
        .trust(plan.trust.clone());
    options.credentials.clone_from(&plan.credentials);
    let client = Client::connect(options).await.map_err(failed)?;
    let needs_mesh = match &plan.workload {
        Workload::Calls(_) => true,
        Workload::Events(events) => matches!(events.source, Source::Component { .. }),
        Workload::Data(_) => false,
    };
    let domain = if needs_mesh {
        client.domain().await.map_err(failed)?.to_owned()
    } else {
        String::new()
    };
    let configuration: Option<serde_json::Value> = match client.get("/mesh/schema/config").await {
        Ok(response) => response.read().ok(),
        Err(_) => None,
    };
    let ready = Ready {
        url: target.url.clone(),
        domain,
        is_secure: client.is_secure(),
        pid: target.pid.or_else(|| {
            is_local(address)
                .then(|| process::listener(address.port))
                .flatten()
        }),
        server_name: client.server_name().to_owned(),
        server_version: configuration.and_then(|value| value["version"].as_str().map(str::to_owned)),
        root: format!("/bench/{}", &uuid::Uuid::new_v4().simple().to_string()[..8]),
        connector,
    };
    client.close().await;
    Ok(ready)
}

/// Whether an address is a loopback address, so that the server's process is one of this machine.
fn is_local(address: &Address) -> bool {
    let mut resolved = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .into_iter()
        .flatten();
    resolved.any(|address| address.ip().is_loopback())
}
