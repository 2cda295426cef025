//! The answer that is owed for a call, counted in its caller's share until it is given or dropped.
//!
//! Enters: calls as they are taken. Leaves: the one who waits for the answer. Guarantees: the share counts
//! each call exactly as long as its answer is owed.

use super::job::Answer;
#[cfg(test)]
use mesh_session::Share;

/// An answer that is owed, and counted in the share of who waits for it until it is given or dropped.
pub struct Owed {
    answer: Option<Box<dyn Answer>>,
    bytes: u32,
}

impl Owed {
    /// Counts a call of so many bytes.
    pub fn new(answer: Box<dyn Answer>, bytes: usize) -> Owed {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(share) = answer.share() {
            share.take(bytes);
        }
        Owed {
            answer: Some(answer),
            bytes,
        }
    }

    /// Whether nobody waits for it any more.
    pub fn is_unwanted(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.is_unwanted())
    }

    /// Whether the caller has gone.
    pub fn is_orphaned(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.is_orphaned())
    }

    /// Who waits.
    pub fn answer_mut(&mut self) -> Option<&mut Box<dyn Answer>> {
        self.answer.as_mut()
    }

    /// Counts the call no more, and returns who waits.
    pub fn settle(mut self) -> Option<Box<dyn Answer>> {
        self.give_back();
        self.answer.take()
    }

    fn give_back(&self) {
        if let Some(share) = self.answer.as_ref().and_then(|answer| answer.share()) {
            share.give_back(self.bytes);
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Abandoned;
    use mesh_session::Held;
    use std::sync::Arc;

    struct Waits(Arc<Share>);

    impl Answer for Waits {
        fn answer(self: Box<Self>, _: i32, _: &[u8]) {}
        fn abandon(self: Box<Self>, _: Abandoned) {}
        fn share(&self) -> Option<&Share> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_call_counts_until_it_is_settled_or_dropped() {
        let share = Arc::new(Share::default());
        let owed = |bytes| Owed::new(Box::new(Waits(share.clone())), bytes);
        let (one, other) = (owed(300), owed(1 << 31));
        let both = Held {
            calls: 2,
            bytes: 300 + (1 << 31),
        };
        assert_eq!(share.held(), both);
        assert!(one.settle().is_some());
        assert_eq!(share.held().calls, 1);
        drop(other);
        assert_eq!(share.held(), Held { calls: 0, bytes: 0 });
    }
}
