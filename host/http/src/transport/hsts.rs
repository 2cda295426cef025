//! HTTP Strict Transport Security (RFC 6797): browsers that were here once over TLS do not come back without it.
//!
//! Enters: the head of a request that came encrypted. Leaves: the header, if the name that was asked for gets one.
//! Guarantees: the names of the machine itself and addresses get none. So a certificate for development binds no
//! other server of that machine: browsers remember it for all ports of a name.

use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use mesh_core::mesh::Site;
use std::net::IpAddr;

/// The value of the header, where the answer has one.
pub(super) fn of(site: &Site, head: &Parts) -> Option<HeaderValue> {
    let seconds = site.strict_transport_seconds?;
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| head.uri.authority().map(|authority| authority.as_str()))?;
    is_name(host).then(|| HeaderValue::from_str(&format!("max-age={seconds}")).ok())?
}

/// Whether browsers may remember something of this host, which may have a port.
fn is_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_address = name.starts_with('[') || name.parse::<IpAddr>().is_ok();
    !name.is_empty() && !is_address && name != "localhost" && !name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bound_and_addresses_and_the_machine_itself_are_not() {
        for (host, expected) in [
            ("mesh.example", true),
            ("mesh.example:55000", true),
            ("MESH", true),
            ("localhost.example", true),
            ("localhost", false),
            ("LOCALHOST:55000", false),
            ("localhost.", false),
            ("app.localhost:1", false),
            ("127.0.0.1", false),
            ("192.0.2.7:55000", false),
            ("[::1]:55000", false),
            ("[2001:db8::1]", false),
            ("::1", false),
            ("", false),
            (":55000", false),
        ] {
            assert_eq!(is_name(host), expected, "{host}");
        }
    }
}
