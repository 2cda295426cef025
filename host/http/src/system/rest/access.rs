//! Access to methods over REST, in a secure mesh (docs/mesh-protocol.md 8.1 and 8.2).
//!
//! Enters: the holder of a token. Leaves: as whom a call is made, or why it is not. Guarantees: without a token that
//! holds nothing is called; a user who may not call a method does not learn whether there is one.

use super::parameters::{Parameters, field_of_body, unreadable};
use super::{Reply, Request};
use mesh_core::mesh::Mesh;
use mesh_security::permission::Action;
use mesh_security::{Asking, Credentials, Denied, LIMITED, NotOnBehalf, Offer, Security, WebPrincipal};
use mesh_wire::address::Address;
use mesh_wire::origin::Origin;
use mesh_wire::protocol::{WireError, json};
use serde_json::value::RawValue;

const DENIED: &str = "Access denied";

/// Gives somebody a token.
pub(super) async fn log_in(
    security: &Security,
    parameters: &Parameters,
    principal: &WebPrincipal,
) -> Result<Reply, Reply> {
    let credentials = Credentials::from(Offer {
        username: parameters.text("username"),
        password: parameters.text("password"),
        token: parameters.text("token"),
        auth_type: parameters.text("authType"),
        ..Offer::default()
    });
    match security
        .login_from(credentials, &principal.client(), principal.is_forwarded)
        .await
    {
        Ok(accepted) => {
            let mut data = String::from(r#"{"token":"#);
            json::write_string(&mut data, &accepted.login.token);
            data.push('}');
            Ok(Reply::succeeded("Logged in ok", &data))
        }
        Err(denied) => {
            let status = match denied {
                Denied::Busy | Denied::Provider => 503,
                _ => principal.dialect.rest_faults().status(401),
            };
            let error = denied.to_wire(principal.dialect);
            Err(Reply::failed_with(status, "Failure logging in", &error))
        }
    }
}

fn request_path(mesh: &Mesh, component: &str, method: &str) -> String {
    let request = Address::Request {
        domain: mesh.domain(),
        component,
        method,
    };
    request.to_string()
}

/// Which methods are shown to somebody.
pub(super) fn filter<'a>(mesh: &'a Mesh, principal: &'a WebPrincipal) -> impl Fn(&str, &str) -> bool + 'a {
    let security = mesh.security();
    let access = security
        .zip(principal.accepted.as_ref())
        .and_then(|(security, accepted)| security.access_of_login(&accepted.login));
    move |component, method| match (security, &access) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(security), Some(access)) => {
            security.allows(access, Action::Set, &request_path(mesh, component, method))
        }
    }
}

/// The facts that a component learns of the caller of one of its methods.
///
/// # Errors
///
/// The reply, when the call is not made.
pub(super) fn caller(
    mesh: &Mesh,
    request: &Request<'_>,
    component: &str,
    method: &str,
) -> Result<Origin, Reply> {
    let Some(security) = mesh.security() else {
        return Ok(mesh.origin().clone());
    };
    let accepted = request.principal.accepted.as_ref();
    let accepted = accepted.ok_or_else(|| match request.principal.expiry {
        Some(expiry) => Reply::failed(403, expiry.message(), DENIED),
        None => Reply::failed(403, "Bad origin", "origin of call unknown"),
    })?;
    let login = &accepted.login;
    let path = request_path(mesh, component, method);
    let denied = || {
        tracing::info!(
            target: "audit", event = "denied", user = &*login.username, session = &*login.session_id,
            action = "set", path = &*json::shorten(&path), "denied"
        );
    };
    let failed = |error: &str| {
        denied();
        Reply::failed(403, "Authorization failed", error)
    };
    let own = security
        .access_of_login(&accepted.login)
        .ok_or_else(|| failed(DENIED))?;
    let audit = |on_behalf_of| {
        let who = Asking {
            user: &login.username,
            session: &login.session_id,
            on_behalf_of,
        };
        security.settings().audited.note(Action::Set, &path, who);
    };
    let Some(name) = Security::acts_for(on_behalf_of(request)?, &login.username) else {
        if !security.allows(&own, Action::Set, &path) {
            if own.is_of_profile() {
                denied();
                return Err(Reply::failed(403, LIMITED, DENIED));
            }
            return Err(failed(DENIED));
        }
        audit(None);
        return Ok(login.origin.clone());
    };
    let shown = json::shorten(&name);
    let other = security
        .on_behalf_of(&own, &name, Action::Set, &path)
        .map_err(|why| match why {
            NotOnBehalf::NoDelegate => failed("origin does not belong to the delegate group"),
            NotOnBehalf::NoSuchUser => {
                let error = WireError::unauthenticated("invalid credentials")
                    .because(format!("request on behalf of non-existent user: {shown}"));
                Reply::failed_with(403, "Call failed", &error)
            }
            NotOnBehalf::NotPermitted => {
                denied();
                let message = format!("request on behalf of unauthorised user: {shown}");
                Reply::failed(403, &message, DENIED)
            }
        })?;
    let name = &*other.user().name;
    audit(Some(name));
    Ok(Origin::of_user(&login.session_id, name))
}

/// `as` in the body.
fn on_behalf_of(request: &Request<'_>) -> Result<Option<String>, Reply> {
    let Some(name) = field_of_body(request, "as")?.filter(|name| name.get() != RawValue::NULL.get()) else {
        return Ok(None);
    };
    // A request that names a user in another way must not be done as another user.
    let name = json::as_text(&name).ok_or_else(|| unreadable("`as` must be a string, the name of a user"))?;
    // Nobody is named by an empty text, as real servers have it.
    Ok(Some(name.into_owned()).filter(|name| !name.is_empty()))
}
