//! The calls: each caller's wish and answer, and how often it was executed.

use mesh_cluster::calls::{CallError, Reply};
use mesh_cluster::choice::Tried;
use mesh_cluster::identity::NodeName;
use mesh_cluster::provider::Place;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// One call.
#[derive(Debug)]
pub struct Call {
    pub deadline: u64,
    pub is_idempotent: bool,
    /// Whether the versions allow another one, for each execution.
    pub executions: Vec<bool>,
    pub attempts: usize,
    /// Those that have refused it, or were lost with it.
    pub tried: Vec<Tried>,
    /// Where it is, and under which number.
    pub at: Option<(u64, Tried)>,
    pub reply: Option<Reply>,
}

/// All calls by the numbers of their callers.
#[derive(Default)]
pub struct Ledger {
    pub calls: BTreeMap<u64, Call>,
    open: BTreeSet<u64>,
    pub lost: HashSet<NodeName>,
    pub endings: Vec<String>,
    pub late: u64,
}

impl Ledger {
    pub fn add(&mut self, id: u64, call: Call) {
        self.calls.insert(id, call);
        self.open.insert(id);
    }

    pub fn attempt(&mut self, id: u64, number: u64, to: Tried) -> Result<(), String> {
        let call = self.calls.get_mut(&id).ok_or("an attempt of no call")?;
        if let Some((_, former)) = call.at.replace((number, to)) {
            call.tried.push(former);
        }
        call.attempts += 1;
        let most = if call.is_idempotent { 4 } else { 3 };
        match call.attempts > most || call.reply.is_some() {
            true => Err(format!("call {id} was tried too often: {call:?}")),
            false => Ok(()),
        }
    }

    pub fn executed(&mut self, id: u64, now: u64, may_be_repeated: bool) -> Result<(), String> {
        let call = self.calls.get_mut(&id).ok_or("an execution of no call")?;
        if now >= call.deadline {
            return Err(format!("call {id} was executed after its time"));
        }
        call.executions.push(may_be_repeated);
        let executions = &call.executions;
        if executions.len() > 2 || (executions.len() == 2 && executions.contains(&false)) {
            return Err(format!("call {id} was executed more than once: {executions:?}"));
        }
        if let Some(Reply::Failed(error)) = &call.reply {
            self.endings.push("executed after all".into());
            if error.is_executed() == Some(false) {
                return Err(format!("call {id} was executed although its caller got: {error}"));
            }
        }
        Ok(())
    }

    pub fn replied(&mut self, id: u64, now: u64, reply: Reply) -> Result<(), String> {
        let call = self.calls.get_mut(&id).ok_or("a reply to no call")?;
        if let Some(former) = &call.reply {
            return Err(format!("call {id} got {former:?}, and then {reply:?}"));
        }
        if now > call.deadline {
            return Err(format!(
                "call {id} got its answer {} ms late",
                now - call.deadline
            ));
        }
        let executions = call.executions.len();
        match &reply {
            Reply::Answered { status, payload } => {
                let is_own = **payload == *format!("[{id}]").as_bytes();
                if *status == 0 && (executions == 0 || !is_own) {
                    return Err(format!("call {id} got {payload:?} after {executions} executions"));
                }
                self.endings.push("answered".into());
            }
            Reply::Failed(error) => {
                if error.is_executed() == Some(false) && executions > 0 {
                    return Err(format!("call {id} was executed, and its caller got: {error}"));
                }
                if error.is_executed() == Some(true) && executions == 0 {
                    return Err(format!("call {id} was not executed, and its caller got: {error}"));
                }
                if let CallError::NodeLost { node, .. } = error
                    && !self.lost.contains(node)
                {
                    return Err(format!("call {id} was told that {node} is lost, which it is not"));
                }
                if matches!(error, CallError::TimedOut { .. }) && now < call.deadline {
                    return Err(format!("the time of call {id} was said to be over too early"));
                }
                self.endings.push(error.name().into());
            }
        }
        call.at = None;
        call.reply = Some(reply);
        self.open.remove(&id);
        Ok(())
    }

    /// An answer of a place arrives under this number: it is late if its caller does not wait for it.
    pub fn arrived(&mut self, place: &Place, number: u64) {
        let is_waited_for = self.waiting().any(|(_, call)| {
            let at = call.at.as_ref();
            at.is_some_and(|(known, tried)| *known == number && tried.place == *place)
        });
        if !is_waited_for {
            self.late += 1;
            self.endings.push("late".into());
        }
    }

    pub fn waiting(&self) -> impl Iterator<Item = (&u64, &Call)> {
        self.open.iter().map(|id| (id, &self.calls[id]))
    }
}
