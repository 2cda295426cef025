//! The content that is served over HTTP beside the mesh itself.
//!
//! Leaves: the keys of `[rest]`, `[web]`, an entry of `[[web.routes]]`, an entry of `[[web.folders]]`, `[console]`. Guarantees: see [`super::super`].

use super::*;

/// Keys of `[rest]`.
pub(super) const REST: &[Key] = &[
    Key {
        section: "rest",
        name: "cors_origins",
        takes: Takes::Texts,
        default: KeyDefault::Unset,
        applies: Live,
        meaning: "Origins whose pages may use `/rest/…` from a browser, such as `https://app.example`; `*` alone is all.",
    },
    Key {
        section: "rest",
        name: "cors_credentials",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(false),
        applies: Live,
        meaning: "Whether they may do so with the cookie of whoever looks at them; not with `*`.",
    },
];

/// Keys of `[web]`.
pub(super) const WEB: &[Key] = &[
    integer(
        "web",
        "max_body_bytes",
        MAX_BODY_BYTES,
        Restart,
        "Bytes that the body of a request for a component's web route may have.",
    ),
    Key {
        section: "web",
        name: "open",
        takes: Takes::Texts,
        default: KeyDefault::Unset,
        applies: Restart,
        meaning: "Paths that anybody may ask for in a secure mesh, such as `/assets/*`.",
    },
    Key {
        section: "web",
        name: "unauthorized_page",
        takes: Takes::Path,
        default: KeyDefault::Unset,
        applies: Restart,
        meaning: "HTML file that is shown with 401, to those who have not logged in.",
    },
    Key {
        section: "web",
        name: "forbidden_page",
        takes: Takes::Path,
        default: KeyDefault::Unset,
        applies: Restart,
        meaning: "HTML file that is shown with 403, to those who may not have what is at a path.",
    },
];

/// Keys of an entry of `[[web.routes]]`.
pub(super) const ROUTES: &[Key] = &[
    Key {
        section: "web.routes",
        name: "path",
        takes: Takes::Text,
        default: KeyDefault::Required,
        applies: Restart,
        meaning: "Path that the web route of a component is served at, such as `/`.",
    },
    Key {
        section: "web.routes",
        name: "target",
        takes: Takes::Text,
        default: KeyDefault::Required,
        applies: Restart,
        meaning: "The component and its route, such as `shop/page`.",
    },
];

/// Keys of an entry of `[[web.folders]]`.
pub(super) const FOLDERS: &[Key] = &[
    Key {
        section: "web.folders",
        name: "path",
        takes: Takes::Text,
        default: KeyDefault::Required,
        applies: Restart,
        meaning: "Path that the files of a folder are served at, such as `/assets`.",
    },
    Key {
        section: "web.folders",
        name: "folder",
        takes: Takes::Path,
        default: KeyDefault::Required,
        applies: Restart,
        meaning: "Folder with the files; hidden ones are not served, nor what links lead out of it.",
    },
    integer(
        "web.folders",
        "max_age_seconds",
        MAX_AGE_SECONDS,
        Restart,
        "Seconds that browsers may keep a file without asking whether it has changed.",
    ),
];

/// Keys of `[console]`.
pub(super) const CONSOLE: &[Key] = &[Key {
    section: "console",
    name: "enabled",
    takes: Takes::Boolean,
    default: KeyDefault::Boolean(DEFAULT_CONSOLE),
    applies: Restart,
    meaning: "Whether the console, a page for people, is served under `/console`.",
}];
