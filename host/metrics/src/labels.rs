//! The labels that tell the samples of a family apart.
//!
//! Enters: names, and values of any text. Leaves: the part of a line in braces, or nothing where there are no labels.
//! Guarantees: no value ends its quotes or its line.

use std::fmt::{self, Display, Formatter, Write};

/// Names with values, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(String);

impl Labels {
    /// The same labels and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Display) -> Labels {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        let value = value
            .to_string()
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let _ = write!(self.0, "{name}=\"{value}\"");
        self
    }
}

impl Display for Labels {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.0.is_empty() {
            true => Ok(()),
            false => write!(formatter, "{{{}}}", self.0),
        }
    }
}
