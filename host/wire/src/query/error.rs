//! Reasons why a query cannot be answered, and their texts for each generation.

use crate::protocol::{Dialect, WireError};

/// The part of a happn server that reports such errors.
const SERVICE: &str = "DataService";

/// The faults of a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct QueryError {
    kind: QueryErrorKind,
    detail: String,
}

/// Kinds of [`QueryError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryErrorKind {
    /// An operator that no server has.
    UnknownOperator,
    /// An operator with an argument that it cannot work with.
    Argument,
    /// A regular expression that is none, or one beyond what is supported.
    RegularExpression,
    /// `fields` that do not say what to include.
    Fields,
    /// More levels, conditions or text than a query may have.
    TooLarge,
    /// A feature that the default stores of happn do not have either: `aggregate` and `collation`.
    NotAvailable,
}

impl QueryError {
    pub(super) fn new(kind: QueryErrorKind, detail: impl Into<String>) -> QueryError {
        QueryError {
            kind,
            detail: detail.into(),
        }
    }

    /// The kind of error.
    pub fn kind(&self) -> QueryErrorKind {
        self.kind
    }

    /// The error as the clients of this dialect know it (docs/protocol.md 5.2 and 8.3). Some hear nothing but
    /// that it failed; `path` is the one of the request.
    pub fn to_wire(&self, dialect: Dialect, path: &str) -> WireError {
        if !dialect.explains_query_errors() {
            return WireError::service("doGet failed", SERVICE);
        }
        WireError::service(
            match self.kind {
                QueryErrorKind::UnknownOperator => "Typefun is not a function".to_owned(),
                QueryErrorKind::NotAvailable => {
                    format!(
                        "{} feature not available for provider on path: {path}",
                        self.detail
                    )
                }
                _ => self.detail.clone(),
            },
            SERVICE,
        )
    }
}
