//! Rules for a session or a token of some kind of login (docs/protocol.md 9.7).
//!
//! Enters: a user who logs in, and the kind of login. Leaves: the first profile that fits. Guarantees: a browser that
//! no profile is about does not stay logged in for ever.

use super::credentials::Info;
use super::directory::User;
use super::names::Names;
use super::permission::{Holder, PermissionError, Rules};
use super::token::TokenKind;
use mesh_config::{InfoTest, Location, ProfileConfig, ProfileKind};
use mesh_session::Policy;
use mesh_wire::query::{QueryError, ValueTest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;
/// A longer value that operators are to look at counts as an empty object, in bytes. All of them go into tokens.
const LONGEST_FACT: usize = 256;

/// The profiles of a mesh, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Profiles {
    all: Vec<Profile>,
    names: Names,
}

/// A profile that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Operators that nobody knows.
    #[error("`{key}` of `info` in the profile {profile:?} cannot be read: {why}")]
    Operators {
        /// The name of the profile.
        profile: String,
        /// The key of its `info`.
        key: String,
        /// Where the operators are written.
        at: Location,
        /// The fault.
        #[source]
        why: QueryError,
    },
    /// Something is not a permission.
    #[error("`permissions` of the profile {profile:?} cannot be read: {why}")]
    Permissions {
        /// The name of the profile.
        profile: String,
        /// Where the permissions are written.
        at: Location,
        /// The fault.
        #[source]
        why: PermissionError,
    },
    /// The name says whose permissions hold.
    #[error("two profiles are named {profile:?}, and one of them has `permissions`")]
    SameName {
        /// The name of both.
        profile: String,
        /// Where the permissions are written.
        at: Location,
    },
}

impl ProfileError {
    /// Where the fault is written.
    pub fn at(&self) -> Location {
        match self {
            ProfileError::Operators { at, .. }
            | ProfileError::Permissions { at, .. }
            | ProfileError::SameName { at, .. } => *at,
        }
    }

    /// The right form, where the fault does not say it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            ProfileError::Operators { .. } => return None,
            ProfileError::Permissions { .. } => {
                "each path takes the lists `actions` and `prohibit` with get, set, remove, on, a verb of HTTP or *: write for \
                 example `\"/kiosk/*\" = { actions = [\"get\", \"on\"] }`"
            }
            ProfileError::SameName { .. } => "give one of them another name",
        };
        Some(help.to_owned())
    }
}

/// One of them, with its questions to the client's `info`, and its permissions.
#[derive(Clone, Debug)]
struct Profile {
    config: ProfileConfig,
    info: Vec<Asked>,
    permissions: Option<Permissions>,
}

/// The permissions of the sessions of a profile, in the place of those of their users.
#[derive(Clone, Debug)]
struct Permissions {
    profile: Arc<str>,
    rules: Arc<Rules>,
}

/// A question to the client's `info`.
#[derive(Clone, Debug)]
struct Asked {
    /// The key; with dots in it also that of a key of an object inside.
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    OneOf(Vec<Value>),
    Operators(Arc<ValueTest>),
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
    ///
    /// # Errors
    ///
    /// When operators or permissions of one cannot be read, or a name does not say which permissions hold.
    pub fn new(configured: &[ProfileConfig], names: Names) -> Result<Profiles, ProfileError> {
        let browsers = ProfileConfig {
            browser: Some(true),
            ttl: Some(Duration::from_secs(7 * DAY)),
            inactivity: Some(Duration::from_secs(60 * 60)),
            ..unlimited("browsers")
        };
        let all = configured.iter().cloned().chain([browsers, unlimited("others")]);
        let all: Vec<Profile> = all.map(Profile::new).collect::<Result<_, _>>()?;
        for profile in &all {
            let others = all
                .iter()
                .filter(|other| other.config.name == profile.config.name);
            if let Some(permissions) = &profile.config.permissions
                && others.count() > 1
            {
                return Err(ProfileError::SameName {
                    profile: profile.config.name.clone(),
                    at: permissions.at,
                });
            }
        }
        Ok(Profiles { all, names })
    }

    /// The permissions of sessions of the profile of this name, where it has some.
    pub(super) fn permissions(&self, name: &str) -> Option<&Rules> {
        let mut all = self.all.iter().filter_map(|profile| profile.permissions.as_ref());
        all.find(|permissions| *permissions.profile == *name)
            .map(|permissions| &*permissions.rules)
    }

    /// The profile that holds for a login.
    pub(super) fn of(&self, login: Circumstances<'_>) -> Held<'_> {
        let Circumstances { user, kind, .. } = login;
        let fits = |profile: &&Profile| {
            let (infos, profile) = (&profile.info, &profile.config);
            let kinds = match profile.kind {
                None => true,
                Some(ProfileKind::Websocket) => kind == TokenKind::Stateful,
                Some(ProfileKind::Http) => kind == TokenKind::Stateless,
            };
            let mut users = profile.users.iter();
            let users = profile.users.is_empty() || users.any(|pattern| self.names.fits(pattern, &user.name));
            let mut groups = profile.groups.iter();
            let groups =
                profile.groups.is_empty() || groups.any(|name| user.groups.contains_key(name.as_str()));
            let browsers = profile.browser.is_none_or(|browser| browser == login.is_browser);
            let infos = infos.iter().all(|asked| asked.holds(login.facts.get(&asked.key)));
            kinds && users && groups && browsers && infos
        };
        let last = self.all.len() - 1;
        Held(self.all.iter().find(fits).unwrap_or(&self.all[last]))
    }

    /// The part of a client's `info` that some profile asks for. It goes into tokens: a client that shows one over HTTP
    /// says nothing else.
    pub(super) fn facts_of(&self, info: &Info) -> Facts {
        let all_asked = || self.all.iter().flat_map(|profile| &profile.info);
        if all_asked().next().is_none() {
            return Facts::new();
        }
        let info = info.value().unwrap_or_default();
        let mut facts = Facts::new();
        for asked in all_asked() {
            let Some(said) = value_at(&info, &asked.key) else {
                continue;
            };
            match &asked.test {
                Test::OneOf(_) if asked.holds(Some(said)) => {
                    facts.insert(asked.key.clone(), said.clone());
                }
                Test::OneOf(_) => {}
                // Operators also hold for other values than some, so the value is kept whatever it is.
                Test::Operators(_) => {
                    facts.entry(asked.key.clone()).or_insert_with(|| bounded(said));
                }
            }
        }
        facts
    }
}

/// The profile that holds for a login, or for a token.
#[derive(Clone, Copy)]
pub(super) struct Held<'a>(&'a Profile);

impl<'a> Held<'a> {
    /// The name under which its permissions hold in the place of those of the user.
    pub fn permissions(self) -> Option<&'a Arc<str>> {
        self.0
            .permissions
            .as_ref()
            .map(|permissions| &permissions.profile)
    }
}

impl Deref for Held<'_> {
    type Target = ProfileConfig;

    fn deref(&self) -> &ProfileConfig {
        &self.0.config
    }
}

impl Profile {
    fn new(config: ProfileConfig) -> Result<Profile, ProfileError> {
        let asked = config.info.iter().map(|condition| {
            let test = match &condition.test {
                InfoTest::OneOf(values) => Test::OneOf(values.clone()),
                InfoTest::Operators(operators) => {
                    let read = ValueTest::read(&operators.value);
                    Test::Operators(Arc::new(read.map_err(|why| ProfileError::Operators {
                        profile: config.name.clone(),
                        key: condition.key.clone(),
                        at: operators.at,
                        why,
                    })?))
                }
            };
            Ok(Asked {
                key: condition.key.clone(),
                test,
            })
        });
        let info = asked.collect::<Result<_, _>>()?;
        let permissions = config.permissions.as_ref().map(|permissions| {
            let rules = Rules::from_value(&permissions.value, Holder::Profile);
            let rules = rules.map_err(|why| ProfileError::Permissions {
                profile: config.name.clone(),
                at: permissions.at,
                why,
            })?;
            Ok(Permissions {
                profile: config.name.as_str().into(),
                rules: Arc::new(rules),
            })
        });
        Ok(Profile {
            permissions: permissions.transpose()?,
            config,
            info,
        })
    }
}

impl Asked {
    fn holds(&self, said: Option<&Value>) -> bool {
        match &self.test {
            Test::OneOf(values) => said.is_some_and(|said| values.iter().any(|value| is_same(value, said))),
            Test::Operators(operators) => operators.holds(said),
        }
    }
}

/// The same value, or an empty object in the place of one that is too long.
fn bounded(value: &Value) -> Value {
    let is_short = value.to_string().len() <= LONGEST_FACT;
    if is_short {
        value.clone()
    } else {
        Value::Object(Default::default())
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
        permissions: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_config::{InfoCondition, JsonTable};
    use serde_json::json;
    use serde_json::value::RawValue;

    #[test]
    fn the_first_profile_that_fits_holds() {
        let guards = ProfileConfig {
            groups: vec!["guards".to_owned()],
            kind: Some(ProfileKind::Websocket),
            ..unlimited("guards")
        };
        let profiles = Profiles::new(&[guards], Names::Exact).unwrap();
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
                test: InfoTest::OneOf(values.to_vec()),
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
        )
        .unwrap();
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

    fn asks(name: &str, key: &str, operators: Value) -> ProfileConfig {
        let at = Location::Default;
        ProfileConfig {
            info: vec![InfoCondition {
                key: key.to_owned(),
                test: InfoTest::Operators(JsonTable { value: operators, at }),
            }],
            ..unlimited(name)
        }
    }

    #[test]
    fn operators_look_at_the_info_of_a_client_and_at_what_its_token_keeps() {
        let profiles = Profiles::new(
            &[
                asks("kiosks", "device.kind", json!({"$regex": "^kiosk"})),
                asks("old", "version", json!({"$lt": 3})),
                asks("named", "name", json!({"$ne": "a", "$exists": true})),
            ],
            Names::Exact,
        )
        .unwrap();
        let named = |info: Value| {
            let raw = RawValue::from_string(info.to_string()).unwrap();
            let facts = profiles.facts_of(&Info::of(Some(&raw)));
            let kept: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
            let of = |facts: &Facts| {
                let login = Circumstances {
                    user: &User::default(),
                    kind: TokenKind::Stateful,
                    is_browser: false,
                    facts,
                };
                profiles.of(login).name.clone()
            };
            assert_eq!(of(&facts), of(&kept));
            of(&kept)
        };
        assert_eq!(named(json!({"device": {"kind": "kiosk-7"}})), "kiosks");
        assert_eq!(named(json!({"device": {"kind": "a kiosk"}})), "others");
        assert_eq!(named(json!({"version": 2})), "old");
        assert_eq!(named(json!({"version": 3})), "others");
        assert_eq!(named(json!({"name": "b"})), "named");
        assert_eq!(named(json!({"name": "a"})), "others");
        let long = "a".repeat(LONGEST_FACT);
        assert_eq!(
            named(json!({ "name": long })),
            "named",
            "it is there, and is not \"a\""
        );
        let long = format!("kiosk{}", "x".repeat(LONGEST_FACT));
        assert_eq!(
            named(json!({"device": {"kind": long}})),
            "others",
            "too long to be kept"
        );
    }

    #[test]
    fn operators_that_nobody_knows_are_refused_by_name() {
        let error =
            Profiles::new(&[asks("kiosks", "kind", json!({"$like": "a"}))], Names::Exact).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`kind`") && text.contains("kiosks") && text.contains("$like"),
            "{text}"
        );
    }

    #[test]
    fn patterns_of_names_choose_a_profile() {
        let visitors = ProfileConfig {
            users: vec!["*@example.com".to_owned()],
            ..unlimited("visitors")
        };
        let profiles = Profiles::new(&[visitors], Names::AnyCase).unwrap();
        let named = |name: &str| {
            let user = User {
                name: name.into(),
                ..User::default()
            };
            let login = Circumstances {
                user: &user,
                kind: TokenKind::Stateful,
                is_browser: false,
                facts: &Facts::new(),
            };
            profiles.of(login).name.clone()
        };
        assert_eq!(named("bob@EXAMPLE.com"), "visitors");
        assert_eq!(named("bob@example.com.org"), "others");
    }
}
