//! The replay of one recording, all of whose connections may or may not depend on each other.
//!
//! Enters: a [`Recording`], [`Rules`], the address of a host. Leaves: one [`Report`]. Guarantees: connections of
//! a recording about time never wait for each other; those of all others are replayed in recorded order.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::Error;
use super::recording::Recording;
use super::replay::replay_in_order;
use super::report::Report;
use super::rules::Rules;

/// How patient a replay is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long a recorded frame is awaited.
    pub patience: Duration,
    /// How long frames that nobody expects are awaited at the end of a connection.
    pub settle: Duration,
    /// How far recordings about time are followed; what happened later is skipped.
    pub real_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(3),
            settle: Duration::from_millis(100),
            real_time: Duration::from_secs(2),
        }
    }
}

/// Replays a recording against the host at `addr`. The connections of a recording about time have nothing to do with
/// each other and are replayed side by side. So none has to wait for another.
pub async fn replay(
    addr: SocketAddr,
    recording: &Recording,
    rules: &Rules,
    options: Options,
) -> Result<Report, Error> {
    if !recording.is_timed() {
        return replay_in_order(addr, recording, rules, options).await;
    }
    let parts = recording.by_connection();
    let replays = parts
        .iter()
        .map(|part| replay_in_order(addr, part, rules, options))
        .collect();
    let mut report = Report {
        trace: recording.name.clone(),
        ..Report::default()
    };
    for part in side_by_side(replays).await {
        report.absorb(part?);
    }
    Ok(report)
}

/// Runs all futures at once and returns what they return, in their order.
async fn side_by_side<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
