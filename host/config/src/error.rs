//! Mistakes in a configuration and how they are printed.
//!
//! Enters: diagnostics made by the parser or by later checks. Leaves: [`ConfigError`], which callers match on by
//! [`ErrorKind`] and people read. Guarantees: at least one diagnostic. Those of the file in the order of the file,
//! then those of `--set`. Plain text without colour or control characters. No secret is in it, neither in `Display`
//! nor in `Debug`.

use std::fmt;
use std::path::PathBuf;

/// The kinds of mistakes of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The file is missing, cannot be read, or is not UTF-8.
    Unreadable,
    /// The file is not TOML.
    Syntax,
    /// A value has another type than its key takes.
    WrongType,
    /// A number is outside its range.
    OutOfRange,
    /// A value has the right type but is not allowed, such as an empty name.
    InvalidValue,
    /// A key that does not exist.
    UnknownKey,
    /// A required key is not there.
    MissingKey,
    /// Two components have the same name and the same range of versions.
    DuplicateComponent,
    /// A `--set` is not `key=value`, or names a component that does not exist.
    Override,
    /// A component's library is not on disk.
    LibraryNotFound,
    /// A later check, reported through [`Config::diagnose`](super::Config::diagnose).
    Check,
}

/// One mistake: where it is, what is wrong, and what was probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Kind of the mistake.
    pub kind: ErrorKind,
    /// The configuration file, as it was named by the caller.
    pub file: PathBuf,
    /// Line in the file, from 1. `None` when the mistake is not in the file's text. It is in an override, or the file
    /// cannot be read, or the value is a default.
    pub line: Option<usize>,
    /// Column in the line, from 1, counted in characters (not bytes). `None` whenever `line` is.
    pub column: Option<usize>,
    /// The `key=value` of the `--set` the mistake is in, with secrets replaced by `***`.
    pub from_override: Option<String>,
    /// The mistake, on one line.
    pub message: String,
    /// The suggestion: the probable intention, or a right form.
    pub help: Option<String>,
    pub(super) excerpt: Option<Excerpt>,
}

/// The source line of a diagnostic, ready to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The line, cut to a readable length and with secrets replaced.
    pub(super) text: String,
    /// Blanks and carets that point at the mistake when printed below `text`.
    pub(super) marker: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from_override, self.line, self.column) {
            (Some(text), ..) => write!(formatter, "--set {text}: ")?,
            (None, Some(line), Some(column)) => {
                write!(formatter, "{}:{line}:{column}: ", self.file.display())?
            }
            _ => write!(formatter, "{}: ", self.file.display())?,
        }
        formatter.write_str(&self.message)?;
        if let (Some(excerpt), Some(line)) = (&self.excerpt, self.line) {
            let number = line.to_string();
            write!(formatter, "\n{number} | {}", excerpt.text)?;
            write!(
                formatter,
                "\n{:width$} | {}",
                "",
                excerpt.marker,
                width = number.len()
            )?;
        }
        if let Some(help) = &self.help {
            write!(formatter, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

/// Everything wrong with a configuration.
///
/// Displays as each diagnostic with its source line and help, an empty line between two, no newline at the
/// end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", rendered(.first, .others))]
pub struct ConfigError {
    first: Box<Diagnostic>,
    others: Vec<Diagnostic>,
}

impl ConfigError {
    /// Exit code of a process that stops because of its configuration (`EX_CONFIG` of `sysexits.h`).
    pub const EXIT_CODE: u8 = 78;

    /// Kind of the first mistake.
    pub fn kind(&self) -> ErrorKind {
        self.first.kind
    }

    /// All mistakes, in the order in which they are printed; never empty.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        std::iter::once(&*self.first).chain(&self.others)
    }

    /// Several errors as one, in the given order; `None` when there are none.
    pub fn merge(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let mut merged = errors.next()?;
        for error in errors {
            merged.others.push(*error.first);
            merged.others.extend(error.others);
        }
        Some(merged)
    }

    /// The error of these diagnostics, or `None` when there are none.
    pub(super) fn of(diagnostics: Vec<Diagnostic>) -> Option<Self> {
        let mut diagnostics = diagnostics.into_iter();
        let first = Box::new(diagnostics.next()?);
        Some(Self {
            first,
            others: diagnostics.collect(),
        })
    }
}

impl From<Diagnostic> for ConfigError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            first: Box::new(diagnostic),
            others: Vec::new(),
        }
    }
}

fn rendered(first: &Diagnostic, others: &[Diagnostic]) -> String {
    let mut text = first.to_string();
    for other in others {
        text.push_str("\n\n");
        text.push_str(&other.to_string());
    }
    text
}
