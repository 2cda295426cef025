//! Finds the parts of a query in a request's `options`, and reads them.

use super::condition::Condition;
use super::field::Field;
use super::json::{Json, Key};
use super::order::Arrangement;
use super::projection::Projection;
use super::{Query, QueryError, QueryErrorKind, Rules};
use crate::protocol::{Dialect, json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A longer text for one part of a query is refused, in bytes.
const LONGEST: usize = 1 << 20;

/// The keys of `options`, and of the `options` inside it, that make a query.
#[derive(Default)]
struct Parts<'a> {
    criteria: Option<&'a RawValue>,
    fields: Option<&'a RawValue>,
    sort: Option<&'a RawValue>,
    path_only: Option<&'a RawValue>,
    limit: Option<&'a RawValue>,
    skip: Option<&'a RawValue>,
    aggregate: Option<&'a RawValue>,
    collation: Option<&'a RawValue>,
    options: Option<&'a RawValue>,
}

impl<'a> Parts<'a> {
    /// Anything but an object has no parts.
    fn read(raw: Option<&'a RawValue>) -> Parts<'a> {
        raw.filter(|raw| raw.get().starts_with('{'))
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    }

    fn part(&mut self, name: &str) -> Option<&mut Option<&'a RawValue>> {
        Some(match name {
            "criteria" => &mut self.criteria,
            "fields" => &mut self.fields,
            "sort" => &mut self.sort,
            "path_only" => &mut self.path_only,
            "limit" => &mut self.limit,
            "skip" => &mut self.skip,
            "aggregate" => &mut self.aggregate,
            "collation" => &mut self.collation,
            "options" => &mut self.options,
            _ => return None,
        })
    }
}

// Written by hand, since a key that comes twice must not make the whole unreadable. The last one counts, as in
// JavaScript, and a `remove` does not lose its criteria.
impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartsVisitor;
        impl<'de> Visitor<'de> for PartsVisitor {
            type Value = Parts<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object of options")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut parts = Parts::default();
                while let Some(Key(key)) = map.next_key()? {
                    match parts.part(&key) {
                        Some(part) => *part = Some(map.next_value()?),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(parts)
            }
        }
        deserializer.deserialize_map(PartsVisitor)
    }
}

/// Reads the query of a request.
pub(super) fn query<'a>(options: Option<&'a RawValue>, dialect: Dialect) -> Result<Query<'a>, QueryError> {
    let outer = Parts::read(options);
    let inner = Parts::read(outer.options);
    if dialect.refuses_aggregates() {
        for (name, asked) in [
            ("aggregate", outer.aggregate.or(inner.aggregate)),
            ("collation", outer.collation.or(inner.collation)),
        ] {
            if asked.is_some_and(json::is_truthy) {
                return Err(QueryError::new(QueryErrorKind::NotAvailable, name));
            }
        }
    }
    read(&outer, &inner, dialect)
}

/// Reads the query of a `count`, which leaves alone what it cannot do.
pub(super) fn query_for_count<'a>(
    options: Option<&'a RawValue>,
    dialect: Dialect,
) -> Result<Query<'a>, QueryError> {
    let outer = Parts::read(options);
    let inner = Parts::read(outer.options);
    read(&outer, &inner, dialect)
}

fn read<'a>(outer: &Parts<'a>, inner: &Parts<'a>, dialect: Dialect) -> Result<Query<'a>, QueryError> {
    let rules = dialect.query_rules();
    let mut query = Query {
        dialect,
        condition: Condition::Always,
        arrangement: Arrangement::default(),
        projection: None,
        wanted: Vec::new(),
    };
    if let Some(criteria) = truthy(outer.criteria) {
        query.condition = Condition::read(parse(criteria)?, rules)?;
    }
    if let Some(sort) = truthy(outer.sort).or(truthy(inner.sort)) {
        query.arrangement.read_sort(&parse(sort)?, rules)?;
    }
    if let Some(limit) = inner.limit {
        query.arrangement.read_limit(&parse(limit)?);
    }
    if let Some(skip) = inner.skip {
        query.arrangement.read_skip(&parse(skip)?, rules);
    }
    query.projection = projection(outer, inner, rules)?;
    let mut wanted: Vec<Box<str>> = Vec::new();
    let mut want = |field: &Field| {
        if let Some(top) = field
            .top()
            .filter(|top| !wanted.iter().any(|other| **other == **top))
        {
            wanted.push(top.into());
        }
    };
    query.condition.fields(&mut want);
    query.arrangement.fields(&mut want);
    wanted.sort_unstable();
    query.wanted = wanted;
    Ok(query)
}

fn projection(outer: &Parts<'_>, inner: &Parts<'_>, rules: Rules) -> Result<Option<Projection>, QueryError> {
    let path_only = truthy(outer.path_only).or(truthy(inner.path_only)).is_some();
    let fields = truthy(inner.fields).or(truthy(outer.fields));
    // Servers of the first generation let `fields` win over `path_only` unless there are nested options.
    let path_wins = rules == Rules::Later || fields.is_none() || truthy(outer.options).is_some();
    match fields {
        _ if path_only && path_wins => Ok(Some(Projection::path_only())),
        Some(fields) => Projection::read(&parse(fields)?, rules),
        None => Ok(None),
    }
}

fn truthy(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| json::is_truthy(raw))
}

fn parse(raw: &RawValue) -> Result<Json<'_>, QueryError> {
    let too_large = |detail: &str| QueryError::new(QueryErrorKind::TooLarge, detail);
    if raw.get().len() > LONGEST {
        return Err(too_large("a part of a query must not be longer than a megabyte"));
    }
    // The text is JSON already; what can still go wrong is its depth, and numbers beyond doubles.
    serde_json::from_str(raw.get())
        .map_err(|_| too_large("a query must not be nested deeper than 127 levels"))
}
