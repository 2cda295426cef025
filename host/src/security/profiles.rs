//! What holds for a session or a token of some kind of login (PROTOCOL.md 9.7).
//!
//! What enters: who logs in, and how. What leaves: the first profile that fits. Guarantees: a browser that no profile is
//! about does not stay logged in for ever.

use super::directory::User;
use super::token::TokenKind;
use crate::config::{ProfileConfig, ProfileKind};
use crate::session::Policy;
use std::net::IpAddr;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// The profiles of a mesh, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Profiles(Vec<ProfileConfig>);

impl Profiles {
    /// These, and behind them those that fit every login.
    pub fn new(configured: &[ProfileConfig]) -> Profiles {
        let mut all = configured.to_vec();
        all.push(ProfileConfig {
            browser: Some(true),
            ttl: Some(Duration::from_secs(7 * DAY)),
            inactivity: Some(Duration::from_secs(60 * 60)),
            ..unlimited("browsers")
        });
        all.push(unlimited("others"));
        Profiles(all)
    }

    /// The profile that holds for a login.
    pub fn of(&self, user: &User, kind: TokenKind, is_browser: bool) -> &ProfileConfig {
        let fits = |profile: &&ProfileConfig| {
            let kinds = match profile.kind {
                None => true,
                Some(ProfileKind::Websocket) => kind == TokenKind::Stateful,
                Some(ProfileKind::Http) => kind == TokenKind::Stateless,
            };
            let users = profile.users.is_empty() || profile.users.iter().any(|name| *name == *user.name);
            let mut groups = profile.groups.iter();
            let groups =
                profile.groups.is_empty() || groups.any(|name| user.groups.contains_key(name.as_str()));
            let browsers = profile.browser.is_none_or(|browser| browser == is_browser);
            kinds && users && groups && browsers
        };
        let last = self.0.len() - 1;
        self.0.iter().find(fits).unwrap_or(&self.0[last])
    }
}

/// What a profile says of the time that a login holds.
pub(super) fn policy_of(profile: &ProfileConfig) -> Policy {
    Policy {
        ttl: profile.ttl,
        inactivity: profile.inactivity,
        usage_limit: profile.usage_limit,
    }
}

/// Whether logins may come from an address.
pub(super) fn admits(profile: &ProfileConfig, address: IpAddr) -> bool {
    profile.addresses.is_empty() || profile.addresses.iter().any(|network| network.contains(&address))
}

fn unlimited(name: &str) -> ProfileConfig {
    ProfileConfig {
        name: name.to_owned(),
        users: Vec::new(),
        groups: Vec::new(),
        kind: None,
        browser: None,
        ttl: None,
        inactivity: None,
        usage_limit: None,
        token_logins: true,
        lock_token_to_address: false,
        addresses: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_holds() {
        let guards = ProfileConfig {
            groups: vec!["guards".to_owned()],
            kind: Some(ProfileKind::Websocket),
            ..unlimited("guards")
        };
        let profiles = Profiles::new(&[guards]);
        let guard = User {
            name: "bob".into(),
            groups: [("guards".into(), Default::default())].into(),
            ..User::default()
        };
        let named = |user: &User, kind, browser| profiles.of(user, kind, browser).name.clone();
        assert_eq!(named(&guard, TokenKind::Stateful, true), "guards");
        assert_eq!(named(&guard, TokenKind::Stateless, true), "browsers");
        assert_eq!(named(&User::default(), TokenKind::Stateful, false), "others");
    }

    #[test]
    fn addresses_are_checked_where_there_are_some() {
        let mut profile = unlimited("inside");
        assert!(admits(&profile, "8.8.8.8".parse().unwrap()));
        profile.addresses = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        assert!(admits(&profile, "10.1.2.3".parse().unwrap()));
        assert!(admits(&profile, "::1".parse().unwrap()));
        assert!(!admits(&profile, "11.1.2.3".parse().unwrap()));
    }
}
