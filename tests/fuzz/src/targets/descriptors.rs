//! The description that a library gives of itself.
//!
//! Enters: a name, a version, a text about the SDK (a line each), and a descriptor. Checked:
//! - A refused description is refused in one sentence that names the file.
//! - An accepted description has a name that can be a segment of a path, and each method once, at its own position.
//! - The text that the host sends on to clients is JSON of the promised kind.

use crate::{Input, Target};
use mesh_plugin::{Descriptor, LoadErrorKind};
use serde_json::Value;

/// The description that a library gives of itself.
pub const DESCRIPTORS: Target = Target {
    name: "descriptors",
    run,
    inputs: 20_000,
    longest: 8_192,
};

const FILE: &str = "libhostile.so";
/// Bytes of a sentence that says what is wrong, with two names of letters that have four bytes each.
const LONGEST_SENTENCE: usize = 3_000;

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (name, version, sdk) = (input.until(b'\n'), input.until(b'\n'), input.until(b'\n'));
    let described = input.rest();
    match Descriptor::check(FILE, name, version, sdk, described) {
        Ok(descriptor) => is_as_promised(&descriptor, name, version, sdk),
        Err(error) => {
            assert_eq!(error.kind(), LoadErrorKind::Description);
            let said = error.to_string();
            assert!(said.starts_with(FILE), "{said}");
            assert!(!said.contains(char::is_control), "{said:?}");
            // Names have at most 256 letters; what is longer is cut.
            assert!(said.len() < LONGEST_SENTENCE, "{said:?}");
        }
    }
}

fn is_as_promised(descriptor: &Descriptor, name: &[u8], version: &[u8], sdk: &[u8]) {
    assert_eq!(descriptor.name().as_bytes(), name);
    assert_eq!(descriptor.version().text().as_bytes(), version);
    assert_eq!(descriptor.sdk().as_bytes(), sdk);
    assert!(is_segment(descriptor.name()), "{:?}", descriptor.name());
    for (place, method) in descriptor.methods().iter().enumerate() {
        assert!(is_segment(method.name()), "{:?}", method.name());
        let found = descriptor.method(method.name());
        assert!(
            found.is_some_and(|(position, found)| position as usize == place && std::ptr::eq(found, method)),
            "{} is not at its place",
            method.name()
        );
        let parameters: Value = read(method.parameters().get());
        let parameters = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(
            method.parameters().get().starts_with('['),
            "{}",
            method.parameters()
        );
        for parameter in parameters {
            assert!(parameter["name"].is_string(), "{parameter}");
        }
    }
    assert!(descriptor.method("").is_none());
    for text in [descriptor.events(), descriptor.data()] {
        assert!(text.get().starts_with('{'), "{text}");
    }
    if let Some(state) = descriptor.state() {
        assert!(state.schema > 0 && state.reads(state), "{state:?}");
    }
}

/// The value of a text, if it can be held in memory.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn is_segment(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '*', '@']) && !name.contains(char::is_whitespace)
}
