//! Publications of consistency 3, which their recipients acknowledge (docs/protocol.md 7.5).
//!
//! Enters: publications with their recipients, and the `ack` requests of the recipients. Leaves: one frame that tells
//! the publisher what became of it, when all have acknowledged or the time is over. Guarantees: a session counts for
//! at most as many acknowledgements as it got frames. A publisher has a limited number of publications waiting.
//! Nothing is kept of a publisher that has gone.

use mesh_session::Session;
use mesh_wire::protocol::{Frame, Outcome, acknowledgement, publication_id};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Publications of one publisher that may wait at one time.
const MOST_WAITING: usize = 4096;

/// Publications that wait for their recipients.
#[derive(Debug)]
pub struct Acknowledgements {
    waiting: Mutex<Waiting>,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Waiting {
    publications: HashMap<Arc<str>, Unacknowledged>,
    of_publisher: HashMap<u64, HashSet<Arc<str>>>,
}

#[derive(Debug)]
struct Unacknowledged {
    publisher: Arc<Session>,
    /// Raw JSON of the request's `eventId`.
    event_id: Box<str>,
    sent: usize,
    acknowledged: usize,
    /// Frames that a session may still acknowledge.
    open: HashMap<u64, usize>,
    deadline: Instant,
}

impl Unacknowledged {
    fn tell(&self) {
        let outcome = Outcome {
            successful: self.sent,
            acknowledged: Some(self.acknowledged),
        };
        let frame = acknowledgement(
            self.publisher.dialect(),
            self.publisher.id(),
            &self.event_id,
            outcome,
        );
        self.publisher.outbound().push(frame);
    }
}

impl Acknowledgements {
    /// Nothing waits yet. Publishers are told after `patience` that acknowledgements are missing.
    pub fn new(patience: Duration) -> Acknowledgements {
        Acknowledgements {
            waiting: Mutex::default(),
            patience,
        }
    }

    /// Whether a publisher may have one more publication waiting.
    pub fn has_room(&self, publisher: u64) -> bool {
        self.lock()
            .of_publisher
            .get(&publisher)
            .is_none_or(|waiting| waiting.len() < MOST_WAITING)
    }

    /// Delivers frames that their recipients will acknowledge. `inside` recipients have acknowledged already.
    pub fn deliver(
        &self,
        publisher: &Arc<Session>,
        event_id: &str,
        frames: Vec<(Arc<Session>, Frame)>,
        inside: usize,
        now: Instant,
    ) {
        let mut open = HashMap::new();
        for (session, _) in &frames {
            *open.entry(session.number()).or_insert(0) += 1;
        }
        let publication = Unacknowledged {
            publisher: publisher.clone(),
            event_id: event_id.into(),
            sent: frames.len() + inside,
            acknowledged: inside,
            open,
            deadline: now + self.patience,
        };
        if frames.is_empty() {
            return publication.tell();
        }
        let id: Arc<str> = publication_id(publisher.id(), event_id).into();
        let mut waiting = self.lock();
        let replaced = waiting.publications.insert(id.clone(), publication);
        waiting
            .of_publisher
            .entry(publisher.number())
            .or_default()
            .insert(id);
        drop(waiting);
        // A client that uses an `eventId` twice can no longer tell the two apart; it is told of both.
        if let Some(replaced) = replaced {
            replaced.tell();
        }
        for (session, frame) in frames {
            session.outbound().push(frame);
        }
    }

    /// Takes an `ack` of a session. Returns whether the publication waits for any: old clients acknowledge a frame once for
    /// each of their listeners, which is no mistake and counts once.
    pub fn acknowledge(&self, session: u64, id: &str) -> bool {
        let mut waiting = self.lock();
        let Some(publication) = waiting.publications.get_mut(id) else {
            return false;
        };
        let Entry::Occupied(mut left) = publication.open.entry(session) else {
            return true;
        };
        *left.get_mut() -= 1;
        if *left.get() == 0 {
            left.remove();
        }
        publication.acknowledged += 1;
        if publication.acknowledged >= publication.sent
            && let Some(complete) = waiting.take(id)
        {
            drop(waiting);
            complete.tell();
        }
        true
    }

    /// Tells publishers whose time is over that acknowledgements are missing.
    pub fn expire(&self, now: Instant) {
        let mut waiting = self.lock();
        let expired: Vec<Arc<str>> = waiting
            .publications
            .iter()
            .filter(|(_, publication)| publication.deadline <= now)
            .map(|(id, _)| id.clone())
            .collect();
        let expired: Vec<Unacknowledged> = expired.iter().filter_map(|id| waiting.take(id)).collect();
        drop(waiting);
        expired.iter().for_each(Unacknowledged::tell);
    }

    /// Forgets what a publisher waits for: it has gone.
    pub fn forget(&self, publisher: u64) {
        let mut waiting = self.lock();
        for id in waiting.of_publisher.remove(&publisher).unwrap_or_default() {
            waiting.publications.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, id: &str) -> Option<Unacknowledged> {
        let publication = self.publications.remove(id)?;
        if let Entry::Occupied(mut ids) = self.of_publisher.entry(publication.publisher.number()) {
            ids.get_mut().remove(id);
            if ids.get().is_empty() {
                ids.remove();
            }
        }
        Some(publication)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_session::{Batch, Next};

    fn session(number: u64) -> Arc<Session> {
        Arc::new(Session::new(number, ([127, 0, 0, 1], 1).into(), 1 << 20))
    }

    fn told(publisher: &Session) -> Vec<serde_json::Value> {
        let mut batch = Batch::default();
        publisher.outbound().take(&mut batch);
        let frames = std::iter::from_fn(|| match batch.next_frame() {
            Next::Frame(frame) => Some(frame),
            Next::Wait(_) | Next::End => None,
        });
        frames
            .map(|frame| serde_json::from_str(&frame).unwrap())
            .collect()
    }

    fn delivered(patience: Duration, recipients: &[u64]) -> (Acknowledgements, Arc<Session>, String) {
        let acknowledgements = Acknowledgements::new(patience);
        let publisher = session(1);
        let frames = recipients
            .iter()
            .map(|number| (session(*number), Frame::from_static("{}")))
            .collect();
        acknowledgements.deliver(&publisher, "7", frames, 0, Instant::now());
        let id = publication_id(publisher.id(), "7");
        (acknowledgements, publisher, id)
    }

    #[test]
    fn the_publisher_hears_when_all_have_acknowledged() {
        let (acknowledgements, publisher, id) = delivered(Duration::from_secs(9), &[2, 3]);
        assert!(acknowledgements.acknowledge(2, &id));
        assert!(
            acknowledgements.acknowledge(2, &id),
            "once more, for another listener"
        );
        assert!(acknowledgements.acknowledge(4, &id), "not a recipient");
        assert!(told(&publisher).is_empty());
        assert!(acknowledgements.acknowledge(3, &id));
        let frames = told(&publisher);
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0]["status"], "ok");
        assert_eq!(frames[0]["result"]["acknowledged"], 2);
        assert!(!acknowledgements.acknowledge(3, &id));
    }

    #[test]
    fn a_publication_without_recipients_is_acknowledged_at_once() {
        let (_, publisher, _) = delivered(Duration::from_secs(9), &[]);
        assert_eq!(told(&publisher)[0]["status"], "ok");
    }

    #[test]
    fn the_wait_ends_at_its_deadline_and_with_its_publisher() {
        let (acknowledgements, publisher, id) = delivered(Duration::ZERO, &[2, 2]);
        assert!(acknowledgements.acknowledge(2, &id));
        acknowledgements.expire(Instant::now());
        let frames = told(&publisher);
        assert_eq!(frames[0]["error"], "unacknowledged publication");
        assert_eq!(frames[0]["result"]["acknowledged"], 1);
        let (acknowledgements, publisher, id) = delivered(Duration::from_secs(9), &[2]);
        acknowledgements.forget(publisher.number());
        assert!(!acknowledgements.acknowledge(2, &id));
        assert!(acknowledgements.lock().publications.is_empty());
    }
}
