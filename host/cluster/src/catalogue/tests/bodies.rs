//! The bodies of catalogues, whole and damaged.

use super::*;

#[test]
fn a_catalogue_is_read_as_it_was_written() {
    let component = made(Facts {
        methods: vec![method("add"), method("get")],
        routes: vec![Route {
            name: "page".into(),
            kind: "mware".into(),
        }],
        events: raw(r#"{"added":{}}"#),
        lanes: 4,
        reach: Reach::Node,
        affinity: Affinity::Session,
        is_settled: false,
        ..facts("calc", "1.2.3-beta.1+b")
    });
    let written = Catalogue::new(7, vec![component.clone(), calc("1.0.0")]);
    let read = Catalogue::read(&written.body()).unwrap();
    assert_eq!((read.revision(), read.hash()), (7, written.hash()));
    assert_eq!(read.body(), written.body());
    let first = read.components()[0].facts();
    assert!(read.components()[0].reads_like(&component));
    assert_eq!(
        (first.lanes, first.reach, first.affinity),
        (4, Reach::Node, Affinity::Session)
    );
    assert!(!first.is_settled && first.methods[1].is_idempotent && !first.methods[0].is_idempotent);
    let other = Catalogue::new(7, vec![calc("1.0.0")]);
    assert_ne!(other.hash(), written.hash());
}

#[test]
fn members_of_later_versions_are_passed_over_and_missing_ones_have_defaults() {
    let body = br#"{"catalogue":1,"revision":1,"later":[1],"components":[
        {"name":"calc","version":"1.0.0","methods":[{"name":"add","parameters":[],"later":1}],"events":{},"data":{},"later":{}}]}"#;
    let read = Catalogue::read(body).unwrap();
    let facts = read.components()[0].facts();
    assert_eq!(
        (facts.lanes, facts.reach, facts.affinity),
        (1, Reach::Cluster, Affinity::None)
    );
    assert!(facts.is_settled);
}

#[test]
fn damaged_catalogues_are_refused_with_a_reason() {
    let error = |body: &str| Catalogue::read(body.as_bytes()).unwrap_err();
    assert!(matches!(error(""), CatalogueError::Malformed(_)));
    assert!(matches!(error("[]"), CatalogueError::Malformed(_)));
    assert!(matches!(error(r#"{"catalogue":2}"#), CatalogueError::Form(2)));
    assert!(matches!(
        error(r#"{"catalogue":1}"#),
        CatalogueError::Malformed(_)
    ));
    let listing = |component: &str| {
        error(&format!(
            r#"{{"catalogue":1,"revision":1,"components":[{component}]}}"#
        ))
    };
    let with = |name: &str, version: &str, parameters: &str| {
        format!(
            r#"{{"name":"{name}","version":"{version}","methods":[{{"name":"m","parameters":{parameters}}}],"events":{{}},"data":{{}}}}"#
        )
    };
    assert!(matches!(
        listing(&with("a/b", "1.0.0", "[]")),
        CatalogueError::Component(_)
    ));
    assert!(matches!(
        listing(&with("a", "1.0", "[]")),
        CatalogueError::Version(_)
    ));
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(
        listing(&with("a", "1.0.0", &deep)),
        CatalogueError::Component(_)
    ));
    let twice = [with("a", "1.0.0", "[]"), with("a", "1.0.0", "[]")].join(",");
    assert!(matches!(listing(&twice), CatalogueError::Twice(_)));
    let many: Vec<String> = (0..=MOST_COMPONENTS)
        .map(|number| with(&format!("c{number}"), "1.0.0", "[]"))
        .collect();
    assert!(matches!(listing(&many.join(",")), CatalogueError::TooMany(_)));
    let long = vec![b' '; LONGEST_BODY + 1];
    assert!(matches!(Catalogue::read(&long), Err(CatalogueError::TooLong(_))));
}

#[test]
fn no_damage_of_a_body_does_harm() {
    let body = Catalogue::new(3, vec![calc("1.0.0"), in_probation("1.1.0")]).body();
    for end in 0..body.len() {
        assert!(Catalogue::read(&body[..end]).is_err());
    }
    let mut choices = mesh_choices::Choices::new(5);
    for _ in 0..5_000 {
        let mut damaged = body.to_vec();
        for _ in 0..=choices.below(3) {
            let position = choices.below(damaged.len());
            damaged[position] = choices.number() as u8;
        }
        if let Ok(catalogue) = Catalogue::read(&damaged) {
            assert!(catalogue.components().len() <= 2);
        }
    }
}
