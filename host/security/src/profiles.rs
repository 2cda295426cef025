//! Rules for a session or a token of some kind of login (docs/protocol.md 9.7).
//!
//! Enters: a user who logs in, and the kind of login. Leaves: the first profile that fits. Guarantees: a browser that
//! no profile is about does not stay logged in for ever.

use super::credentials::Info;
use super::directory::User;
use super::names::Names;
use super::token::TokenKind;
use mesh_config::{ProfileConfig, ProfileKind};
use mesh_session::Policy;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// The profiles of a mesh, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Profiles {
    all: Vec<ProfileConfig>,
    names: Names,
}

/// The statements of a client in its `info`, as far as a profile asks for them: values by the keys of the
/// configuration.
pub(super) type Facts = BTreeMap<String, Value>;

/// A login, as far as profiles look at it.
#[derive(Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// The user who logs in.
    pub user: &'a User,
    /// How.
    pub kind: TokenKind,
    /// Whether from a browser.
    pub is_browser: bool,
    /// The client's `info`.
    pub facts: &'a Facts,
}

impl Profiles {
    /// These, and behind them those that fit every login.
    pub fn new(configured: &[ProfileConfig], names: Names) -> Profiles {
        let mut all = configured.to_vec();
        all.push(ProfileConfig {
            browser: Some(true),
            ttl: Some(Duration::from_secs(7 * DAY)),
            inactivity: Some(Duration::from_secs(60 * 60)),
            ..unlimited("browsers")
        });
        all.push(unlimited("others"));
        Profiles { all, names }
    }

    /// The profile that holds for a login.
    pub(super) fn of(&self, login: Circumstances<'_>) -> &ProfileConfig {
        let Circumstances { user, kind, .. } = login;
        let fits = |profile: &&ProfileConfig| {
            let kinds = match profile.kind {
                None => true,
                Some(ProfileKind::Websocket) => kind == TokenKind::Stateful,
                Some(ProfileKind::Http) => kind == TokenKind::Stateless,
            };
            let mut users = profile.users.iter();
            let users = profile.users.is_empty() || users.any(|name| self.names.are_same(name, &user.name));
            let mut groups = profile.groups.iter();
            let groups =
                profile.groups.is_empty() || groups.any(|name| user.groups.contains_key(name.as_str()));
            let browsers = profile.browser.is_none_or(|browser| browser == login.is_browser);
            let infos = profile.info.iter().all(|condition| {
                let said = login.facts.get(&condition.key);
                said.is_some_and(|said| condition.values.iter().any(|value| is_same(value, said)))
            });
            kinds && users && groups && browsers && infos
        };
        let last = self.all.len() - 1;
        self.all.iter().find(fits).unwrap_or(&self.all[last])
    }

    /// The part of a client's `info` that some profile asks for. It goes into tokens: a client that shows one over HTTP
    /// says nothing else.
    pub(super) fn facts_of(&self, info: &Info) -> Facts {
        let conditions = || self.all.iter().flat_map(|profile| &profile.info);
        if conditions().next().is_none() {
            return Facts::new();
        }
        let info = info.value().unwrap_or_default();
        let said = conditions().filter_map(|condition| {
            let said = value_at(&info, &condition.key)?;
            let mut wanted = condition.values.iter();
            wanted
                .any(|value| is_same(value, said))
                .then(|| (condition.key.clone(), said.clone()))
        });
        said.collect()
    }
}

/// The value of a key; with dots in it also that of a key of an object inside.
fn value_at<'a>(info: &'a Value, key: &str) -> Option<&'a Value> {
    info.get(key).or_else(|| {
        let mut segments = key.split('.');
        segments.try_fold(info, |value, segment| value.get(segment))
    })
}

/// Whether two values are the same; numbers are, however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

/// The times of a profile for which a login holds.
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
        info: Vec::new(),
        ttl: None,
        inactivity: None,
        usage_limit: None,
        token_logins: true,
        lock_token_to_address: false,
        lock_token_to_origin: false,
        addresses: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_config::InfoCondition;
    use serde_json::json;
    use serde_json::value::RawValue;

    #[test]
    fn the_first_profile_that_fits_holds() {
        let guards = ProfileConfig {
            groups: vec!["guards".to_owned()],
            kind: Some(ProfileKind::Websocket),
            ..unlimited("guards")
        };
        let profiles = Profiles::new(&[guards], Names::Exact);
        let guard = User {
            name: "bob".into(),
            groups: [("guards".into(), Default::default())].into(),
            ..User::default()
        };
        let named = |user: &User, kind, is_browser| {
            let facts = &Facts::new();
            let login = Circumstances {
                user,
                kind,
                is_browser,
                facts,
            };
            profiles.of(login).name.clone()
        };
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

    #[test]
    fn the_info_of_a_client_chooses_a_profile() {
        let asks = |name: &str, key: &str, values: &[Value]| ProfileConfig {
            info: vec![InfoCondition {
                key: key.to_owned(),
                values: values.to_vec(),
            }],
            ..unlimited(name)
        };
        let profiles = Profiles::new(
            &[
                asks("kiosks", "device.kind", &[json!("kiosk"), json!("terminal")]),
                asks("seven", "level", &[json!(7)]),
                asks("dotted", "a.b", &[json!(true)]),
            ],
            Names::Exact,
        );
        let named = |info: Value| {
            let raw = RawValue::from_string(info.to_string()).unwrap();
            let facts = &profiles.facts_of(&Info::of(Some(&raw)));
            let login = Circumstances {
                user: &User::default(),
                kind: TokenKind::Stateful,
                is_browser: false,
                facts,
            };
            (profiles.of(login).name.clone(), facts.len())
        };
        let expect = |name: &str, facts| (name.to_owned(), facts);
        assert_eq!(
            named(json!({"device": {"kind": "terminal"}})),
            expect("kiosks", 1)
        );
        assert_eq!(
            named(json!({"device": {"kind": "phone"}, "more": 1})),
            expect("others", 0)
        );
        assert_eq!(named(json!({"level": 7.0, "more": "x"})), expect("seven", 1));
        assert_eq!(named(json!({"level": "7"})), expect("others", 0));
        assert_eq!(named(json!({"a.b": true})), expect("dotted", 1));
        assert_eq!(named(json!([])), expect("others", 0));
    }
}
