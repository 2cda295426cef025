//! Calls of components: what a component that called another one gets.
//!
//! Enters: the outcome of the call. Leaves: a reply on the lane of the component that called. Guarantees: a call that was
//! cancelled is wanted by nobody, and gets no reply.

use super::answer::{abandoned, array, unreadable, without_null_error};
use mesh_plugin::{Abandoned, Answer, Caller, Place, Status};
use mesh_session::After;
use std::time::Duration;

/// A component that waits for another one.
pub(super) struct ComponentAnswer {
    pub(super) caller: Caller,
    pub(super) target: String,
    pub(super) timeout: Duration,
}

impl Answer for ComponentAnswer {
    fn follow(&mut self, after: After) {
        // The answer that it gives in its turn follows that, too.
        self.caller.instance.emitter().answered_after(after);
    }

    fn placed(&mut self, place: Place) {
        self.caller.note_place(place);
    }

    fn is_unwanted(&self) -> bool {
        self.caller.is_over()
    }

    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        // A defect is the other component's: the one that hands the error on must not be blamed for it.
        let status = if status == Status::PANIC {
            Status::ERROR
        } else {
            status
        };
        match array(payload) {
            Some(array) if status == Status::VALUE_ERROR => {
                let (status, array) = without_null_error(array);
                self.caller.reply(status, array);
            }
            Some(array) => self.caller.reply(status, array.to_owned()),
            None => self
                .caller
                .reply(Status::ERROR, unreadable(&self.target).arguments()),
        }
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        let failure = abandoned(&self.target, why, self.timeout.as_millis());
        self.caller.reply(Status::ERROR, failure.arguments());
    }
}
