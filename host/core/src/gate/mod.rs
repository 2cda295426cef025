//! One session's requests, in the order in which they arrived.
//!
//! Enters: text frames of one connection. Leaves: answers in the session's outbound queue, publications,
//! and jobs for components. Guarantees (docs/protocol.md 15): every request is answered; requests are worked off
//! strictly in order; what a client says of its own identity is never believed.

mod data;
mod guard;
mod handshake;
mod initial;
mod login;
mod path;
mod publish;
mod scan;
mod set;
mod subscriptions;

use crate::mesh::{Mesh, RangeCache};
use mesh_plugin::Wake;
use mesh_session::{Deferred, Session};
use mesh_wire::protocol::{Action, Frame, Parsed, Request, Response, WireError, json, primus};
use std::sync::Arc;
use std::time::Instant;

pub use data::too_large;
pub use handshake::ConnectionInfo;
pub use login::change_own;
pub use path::{check_literal, check_path, check_size};

/// Longer frames take longer than a call does, whatever is in them.
const LONG: usize = 16 * 1024;

/// The requests of one connection.
pub struct Gate {
    mesh: Arc<Mesh>,
    session: Arc<Session>,
    info: ConnectionInfo,
    /// The announcement of `configure-session`.
    announced: handshake::Announcement,
    /// Frames received so far.
    received: u64,
    ranges: RangeCache,
    /// Lanes to wake when the frames at hand are worked off.
    wakes: Vec<Wake>,
    /// Recipients of publications to write for when the frames at hand are worked off.
    deferred: Deferred,
    /// Calls among the frames at hand.
    called: usize,
    /// A frame at hand may have taken longer than a call does.
    took_time: bool,
    /// It works off one request on a thread of [`mesh_scans`], for the gate of the connection.
    stands_in: bool,
    /// When the frames at hand were read.
    now: Instant,
    /// The session's rights, as far as it has asked.
    guard: guard::Guard,
    /// The session ends behind the answer of the request at hand, for this reason.
    ends_with: Option<&'static str>,
}

impl Gate {
    /// A gate for a connection that has not said anything yet.
    pub fn new(mesh: Arc<Mesh>, session: Arc<Session>, info: ConnectionInfo) -> Gate {
        Gate {
            mesh,
            session,
            info,
            announced: handshake::Announcement::default(),
            received: 0,
            ranges: RangeCache::default(),
            wakes: Vec::new(),
            deferred: Deferred::default(),
            called: 0,
            took_time: false,
            stands_in: false,
            now: Instant::now(),
            guard: guard::Guard::default(),
            ends_with: None,
        }
    }

    /// The session behind the gate.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Tells the time once for the frames that follow.
    pub fn begin(&mut self, now: Instant) {
        self.now = now;
    }

    /// Wakes the lanes that got work, and writes for recipients that sleep. To be called when the frames at hand are worked off.
    /// Returns how many calls there were among them.
    pub fn finish(&mut self) -> usize {
        let called = std::mem::take(&mut self.called);
        self.wakes.clear();
        self.deferred.write();
        called
    }

    /// Whether the last frame may have taken longer than a call does.
    pub fn took_time(&self) -> bool {
        self.took_time
    }

    /// Notes the size of what a request has written or read.
    fn note_size(&mut self, bytes: usize) {
        self.took_time |= bytes > LONG;
    }

    /// Works off one text frame.
    pub fn receive(&mut self, frame: &Frame) {
        self.received += 1;
        self.took_time = frame.len() > LONG;
        if let Some(control) = primus::parse(frame) {
            return match control {
                primus::Control::Ping(text) => self.send(primus::pong(text)),
                primus::Control::Id => self.send(primus::id(self.session.id())),
                primus::Control::Pong => {}
            };
        }
        match Request::parse(frame) {
            Parsed::Request(request) => self.answer(&request, frame),
            Parsed::OtherJson | Parsed::NotJson => {}
        }
        if let Some(reason) = self.ends_with.take() {
            self.session.end_because(reason);
        }
    }

    /// Ends everything that the session subscribed to.
    pub fn close(&mut self) {
        self.wakes.clear();
        self.deferred.write();
        self.mesh.session_ended(&self.session);
        self.mesh.subscriptions().unsubscribe_all(self.session.number());
        self.mesh.acknowledgements().forget(self.session.number());
    }

    fn answer(&mut self, request: &Request<'_>, frame: &Frame) {
        let Some(raw) = request.action else {
            let response = Response::to(self.session.dialect(), Action::Other, request);
            return self.send(response.data("null"));
        };
        let Some(verb) = json::as_text(raw) else {
            let response = Response::to(self.session.dialect(), Action::Other, request);
            let message = format!("Bad action [{}], must be a string", json::shorten(raw.get()));
            return self.send(response.error(&WireError::plain(message)));
        };
        let action = Action::from_wire(&verb);
        if action != Action::Set {
            // The next step may take its time, and neither lanes nor recipients are to sleep meanwhile.
            self.wakes.clear();
            self.took_time = true;
            self.deferred.write();
        }
        let dialect = self.session.dialect();
        if self.mesh.security().is_some() {
            return self.answer_securely(action, request, frame);
        }
        // Nobody has to log in here: the first request is the login.
        self.session.admit();
        match action {
            Action::ConfigureSession => self.configure(request),
            Action::Describe => self.describe(request),
            Action::Login => self.login(request),
            Action::Get => self.get(request, frame),
            Action::Set => self.set(request, frame),
            Action::Remove => self.remove(request, frame),
            Action::On => self.on(request, frame),
            Action::Off => self.off(request),
            Action::Acknowledge => self.acknowledge(request),
            Action::RequestNonce => self.refuse(action, request, nonce_refusal(request)),
            Action::RevokeToken if dialect.has_requests_about_login() => {
                self.refuse(action, request, "Cannot revoke-token Not Secure")
            }
            Action::ChangePassword if dialect.has_requests_about_login() => {
                self.refuse(action, request, "Cannot change-password Not Secure")
            }
            Action::RevokeSession if dialect.refuses_to_revoke_nothing() => {
                self.refuse(action, request, "invalid session token")
            }
            Action::Count if dialect.has_count() => self.count(request, frame),
            _ => {
                let response = Response::to(self.session.dialect(), action, request);
                self.send(response.data("null"));
            }
        }
    }

    fn refuse(&self, action: Action, request: &Request<'_>, message: &str) {
        let response = Response::to(self.session.dialect(), action, request);
        self.send(response.error(&WireError::plain(message)));
    }

    fn send(&self, frame: Frame) {
        self.session.outbound().push(frame);
    }
}

/// Why no nonce is given: nobody can log in with one where nobody has to log in.
fn nonce_refusal(request: &Request<'_>) -> &'static str {
    #[derive(serde::Deserialize)]
    struct Asked<'a> {
        #[serde(borrow, rename = "publicKey")]
        public_key: Option<&'a serde_json::value::RawValue>,
    }
    let asked = request
        .data
        .and_then(|data| serde_json::from_str::<Asked>(data.get()).ok());
    match asked.and_then(|asked| asked.public_key) {
        None => "no public key with request",
        Some(_) => "Cannot request-nonce Not Secure",
    }
}
