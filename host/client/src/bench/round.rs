//! One server's turn: connect, warm up, measure, let what is in flight arrive, disconnect.
//!
//! Enters: a [`Ready`] server and the plan. Leaves: an [`Outcome`]. Guarantees: CPU time is read at the same moments
//! at which recording begins and ends. A connection that breaks is an error in the outcome, not the end of it.

use super::board::{Board, Phase};
use super::data::DataRequests;
use super::link::Link;
use super::measure::{Counting, Outcome};
use super::plan::{Events, Plan, Source, Workload};
use super::process;
use super::scan::{Scanner, Sighting, event_finder, event_number};
use super::template::{GAP, Template};
use super::{BenchError, Progress};
use crate::{Answered, Called, Connector, ResponseLayout};
use mesh_wire::address::{EVENTS, REQUESTS};
use serde_json::{Value, json};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long to wait for what is in flight when the measured time is over.
const DRAINING_TIME: Duration = Duration::from_secs(5);

/// A server that is ready to be measured.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) url: String,
    pub(super) connector: Connector,
    /// First segment of the paths of calls and events; empty when the workload needs none.
    pub(super) domain: String,
    pub(super) is_secure: bool,
    pub(super) pid: Option<u32>,
    pub(super) server_name: String,
    pub(super) server_version: Option<String>,
    /// Below this path everything happens that is not a call.
    pub(super) root: String,
}

/// The requests that a connection sends.
#[derive(Debug)]
enum Requests {
    Same(Template),
    Data(DataRequests),
}

impl Requests {
    fn write(&mut self, number: u64, out: &mut Vec<u8>) {
        match self {
            Requests::Same(template) => template.write(out, |_| number),
            Requests::Data(data) => data.write(number, out),
        }
    }
}

/// A connection with a session.
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) id: String,
    username: Option<String>,
    last_event_id: u64,
}

impl Ready {
    pub(super) fn broken(&self, source: io::Error) -> BenchError {
        BenchError::Link {
            url: self.url.clone(),
            source,
        }
    }

    /// Connects and logs in.
    pub(super) async fn session(&self, plan: &Plan) -> Result<Session, BenchError> {
        let link = Link::open(&self.connector, plan.protocol)
            .await
            .map_err(|source| self.broken(source))?;
        let mut session = Session {
            link,
            id: String::new(),
            username: None,
            last_event_id: 0,
        };
        let protocol = plan.protocol.as_str();
        self.ask(
            plan,
            &mut session,
            json!({ "action": "configure-session", "data": { "protocol": protocol } }),
        )
        .await?;
        let mut data = json!({ "info": { "_browser": false, "_local": false }, "protocol": protocol });
        if let Some(credentials) = plan.credentials.as_ref().filter(|_| self.is_secure) {
            data["username"] = json!(credentials.username);
            data["password"] = json!(credentials.password);
        }
        let login = self
            .ask(plan, &mut session, json!({ "action": "login", "data": data }))
            .await?;
        session.id = login["id"].as_str().unwrap_or_default().to_owned();
        session.username = login["user"]["username"].as_str().map(str::to_owned);
        Ok(session)
    }

    /// Sends one request and waits for its answer.
    pub(super) async fn ask(
        &self,
        plan: &Plan,
        session: &mut Session,
        mut request: Value,
    ) -> Result<Value, BenchError> {
        session.last_event_id += 1;
        let event_id = session.last_event_id;
        request["eventId"] = json!(event_id);
        if !session.id.is_empty() {
            request["sessionId"] = json!(session.id);
        }
        session.link.push(request.to_string().as_bytes());
        let label = format!(
            "{} {}",
            request["action"].as_str().unwrap_or_default(),
            request["path"].as_str().unwrap_or_default()
        );
        let waiting = async {
            loop {
                session
                    .link
                    .exchange()
                    .await
                    .map_err(|source| self.broken(source))?;
                let mut answer = None;
                let visit = |frame: &[u8]| {
                    let frame: Value = serde_json::from_slice(frame).unwrap_or_default();
                    if frame["_meta"]["eventId"] == event_id {
                        answer = Some(frame);
                    }
                };
                session
                    .link
                    .frames(Instant::now(), visit)
                    .map_err(|source| self.broken(source))?;
                if let Some(mut answer) = answer {
                    return match answer["_meta"]["error"].take() {
                        Value::Null => Ok(answer["data"].take()),
                        error => Err(self.refused(&label, &error.to_string())),
                    };
                }
            }
        };
        match timeout(plan.timeout, waiting).await {
            Ok(answer) => answer,
            Err(_) => Err(self.refused(&label, "no answer")),
        }
    }

    pub(super) fn refused(&self, request: &str, answer: &str) -> BenchError {
        let (request, answer) = (request.trim().to_owned(), answer.to_owned());
        BenchError::Refused {
            url: self.url.clone(),
            request,
            answer,
        }
    }

    async fn subscribe(&self, plan: &Plan, session: &mut Session, channel: &str) -> Result<(), BenchError> {
        let mut options = json!({ "event_type": "set", "count": 0, "timeout": 60000 });
        if plan.protocol.counts_listeners() {
            options["listenerId"] = json!(0);
            options["refCount"] = json!(1);
        }
        let request = json!({ "action": "on", "path": channel, "data": null, "options": options });
        self.ask(plan, session, request).await.map(drop)
    }

    /// A sending connection: its session, what it sends, and how it recognises the answers.
    async fn sender(&self, plan: &Plan, number: usize) -> Result<(Link, Requests, Scanner), BenchError> {
        let mut session = self.session(plan).await?;
        let padding = "x".repeat(plan.load.payload);
        let call = match &plan.workload {
            Workload::Calls(calls) => Some((
                &calls.component,
                &calls.method,
                calls.arguments.clone(),
                calls.version.as_deref(),
            )),
            Workload::Events(Events {
                source: Source::Component { component, method },
                ..
            }) => {
                let arguments = format!(
                    r#"["{}",{{"bench":{GAP},"padding":"{padding}"}}]"#,
                    self.event_name()
                );
                Some((component, method, arguments, None))
            }
            Workload::Events(_) => {
                let template = format!(
                    r#"{{"action":"set","eventId":{GAP},"path":"{}/event","data":{{"bench":{GAP},"padding":"{padding}"}},"options":{{"timeout":60000,"noStore":true}},"sessionId":"{}"}}"#,
                    self.root, session.id
                );
                return Ok((
                    session.link,
                    Requests::Same(Template::new(&template)),
                    Scanner::new(None),
                ));
            }
            Workload::Data(data) => {
                let requests = DataRequests::new(
                    data,
                    &self.root,
                    &session.id,
                    plan.load.payload,
                    number as u64 + 1,
                );
                return Ok((session.link, Requests::Data(requests), Scanner::new(None)));
            }
        };
        let Some((component, method, arguments, version)) = call else {
            return Err(self.refused("plan", "nothing to send"));
        };
        let answered = Answered {
            session: &session.id,
            is_secure: self.is_secure,
        };
        let called = Called {
            domain: &self.domain,
            component,
            method,
        };
        let layout = ResponseLayout::of(&answered, &called);
        self.subscribe(plan, &mut session, &layout.channel).await?;
        let mut origin = json!({ "id": session.id });
        if let Some(username) = &session.username {
            origin["username"] = json!(username);
        }
        let version = version.map_or_else(String::new, |range| format!(r#","version":{}"#, json!(range)));
        let template = format!(
            r#"{{"action":"set","eventId":{GAP},"path":"{REQUESTS}{}/{component}/{method}","data":{{"callbackAddress":"{}{GAP}","args":{arguments},"origin":{origin}{version}}},"options":{{"timeout":60000,"noStore":true,"noCluster":true}},"sessionId":"{}"}}"#,
            self.domain, layout.address, session.id
        );
        Ok((
            session.link,
            Requests::Same(Template::new(&template)),
            Scanner::new(Some(&layout.address)),
        ))
    }

    /// The name of the event that a component is asked to emit.
    fn event_name(&self) -> String {
        format!("{}/event", self.root.trim_start_matches('/'))
    }

    /// The channel that subscribers of an event workload listen on.
    fn event_channel(&self, events: &Events) -> String {
        let path = match &events.source {
            Source::Set => format!("{}/event", self.root),
            Source::Component { component, .. } => {
                format!("{EVENTS}{}/{component}/{}", self.domain, self.event_name())
            }
        };
        match events.wildcard {
            true => format!("/SET@{}*", path.trim_end_matches("event")),
            false => format!("/SET@{path}"),
        }
    }

    /// Measures once.
    pub(super) async fn measure(
        &self,
        plan: &Plan,
        mut progress: impl FnMut(Progress),
    ) -> Result<Outcome, BenchError> {
        let load = &plan.load;
        let (answers, deliveries) = match &plan.workload {
            Workload::Calls(_) => (2, None),
            Workload::Events(events) if matches!(events.source, Source::Set) => (1, Some(events.subscribers)),
            Workload::Events(events) => (2, Some(events.subscribers)),
            Workload::Data(_) => (1, None),
        };
        let board = Rc::new(Board::new(load.connections, load.in_flight, answers, deliveries));
        let mut subscribers = JoinSet::new();
        let mut others = Vec::new();
        if let Workload::Events(events) = &plan.workload {
            others = self.subscribe_elsewhere(plan, events).await?;
            let channel = self.event_channel(events);
            for _ in 0..events.subscribers {
                let mut session = self.session(plan).await?;
                self.subscribe(plan, &mut session, &channel).await?;
                subscribers.spawn_local(receive(session.link, Rc::clone(&board)));
            }
        }
        let mut links = Vec::with_capacity(load.connections);
        for number in 0..load.connections {
            links.push(self.sender(plan, number).await?);
        }
        let mut senders = JoinSet::new();
        for (number, (link, requests, scanner)) in links.into_iter().enumerate() {
            senders.spawn_local(send(link, requests, scanner, number, Rc::clone(&board)));
        }

        let mut report = |phase: Phase, since: Instant| {
            let (operations, errors) = board.record(|record| (record.operations, record.errors));
            progress(Progress {
                url: self.url.clone(),
                phase,
                elapsed: since.elapsed(),
                operations,
                errors,
            });
        };
        pause(load.warm_up, |since| report(Phase::WarmUp, since)).await;
        let own = std::process::id();
        let serving = self.pid.into_iter().chain(plan.processes.iter().copied());
        let (serving, generator_before) = (Counting::begin(serving), process::cpu_time(own));
        let start = Instant::now();
        board.enter(Phase::Measuring);
        pause(load.duration, |since| report(Phase::Measuring, since)).await;
        board.enter(Phase::Draining);
        let elapsed = start.elapsed();
        let (shares, generator_after) = (serving.end(), process::cpu_time(own));
        // Those that do not end in time have operations in flight; these are lost and counted as such.
        let _ = timeout(DRAINING_TIME, async {
            while senders.join_next().await.is_some() {}
        })
        .await;
        senders.shutdown().await;
        subscribers.shutdown().await;
        drop(others);
        let used = |after: Option<Duration>, before: Option<Duration>| after?.checked_sub(before?);
        Ok(Outcome {
            record: board.finish(),
            elapsed,
            shares,
            generator_cpu: used(generator_after, generator_before),
        })
    }
}

/// Sleeps, and reports once a second meanwhile.
async fn pause(duration: Duration, mut each_second: impl FnMut(Instant)) {
    let start = Instant::now();
    loop {
        let rest = duration.saturating_sub(start.elapsed());
        if rest.is_zero() {
            return;
        }
        sleep(rest.min(Duration::from_secs(1))).await;
        each_second(start);
    }
}

/// Keeps a connection's operations in flight until the round is over.
async fn send(mut link: Link, mut requests: Requests, scanner: Scanner, number: usize, board: Rc<Board>) {
    let mut request = Vec::new();
    let result = async {
        loop {
            let now = Instant::now();
            while let Some(operation) = board.begin(number, now) {
                request.clear();
                requests.write(operation, &mut request);
                link.push(&request);
            }
            if board.phase() == Phase::Draining && board.is_idle(number) {
                return Ok(());
            }
            tokio::select! {
                biased;
                received = link.exchange() => received?,
                () = board.changed(number) => continue,
            }
            let now = Instant::now();
            link.frames(now, |frame| match scanner.look(frame) {
                Sighting::Acknowledged(operation) | Sighting::Answered(operation) => {
                    board.arrived(operation, now)
                }
                Sighting::Failed(operation, why) => board.failed(operation, why),
                Sighting::Nothing => {}
            })?;
        }
    };
    if let Err(error) = result.await {
        let error: io::Error = error;
        board.broken(format!("a connection broke: {error}"));
    }
}

/// Receives events until it is stopped.
async fn receive(mut link: Link, board: Rc<Board>) {
    let finder = event_finder();
    let result = async {
        loop {
            link.exchange().await?;
            let now = Instant::now();
            link.frames(now, |frame| {
                if let Some(operation) = event_number(&finder, frame) {
                    board.delivered(operation, now);
                }
            })?;
        }
    };
    let ended: Result<(), io::Error> = result.await;
    if let Err(error) = ended {
        board.broken(format!("a subscriber's connection broke: {error}"));
    }
}
