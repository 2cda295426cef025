//! Criteria: read into a tree of conditions once, then asked of many documents.
//!
//! Guarantees: every condition that was sent counts, at any level; what cannot be understood is an error and not a
//! condition that silently holds.

use super::field::{Field, Record};
use super::json::Json;
use super::operator::{Operator, all_hold};
use super::{QueryError, QueryErrorKind, Rules};
use crate::protocol::json::shorten;

/// More conditions in one query are refused.
const MOST_CONDITIONS: usize = 4096;
/// More regular expressions in one query are refused.
const MOST_REGULAR_EXPRESSIONS: usize = 32;

/// The conditions of a document.
#[derive(Debug)]
pub(super) enum Condition<'a> {
    Always,
    Never,
    All(Vec<Condition<'a>>),
    Any(Vec<Condition<'a>>),
    Not(Box<Condition<'a>>),
    Field(Field, Vec<Operator<'a>>),
}

impl<'a> Condition<'a> {
    /// Reads `criteria`.
    pub(super) fn read(criteria: Json<'a>, rules: Rules) -> Result<Condition<'a>, QueryError> {
        Reader::new(rules).condition(criteria)
    }

    /// Whether every document fulfils it.
    pub(super) fn is_always(&self) -> bool {
        matches!(self, Condition::Always)
    }

    /// Calls `seen` for each field that is looked at.
    pub(super) fn fields(&self, seen: &mut dyn FnMut(&Field)) {
        match self {
            Condition::Always | Condition::Never => {}
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().for_each(|condition| condition.fields(seen));
            }
            Condition::Not(condition) => condition.fields(seen),
            Condition::Field(field, operators) => {
                seen(field);
                operators.iter().for_each(|operator| operator.fields(seen));
            }
        }
    }

    /// Whether a document fulfils it.
    pub(super) fn holds(&self, record: &Record<'_, '_>, rules: Rules) -> bool {
        match self {
            Condition::Always => true,
            Condition::Never => false,
            Condition::All(conditions) => conditions.iter().all(|condition| condition.holds(record, rules)),
            Condition::Any(conditions) => conditions.iter().any(|condition| condition.holds(record, rules)),
            Condition::Not(condition) => !condition.holds(record, rules),
            Condition::Field(field, operators) => match rules {
                // One element of an array must fulfil all operators,
                Rules::First => all_hold(operators, &field.collect(record), record, rules),
                // or for each operator there must be one that does.
                Rules::Later => operators
                    .iter()
                    .all(|operator| field.any(record, &mut |value| operator.holds(value, record, rules))),
            },
        }
    }
}

/// Reads an object of operators that belongs to no criteria.
pub(super) fn read_operators(value: Json<'_>, rules: Rules) -> Result<Vec<Operator<'static>>, QueryError> {
    Reader::new(rules).operators(value.to_static())
}

/// Whether an operator joins conditions, as opposed to asking something of a value.
pub(super) fn is_logical(name: &str) -> bool {
    matches!(name, "$and" | "$or" | "$nor" | "$not")
}

/// Reads conditions and operators, and counts them.
pub(super) struct Reader {
    pub(super) rules: Rules,
    inside_an_element: bool,
    conditions: usize,
    regular_expressions: usize,
}

impl Reader {
    fn new(rules: Rules) -> Reader {
        Reader {
            rules,
            inside_an_element: false,
            conditions: 0,
            regular_expressions: 0,
        }
    }

    /// Reads an object of conditions. A value that is no object is no condition to later servers, and one that no
    /// document fulfils to those of the first generation.
    fn condition<'a>(&mut self, value: Json<'a>) -> Result<Condition<'a>, QueryError> {
        self.count_condition()?;
        let entries = match (value, self.rules) {
            (Json::Object(entries), _) => entries,
            (Json::Array(items), Rules::Later) if !items.is_empty() => {
                return Err(QueryError::new(
                    QueryErrorKind::UnknownOperator,
                    "criteria must be an object",
                ));
            }
            (_, Rules::First) => return Ok(Condition::Never),
            (_, Rules::Later) => return Ok(Condition::Always),
        };
        let mut conditions = entries
            .into_iter()
            .map(|(name, value)| self.entry(&name, value))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(match conditions.len() {
            0 => Condition::Always,
            1 => conditions.remove(0),
            _ => Condition::All(conditions),
        })
    }

    fn entry<'a>(&mut self, name: &str, value: Json<'a>) -> Result<Condition<'a>, QueryError> {
        Ok(match name {
            "$and" => Condition::All(self.conditions(name, value)?),
            "$or" => Condition::Any(self.conditions(name, value)?),
            "$nor" => Condition::Not(Box::new(Condition::Any(self.conditions(name, value)?))),
            "$not" => Condition::Not(Box::new(self.condition(value)?)),
            _ if name.starts_with('$') => {
                return Err(QueryError::new(
                    QueryErrorKind::UnknownOperator,
                    format!("there is no operator {} for conditions", shorten(name)),
                ));
            }
            _ => Condition::Field(self.field(name)?, self.test(value)?),
        })
    }

    fn conditions<'a>(&mut self, name: &str, value: Json<'a>) -> Result<Vec<Condition<'a>>, QueryError> {
        match value {
            Json::Array(items) => items.into_iter().map(|item| self.condition(item)).collect(),
            _ => Err(QueryError::new(
                QueryErrorKind::Argument,
                format!("{name} must be given an Array"),
            )),
        }
    }

    /// The condition of a field: an object of operators, or a value that it must equal.
    fn test<'a>(&mut self, value: Json<'a>) -> Result<Vec<Operator<'a>>, QueryError> {
        let has_operators =
            matches!(&value, Json::Object(entries) if entries.iter().any(|(key, _)| key.starts_with('$')));
        if has_operators {
            self.operators(value)
        } else {
            self.count_condition()?;
            Ok(vec![Operator::Equal(value)])
        }
    }

    /// Reads an object of operators.
    pub(super) fn operators<'a>(&mut self, value: Json<'a>) -> Result<Vec<Operator<'a>>, QueryError> {
        let Json::Object(entries) = value else {
            return Err(QueryError::new(
                QueryErrorKind::Argument,
                "operators must be in an object",
            ));
        };
        entries
            .into_iter()
            .map(|(name, value)| {
                self.count_condition()?;
                Operator::read(&name, value, self)
            })
            .collect()
    }

    /// Reads conditions on an element of an array, where names are taken as they are.
    pub(super) fn inside_an_element<'a>(&mut self, value: Json<'a>) -> Result<Condition<'a>, QueryError> {
        let outside = std::mem::replace(&mut self.inside_an_element, true);
        let condition = self.condition(value);
        self.inside_an_element = outside;
        condition
    }

    /// Reads a field's name.
    pub(super) fn field(&self, name: &str) -> Result<Field, QueryError> {
        if self.inside_an_element {
            Field::data(name)
        } else {
            Field::read(name, self.rules)
        }
    }

    pub(super) fn count_regular_expression(&mut self) -> Result<(), QueryError> {
        self.regular_expressions += 1;
        limit(
            self.regular_expressions,
            MOST_REGULAR_EXPRESSIONS,
            "regular expressions",
        )
    }

    fn count_condition(&mut self) -> Result<(), QueryError> {
        self.conditions += 1;
        limit(self.conditions, MOST_CONDITIONS, "conditions")
    }
}

fn limit(count: usize, most: usize, what: &str) -> Result<(), QueryError> {
    if count <= most {
        return Ok(());
    }
    Err(QueryError::new(
        QueryErrorKind::TooLarge,
        format!("a query must not have more than {most} {what}"),
    ))
}
