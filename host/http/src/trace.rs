//! The trace that a web request belongs to.
//!
//! Enters: the headers of a request, as JSON. Leaves: its caller, with the trace. Guarantees: a header that is no trace of the
//! W3C changes nothing.

use mesh_wire::origin::Origin;
use mesh_wire::traceparent::Traceparent;
use serde::Deserialize;

/// The caller of a request with these headers.
pub(crate) fn traced(origin: Origin, headers: &str) -> Origin {
    #[derive(Deserialize)]
    struct Headers<'a> {
        traceparent: &'a str,
    }
    // Most requests belong to none, and their headers are not read for it.
    if !headers.contains(r#""traceparent":"#) {
        return origin;
    }
    let headers: Option<Headers<'_>> = serde_json::from_str(headers).ok();
    match headers.and_then(|headers| Traceparent::parse(headers.traceparent)) {
        Some(trace) => origin.traced(trace),
        None => origin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_becomes_the_trace_of_the_caller() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (headers, expected) in [
            (
                format!(r#"{{"host":"a","traceparent":"{text}"}}"#),
                Traceparent::parse(text),
            ),
            (r#"{"traceparent":"00"}"#.to_owned(), None),
            (r#"{"x":"\"traceparent\":"}"#.to_owned(), None),
            ("{}".to_owned(), None),
        ] {
            assert_eq!(
                traced(Origin::of_session("S"), &headers).traceparent(),
                expected,
                "{headers}"
            );
        }
    }
}
