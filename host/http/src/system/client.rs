//! The client for browsers and Node that the host serves at `/api/client`, and at `/browser_client` for pages of happn
//! (`docs/browser-client.md`).
//!
//! Enters: which file. Leaves: a script, or its types. Guarantees: the parts fit together, since they are of one build;
//! their tag changes when one of them does.

use std::sync::OnceLock;

/// Classic scripts, in the order in which they need each other.
const SCRIPT: &str = concat!(
    include_str!("../../assets/client/semver.js"),
    include_str!("../../assets/client/connection.js"),
    include_str!("../../assets/client/mesh.js"),
    include_str!("../../assets/client/happn.js"),
    include_str!("../../assets/client/happner.js"),
);
/// The same with what makes an ES module of it.
const MODULE: &str = concat!(
    include_str!("../../assets/client/semver.js"),
    include_str!("../../assets/client/connection.js"),
    include_str!("../../assets/client/mesh.js"),
    include_str!("../../assets/client/happn.js"),
    include_str!("../../assets/client/happner.js"),
    include_str!("../../assets/client/module.js"),
);
/// The script for pages that were written for happn: `HappnClient`, and no other name.
const HAPPN_SCRIPT: &str = concat!(
    "//happn client v",
    env!("CARGO_PKG_VERSION"),
    "\r\n//protocol v4\r\n",
    include_str!("../../assets/client/browser_client_begin.js"),
    include_str!("../../assets/client/semver.js"),
    include_str!("../../assets/client/connection.js"),
    include_str!("../../assets/client/happn.js"),
    include_str!("../../assets/client/browser_client_end.js"),
);
const TYPES: &str = include_str!("../../assets/client/client.d.ts");

/// A file of the client.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its text.
    pub text: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Changes when the text does; in quotes.
    pub tag: &'static str,
}

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFile {
    /// A classic script.
    Script,
    /// An ES module.
    Module,
    /// The types of both.
    Types,
    /// The script for pages that were written for happn.
    HappnScript,
}

/// The text of a file, with its kind and tag.
pub(crate) fn file(which: ClientFile) -> File {
    const SCRIPTS: &str = "text/javascript; charset=utf-8";
    static TAGS: OnceLock<[String; 4]> = OnceLock::new();
    let tags = TAGS.get_or_init(|| {
        [SCRIPT, MODULE, TYPES, HAPPN_SCRIPT]
            .map(|text| format!("\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(text.as_bytes())))
    });
    let [script, module, types, happn_script] = tags;
    let (text, kind, tag) = match which {
        ClientFile::Script => (SCRIPT, SCRIPTS, script),
        ClientFile::Module => (MODULE, SCRIPTS, module),
        ClientFile::Types => (TYPES, "text/plain; charset=utf-8", types),
        ClientFile::HappnScript => (HAPPN_SCRIPT, "application/javascript", happn_script),
    };
    File { text, kind, tag }
}
