//! Load whose calls and events are numbered, so that each that is lost or comes twice is known.
//!
//! Enters: where a host is, and how often to call or emit. Leaves: each answer and each event, in the order of their arrival.
//! Guarantees: nobody waits for an answer before the next call. An end waits for the answers of all calls.

use crate::session::{self, Receiver, Sender};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until something is so.
///
/// # Panics
///
/// When it never is; `or` says what is missing.
pub async fn until(is_so: impl FnMut() -> bool, or: impl FnOnce() -> String) {
    let mut is_so = is_so;
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{}", or());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// The number of its call.
    pub number: u64,
    /// The document: `{"status":…,"args":[…]}`.
    pub data: Value,
    /// When its call was sent.
    pub sent: Instant,
    /// When it came.
    pub at: Instant,
}

impl Numbered {
    /// Whether the component has answered without an error.
    pub fn is_ok(&self) -> bool {
        self.data["status"] == "ok"
    }

    /// The result of the method.
    pub fn result(&self) -> &Value {
        &self.data["args"][1]
    }

    /// The error of the call.
    pub fn error(&self) -> &Value {
        &self.data["args"][0]
    }
}

/// The calls that one client makes.
#[derive(Clone, Debug)]
pub struct Calls {
    /// Component and method, with the domain: `shop/ledger/enter`.
    pub path: String,
    /// The number of the client, which is the first argument. The number of the call is the second.
    pub client: u64,
    /// The third argument.
    pub third: u64,
    /// The time between two calls.
    pub every: Duration,
}

/// A client that calls until it is told to stop.
pub struct Calling {
    progress: Arc<Progress>,
    sending: JoinHandle<()>,
    receiving: JoinHandle<Vec<Numbered>>,
}

impl Calls {
    /// Begins to call.
    ///
    /// # Panics
    ///
    /// When the host lets nobody in.
    pub async fn begin(self, address: SocketAddr) -> Calling {
        self.begin_with(address, false).await
    }

    /// The same, but each call waits for the answer of the one before.
    ///
    /// # Panics
    ///
    /// When the host lets nobody in.
    pub async fn begin_one_by_one(self, address: SocketAddr) -> Calling {
        self.begin_with(address, true).await
    }

    async fn begin_with(self, address: SocketAddr, is_one_by_one: bool) -> Calling {
        let (sender, receiver) = session::open(address).await;
        let progress = Arc::<Progress>::default();
        Calling {
            sending: tokio::spawn(send(self, sender, progress.clone(), is_one_by_one)),
            receiving: tokio::spawn(receive(receiver, progress.clone())),
            progress,
        }
    }
}

/// The progress of the calls of a client.
#[derive(Debug, Default)]
struct Progress {
    /// No more calls are wanted.
    stop: AtomicBool,
    /// No more calls are made.
    is_over: AtomicBool,
    sent: AtomicU64,
    answered: AtomicU64,
    /// When each was sent.
    times: Mutex<Vec<Instant>>,
}

async fn send(calls: Calls, mut sender: Sender, progress: Arc<Progress>, is_one_by_one: bool) {
    let mut tick = tokio::time::interval(calls.every);
    let mut number = 0;
    while !progress.stop.load(Ordering::SeqCst) {
        tick.tick().await;
        if is_one_by_one && progress.answered.load(Ordering::SeqCst) < number {
            continue;
        }
        let now = Instant::now();
        progress
            .times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(now);
        let arguments = json!([calls.client, number, calls.third]);
        sender.call(&calls.path, number, arguments).await;
        number += 1;
        progress.sent.store(number, Ordering::SeqCst);
    }
    progress.is_over.store(true, Ordering::SeqCst);
}

async fn receive(mut receiver: Receiver, progress: Arc<Progress>) -> Vec<Numbered> {
    let mut answers = Vec::new();
    loop {
        let is_over = progress.is_over.load(Ordering::SeqCst);
        let is_done = is_over && answers.len() as u64 >= progress.sent.load(Ordering::SeqCst);
        // A second answer comes soon after the first.
        let patience = if is_done {
            Duration::from_millis(200)
        } else {
            Duration::from_millis(20)
        };
        let frame = match receiver.next_within(patience).await {
            Ok(Some(frame)) => frame,
            Err(_) if !is_done => continue,
            Ok(None) | Err(_) => return answers,
        };
        let path = frame["_meta"]["path"].as_str().unwrap_or_default();
        if !path.starts_with("/_exchange/responses/") {
            continue;
        }
        let number = path.rsplit('/').next().and_then(|text| text.parse().ok());
        let number: u64 = number.unwrap_or_else(|| panic!("an answer to nothing: {frame}"));
        let sent = progress.times.lock().unwrap_or_else(PoisonError::into_inner)[number as usize];
        answers.push(Numbered {
            number,
            data: frame["data"].clone(),
            sent,
            at: Instant::now(),
        });
        progress.answered.fetch_add(1, Ordering::SeqCst);
    }
}

impl Calling {
    /// Calls so far.
    pub fn sent(&self) -> u64 {
        self.progress.sent.load(Ordering::SeqCst)
    }

    /// Answers so far.
    pub fn answered(&self) -> u64 {
        self.progress.answered.load(Ordering::SeqCst)
    }

    /// Calls that have no answer yet.
    pub fn in_flight(&self) -> u64 {
        self.sent().saturating_sub(self.answered())
    }

    /// Waits until so many more were answered.
    ///
    /// # Panics
    ///
    /// When they never are.
    pub async fn until_more(&self, count: u64) {
        let wanted = self.answered() + count;
        until(
            || self.answered() >= wanted,
            || format!("{} of {} calls were answered", self.answered(), self.sent()),
        )
        .await;
    }

    /// Stops, and waits for the answers of all calls. They are in the order of their arrival.
    ///
    /// # Panics
    ///
    /// When a call is not answered, or more than once.
    pub async fn end(self) -> Vec<Numbered> {
        self.progress.stop.store(true, Ordering::SeqCst);
        self.sending.await.expect("it sends");
        let sent = self.progress.sent.load(Ordering::SeqCst);
        let mut receiving = self.receiving;
        let answers = tokio::time::timeout(PATIENCE, &mut receiving).await;
        let Ok(answers) = answers else {
            receiving.abort();
            let answered = self.progress.answered.load(Ordering::SeqCst);
            panic!("{answered} of {sent} calls were answered");
        };
        let answers = answers.expect("it receives");
        let numbers: BTreeSet<u64> = answers.iter().map(|answer| answer.number).collect();
        assert_eq!(answers.len(), numbers.len(), "no call is answered twice");
        assert_eq!(numbers.len() as u64, sent, "each call is answered");
        answers
    }
}

/// A client that has the component `emitter` of its node emit `tick` with `{"from":NAME,"number":n}`, until it is told to stop.
pub struct Emitting {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    sending: JoinHandle<()>,
    receiving: JoinHandle<()>,
}

impl Emitting {
    /// Begins to emit.
    ///
    /// # Panics
    ///
    /// When the host lets nobody in.
    pub async fn begin(address: SocketAddr, path: &str, from: &str, every: Duration) -> Emitting {
        let (mut sender, mut receiver) = session::open(address).await;
        let stop = Arc::<AtomicBool>::default();
        let [sent, answered] = [(); 2].map(|()| Arc::<AtomicU64>::default());
        let (path, from) = (path.to_owned(), from.to_owned());
        let (is_stopped, count) = (stop.clone(), sent.clone());
        let sending = tokio::spawn(async move {
            let mut tick = tokio::time::interval(every);
            let mut number = 0;
            while !is_stopped.load(Ordering::SeqCst) {
                tick.tick().await;
                let data = json!(["tick", {"from": from, "number": number}]);
                sender.call(&path, number, data).await;
                number += 1;
                count.store(number, Ordering::SeqCst);
            }
        });
        let answers = answered.clone();
        let receiving = tokio::spawn(async move {
            while let Some(frame) = receiver.next().await {
                let path = frame["_meta"]["path"].as_str().unwrap_or_default();
                if path.starts_with("/_exchange/responses/") {
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Emitting {
            stop,
            sent,
            answered,
            sending,
            receiving,
        }
    }

    /// Stops, and waits until the component has emitted all. Returns how many events it has asked for.
    ///
    /// # Panics
    ///
    /// When the component does not answer.
    pub async fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.sending.await.expect("it sends");
        let sent = self.sent.load(Ordering::SeqCst);
        let answered = || self.answered.load(Ordering::SeqCst);
        // A connection that is closed before takes the last requests with it.
        until(
            || answered() == sent,
            || format!("{} of {sent} events were asked for", answered()),
        )
        .await;
        self.receiving.abort();
        sent
    }
}

/// Events as they arrived: the data of each.
type Heard = Arc<Mutex<Vec<Value>>>;

/// A client that listens.
pub struct Listening {
    heard: Heard,
    task: JoinHandle<()>,
}

impl Listening {
    /// Subscribes to a channel such as `/SET@/_events/shop/emitter/tick`. It is subscribed when this returns.
    ///
    /// # Panics
    ///
    /// When the host does not let it.
    pub async fn begin(address: SocketAddr, channel: &str) -> Listening {
        Listening::in_range(address, channel, None).await
    }

    /// The same, for events of versions inside a range.
    ///
    /// # Panics
    ///
    /// When the host does not let it.
    pub async fn in_range(address: SocketAddr, channel: &str, range: Option<&str>) -> Listening {
        let (mut sender, mut receiver) = session::open(address).await;
        sender.subscribe_in_range(channel, range).await;
        let answer = receiver.next().await.expect("the host answers");
        assert_eq!(answer["_meta"]["status"], "ok", "{answer}");
        let heard = Heard::default();
        let kept = heard.clone();
        let task = tokio::spawn(async move {
            loop {
                let frame = match receiver.next_within(PATIENCE).await {
                    Ok(Some(frame)) => frame,
                    Ok(None) | Err(_) => break,
                };
                let data = frame["data"].clone();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(data);
            }
            drop(sender);
        });
        Listening { heard, task }
    }

    /// All events so far.
    pub fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The numbers of [`Emitting`] so far, by sender.
    pub fn numbers(&self) -> BTreeMap<String, Vec<u64>> {
        let mut numbers = BTreeMap::<String, Vec<u64>>::new();
        for data in self.heard() {
            let from = data["from"].as_str().unwrap_or_default().to_owned();
            numbers
                .entry(from)
                .or_default()
                .push(data["number"].as_u64().expect("each has a number"));
        }
        numbers
    }

    /// Waits for the last of so many events of a sender, and looks whether each came once and in order.
    ///
    /// # Panics
    ///
    /// When one did not.
    pub async fn expect_all(&self, from: &str, count: u64) {
        let of_sender = || self.numbers().remove(from).unwrap_or_default();
        until(
            || of_sender().last().is_some_and(|last| last + 1 >= count),
            || {
                let heard = of_sender();
                let last = heard.last();
                format!(
                    "{} of {count} events of {from} were heard; the last was {last:?}",
                    heard.len()
                )
            },
        )
        .await;
        let wanted: Vec<u64> = (0..count).collect();
        let heard = of_sender();
        let gap = wanted.iter().zip(&heard).find(|(wanted, heard)| wanted != heard);
        assert_eq!(
            heard, wanted,
            "events of {from} came once and in order, until {gap:?}"
        );
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}
