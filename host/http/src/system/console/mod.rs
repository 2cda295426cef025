//! The console, a page for people that shows the running mesh (`docs/console.md`).
//!
//! Enters: a path. Leaves: a file of the page, or its figures. Guarantees: the files hold nothing of the mesh, so
//! anybody may have them. There is no other way to what it shows than [`FIGURES`] and what any client may ask.

mod figures;

pub use figures::{Figures, figures};

use super::client::File;
use std::sync::OnceLock;

/// Where the page asks for what it shows. In a secure mesh that needs the permission for this path.
pub const FIGURES: &str = "/console/status";

const PAGE: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal $kind:ident $file:literal,)*) => {
        [$(($path, $kind, include_str!(concat!("../../../assets/console/", $file)))),*]
    };
}

/// Path, kind and text of each file.
const FILES: &[(&str, &str, &str)] = &files! {
    "/console" PAGE "index.html",
    "/console/" PAGE "index.html",
    "/console/console.css" STYLE "console.css",
    "/console/icon.svg" IMAGE "icon.svg",
    "/console/appearance.js" SCRIPT "appearance.js",
    "/console/call-form.js" SCRIPT "call-form.js",
    "/console/components.js" SCRIPT "components.js",
    "/console/console.js" SCRIPT "console.js",
    "/console/detail.js" SCRIPT "detail.js",
    "/console/dom.js" SCRIPT "dom.js",
    "/console/events.js" SCRIPT "events.js",
    "/console/format.js" SCRIPT "format.js",
    "/console/history.js" SCRIPT "history.js",
    "/console/keys.js" SCRIPT "keys.js",
    "/console/link.js" SCRIPT "link.js",
    "/console/nodes.js" SCRIPT "nodes.js",
    "/console/plot.js" SCRIPT "plot.js",
    "/console/sessions.js" SCRIPT "sessions.js",
    "/console/swaps.js" SCRIPT "swaps.js",
};

/// Whether a path is that of a file.
pub(crate) fn has_file(path: &str) -> bool {
    FILES.iter().any(|(known, ..)| *known == path)
}

/// The file at a path.
pub(crate) fn file(path: &str) -> Option<File> {
    static TAGS: OnceLock<Vec<String>> = OnceLock::new();
    let tags = TAGS.get_or_init(|| {
        let tag = |text: &str| format!("\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
        FILES.iter().map(|(_, _, text)| tag(text)).collect()
    });
    let mut files = FILES.iter().zip(tags);
    files
        .find(|((known, ..), _)| *known == path)
        .map(|((_, kind, text), tag)| File { text, kind, tag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_page_and_its_scripts_name_is_served() {
        for (path, _, text) in FILES {
            for named in text.split(['"', '\'']) {
                let named = match named.strip_prefix("./") {
                    Some(name) => format!("/console/{name}"),
                    None => named.to_owned(),
                };
                if named.starts_with("/console/") {
                    let is_served = named == FIGURES || has_file(&named);
                    assert!(is_served, "{path} names {named}");
                }
            }
        }
        assert!(file("/console").is_some() && file(FIGURES).is_none());
        assert!(!has_file("/console/../console"));
    }

    #[test]
    fn nothing_in_the_page_is_written_into_it_as_markup() {
        for (path, _, text) in FILES {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(!text.contains(forbidden), "{path}: {forbidden}");
            }
        }
    }
}
