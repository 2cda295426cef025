//! `mesh` on a terminal, as a person has it before the eyes.
//!
//! Enters: arguments of `mesh`. Leaves: a command that runs it on a terminal of its own, and what is shown there.
//! Guarantees: arguments arrive as they are; without `script`, which makes terminals, the test is skipped and says so.

use crate::host::executable;
use crate::tools::Tool;
use std::process::{Command, Stdio};

/// Runs `mesh` with these arguments on a terminal, whose content is the command's standard output; nothing where there can be
/// no terminal.
///
/// # Panics
///
/// When `script` is missing and required.
pub fn command(arguments: &[&str]) -> Option<Command> {
    if !Tool::Script.is_there() {
        return None;
    }
    let quoted = arguments.iter().map(|argument| quoted(argument));
    let words: Vec<String> = std::iter::once(quoted_path()).chain(quoted).collect();
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
        // Colours are commands to a terminal, too, and none that strangers give.
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    Some(command)
}

/// The text that a terminal was sent, with the ends of lines as programs write them.
pub fn sent(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

fn quoted_path() -> String {
    quoted(&executable().display().to_string())
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
