//! The administrator on this machine alone, behind a proxy too: `[security] admin_over_network = false`.
//!
//! Enters: a login or the holder of a token, and whether a proxy brought it. Leaves: the same, or a refusal. Guarantees:
//! a proxy on this machine makes nobody local; a wrong password and a right one are refused alike.

use super::{ADMIN, Accepted, Client, Credentials, Denied, Security};

impl Security {
    /// A login that came directly, or through a proxy.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub async fn login_from(
        &self,
        credentials: Credentials,
        client: &Client,
        is_forwarded: bool,
    ) -> Result<Accepted, Denied> {
        if let Credentials::Password { username, .. } | Credentials::Digest { username, .. } = &credentials {
            self.check_forwarded(username, is_forwarded)?;
        }
        let accepted = self.login(credentials, client).await?;
        self.check_forwarded(&accepted.user.name, is_forwarded)?;
        Ok(accepted)
    }

    /// Whether a user may be somebody whom a proxy brought.
    ///
    /// # Errors
    ///
    /// For the administrator, where that is kept to this machine.
    pub fn check_forwarded(&self, username: &str, is_forwarded: bool) -> Result<(), Denied> {
        match is_forwarded && username == ADMIN && !self.settings().admin_over_network {
            true => Err(Denied::Admin),
            false => Ok(()),
        }
    }
}
