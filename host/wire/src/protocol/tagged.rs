//! Documents that are copies of others under a tag (docs/protocol.md 5.1.2), as first-generation clients make them.
//!
//! A copy lies below [`FOLDER`] and holds the document, its times, and in its own `_meta` where it came from and the
//! tag. Reading it, the tag stands in the `_meta` of the answer.

use super::{DocumentMeta, json};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Where copies are kept.
pub const FOLDER: &str = "/_TAGS";

/// The copy of what is stored at `path`; of an empty document when there is nothing. Without a `tag` it is what clients
/// are shown of it.
pub fn copy(path: &str, original: Option<(&str, DocumentMeta)>, tag: Option<&RawValue>) -> String {
    let mut out = String::from(r#"{"data":"#);
    out.push_str(original.map_or("{}", |(data, _)| data));
    out.push_str(r#","_meta":{"path":"#);
    json::write_string(&mut out, path);
    if let Some(tag) = tag {
        out.push_str(r#","tag":"#);
        out.push_str(tag.get());
    }
    out.push('}');
    if let Some((_, meta)) = original {
        out.push(',');
        meta.write(&mut out);
        out.push_str(r#","_id":"#);
        json::write_string(&mut out, path);
    }
    out.push('}');
    out
}

/// The tag of a document, raw JSON, if it is such a copy.
pub fn tag_of<'a>(path: &str, data: &'a str) -> Option<&'a str> {
    #[derive(Deserialize)]
    struct Copy<'a> {
        #[serde(borrow, rename = "_meta")]
        meta: Source<'a>,
    }
    #[derive(Deserialize)]
    struct Source<'a> {
        #[serde(borrow)]
        tag: &'a RawValue,
    }
    path.strip_prefix(FOLDER)?.strip_prefix('/')?;
    let copy: Copy<'a> = serde_json::from_str(data).ok()?;
    Some(copy.meta.tag.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_knows_its_tag() {
        let tag: &RawValue = serde_json::from_str("\"one\"").unwrap();
        let meta = DocumentMeta {
            created: 1,
            modified: 2,
        };
        let made = copy("/t/1", Some((r#"{"a":1}"#, meta)), Some(tag));
        assert_eq!(
            made,
            r#"{"data":{"a":1},"_meta":{"path":"/t/1","tag":"one"},"created":1,"modified":2,"_id":"/t/1"}"#
        );
        assert_eq!(tag_of("/_TAGS/t/1/x", &made), Some("\"one\""));
        assert_eq!(tag_of("/t/1/x", &made), None);
        assert_eq!(tag_of("/_TAGS/t/1/x", "{}"), None);
        let missing = copy("/t/2", None, None);
        assert_eq!(missing, r#"{"data":{},"_meta":{"path":"/t/2"}}"#);
    }
}
