//! Requests that a browser sends for a page of another origin, with the cookie of somebody who is logged in.
//!
//! Enters: the head of a request. Leaves: whether it is such a one, and asks for more than reading. Guarantees: a
//! request with a token that no browser adds by itself is not a forged one. Where browsers send no origin, requests
//! from elsewhere are recognised by the browser's name.

use super::auth::token_of;
use super::target::Target;
use crate::web::Served;
use hyper::Method;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use mesh_core::mesh::Mesh;

/// Whether a page of another origin lets a browser call a method, or ask a component for more than reading.
pub(super) fn is_forged(head: &Parts, target: &Target<'_>, mesh: &Mesh) -> bool {
    match target {
        Target::Place(place) => {
            let is_route = matches!(place.served, Served::Route { .. });
            let is_reading = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
            is_route && !is_reading && is_of_other_origin_with_cookie(head)
        }
        Target::Fixed(_) => {
            target.is_call() && is_of_other_origin_with_cookie(head) && !is_trusted(head, mesh)
        }
        Target::Nothing => false,
    }
}

/// Whether a browser sends the request for a page of another origin, with nothing but the cookie to say who asks.
/// Browsers add that by themselves.
pub(super) fn is_of_other_origin_with_cookie(head: &Parts) -> bool {
    let mut without = head.headers.clone();
    let has_cookie = without.remove(header::COOKIE).is_some();
    has_cookie && token_of(&head.uri, &without).is_none() && is_of_other_origin(head)
}

/// Whether the configuration lets pages of the request's origin act with a cookie.
fn is_trusted(head: &Parts, mesh: &Mesh) -> bool {
    let origin = head.headers.get(header::ORIGIN);
    origin
        .and_then(|origin| origin.to_str().ok())
        .is_some_and(|origin| mesh.origins().trusts(origin))
}

/// Whether a page of another origin asks.
fn is_of_other_origin(head: &Parts) -> bool {
    let headers = &head.headers;
    // Pages cannot change this one, and proxies do not.
    if let Some(site) = text(headers, "sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    if let Some(origin) = text(headers, "origin") {
        return !is_own(headers, origin);
    }
    // Without encryption browsers say neither of what they only open, such as links and pictures.
    let is_browser = text(headers, "user-agent").is_some_and(|agent| agent.starts_with("Mozilla/"));
    let is_opened = matches!(head.method, Method::GET | Method::HEAD);
    is_browser && is_opened && !text(headers, "referer").is_some_and(|page| is_own(headers, page))
}

/// Whether a URL, or an origin, is of the place that was asked.
fn is_own(headers: &HeaderMap, url: &str) -> bool {
    let behind = url.split_once("://").map_or("", |(_, behind)| behind);
    let authority = behind.split('/').next().unwrap_or_default();
    !authority.is_empty() && text(headers, "host").is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: Method, pairs: &[(&str, &str)]) -> Parts {
        let mut request = hyper::Request::builder().method(method).uri("/rest/method/a/b");
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn pages_of_other_origins_are_recognised_by_their_headers() {
        const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)");
        for (method, pairs, expected) in [
            (Method::POST, &[][..], false),
            (Method::POST, &[("host", "a:1"), ("origin", "http://a:1")], false),
            (
                Method::POST,
                &[("host", "A.org"), ("origin", "https://a.org")],
                false,
            ),
            (Method::POST, &[("host", "a:1"), ("origin", "http://a:2")], true),
            (
                Method::POST,
                &[("host", "a:1"), ("origin", "http://evil.org")],
                true,
            ),
            (Method::POST, &[("host", "a:1"), ("origin", "null")], true),
            (Method::POST, &[("origin", "http://a:1")], true),
            (Method::POST, &[("sec-fetch-site", "cross-site")], true),
            (Method::POST, &[("sec-fetch-site", "same-site")], true),
            (Method::POST, &[("sec-fetch-site", "none")], false),
            (
                Method::POST,
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("host", "inside"),
                    ("origin", "https://a.org"),
                ],
                false,
            ),
            // Scripts that are no pages say nothing of an origin.
            (Method::GET, &[("host", "a:1")], false),
            (Method::POST, &[("host", "a:1"), BROWSER], false),
            // Links and pictures, where nothing is encrypted.
            (Method::GET, &[("host", "a:1"), BROWSER], true),
            (
                Method::GET,
                &[("host", "a:1"), BROWSER, ("referer", "http://evil.org/a:1")],
                true,
            ),
            (
                Method::GET,
                &[("host", "a:1"), BROWSER, ("referer", "http://a:1/page")],
                false,
            ),
        ] {
            let head = head(method, pairs);
            assert_eq!(is_of_other_origin(&head), expected, "{} {pairs:?}", head.method);
        }
    }

    #[test]
    fn only_a_request_with_nothing_but_a_cookie_can_be_forged() {
        for (pairs, expected) in [
            (
                &[("cookie", "happn_token=t"), ("origin", "http://evil.org")][..],
                true,
            ),
            (&[("origin", "http://evil.org")], false),
            (
                &[
                    ("cookie", "happn_token=t"),
                    ("authorization", "Bearer t"),
                    ("origin", "http://evil.org"),
                ],
                false,
            ),
        ] {
            let head = head(Method::POST, pairs);
            assert_eq!(is_of_other_origin_with_cookie(&head), expected, "{pairs:?}");
        }
    }
}
