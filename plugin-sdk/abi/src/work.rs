//! One piece of work that the host hands to a lane.

use crate::{Slice, Token};

/// The kinds of [`Work`] items. The values are fixed; a library ignores kinds that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkKind;

impl WorkKind {
    /// First item on lane 0: get ready, then complete `token` with [`crate::Status::OK`], or with
    /// [`crate::Status::ERROR`] and an error object in an array. Calls arrive after that.
    pub const START: u32 = 1;
    /// A method call. `target` is the method's name on the wire, `payload` a JSON array of arguments, `origin` a JSON
    /// object with the caller's session `id` and, on a secure mesh, `username`. Complete `token`.
    pub const CALL: u32 = 2;
    /// An event that the component subscribed to. `token` is the subscription's, `target` the event's path,
    /// `payload` its data as JSON, `origin` the publication's `_meta` as a JSON object. Nothing to complete.
    pub const EVENT: u32 = 3;
    /// The outcome of something that the component asked the host for. `token` is the one the component chose,
    /// `status` a [`crate::Status`], `payload` JSON. Nothing to complete.
    pub const REPLY: u32 = 4;
    /// A hint, on the call's own lane, that nobody waits for the call with this `token` any more. Nothing to complete.
    pub const CANCEL: u32 = 5;
    /// [`crate::Host::wake`] was called for this lane.
    pub const WAKE: u32 = 6;
    /// Finish, then complete `token`. Comes on lane 0; no call arrives after it, replies and events still may.
    pub const STOP: u32 = 7;
    /// Comes on lane 0, to a component whose descriptor declares `state`: give the state. Complete `token` with
    /// [`crate::Status::OK`] and the state as bytes of the component's own choice, or with an error. No call and no
    /// event arrives until [`WorkKind::RESUME`] or [`WorkKind::STOP`]. Since minor version 1.
    pub const SNAPSHOT: u32 = 8;
    /// Comes on lane 0, to a component whose descriptor declares `state`. It asks to take over the state in `payload`,
    /// which was written with the schema number in `method`. Complete `token`. A new instance gets it before
    /// [`WorkKind::START`]. One that has started may get it too, when the version that replaced it is rolled back. The
    /// state then replaces its own. Since minor version 1.
    pub const RESTORE: u32 = 9;
    /// A hint, on lane 0: another version has taken over. Calls taken before are still to be answered; what the
    /// component does by itself should pause. Nothing to complete. Since minor version 1.
    pub const QUIESCE: u32 = 10;
    /// A hint, on lane 0, after [`WorkKind::SNAPSHOT`] or [`WorkKind::QUIESCE`]: it serves again. Nothing to complete.
    /// Since minor version 1.
    pub const RESUME: u32 = 11;
    /// Comes on lane 0 after [`WorkKind::START`], to a component whose descriptor says `"health": true`: complete
    /// `token` with [`crate::Status::OK`] when it can serve, else with an error. May come again later. Since minor
    /// version 1.
    pub const HEALTH: u32 = 12;
    /// A request for one of the component's web routes. `target` is a JSON object: `route`, its name in the descriptor;
    /// `method`, such as `GET`; `url`, path and query as the client sent them; `path`, what follows the route in it, which
    /// is empty or begins with `/` or `.`; `query`, what follows `?`, or empty; `headers`, an object of texts with names in
    /// small letters; `address`, the client's. `payload` is the body, any bytes. `origin` is as for [`WorkKind::CALL`],
    /// and `null` where nobody is known. Complete `token` with [`crate::HttpExtension::respond`]; [`crate::Host::complete`]
    /// with [`crate::Status::OK`] answers with the first result as JSON, and with an error as status 500. Since minor
    /// version 2.
    pub const HTTP: u32 = 13;
}

/// One piece of work. All slices are borrowed for the call of `work`, or until the next `take`.
#[repr(C)]
#[derive(Debug)]
pub struct Work {
    /// Size of this struct as the host was compiled, in bytes: the distance from one item to the next. A multiple of 8.
    pub struct_size: u32,
    /// A [`WorkKind`].
    pub kind: u32,
    /// The subject of this item; see [`WorkKind`].
    pub token: Token,
    /// For [`WorkKind::REPLY`]: how it ended.
    pub status: i32,
    /// For [`WorkKind::CALL`] and [`WorkKind::HTTP`]: milliseconds until nobody waits for the answer any more; never 0.
    pub deadline_milliseconds: u32,
    /// For [`WorkKind::CALL`]: position of the method in the descriptor's `methods`, or `u32::MAX` when unknown. For
    /// [`WorkKind::HTTP`]: position of the route in `routes`. For [`WorkKind::RESTORE`]: the schema number of the state.
    pub method: u32,
    /// Zero.
    pub reserved: u32,
    /// See [`WorkKind`].
    pub target: Slice,
    /// See [`WorkKind`].
    pub payload: Slice,
    /// See [`WorkKind`].
    pub origin: Slice,
}
