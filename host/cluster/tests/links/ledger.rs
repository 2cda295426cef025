//! The promises of links, kept in books.
//!
//! Enters: all that was handed to links and all that came out of them, with the time of the world. Leaves: the promises that did not hold.
//! Guarantees: it knows nothing of how links work.

use crate::nats::Time;
use mesh_cluster::identity::Mark;
use mesh_cluster::link::{Class, Fate, Notice, Ticket};
use std::collections::BTreeMap;

/// From one incarnation to another.
pub type Stream = (Mark, Mark);

/// The end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Open,
    Taken,
    /// The sender was told that it is out of the link.
    Voided(Fate),
    /// The sender took it back.
    Withdrawn(Fate),
}

/// A message that a link accepted.
#[derive(Debug)]
struct Item {
    class: Class,
    length: usize,
    sent: Time,
    delivered: Option<Time>,
    outcome: Outcome,
    /// It must not be delivered later than this.
    forbidden_after: Option<Time>,
}

/// All that was sent from one incarnation to another.
#[derive(Debug, Default)]
struct Book {
    items: Vec<Item>,
    /// The place behind the last one that was delivered.
    next: usize,
    dropped: u64,
    told_of_drops: u64,
    /// The sender emptied the link.
    was_emptied: bool,
    /// Voided in the same moment, before the verdict that says why.
    just_voided: Vec<usize>,
}

/// All books.
#[derive(Debug, Default)]
pub struct Ledger {
    books: BTreeMap<Stream, Book>,
    /// The place of each call: tickets are numbered through the whole story.
    calls: BTreeMap<Ticket, (Stream, usize)>,
    lease: Time,
    pub faults: Vec<String>,
    pub delivered: u64,
    pub voided: u64,
    pub dropped: u64,
}

/// Bytes before the filling of a body: receiver, place.
const BEGINNING: usize = 16;

/// The body of a message, which says where it belongs.
pub fn filled(to: Mark, place: usize, length: usize) -> Vec<u8> {
    let mut body = to.number().to_be_bytes().to_vec();
    body.extend((place as u64).to_be_bytes());
    body.resize(length.max(BEGINNING), place as u8);
    body
}

impl Ledger {
    pub fn new(lease: Time) -> Ledger {
        Ledger {
            lease,
            ..Ledger::default()
        }
    }

    pub fn fault(&mut self, text: String) {
        if self.faults.len() < 20 {
            self.faults.push(text);
        }
    }

    /// The place that the next message gets.
    pub fn next_place(&self, stream: Stream) -> usize {
        self.books.get(&stream).map_or(0, |book| book.items.len())
    }

    pub fn accepted(&mut self, now: Time, stream: Stream, class: Class, length: usize) {
        let book = self.books.entry(stream).or_default();
        if let Class::Call(ticket) = class {
            self.calls.insert(ticket, (stream, book.items.len()));
        }
        book.items.push(Item {
            class,
            length: length.max(BEGINNING),
            sent: now,
            delivered: None,
            outcome: Outcome::Open,
            forbidden_after: None,
        });
    }

    pub fn dropped(&mut self, stream: Stream) {
        self.dropped += 1;
        self.books.entry(stream).or_default().dropped += 1;
    }

    pub fn gap(&mut self, stream: Stream, events: u64) {
        self.books.entry(stream).or_default().told_of_drops += events;
    }

    /// The sender has forgotten the receiver: nothing that it was given before is delivered any more.
    pub fn emptied(&mut self, now: Time, stream: Stream) {
        let book = self.books.entry(stream).or_default();
        book.was_emptied = true;
        for item in &mut book.items {
            item.forbidden_after.get_or_insert(now);
        }
    }

    pub fn delivered(&mut self, now: Time, stream: Stream, body: &[u8], age: Time) {
        let mut wrong = Vec::new();
        let number =
            |from: usize| u64::from_be_bytes(body[from..from + 8].try_into().expect("it has eight bytes"));
        if number(0) != stream.1.number() {
            wrong.push("it is for another incarnation".to_owned());
        }
        let place = number(8) as usize;
        let book = self.books.entry(stream).or_default();
        let (next, count) = (book.next, book.items.len());
        let Some(item) = book.items.get_mut(place) else {
            return self.fault(format!(
                "{now}: {stream:?}: place {place} of {count} was delivered"
            ));
        };
        if place < next {
            wrong.push(format!("{next} were delivered before"));
        }
        if item.delivered.is_some() {
            wrong.push("it was delivered before".to_owned());
        }
        if body != filled(stream.1, place, item.length) {
            wrong.push(format!("it had {} bytes and has {}", item.length, body.len()));
        }
        if let Outcome::Voided(Fate::NeverTaken) | Outcome::Withdrawn(Fate::NeverTaken) = item.outcome {
            wrong.push("it was never taken".to_owned());
        }
        if item.forbidden_after.is_some_and(|after| now > after) {
            wrong.push(format!(
                "it was void: {:?}, until {:?}",
                item.outcome, item.forbidden_after
            ));
        }
        let true_age = now - item.sent;
        let is_dated = matches!(item.class, Class::Call(_));
        if is_dated && (age > true_age + 2_000 || age + self.lease < true_age) {
            wrong.push(format!("its age is {true_age} and is said to be {age}"));
        }
        item.delivered = Some(now);
        book.next = book.next.max(place + 1);
        self.delivered += 1;
        for wrong in wrong {
            self.fault(format!("{now}: {stream:?}: place {place} was delivered: {wrong}"));
        }
    }

    pub fn noticed(&mut self, now: Time, notice: Notice) {
        let (ticket, outcome) = match notice {
            Notice::Returned(_) => return,
            Notice::Taken(ticket) => (ticket, Outcome::Taken),
            Notice::Voided { ticket, fate } => (ticket, Outcome::Voided(fate)),
        };
        let (stream, place) = self.calls[&ticket];
        let book = self.books.get_mut(&stream).expect("it has a book");
        let item = &mut book.items[place];
        let before = std::mem::replace(&mut item.outcome, outcome);
        let delivered = item.delivered;
        if let Outcome::Voided(_) = outcome {
            self.voided += 1;
            book.just_voided.push(place);
        }
        if before != Outcome::Open {
            self.fault(format!("{now}: {ticket:?} was {before:?} and is {outcome:?}"));
        }
        match outcome {
            Outcome::Taken if delivered.is_none() => {
                self.fault(format!(
                    "{now}: {ticket:?} of {stream:?} is taken and was not delivered"
                ));
            }
            Outcome::Voided(Fate::NeverTaken) if delivered.is_some() => {
                self.fault(format!(
                    "{now}: {ticket:?} is never taken and was delivered at {delivered:?}"
                ));
            }
            _ => {}
        }
    }

    /// The verdict that the last voids came with. `forbids`: the receiver was silent for longer than a lease.
    pub fn explained(&mut self, now: Time, stream: Stream, forbids: bool) {
        if let Some(book) = self.books.get_mut(&stream) {
            for place in std::mem::take(&mut book.just_voided) {
                if forbids {
                    book.items[place].forbidden_after = Some(now);
                }
            }
        }
    }

    /// The sender takes a call back. After a lease it is not delivered any more.
    pub fn withdrawn(&mut self, now: Time, ticket: Ticket, fate: Option<Fate>) {
        let (stream, place) = self.calls[&ticket];
        let item = &mut self.books.get_mut(&stream).expect("it has a book").items[place];
        let (outcome, delivered) = (item.outcome, item.delivered);
        if let Some(fate) = fate {
            item.outcome = Outcome::Withdrawn(fate);
            item.forbidden_after = Some(now + self.lease);
            if outcome != Outcome::Open || (fate == Fate::NeverTaken && delivered.is_some()) {
                self.fault(format!(
                    "{now}: {ticket:?}, {outcome:?}, is withdrawn as {fate:?}; delivered {delivered:?}"
                ));
            }
        } else if outcome == Outcome::Open {
            self.fault(format!(
                "{now}: {ticket:?} of {stream:?} is open and cannot be withdrawn"
            ));
        }
    }

    /// Calls that are neither acknowledged nor withdrawn.
    pub fn open_calls(&self, from: Mark) -> Vec<(Mark, Ticket)> {
        let books = self.books.iter().filter(|((sender, _), _)| *sender == from);
        let open = books.flat_map(|((_, to), book)| {
            let open = book.items.iter().filter(|item| item.outcome == Outcome::Open);
            open.filter_map(|item| match item.class {
                Class::Call(ticket) => Some((*to, ticket)),
                Class::Event | Class::Kept => None,
            })
        });
        open.collect()
    }

    /// Looks at the books of all, when nothing is under way. `lives` are incarnations that live and did not judge each other to be gone
    /// for good; `lived` are those that live.
    pub fn close(&mut self, both_live: impl Fn(Stream) -> bool, sender_lives: impl Fn(Mark) -> bool) {
        let mut wrong = Vec::new();
        for (stream, book) in &self.books {
            let live = both_live(*stream);
            for (place, item) in book.items.iter().enumerate() {
                let is_call = matches!(item.class, Class::Call(_));
                if is_call && item.outcome == Outcome::Open && sender_lives(stream.0) {
                    wrong.push(format!("{stream:?}: call {place} waits for ever"));
                }
                let is_owed = !is_call || matches!(item.outcome, Outcome::Open | Outcome::Taken);
                if live && is_owed && !book.was_emptied && item.delivered.is_none() {
                    let class = item.class;
                    wrong.push(format!(
                        "{stream:?}: {class:?} at place {place} is lost, sent {}",
                        item.sent
                    ));
                }
            }
            if live && !book.was_emptied && book.dropped != book.told_of_drops {
                let (dropped, told) = (book.dropped, book.told_of_drops);
                wrong.push(format!(
                    "{stream:?}: {dropped} events were dropped, and {told} are told"
                ));
            }
        }
        wrong.into_iter().for_each(|wrong| self.fault(wrong));
    }
}
