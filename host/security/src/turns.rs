//! Whose password is looked at next, and who has to go when too many wait.
//!
//! Enters: things that wait, each of a class, a network and a name. Leaves: the next one to be served, and those that
//! wait no more. There are no threads and no clock in here. Guarantees: the places of each class are bounded. The
//! classes that have somebody waiting are served in turn. In a class the networks, in a network the names, and under
//! a name the one that came first. Where places run out, the network that holds most gives one up, and in it the name
//! that holds most.

use mesh_wire::network::network_of;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

/// Places of each class.
pub(super) const PLACES: usize = 256;

/// Why somebody waits. The number is the position of the class's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A first attempt, by anybody, with any name.
    Attempt = 0,
    /// An attempt that had no turn among the first, with the name of a user.
    User = 1,
    /// The same, from a network from which this user has logged in before.
    Known = 2,
    /// Somebody who is logged in.
    Session = 3,
}

const CLASSES: usize = 4;

/// The one that waits. Long names cost no more than short ones: a name is a hash with a key that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Applicant {
    pub network: Network,
    pub name: u64,
}

/// The addresses that one client can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network(Option<IpAddr>);

impl Network {
    /// No network: for who is here already.
    pub(super) const NONE: Network = Network(None);

    pub(super) fn of(address: IpAddr) -> Network {
        Network(Some(network_of(address)))
    }
}

/// Everybody who waits.
#[derive(Debug)]
pub(super) struct Turns<T> {
    lines: [Line<T>; CLASSES],
    /// The line that is looked at first.
    next: usize,
}

/// Those of one class. The network that is served next is in front.
#[derive(Debug)]
struct Line<T> {
    crowds: VecDeque<Crowd<T>>,
    length: usize,
    places: usize,
}

/// Those of one network, at least one. The name that is served next is in front.
#[derive(Debug)]
struct Crowd<T> {
    network: Network,
    queues: VecDeque<Queue<T>>,
    length: usize,
}

/// Those with one name, at least one.
#[derive(Debug)]
struct Queue<T> {
    name: u64,
    waiting: VecDeque<(Instant, T)>,
}

impl<T> Turns<T> {
    /// Nobody waits, and `places` may in each class.
    pub(super) fn new(places: usize) -> Turns<T> {
        let line = || Line {
            crowds: VecDeque::new(),
            length: 0,
            places,
        };
        Turns {
            lines: [line(), line(), line(), line()],
            next: 0,
        }
    }

    /// Lets somebody wait until a time. Returns who has no place then: another one, or the same.
    pub(super) fn push(&mut self, class: Class, who: Applicant, until: Instant, item: T) -> Option<T> {
        self.lines[class as usize].push(who, until, item)
    }

    /// Whether no place is left in this class.
    pub(super) fn is_full(&self, class: Class) -> bool {
        let line = &self.lines[class as usize];
        line.length >= line.places
    }

    /// Takes out who is served next.
    pub(super) fn pop(&mut self) -> Option<T> {
        let first = self.next;
        let found = (0..CLASSES).map(|offset| (first + offset) % CLASSES);
        let found = found.into_iter().find(|line| self.lines[*line].length > 0)?;
        self.next = (found + 1) % CLASSES;
        self.lines[found].pop()
    }

    /// Takes out those of a class who wanted to wait until now at most.
    pub(super) fn expire(&mut self, class: Class, now: Instant) -> Vec<T> {
        self.lines[class as usize].extract(|until, _| until <= now)
    }

    /// Takes out those of a class for whom `is_gone` says so.
    pub(super) fn remove_where(&mut self, class: Class, is_gone: impl Fn(&T) -> bool) -> Vec<T> {
        self.lines[class as usize].extract(|_, item| is_gone(item))
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lines.iter().map(|line| line.length).sum()
    }
}

impl<T> Line<T> {
    fn push(&mut self, who: Applicant, until: Instant, item: T) -> Option<T> {
        let own = self.crowds.iter().find(|crowd| crowd.network == who.network);
        let own_length = own.map_or(0, |crowd| crowd.length);
        let mut evicted = None;
        if self.length >= self.places {
            let others = self
                .crowds
                .iter_mut()
                .filter(|crowd| crowd.network != who.network);
            let largest = others.max_by_key(|crowd| crowd.length);
            // A newcomer has one place more than before, if it gets one.
            evicted = match largest.filter(|crowd| crowd.length > own_length + 1) {
                Some(crowd) => crowd.evict(0, None),
                None => self.evict_for(who),
            };
            if evicted.is_none() {
                return Some(item);
            }
            self.length -= 1;
            self.crowds.retain(|crowd| crowd.length > 0);
        }
        self.length += 1;
        let position = self.crowds.iter().position(|crowd| crowd.network == who.network);
        let position = position.unwrap_or_else(|| {
            self.crowds.push_back(Crowd {
                network: who.network,
                queues: VecDeque::new(),
                length: 0,
            });
            self.crowds.len() - 1
        });
        self.crowds[position].push(who.name, until, item);
        evicted
    }

    /// Takes a place in the network of who comes from a name that holds more than its own.
    fn evict_for(&mut self, who: Applicant) -> Option<T> {
        let mut crowds = self.crowds.iter_mut();
        let crowd = crowds.find(|crowd| crowd.network == who.network)?;
        let own = crowd.queues.iter().find(|queue| queue.name == who.name);
        let own_length = own.map_or(0, |queue| queue.waiting.len());
        crowd.evict(own_length + 1, Some(who.name))
    }

    fn pop(&mut self) -> Option<T> {
        let mut crowd = self.crowds.pop_front()?;
        let item = crowd.pop();
        self.length -= usize::from(item.is_some());
        if crowd.length > 0 {
            self.crowds.push_back(crowd);
        }
        item
    }

    fn extract(&mut self, mut goes: impl FnMut(Instant, &T) -> bool) -> Vec<T> {
        let mut gone = Vec::new();
        for crowd in &mut self.crowds {
            let before = gone.len();
            for queue in &mut crowd.queues {
                // Nearly always nobody goes, and nothing is moved.
                if queue.waiting.iter().any(|(until, item)| goes(*until, item)) {
                    let all = std::mem::take(&mut queue.waiting);
                    for (until, item) in all {
                        match goes(until, &item) {
                            true => gone.push(item),
                            false => queue.waiting.push_back((until, item)),
                        }
                    }
                }
            }
            crowd.length -= gone.len() - before;
            crowd.queues.retain(|queue| !queue.waiting.is_empty());
        }
        self.length -= gone.len();
        self.crowds.retain(|crowd| crowd.length > 0);
        gone
    }
}

impl<T> Crowd<T> {
    fn push(&mut self, name: u64, until: Instant, item: T) {
        self.length += 1;
        match self.queues.iter_mut().find(|queue| queue.name == name) {
            Some(queue) => queue.waiting.push_back((until, item)),
            None => self.queues.push_back(Queue {
                name,
                waiting: VecDeque::from([(until, item)]),
            }),
        }
    }

    fn pop(&mut self) -> Option<T> {
        let mut queue = self.queues.pop_front()?;
        let (_, item) = queue.waiting.pop_front()?;
        self.length -= 1;
        if !queue.waiting.is_empty() {
            self.queues.push_back(queue);
        }
        Some(item)
    }

    /// Takes out the one that came last under the name that holds most, if that is more than `most`. Of names that hold the
    /// same, the one that would be served last gives way.
    fn evict(&mut self, most: usize, except: Option<u64>) -> Option<T> {
        let names = self.queues.iter_mut().filter(|queue| Some(queue.name) != except);
        let fullest = names.max_by_key(|queue| queue.waiting.len())?;
        if fullest.waiting.len() <= most {
            return None;
        }
        let (_, item) = fullest.waiting.pop_back()?;
        self.length -= 1;
        self.queues.retain(|queue| !queue.waiting.is_empty());
        Some(item)
    }
}

#[cfg(test)]
mod tests;
