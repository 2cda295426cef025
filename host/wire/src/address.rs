//! The paths to which the mesh gives a meaning: events of components, calls, and answers of calls.
//!
//! Enters: a path, or the parts of one. Leaves: its parts, or the path. Guarantees: nobody else has to spell these paths;
//! what is written here is read here as the same.

use std::fmt;

/// The beginning of the paths of all events.
pub const EVENTS: &str = "/_events/";
/// The beginning of the paths of all calls and answers.
pub const EXCHANGE: &str = "/_exchange/";
/// The beginning of the paths of all calls.
pub const REQUESTS: &str = "/_exchange/requests/";
/// The beginning of the paths of all answers.
pub const RESPONSES: &str = "/_exchange/responses/";

/// A path that the mesh gives a meaning. As text it is that path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// An event of a component.
    Event {
        /// That of the mesh.
        domain: &'a str,
        /// The emitting component; the name may carry a range.
        component: &'a str,
        /// Which event. It may have several segments.
        key: &'a str,
    },
    /// A call.
    Request {
        /// That of the mesh.
        domain: &'a str,
        /// The called component; the name may carry a range.
        component: &'a str,
        /// The called method.
        method: &'a str,
    },
    /// An answer.
    Response(Response<'a>),
}

/// Where an answer goes. The session that gets it comes first, or behind domain, component and method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// All segments.
    segments: &'a str,
}

impl<'a> Address<'a> {
    /// Reads a path. `None` when it has another meaning, or not as many segments as it should have.
    pub fn parse(path: &'a str) -> Option<Address<'a>> {
        if let Some(rest) = path.strip_prefix(EVENTS) {
            let (domain, component, key) = three(rest)?;
            return (!key.is_empty()).then_some(Address::Event {
                domain,
                component,
                key,
            });
        }
        if let Some(rest) = path.strip_prefix(REQUESTS) {
            let (domain, component, method) = three(rest)?;
            return (!method.contains('/')).then_some(Address::Request {
                domain,
                component,
                method,
            });
        }
        Response::parse(path).map(Address::Response)
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Event {
                domain,
                component,
                key,
            } => write!(formatter, "{EVENTS}{domain}/{component}/{key}"),
            Address::Request {
                domain,
                component,
                method,
            } => write!(formatter, "{REQUESTS}{domain}/{component}/{method}"),
            Address::Response(response) => response.fmt(formatter),
        }
    }
}

impl<'a> Response<'a> {
    /// Reads the path of an answer.
    pub fn parse(path: &'a str) -> Option<Response<'a>> {
        let segments = path.strip_prefix(RESPONSES)?;
        Some(Response { segments })
    }

    /// Reads the pattern of somebody who wants to hear answers. It may lack its first slash, or name the folder of all answers.
    pub fn parse_pattern(pattern: &'a str) -> Option<Response<'a>> {
        let folder = RESPONSES.trim_matches('/');
        let bare = pattern.strip_prefix('/').unwrap_or(pattern);
        let rest = bare.strip_prefix(folder)?;
        let is_inside = rest.is_empty() || rest.starts_with('/');
        is_inside.then(|| Response {
            segments: rest.trim_start_matches('/'),
        })
    }

    /// The first segment: the session, or the domain.
    pub fn first(&self) -> &'a str {
        self.segments.split('/').next().unwrap_or_default()
    }

    /// The segment behind domain, component and method: the session, where the first one is the domain.
    pub fn fourth(&self) -> Option<&'a str> {
        self.segments.split('/').nth(3)
    }
}

impl fmt::Display for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{RESPONSES}{}", self.segments)
    }
}

/// Whether a path is that of a call, complete or not.
pub fn is_request(path: &str) -> bool {
    path.starts_with(REQUESTS)
}

/// Two segments, and the rest.
fn three(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.splitn(3, '/');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_address_is_read_as_the_same() {
        let event = Address::Event {
            domain: "D",
            component: "calc@1",
            key: "sums/large",
        };
        let request = Address::Request {
            domain: "D",
            component: "calc",
            method: "add",
        };
        for (address, path) in [
            (event, "/_events/D/calc@1/sums/large"),
            (request, "/_exchange/requests/D/calc/add"),
        ] {
            assert_eq!(address.to_string(), path);
            assert_eq!(Address::parse(path), Some(address));
        }
    }

    #[test]
    fn a_read_address_is_written_as_the_same() {
        for path in [
            "/_events/D/calc/added",
            "/_events/D/calc/*",
            "/_events/D/*/a/b/c",
            "/_exchange/requests/D/calc/add",
            "/_exchange/requests/D/calc/",
            "/_exchange/responses/S/D/calc/add/1",
            "/_exchange/responses/D/calc/add/S/1",
            "/_exchange/responses/",
        ] {
            let written = Address::parse(path).map(|address| address.to_string());
            assert_eq!(written.as_deref(), Some(path));
        }
    }

    #[test]
    fn other_paths_have_no_meaning_of_their_own() {
        for path in [
            "",
            "/",
            "/_events",
            "/_events/D",
            "/_events/D/calc",
            "/_events/D/calc/",
            "_events/D/calc/added",
            "/_exchange/requests/D/calc",
            "/_exchange/requests/D/calc/add/more",
            "/_exchange/response/S/1",
            "/data/_events/D/calc/added",
        ] {
            assert_eq!(Address::parse(path), None, "{path}");
        }
    }

    #[test]
    fn the_session_of_an_answer_stands_first_or_fourth() {
        let read = |path| Response::parse(path).map(|response| (response.first(), response.fourth()));
        assert_eq!(read("/_exchange/responses/S/1"), Some(("S", None)));
        assert_eq!(read("/_exchange/responses/S/D/c/m/1"), Some(("S", Some("m"))));
        assert_eq!(read("/_exchange/responses/D/c/m/S/1"), Some(("D", Some("S"))));
        assert_eq!(read("/_exchange/requests/D/c/m"), None);
    }

    #[test]
    fn a_pattern_of_answers_may_lack_a_slash_and_name_the_folder() {
        let first = |pattern| Response::parse_pattern(pattern).map(|response| response.first());
        assert_eq!(first("/_exchange/responses/S/*"), Some("S"));
        assert_eq!(first("_exchange/responses/S/*"), Some("S"));
        assert_eq!(first("/_exchange/responses"), Some(""));
        assert_eq!(first("/_exchange/responses//S"), Some("S"));
        assert_eq!(first("/_exchange/responses*"), None);
        assert_eq!(first("/_exchange/*"), None);
    }

    #[test]
    fn calls_and_answers_are_in_the_exchange() {
        assert!(REQUESTS.starts_with(EXCHANGE) && RESPONSES.starts_with(EXCHANGE));
    }

    #[test]
    fn a_call_is_known_by_its_beginning() {
        assert!(is_request("/_exchange/requests/D"));
        assert!(!is_request("/_exchange/responses/D"));
        assert!(!is_request("_exchange/requests/D/calc/add"));
    }
}
