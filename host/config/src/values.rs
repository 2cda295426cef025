//! Values that several sections have: names, paths, sizes.
//!
//! Enters: a value with its place. Leaves: the value in the form that the configuration keeps; what is wrong with it goes to the
//! [`Reader`]. Guarantees: a value that was reported has a form all the same, so that one run finds every mistake.

use super::error::ErrorKind;
use super::read::Reader;
use super::source::{Location, Spanned};
use super::tree::quoted;
use std::path::{Path, PathBuf};

/// The thing that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The mesh, or its domain.
    Mesh,
    /// An entry of `[[components]]`.
    Component,
    /// A method of a component.
    Method,
}

/// Reports a name that cannot be part of a path such as `/name/method`.
pub(super) fn check_name(reader: &mut Reader<'_>, name: &Spanned<String>, key: &str, of: Named) {
    if name.at == Location::Default {
        return;
    }
    let Some(wrong) = fault_of_name(name, of) else {
        return;
    };
    let place = match of {
        Named::Mesh => "",
        Named::Component | Named::Method => " in [[components]]",
    };
    let message = format!("`{key}`{place} {wrong}, found {}", quoted(name));
    let parts = name.split(|letter: char| !is_plain(letter) && letter != '.');
    let better: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let better = better.join("-");
    let help = (!better.is_empty()).then(|| format!("write for example `{key} = \"{better}\"`"));
    reader.report(ErrorKind::InvalidValue, name.at, message, help);
}

/// The same, of a name in the list of a key. `label` is the key with its section.
pub(super) fn check_item(reader: &mut Reader<'_>, item: &Spanned<String>, label: &str, of: Named) {
    if let Some(wrong) = fault_of_name(item, of) {
        let message = format!("each of {label} {wrong}, found {}", quoted(item));
        let help = match of {
            Named::Mesh => "write names of meshes",
            Named::Component => "write names of components, such as `\"calc\"`",
            Named::Method => "write names of methods, such as `\"list\"`",
        };
        reader.report(ErrorKind::InvalidValue, item.at, message, Some(help.to_owned()));
    }
}

/// Why a name cannot be part of a path, if so.
pub(super) fn fault_of_name(name: &str, of: Named) -> Option<String> {
    Some(if name.trim().is_empty() {
        "must not be empty".to_owned()
    } else if name.contains(char::is_control) {
        "must not contain control characters".to_owned()
    } else if let Some(letter) = name.chars().find(|letter| matches!(letter, '/' | '*')) {
        format!("must not contain `{letter}`")
    } else if of != Named::Mesh && name.contains(char::is_whitespace) {
        "must not contain spaces".to_owned()
    } else {
        return None;
    })
}

/// Whether a letter may stand in any name.
pub(super) fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_')
}

/// A path as the folder of the file sees it; one that can name nothing is reported.
pub(super) fn located_path(
    reader: &mut Reader<'_>,
    label: &str,
    path: Spanned<String>,
    folder: &Path,
) -> Spanned<PathBuf> {
    check_path(reader, label, &path);
    path.map(|path| folder.join(path))
}

/// Reports text that cannot name a file.
pub(super) fn check_path(reader: &mut Reader<'_>, label: &str, path: &Spanned<String>) {
    if path.trim().is_empty() {
        let help = Some("`.` is the folder of the configuration file".to_owned());
        reader.report(
            ErrorKind::InvalidValue,
            path.at,
            format!("{label} must not be empty"),
            help,
        );
    } else if path.contains(char::is_control) {
        let message = format!(
            "{label} must not contain control characters, found {}",
            quoted(path)
        );
        let help = Some("in double quotes `\\` starts an escape; use `/` between folders".to_owned());
        reader.report(ErrorKind::InvalidValue, path.at, message, help);
    }
}

/// A text that nobody wrote.
pub(super) fn default_text(text: &str) -> Spanned<String> {
    Spanned::new(text.to_owned(), Location::Default)
}

/// Stands for a required string whose absence has been reported.
pub(super) fn unset() -> Spanned<String> {
    Spanned::new(String::new(), Location::Default)
}

/// A number of bytes or things.
pub(super) fn size(number: &Spanned<u64>) -> usize {
    size_of_number(number.value)
}

/// The same, of a number without a place.
pub(super) fn size_of_number(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
