//! `sort`, `skip` and `limit`.

use super::field::{Field, Record};
use super::javascript::{compare_anything, compare_by_type, numeric};
use super::json::{Json, index};
use super::{Found, QueryError, QueryErrorKind, Rules};
use std::cmp::Ordering;

/// More fields to sort by are refused: each document keeps a copy of each.
const MOST_SORTS: usize = 32;

/// Which documents of those found come first, and which are left out.
#[derive(Debug, Default)]
pub(super) struct Arrangement {
    sort: Vec<Sort>,
    skip: usize,
    limit: Option<usize>,
}

#[derive(Debug)]
struct Sort {
    field: Field,
    descending: bool,
}

impl Arrangement {
    /// Whether documents stay as they were found.
    pub(super) fn is_none(&self) -> bool {
        self.sort.is_empty() && self.skip == 0 && self.limit.is_none()
    }

    /// Reads the object `sort`. Anything else asks for no order.
    pub(super) fn read_sort(&mut self, sort: &Json<'_>, rules: Rules) -> Result<(), QueryError> {
        let Json::Object(entries) = sort else {
            return Ok(());
        };
        for (name, direction) in sort_entries(entries) {
            let descending = match rules {
                Rules::First => match numeric(direction) {
                    Some(number) if number != 0.0 => number < 0.0,
                    _ => continue,
                },
                Rules::Later => *direction == Json::Number(-1.0),
            };
            let field = Field::read(name, rules)?;
            if self.sort.len() == MOST_SORTS {
                let message = format!("a query must not sort by more than {MOST_SORTS} fields");
                return Err(QueryError::new(QueryErrorKind::TooLarge, message));
            }
            self.sort.push(Sort { field, descending });
        }
        Ok(())
    }

    /// Reads `limit`. Nothing, zero, and what is no number mean no limit.
    pub(super) fn read_limit(&mut self, limit: &Json<'_>) {
        self.limit = whole(limit);
    }

    /// Reads `skip`, which the first generation does not have.
    pub(super) fn read_skip(&mut self, skip: &Json<'_>, rules: Rules) {
        if rules == Rules::Later {
            self.skip = whole(skip).unwrap_or(0);
        }
    }

    /// Calls `seen` for each field that is looked at.
    pub(super) fn fields(&self, seen: &mut dyn FnMut(&Field)) {
        self.sort.iter().for_each(|sort| seen(&sort.field));
    }

    /// The sort key of a document.
    pub(super) fn keys(&self, record: &Record<'_, '_>, rules: Rules) -> Box<[Json<'static>]> {
        self.sort
            .iter()
            .map(|sort| match rules {
                Rules::First => sort.field.collect(record).to_static(),
                Rules::Later => sort.field.follow(record).to_static(),
            })
            .collect()
    }

    /// Whether there is an order to put documents into.
    pub(super) fn is_sorted(&self) -> bool {
        !self.sort.is_empty()
    }

    /// How many documents are passed over.
    pub(super) fn skip(&self) -> usize {
        self.skip
    }

    /// How many documents are wanted at most.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Leaves out what cannot be part of the answer any more, whatever is found behind these.
    pub(super) fn keep_needed(&self, found: &mut Vec<Found>, rules: Rules) {
        if let Some(limit) = self.limit {
            self.sort(found, rules);
            found.truncate(self.skip.saturating_add(limit));
        }
    }

    /// Sorts documents that were found in the order of their paths, and leaves out what is skipped and beyond the limit.
    /// Documents that sort alike stay in the order of paths (first generation) or comes in the order of its creation.
    pub(super) fn arrange(&self, found: &mut Vec<Found>, rules: Rules) {
        self.sort(found, rules);
        if self.skip > 0 {
            found.drain(..self.skip.min(found.len()));
        }
        if let Some(limit) = self.limit {
            found.truncate(limit);
        }
    }

    fn sort(&self, found: &mut [Found], rules: Rules) {
        if self.sort.is_empty() {
            return;
        }
        found.sort_by(|left, right| {
            let tie = match rules {
                Rules::First => Ordering::Equal,
                Rules::Later => left.document.meta.created.cmp(&right.document.meta.created),
            };
            self.compare(left, right, rules).then(tie)
        });
    }

    fn compare(&self, left: &Found, right: &Found, rules: Rules) -> Ordering {
        self.sort
            .iter()
            .zip(left.keys.iter().zip(&right.keys))
            .map(|(sort, (left, right))| {
                let ordering = match rules {
                    Rules::First => compare_by_type(left, right),
                    Rules::Later => compare_anything(left, right),
                };
                if sort.descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// Entries in JavaScript's order: keys that are numbers first, ascending.
fn sort_entries<'v, 'a>(
    entries: &'v [(std::borrow::Cow<'a, str>, Json<'a>)],
) -> impl Iterator<Item = (&'v str, &'v Json<'a>)> {
    let mut ordered: Vec<_> = entries.iter().map(|(key, value)| (&**key, value)).collect();
    ordered.sort_by_key(|(key, _)| index(key).unwrap_or(usize::MAX));
    ordered.into_iter()
}

fn whole(value: &Json<'_>) -> Option<usize> {
    let number = match value {
        Json::Number(_) | Json::Text(_) => numeric(value)?,
        _ => return None,
    };
    (number > 0.0).then_some(number as usize)
}
