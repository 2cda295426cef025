//! The replay of one recording.
//!
//! Enters: a [`Recording`], [`Rules`], the address of a host. Leaves: a [`Report`]. Guarantees: requests are sent in
//! recorded order, each only after all frames that were recorded before it have arrived or are overdue. A frame of
//! the host is used for one recorded frame only, and what is left over is reported.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Error;
use super::channels::Channels;
use super::compare::{Change, Comparison};
use super::connection::{Arrival, Connection};
use super::frame::{Cause, Sessions, Side};
use super::identifiers::Identifiers;
use super::recording::{Event, Payload, Recording};
use super::report::{Mismatch, Problem, Report};
use super::rules::{Order, Place, Rules, Scope, Skip};
use super::run::Options;
use super::tainted::Tainted;

/// After this many overdue frames a replay becomes impatient.
const OVERDUE_LIMIT: usize = 5;
/// How long an impatient replay waits, and how long a frame is awaited that need not come.
const IMPATIENCE: Duration = Duration::from_millis(150);
/// How much later than recorded something may happen in a recording about time.
const TIME_TOLERANCE: Duration = Duration::from_secs(20);
/// How much later than recorded an idle connection may be ended.
const IDLE_TOLERANCE: Duration = Duration::from_secs(100);

/// Replays all connections of a recording together.
pub(super) async fn replay_in_order(
    addr: SocketAddr,
    recording: &Recording,
    rules: &Rules,
    options: Options,
) -> Result<Report, Error> {
    let mut sessions = Sessions::default();
    for entry in &recording.entries {
        if let Event::Receive { connection, frame } = &entry.event {
            sessions.learn(*connection, frame);
        }
    }
    let mut replay = Replay {
        addr,
        recording,
        rules,
        options,
        identifiers: Identifiers::new(sessions.ids()),
        sessions,
        report: Report {
            trace: recording.name.clone(),
            ..Report::default()
        },
        clients: HashMap::new(),
        requests: HashMap::new(),
        uncompared: HashMap::new(),
        tainted: Tainted::default(),
        forgone: HashSet::new(),
        note: String::new(),
        line: 0,
        overdue: 0,
    };
    replay.run().await?;
    Ok(replay.report)
}

/// A connection of the recording and the live one that stands for it.
struct Client {
    live: Connection,
    protocol: String,
    latest: Option<(usize, Value)>,
    last_request: Value,
    lost: bool,
    channels: Channels,
}

/// A request of the recording and where it stood.
#[derive(Clone, Default)]
struct Asked {
    request: Value,
    line: usize,
    note: String,
}

/// Why the frames of a request are not compared.
#[derive(Clone, Copy)]
struct Uncompared<'a> {
    rule: &'a Skip,
    sent: bool,
}

struct Replay<'a> {
    addr: SocketAddr,
    recording: &'a Recording,
    rules: &'a Rules,
    options: Options,
    sessions: Sessions,
    report: Report,
    identifiers: Identifiers,
    clients: HashMap<usize, Client>,
    requests: HashMap<Cause, Asked>,
    uncompared: HashMap<Cause, Uncompared<'a>>,
    tainted: Tainted<'a>,
    forgone: HashSet<(usize, String)>,
    note: String,
    line: usize,
    overdue: usize,
}

impl<'a> Replay<'a> {
    async fn run(&mut self) -> Result<(), Error> {
        let recording = self.recording;
        let timed = recording.is_timed();
        let (mut section, mut rest): (Option<&'a Skip>, Option<&'a Skip>) = (None, None);
        for entry in &recording.entries {
            self.line = entry.line;
            if let Event::Note(note) = &entry.event {
                self.note.clone_from(note);
                let place = Place {
                    trace: &recording.name,
                    note,
                    ..Place::default()
                };
                section = self.rules.skip(&[Scope::Section], &place);
                rest = rest.or(self.rules.skip(&[Scope::Rest], &place));
                continue;
            }
            if let Some(rule) = rest.or(section)
                && !matches!(entry.event, Event::Close { .. })
            {
                self.report.skip(rule);
                continue;
            }
            if entry.at.is_some_and(|at| at > self.options.real_time) {
                self.report.skip_late();
                continue;
            }
            match &entry.event {
                Event::Note(_) => {}
                Event::Send { connection, payload } => {
                    self.send(*connection, payload, timed, entry.at).await?;
                }
                Event::Receive { connection, frame } => self.receive(*connection, frame, entry.at).await,
                Event::Close {
                    connection,
                    by_server,
                } => {
                    self.close(*connection, *by_server, entry.at).await;
                }
            }
        }
        let mut left: Vec<usize> = self.clients.keys().copied().collect();
        left.sort_unstable();
        for connection in left {
            self.close(connection, false, None).await;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        connection: usize,
        payload: &Payload,
        timed: bool,
        at: Option<Duration>,
    ) -> Result<(), Error> {
        let request = payload.json().unwrap_or_default();
        let mut client = match self.clients.remove(&connection) {
            Some(client) => client,
            None => Client {
                live: Connection::open(self.addr, !timed).await?,
                protocol: String::new(),
                latest: None,
                last_request: Value::Null,
                lost: false,
                channels: Channels::default(),
            },
        };
        if request.get("action").and_then(Value::as_str) == Some("configure-session") {
            let announced = request.pointer("/data/protocol").and_then(Value::as_str);
            client.protocol = announced.unwrap_or_default().to_owned();
        }
        let place = Place {
            trace: &self.recording.name,
            protocol: &client.protocol,
            note: &self.note,
            request: &request,
            ..Place::default()
        };
        let verdict = self.tainted.judge(self.rules, &place);
        if let Some(id) = request.get("eventId") {
            let cause = (connection, id.to_string());
            if let Some(rule) = verdict.skip {
                let sent = verdict.send;
                self.uncompared.insert(cause.clone(), Uncompared { rule, sent });
            }
            let asked = Asked {
                request: request.clone(),
                line: self.line,
                note: self.note.clone(),
            };
            self.requests.insert(cause, asked);
        }
        client.channels.follow(&client.protocol, &request);
        client.last_request = request;
        if verdict.send {
            if let Some(at) = at {
                tokio::time::sleep_until(client.live.opened() + at).await;
            }
            client.live.send(&self.payload_to_live(payload));
            self.report.sent += 1;
        } else if let Some(rule) = verdict.skip {
            self.report.skip(rule);
        }
        self.clients.insert(connection, client);
        Ok(())
    }

    fn payload_to_live(&self, payload: &Payload) -> Payload {
        match payload {
            Payload::Json(Value::String(control)) => {
                let number = control.rsplit("::").next().unwrap_or_default();
                let live = self.identifiers.reference(&Value::String(number.to_owned()));
                let live = live.and_then(Value::as_str).unwrap_or(number);
                Payload::Json(Value::String(control.replace(number, live)))
            }
            Payload::Json(value) => Payload::Json(self.identifiers.request_to_live(value)),
            Payload::Text(text) => Payload::Text(self.identifiers.to_live(text)),
            other => other.clone(),
        }
    }

    async fn receive(&mut self, connection: usize, recorded: &Value, at: Option<Duration>) {
        let cause = self
            .sessions
            .cause(Side::Recorded, connection, recorded, &self.identifiers);
        let mut uncompared = cause
            .as_ref()
            .and_then(|cause| self.uncompared.get(cause))
            .copied();
        let Some(mut client) = self.clients.remove(&connection) else {
            if let Some(uncompared) = uncompared {
                self.report.skip(uncompared.rule);
            } else {
                self.report.skip_unreachable();
            }
            return;
        };
        let asked = cause.and_then(|cause| self.requests.get(&cause)).cloned();
        let request = asked.map_or_else(|| client.last_request.clone(), |asked| asked.request);
        let rules = self.rules;
        let note = std::mem::take(&mut self.note);
        let mut latest = client.latest.take();
        let place = Place {
            trace: &self.recording.name,
            protocol: &client.protocol,
            note: &note,
            request: &request,
            frame: Some(recorded),
            stale: client.channels.left(recorded),
        };
        let by_frame = || {
            rules
                .skip(&[Scope::Frame], &place)
                .map(|rule| Uncompared { rule, sent: true })
        };
        uncompared = uncompared.or_else(by_frame);
        let may_miss = rules.frame(&place, Change::Missing);
        let impatient = may_miss.is_some() || uncompared.is_some() || self.overdue >= OVERDUE_LIMIT;
        let deadline = match at {
            Some(at) => client.live.opened() + at + TIME_TOLERANCE,
            None if uncompared.is_some_and(|uncompared| !uncompared.sent) => Instant::now(),
            None if impatient => Instant::now() + IMPATIENCE,
            None => Instant::now() + self.options.patience,
        };
        let key = self.sessions.key(Side::Recorded, recorded, &self.identifiers);
        let (sessions, identifiers) = (&self.sessions, &self.identifiers);
        let wanted = |live: &Value| sessions.key(Side::Live, live, identifiers) == key;
        let mut problems = Vec::new();
        match (client.live.take(deadline, wanted).await, uncompared) {
            (arrival, Some(uncompared)) => {
                self.report.skip(uncompared.rule);
                if let Some(arrival) = arrival {
                    self.compare(&place, recorded, &arrival.frame, false);
                }
            }
            (Some(arrival), None) => {
                self.report.compared += 1;
                problems.extend(self.compare(&place, recorded, &arrival.frame, true));
                problems.extend(self.order(&place, &mut latest, recorded, &arrival));
            }
            (None, None) => match may_miss {
                Some(rule) => {
                    self.report.deviate(&rule.id);
                    self.forgone.insert((connection, key));
                }
                None => {
                    self.overdue += 1;
                    if client.live.ended() && !client.lost {
                        problems.push(Problem::Connection("the host ended the connection".to_owned()));
                    }
                    client.lost |= client.live.ended();
                    problems.push(Problem::Missing(recorded.clone()));
                }
            },
        }
        self.note = note;
        client.latest = latest;
        for problem in problems {
            self.mismatch(connection, request.clone(), problem);
        }
        self.clients.insert(connection, client);
    }

    /// Compares two frames; without `judge` only the identifiers in them are learnt.
    fn compare(&mut self, place: &Place<'_>, recorded: &Value, live: &Value, judge: bool) -> Option<Problem> {
        let rules = self.rules;
        let action = place
            .request
            .get("action")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let event = place
            .request
            .get("eventId")
            .map(Value::to_string)
            .unwrap_or_default();
        let comparison = Comparison {
            identifiers: &mut self.identifiers,
            sessions: &self.sessions,
            action,
            event: &event,
            volatile: &|field| rules.is_volatile(field),
        };
        let mut differences = comparison.differences(recorded, live);
        if !judge {
            // a host that ignores initialCallback names the subscription elsewhere
            let ids = (recorded.pointer("/_meta/referenceId"), live.pointer("/data/id"));
            if let (Some(recorded), Some(live)) = ids {
                self.identifiers.bind_reference(recorded, live);
            }
            return None;
        }
        differences.retain(|difference| match rules.field(place, difference) {
            Some(rule) => {
                self.report.deviate(&rule.id);
                false
            }
            None => true,
        });
        (!differences.is_empty()).then_some(Problem::Fields(differences))
    }

    /// Whether the frame arrived before one that stands in front of it in the recording.
    fn order(
        &mut self,
        place: &Place<'_>,
        latest: &mut Option<(usize, Value)>,
        recorded: &Value,
        arrival: &Arrival,
    ) -> Option<Problem> {
        match latest {
            Some((order, before)) if *order > arrival.order => {
                match self.rules.order(place, Order::of(before, recorded)) {
                    Some(rule) => {
                        self.report.deviate(&rule.id);
                        None
                    }
                    None => Some(Problem::Order {
                        frame: before.clone(),
                        overtaken_by: recorded.clone(),
                    }),
                }
            }
            _ => {
                *latest = Some((arrival.order, recorded.clone()));
                None
            }
        }
    }

    async fn close(&mut self, connection: usize, by_server: bool, at: Option<Duration>) {
        let Some(mut client) = self.clients.remove(&connection) else {
            return;
        };
        if by_server && let Some(at) = at {
            let ended = client
                .live
                .wait_for_end(client.live.opened() + at + IDLE_TOLERANCE)
                .await;
            if !ended {
                let problem = Problem::Connection("the host did not end the connection".to_owned());
                self.mismatch(connection, Value::Null, problem);
            }
        }
        let rules = self.rules;
        for arrival in client.live.remainder(Instant::now() + self.options.settle).await {
            let cause = self
                .sessions
                .cause(Side::Live, connection, &arrival.frame, &self.identifiers);
            let key = self.sessions.key(Side::Live, &arrival.frame, &self.identifiers);
            // a frame that need not come may still come late
            let forgone = self.forgone.contains(&(connection, key));
            if forgone
                || cause
                    .as_ref()
                    .is_some_and(|cause| self.uncompared.contains_key(cause))
            {
                continue;
            }
            let asked = cause
                .and_then(|cause| self.requests.get(&cause))
                .cloned()
                .unwrap_or_else(|| Asked {
                    request: client.last_request.clone(),
                    line: self.line,
                    note: self.note.clone(),
                });
            let place = Place {
                trace: &self.recording.name,
                protocol: &client.protocol,
                note: &asked.note,
                request: &asked.request,
                frame: Some(&arrival.frame),
                stale: false,
            };
            if rules.skip(&[Scope::Frame], &place).is_some() {
                continue;
            }
            match rules.frame(&place, Change::Extra) {
                Some(rule) => self.report.deviate(&rule.id),
                None => {
                    let (line, note) = (
                        std::mem::replace(&mut self.line, asked.line),
                        std::mem::take(&mut self.note),
                    );
                    self.note = asked.note;
                    self.mismatch(connection, asked.request, Problem::Extra(arrival.frame));
                    (self.line, self.note) = (line, note);
                }
            }
        }
        client.live.close().await;
    }

    fn mismatch(&mut self, connection: usize, request: Value, problem: Problem) {
        let connection = self
            .recording
            .connections
            .get(connection)
            .cloned()
            .unwrap_or_default();
        let note = self.note.clone();
        self.report.mismatches.push(Mismatch {
            line: self.line,
            note,
            connection,
            request,
            problem,
        });
    }
}
