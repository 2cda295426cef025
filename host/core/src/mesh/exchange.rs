//! Calls (docs/mesh-protocol.md 2): from a `set` on a request path to a job on a lane.

mod request;

pub use request::{CallRequest, is_own_address};

use super::answer::{Failure, SessionAnswer};
use super::elsewhere::HandOver;
use super::registry::{Asked, listed};
use super::{Elsewhere, Endpoint, Mesh};
use bytes::Bytes;
use mesh_cluster::calls::Wanted;
use mesh_plugin::{Answer, Job, JobKind, Place, Refusal, Refused, Wake};
use mesh_session::Session;
use mesh_wire::address::Address;
use mesh_wire::origin::Origin;
use mesh_wire::protocol::json;
use mesh_wire::versions::RequestedRange;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The user that the mesh itself publishes as.
pub(super) const MESH_USER: &str = mesh_security::ADMIN;

/// A call is routed again when its version was just replaced; more often than this nobody replaces versions.
const MOST_TURNS: usize = 16;

/// A call that a version has taken.
struct Routed {
    wake: Wake,
    /// The number of the version; none where it is on another node.
    endpoint: Option<u64>,
}

impl Routed {
    fn to(endpoint: Option<&Endpoint>, wake: Wake) -> Routed {
        let endpoint = endpoint.map(Endpoint::number);
        Routed { wake, endpoint }
    }
}

/// A range as it was written, and what it means.
#[derive(Clone, Copy)]
pub(super) struct WrittenRange<'a> {
    pub(super) text: &'a str,
    pub(super) range: &'a RequestedRange,
}

/// The part of a component that a request is for.
#[derive(Clone, Copy)]
pub(super) enum Aim<'a> {
    /// To answer a call of this method.
    Method(&'a str),
    /// To answer a web request for this route.
    Route(&'a str),
}

impl Aim<'_> {
    /// Aims a job at the part of a version that is meant. False when it has none such.
    pub(super) fn take(self, endpoint: &Endpoint, job: &mut Job) -> bool {
        let descriptor = endpoint.descriptor();
        let position = match self {
            Aim::Method(name) => descriptor.method(name).map(|(position, method)| {
                job.target = method.name_bytes().clone();
                position
            }),
            Aim::Route(name) => descriptor.route(name).filter(|_| endpoint.answers_web_requests()),
        };
        job.method = position.unwrap_or(u32::MAX);
        position.is_some()
    }

    fn name(&self) -> &str {
        match self {
            Aim::Method(name) | Aim::Route(name) => name,
        }
    }
}

/// The caller.
#[derive(Debug)]
pub struct Caller<'a> {
    /// The session that gets the answer.
    pub session: &'a Arc<Session>,
    /// The facts that the component learns of the caller.
    pub origin: Origin,
}

/// The range that a session asked for last, parsed: clients ask for the same one in every call.
#[derive(Debug, Default)]
pub struct RangeCache {
    last: Option<(Box<str>, RequestedRange)>,
}

impl RangeCache {
    fn get(&mut self, text: &str) -> &RequestedRange {
        match &mut self.last {
            Some((known, _)) if **known == *text => {}
            last => *last = Some((text.into(), RequestedRange::from(text))),
        }
        match &self.last {
            Some((_, range)) => range,
            None => unreachable!("it was just set"),
        }
    }
}

impl Mesh {
    /// Hands a client's call to a lane, or answers it with what is wrong. `frame` is the frame that the request was
    /// parsed from. The lane is woken when the returned [`Wake`] is dropped.
    pub fn call_from_session(
        self: &Arc<Mesh>,
        caller: Caller<'_>,
        path: &str,
        request: &CallRequest<'_>,
        frame: &Bytes,
        ranges: &mut RangeCache,
        now: Instant,
    ) -> Option<Wake> {
        let Caller { session, origin } = caller;
        // Without an address nothing could be answered; real servers drop such a request, too.
        let address = request.callback.as_deref()?;
        let arguments = match request.arguments {
            Some(arguments) if arguments.get().starts_with('[') => {
                let arguments = arguments.get().as_bytes();
                // A slice keeps its whole frame in memory, which must not be much more than what is counted for it.
                if frame.len() > 4 * arguments.len() + 4096 {
                    Bytes::copy_from_slice(arguments)
                } else {
                    frame.slice_ref(arguments)
                }
            }
            _ => Bytes::from_static(b"[]"),
        };
        let (named, method) = last_two(path);
        let component = target_of(path, self.domain()).0;
        let answer = SessionAnswer::new(self.clone(), session.clone(), address, named, method);
        let Some(component) = component else {
            answer.fail(&unknown_component(named, method));
            return None;
        };
        let job = Job {
            deadline_milliseconds: milliseconds(self.call_timeout()),
            payload: arguments,
            origin: Some(origin),
            ..Job::new(JobKind::Call, 0)
        };
        let deadline = now + self.call_timeout();
        let target = (component, Aim::Method(method));
        let version = request.version.filter(|version| version.get() != "null");
        let outcome = match version {
            // A value that is no text is no range, and matches nothing.
            Some(version) => {
                let text = json::as_text(version).unwrap_or(Cow::Borrowed("not a range"));
                let asked = Asked::Range(ranges.get(&text));
                self.route(
                    target,
                    asked,
                    || shown(version),
                    job,
                    Box::new(answer.clone()),
                    deadline,
                    Routed::to,
                )
            }
            None => {
                let promised = session.advertised();
                let asked = promised.as_ref().map_or(Asked::Any, Asked::Advertised);
                let routed = self.route(
                    target,
                    asked,
                    String::new,
                    job,
                    Box::new(answer.clone()),
                    deadline,
                    Routed::to,
                );
                if promised.is_some()
                    && let Ok(Routed {
                        endpoint: Some(endpoint),
                        ..
                    }) = &routed
                {
                    session.note_reliance(*endpoint, target.0);
                }
                routed
            }
        };
        match outcome {
            Ok(routed) => Some(routed.wake),
            Err((failure, _)) => {
                answer.fail(&failure);
                None
            }
        }
    }

    /// Hands a call of the host itself to a component. Of `job` the arguments and the origin are looked at.
    pub fn call_from_host(
        &self,
        target: (&str, &str),
        range: &str,
        job: Job,
        timeout: Duration,
        answer: Box<dyn Answer>,
    ) -> Result<(), (Failure, Box<dyn Answer>)> {
        let parsed = RequestedRange::from(range);
        let written = WrittenRange {
            text: range,
            range: &parsed,
        };
        let range = Some(written).filter(|written| !written.text.is_empty());
        self.call_from_component(target, range, job, timeout, answer)
            .map(drop)
    }

    /// Hands the call of a component to a component, and returns where it is. Of `job` the arguments, the origin and the chain
    /// are looked at.
    pub(super) fn call_from_component(
        &self,
        (component, method): (&str, &str),
        range: Option<WrittenRange<'_>>,
        job: Job,
        timeout: Duration,
        answer: Box<dyn Answer>,
    ) -> Result<Option<Place>, (Failure, Box<dyn Answer>)> {
        let job = Job {
            deadline_milliseconds: milliseconds(timeout),
            payload: if job.payload.is_empty() {
                Bytes::from_static(b"[]")
            } else {
                job.payload
            },
            ..job
        };
        let deadline = self.clock.now() + timeout;
        let target = (component, Aim::Method(method));
        let asked = range.map_or(Asked::Any, |written| Asked::Range(written.range));
        let text = || range.map_or_else(String::new, |written| written.text.to_owned());
        let placed = |endpoint: Option<&Endpoint>, wake: Wake| endpoint?.place_of(wake.token());
        self.route(target, asked, text, job, answer, deadline, placed)
    }

    /// Hands a request for a web route to the component of this name, which may carry a range. Of `job` the head, the body
    /// and the origin are looked at.
    pub fn web_request(
        &self,
        (component, route): (&str, &str),
        job: Job,
        answer: Box<dyn Answer>,
    ) -> Result<(), (Failure, Box<dyn Answer>)> {
        let timeout = self.call_timeout();
        let job = Job {
            deadline_milliseconds: milliseconds(timeout),
            ..job
        };
        let target = (component, Aim::Route(route));
        let deadline = self.clock.now() + timeout;
        let woken = |_: Option<&Endpoint>, wake: Wake| drop(wake);
        self.route(target, Asked::Any, String::new, job, answer, deadline, woken)
    }

    /// Hands a call to the version that serves it now. When another version takes over meanwhile, it goes there. `taken` sees which
    /// version has taken it.
    #[allow(clippy::too_many_arguments)] // Each is another thing, and a struct of them would be made for each call.
    fn route<T>(
        &self,
        (name, aim): (&str, Aim<'_>),
        asked: Asked<'_>,
        asked_text: impl Fn() -> String,
        mut job: Job,
        mut answer: Box<dyn Answer>,
        deadline: Instant,
        taken: impl FnOnce(Option<&Endpoint>, Wake) -> T,
    ) -> Result<T, (Failure, Box<dyn Answer>)> {
        // A name may carry a range: that is how versions beside the first are listed.
        let (bare, named_range) = match name.split_once('@') {
            Some((bare, range)) => (bare, Some(RequestedRange::from(range))),
            None => (name, None),
        };
        let asked = match (&named_range, asked) {
            (Some(range), Asked::Any | Asked::Advertised(_)) => Asked::Range(range),
            (_, asked) => asked,
        };
        let elsewhere = self.elsewhere();
        let text = |asked_text: &dyn Fn() -> String| {
            match asked {
                Asked::Advertised(shown) => shown.line(bare).map(|line| line.to_string()),
                Asked::Any | Asked::Range(_) => named_range.as_ref().map(|_| name.to_owned()),
            }
            .unwrap_or_else(asked_text)
        };
        let hand_over = |elsewhere: &dyn Elsewhere, job: Job, answer: Box<dyn Answer>| {
            let wanted = match asked {
                Asked::Any => Wanted::Any,
                Asked::Advertised(shown) => shown.line(bare).map_or(Wanted::Any, Wanted::Line),
                Asked::Range(_) => Wanted::range(&match name.split_once('@') {
                    Some((_, range)) => range.to_owned(),
                    None => asked_text(),
                }),
            };
            let call = HandOver {
                named: name,
                component: bare,
                aim,
                wanted,
            };
            elsewhere.call(call.request(job), answer);
        };
        if let Some(elsewhere) = elsewhere
            && elsewhere.competes()
            && elsewhere.knows(bare)
        {
            hand_over(elsewhere, job, answer);
            return Ok(taken(None, Wake::nobody()));
        }
        for _ in 0..MOST_TURNS {
            let registry = self.registry();
            let found = registry
                .find(bare, asked)
                .filter(|endpoint| aim.take(endpoint, &mut job));
            let Some(found) = found else {
                if let Some(elsewhere) = elsewhere
                    && elsewhere.knows(bare)
                {
                    hand_over(elsewhere, job, answer);
                    return Ok(taken(None, Wake::nobody()));
                }
                let present = registry.versions(bare);
                let failure = match registry.find(bare, asked) {
                    Some(_) => unknown_method(name, aim.name()),
                    None if present.is_empty() => unknown_component(name, aim.name()),
                    None => version_mismatch(name, aim.name(), &text(&asked_text), present),
                };
                return Err((failure, answer));
            };
            match found.call(job, answer, deadline) {
                Ok(wake) => return Ok(taken(Some(found), wake)),
                Err(refused) => {
                    let why = refused.why;
                    Refused { job, answer, .. } = *refused;
                    match (why, elsewhere) {
                        (Refusal::Replaced, _) => {}
                        (Refusal::Full | Refusal::Closed, Some(elsewhere)) if elsewhere.knows(bare) => {
                            hand_over(elsewhere, job, answer);
                            return Ok(taken(None, Wake::nobody()));
                        }
                        _ => return Err((refused_by(found, why), answer)),
                    }
                }
            }
        }
        Err((
            Failure::failed("Error", format!("component {name} is being replaced")),
            answer,
        ))
    }
}

fn refused_by(endpoint: &Endpoint, why: Refusal) -> Failure {
    let why = match why {
        Refusal::Full => "has too many calls waiting",
        Refusal::Share => "has too many calls of this caller waiting",
        Refusal::Closed | Refusal::Replaced => "is stopping",
    };
    Failure::failed("Error", format!("component {} {why}", endpoint.name()))
}

/// The component and method that a path names. No component when the path is not in this mesh's domain or has more
/// segments than a call.
fn target_of<'a>(path: &'a str, domain: &str) -> (Option<&'a str>, &'a str) {
    match Address::parse(path) {
        Some(Address::Request {
            domain: named,
            component,
            method,
        }) if named == domain => (Some(component), method),
        _ => (None, ""),
    }
}

/// The error for a path that names no component.
fn last_two(path: &str) -> (&str, &str) {
    let mut segments = path.rsplit('/');
    let method = segments.next().unwrap_or_default();
    (segments.next().unwrap_or_default(), method)
}

fn unknown_component(component: &str, method: &str) -> Failure {
    Failure::bad_endpoint(format!("Call to unconfigured component: [{component}.{method}]"))
}

/// The error for a call to a method that the component does not have.
pub fn unknown_method(component: &str, method: &str) -> Failure {
    Failure::failed(
        "Error",
        format!("Call to unconfigured method [{component}.{method}()]"),
    )
}

fn version_mismatch(component: &str, method: &str, asked: &str, present: &[Endpoint]) -> Failure {
    let present = listed(present);
    Failure::failed(
        "Error",
        format!(
            "Call to unconfigured method [{component}.{method}]: request version [{asked}] does not match component version [{present}]"
        ),
    )
}

fn shown(version: &RawValue) -> String {
    json::shorten(&json::as_text(version).unwrap_or(Cow::Borrowed(version.get()))).into_owned()
}

/// A limit as jobs carry it.
pub fn milliseconds(duration: Duration) -> u32 {
    // Never 0: to a component that hands it on, 0 means "no limit of my own".
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests;
