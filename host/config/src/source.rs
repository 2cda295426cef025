//! Where a value came from, and how that place is shown.
//!
//! Enters: the text of the configuration file, its path, and the `--set` overrides. Leaves: [`Location`]s turned into
//! line, column and an excerpt with a caret. Guarantees: any location is safe to ask about (offsets outside the text
//! or inside a character are moved to the nearest character). Secrets are never shown: whatever is set in
//! `[security]`, or under a key that looks like a password, secret or token, is printed as `***`. So is a URL with a
//! user in it, and the rest of its line.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Diagnostic, ErrorKind, Excerpt};

/// Where a value came from. Cheap to copy; give it to [`Config::diagnose`](super::Config::diagnose).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Location {
    /// The value was not given: it is a default.
    #[default]
    Default,
    /// In the file, as byte offsets into its text.
    File {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
    /// In a `--set` override, as its index among the overrides.
    Override(usize),
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where the value stands.
    pub at: Location,
}

impl<T> Spanned<T> {
    pub(super) fn new(value: T, at: Location) -> Self {
        Self { value, at }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: change(self.value),
            at: self.at,
        }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The configuration file and the overrides, kept so that later checks can point into them.
#[derive(Clone)]
pub(super) struct Source {
    file: PathBuf,
    text: Arc<str>,
    /// Offset of the first byte of each line.
    line_starts: Arc<[usize]>,
    /// Whether each line is below the header of a section of secrets.
    are_secret: Arc<[bool]>,
    /// The overrides as they may be shown: secrets replaced.
    overrides: Arc<[String]>,
}

/// Shows the file only: the text may hold a password.
impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Source")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Longest line shown whole; a longer one is cut around the mistake.
const EXCERPT_CHARACTERS: usize = 160;
const MASK: &str = "***";

impl Source {
    pub(super) fn new(file: &Path, text: &str, overrides: &[String]) -> Self {
        let overrides = overrides.iter().map(|text| shown_override(text)).collect();
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        let mut is_secret = false;
        let below_header = text.split('\n').map(|line| {
            let before = is_secret;
            let line = line.trim_start();
            if line.starts_with('[') {
                is_secret = line.trim_start_matches(['[', ' ']).starts_with("secur");
            }
            before
        });
        let are_secret = below_header.collect();
        Self {
            file: file.to_owned(),
            text: text.into(),
            line_starts,
            are_secret,
            overrides,
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Line and column (in characters) of a location, both from 1; `None` unless it is in the file.
    pub(super) fn position(&self, at: Location) -> Option<(usize, usize)> {
        let Location::File { start, .. } = at else {
            return None;
        };
        let line = self.line_number(at)?;
        let start = self.boundary(start);
        let line_start = self.line_start(start);
        let column = self.text[line_start..start]
            .trim_start_matches('\u{feff}')
            .chars()
            .count()
            + 1;
        Some((line, column))
    }

    /// Line of a location, from 1; `None` unless it is in the file.
    pub(super) fn line_number(&self, at: Location) -> Option<usize> {
        let Location::File { start, .. } = at else {
            return None;
        };
        let start = self.boundary(start);
        Some(
            self.line_starts
                .partition_point(|line_start| *line_start <= start),
        )
    }

    /// The location in words: `mesh.toml:5:8`, `--set happn.port=0`, or the file alone.
    pub(super) fn describe(&self, at: Location) -> String {
        match (at, self.position(at)) {
            (Location::Override(index), _) => format!("--set {}", self.override_text(index)),
            (_, Some((line, column))) => format!("{}:{line}:{column}", self.file.display()),
            _ => self.file.display().to_string(),
        }
    }

    pub(super) fn override_text(&self, index: usize) -> &str {
        self.overrides.get(index).map_or("", |text| text)
    }

    pub(super) fn diagnostic(
        &self,
        kind: ErrorKind,
        at: Location,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Diagnostic {
        let position = self.position(at);
        let from_override = match at {
            Location::Override(index) => Some(self.override_text(index).to_owned()),
            _ => None,
        };
        let excerpt = match at {
            Location::File { start, end } => Some(self.excerpt(start, end)),
            _ => None,
        };
        Diagnostic {
            kind,
            file: self.file.clone(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            from_override,
            message: message.into(),
            help,
            excerpt,
        }
    }

    /// Whether what stands here must not be shown.
    pub(super) fn is_secret(&self, at: Location) -> bool {
        match at {
            Location::Default => false,
            Location::Override(index) => self.override_text(index).ends_with(MASK),
            Location::File { start, .. } => {
                let start = self.boundary(start);
                self.mask_start(self.line_start(start))
                    .is_some_and(|masked| start >= masked)
            }
        }
    }

    /// The line around an offset, without its line ending.
    pub(super) fn line_at(&self, offset: usize) -> &str {
        let line_start = self.line_start(self.boundary(offset));
        let line = self.text[line_start..].split('\n').next().unwrap_or_default();
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }

    /// Offset of the first byte of the line an offset is in.
    pub(super) fn line_start(&self, offset: usize) -> usize {
        let line = self
            .line_starts
            .partition_point(|line_start| *line_start <= offset);
        self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// Offset from which the line that starts at `line_start` is secret.
    fn mask_start(&self, line_start: usize) -> Option<usize> {
        let line = self.line_at(line_start);
        let trimmed = line.trim_start();
        let number = self
            .line_starts
            .partition_point(|other| *other <= line_start)
            .saturating_sub(1);
        let in_security = self.are_secret.get(number).is_some_and(|is_secret| *is_secret);
        if trimmed.starts_with('#') || (trimmed.starts_with('[') && !trimmed.contains('=')) {
            return None;
        }
        if in_security {
            return Some(line_start + line.find('=').map_or(0, |equals| equals + 1));
        }
        let by_name =
            secret_word(line).map(|word| line[word..].find(['=', ':']).map_or(word, |sign| word + sign + 1));
        let masked = by_name.into_iter().chain(url_with_user(line)).min()?;
        Some(line_start + masked)
    }

    fn excerpt(&self, start: usize, end: usize) -> Excerpt {
        let (start, end) = (self.boundary(start), self.boundary(end));
        let line_start = self.line_start(start);
        let line = self.line_at(start);
        let masked_from = self.mask_start(line_start).unwrap_or(usize::MAX);

        let mut cells: Vec<Cell> = Vec::new();
        let mut first_marked = None;
        for (offset, character) in line
            .char_indices()
            .map(|(offset, character)| (line_start + offset, character))
        {
            if character == '\u{feff}' && offset == 0 {
                continue;
            }
            if offset >= masked_from {
                let mut marked = end > offset && start < line_start + line.len();
                if start >= offset && start == end {
                    marked = true;
                }
                let blank = line[offset - line_start..].starts_with(' ');
                if blank {
                    cells.push(Cell::unmarked(' '));
                }
                if marked && first_marked.is_none() {
                    first_marked = Some(cells.len());
                }
                cells.extend(MASK.chars().map(|shown| Cell { shown, marked }));
                break;
            }
            let marked = offset >= start && offset < end;
            if (marked || offset >= start) && first_marked.is_none() {
                first_marked = Some(cells.len());
            }
            let shown = if character.is_control() && character != '\t' {
                '\u{fffd}'
            } else {
                character
            };
            cells.push(Cell { shown, marked });
        }
        let first_marked = first_marked.unwrap_or(cells.len());
        let (cells, first_marked) = windowed(cells, first_marked);

        let mut marker = String::new();
        for cell in &cells[..first_marked] {
            match cell.shown {
                '\t' => marker.push('\t'),
                other => marker.extend(std::iter::repeat_n(' ', columns_of(other))),
            }
        }
        let covered = cells[first_marked..].iter().take_while(|cell| cell.marked);
        let width: usize = covered.map(|cell| columns_of(cell.shown)).sum();
        marker.extend(std::iter::repeat_n('^', width.max(1)));
        Excerpt {
            text: cells.into_iter().map(|cell| cell.shown).collect(),
            marker,
        }
    }
}

/// One character of an excerpt.
#[derive(Clone, Copy)]
struct Cell {
    shown: char,
    /// The mistake covers it.
    marked: bool,
}

impl Cell {
    fn unmarked(shown: char) -> Cell {
        Cell { shown, marked: false }
    }
}

/// Cuts a long line around its mistake.
fn windowed(cells: Vec<Cell>, first_marked: usize) -> (Vec<Cell>, usize) {
    if cells.len() <= EXCERPT_CHARACTERS {
        return (cells, first_marked);
    }
    let from = first_marked.saturating_sub(EXCERPT_CHARACTERS / 2);
    let to = (from + EXCERPT_CHARACTERS).min(cells.len());
    let mut shown = Vec::new();
    if from > 0 {
        shown.push(Cell::unmarked('…'));
    }
    let first_marked = first_marked - from + shown.len();
    shown.extend_from_slice(&cells[from..to]);
    if to < cells.len() {
        shown.push(Cell::unmarked('…'));
    }
    (shown, first_marked)
}

/// Columns a character takes on a terminal, near enough to keep a caret below its text.
fn columns_of(character: char) -> usize {
    match u32::from(character) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff => 2,
        0x2_0000..=0x3_fffd => 2,
        _ => 1,
    }
}

/// Where in a text a word stands that suggests that what is set there must not be shown.
fn secret_word(text: &str) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    ["security", "pass", "pasw", "secret", "token"]
        .iter()
        .filter_map(|word| text.find(word))
        .min()
}

/// Where in a text a URL begins that names a user, as in `nats://name:password@host`. Its quote is the beginning.
fn url_with_user(text: &str) -> Option<usize> {
    let names_user = |(separator, _): &(usize, &str)| {
        let rest = text[*separator..].split(['"', '\'']).next();
        rest.is_some_and(|rest| rest.contains('@'))
    };
    let (separator, _) = text.match_indices("://").find(names_user)?;
    let before = text[..separator].trim_end_matches(|letter: char| letter.is_ascii_alphanumeric());
    Some(before.strip_suffix(['"', '\'']).unwrap_or(before).len())
}

/// An override as it may be shown: a secret replaced, control characters too.
fn shown_override(text: &str) -> String {
    let shown = match text.find(['=', ':']) {
        Some(sign) if secret_word(&text[..sign]).is_some() || url_with_user(text).is_some() => {
            format!("{}{MASK}", &text[..=sign])
        }
        _ => text.to_owned(),
    };
    shown.replace(char::is_control, "\u{fffd}")
}
