//! configure-session, describe and login (docs/protocol.md 3).
//!
//! Enters: the announcement of a client. Leaves: its dialect, what the mesh is, and in a mesh that is not secure a
//! login. Guarantees: nothing here needs a permission, and nothing here tells a secret.

use super::Gate;
use mesh_wire::protocol::{Action, Dialect, LoginAnswer, Request, Response, json};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A public key on the curve that clients of the first generation encrypt with. They only look at it when
/// `encryptPayloads` is true, which it never is; but they expect one to be there. It is the curve's own base point.
const PUBLIC_KEY: &str = "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY";

/// The cookie that browsers keep a token in.
pub(super) const COOKIE_NAME: &str = "happn_token";

/// The facts about a connection before its first frame.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Those of the upgrade request's headers that its client is told, as a JSON object.
    pub headers: Box<str>,
    /// The upgrade request's path and query.
    pub url: Box<str>,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Whether a proxy brought it here.
    pub is_forwarded: bool,
}

/// The announcement of `configure-session`.
#[derive(Debug, Default)]
pub(super) struct Announcement {
    protocol: Option<Box<str>>,
    version: Option<Box<str>>,
    browser: bool,
}

#[derive(Deserialize, Default)]
struct Announced<'a> {
    #[serde(borrow)]
    protocol: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    browser: Option<&'a RawValue>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
}

/// The object in the request's data; the default where there is none, or one that cannot be read.
pub(super) fn read_object<'a, T: Deserialize<'a> + Default>(request: &Request<'a>) -> T {
    let data = request.data.filter(|data| data.get().starts_with('{'));
    data.and_then(|data| serde_json::from_str(data.get()).ok())
        .unwrap_or_default()
}

/// Texts longer than this are not kept: nothing that a real client announces comes near.
const LONGEST: usize = 256;

fn short_text(raw: Option<&RawValue>) -> Option<Box<str>> {
    raw.and_then(json::as_text)
        .filter(|text| text.len() <= LONGEST)
        .map(Into::into)
}

/// Whether a client says in its `info` that it is another node of a cluster.
fn is_cluster_member(info: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Info<'a> {
        #[serde(borrow, rename = "clusterName")]
        cluster_name: Option<&'a RawValue>,
    }
    let info: Option<Info> = serde_json::from_str(info.get()).ok();
    info.and_then(|info| info.cluster_name)
        .is_some_and(json::is_truthy)
}

impl Gate {
    pub(super) fn configure(&mut self, request: &Request<'_>) {
        let Some(_) = request.data.filter(|data| data.get().starts_with('{')) else {
            // Nothing announced, nothing changed.
            return self
                .send(Response::to(self.session.dialect(), Action::ConfigureSession, request).data("null"));
        };
        let announced: Announced<'_> = read_object(request);
        self.announced = Announcement {
            protocol: short_text(announced.protocol),
            version: short_text(announced.version),
            browser: announced.browser.is_some_and(json::is_truthy),
        };
        let dialect = self
            .announced
            .protocol
            .as_deref()
            .map(Dialect::from_announcement)
            .unwrap_or_default();
        self.session.set_dialect(dialect);
        let address = self.session.peer().ip();
        self.mesh.sessions().note_dialect(address, dialect);
        self.send(Response::to(dialect, Action::ConfigureSession, request).data("null"));
    }

    pub(super) fn describe(&mut self, request: &Request<'_>) {
        let dialect = self.session.dialect();
        let mut out = String::from("{");
        if self.announced.browser && dialect.login_answer() == LoginAnswer::Large {
            out.push_str(&format!(r#""cookieName":"{COOKIE_NAME}","#));
        }
        self.write_server(&mut out, dialect);
        out.push('}');
        self.send(Response::to(dialect, Action::Describe, request).data(&out));
    }

    pub(super) fn login(&mut self, request: &Request<'_>) {
        let answer = self.login_answer(request);
        self.send(Response::to(self.session.dialect(), Action::Login, request).data(&answer));
    }

    /// The part that all answers to logins have: a JSON object.
    pub(super) fn login_answer(&self, request: &Request<'_>) -> String {
        let dialect = self.session.dialect();
        let announced: Announced<'_> = read_object(request);
        let protocol = short_text(announced.protocol).or_else(|| self.announced.protocol.clone());
        let mut out = String::from("{");
        let is_large = dialect.login_answer() == LoginAnswer::Large;
        if is_large {
            out.push_str(&format!(r#""msgCount":{},"#, self.received));
        }
        out.push_str(&format!(r#""id":"{}","protocol":"#, self.session.id()));
        json::write_string(&mut out, protocol.as_deref().unwrap_or("happn"));
        out.push_str(r#","happn":{"#);
        self.write_server(&mut out, dialect);
        out.push('}');
        if is_large {
            self.write_connection(&mut out);
        }
        if let Some(info) = announced.info {
            self.session.set_cluster_member(is_cluster_member(info));
            out.push_str(r#","info":"#);
            out.push_str(info.get());
        }
        out.push('}');
        out
    }

    /// `name` and `secure`, and what small answers add.
    fn write_server(&self, out: &mut String, dialect: Dialect) {
        out.push_str(r#""name":"#);
        json::write_string(out, self.mesh.name());
        out.push_str(match self.mesh.security() {
            None => r#","secure":false"#,
            Some(_) => r#","secure":true"#,
        });
        if dialect.login_answer() == LoginAnswer::Small {
            out.push_str(&format!(r#","encryptPayloads":false,"publicKey":"{PUBLIC_KEY}""#));
        }
    }

    /// The facts that large answers tell a client about its own connection.
    fn write_connection(&self, out: &mut String) {
        let peer = self.session.peer();
        out.push_str(&format!(
            r#","headers":{},"encrypted":{}"#,
            self.info.headers, self.info.encrypted
        ));
        out.push_str(&format!(
            r#","address":{{"ip":"{}","secure":{},"port":{}}}"#,
            peer.ip(),
            self.info.encrypted,
            peer.port()
        ));
        out.push_str(r#","url":"#);
        json::write_string(out, &self.info.url);
        out.push_str(r#","version":"#);
        json::write_string(out, self.announced.version.as_deref().unwrap_or("unknown"));
        if self.announced.browser {
            out.push_str(&format!(r#","cookieName":"{COOKIE_NAME}""#));
        }
    }
}
