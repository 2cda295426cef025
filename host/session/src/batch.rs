//! Frames that a connection has taken from its queue and writes one after the other.
//!
//! Enters: frames from [`super::Outbound`]. Leaves: frames for the websocket, in order. Guarantees: a frame that
//! waits for publications of other connections is not handed out before these have tried to write them. Sessions that
//! wait for frames of this batch are woken when these were tried.

use super::{After, Closing, InFlight};
use mesh_wire::protocol::Frame;

/// A frame in a queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) frame: Frame,
    /// It is a publication, and somebody may wait until it was tried.
    pub(super) in_flight: Option<InFlight>,
    /// It waits for publications of others.
    pub(super) after: Option<After>,
}

impl Queued {
    /// Whether it has to wait.
    pub(super) fn waits(&self) -> bool {
        self.after.as_ref().is_some_and(|after| !after.is_over())
    }
}

/// Frames taken for writing.
#[derive(Debug, Default)]
pub struct Batch {
    /// The end of what was sent through the lent socket, as bytes of the websocket. Goes before all frames.
    pub rest: Vec<u8>,
    /// Set once the host wants the connection closed, after these frames.
    pub closing: Option<Closing>,
    /// In the order in which they were pushed.
    pub(super) frames: Vec<Queued>,
    /// How many of them were handed out.
    position: usize,
    /// Up to here nothing has to wait.
    cleared: usize,
    /// Publications that were handed out and not yet tried.
    handed: Vec<InFlight>,
    /// Nobody waits for frames that were not handed out.
    is_released: bool,
}

/// The next step of a batch.
#[derive(Debug)]
pub enum Next {
    /// This frame is to be written.
    Frame(Frame),
    /// Nothing, before others have tried to write this.
    Wait(After),
    /// Nothing is left.
    End,
}

impl Batch {
    /// Whether all frames were handed out.
    pub fn is_handed_out(&self) -> bool {
        self.position == self.frames.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.rest.is_empty()
    }

    /// Makes room for the next frames. To be called when all were handed out.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.position = 0;
        self.cleared = 0;
        self.is_released = false;
    }

    /// The next frame to write.
    pub fn next_frame(&mut self) -> Next {
        if self.position >= self.cleared
            && let Some(after) = self.obstacle()
        {
            return Next::Wait(after);
        }
        let Some(queued) = self.frames.get_mut(self.position) else {
            return Next::End;
        };
        self.position += 1;
        self.handed.extend(queued.in_flight.take());
        Next::Frame(std::mem::take(&mut queued.frame))
    }

    /// The condition that the next frame waits for. Answers that follow each other leave together, in one write, when
    /// the last of them may. Nothing that others push is between them, so they still wait for earlier frames only.
    fn obstacle(&mut self) -> Option<After> {
        let rest = self.frames.get(self.position..).unwrap_or_default();
        let mut end = self.position;
        let mut last = None;
        for after in rest.iter().map_while(|queued| queued.after.as_ref()) {
            end += 1;
            // Frames that this batch has handed out itself are written before.
            if !after.is_over_but_for(&self.handed) {
                last = Some(after);
            }
        }
        let last = last.cloned();
        if last.is_none() {
            self.cleared = end;
        }
        last
    }

    /// The socket has taken all that was handed out.
    pub fn tried(&mut self) {
        self.handed.clear();
    }

    /// The socket takes no more for now, or will not ever: nobody is to wait for what is left.
    pub fn release_publishers(&mut self) {
        self.handed.clear();
        if !std::mem::replace(&mut self.is_released, true) {
            let left = self.frames.iter_mut().skip(self.position);
            left.for_each(|queued| queued.in_flight = None);
        }
    }

    /// The texts of all frames that were not handed out yet, in their order.
    #[cfg(test)]
    pub fn texts(&self) -> Vec<&str> {
        self.frames.iter().map(|queued| queued.frame.as_str()).collect()
    }
}
