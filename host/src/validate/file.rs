//! The checks of the library as a file, as the host tries it out, and of its description.
//!
//! Enters: a subject. Leaves: findings, each with what the author does about it. Guarantees: the file is only read; the host's own
//! rehearsal opens it in a process of its own.

use super::Subject;
use super::report::{Finding, Reporter};
use crate::server;
use mesh_plugin::{Component, FileFacts, LoadError, Rehearsal};
use std::path::PathBuf;

/// So many names stand in a sentence.
const NAMED: usize = 3;
/// A descriptor that is longer costs each client that connects.
const LONG_DESCRIPTOR: usize = 256 * 1024;
/// The kinds of web routes that hosts know.
const ROUTE_TYPES: [&str; 2] = ["mware", "static"];

/// Looks at the file.
pub(super) async fn file(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    reporter.step("reading the file");
    let facts = FileFacts::of(&subject.library)?;
    let mut findings = Vec::new();
    let mut warn = |sentence: String| findings.push(Finding::warning(sentence));
    if !facts.exported.is_empty() {
        warn(format!(
            "it exports {} beside the entry function: other libraries may bind to them, which keeps old versions in memory. \
             Build with -fvisibility=hidden, or link with a version script that names `mesh_component_entry` alone",
            named(&facts.exported)
        ));
    }
    if facts.unique > 0 {
        warn(format!(
            "{} of its symbols are of the kind of which a process has one (statics in C++ templates and inline functions): \
             the host changes that in its copy. Build with -fno-gnu-unique",
            facts.unique
        ));
    }
    if facts.has_static_thread_locals {
        warn(
            "its thread-locals are of the initial-exec kind, for which a process has little room: swaps may be refused when it has \
             run out. Build with -ftls-model=global-dynamic"
                .to_owned(),
        );
    }
    if facts.has_relocations_in_code {
        warn(
            "the dynamic linker must write to its code, which hardened systems refuse: build all of it with -fPIC".to_owned(),
        );
    }
    if facts.is_never_unloaded {
        warn(
            "it is linked with -z nodelete, which would keep each version in memory: the host changes that in its copy. Link without"
                .to_owned(),
        );
    }
    if !facts.relative_run_paths.is_empty() {
        warn(format!(
            "its run path has {}, which is looked up from the host's working folder: begin it with $ORIGIN",
            named(&facts.relative_run_paths)
        ));
    }
    Ok(findings)
}

/// The first few of a list.
fn named(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Tries it out as a host does before it opens it.
pub(super) async fn rehearsal(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    reporter.step("the rehearsal of the host");
    let stage = server::stage(Rehearsal::by(PathBuf::from("/proc/self/exe")))?;
    Component::inspect(subject.library.clone(), stage).await?;
    Ok(Vec::new())
}

/// Looks at what it says of itself.
pub(super) async fn description(
    subject: &Subject,
    reporter: &mut Reporter,
) -> Result<Vec<Finding>, LoadError> {
    reporter.step("reading the description");
    let descriptor = Component::inspect(subject.library.clone(), server::stage(Rehearsal::off())?).await?;
    let mut findings = Vec::new();
    if !descriptor.unknown_members().is_empty() {
        findings.push(Finding::warning(format!(
            "its descriptor has {}, which the contract does not know and hosts ignore: see docs/schema/descriptor.json",
            named(descriptor.unknown_members())
        )));
    }
    if descriptor.bytes() > LONG_DESCRIPTOR {
        findings.push(Finding::warning(format!(
            "its descriptor has {} bytes, and each client that connects gets it: leave out what clients do not need",
            descriptor.bytes()
        )));
    }
    let routes = descriptor.routes().iter();
    let unknown = routes.filter(|(_, kind)| !ROUTE_TYPES.contains(&kind.as_str()));
    findings.extend(unknown.map(|(route, kind)| {
        Finding::warning(format!(
            "its web route `{route}` is of the type `{kind}`, which hosts do not serve: write `mware`"
        ))
    }));
    Ok(findings)
}
