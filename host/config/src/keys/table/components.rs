//! Components, their calls, and how they are replaced.
//!
//! Leaves: the keys of `[plugins]`, `[calls]`, `[swap]`, an entry of `[[components]]`. Guarantees: see [`super::super`].

use super::*;

/// Keys of `[plugins]`.
pub(super) const PLUGINS: &[Key] = &[Key {
    section: "plugins",
    name: "dir",
    takes: Takes::Path,
    default: KeyDefault::Text(DEFAULT_PLUGINS_DIR),
    applies: Live,
    meaning: "Folder in which component libraries are looked up.",
}];

/// Keys of `[calls]`.
pub(super) const CALLS: &[Key] = &[
    integer(
        "calls",
        "timeout_ms",
        TIMEOUT_MS,
        Restart,
        "Milliseconds a call in a component may take.",
    ),
    integer(
        "calls",
        "client_timeout_ms",
        CLIENT_TIMEOUT_MS,
        Restart,
        "Milliseconds that happner's MeshClient waits for an answer: its clients are told.",
    ),
    integer(
        "calls",
        "queue_bytes",
        QUEUE_BYTES,
        Restart,
        "Bytes of calls that may wait for one lane.",
    ),
    integer(
        "calls",
        "max_pending_per_session",
        MAX_PENDING_PER_SESSION,
        Restart,
        "Calls that one session, or one address over HTTP, may have unanswered.",
    ),
];

/// Keys of `[swap]`.
pub(super) const SWAP: &[Key] = &[
    integer(
        "swap",
        "probation_ms",
        PROBATION_MS,
        Live,
        "Milliseconds that a new version is on probation: misbehaviour brings the old one back.",
    ),
    integer(
        "swap",
        "max_error_percent",
        MAX_ERROR_PERCENT,
        Live,
        "Points by which the share of failed calls may rise during probation.",
    ),
    integer(
        "swap",
        "drain_timeout_ms",
        DRAIN_TIMEOUT_MS,
        Live,
        "Milliseconds that a replaced version has to answer the calls it has taken.",
    ),
    integer(
        "swap",
        "handover_timeout_ms",
        HANDOVER_TIMEOUT_MS,
        Live,
        "Milliseconds that calls may wait while state is handed over.",
    ),
    integer(
        "swap",
        "max_state_bytes",
        MAX_STATE_BYTES,
        Live,
        "Bytes of state that a version may hand over.",
    ),
    Key {
        section: "swap",
        name: "watch",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(DEFAULT_WATCH),
        applies: Live,
        meaning: "Whether a saved mesh.toml is applied at once.",
    },
    integer(
        "swap",
        "max_versions",
        MAX_VERSIONS,
        Live,
        "Versions of one component that may be loaded at the same time.",
    ),
    Key {
        section: "swap",
        name: "rehearse",
        takes: Takes::Choice(REHEARSALS),
        default: KeyDefault::Text(REHEARSALS[0]),
        applies: Live,
        meaning: "How much of a library is tried out in a process of its own before the host opens it.",
    },
];

/// Keys of an entry of `[[components]]`.
pub(super) const COMPONENTS: &[Key] = &[
    Key {
        section: "components",
        name: "name",
        takes: Takes::Text,
        default: KeyDefault::Required,
        applies: Live,
        meaning: "Name the component is called by; not empty, no `/`, no `*`, no spaces.",
    },
    Key {
        section: "components",
        name: "library",
        takes: Takes::Text,
        default: KeyDefault::Required,
        applies: Live,
        meaning: "Library of the component: a crate name, a file name in `plugins.dir`, or a path.",
    },
    Key {
        section: "components",
        name: "version",
        takes: Takes::Text,
        default: KeyDefault::Text(DEFAULT_VERSION),
        applies: Live,
        meaning: "Range of versions, as npm writes them, that the library must satisfy.",
    },
    Key {
        section: "components",
        name: "config",
        takes: Takes::Table,
        default: KeyDefault::EmptyTable,
        applies: Live,
        meaning: "Settings handed to the component as JSON when it starts.",
    },
    integer(
        "components",
        "lanes",
        LANES,
        Live,
        "Threads that run calls of this component side by side.",
    ),
    integer(
        "components",
        "stack_bytes",
        STACK_BYTES,
        Live,
        "Bytes of stack that each of these threads has.",
    ),
    integer(
        "components",
        "start_timeout_ms",
        START_TIMEOUT_MS,
        Live,
        "Milliseconds that the component has to start.",
    ),
    Key {
        section: "components",
        name: "authority_delegation",
        takes: Takes::Boolean,
        default: KeyDefault::SameAs("security.authority_delegation"),
        applies: Live,
        meaning: "Whether it does what callers ask for with their rights, in a secure mesh.",
    },
    Key {
        section: "components",
        name: "crate",
        takes: Takes::Path,
        default: KeyDefault::Unset,
        applies: Live,
        meaning: "Folder of the component's Cargo.toml, which `mesh run --dev` builds it from.",
    },
    Key {
        section: "components",
        name: "reach",
        takes: Takes::Choice(REACHES),
        default: KeyDefault::Text(REACHES[0]),
        applies: Live,
        meaning: "Whether nodes of the cluster may call it, or its own node only.",
    },
    Key {
        section: "components",
        name: "affinity",
        takes: Takes::Choice(AFFINITIES),
        default: KeyDefault::Text(AFFINITIES[0]),
        applies: Live,
        meaning: "Whether one node serves all calls of a session, as long as it is there.",
    },
    Key {
        section: "components",
        name: "idempotent",
        takes: Takes::Texts,
        default: KeyDefault::Unset,
        applies: Live,
        meaning: "Methods that may be executed twice for one call, beside those that the library declares.",
    },
    Key {
        section: "components",
        name: "requires",
        takes: Takes::Table,
        default: KeyDefault::EmptyTable,
        applies: Live,
        meaning: "Components, with the range of versions of each, that must be there before it starts, such as `{ stock = \"^2\" }`.",
    },
];
