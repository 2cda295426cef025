//! Swaps of a running host, and what is seen of them.
//!
//! Enters: the configuration file that a host runs with. Leaves: the outcome of commands, and answers of calls.
//! Guarantees: nothing is looked at but what an operator and a client see.

use crate::c_library::{compile, fixture};
use crate::host::{Finished, Folder, mesh};
use crate::session::Receiver;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A mesh.toml with one component.
pub fn config(folder: &Folder, name: &str, library: &Path, more: &str) -> PathBuf {
    let text = format!(
        "name = \"TestNode\"\n\n[[components]]\nname = \"{name}\"\nlibrary = \"{}\"\n\n[swap]\n{more}\n",
        library.display()
    );
    folder.write("mesh.toml", &text)
}

/// Runs `mesh swap` with these options behind.
///
/// # Panics
///
/// When the command cannot be run.
pub async fn swap(config: &Path, component: &str, library: &Path, more: &[&str]) -> Finished {
    let mut arguments: Vec<String> = ["swap", component].map(str::to_owned).to_vec();
    arguments.push(library.display().to_string());
    arguments.push("--config".to_owned());
    arguments.push(config.display().to_string());
    arguments.extend(more.iter().map(|text| (*text).to_owned()));
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        mesh(&arguments)
    })
    .await
    .expect("the command ends")
}

/// The output of `mesh status`.
///
/// # Panics
///
/// When no host answers.
pub fn status(config: &Path) -> Value {
    let finished = mesh(&["status", "--json", "--config", &config.display().to_string()]);
    serde_json::from_str(&finished.out).unwrap_or_else(|_| panic!("{finished:?}"))
}

/// The document that answers a call.
///
/// # Panics
///
/// When the connection ends before.
pub async fn answer_to(receiver: &mut Receiver, number: u64) -> Value {
    loop {
        let frame = receiver.next().await.expect("the host answers");
        let path = frame["_meta"]["path"].as_str().unwrap_or_default();
        if path.starts_with("/_exchange/responses/") && path.ends_with(&format!("/{number}")) {
            return frame["data"].clone();
        }
    }
}

/// A version of the fixture `storm`, with a fault or with none.
///
/// # Panics
///
/// When it cannot be compiled.
pub fn storm(folder: &Folder, version: &str, fault: &str) -> PathBuf {
    let path = folder.path().join(format!("storm-{version}{fault}.so"));
    let defines: &[&str] = if fault.is_empty() { &[] } else { &[fault] };
    compile(&fixture("storm.c"), defines, &path).expect("it compiles");
    let good = std::fs::read(&path).expect("it is there");
    std::fs::write(&path, with_version(good, version)).expect("it can be written");
    path
}

/// The bytes of a library with another version than the 1.100.0 of its code.
///
/// # Panics
///
/// When the version has not as many letters, or the library is none of those whose version a test may write.
pub fn with_version(mut library: Vec<u8>, version: &str) -> Vec<u8> {
    let old = b"1.100.0\0";
    assert_eq!(version.len() + 1, old.len());
    let at = library.windows(old.len()).position(|window| window == old);
    let at = at.expect("its version is in it");
    library[at..at + version.len()].copy_from_slice(version.as_bytes());
    library
}
