//! `[security]`, its `[[security.profiles]]` and `[[security.providers]]`.
//!
//! Enters: the section of the tree. Leaves: a [`SecurityConfig`], all mistakes reported to the [`Reader`]. Guarantees: no
//! message shows a secret.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::error::ErrorKind;
use super::json::json;
use super::keys;
use super::read::{Reader, Section};
use super::tree::{Node, Value, quoted, shown};
use super::types::{
    InfoCondition, InfoTest, JsonTable, ProfileConfig, ProfileKind, ProviderConfig, Secret, SecurityConfig,
};
use super::values::unset;

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
    let admin_public_key = reader.text(&mut section, "admin_public_key");
    let lock_token_to_user = reader.boolean(&mut section, "lock_token_to_user", false);
    let case_insensitive_usernames = reader.boolean(&mut section, "case_insensitive_usernames", false);
    let authentication = reader.text(&mut section, "authentication");
    let audit_paths = reader.texts(&mut section, "audit_paths");
    let allow_anonymous = reader.boolean(&mut section, "allow_anonymous", false);
    let admin_over_network = reader.boolean(&mut section, "admin_over_network", true);
    let http_logout = reader.boolean(&mut section, "http_logout", false);
    let authority_delegation = reader.boolean(&mut section, "authority_delegation", false);
    let allow_nested_permissions = reader.boolean(&mut section, "allow_nested_permissions", false);
    let login_attempts = reader.integer(&mut section, "login_attempts", keys::LOGIN_ATTEMPTS);
    let lockout_seconds = reader.integer(&mut section, "lockout_seconds", keys::LOCKOUT_SECONDS);
    let profiles = profiles(reader, &mut section);
    let providers = providers(reader, &mut section);
    reader.finish(section);
    SecurityConfig {
        admin_password: admin_password.map(|password| password.map(Secret::new)),
        token_secret: token_secret.map(|secret| secret.map(Secret::new)),
        admin_public_key,
        lock_token_to_user: lock_token_to_user.value,
        case_insensitive_usernames: case_insensitive_usernames.value,
        authentication,
        audit_paths: audit_paths.into_iter().map(|text| text.value).collect(),
        allow_anonymous: allow_anonymous.value,
        admin_over_network: admin_over_network.value,
        http_logout: http_logout.value,
        authority_delegation: authority_delegation.value,
        allow_nested_permissions: allow_nested_permissions.value,
        login_attempts: u32::try_from(login_attempts.value).unwrap_or(u32::MAX),
        lockout: Duration::from_secs(lockout_seconds.value),
        profiles,
        providers,
    }
}

fn providers<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Vec<ProviderConfig> {
    let tables = reader.tables(section, "providers", "security.providers", "provider");
    tables.into_iter().map(|table| provider(reader, table)).collect()
}

fn provider<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> ProviderConfig {
    let is_empty = section.take("component").is_none() && section.take("users").is_none();
    let component = reader.text(&mut section, "component");
    let users = reader.texts(&mut section, "users");
    if is_empty {
        let help = Some("write for example `users = [\"*@example.com\"]`".to_owned());
        reader.report(
            ErrorKind::MissingKey,
            section.at,
            "this entry of [[security.providers]] names neither a component nor users",
            help,
        );
    }
    reader.finish(section);
    ProviderConfig {
        component,
        users: users.into_iter().map(|text| text.value).collect(),
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
    let info = info(reader, &mut section);
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
    let lock_token_to_origin = reader.boolean(&mut section, "lock_token_to_origin", false);
    let addresses = addresses(reader, &mut section);
    let permissions = permissions(reader, &mut section);
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
        info,
        ttl,
        inactivity,
        usage_limit: Some(usage_limit).filter(|limit| *limit > 0),
        token_logins: token_logins.value,
        lock_token_to_address: lock_token_to_address.value,
        lock_token_to_origin: lock_token_to_origin.value,
        addresses,
        permissions,
    }
}

/// Permissions by path, each a table with the actions.
fn permissions<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Option<JsonTable> {
    const KEY: &str = "permissions";
    let node = section.take(KEY)?;
    if !matches!(node.value, Value::Table(_)) {
        let help = "write for example `permissions = { \"/kiosk/*\" = { actions = [\"get\"] } }`";
        reader.wrong_type(section, KEY, node, "a table", Some(help.to_owned()));
        return None;
    }
    Some(json_table(reader, node))
}

fn json_table(reader: &mut Reader<'_>, node: &Node) -> JsonTable {
    JsonTable {
        value: json(reader, node),
        at: node.at,
    }
}

/// The values that a client's `info` must have: each a text, a number, true or false, a list of these, or a table of
/// operators. These are read where they are used.
fn info<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Vec<InfoCondition> {
    const KEY: &str = "info";
    let help = || {
        let example = "info = { device = \"kiosk\", level = [1, 2] }";
        Some(format!("write for example `{example}`"))
    };
    let Some(node) = section.take(KEY) else {
        return Vec::new();
    };
    let Value::Table(entries) = &node.value else {
        reader.wrong_type(section, KEY, node, "a table", help());
        return Vec::new();
    };
    let mut conditions = Vec::new();
    for entry in entries {
        if let Value::Table(operators) = &entry.node.value
            && operators.iter().any(|operator| operator.key.starts_with('$'))
        {
            let operators = json_table(reader, &entry.node);
            conditions.push(InfoCondition {
                key: entry.key.clone(),
                test: InfoTest::Operators(operators),
            });
            continue;
        }
        let items = match &entry.node.value {
            Value::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.node),
        };
        let values: Vec<_> = items.iter().map(|item| (item.at, scalar(&item.value))).collect();
        if let Some((at, _)) = values.iter().find(|(_, value)| value.is_none()) {
            let message = format!(
                "`{}` of `{KEY}` must be a string, a number, a boolean, a list of these, or a table of operators",
                shown(&entry.key)
            );
            reader.report(ErrorKind::WrongType, *at, message, help());
            continue;
        }
        conditions.push(InfoCondition {
            key: entry.key.clone(),
            test: InfoTest::OneOf(values.into_iter().filter_map(|(_, value)| value).collect()),
        });
    }
    conditions
}

/// A value as JSON has it, where it is not one of several.
fn scalar(value: &Value) -> Option<serde_json::Value> {
    match value {
        Value::Text(text) => Some(text.as_str().into()),
        Value::Boolean(value) => Some((*value).into()),
        Value::Integer(number, _) => i64::try_from((*number)?).ok().map(Into::into),
        Value::Float(written) => written.parse::<f64>().ok().map(Into::into),
        Value::Date(_) | Value::Array(_) | Value::Table(_) => None,
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
