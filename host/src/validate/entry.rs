//! The checks of what a library says of itself: at each call of its entry function, and beside the schema.
//!
//! Enters: a subject. Leaves: findings, each with what the author does about it. Guarantees: no instance is made.

use super::report::{Finding, Reporter};
use super::{Subject, schema};
use crate::server;
use mesh_plugin::inside::Entry;
use mesh_plugin::{LoadError, Rehearsal};

/// Asks twice, and looks where the answer lies.
pub(super) async fn entry(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    reporter.step("the first call of its entry function");
    let stage = server::stage(Rehearsal::off())?;
    let entry = Entry::ask(&subject.library, &stage, || {
        reporter.step("the second call of its entry function");
    })?;
    let mut findings = Vec::new();
    if !entry.changed.is_empty() {
        findings.push(Finding::failed(format!(
            "its {} another one when its entry function is called a second time: the description stays as it is while the library \
             is in memory, so free nothing of it and make it once",
            are(&entry.changed)
        )));
    }
    if !entry.is_same {
        findings.push(Finding::warning(
            "its entry function makes a new description at each call: that is memory which nobody frees. Make it once, or return \
             the address of static data",
        ));
    }
    if findings.is_empty() && !entry.allocated.is_empty() {
        reporter.remark(format!(
            "its {} in memory that was allocated, which stays as it is at a second call: free it when the library is closed",
            lie(&entry.allocated)
        ));
    }
    Ok(findings)
}

/// Compares the descriptor with its schema.
pub(super) async fn schema(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    reporter.step("reading the descriptor");
    let stage = server::stage(Rehearsal::off())?;
    let entry = Entry::ask(&subject.library, &stage, || {})?;
    Ok(schema::faults(&entry.descriptor))
}

/// Names as the subject of "are another one".
fn are(names: &[&str]) -> String {
    format!(
        "{} {}",
        names.join(", "),
        if names.len() == 1 { "is" } else { "are" }
    )
}

fn lie(names: &[&str]) -> String {
    format!(
        "{} {}",
        names.join(", "),
        if names.len() == 1 { "lies" } else { "lie" }
    )
}
