//! Files that settings name.
//!
//! Enters: a path. Leaves: the content, or an error that names the file. Guarantees: the content is in no error.

use crate::error::{SettingsError, SettingsErrorKind};
use std::path::Path;

pub(crate) fn read(file: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(file).map_err(|error| SettingsError::about(file, SettingsErrorKind::Unreadable(error)))
}
