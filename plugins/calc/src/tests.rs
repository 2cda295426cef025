//! The contract of `calc`, method by method, on the JSON text that clients see.

use super::*;
use mesh_plugin_sdk::testing::Harness;

/// The results of a call as JSON texts.
fn texts(harness: &Harness<Calc>, method: &str, arguments: Value) -> Vec<String> {
    let results = harness.call(method, arguments).unwrap();
    results
        .raw()
        .iter()
        .map(|result| result.get().to_owned())
        .collect()
}

fn calc() -> Harness<Calc> {
    Harness::new(json!({}))
}

#[test]
fn whole_numbers_stay_whole() {
    let calc = calc();
    assert_eq!(texts(&calc, "add", json!([1, 2])), ["3"]);
    assert_eq!(texts(&calc, "divide", json!([4, 2])), ["2"]);
    assert_eq!(texts(&calc, "divide", json!([9, 4])), ["2.25"]);
    assert_eq!(texts(&calc, "add", json!(["a", 1])), [r#""a1""#]);
}

#[test]
fn errors_carry_their_fields() {
    let error = calc().call("divide", json!([1, 0])).unwrap_err();
    let expected = json!({
        "message": "division by zero", "name": "DivisionError", "code": 4220, "details": {"a": 1, "b": 0},
    });
    assert_eq!(error.as_value(), &expected);
    let error = calc()
        .call("namedError", json!(["MyError", "my message"]))
        .unwrap_err();
    assert_eq!((error.type_name(), error.message()), ("MyError", "my message"));
}

#[test]
fn values_go_through_untouched() {
    let text = r#"{ "z":1.50, "a":"\u0041" }"#;
    let raw: Raw = mesh_plugin_sdk::serde_json::from_str(text).unwrap();
    let results = calc().call("echo", [raw]).unwrap();
    assert_eq!(results.raw()[0].get(), text);
    assert_eq!(texts(&calc(), "concat", json!([1, "b"])), [r#"[1,"b",null]"#]);
}

#[test]
fn there_can_be_no_one_or_many_results() {
    let calc = calc();
    assert!(texts(&calc, "nothing", json!([])).is_empty());
    assert_eq!(texts(&calc, "nullResult", json!([])), ["null"]);
    assert_eq!(
        texts(&calc, "multi", json!([])),
        [r#""first""#, r#"{"second":2}"#, r#"[3,"three"]"#]
    );
}

#[test]
fn waiting_takes_no_real_time_here() {
    assert_eq!(
        texts(&calc(), "slow", json!([3_600_000])),
        [r#"{"slept":3600000}"#]
    );
    assert_eq!(texts(&calc(), "slow", json!([-1])), [r#"{"slept":-1}"#]);
    let error = calc()
        .patience(Duration::from_millis(10))
        .call("never", ())
        .unwrap_err();
    assert_eq!(error.message(), "calc.never gave no answer");
}

#[test]
fn the_caller_is_known() {
    let calc = calc();
    let who = calc.call("whoami", ()).unwrap().one::<Value>().unwrap();
    assert_eq!(
        who,
        json!({"id": "test-session", "username": null, "mesh": "TestNode", "component": "calc"})
    );
    let who = calc
        .call_as(&json!({"id": "s", "username": "ada"}), "whoami", ())
        .unwrap()
        .one::<Value>()
        .unwrap();
    assert_eq!(who["username"], "ada");
    let who = calc
        .call_as(&Value::Null, "whoami", ())
        .unwrap()
        .one::<Value>()
        .unwrap();
    assert_eq!(who["id"], Value::Null);
}

#[test]
fn sizes_are_counted_as_javascript_does() {
    let calc = calc();
    assert_eq!(
        texts(&calc, "bigPayload", json!([3])),
        [r#"{"size":3,"data":"xxx"}"#]
    );
    assert_eq!(
        calc.call("bigPayload", [1e12 as u64]).unwrap_err().type_name(),
        "RangeError"
    );
    for (json, size) in [
        ("null", 4),
        (r#""é""#, 3),
        (r#""😀""#, 4),
        (r#"{ "a" : [1, 2] }"#, 11),
        ("1.50", 3),
        (r#""\u0041\/""#, 4),
        (r#""\ud83d""#, 8),
    ] {
        let raw: Raw = mesh_plugin_sdk::serde_json::from_str(json).unwrap();
        assert_eq!(
            calc.call("size", [raw]).unwrap().one::<Value>().unwrap()["size"],
            size,
            "{json}"
        );
    }
}

#[test]
fn each_instance_counts_for_itself() {
    let calc = calc();
    assert_eq!(texts(&calc, "tick", json!([])), ["1"]);
    assert_eq!(texts(&calc, "tick", json!([])), ["2"]);
}
