//! A test of one value with the operators of queries, kept apart from any request.
//!
//! Enters: an object of operators, and later values. Leaves: whether all of them hold. Guarantees: a value of another type than the
//! operator's is neither smaller nor larger, and one that is absent neither.

use super::condition::{Condition, read_operators};
use super::field::{Field, Record};
use super::json::{Json, MISSING};
use super::{QueryError, Rules};
use serde::de::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// Real servers choose profiles with a filter of their own, which compares as `get` of the first generation does.
const RULES: Rules = Rules::First;
/// The name under which the value stands while it is looked at.
const NAME: &str = "value";

/// Operators such as `{"$regex": "^kiosk"}`.
#[derive(Debug)]
pub struct ValueTest(Condition<'static>);

impl ValueTest {
    /// Reads an object of operators.
    ///
    /// # Errors
    ///
    /// As criteria.
    pub fn read(operators: &Value) -> Result<ValueTest, QueryError> {
        let operators = read_operators(of(operators), RULES)?;
        Ok(ValueTest(Condition::Field(Field::data(NAME)?, operators)))
    }

    /// Whether the operators hold for a value, or for the absence of one.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        let value = value.map(|value| (Cow::Borrowed(NAME), of(value)));
        let record = Record {
            path: &MISSING,
            created: &MISSING,
            modified: &MISSING,
            data: &Json::Object(value.into_iter().collect()),
        };
        self.0.holds(&record, RULES)
    }
}

/// The same value as queries see it.
fn of(value: &Value) -> Json<'_> {
    Json::deserialize(value).unwrap_or(Json::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operators_hold_for_values_and_for_their_absence() {
        let holds = |operators: Value, value: Option<Value>| {
            ValueTest::read(&operators).unwrap().holds(value.as_ref())
        };
        assert!(holds(json!({"$regex": "^kiosk-[0-9]+$"}), Some(json!("kiosk-7"))));
        assert!(!holds(
            json!({"$regex": "^kiosk-[0-9]+$"}),
            Some(json!("a kiosk-7"))
        ));
        assert!(!holds(json!({"$regex": "^kiosk"}), None));
        assert!(holds(json!({"$gte": 2, "$lt": 4}), Some(json!(3.5))));
        assert!(!holds(json!({"$gte": 2, "$lt": 4}), Some(json!(4))));
        assert!(holds(json!({"$in": ["a", 1]}), Some(json!(1))));
        assert!(holds(json!({"$exists": true}), Some(json!({}))));
        assert!(!holds(json!({"$exists": true}), None));
        assert!(!holds(json!({"$lt": 4}), None));
        assert!(!holds(json!({"$lt": 4}), Some(json!("a"))));
        assert!(holds(json!({"$lt": 4}), Some(json!(0))));
        assert!(holds(json!({"$eq": false}), Some(json!(false))));
        assert!(holds(json!({"$ne": "a"}), None));
        assert!(!holds(json!({"$ne": "a"}), Some(json!("a"))));
    }

    #[test]
    fn operators_that_nobody_knows_are_refused() {
        for odd in [
            json!({"$like": "a"}),
            json!({"$in": 1}),
            json!({"$regex": "("}),
            json!(7),
        ] {
            assert!(ValueTest::read(&odd).is_err(), "{odd}");
        }
    }
}
