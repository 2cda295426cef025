//! `mesh.toml`.
//!
//! Enters: what is to be written into the file (two lines), and its text. Checked:
//! - Each mistake has a place: a line and a column of the text, or the override that it is in. It is one line of plain text.
//! - The same text means the same, with line ends of either kind.
//! - A password that an override sets is shown nowhere.
//! - What the rewriter has written means what was to be written, and a text that it refuses to write leaves the file as it was.

use crate::scratch::Scratch;
use crate::{Input, Target};
use mesh_config::{Config, ConfigError, Edit, RewriteError, difference, rewrite};
use std::fs;
use std::path::Path;

/// `mesh.toml`.
pub const MESH_TOML: Target = Target {
    name: "mesh_toml",
    run,
    inputs: 1_500,
    longest: 8_192,
};

const PASSWORD: &str = "a-password-that-is-shown-nowhere";

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (Some(library), Some(more)) = (input.line(), input.line()) else {
        return;
    };
    let text = String::from_utf8_lossy(input.rest());
    let file = Path::new("mesh.toml");
    let secret = format!("security.admin_password={PASSWORD}");
    let read = Config::parse(&text, file, &[secret]);
    let shown = format!("{read:?}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    if let Err(error) = &read {
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
    match Config::parse(&text, file, &[]) {
        Ok(config) => {
            means_the_same(&config, &text);
            is_rewritten(&text, library, more);
        }
        Err(error) => has_places(&error, &text),
    }
    // An override is as hostile as a file.
    if let Err(error) = Config::parse(&text, file, &[library.to_owned(), more.to_owned()]) {
        is_plain(&error);
    }
}

fn is_plain(error: &ConfigError) {
    assert!(error.diagnostics().count() > 0);
    let printed = error.to_string();
    let is_odd = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    assert!(!printed.contains(is_odd), "{printed:?}");
}

fn has_places(error: &ConfigError, text: &str) {
    is_plain(error);
    // A text that ends with a line end has a line behind it, which is empty.
    let lines = text.split('\n').count();
    for diagnostic in error.diagnostics() {
        assert!(
            !diagnostic.message.is_empty() && !diagnostic.message.contains('\n'),
            "{diagnostic}"
        );
        let (Some(line), Some(column)) = (diagnostic.line, diagnostic.column) else {
            // Only what is missing altogether has no place.
            assert!(
                diagnostic.line.is_none() && diagnostic.column.is_none(),
                "{diagnostic}"
            );
            continue;
        };
        assert!((1..=lines).contains(&line), "{diagnostic}: of {lines} lines");
        let length = text
            .split('\n')
            .nth(line - 1)
            .map_or(0, |line| line.chars().count());
        assert!(
            (1..=length + 1).contains(&column),
            "{diagnostic}: of {length} columns"
        );
    }
}

fn means_the_same(config: &Config, text: &str) {
    let unix = text.replace("\r\n", "\n");
    for ends in [unix.replace('\n', "\r\n"), unix] {
        // A text over several lines has its line ends in it.
        if text.contains("\"\"\"") || text.contains("'''") {
            continue;
        }
        let again = Config::parse(&ends, Path::new("mesh.toml"), &[]);
        let again = again.unwrap_or_else(|error| panic!("{error}"));
        let differs = difference(config, &again);
        assert!(differs.is_empty(), "{differs:?}");
    }
}

/// The rewriter puts another library into the first entry, and something at the end.
fn is_rewritten(text: &str, library: &str, more: &str) {
    let scratch = Scratch::new("mesh-toml");
    let file = scratch.file("mesh.toml");
    fs::write(&file, text).unwrap_or_else(|error| panic!("{error}"));
    let config = Config::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
    let mut edits = vec![Edit::Append(format!("# {more}\n"))];
    edits.extend(
        config
            .components
            .first()
            .map(|first| Edit::replace(first.library.at, library)),
    );
    match rewrite(&config, &edits) {
        Ok(changed) => {
            let written = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(changed.text(), written);
            if let Some(first) = changed.components.first() {
                assert_eq!(first.library.value, library, "{written}");
            }
            let again = Config::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert!(difference(&changed, &again).is_empty(), "{written}");
            let mut expected = config.components.clone();
            if let Some(first) = expected.first_mut() {
                first.library.value = library.to_owned();
            }
            let entries = |all: &[mesh_config::ComponentConfig]| {
                let texts = all.iter().map(|one| {
                    (
                        one.name.value.clone(),
                        one.library.value.clone(),
                        one.version.value.clone(),
                    )
                });
                texts.collect::<Vec<_>>()
            };
            assert_eq!(entries(&changed.components), entries(&expected), "{written}");
        }
        Err(error) => {
            assert!(
                matches!(error, RewriteError::Wrong(_) | RewriteError::NotInFile),
                "{error}"
            );
            let left = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(left, text, "{error}");
        }
    }
}
