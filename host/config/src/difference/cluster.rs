//! The keys of `[cluster]` that differ.
//!
//! Enters: two configurations. Leaves: the keys, or the section where only one has it. Guarantees: where a value stands in the file
//! does not matter.

use crate::types::{ClusterConfig, ClusterIdentity, ClusterLogin};
use crate::{Config, Spanned};
use std::path::PathBuf;

/// Each key, and whether it differs.
pub(super) fn differs(running: &Config, wanted: &Config) -> Vec<(&'static str, bool)> {
    let (old, new) = match (&running.cluster, &wanted.cluster) {
        (Some(old), Some(new)) => (old, new),
        (old, new) => return vec![("cluster", old.is_some() != new.is_some())],
    };
    let identity = |of: &ClusterConfig, file: fn(&ClusterIdentity) -> &Spanned<PathBuf>| {
        of.identity.as_ref().map(|identity| file(identity).value.clone())
    };
    let authorities = |of: &ClusterConfig| of.authorities.as_ref().map(|file| file.value.clone());
    let (were, are) = (&old.presence, &new.presence);
    vec![
        ("cluster.name", old.name.value != new.name.value),
        ("cluster.servers", !values(&old.servers).eq(values(&new.servers))),
        ("cluster.dev", old.dev != new.dev),
        ("cluster.user", user(old) != user(new)),
        ("cluster.credentials", credentials(old) != credentials(new)),
        ("cluster.nkey", nkey(old) != nkey(new)),
        ("cluster.ca", authorities(old) != authorities(new)),
        (
            "cluster.cert",
            identity(old, |files| &files.cert) != identity(new, |files| &files.cert),
        ),
        (
            "cluster.key",
            identity(old, |files| &files.key) != identity(new, |files| &files.key),
        ),
        ("cluster.expose", old.expose != new.expose),
        ("cluster.prefer", old.prefer != new.prefer),
        (
            "cluster.wait_for",
            !values(&old.wait_for).eq(values(&new.wait_for)),
        ),
        ("cluster.min_nodes", old.min_nodes != new.min_nodes),
        ("cluster.wait_ms", old.wait != new.wait),
        ("cluster.beat_ms", were.beat != are.beat),
        ("cluster.suspect_beats", were.suspect_beats != are.suspect_beats),
        ("cluster.lost_ms", were.lost != are.lost),
        ("cluster.away_ms", were.away != are.away),
        ("cluster.forget_ms", were.forget != are.forget),
        ("cluster.link_bytes", old.link_bytes != new.link_bytes),
        (
            "cluster.separate_users",
            old.has_separate_users != new.has_separate_users,
        ),
    ]
}

fn values<T>(list: &[Spanned<T>]) -> impl Iterator<Item = &T> {
    list.iter().map(|item| &item.value)
}

fn user(of: &ClusterConfig) -> Option<&String> {
    match &of.login {
        Some(ClusterLogin::User(user)) => Some(&user.value),
        _ => None,
    }
}

fn credentials(of: &ClusterConfig) -> Option<&PathBuf> {
    match &of.login {
        Some(ClusterLogin::Credentials(file)) => Some(&file.value),
        _ => None,
    }
}

fn nkey(of: &ClusterConfig) -> Option<&PathBuf> {
    match &of.login {
        Some(ClusterLogin::Nkey(file)) => Some(&file.value),
        _ => None,
    }
}
