//! Differences between the configuration that runs and the one that is wanted.
//!
//! Enters: two checked configurations. Leaves: a [`Difference`]: component entries added, removed and changed, and
//! the names of other keys that changed. The table of keys says when each of these applies. Guarantees: each entry of
//! either side is in at most one of the lists. Every key of `mesh.toml` that differs is named by a list or by an
//! [`Aspect`]. Values, passwords among them, are not in what is named. Files are not opened: a library whose content
//! changed under the same name is not a difference.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::Applies;
use super::{ComponentConfig, Config, RequirementConfig, Secret, SecurityConfig, Spanned, TlsConfig};

mod cluster;

/// The differences between two configurations.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Entries that only the wanted configuration has, in its order.
    pub added: Vec<ComponentConfig>,
    /// Entries that only the running configuration has, in its order.
    pub removed: Vec<ComponentConfig>,
    /// Entries that both have and that differ, in the order of the wanted configuration.
    pub changed: Vec<ChangedComponent>,
    /// Keys that changed and take effect without a restart, such as `swap.probation_ms`.
    pub live: Vec<&'static str>,
    /// Keys that changed and need a restart, such as `happn.port`.
    pub restart: Vec<&'static str>,
}

/// An entry that both configurations have, in different ways.
#[derive(Clone, Debug)]
pub struct ChangedComponent {
    /// The entry as it runs.
    pub running: ComponentConfig,
    /// The entry as it is wanted.
    pub wanted: ComponentConfig,
    /// The differences; never empty, each at most once.
    pub aspects: Vec<Aspect>,
}

/// A part of a component entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aspect {
    /// The files that `library` may mean, because it or `plugins.dir` changed.
    Library,
    /// The text of the range of versions.
    Version,
    /// The settings handed to the component.
    Config,
    /// The number of threads.
    Lanes,
    /// The stack of these threads.
    Stack,
    /// The time it has to start.
    StartTimeout,
    /// Whether it asks with the rights of its callers, because its own key or that of `[security]` changed.
    AuthorityDelegation,
    /// The folder it is built from.
    Crate,
    /// How far nodes of a cluster reach it.
    Reach,
    /// Which node of a cluster serves a session.
    Affinity,
    /// The methods that may be executed twice.
    Idempotent,
    /// The components that must be there before it starts.
    Requires,
}

impl Aspect {
    /// Whether a change of this part is applied by replacing the running instance. The others are read when they are
    /// next needed.
    pub fn needs_swap(self) -> bool {
        match self {
            Self::Library
            | Self::Version
            | Self::Config
            | Self::Lanes
            | Self::Stack
            | Self::AuthorityDelegation => true,
            Self::StartTimeout
            | Self::Crate
            | Self::Reach
            | Self::Affinity
            | Self::Idempotent
            | Self::Requires => false,
        }
    }
}

/// The key of the entry.
impl fmt::Display for Aspect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Library => "library",
            Self::Version => "version",
            Self::Config => "config",
            Self::Lanes => "lanes",
            Self::Stack => "stack_bytes",
            Self::StartTimeout => "start_timeout_ms",
            Self::AuthorityDelegation => "authority_delegation",
            Self::Crate => "crate",
            Self::Reach => "reach",
            Self::Affinity => "affinity",
            Self::Idempotent => "idempotent",
            Self::Requires => "requires",
        })
    }
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let components = self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty();
        components && self.live.is_empty() && self.restart.is_empty()
    }
}

/// Compares two configurations.
///
/// Entries belong together when they have the same name. Among several of one name those with the same text of
/// `version` belong together, and then the rest in their order.
pub fn difference(running: &Config, wanted: &Config) -> Difference {
    let mut difference = Difference::default();
    compare_keys(running, wanted, &mut difference);

    let partners = partners(&running.components, &wanted.components);
    for (place, entry) in wanted.components.iter().enumerate() {
        let Some(partner) = partners.iter().position(|partner| *partner == Some(place)) else {
            difference.added.push(entry.clone());
            continue;
        };
        let before = &running.components[partner];
        let aspects = aspects(running, before, wanted, entry);
        if !aspects.is_empty() {
            difference.changed.push(ChangedComponent {
                running: before.clone(),
                wanted: entry.clone(),
                aspects,
            });
        }
    }
    let removed = running.components.iter().zip(&partners);
    difference.removed = removed
        .filter(|(_, partner)| partner.is_none())
        .map(|(entry, _)| entry.clone())
        .collect();
    difference
}

/// For each running entry the place of the wanted one that it belongs to.
fn partners(running: &[ComponentConfig], wanted: &[ComponentConfig]) -> Vec<Option<usize>> {
    let mut partners = vec![None; running.len()];
    for same_range in [true, false] {
        for (place, entry) in running.iter().enumerate() {
            if partners[place].is_some() {
                continue;
            }
            partners[place] = wanted.iter().enumerate().position(|(other, candidate)| {
                !partners.contains(&Some(other))
                    && candidate.name.value == entry.name.value
                    && (!same_range || candidate.version.trim() == entry.version.trim())
            });
        }
    }
    partners
}

fn aspects(
    running: &Config,
    before: &ComponentConfig,
    wanted: &Config,
    after: &ComponentConfig,
) -> Vec<Aspect> {
    let files_before = running.library_candidates(&before.library);
    let files_after = wanted.library_candidates(&after.library);
    let folder = |entry: &ComponentConfig| entry.crate_folder.as_ref().map(|folder| folder.value.clone());
    let differs = [
        (Aspect::Library, files_before != files_after),
        (Aspect::Version, before.version.trim() != after.version.trim()),
        (Aspect::Config, before.config.value != after.config.value),
        (Aspect::Lanes, before.lanes.value != after.lanes.value),
        (Aspect::Stack, before.stack_bytes.value != after.stack_bytes.value),
        (Aspect::StartTimeout, before.start_timeout != after.start_timeout),
        (
            Aspect::AuthorityDelegation,
            running.delegates_authority(before) != wanted.delegates_authority(after),
        ),
        (Aspect::Crate, folder(before) != folder(after)),
        (Aspect::Reach, before.reach != after.reach),
        (Aspect::Affinity, before.affinity != after.affinity),
        (
            Aspect::Idempotent,
            !same_texts(&before.idempotent, &after.idempotent),
        ),
        (
            Aspect::Requires,
            !same_requirements(&before.requires, &after.requires),
        ),
    ];
    let differs = differs.into_iter().filter(|(_, differs)| *differs);
    differs.map(|(aspect, _)| aspect).collect()
}

/// Whether two lists name the same, in whatever order.
fn same_texts(one: &[String], other: &[String]) -> bool {
    one.iter().all(|text| other.contains(text)) && other.iter().all(|text| one.contains(text))
}

/// Each component is named once.
fn same_requirements(one: &[RequirementConfig], other: &[RequirementConfig]) -> bool {
    let is_in_other = |required: &RequirementConfig| other.iter().any(|same| same.is_same(required));
    one.len() == other.len() && one.iter().all(is_in_other)
}

fn compare_keys(running: &Config, wanted: &Config, difference: &mut Difference) {
    let (old, new) = (running, wanted);
    // A domain that was not written is the name, and is no change beside that of the name.
    let own_domain = |config: &Config| config.domain.at != config.name.at;
    let domain_matters = own_domain(old) || own_domain(new);
    let path = |config: &Config| config.store.path.as_ref().map(|path| path.value.clone());
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let providers = |security: &SecurityConfig| -> Vec<_> {
        let all = security.providers.iter();
        all.map(|provider| (text(&provider.component), provider.users.clone()))
            .collect()
    };
    let secret = |secret: &Option<Spanned<Secret>>| secret.as_ref().map(|secret| secret.value.clone());
    let tls = |config: &Config, file: fn(&TlsConfig) -> &Spanned<PathBuf>| {
        config.happn.tls.as_ref().map(|tls| file(tls).value.clone())
    };
    let page = |page: &Option<Spanned<PathBuf>>| page.as_ref().map(|page| page.value.clone());
    // Where an entry stands in the file does not matter.
    fn routes(config: &Config) -> impl Iterator<Item = (&String, &String, &String)> {
        let routes = config.web.routes.iter();
        routes.map(|route| (&route.path.value, &route.component, &route.route))
    }
    fn folders(config: &Config) -> impl Iterator<Item = (&String, &PathBuf, Duration)> {
        let folders = config.web.folders.iter();
        folders.map(|folder| (&folder.path.value, &folder.folder.value, folder.max_age))
    }
    let differs = [
        ("name", old.name.value != new.name.value),
        ("domain", domain_matters && old.domain.value != new.domain.value),
        ("data_component", old.data_component != new.data_component),
        ("happn.host", old.happn.host.value != new.happn.host.value),
        ("happn.port", old.happn.port.value != new.happn.port.value),
        ("happn.secure", old.happn.secure.value != new.happn.secure.value),
        (
            "happn.max_frame_bytes",
            old.happn.max_frame_bytes != new.happn.max_frame_bytes,
        ),
        (
            "happn.outbound_queue_bytes",
            old.happn.outbound_queue_bytes != new.happn.outbound_queue_bytes,
        ),
        (
            "happn.max_connections",
            old.happn.max_connections != new.happn.max_connections,
        ),
        (
            "happn.max_connections_before_login",
            old.happn.max_connections_before_login != new.happn.max_connections_before_login,
        ),
        (
            "happn.max_connections_before_login_per_address",
            old.happn.max_connections_before_login_per_address
                != new.happn.max_connections_before_login_per_address,
        ),
        (
            "happn.login_timeout_ms",
            old.happn.login_timeout != new.happn.login_timeout,
        ),
        (
            "happn.ping_interval_ms",
            old.happn.ping_interval != new.happn.ping_interval,
        ),
        (
            "happn.compression",
            old.happn.compression != new.happn.compression,
        ),
        (
            "happn.max_subscriptions",
            old.happn.max_subscriptions != new.happn.max_subscriptions,
        ),
        (
            "happn.max_subscription_bytes",
            old.happn.max_subscription_bytes != new.happn.max_subscription_bytes,
        ),
        (
            "happn.acknowledge_timeout_ms",
            old.happn.acknowledge_timeout != new.happn.acknowledge_timeout,
        ),
        (
            "happn.tls.cert",
            tls(old, |tls| &tls.cert) != tls(new, |tls| &tls.cert),
        ),
        (
            "happn.tls.key",
            tls(old, |tls| &tls.key) != tls(new, |tls| &tls.key),
        ),
        (
            "happn.tls.hsts_seconds",
            old.happn.tls.as_ref().map(|tls| tls.hsts) != new.happn.tls.as_ref().map(|tls| tls.hsts),
        ),
        (
            "security.admin_password",
            secret(&old.security.admin_password) != secret(&new.security.admin_password),
        ),
        (
            "security.token_secret",
            secret(&old.security.token_secret) != secret(&new.security.token_secret),
        ),
        (
            "security.admin_public_key",
            text(&old.security.admin_public_key) != text(&new.security.admin_public_key),
        ),
        (
            "security.allow_nested_permissions",
            old.security.allow_nested_permissions != new.security.allow_nested_permissions,
        ),
        (
            "security.lock_token_to_user",
            old.security.lock_token_to_user != new.security.lock_token_to_user,
        ),
        (
            "security.case_insensitive_usernames",
            old.security.case_insensitive_usernames != new.security.case_insensitive_usernames,
        ),
        (
            "security.authentication",
            text(&old.security.authentication) != text(&new.security.authentication),
        ),
        (
            "security.providers",
            providers(&old.security) != providers(&new.security),
        ),
        (
            "security.audit_paths",
            old.security.audit_paths != new.security.audit_paths,
        ),
        (
            "security.allow_anonymous",
            old.security.allow_anonymous != new.security.allow_anonymous,
        ),
        (
            "security.admin_over_network",
            old.security.admin_over_network != new.security.admin_over_network,
        ),
        (
            "security.http_logout",
            old.security.http_logout != new.security.http_logout,
        ),
        (
            "security.login_attempts",
            old.security.login_attempts != new.security.login_attempts,
        ),
        (
            "security.lockout_seconds",
            old.security.lockout != new.security.lockout,
        ),
        (
            "security.profiles",
            old.security.profiles != new.security.profiles,
        ),
        ("store.path", path(old) != path(new)),
        ("store.durability", old.store.durability != new.store.durability),
        ("store.interval_ms", old.store.interval != new.store.interval),
        ("calls.timeout_ms", old.calls.timeout != new.calls.timeout),
        (
            "calls.client_timeout_ms",
            old.calls.client_timeout != new.calls.client_timeout,
        ),
        (
            "calls.queue_bytes",
            old.calls.queue_bytes != new.calls.queue_bytes,
        ),
        (
            "calls.max_pending_per_session",
            old.calls.max_pending_per_session != new.calls.max_pending_per_session,
        ),
        (
            "web.max_body_bytes",
            old.web.max_body_bytes != new.web.max_body_bytes,
        ),
        ("web.open", old.web.open != new.web.open),
        (
            "web.unauthorized_page",
            page(&old.web.unauthorized_page) != page(&new.web.unauthorized_page),
        ),
        (
            "web.forbidden_page",
            page(&old.web.forbidden_page) != page(&new.web.forbidden_page),
        ),
        ("web.routes", !routes(old).eq(routes(new))),
        ("web.folders", !folders(old).eq(folders(new))),
        ("console.enabled", old.console.enabled != new.console.enabled),
        ("plugins.dir", old.plugins.dir.value != new.plugins.dir.value),
        (
            "security.authority_delegation",
            old.security.authority_delegation != new.security.authority_delegation,
        ),
        (
            "rest.cors_origins",
            old.rest.cors_origins != new.rest.cors_origins,
        ),
        (
            "rest.cors_credentials",
            old.rest.cors_credentials != new.rest.cors_credentials,
        ),
        ("swap.probation_ms", old.swap.probation != new.swap.probation),
        (
            "swap.max_error_percent",
            old.swap.max_error_percent != new.swap.max_error_percent,
        ),
        (
            "swap.drain_timeout_ms",
            old.swap.drain_timeout != new.swap.drain_timeout,
        ),
        (
            "swap.handover_timeout_ms",
            old.swap.handover_timeout != new.swap.handover_timeout,
        ),
        (
            "swap.max_state_bytes",
            old.swap.max_state_bytes != new.swap.max_state_bytes,
        ),
        ("swap.watch", old.swap.watch != new.swap.watch),
        (
            "swap.max_versions",
            old.swap.max_versions != new.swap.max_versions,
        ),
        ("swap.rehearse", old.swap.rehearse != new.swap.rehearse),
    ];
    let differs = differs.into_iter().chain(cluster::differs(old, new));
    let changed = differs.filter(|(_, differs)| *differs);
    let (live, restart) = changed
        .map(|(key, _)| key)
        .partition(|key| Applies::of(key) == Applies::Live);
    difference.live = live;
    difference.restart = restart;
}
