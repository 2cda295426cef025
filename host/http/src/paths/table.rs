//! The table of fixed paths.
//!
//! Leaves: [`TABLE`]. Guarantees: see [`super`].

use super::*;
use crate::system::console;
use rest::Route;

/// Of what is only read.
const READING: Verbs = Verbs {
    allow: "GET, HEAD",
    refused: Refused::AtOnce,
};
/// Of logging in: real servers check none.
const LOGGING_IN: Verbs = Verbs {
    allow: "GET, POST",
    refused: Refused::AtOnce,
};
/// Of the console.
const LOOKING: Verbs = Verbs {
    allow: "GET, HEAD",
    refused: Refused::OnceAdmitted,
};
/// Of `rest`: real servers check none, and their clients use what they like.
const CALLING: Verbs = Verbs {
    allow: "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    refused: Refused::OnceAdmitted,
};
/// Of what only this host's `rest` has.
const DOCUMENTING: Verbs = Verbs {
    allow: "GET, OPTIONS",
    refused: Refused::OnceAdmitted,
};
const ANY: Verbs = Verbs {
    allow: "",
    refused: Refused::Never,
};

/// Where websockets are asked for, and what every other path of theirs begins with.
pub(crate) const WEBSOCKETS: &str = "/primus";

/// A row that anybody may read at exactly its path, and that the OpenAPI document leaves out. Other rows say how they differ.
const PLAIN: FixedPath = FixedPath {
    path: "",
    reach: Reach::Exact,
    verbs: READING,
    access: Access::Anybody,
    handler: Handler::Nothing,
    operation: None,
};

/// All fixed paths. Of several rows for one path the first counts; the OpenAPI document keeps their order.
pub(crate) static TABLE: &[FixedPath] = &[
    FixedPath {
        path: "/rest/login",
        verbs: CALLING,
        handler: Handler::Rest(Route::Login),
        operation: Some(LOG_IN),
        ..PLAIN
    },
    FixedPath {
        path: "/rest/login",
        reach: Reach::Below,
        verbs: CALLING,
        access: Access::Permission,
        handler: Handler::Rest(Route::Login),
        ..PLAIN
    },
    FixedPath {
        path: "/rest/describe",
        reach: Reach::Below,
        verbs: CALLING,
        access: Access::Permission,
        handler: Handler::Rest(Route::Describe),
        operation: Some(DESCRIBE),
    },
    FixedPath {
        path: "/rest/openapi.json",
        reach: Reach::Below,
        verbs: DOCUMENTING,
        access: Access::Permission,
        handler: Handler::Rest(Route::OpenApi),
        operation: Some(OPENAPI),
    },
    FixedPath {
        path: "/rest/method",
        reach: Reach::Below,
        verbs: CALLING,
        access: Access::PermissionOfMethod,
        handler: Handler::Rest(Route::Method),
        ..PLAIN
    },
    FixedPath {
        path: "/healthz",
        handler: Handler::Health,
        operation: Some(HEALTH),
        ..PLAIN
    },
    FixedPath {
        path: "/readyz",
        handler: Handler::Readiness,
        operation: Some(READINESS),
        ..PLAIN
    },
    FixedPath {
        path: "/metrics",
        access: Access::Permission,
        handler: Handler::Metrics,
        ..PLAIN
    },
    FixedPath {
        path: "/ping",
        handler: Handler::Ping,
        ..PLAIN
    },
    FixedPath {
        path: "/version",
        handler: Handler::Version,
        ..PLAIN
    },
    FixedPath {
        path: "/auth/login",
        verbs: LOGGING_IN,
        handler: Handler::Authentication(Authentication::LogIn),
        ..PLAIN
    },
    FixedPath {
        path: "/auth/request-nonce",
        verbs: LOGGING_IN,
        handler: Handler::Authentication(Authentication::RequestNonce),
        ..PLAIN
    },
    FixedPath {
        path: "/auth/logout",
        verbs: LOGGING_IN,
        handler: Handler::Authentication(Authentication::LogOut),
        ..PLAIN
    },
    FixedPath {
        path: "/api/client",
        handler: Handler::Client(ClientFile::Script),
        ..PLAIN
    },
    FixedPath {
        path: "/api/client.js",
        handler: Handler::Client(ClientFile::Script),
        ..PLAIN
    },
    FixedPath {
        path: "/api/client.mjs",
        handler: Handler::Client(ClientFile::Module),
        ..PLAIN
    },
    FixedPath {
        path: "/api/client.d.ts",
        handler: Handler::Client(ClientFile::Types),
        ..PLAIN
    },
    FixedPath {
        path: "/browser_client",
        handler: Handler::Client(ClientFile::HappnScript),
        ..PLAIN
    },
    FixedPath {
        path: console::FIGURES,
        reach: Reach::AsWritten,
        verbs: LOOKING,
        access: Access::Permission,
        handler: Handler::ConsoleFigures,
        ..PLAIN
    },
    FixedPath {
        path: "/console",
        reach: Reach::Listed(console::has_file),
        verbs: LOOKING,
        handler: Handler::ConsoleFile,
        ..PLAIN
    },
    FixedPath {
        path: WEBSOCKETS,
        handler: Handler::Primus,
        ..PLAIN
    },
    FixedPath {
        path: "/primus/spec",
        handler: Handler::PrimusSpec,
        ..PLAIN
    },
    // Real servers have something here, and let anybody ask for it.
    FixedPath {
        path: WEBSOCKETS,
        reach: Reach::Beginning,
        verbs: ANY,
        ..PLAIN
    },
    FixedPath {
        path: "/browser_primus.js",
        verbs: ANY,
        ..PLAIN
    },
];

const LOG_IN: Operation = Operation {
    id: "login",
    verb: "post",
    summary: "Gives a token for a password, or for another token.",
    body: Some("Credentials"),
    success: Some("LoggedIn"),
    failures: &["400", "401", "405", "408", "413", "415", "503"],
    own_failure: None,
};
const DESCRIBE: Operation = Operation {
    id: "describe",
    verb: "get",
    summary: "All methods that the caller may use, in happner's form.",
    body: None,
    success: Some("Description"),
    failures: &["405"],
    own_failure: None,
};
const OPENAPI: Operation = Operation {
    id: "openapi",
    verb: "get",
    summary: "This document.",
    body: None,
    success: None,
    failures: &["405"],
    own_failure: None,
};
const HEALTH: Operation = Operation {
    id: "healthz",
    verb: "get",
    summary: "Whether the host runs.",
    body: None,
    success: Some("Status"),
    failures: &["405"],
    own_failure: None,
};
const READINESS: Operation = Operation {
    id: "readyz",
    verb: "get",
    summary: "Whether the mesh takes requests.",
    body: None,
    success: Some("Status"),
    failures: &["405"],
    own_failure: Some(OwnFailure {
        status: "503",
        description: "Requests had better be sent elsewhere.",
        schema: "Status",
    }),
};
