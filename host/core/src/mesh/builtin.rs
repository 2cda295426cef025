//! Components that are part of the host itself.
//!
//! Enters: an identity, a descriptor and a handler. Leaves: calls for the handler, and an [`Emitter`] for its events.
//! Guarantees: there is no library, no lane and no life cycle behind one, so nothing that replaces or stops libraries can take one.
//! Each call is answered once, also when its handler drops it. It counts in its caller's share until then.

use bytes::Bytes;
use mesh_plugin::{Abandoned, Answer, Descriptor, Emitter, Identity, Job, Owed, Refusal, Refused, Response};
use mesh_session::After;
use mesh_wire::origin::Origin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A component that is part of the host itself.
pub struct Builtin {
    emitter: Arc<Emitter>,
    descriptor: Descriptor,
    handler: Box<dyn Handler>,
    /// How many unanswered calls one caller may have.
    calls_of_each: usize,
    calls: AtomicU64,
    pending: Arc<AtomicUsize>,
}

/// The behaviour of a component of the host.
pub trait Handler: Send + Sync {
    /// Answers a call, now or later, from any thread. Must not wait.
    fn call(&self, call: BuiltinCall, answer: Box<dyn Answer>);
}

/// A call of a component that is part of the host itself.
#[derive(Clone)]
pub struct BuiltinCall {
    /// Publishes the component's events.
    pub emitter: Arc<Emitter>,
    /// The method's name, one that the component's descriptor lists.
    pub method: Bytes,
    /// A JSON array of arguments.
    pub arguments: Bytes,
    /// Who calls.
    pub origin: Origin,
}

impl Builtin {
    /// A component that answers calls from now on.
    pub fn new(
        identity: Identity,
        descriptor: Descriptor,
        handler: Box<dyn Handler>,
        calls_of_each: usize,
    ) -> Builtin {
        Builtin {
            emitter: Arc::new(Emitter::new(identity)),
            descriptor,
            handler,
            calls_of_each,
            calls: AtomicU64::new(0),
            pending: Arc::default(),
        }
    }

    /// Who it is, where events are emitted.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
    }

    /// The description that it gives of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Calls taken so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls that are not answered yet.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Hands a call to the handler.
    ///
    /// # Errors
    ///
    /// When its caller has too many calls waiting; it comes back.
    pub fn call(&self, job: Job, answer: Box<dyn Answer>) -> Result<(), Box<Refused>> {
        let held = answer.share().map_or(0, |share| share.held().calls);
        if held >= self.calls_of_each {
            let why = Refusal::Share;
            return Err(Box::new(Refused { why, job, answer }));
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.pending.fetch_add(1, Ordering::Relaxed);
        let answer = Owing {
            owed: Some(Owed::new(answer, job.payload.len())),
            pending: self.pending.clone(),
        };
        let call = BuiltinCall {
            emitter: self.emitter.clone(),
            method: job.target,
            arguments: job.payload,
            origin: job.origin.unwrap_or_else(Origin::nobody),
        };
        self.handler.call(call, Box::new(answer));
        Ok(())
    }
}

/// The answer of a call. Dropped without an outcome, it says that the component is stopping.
struct Owing {
    /// Taken when the outcome is there.
    owed: Option<Owed>,
    pending: Arc<AtomicUsize>,
}

impl Owing {
    fn settle(&mut self) -> Option<Box<dyn Answer>> {
        self.owed.take()?.settle()
    }
}

impl Answer for Owing {
    fn answer(mut self: Box<Self>, status: i32, payload: &[u8]) {
        if let Some(answer) = self.settle() {
            answer.answer(status, payload);
        }
    }

    fn follow(&mut self, after: After) {
        if let Some(answer) = self.owed.as_mut().and_then(Owed::answer_mut) {
            answer.follow(after);
        }
    }

    fn respond(mut self: Box<Self>, response: Response<'_>) {
        if let Some(answer) = self.settle() {
            answer.respond(response);
        }
    }

    fn is_unwanted(&self) -> bool {
        self.owed.as_ref().is_some_and(Owed::is_unwanted)
    }

    fn is_orphaned(&self) -> bool {
        self.owed.as_ref().is_some_and(Owed::is_orphaned)
    }

    fn abandon(mut self: Box<Self>, why: Abandoned) {
        if let Some(answer) = self.settle() {
            answer.abandon(why);
        }
    }
}

impl Drop for Owing {
    fn drop(&mut self) {
        if let Some(answer) = self.settle() {
            answer.abandon(Abandoned::Stopped);
        }
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin::JobKind;
    use mesh_session::Share;
    use std::sync::Mutex;

    /// Keeps answers, or drops them.
    #[derive(Clone, Default)]
    struct Keeper(Arc<Mutex<Vec<Box<dyn Answer>>>>);

    impl Handler for Keeper {
        fn call(&self, call: BuiltinCall, answer: Box<dyn Answer>) {
            if call.method == "keep" {
                self.0.lock().unwrap().push(answer);
            }
        }
    }

    #[derive(Clone, Default)]
    struct Caller {
        share: Arc<Share>,
        said: Arc<Mutex<Vec<String>>>,
    }

    impl Answer for Caller {
        fn answer(self: Box<Self>, status: i32, _: &[u8]) {
            self.said.lock().unwrap().push(format!("answered {status}"));
        }

        fn abandon(self: Box<Self>, why: Abandoned) {
            self.said.lock().unwrap().push(format!("{why:?}"));
        }

        fn share(&self) -> Option<&Share> {
            Some(&self.share)
        }
    }

    fn builtin(keeper: &Keeper) -> Builtin {
        let identity = Identity {
            mesh: "M".to_owned(),
            domain: "M".to_owned(),
            component: "own".to_owned(),
            version: "1.0.0".to_owned(),
            number: 1,
        };
        let descriptor = Descriptor::check("own", b"own", b"1.0.0", b"", br#"{"methods":[]}"#).unwrap();
        Builtin::new(identity, descriptor, Box::new(keeper.clone()), 2)
    }

    fn call(builtin: &Builtin, caller: &Caller, method: &'static str) -> Result<(), Refusal> {
        let job = Job {
            target: Bytes::from_static(method.as_bytes()),
            payload: Bytes::from_static(b"[1]"),
            ..Job::new(JobKind::Call, 0)
        };
        let called = builtin.call(job, Box::new(caller.clone()));
        called.map_err(|refused| refused.why)
    }

    #[test]
    fn a_call_whose_handler_drops_the_answer_is_answered_all_the_same() {
        let (builtin, caller) = (builtin(&Keeper::default()), Caller::default());
        assert_eq!(call(&builtin, &caller, "drop"), Ok(()));
        assert_eq!(*caller.said.lock().unwrap(), ["Stopped"]);
        assert_eq!((builtin.pending(), caller.share.held().calls), (0, 0));
    }

    #[test]
    fn one_caller_has_so_many_calls_waiting_and_others_have_theirs() {
        let keeper = Keeper::default();
        let (builtin, one, other) = (builtin(&keeper), Caller::default(), Caller::default());
        assert_eq!([(); 2].map(|()| call(&builtin, &one, "keep")), [Ok(()); 2]);
        assert_eq!(call(&builtin, &one, "keep"), Err(Refusal::Share));
        assert_eq!(call(&builtin, &other, "keep"), Ok(()));
        assert_eq!((builtin.pending(), one.share.held().calls), (3, 2));
        let kept = std::mem::take(&mut *keeper.0.lock().unwrap());
        kept.into_iter().for_each(|answer| answer.answer(0, b"[]"));
        assert_eq!((builtin.pending(), one.share.held().calls), (0, 0));
        assert_eq!(*one.said.lock().unwrap(), ["answered 0"; 2]);
    }
}
