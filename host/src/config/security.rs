//! `[security]` and its `[[security.profiles]]`.
//!
//! Enters: the section of the tree. Leaves: a [`SecurityConfig`], all mistakes reported to the [`Reader`]. Guarantees: no
//! message shows a secret.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::error::ErrorKind;
use super::keys;
use super::read::{Reader, Section};
use super::sections::unset;
use super::tree::quoted;
use super::types::{ProfileConfig, ProfileKind, Secret, SecurityConfig};

/// Shorter secrets could be guessed.
const SHORTEST_SECRET: usize = 32;

pub(super) fn read<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> SecurityConfig {
    let admin_password = reader.text(&mut section, "admin_password");
    if let Some(empty) = admin_password.as_ref().filter(|password| password.is_empty()) {
        let help = Some("leave the key out to set none".to_owned());
        reader.report(
            ErrorKind::InvalidValue,
            empty.at,
            "`admin_password` in [security] is empty",
            help,
        );
    }
    let token_secret = reader.text(&mut section, "token_secret");
    if let Some(short) = token_secret
        .as_ref()
        .filter(|secret| secret.len() < SHORTEST_SECRET)
    {
        let message = format!("`token_secret` in [security] must have at least {SHORTEST_SECRET} bytes");
        let help = Some("leave the key out: the host makes one and keeps it in its store".to_owned());
        reader.report(ErrorKind::InvalidValue, short.at, message, help);
    }
    let allow_anonymous = reader.boolean(&mut section, "allow_anonymous", false);
    let admin_over_network = reader.boolean(&mut section, "admin_over_network", true);
    let http_logout = reader.boolean(&mut section, "http_logout", false);
    let authority_delegation = reader.boolean(&mut section, "authority_delegation", false);
    let allow_nested_permissions = reader.boolean(&mut section, "allow_nested_permissions", false);
    let login_attempts = reader.integer(&mut section, "login_attempts", keys::LOGIN_ATTEMPTS);
    let lockout_seconds = reader.integer(&mut section, "lockout_seconds", keys::LOCKOUT_SECONDS);
    let profiles = profiles(reader, &mut section);
    reader.finish(section);
    SecurityConfig {
        admin_password: admin_password.map(|password| password.map(Secret::new)),
        token_secret: token_secret.map(|secret| secret.map(Secret::new)),
        allow_anonymous: allow_anonymous.value,
        admin_over_network: admin_over_network.value,
        http_logout: http_logout.value,
        authority_delegation: authority_delegation.value,
        allow_nested_permissions: allow_nested_permissions.value,
        login_attempts: u32::try_from(login_attempts.value).unwrap_or(u32::MAX),
        lockout: Duration::from_secs(lockout_seconds.value),
        profiles,
    }
}

fn profiles<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Vec<ProfileConfig> {
    let tables = reader.tables(section, "profiles", "security.profiles", "profile");
    tables.into_iter().map(|table| profile(reader, table)).collect()
}

fn profile<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> ProfileConfig {
    let name = reader
        .required_text(&mut section, "name", "visitors")
        .unwrap_or_else(unset);
    let users = reader.texts(&mut section, "users");
    let groups = reader.texts(&mut section, "groups");
    let kind = reader.choice(&mut section, "kind", keys::PROFILE_KINDS);
    let browser = section.take("browser").is_some();
    let is_browser = reader.boolean(&mut section, "browser", false);
    let seconds = |reader: &mut Reader<'a>, section: &mut Section<'a>, key| {
        let seconds = reader.integer(section, key, keys::PROFILE_SECONDS).value;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    };
    let ttl = seconds(reader, &mut section, "ttl_seconds");
    let inactivity = seconds(reader, &mut section, "inactivity_seconds");
    let usage_limit = reader
        .integer(&mut section, "usage_limit", keys::USAGE_LIMIT)
        .value;
    let token_logins = reader.boolean(&mut section, "token_logins", true);
    let lock_token_to_address = reader.boolean(&mut section, "lock_token_to_address", false);
    let addresses = addresses(reader, &mut section);
    reader.finish(section);
    ProfileConfig {
        name: name.value,
        users: users.into_iter().map(|text| text.value).collect(),
        groups: groups.into_iter().map(|text| text.value).collect(),
        kind: match kind.value {
            "websocket" => Some(ProfileKind::Websocket),
            "http" => Some(ProfileKind::Http),
            _ => None,
        },
        browser: browser.then_some(is_browser.value),
        ttl,
        inactivity,
        usage_limit: Some(usage_limit).filter(|limit| *limit > 0),
        token_logins: token_logins.value,
        lock_token_to_address: lock_token_to_address.value,
        addresses,
    }
}

fn addresses<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Vec<IpNet> {
    let mut found = Vec::new();
    for text in reader.texts(section, "addresses") {
        match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(address) => found.push(address),
            Err(_) => {
                let message = format!(
                    "each of `addresses` must be an address or a network, found {}",
                    quoted(&text)
                );
                let help = Some("write for example `addresses = [\"10.0.0.0/8\", \"::1\"]`".to_owned());
                reader.report(ErrorKind::InvalidValue, text.at, message, help);
            }
        }
    }
    found
}
