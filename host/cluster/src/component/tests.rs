use super::*;
use crate::played::{self, method, raw};

fn facts() -> Facts {
    Facts {
        methods: vec![
            method("add", r#"[{"name":"a"},{"name":"b"}]"#),
            method("list", "[]"),
        ],
        routes: vec![Route {
            name: "page".into(),
            kind: "mware".into(),
        }],
        ..played::facts("calc", "1.2.3")
    }
}

fn fault(change: impl FnOnce(&mut Facts)) -> ComponentErrorKind {
    let mut facts = facts();
    change(&mut facts);
    Component::new(facts).unwrap_err().kind().clone()
}

#[test]
fn methods_and_routes_are_found() {
    let component = Component::new(facts()).unwrap();
    assert!(component.has(Aim::Method("add")) && component.has(Aim::Route("page")));
    assert!(!component.has(Aim::Method("page")) && !component.has(Aim::Route("add")));
    assert_eq!(&*component.method("list").unwrap().name, "list");
}

#[test]
fn each_fault_has_its_kind() {
    use ComponentErrorKind as Kind;
    assert_eq!(fault(|facts| facts.name = "a/b".into()), Kind::Name);
    assert_eq!(fault(|facts| facts.name = "".into()), Kind::Name);
    assert_eq!(fault(|facts| facts.name = "x".repeat(257).into()), Kind::Name);
    assert_eq!(fault(|facts| facts.lanes = 0), Kind::Lanes);
    assert_eq!(fault(|facts| facts.events = raw("[]")), Kind::Object("events"));
    assert_eq!(fault(|facts| facts.data = raw("null")), Kind::Object("data"));
    let add = |facts: &mut Facts, name: &str, parameters: &str| facts.methods.push(method(name, parameters));
    assert_eq!(fault(|facts| add(facts, "a*", "[]")), Kind::Method("a*".into()));
    assert_eq!(fault(|facts| add(facts, "add", "[]")), Kind::Twice("add".into()));
    for parameters in ["{}", "[1]", r#"[{"name":1}]"#, r#"[{}]"#, "null"] {
        assert_eq!(
            fault(|facts| add(facts, "m", parameters)),
            Kind::Parameters("m".into())
        );
    }
    let deep = format!(r#"[{{"name":"a","of":{}{}}}]"#, "[".repeat(500), "]".repeat(500));
    assert_eq!(
        fault(|facts| add(facts, "m", &deep)),
        Kind::Parameters("m".into())
    );
    let long = format!(r#"[{{"name":"{}"}}]"#, "x".repeat(LONGEST_JSON));
    assert_eq!(
        fault(|facts| add(facts, "m", &long)),
        Kind::Parameters("m".into())
    );
    assert_eq!(
        fault(|facts| facts.routes[0].kind = "x".repeat(300).into()),
        Kind::Route
    );
}

#[test]
fn pre_releases_stand_below_all_others() {
    let version = |text: &str| ComponentVersion::parse(text).unwrap();
    let texts = ["1.0.0-beta", "2.0.0-alpha", "0.9.0", "1.0.0", "1.10.0"].map(version);
    assert!(texts.is_sorted_by(|one, two| Rank::of(one) < Rank::of(two)));
}

#[test]
fn a_component_reads_like_another_whatever_clients_cannot_see() {
    let one = Component::new(facts()).unwrap();
    let with = |change: fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        Component::new(facts).unwrap()
    };
    let hidden = with(|facts| {
        facts.is_settled = false;
        facts.lanes = 7;
        facts.methods[0].is_idempotent = true;
    });
    assert!(one.reads_like(&hidden));
    let parameters = with(|facts| facts.methods[1].parameters = raw(r#"[{"name":"x"}]"#));
    assert!(!one.has_methods_of(&parameters) && !one.reads_like(&parameters));
    let routes = with(|facts| facts.routes.clear());
    assert!(one.has_methods_of(&routes) && !one.reads_like(&routes));
}
