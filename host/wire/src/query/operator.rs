//! The operators that a query puts behind a field's name, read and evaluated.
//!
//! Every operator that a server of either generation has is known to both. Where the two differ (`$gt` and its like),
//! the session's generation decides.

use super::condition::{Condition, Reader};
use super::field::{Field, Record};
use super::javascript::{
    compare_alike, compare_anything, compare_loosely, equal, equal_loosely, numeric, text_of,
};
use super::json::{Json, index};
use super::membership::Members;
use super::{QueryError, QueryErrorKind, Rules, regular};
use regex::Regex;
use std::cmp::Ordering;

/// One operator with its argument.
#[derive(Debug)]
pub(super) enum Operator<'a> {
    Equal(Json<'a>),
    NotEqual(Json<'a>),
    /// JavaScript's `==`.
    EqualLoosely(Json<'a>),
    /// Equal in the order of everything.
    EqualInOrder(Json<'a>),
    Compare(Relation, Json<'a>),
    CompareLoosely(Relation, Json<'a>),
    Between(Json<'a>, Json<'a>),
    BetweenLoosely(Json<'a>, Json<'a>),
    In(Members<'a>),
    NotIn(Members<'a>),
    KeyIn(Json<'a>),
    NotKeyIn(Json<'a>),
    Matches(Regex),
    ContainsText(Json<'a>),
    ContainsAll(Json<'a>),
    ContainsAny(Json<'a>),
    ContainsNone(Json<'a>),
    ElementMatches(Box<Element<'a>>),
    Size(Measure<'a>),
    Length(Measure<'a>),
    Type(Measure<'a>),
    Finite(Json<'a>),
    Exists(bool),
    Not(Vec<Operator<'a>>),
    All(Vec<Vec<Operator<'a>>>),
    Any(Vec<Vec<Operator<'a>>>),
    /// The operator of this name, with another field's value as its argument.
    OfField(Box<str>, Field),
}

/// `<`, `<=`, `>` and `>=`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The argument of `$size`, `$len` and `$type`.
#[derive(Debug)]
pub(super) enum Measure<'a> {
    Exactly(Json<'a>),
    Where(Vec<Operator<'a>>),
}

/// The condition of `$elemMatch` for an element.
#[derive(Debug)]
pub(super) enum Element<'a> {
    Is(Vec<Operator<'a>>),
    Has(Condition<'a>),
}

impl Relation {
    fn admits(self, ordering: Ordering) -> bool {
        match self {
            Relation::Less => ordering.is_lt(),
            Relation::LessOrEqual => ordering.is_le(),
            Relation::Greater => ordering.is_gt(),
            Relation::GreaterOrEqual => ordering.is_ge(),
        }
    }

    fn read(name: &str) -> Option<Relation> {
        Some(match name {
            "lt" => Relation::Less,
            "lte" => Relation::LessOrEqual,
            "gt" => Relation::Greater,
            "gte" => Relation::GreaterOrEqual,
            _ => return None,
        })
    }
}

/// The operators that take a plain value, which another field can give as well.
fn of_value<'a>(name: &str, value: Json<'a>) -> Result<Operator<'a>, Json<'a>> {
    Ok(match name {
        "$eq" => Operator::Equal(value),
        "$ne" => Operator::NotEqual(value),
        "$aeq" => Operator::EqualLoosely(value),
        "$dteq" => Operator::EqualInOrder(value),
        "$type" => Operator::Type(Measure::Exactly(value)),
        _ => match (
            name.strip_prefix('$').and_then(Relation::read),
            name.strip_prefix("$j").and_then(Relation::read),
        ) {
            (Some(relation), _) => Operator::Compare(relation, value),
            (None, Some(relation)) => Operator::CompareLoosely(relation, value),
            (None, None) => return Err(value),
        },
    })
}

impl<'a> Operator<'a> {
    /// Reads one operator.
    pub(super) fn read(name: &str, value: Json<'a>, reader: &mut Reader) -> Result<Operator<'a>, QueryError> {
        if matches!((name, &value), ("$type", Json::Object(_))) {
            return Ok(Operator::Type(Measure::read(value, reader)?));
        }
        let value = match of_value(name, value) {
            Ok(operator) => return Ok(operator),
            Err(value) => value,
        };
        let refused = |wanted: &str| {
            QueryError::new(QueryErrorKind::Argument, format!("{name} must be given {wanted}"))
        };
        Ok(match name {
            "$in" | "$nin" => {
                let Json::Array(items) = value else {
                    return Err(refused("an Array"));
                };
                let members = Members::from(items);
                if name == "$in" {
                    Operator::In(members)
                } else {
                    Operator::NotIn(members)
                }
            }
            "$between" | "$jbetween" => {
                let Json::Array(limits) = value else {
                    return Err(refused("an Array of two values"));
                };
                let mut limits = limits.into_iter();
                let (from, to) = (limits.next(), limits.next());
                let (from, to) = (from.unwrap_or(Json::Missing), to.unwrap_or(Json::Missing));
                if name == "$between" {
                    Operator::Between(from, to)
                } else {
                    Operator::BetweenLoosely(from, to)
                }
            }
            "$keyin" | "$definedin" => Operator::KeyIn(value),
            "$nkeyin" | "$undefinedin" => Operator::NotKeyIn(value),
            "$regex" => {
                reader.count_regular_expression()?;
                Operator::Matches(read_regular_expression(&value)?)
            }
            "$containsString" => Operator::ContainsText(value),
            "$contains" => Operator::ContainsAll(value),
            "$containsAny" => Operator::ContainsAny(value),
            "$containsNone" => Operator::ContainsNone(value),
            "$elemMatch" => Operator::ElementMatches(Box::new(Element::read(value, reader)?)),
            "$size" => match &value {
                Json::Number(number) if number.fract() != 0.0 => return Err(refused("a whole number")),
                _ => Operator::Size(Measure::read(value, reader)?),
            },
            "$len" => Operator::Length(Measure::read(value, reader)?),
            "$finite" => Operator::Finite(value),
            "$exists" => {
                let asked =
                    value.is_truthy() || matches!((&value, reader.rules), (Json::Text(_), Rules::First));
                Operator::Exists(asked)
            }
            "$not" => Operator::Not(reader.operators(value)?),
            "$and" | "$or" => {
                let Json::Array(items) = value else {
                    return Err(refused("an Array"));
                };
                let items = items
                    .into_iter()
                    .map(|item| reader.operators(item))
                    .collect::<Result<_, _>>()?;
                if name == "$and" {
                    Operator::All(items)
                } else {
                    Operator::Any(items)
                }
            }
            _ => match (name.strip_prefix('$'), value) {
                (Some(inner), Json::Text(field)) if of_value(inner, Json::Null).is_ok() => {
                    Operator::OfField(inner.into(), reader.field(&field)?)
                }
                _ => {
                    return Err(QueryError::new(
                        QueryErrorKind::UnknownOperator,
                        format!("there is no operator {}", crate::protocol::json::shorten(name)),
                    ));
                }
            },
        })
    }

    /// Whether the operator looks at an array as a whole. The first generation puts all others to each element.
    pub(super) fn takes_arrays(&self) -> bool {
        matches!(
            self,
            Operator::Equal(Json::Array(_))
                | Operator::ContainsAll(_)
                | Operator::ContainsAny(_)
                | Operator::ContainsNone(_)
                | Operator::ElementMatches(_)
                | Operator::Size(_)
                | Operator::Type(_)
                | Operator::Not(_)
                | Operator::All(_)
                | Operator::Any(_)
        )
    }

    /// Calls `seen` for each further field that is looked at.
    pub(super) fn fields(&self, seen: &mut dyn FnMut(&Field)) {
        match self {
            Operator::OfField(_, field) => seen(field),
            Operator::Not(operators) => operators.iter().for_each(|operator| operator.fields(seen)),
            Operator::All(lists) | Operator::Any(lists) => {
                lists.iter().flatten().for_each(|operator| operator.fields(seen));
            }
            _ => {}
        }
    }

    /// Whether it holds for this value of this document.
    pub(super) fn holds(&self, value: &Json<'_>, record: &Record<'_, '_>, rules: Rules) -> bool {
        match self {
            Operator::Equal(other) => equal(value, other),
            Operator::NotEqual(other) => !equal(value, other),
            Operator::EqualLoosely(other) => equal_loosely(value, other),
            Operator::EqualInOrder(other) => compare_anything(value, other).is_eq(),
            Operator::Compare(relation, other) => match rules {
                Rules::First => compare_alike(value, other).is_some_and(|ordering| relation.admits(ordering)),
                Rules::Later => relation.admits(compare_anything(value, other)),
            },
            Operator::CompareLoosely(relation, other) => {
                compare_loosely(value, other).is_some_and(|ordering| relation.admits(ordering))
            }
            Operator::Between(from, to) => {
                !is_nothing(value)
                    && compare_anything(value, from).is_ge()
                    && compare_anything(value, to).is_le()
            }
            Operator::BetweenLoosely(from, to) => {
                !is_nothing(value)
                    && compare_loosely(value, from).is_some_and(Ordering::is_ge)
                    && compare_loosely(value, to).is_some_and(Ordering::is_le)
            }
            Operator::In(members) => members.contain(value),
            Operator::NotIn(members) => !members.contain(value),
            Operator::KeyIn(keys) => has_key(keys, &text_of(value)),
            Operator::NotKeyIn(keys) => !has_key(keys, &text_of(value)),
            // JavaScript would look into the words "undefined" and "null".
            Operator::Matches(expression) => !is_nothing(value) && expression.is_match(&text_of(value)),
            Operator::ContainsText(part) => {
                matches!(value, Json::Text(text) if text.contains(&*text_of(part)))
            }
            Operator::ContainsAll(parts) => contains(value, parts, |parts, has| parts.iter().all(has)),
            Operator::ContainsAny(parts) => contains(value, parts, |parts, has| parts.iter().any(has)),
            Operator::ContainsNone(parts) => !contains(value, parts, |parts, has| parts.iter().any(has)),
            Operator::ElementMatches(asked) => {
                matches!(value, Json::Array(items) if items.iter().any(|item| asked.holds(item, record, rules)))
            }
            Operator::Size(measure) => {
                matches!(value, Json::Array(items) if measure.holds_number(items.len(), record, rules))
            }
            Operator::Length(measure) => {
                matches!(value, Json::Text(text) if measure.holds_number(text.encode_utf16().count(), record, rules))
            }
            Operator::Type(measure) => measure.holds(&Json::Text(type_of(value).into()), record, rules),
            Operator::Finite(asked) => *asked == Json::Bool(numeric(value).is_some_and(f64::is_finite)),
            Operator::Exists(asked) => *asked != value.is_missing(),
            Operator::Not(operators) => !all_hold(operators, value, record, rules),
            Operator::All(lists) => lists.iter().all(|list| all_hold(list, value, record, rules)),
            Operator::Any(lists) => lists.iter().any(|list| all_hold(list, value, record, rules)),
            Operator::OfField(name, field) => of_value(name, field.follow(record).clone())
                .is_ok_and(|operator| operator.holds(value, record, rules)),
        }
    }
}

/// Whether all operators hold for this value; in the first generation, for an array, whether they do for one of its
/// elements.
pub(super) fn all_hold(
    operators: &[Operator<'_>],
    value: &Json<'_>,
    record: &Record<'_, '_>,
    rules: Rules,
) -> bool {
    match value {
        Json::Array(items) if rules == Rules::First && !operators.iter().any(Operator::takes_arrays) => {
            items.iter().any(|item| all_hold(operators, item, record, rules))
        }
        _ => operators
            .iter()
            .all(|operator| operator.holds(value, record, rules)),
    }
}

impl<'a> Measure<'a> {
    fn read(value: Json<'a>, reader: &mut Reader) -> Result<Measure<'a>, QueryError> {
        match value {
            Json::Object(_) => Ok(Measure::Where(reader.operators(value)?)),
            value => Ok(Measure::Exactly(value)),
        }
    }

    fn holds(&self, value: &Json<'_>, record: &Record<'_, '_>, rules: Rules) -> bool {
        match self {
            // Both generations are used with numbers; the first one takes "2" for 2.
            Measure::Exactly(asked) if rules == Rules::First => equal_loosely(value, asked),
            Measure::Exactly(asked) => equal(value, asked),
            Measure::Where(operators) => operators
                .iter()
                .all(|operator| operator.holds(value, record, rules)),
        }
    }

    fn holds_number(&self, number: usize, record: &Record<'_, '_>, rules: Rules) -> bool {
        self.holds(&Json::Number(number as f64), record, rules)
    }
}

impl<'a> Element<'a> {
    fn read(value: Json<'a>, reader: &mut Reader) -> Result<Element<'a>, QueryError> {
        let is_about_itself = matches!(&value, Json::Object(entries)
            if !entries.is_empty() && entries.iter().all(|(key, _)| key.starts_with('$') && !super::condition::is_logical(key)));
        match value {
            value @ Json::Object(_) if is_about_itself => Ok(Element::Is(reader.operators(value)?)),
            value @ Json::Object(_) => Ok(Element::Has(reader.inside_an_element(value)?)),
            value => Ok(Element::Is(vec![Operator::Equal(value)])),
        }
    }

    fn holds(&self, item: &Json<'_>, record: &Record<'_, '_>, rules: Rules) -> bool {
        match self {
            Element::Is(operators) => all_hold(operators, item, record, rules),
            Element::Has(condition) => condition.holds(&record.inside(item), rules),
        }
    }
}

fn read_regular_expression(value: &Json<'_>) -> Result<Regex, QueryError> {
    let (pattern, flags) = match value {
        Json::Text(pattern) => (pattern.as_ref(), ""),
        Json::Array(parts) => match parts.as_slice() {
            [Json::Text(pattern)] => (pattern.as_ref(), ""),
            [Json::Text(pattern), Json::Null, ..] => (pattern.as_ref(), ""),
            [Json::Text(pattern), Json::Text(flags), ..] => (pattern.as_ref(), flags.as_ref()),
            _ => ("", "-"),
        },
        _ => {
            return Err(QueryError::new(
                QueryErrorKind::Argument,
                "$regex parameter value must be an Array or a string",
            ));
        }
    };
    regular::compile(pattern, flags)
}

fn is_nothing(value: &Json<'_>) -> bool {
    matches!(value, Json::Missing | Json::Null)
}

fn has_key(keys: &Json<'_>, name: &str) -> bool {
    match keys {
        Json::Array(items) => index(name).is_some_and(|place| place < items.len()),
        keys => !keys.key(name).is_missing(),
    }
}

/// Whether a text, an array or an object has the parts: characters, elements or keys.
fn contains(
    value: &Json<'_>,
    parts: &Json<'_>,
    quantity: impl Fn(&[Json<'_>], &dyn Fn(&Json<'_>) -> bool) -> bool,
) -> bool {
    let has = |part: &Json<'_>| match value {
        Json::Text(text) => text.contains(&*text_of(part)),
        Json::Array(items) => items.iter().any(|item| equal(item, part)),
        Json::Object(_) => has_key(value, &text_of(part)),
        _ => false,
    };
    match (value, parts) {
        (Json::Text(_) | Json::Array(_) | Json::Object(_), Json::Array(parts)) => quantity(parts, &has),
        (_, part) => has(part),
    }
}

fn type_of(value: &Json<'_>) -> &'static str {
    match value {
        Json::Missing => "undefined",
        Json::Null | Json::Object(_) => "object",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::Text(_) => "string",
        Json::Array(_) => "array",
    }
}
