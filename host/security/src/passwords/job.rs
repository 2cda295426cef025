//! Jobs that wait for a thread that checks passwords, and their execution.
//!
//! Enters: a proof or a password, and who waits for the outcome. Leaves: the outcome. Guarantees: nothing is done for
//! somebody who does not wait any more.

use super::{Shared, Signed};
use crate::digest;
use crate::password::{self, PasswordError, Verdict, Workspace};
use crate::turns::{Applicant, Class};
use std::time::Instant;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Somebody who waits.
pub(super) struct Ticket {
    /// Why.
    pub class: Class,
    /// The server.
    pub who: Applicant,
    /// For how long, if it has to be.
    pub until: Instant,
    /// For what.
    pub work: Work,
}

/// The result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    pub verdict: Verdict,
    /// Whether it was found at the first attempt. The outcome of another may be told only when it is right.
    pub is_first: bool,
}

/// The job.
pub(super) enum Work {
    Password {
        password: Zeroizing<String>,
        stored: Option<String>,
        answer: oneshot::Sender<Looked>,
    },
    Signature {
        signed: Box<Signed>,
        is_of_user: bool,
        answer: oneshot::Sender<Looked>,
    },
    Hash {
        password: Zeroizing<String>,
        answer: oneshot::Sender<Result<String, PasswordError>>,
    },
}

impl Work {
    /// Whether there is a user whom the proof could be right for.
    pub fn is_of_user(&self) -> bool {
        match self {
            Work::Password { stored, .. } => stored.is_some(),
            Work::Signature { is_of_user, .. } => *is_of_user,
            Work::Hash { .. } => false,
        }
    }

    /// Whether nobody waits for it any more.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Work::Password { answer, .. } | Work::Signature { answer, .. } => answer.is_closed(),
            Work::Hash { answer, .. } => answer.is_closed(),
        }
    }
}

impl Ticket {
    pub fn run(self, shared: &Shared, workspace: &mut Workspace) {
        if self.work.is_abandoned() {
            return;
        }
        let is_first = matches!(self.class, Class::Attempt | Class::Session);
        // Nobody listens any more: that is the caller's affair.
        match self.work {
            Work::Password {
                password,
                stored,
                answer,
            } => {
                let verdict = shared.verify(workspace, &password, stored.as_deref());
                let _ = answer.send(Looked { verdict, is_first });
            }
            Work::Signature { signed, answer, .. } => {
                let mut nonces = signed.nonces.iter();
                let verify = |nonce: &super::Nonce| {
                    digest::verify(&signed.public_key, nonce.as_bytes(), &signed.digest)
                };
                let verdict = match nonces.any(verify) {
                    true => Verdict::Right { outdated: false },
                    false => Verdict::Wrong,
                };
                let _ = answer.send(Looked { verdict, is_first });
            }
            Work::Hash { password, answer } => {
                let _ = answer.send(password::hash_in(workspace, &password));
            }
        }
    }
}
