//! Sessions and tokens: listed, revoked, given back.
//!
//! Enters: ids of sessions, and tokens. Leaves: sessions as administrators see them. Guarantees: no answer shows a token;
//! whoever is revoked is out when that is answered, also where it cannot be kept.

use super::failure::Failure;
use super::{Request, Results, Revoked, is_truthy};
use serde_json::{Value, json};

/// A token of this mesh.
struct Token<'a> {
    text: &'a str,
    /// The session that it was made for.
    session: String,
    /// Whose it is.
    username: String,
}

impl Request<'_> {
    pub(super) fn list_active_sessions(&self) -> Results {
        self.check_management()?;
        let sessions = self.mesh.logged_in();
        let shown = sessions
            .iter()
            .map(|(session, login)| self.mesh.describe_session(session, login));
        self.filter(0, shown.collect())
    }

    pub(super) fn activate_session_management(&self) -> Results {
        let activity = self.security.activity();
        if self.arguments.first().is_some_and(is_truthy) {
            activity.logging.set(true);
        }
        self.switch_on(&activity.management)
    }

    /// As real servers do, it takes what was noted with it.
    pub(super) fn deactivate_session_management(&self) -> Results {
        let activity = self.security.activity();
        if self.arguments.first().is_some_and(is_truthy) {
            activity.logging.set(false);
            activity.clear();
        }
        self.switch_off(&activity.management)
    }

    fn check_management(&self) -> Result<(), Failure> {
        match self.security.activity().management.is_on() {
            true => Ok(()),
            false => Err(Failure::plain("session management not activated")),
        }
    }

    pub(super) fn list_session_activity(&self) -> Results {
        if !self.security.activity().logging.is_on() {
            return Err(Failure::plain("session activity logging not activated"));
        }
        self.filter(0, self.security.activity().latest())
    }

    /// The first argument, which must be something.
    fn argument_or(&self, message: &str) -> Result<&Value, Failure> {
        let given = self.arguments.first().filter(|given| is_truthy(given));
        given.ok_or_else(|| Failure::plain(message))
    }

    /// The session that an argument names: an id, or an object with one.
    fn session_id(&self) -> Result<String, Failure> {
        let given = self.argument_or("missing session argument")?;
        let id = given.get("id").unwrap_or(given).as_str();
        let id = id.filter(|id| !id.is_empty());
        id.map(str::to_owned)
            .ok_or_else(|| Failure::plain("invalid session token"))
    }

    /// The token that an argument is, or has.
    fn token(&self) -> Result<Token<'_>, Failure> {
        let given = self.argument_or("missing token argument")?;
        let text = given.get("token").unwrap_or(given).as_str();
        let known = text.and_then(|text| Some((text, self.security.session_of_token(text)?)));
        let (text, (session, username)) = known.ok_or_else(|| Failure::plain("invalid token"))?;
        Ok(Token {
            text,
            session,
            username,
        })
    }

    fn reason(&self) -> String {
        let reason = self.arguments.get(1).and_then(Value::as_str);
        reason.unwrap_or("no reason was given").to_owned()
    }

    pub(super) async fn revoke_session(&self) -> Results {
        let id = self.session_id()?;
        let sessions = self.mesh.logged_in().into_iter();
        let login = sessions
            .map(|(_, login)| login)
            .find(|login| *login.session_id == *id);
        self.check_power_over_tokens_of(login.as_ref().map(|login| &*login.username))?;
        let token = login.as_ref().map(|login| &*login.token);
        self.revoke(&id, token).await?;
        // A session that was logged in with the token of another has no token of its own.
        if let Some(login) = login.as_ref().filter(|login| *login.parent_id != *id) {
            self.revoke(&login.parent_id, token).await?;
        }
        Ok(vec![])
    }

    pub(super) async fn revoke_token(&self) -> Results {
        let token = self.token()?;
        self.check_power_over_tokens_of(Some(&token.username))?;
        self.revoke(&token.session, Some(token.text)).await?;
        Ok(vec![])
    }

    /// Taking away a token, or giving it back, needs what changing the password needs that it was given for. The
    /// holder of a session that nobody has at this time may be anybody.
    fn check_power_over_tokens_of(&self, username: Option<&str>) -> Result<(), Failure> {
        match username {
            Some(name) if self.caller.username() == Some(name) => Ok(()),
            Some(name) => self.check_power_over(name),
            None if self.is_admin() => Ok(()),
            None => Err(Failure::denied(
                "only administrators revoke and restore sessions that nobody has at this time",
            )),
        }
    }

    async fn revoke(&self, id: &str, token: Option<&str>) -> Result<(), Failure> {
        let by = self.caller.shown();
        // A lockout holds at once, also where it cannot be stored.
        let outcome = self.mesh.revoke_session((id, token), &self.reason(), by);
        self.mesh.expel_sessions_of(id);
        Ok(self.mesh.committed(outcome?).await?)
    }

    pub(super) async fn restore_session(&self) -> Results {
        let id = self.session_id()?;
        let owner = self.security.revoked_user(&id);
        self.check_power_over_tokens_of(owner.as_deref())?;
        self.restore(&id).await?;
        Ok(vec![json!(true)])
    }

    pub(super) async fn restore_token(&self) -> Results {
        let token = self.token()?;
        self.check_power_over_tokens_of(Some(&token.username))?;
        self.restore(&token.session).await?;
        Ok(vec![])
    }

    async fn restore(&self, id: &str) -> Result<(), Failure> {
        let commit = self.security.restore(id)?;
        self.audit("token-restored", id);
        self.tell("token-restored", &json!({ "id": id }));
        Ok(self.mesh.committed(commit).await?)
    }

    /// Tells who listens. Tokens themselves are nobody's business.
    fn tell(&self, what: &str, published: &Value) {
        if self.security.activity().security_events.is_on() {
            self.mesh.publish_security(what, published);
        }
    }

    /// Revoked sessions, or their tokens: the same, without the tokens.
    pub(super) fn list_revoked(&self, what: Revoked) -> Results {
        self.check_management()?;
        let revoked = self.security.revocations().into_iter();
        let shown = revoked.map(|(id, revocation)| {
            let mut shown = json!({"reason": revocation.reason, "timestamp": revocation.timestamp, "ttl": 0});
            if what == Revoked::Sessions {
                shown["id"] = id.into();
            }
            shown
        });
        self.filter(0, shown.collect())
    }
}
