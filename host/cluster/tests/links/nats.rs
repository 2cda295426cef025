//! A messaging server that is played: several servers with routes between them, and connections to each.
//!
//! Enters: messages of connections, and faults. Leaves: messages and returns at connections, at moments that follow from the seed.
//! Guarantees, as NATS gives them: messages from one connection to another stay in order, whatever their subjects. There is no order
//! between connections. A message that nobody listens to comes back if it has a reply subject. All else may happen to a message: it is
//! lost, comes twice, or comes late.

use bytes::Bytes;
use mesh_choices::Choices;
use mesh_cluster::wire::{Event, Message};
use std::collections::{BTreeMap, VecDeque};

/// A time of the whole world, in microseconds.
pub type Time = u64;

/// One of the two ways of a connection, or of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From a connection to its server.
    Out(usize),
    /// From a server to a connection.
    In(usize),
    /// From one server to another.
    Route(usize, usize),
}

/// A message on a way.
#[derive(Clone, Debug)]
enum Travelling {
    Published(usize, Message),
    Routed(usize, Message),
    Arriving(usize, Event),
}

/// A connection of a client.
#[derive(Clone, Debug)]
struct Connection {
    server: usize,
    /// The server knows of it.
    is_served: bool,
    /// The client still reads from it.
    is_read: bool,
    subjects: Vec<String>,
}

/// How bad all ways are. Shares are of a hundred messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub lost: u32,
    pub doubled: u32,
    /// Microseconds that a message may be late.
    pub latest: u64,
}

/// All servers.
pub struct Nats {
    choices: Choices,
    pub weather: Weather,
    is_up: Vec<bool>,
    connections: Vec<Connection>,
    cut_routes: Vec<(usize, usize)>,
    /// Messages of ways that stand still.
    held: BTreeMap<Way, VecDeque<Travelling>>,
    /// When the last message of each way arrives.
    last: BTreeMap<Way, Time>,
    travelling: BTreeMap<(Time, u64), (Way, Travelling)>,
    count: u64,
}

impl Nats {
    pub fn new(seed: u64, servers: usize) -> Nats {
        Nats {
            choices: Choices::new(seed),
            weather: Weather::default(),
            is_up: vec![true; servers],
            connections: Vec::new(),
            cut_routes: Vec::new(),
            held: BTreeMap::new(),
            last: BTreeMap::new(),
            travelling: BTreeMap::new(),
            count: 0,
        }
    }

    pub fn servers(&self) -> usize {
        self.is_up.len()
    }

    /// A new connection to a server that is up.
    pub fn connect(&mut self, subjects: Vec<String>) -> Option<usize> {
        let up: Vec<usize> = (0..self.is_up.len())
            .filter(|server| self.is_up[*server])
            .collect();
        if up.is_empty() {
            return None;
        }
        self.connections.push(Connection {
            server: *self.choices.pick(&up),
            is_served: true,
            is_read: true,
            subjects,
        });
        Some(self.connections.len() - 1)
    }

    pub fn is_served(&self, connection: usize) -> bool {
        self.connections[connection].is_served
    }

    pub fn subscribe(&mut self, connection: usize, subject: String) {
        self.connections[connection].subjects.push(subject);
    }

    pub fn publish(&mut self, now: Time, connection: usize, message: Message) {
        self.put(
            now,
            Way::Out(connection),
            Travelling::Published(connection, message),
        );
    }

    /// The server forgets the connection, and what is on the way to it is lost.
    pub fn unserve(&mut self, connection: usize) {
        self.connections[connection].is_served = false;
    }

    /// The client reads nothing more from the connection.
    pub fn unread(&mut self, connection: usize) {
        self.connections[connection].is_read = false;
    }

    /// Takes all messages that are on the way from the client to its server.
    pub fn take_out(&mut self, connection: usize) -> Vec<Message> {
        let way = Way::Out(connection);
        let mut taken = Vec::new();
        let mut take = |travelling: &Travelling| {
            if let Travelling::Published(_, message) = travelling {
                taken.push(message.clone());
            }
        };
        self.travelling
            .values()
            .filter(|(on, _)| *on == way)
            .for_each(|(_, it)| take(it));
        self.held.remove(&way).iter().flatten().for_each(take);
        self.travelling.retain(|_, (on, _)| *on != way);
        taken
    }

    /// A server ends, with all connections to it. Returns these.
    pub fn crash(&mut self, server: usize) -> Vec<usize> {
        self.is_up[server] = false;
        let lost = self.connections.iter_mut().enumerate();
        let lost = lost.filter(|(_, connection)| connection.server == server && connection.is_served);
        let lost: Vec<usize> = lost
            .map(|(at, connection)| {
                connection.is_served = false;
                at
            })
            .collect();
        self.travelling.retain(|_, (way, _)| match way {
            Way::Route(from, to) => *from != server && *to != server,
            Way::Out(at) => !lost.contains(at),
            Way::In(_) => true,
        });
        lost
    }

    pub fn start(&mut self, server: usize) {
        self.is_up[server] = true;
    }

    pub fn cut_route(&mut self, one: usize, other: usize) {
        self.cut_routes.push((one, other));
        self.cut_routes.push((other, one));
        self.travelling
            .retain(|_, (way, _)| *way != Way::Route(one, other) && *way != Way::Route(other, one));
    }

    pub fn mend_routes(&mut self) {
        self.cut_routes.clear();
    }

    /// Nothing moves on this way until it is released.
    pub fn hold(&mut self, way: Way) {
        self.held.entry(way).or_default();
    }

    /// All that was held goes on.
    pub fn release(&mut self, now: Time, way: Way) {
        for travelling in self.held.remove(&way).unwrap_or_default() {
            self.put(now, way, travelling);
        }
    }

    pub fn release_all(&mut self, now: Time) {
        let ways: Vec<Way> = self.held.keys().copied().collect();
        for way in ways {
            self.release(now, way);
        }
    }

    pub fn next(&self) -> Option<Time> {
        self.travelling.keys().next().map(|(at, _)| *at)
    }

    /// Moves what is due. Returns the events that arrive at clients.
    pub fn advance(&mut self, now: Time) -> Vec<(usize, Event)> {
        let mut arrived = Vec::new();
        while let Some(first) = self.travelling.first_entry().filter(|first| first.key().0 <= now) {
            let (way, travelling) = first.remove();
            if let Some(held) = self.held.get_mut(&way) {
                held.push_back(travelling);
                continue;
            }
            match travelling {
                Travelling::Published(from, message) => self.route(now, from, message),
                Travelling::Routed(to, message) => self.serve(now, to, Event::Message(message)),
                Travelling::Arriving(to, event) => {
                    if self.connections[to].is_read {
                        arrived.push((to, event));
                    }
                }
            }
        }
        arrived
    }

    /// A server has a message of one of its clients.
    fn route(&mut self, now: Time, from: usize, message: Message) {
        let server = self.connections[from].server;
        if !self.is_up[server] {
            return;
        }
        let subject = String::from_utf8(message.subject.to_vec()).expect("subjects are text");
        let mut is_heard = false;
        for to in 0..self.connections.len() {
            let connection = &self.connections[to];
            let listens = connection.is_served && connection.subjects.iter().any(|it| matches(it, &subject));
            let is_reached = !self.cut_routes.contains(&(server, connection.server));
            if !listens || !is_reached {
                continue;
            }
            is_heard = true;
            if connection.server == server {
                self.serve(now, to, Event::Message(message.clone()));
            } else {
                let route = Way::Route(server, connection.server);
                self.put(now, route, Travelling::Routed(to, message.clone()));
            }
        }
        if let (false, Some(reply)) = (is_heard, message.reply) {
            self.serve(now, from, Event::Returned(reply));
        }
    }

    fn serve(&mut self, now: Time, to: usize, event: Event) {
        if self.connections[to].is_served {
            self.put(now, Way::In(to), Travelling::Arriving(to, event));
        }
    }

    fn put(&mut self, now: Time, way: Way, travelling: Travelling) {
        if self.choices.percent(self.weather.lost) {
            return;
        }
        let copies = 1 + usize::from(self.choices.percent(self.weather.doubled));
        for _ in 0..copies {
            let late = 100 + self.choices.number() % 900 + self.choices.number() % (self.weather.latest + 1);
            let last = self.last.entry(way).or_default();
            *last = (*last).max(now + late);
            self.count += 1;
            self.travelling
                .insert((*last, self.count), (way, travelling.clone()));
        }
    }
}

/// Whether a subject fits to one with `*` and `>`.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// A message to be published.
pub fn message(subject: &str, reply: Option<&str>, payload: Bytes) -> Message {
    let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Message {
        subject: text(subject),
        reply: reply.map(text),
        payload,
    }
}
