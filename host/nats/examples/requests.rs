//! Request and reply over a NATS server, to compare calls between nodes with.
//!
//! Enters: the address of a server, and the load. Leaves: one line of JSON with how many requests were answered and how long that took.
//! Guarantees: replies go over one connection. With one connection for requests, these are what two nodes have between them.
//!
//!     cargo run --release -p mesh-nats --example requests -- reply nats://127.0.0.1:4222 REPLY_BYTES
//!     cargo run --release -p mesh-nats --example requests -- ask nats://127.0.0.1:4222 REQUEST_BYTES CONNECTIONS IN_FLIGHT \
//!         WARM_UP_MS MEASURED_MS
//!
//! Both print `ready` when they are. The second one prints `begin` and `end` around what it measures, so that a script can read the CPU
//! time of all processes at these moments.

use bytes::Bytes;
use futures_util::StreamExt;
use std::env::args;
use std::error::Error;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

const SUBJECT: &str = "requests";

const WARM_UP: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// The requests that are made.
struct Load {
    request: Bytes,
    connections: usize,
    /// Of each connection.
    in_flight: usize,
    warm_up: Duration,
    measured: Duration,
}

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failed> {
    let mut given = args().skip(1);
    let mode = next(&mut given)?;
    let address: String = next(&mut given)?;
    match mode.as_str() {
        "reply" => reply(async_nats::connect(address).await?, number(&mut given)?).await,
        "ask" => {
            let load = Load {
                request: Bytes::from(vec![b'x'; number(&mut given)?]),
                connections: number(&mut given)?,
                in_flight: number(&mut given)?,
                warm_up: Duration::from_millis(number(&mut given)?),
                measured: Duration::from_millis(number(&mut given)?),
            };
            ask(&address, load).await
        }
        _ => Err("the first argument is `reply` or `ask`".into()),
    }
}

fn next(given: &mut impl Iterator<Item = String>) -> Result<String, Failed> {
    given.next().ok_or_else(|| "an argument is missing".into())
}

fn number<T: FromStr<Err: Error + Send + Sync + 'static>>(
    given: &mut impl Iterator<Item = String>,
) -> Result<T, Failed> {
    Ok(next(given)?.parse()?)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

async fn reply(client: async_nats::Client, bytes: usize) -> Result<(), Failed> {
    let body = Bytes::from(vec![b'y'; bytes]);
    let mut requests = client.subscribe(SUBJECT).await?;
    client.flush().await?;
    say("ready")?;
    while let Some(request) = requests.next().await {
        if let Some(to) = request.reply {
            client.publish(to, body.clone()).await?;
        }
    }
    Ok(())
}

async fn ask(address: &str, load: Load) -> Result<(), Failed> {
    let phase = Arc::new(AtomicU8::new(WARM_UP));
    let waited = Arc::new(Mutex::new(Vec::<u64>::new()));
    let mut asking = JoinSet::new();
    for _ in 0..load.connections {
        let client = async_nats::connect(address).await?;
        for _ in 0..load.in_flight {
            let (client, request) = (client.clone(), load.request.clone());
            let (phase, waited) = (phase.clone(), waited.clone());
            asking.spawn(async move {
                let mut own = Vec::new();
                while phase.load(Ordering::Relaxed) != OVER {
                    let since = Instant::now();
                    client.request(SUBJECT, request.clone()).await?;
                    if phase.load(Ordering::Relaxed) == MEASURING {
                        own.push(u64::try_from(since.elapsed().as_nanos())?);
                    }
                }
                let mut all = waited.lock().unwrap_or_else(PoisonError::into_inner);
                all.append(&mut own);
                Ok::<(), Failed>(())
            });
        }
    }
    say("ready")?;
    sleep(load.warm_up).await;
    say("begin")?;
    let since = Instant::now();
    phase.store(MEASURING, Ordering::Relaxed);
    sleep(load.measured).await;
    phase.store(OVER, Ordering::Relaxed);
    let seconds = since.elapsed().as_secs_f64();
    say("end")?;
    while let Some(ended) = asking.join_next().await {
        ended??;
    }
    let mut waited = std::mem::take(&mut *waited.lock().unwrap_or_else(PoisonError::into_inner));
    waited.sort_unstable();
    let at = |hundredths: usize| {
        let position = (waited.len() * hundredths / 100).min(waited.len().saturating_sub(1));
        waited.get(position).copied().unwrap_or_default() as f64 / 1e3
    };
    let (operations, p50, p99) = (waited.len(), at(50), at(99));
    say(&format!(
        "{{\"operations\":{operations},\"seconds\":{seconds},\"p50\":{p50},\"p99\":{p99}}}"
    ))?;
    Ok(())
}
