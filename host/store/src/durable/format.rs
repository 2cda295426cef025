//! In which format a file is, and from when on earlier hosts cannot read it.
//!
//! Enters: an open file. Leaves: the number of its format, or why it is refused. Guarantees: a file is in the lowest
//! format that can hold what is in it. So earlier hosts read it for as long as possible, and refuse it afterwards.

use super::error::{FileError, FileErrorKind};
use super::file::{DOCUMENTS, StoreFile};
use redb::{ReadableDatabase, TableDefinition, TableError, WriteTransaction};
use std::ops::RangeInclusive;

/// The formats that are read. 1 has records without names, 2 may have both kinds. A host refuses a higher number.
pub(super) const FORMATS: RangeInclusive<u64> = 1..=NAMES;
const NAMES: u64 = 2;
/// `"format"` and its number.
pub(super) const ABOUT: TableDefinition<&[u8], u64> = TableDefinition::new("mesh-store");

impl StoreFile {
    /// Makes the tables of a new file, or refuses a file whose tables are others.
    pub(super) fn check_format(&mut self) -> Result<(), FileError> {
        let found = self.contained(|database| {
            let transaction = database.begin_read()?;
            match transaction.open_table(ABOUT) {
                Ok(about) => Ok(Some(about.get(&b"format"[..])?.map(|format| format.value()))),
                Err(TableError::TableDoesNotExist(_)) => Ok(transaction.list_tables()?.next().map(|_| None)),
                Err(
                    TableError::TableTypeMismatch { .. }
                    | TableError::TypeDefinitionChanged { .. }
                    | TableError::TableIsMultimap(_),
                ) => Ok(Some(None)),
                Err(error) => Err(error.into()),
            }
        })?;
        self.format = match found {
            Some(Some(format)) if FORMATS.contains(&format) => format,
            Some(Some(newer)) => {
                return Err(FileError::new(
                    FileErrorKind::Newer,
                    self.path(),
                    format_args!(
                        "is a store in format {newer}, written by another version of this host; \
                         this version reads formats {} to {}",
                        FORMATS.start(),
                        FORMATS.end()
                    ),
                ));
            }
            Some(None) => {
                return Err(FileError::new(
                    FileErrorKind::Foreign,
                    self.path(),
                    "is not a store: it is a redb database of another program",
                ));
            }
            None => {
                let lowest = *FORMATS.start();
                self.transaction(|transaction| {
                    change(transaction, 0, lowest)?;
                    transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
                    Ok(Some(()))
                })?;
                lowest
            }
        };
        Ok(())
    }

    /// The format that the file has to be in once records have been written, with names or without.
    pub(super) fn format_for(&self, has_names: bool) -> u64 {
        match has_names {
            true => self.format.max(NAMES),
            false => self.format,
        }
    }
}

/// Writes the number of a format, where it is another one.
pub(super) fn change(transaction: &WriteTransaction, from: u64, to: u64) -> Result<(), redb::Error> {
    if from != to {
        transaction.open_table(ABOUT)?.insert(&b"format"[..], to)?;
    }
    Ok(())
}
