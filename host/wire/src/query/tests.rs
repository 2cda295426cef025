//! Queries from a request's options to written items, and what is refused.

use super::*;
use std::time::Instant;

fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap()
}

fn document(data: &str, created: u64) -> Document {
    Document {
        data: data.into(),
        meta: DocumentMeta {
            created,
            modified: created + 1,
        },
        modified_by: Some("bob".into()),
    }
}

fn kind(options: &str, dialect: Dialect) -> QueryErrorKind {
    Query::read(Some(raw(options)), dialect).unwrap_err().kind()
}

/// The paths that a query finds among these documents.
fn found(options: &str, dialect: Dialect, documents: &[(&str, &str)]) -> Vec<String> {
    let query = Query::read(Some(raw(options)), dialect).unwrap();
    let mut found = Vec::new();
    for (number, (path, data)) in documents.iter().enumerate() {
        found.extend(query.select((*path).into(), document(data, number as u64)));
    }
    query.arrange(&mut found);
    found.iter().map(|found| found.path.to_string()).collect()
}

/// As in JavaScript. A build in which numbers are read otherwise, one of this crate alone included, must not be possible.
#[test]
fn a_number_is_the_nearest_double_to_its_text() {
    let mut bits = 0x3fe0_0000_0000_0000_u64;
    for _ in 0..10_000 {
        bits = bits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let number = f64::from_bits(bits);
        if number.is_finite() {
            let text = format!("{number:e}");
            let read: f64 = serde_json::from_str(&text).unwrap();
            assert_eq!(read.to_bits(), number.to_bits(), "{text}");
        }
    }
}

#[test]
fn a_request_without_a_query_admits_everything() {
    for options in [
        "{}",
        r#"{"timeout":1}"#,
        "null",
        "5",
        r#"{"options":{}}"#,
        r#"{"criteria":null,"options":5}"#,
        r#"{"criteria":{}}"#,
        r#"{"options":{"limit":0}}"#,
    ] {
        for dialect in [Dialect::Happn1, Dialect::Happn4] {
            let query = Query::read(Some(raw(options)), dialect).unwrap();
            assert!(query.is_plain() && query.wanted.is_empty(), "{options}");
            assert!(query.admits("/a", "{}", document("{}", 1).meta));
        }
    }
    assert!(Query::read(None, Dialect::Happn4).unwrap().is_plain());
}

#[test]
fn all_parts_of_a_query_work_together() {
    let documents = [
        ("/q/1", r#"{"n":1,"s":"a"}"#),
        ("/q/2", r#"{"n":7,"s":"b"}"#),
        ("/q/3", r#"{"n":3,"s":"c"}"#),
        ("/q/4", r#"{"n":5,"s":"d"}"#),
    ];
    let options = r#"{"criteria":{"n":{"$gt":1,"$lt":7}},"fields":{"s":1},"options":{"sort":{"n":-1},"limit":1,"skip":1}}"#;
    assert_eq!(found(options, Dialect::Happn4, &documents), ["/q/3"]);
    assert_eq!(found(options, Dialect::Happn1, &documents), ["/q/4"]);
    let query = Query::read(Some(raw(options)), Dialect::Happn1).unwrap();
    let selected = query.select("/q/3".into(), document(documents[2].1, 3)).unwrap();
    let mut out = String::new();
    query.write_item(&mut out, &selected.path, &selected.document);
    assert_eq!(out, r#"{"s":"c","_meta":{"path":"/q/3","_id":"/q/3"}}"#);
    assert!(query.select("/q/2".into(), document(documents[1].1, 3)).is_none());
}

#[test]
fn documents_outside_the_answer_are_left_out_early_and_change_nothing() {
    for dialect in [Dialect::Happn1, Dialect::Happn4] {
        for options in [
            r#"{"options":{"sort":{"n":1},"limit":3}}"#,
            r#"{"options":{"sort":{"n":-1},"limit":2,"skip":2}}"#,
            r#"{"options":{"sort":{"n":1},"skip":2}}"#,
        ] {
            let query = Query::read(Some(raw(options)), dialect).unwrap();
            assert!(query.is_sorted());
            let (mut all, mut needed) = (Vec::new(), Vec::new());
            for number in 0..50 {
                let path = format!("/{number:02}");
                let data = format!(r#"{{"n":{}}}"#, number * 7 % 10);
                let selected = query.select(path.into(), document(&data, number)).unwrap();
                all.push(selected.clone());
                needed.push(selected);
                if needed.len() % 6 == 5 {
                    query.keep_needed(&mut needed);
                }
            }
            query.arrange(&mut all);
            query.arrange(&mut needed);
            let paths = |found: &[Found]| found.iter().map(|one| one.path.clone()).collect::<Vec<_>>();
            assert_eq!(paths(&all), paths(&needed), "{options}");
        }
    }
}

#[test]
fn only_the_keys_that_count_are_read() {
    let query = |options| Query::read(Some(raw(options)), Dialect::Happn4).unwrap();
    assert!(
        query(r#"{"criteria":{"path":"/a","_meta.created":{"$gt":1}},"sort":{"modified":1}}"#)
            .wanted
            .is_empty()
    );
    let wanted = query(r#"{"criteria":{"$or":[{"a.b":1},{"c":{"$$gt":"d"}}]},"sort":{"a.x":1}}"#).wanted;
    assert_eq!(wanted, ["a".into(), "c".into(), Box::<str>::from("d")]);
    // A part that is too deep to parse does not matter where it was not asked for.
    let deep = format!(r#"{{"n":1,"deep":{}{}}}"#, "[".repeat(9000), "]".repeat(9000));
    assert!(query(r#"{"criteria":{"n":1}}"#).admits("/a", &deep, document("{}", 1).meta));
    assert!(!query(r#"{"criteria":{"deep.x":1}}"#).admits("/a", &deep, document("{}", 1).meta));
}

#[test]
fn a_key_that_comes_twice_counts_once() {
    let documents = [("/a", r#"{"n":1}"#), ("/b", r#"{"n":2}"#)];
    let options = r#"{"criteria":{"n":1},"criteria":{"n":2}}"#;
    assert_eq!(found(options, Dialect::Happn4, &documents), ["/b"]);
}

#[test]
fn errors_as_clients_know_them() {
    for (options, first, later) in [
        (
            r#"{"criteria":{"n":{"$foo":1}}}"#,
            "doGet failed",
            "Typefun is not a function",
        ),
        (
            r#"{"criteria":{"n":{"$regex":5}}}"#,
            "doGet failed",
            "$regex parameter value must be an Array or a string",
        ),
        (
            r#"{"criteria":{"n":{"$in":5}}}"#,
            "doGet failed",
            "$in must be given an Array",
        ),
    ] {
        for (dialect, message) in [(Dialect::Happn1, first), (Dialect::Happn3, later)] {
            let error = Query::read(Some(raw(options)), dialect).unwrap_err();
            assert_eq!(error.to_wire(dialect, "/a").message(), message);
            let mut out = String::new();
            error.to_wire(dialect, "/a").write(&mut out);
            assert!(
                out.contains("SystemError") && out.contains("DataService"),
                "{out}"
            );
        }
    }
    let aggregate = r#"{"options":{"aggregate":[{}]}}"#;
    assert!(
        Query::read(Some(raw(aggregate)), Dialect::Happn1)
            .unwrap()
            .is_plain()
    );
    assert!(Query::read_for_count(Some(raw(aggregate)), Dialect::Happn4).is_ok());
    let error = Query::read(Some(raw(aggregate)), Dialect::Happn4).unwrap_err();
    assert_eq!(
        error.to_wire(Dialect::Happn4, "/a/*").message(),
        "aggregate feature not available for provider on path: /a/*"
    );
    assert_eq!(
        kind(r#"{"fields":{"a":0}}"#, Dialect::Happn1),
        QueryErrorKind::Fields
    );
}

#[test]
fn hostile_queries_are_refused() {
    let nested = |open: &str, close: &str, count: usize| {
        format!(
            r#"{{"criteria":{}{{}}{}}}"#,
            open.repeat(count),
            close.repeat(count)
        )
    };
    for count in [200, 10_000] {
        for (open, close) in [
            (r#"{"$or":["#, "]}"),
            (r#"{"$not":"#, "}"),
            (r#"{"a":{"$elemMatch":"#, "}}"),
            (r#"{"a":"#, "}"),
            ("[", "]"),
        ] {
            let options = nested(open, close, count);
            assert_eq!(
                kind(&options, Dialect::Happn4),
                QueryErrorKind::TooLarge,
                "{open}"
            );
            assert_eq!(
                kind(&options, Dialect::Happn1),
                QueryErrorKind::TooLarge,
                "{open}"
            );
        }
    }
    assert!(Query::read(Some(raw(&nested(r#"{"$or":["#, "]}", 50))), Dialect::Happn4).is_ok());
    let many =
        |item: &str, count: usize| format!(r#"{{"criteria":{{"$or":[{}]}}}}"#, vec![item; count].join(","));
    for (item, count) in [
        (r#"{"a":1}"#, 5000),
        (r#"{"a":{"$regex":"a"}}"#, 100),
        (r#"{"$and":[]}"#, 5000),
        (r#"{"a":{"$or":[{},{}]}}"#, 5000),
    ] {
        let options = many(item, count);
        let outcome = Query::read(Some(raw(&options)), Dialect::Happn4);
        assert!(outcome.is_err() || item.contains("{},{}"), "{item}");
    }
    assert_eq!(
        kind(
            &format!(r#"{{"criteria":{{"{}":1}}}}"#, "a.".repeat(50_000)),
            Dialect::Happn1
        ),
        QueryErrorKind::TooLarge
    );
    assert_eq!(
        kind(
            &format!(r#"{{"fields":{{"{}":1}}}}"#, "a.".repeat(50_000)),
            Dialect::Happn4
        ),
        QueryErrorKind::TooLarge
    );
    assert_eq!(
        kind(
            &format!(r#"{{"criteria":{{"a":"{}"}}}}"#, "a".repeat(1 << 20)),
            Dialect::Happn4
        ),
        QueryErrorKind::TooLarge
    );
}

#[test]
fn large_comparisons_stay_cheap() {
    let begin = Instant::now();
    let keys = |reversed: bool| {
        let mut keys: Vec<String> = (0..20_000).map(|number| format!(r#""k{number}":1"#)).collect();
        if reversed {
            keys.reverse();
        }
        format!("{{{}}}", keys.join(","))
    };
    let options = format!(r#"{{"criteria":{{"a":{}}}}}"#, keys(false));
    let data = format!(r#"{{"a":{}}}"#, keys(true));
    let query = Query::read(Some(raw(&options)), Dialect::Happn4).unwrap();
    assert!(query.admits("/a", &data, document("{}", 1).meta));
    let list = (0..50_000)
        .map(|number| format!("\"{number}\""))
        .collect::<Vec<_>>()
        .join(",");
    let options = format!(r#"{{"criteria":{{"a":{{"$nin":[{list}]}}}}}}"#);
    let query = Query::read(Some(raw(&options)), Dialect::Happn4).unwrap();
    for _ in 0..10_000 {
        assert!(query.admits("/a", r#"{"a":"x"}"#, document("{}", 1).meta));
    }
    assert!(begin.elapsed().as_secs() < 20);
}

#[test]
fn parts_of_documents_are_sent_untouched() {
    let options = r#"{"fields":{"big":1,"o.text":1}}"#;
    let query = Query::read(Some(raw(options)), Dialect::Happn4).unwrap();
    let data = r#"{"big":12345678901234567890123,"o":{"text":"\u00e9\n","x":1},"y":2}"#;
    assert_eq!(
        query.data(&document(data, 1)),
        r#"{"big":12345678901234567890123,"o":{"text":"\u00e9\n"}}"#
    );
    let query = Query::read(
        Some(raw(r#"{"fields":{"a.4000000000":1,"a.4095":1}}"#)),
        Dialect::Happn4,
    )
    .unwrap();
    assert_eq!(query.data(&document(r#"{"a":[1]}"#, 1)), "{}");
}
