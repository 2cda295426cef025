//! Checks of a new version, so that nobody who relies on the old one is let down.
//!
//! Enters: what a library says of itself, and who relies on what now. Leaves: failed checks, one sentence each.
//! Guarantees: a version is never loaded twice under one name; most other failed checks can be overridden ([`Insistence`]).

use mesh_core::mesh::{Endpoint, Mesh};
use mesh_plugin::{Component, Descriptor, LoadError, LoadErrorKind, StateSchema};
use mesh_session::pubsub::VersionFilter;
use mesh_wire::address::Address;
use mesh_wire::versions::{ComponentVersion, Line, Range};
use std::collections::BTreeMap;

/// A failed check of a new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCheck {
    /// The kind of failed check.
    pub kind: LoadErrorKind,
    /// The failed check in one sentence.
    pub text: String,
    /// Whether somebody may insist.
    pub can_be_overridden: bool,
}

/// Which failed checks an operator overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insistence {
    /// None.
    None,
    /// All but the range in mesh.toml, which is the operator's own word.
    ButForRange,
    /// All that can be overridden.
    Full,
}

impl Insistence {
    fn overrides(self, failed_check: &FailedCheck) -> bool {
        failed_check.can_be_overridden
            && match self {
                Insistence::None => false,
                Insistence::ButForRange => failed_check.kind != LoadErrorKind::VersionRange,
                Insistence::Full => true,
            }
    }
}

/// The requirements that are known before the library is looked at.
#[derive(Clone, Debug)]
pub struct Requirements {
    component: String,
    library: String,
    /// The range in mesh.toml.
    range: String,
    replaced: Option<Replaced>,
    /// Versions that stay.
    beside: Vec<String>,
    /// So many versions may be loaded at the same time.
    most: usize,
    /// Ranges that are subscribed to, and by how many.
    subscribed: BTreeMap<String, Subscribed>,
    /// Clients that call without a range, relying on the version that they were shown.
    unranged: usize,
}

#[derive(Clone, Debug)]
struct Replaced {
    /// The name in its library.
    name: String,
    version: ComponentVersion,
    state: Option<StateSchema>,
    methods: Vec<String>,
}

#[derive(Clone, Debug)]
struct Subscribed {
    filter: VersionFilter,
    clients: usize,
    components: usize,
}

impl Requirements {
    /// Notes who relies on what. `old` is the version to be replaced; `most` versions may be loaded together.
    pub fn of(
        mesh: &Mesh,
        most: usize,
        component: &str,
        library: &str,
        range: &str,
        old: Option<&Component>,
    ) -> Requirements {
        let registry = mesh.registry();
        let stays = |other: &&Endpoint| {
            let number = old.map(|old| old.instance().identity().number);
            number != Some(other.number())
        };
        let beside = registry.versions(component).iter().filter(stays);
        let mut subscribed: BTreeMap<String, Subscribed> = BTreeMap::new();
        let events = Address::Event {
            domain: mesh.domain(),
            component,
            key: "",
        };
        mesh.subscriptions()
            .ranges_below(&events.to_string(), &mut |filter, is_client| {
                let VersionFilter::Range(range) = filter else {
                    return;
                };
                let Ok(text) = range.range().map(ToString::to_string) else {
                    return;
                };
                let entry = subscribed.entry(text).or_insert_with(|| Subscribed {
                    filter: filter.clone(),
                    clients: 0,
                    components: 0,
                });
                if is_client {
                    entry.clients += 1;
                } else {
                    entry.components += 1;
                }
            });
        Requirements {
            component: component.to_owned(),
            library: library.to_owned(),
            range: range.to_owned(),
            most,
            replaced: old.map(|old| Replaced {
                name: old.descriptor().name().to_owned(),
                version: old.descriptor().version().clone(),
                state: old.descriptor().state().cloned(),
                methods: old
                    .descriptor()
                    .methods()
                    .iter()
                    .map(|method| method.name().to_owned())
                    .collect(),
            }),
            beside: beside
                .map(|other| other.descriptor().version().text().to_owned())
                .collect(),
            subscribed,
            unranged: old.map_or(0, |old| {
                let line = Line::of(old.descriptor().version().exact());
                mesh.sessions()
                    .all()
                    .iter()
                    .filter(|session| session.relies_on(component, line))
                    .count()
            }),
        }
    }

    /// Everything that stands against a library.
    pub fn failed_checks(&self, descriptor: &Descriptor) -> Vec<FailedCheck> {
        let (name, new) = (&self.component, descriptor.version());
        let mut found = Vec::new();
        let mut object = |kind, can_be_overridden, text| {
            found.push(FailedCheck {
                kind,
                text,
                can_be_overridden,
            });
        };
        if self.beside.iter().any(|version| version == new.text()) {
            object(
                LoadErrorKind::Duplicate,
                false,
                format!(
                    "component {name} {new} is loaded already: each version of a component can be loaded once"
                ),
            );
        }
        if self.beside.len() >= self.most {
            object(
                LoadErrorKind::Resources,
                false,
                format!(
                    "component {name} has {} versions already ({}), and `max_versions` in [swap] is {}",
                    self.beside.len(),
                    self.beside.join(", "),
                    self.most
                ),
            );
        }
        if !is_in(&self.range, new) {
            object(
                LoadErrorKind::VersionRange,
                true,
                format!(
                    "component {name} asks for version {}, but {} is version {new}",
                    self.range, self.library
                ),
            );
        }
        if let Some(replaced) = &self.replaced
            && replaced.name != descriptor.name()
        {
            object(
                LoadErrorKind::Description,
                true,
                format!(
                    "{} is component {}, and what serves as {name} is component {}",
                    self.library,
                    descriptor.name(),
                    replaced.name
                ),
            );
        }
        let Some(replaced) = &self.replaced else {
            return found;
        };
        for (range, subscribed) in &self.subscribed {
            let filter = &subscribed.filter;
            let is_broken = filter.admits(&replaced.version) && !filter.admits(new);
            let is_served = self
                .beside
                .iter()
                .filter_map(|version| ComponentVersion::parse(version).ok())
                .any(|version| filter.admits(&version));
            if is_broken && !is_served {
                object(
                    LoadErrorKind::Required,
                    true,
                    format!(
                        "{} of {name} {range}, which {new} is not: load it beside {}, or use --force",
                        subscribers(subscribed),
                        replaced.version
                    ),
                );
            }
        }
        let promises = Line::of(new.exact()) == Line::of(replaced.version.exact());
        if !promises && self.unranged > 0 {
            let who = match self.unranged {
                1 => "1 client calls".to_owned(),
                number => format!("{number} clients call"),
            };
            object(
                LoadErrorKind::Required,
                true,
                format!(
                    "{who} {name} without a range, having been shown {}, and would be refused by {new}: load it beside {}, or use --force",
                    replaced.version, replaced.version
                ),
            );
        }
        let gone = replaced
            .methods
            .iter()
            .find(|name| descriptor.method(name).is_none());
        if promises && let Some(method) = gone {
            object(
                LoadErrorKind::Required,
                true,
                format!(
                    "{name} {new} has no method {method}, though its number promises all that {} has: use --force if nobody calls it",
                    replaced.version
                ),
            );
        }
        if let Some(written) = &replaced.state
            && !descriptor.state().is_some_and(|read| read.reads(written))
        {
            let reads = match descriptor.state() {
                None => "hands over no state".to_owned(),
                Some(read) => format!("reads schema {}", listed(&read.restores)),
            };
            object(
                LoadErrorKind::State,
                true,
                format!(
                    "{name} {new} {reads}, so the state of {name} {} (schema {}) would be lost",
                    replaced.version, written.schema
                ),
            );
        }
        found
    }

    /// The failed checks of a library that are overridden.
    ///
    /// # Errors
    ///
    /// The first failed check that is not.
    pub fn check(
        &self,
        descriptor: &Descriptor,
        insistence: Insistence,
    ) -> Result<Vec<FailedCheck>, LoadError> {
        let mut overridden = Vec::new();
        for failed_check in self.failed_checks(descriptor) {
            if !insistence.overrides(&failed_check) {
                return Err(LoadError::new(failed_check.kind, failed_check.text));
            }
            overridden.push(failed_check);
        }
        Ok(overridden)
    }
}

/// Whether a version is inside the range of mesh.toml.
pub fn is_in(range: &str, version: &ComponentVersion) -> bool {
    Range::parse(range).is_ok_and(|asked| asked.admits(version) || asked.satisfied_by(version.exact()))
}

fn subscribers(subscribed: &Subscribed) -> String {
    let count = |number: usize, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        number => Some(format!("{number} {many}")),
    };
    let clients = count(subscribed.clients, "client", "clients");
    let components = count(subscribed.components, "component", "components");
    let who: Vec<String> = [clients, components].into_iter().flatten().collect();
    let listen = if subscribed.clients + subscribed.components == 1 {
        "listens to events"
    } else {
        "listen to events"
    };
    format!("{} {listen}", who.join(" and "))
}

fn listed(numbers: &[u32]) -> String {
    let texts: Vec<String> = numbers.iter().map(u32::to_string).collect();
    texts.join(", ")
}
