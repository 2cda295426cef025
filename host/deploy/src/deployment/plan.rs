//! Plans of swaps, without doing them.

use super::Requirements;
use mesh_plugin::{Component, Descriptor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The plan for one component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The component's name.
    pub component: String,
    /// The version that would go.
    pub from: Option<String>,
    /// The version that would come.
    pub to: Option<String>,
    /// The file that would be loaded.
    pub library: Option<String>,
    /// The SDK that the library was built with.
    pub sdk: Option<String>,
    /// Methods that there are not yet.
    pub methods_added: Vec<String>,
    /// Methods that would be gone.
    pub methods_removed: Vec<String>,
    /// The fate of the state, in words.
    pub state: String,
    /// The failed checks, one sentence each.
    pub failed_checks: Vec<String>,
    /// Whether it would be refused even if somebody insists.
    pub is_impossible: bool,
}

/// The plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Each component that would change.
    pub changes: Vec<PlannedChange>,
    /// Keys that changed and would only be seen by a host that is started anew.
    pub needs_restart: Vec<String>,
}

impl Plan {
    /// Whether it would go through without anybody insisting.
    pub fn is_clear(&self) -> bool {
        self.changes.iter().all(|change| change.failed_checks.is_empty())
    }
}

/// Fills in what is known once the library was asked.
pub(super) fn describe(
    change: &mut PlannedChange,
    old: Option<&Component>,
    new: &Descriptor,
    requirements: &Requirements,
) {
    change.to = Some(new.version().text().to_owned());
    change.sdk = Some(new.sdk().to_owned());
    let methods = |descriptor: &Descriptor| -> BTreeSet<String> {
        descriptor
            .methods()
            .iter()
            .map(|method| method.name().to_owned())
            .collect()
    };
    let before = old.map(|old| methods(old.descriptor())).unwrap_or_default();
    let after = methods(new);
    change.methods_added = after.difference(&before).cloned().collect();
    change.methods_removed = before.difference(&after).cloned().collect();
    change.state = match (old.and_then(|old| old.descriptor().state()), new.state()) {
        (None, None) => "none".to_owned(),
        (None, Some(read)) => format!("begins empty, schema {}", read.schema),
        (Some(written), None) => format!("schema {} would be lost", written.schema),
        (Some(written), Some(read)) if !read.reads(written) => {
            format!("schema {} cannot be read and would be lost", written.schema)
        }
        (Some(written), Some(read)) if written.schema == read.schema => {
            format!("handed over, schema {}", read.schema)
        }
        (Some(written), Some(read)) => {
            format!(
                "handed over, migrated from schema {} to {}",
                written.schema, read.schema
            )
        }
    };
    for failed_check in requirements.failed_checks(new) {
        change.is_impossible |= !failed_check.can_be_overridden;
        change.failed_checks.push(failed_check.text);
    }
}

impl fmt::Display for PlannedChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.component;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => writeln!(formatter, "{name}: {from} -> {to}")?,
            (None, Some(to)) => writeln!(formatter, "{name}: {to} would be added")?,
            (Some(from), None) if self.library.is_none() => {
                writeln!(formatter, "{name}: {from} would be removed")?
            }
            _ => writeln!(formatter, "{name}")?,
        }
        let mut line = |label: &str, text: &str| writeln!(formatter, "    {label:16} {text}");
        if let Some(library) = &self.library {
            line("library", library)?;
        }
        if let Some(sdk) = &self.sdk {
            line("built with", sdk)?;
        }
        if !self.methods_added.is_empty() {
            line("methods added", &self.methods_added.join(", "))?;
        }
        if !self.methods_removed.is_empty() {
            line("methods removed", &self.methods_removed.join(", "))?;
        }
        if !self.state.is_empty() {
            line("state", &self.state)?;
        }
        for failed_check in &self.failed_checks {
            line(
                if self.is_impossible {
                    "impossible"
                } else {
                    "failed check"
                },
                failed_check,
            )?;
        }
        Ok(())
    }
}
