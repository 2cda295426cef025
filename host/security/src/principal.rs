//! Principals of HTTP requests.
//!
//! Enters: the address of a request, and the holder of its token. Leaves: the same as a client that logs in, and the dialect
//! of answers. Guarantees: each login over HTTP is one of a session of its own.

use super::{Accepted, Client, Info, TokenKind};
use mesh_session::Expiry;
use mesh_wire::protocol::Dialect;
use std::net::IpAddr;

/// The principal of a request.
#[derive(Clone, Debug)]
pub struct WebPrincipal {
    /// The holder of the token that the request carries, in a secure mesh.
    pub accepted: Option<Accepted>,
    /// Why that token does not hold any more, where it did once.
    pub expiry: Option<Expiry>,
    /// Where the request comes from.
    pub address: IpAddr,
    /// Whether a proxy brought it here.
    pub is_forwarded: bool,
    /// In whose words it is answered.
    pub dialect: Dialect,
}

impl WebPrincipal {
    /// As it logs in.
    pub fn client(&self) -> Client {
        Client {
            address: self.address,
            kind: TokenKind::Stateless,
            is_encrypted: false,
            info: Info::default(),
            dialect: self.dialect,
            session_id: uuid::Uuid::new_v4().to_string(),
        }
    }
}
