//! An edge whose callers are numbers, a router that goes through a list, and a clock that is moved.

use super::*;

/// Those that are left of a list, in its order.
pub(super) struct InOrder {
    pub(super) routes: Vec<Route>,
    pub(super) why: NoChoice,
}

impl InOrder {
    pub(super) fn nodes(names: &[&str], component: &Arc<Component>) -> InOrder {
        let route = |name: &&str| Route {
            place: match *name {
                "here" => Place::Here,
                name => Place::Node(peer(name)),
            },
            component: component.clone(),
            is_away: false,
        };
        InOrder {
            routes: names.iter().map(route).collect(),
            why: NoChoice::Unreachable,
        }
    }

    pub(super) fn none(why: NoChoice) -> InOrder {
        InOrder {
            routes: Vec::new(),
            why,
        }
    }
}

impl Router for InOrder {
    fn choose(&mut self, _: &Request, tried: &[Tried], _: &InFlight) -> Result<Route, NoChoice> {
        let is_new = |route: &&Route| tried.iter().all(|tried| tried.place != route.place);
        self.routes.iter().find(is_new).cloned().ok_or(self.why)
    }

    fn versions(&self, _: &str) -> Vec<ComponentVersion> {
        vec![version("2.0.0"), version("1.2.3")]
    }
}

pub(super) fn asking() -> Request {
    Request {
        component: "calc".into(),
        named: "calc".into(),
        target: Target::Method("add".into()),
        wanted: Wanted::range("^1"),
        session: Some(1),
        origin: Origin::of_session("S"),
        delegate: None,
        groups: 0,
        arguments: Bytes::from_static(b"[1,2]"),
        timeout: Duration::from_secs(10),
    }
}

/// Calls of callers `1`, `2`, …, and a clock that is moved.
pub(super) struct Edge {
    pub(super) calls: Calls<u32>,
    pub(super) router: InOrder,
    pub(super) now: Moment,
}

/// One deed of an edge, short enough to compare.
#[derive(Debug, PartialEq)]
pub(super) enum Did {
    Sent(String, u64),
    Here(u64),
    Cancelled(String, u64),
    Withdrawn(String, u64),
    Replied(u32, Reply),
}

pub(super) fn named(place: &Place) -> String {
    place.peer().map_or("here", |peer| peer.node.as_str()).to_owned()
}

impl Edge {
    pub(super) fn new(router: InOrder) -> Edge {
        Edge {
            calls: Calls::new(MOST_BYTES),
            router,
            now: Moment::default(),
        }
    }

    pub(super) fn to(names: &[&str]) -> Edge {
        Edge::new(InOrder::nodes(names, &calc(false)))
    }

    pub(super) fn did(&mut self) -> Vec<Did> {
        std::iter::from_fn(|| self.calls.poll())
            .map(|output| match output {
                Output::Send { peer, number, body } => {
                    assert_eq!(CallFrame::read(&body.joined()).unwrap().number, number);
                    Did::Sent(peer.node.to_string(), number)
                }
                Output::Here { number, .. } => Did::Here(number),
                Output::Withdraw { peer, number } => Did::Withdrawn(peer.node.to_string(), number),
                Output::Cancel { place, number, body } => {
                    assert_eq!(CancelFrame::read(&body.joined()).unwrap().number, number);
                    Did::Cancelled(named(&place), number)
                }
                Output::Reply { caller, reply } => Did::Replied(caller, reply),
            })
            .collect()
    }

    pub(super) fn calls(&mut self) -> Vec<Did> {
        self.calls.begin(self.now, asking(), 1, &mut self.router);
        self.did()
    }

    /// The number of the attempt that was sent to a node.
    pub(super) fn sent_to(&mut self, name: &str) -> u64 {
        match &*self.calls() {
            [Did::Sent(node, number)] if node == name => *number,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn answers(&mut self, name: &str, number: u64, outcome: Outcome) -> Vec<Did> {
        let place = match name {
            "here" => Place::Here,
            name => Place::Node(peer(name)),
        };
        let answer = AnswerFrame { number, outcome };
        self.calls.answered(self.now, &place, answer, &mut self.router);
        self.did()
    }

    pub(super) fn loses(&mut self, name: &str) -> Vec<Did> {
        self.calls.lost(self.now, &peer(name), &mut self.router);
        self.did()
    }

    pub(super) fn takes(&mut self, name: &str, number: u64) {
        self.calls.taken(&peer(name), number);
        assert_eq!(self.did(), []);
    }

    pub(super) fn waits(&mut self, milliseconds: u64) -> Vec<Did> {
        self.now += Duration::from_millis(milliseconds);
        self.calls.tick(self.now);
        self.did()
    }
}
