use super::*;

fn stored(value: Value, purpose: Purpose) -> Value {
    from_mesh(&value, "D", purpose, Holder::Group).unwrap().to_value()
}

fn refused(value: Value) -> String {
    let error = from_mesh(&value, "D", Purpose::Define, Holder::Group).unwrap_err();
    error.to_string()
}

fn defined(value: Value) -> Value {
    stored(value, Purpose::Define)
}

#[test]
fn a_group_is_stored_and_shown_as_real_servers_do() {
    let group = json!({
        "methods": {"/D/lab/echo": {"authorized": true, "description": "d"}, "lab/*": {"authorized": true}},
        "events": {"/D/lab/ping": {"authorized": true}},
        "web": {"/lab/r1": {"authorized": true, "actions": ["post", "get"]}},
        "data": {"/some/data/*": {"actions": ["set", "get"]}},
    });
    assert_eq!(
        defined(group.clone()),
        json!({
            "/_exchange/requests/D/lab/echo": {"actions": ["set"]},
            "/_exchange/responses/D/lab/echo/*": {"actions": ["on", "set"]},
            "/_exchange/requests/D/lab/*": {"actions": ["set"]},
            "/_exchange/responses/D/lab/*": {"actions": ["on", "set"]},
            "/_events/D/lab/ping": {"actions": ["on"]},
            "/@HTTP/lab/r1": {"actions": ["post", "get"]},
            "/some/data/*": {"actions": ["set", "get"]},
        })
    );
    let rules = from_mesh(&group, "D", Purpose::Define, Holder::Group).unwrap();
    assert_eq!(
        to_mesh(&rules),
        json!({
            "methods": {"D/lab/echo": {"authorized": true}, "D/lab/*": {"authorized": true}},
            "events": {"D/lab/ping": {"authorized": true}},
            "web": {"lab/r1": {"authorized": true, "actions": ["post", "get"]}},
            "data": {"/some/data/*": {"actions": ["set", "get"]}},
        })
    );
    assert_eq!(
        to_mesh(&Rules::new()),
        json!({"methods": {}, "events": {}, "web": {}, "data": {}})
    );
}

#[test]
fn an_unauthorized_entry_is_forbidden_and_hidden() {
    let group = json!({
        "methods": {"lab/echo": {"authorized": false}, "lab/odd": {}},
        "events": {"lab/ping": {"authorized": false}},
        "web": {"lab/r1": {"authorized": false, "actions": ["get"]}, "lab/r2": {"actions": ["get"]}},
        "data": {"/d": {"authorized": false, "actions": ["get"]}, "/e": {"prohibit": ["set"]}},
    });
    assert_eq!(
        defined(group.clone()),
        json!({
            "/_exchange/requests/D/lab/echo": {"prohibit": ["set"]},
            "/_exchange/responses/D/lab/echo/*": {"prohibit": ["on", "set"]},
            "/_exchange/requests/D/lab/odd": {"prohibit": ["set"]},
            "/_exchange/responses/D/lab/odd/*": {"prohibit": ["on", "set"]},
            "/_events/D/lab/ping": {"prohibit": ["on"]},
            "/@HTTP/lab/r1": {"prohibit": ["get"]},
            "/@HTTP/lab/r2": {"actions": ["get"]},
            "/d": {"prohibit": ["get"]},
            "/e": {"prohibit": ["set"]},
        })
    );
    let rules = from_mesh(&group, "D", Purpose::Define, Holder::Group).unwrap();
    let shown = to_mesh(&rules);
    assert_eq!(shown["methods"], json!({}));
    assert_eq!(shown["events"], json!({}));
    assert_eq!(
        shown["web"],
        json!({"lab/r2": {"authorized": true, "actions": ["get"]}})
    );
}

#[test]
fn hidden_prohibitions_survive_a_write_unless_it_allows_them() {
    let group = json!({
        "methods": {"lab/echo": {"authorized": false}, "lab/odd": {"authorized": false}},
        "events": {"lab/ping": {"authorized": false}}, "data": {"/d": {"prohibit": ["get"]}},
    });
    let rules = from_mesh(&group, "D", Purpose::Define, Holder::Group).unwrap();
    let newer = json!({"methods": {"lab/odd": {"authorized": true}}});
    let newer = from_mesh(&newer, "D", Purpose::Define, Holder::Group).unwrap();
    assert_eq!(
        hidden_prohibitions(&rules, &newer).to_value(),
        json!({
            "/_exchange/requests/D/lab/echo": {"prohibit": ["set"]},
            "/_exchange/responses/D/lab/echo/*": {"prohibit": ["on", "set"]},
            "/_events/D/lab/ping": {"prohibit": ["on"]},
        })
    );
}

#[test]
fn adding_allows_and_removing_takes_all_that_is_not_named() {
    let change = json!({
        "methods": {"lab/echo": {}},
        "web": {"lab/r1": {}, "lab/r2": {"actions": ["get"]}},
    });
    for purpose in [Purpose::Add, Purpose::Remove] {
        assert_eq!(
            stored(change.clone(), purpose),
            json!({
                "/_exchange/requests/D/lab/echo": {"actions": ["set"]},
                "/_exchange/responses/D/lab/echo/*": {"actions": ["on", "set"]},
                "/@HTTP/lab/r1": {"actions": ["*"]},
                "/@HTTP/lab/r2": {"actions": ["get"]},
            })
        );
    }
    let data = json!({"data": {"/d": {"authorized": false, "actions": ["get"]}}});
    assert_eq!(
        stored(data.clone(), Purpose::Add),
        json!({"/d": {"prohibit": ["get"]}})
    );
    assert_eq!(stored(data, Purpose::Remove), json!({"/d": {"actions": ["get"]}}));
    assert_eq!(
        stored(json!({"data": {"/d": {}}}), Purpose::Remove),
        json!({"/d": {"actions": ["*"]}})
    );
}

#[test]
fn paths_get_the_domain_in_front_unless_it_is_there() {
    for (written, path) in [
        ("lab/x", "/_events/D/lab/x"),
        ("/lab/x", "/_events/D/lab/x"),
        ("/D/lab/x", "/_events/D/lab/x"),
        ("D/lab/x", "/_events/D/lab/x"),
        ("/D", "/_events/D"),
        ("*", "/_events/D/*"),
        ("/Data/x", "/_events/D/Data/x"),
        ("/lab/D/x", "/_events/D/lab/D/x"),
        ("/Other/lab/x", "/_events/D/Other/lab/x"),
    ] {
        let stored = defined(json!({"events": {written: {"authorized": true}}}));
        assert_eq!(stored, json!({path: {"actions": ["on"]}}), "{written}");
    }
    for written in ["*", "/*", "/"] {
        let stored = defined(json!({"methods": {written: {"authorized": true}}}));
        assert!(stored.get("/_exchange/responses/D/*").is_some(), "{written}");
    }
}

#[test]
fn data_permissions_stay_with_data() {
    for path in [
        "/_events/D/x",
        "_exchange/x",
        "//_exchange/x",
        "/*_events",
        "*/@HTTP/x",
        "/@HTTP",
        "/_exchange*",
        "/_e*vents",
        "/_even*",
        "/*exchange/*",
        "/_*",
        "@*",
        "*TP/x",
    ] {
        let error = refused(json!({"data": {path: {"actions": ["get"]}}}));
        assert_eq!(
            error, "data permissions cannot start with /_events, /_exchange or /@HTTP",
            "{path}"
        );
    }
    let get = json!({"actions": ["get"]});
    let plain =
        json!({"/a/_events/b": get, "d": get, "/*": get, "*": get, "/*/x": get, "/_data/*": get, "/e*": get});
    assert_eq!(defined(json!({"data": plain})), plain);
}

#[test]
fn hostile_permissions_are_refused() {
    assert_eq!(refused(json!([])), "group permissions invalid: not an object");
    assert_eq!(
        refused(json!({"methods": "all", "events": [1]})),
        "group permissions invalid: events is not an object,methods is not an object"
    );
    for entry in [json!(null), json!(true), json!("x"), json!([])] {
        assert_eq!(
            refused(json!({"methods": {"lab/x": entry}})),
            "group permissions invalid: not an object: lab/x"
        );
    }
    assert_eq!(
        refused(json!({"data": {"/x": {"actions": ["fly"]}}})),
        "group permissions invalid: unknown action: fly for path: /x"
    );
    assert_eq!(
        refused(json!({"web": {"c/r": {"authorized": true}}})),
        "group permissions invalid: missing allowed actions or prohibit rules: /@HTTP/c/r"
    );
    assert_eq!(
        refused(json!({"events": {"": {"authorized": true}}})),
        "permission path is null"
    );
    assert!(refused(json!({"events": {"x".repeat(9000): {"authorized": true}}})).contains("longer than"));
    // An unknown kind is as if it were not there, for newer clients.
    assert_eq!(
        defined(json!({"other": 5, "__proto__": {"methods": {}}})),
        json!({})
    );
    let odd = defined(json!({"data": {"__proto__": {"actions": ["get"]}}}));
    assert_eq!(odd, json!({"__proto__": {"actions": ["get"]}}));
}

#[test]
fn an_added_unauthorized_entry_is_forbidden() {
    let no = json!({"authorized": false});
    let change = json!({
        "methods": {"lab/echo": no}, "events": {"lab/ping": no},
        "web": {"lab/r1": no, "lab/r2": {"authorized": false, "actions": ["get"]}},
        "data": {"/d": {"authorized": false, "actions": ["get"], "prohibit": ["set"]}, "/e": {"authorized": false, "prohibit": ["on"]}},
    });
    for purpose in [Purpose::Add, Purpose::Define] {
        let mut change = change.clone();
        if purpose == Purpose::Define {
            // A route without actions is described by nothing.
            change["web"]["lab/r1"]["actions"] = json!(["*"]);
        }
        assert_eq!(
            stored(change, purpose),
            json!({
                "/_exchange/requests/D/lab/echo": {"prohibit": ["set"]},
                "/_exchange/responses/D/lab/echo/*": {"prohibit": ["on", "set"]},
                "/_events/D/lab/ping": {"prohibit": ["on"]},
                "/@HTTP/lab/r1": {"prohibit": ["*"]},
                "/@HTTP/lab/r2": {"prohibit": ["get"]},
                "/d": {"prohibit": ["get", "set"]},
                "/e": {"prohibit": ["on"]},
            })
        );
    }
}

#[test]
fn words_that_would_count_for_nothing_do_not_grant() {
    for (change, problem) in [
        (
            json!({"methods": {"lab/echo": {"authorised": false}}}),
            "unknown key authorised in lab/echo, did you mean authorized?",
        ),
        (
            json!({"method": {"lab/echo": {"authorized": false}}}),
            "unknown key method in permissions, did you mean methods?",
        ),
        (
            json!({"data": {"/d": {"actions": ["get"], "prohibited": ["set"]}}}),
            "unknown key prohibited in /d, did you mean prohibit?",
        ),
        (
            json!({"methods": {"lab/echo": {"prohibit": ["*"]}}}),
            "prohibit is for data, write authorized: false: lab/echo",
        ),
        (
            json!({"events": {"lab/ping": {"authorized": "false"}}}),
            "authorized must be true or false: lab/ping",
        ),
    ] {
        for purpose in [Purpose::Define, Purpose::Add] {
            let error = from_mesh(&change, "D", purpose, Holder::Group).unwrap_err();
            assert_eq!(error.to_string(), format!("group permissions invalid: {problem}"));
        }
    }
    let own_words = json!({"methods": {"lab/echo": {"authorized": 1, "description": "d", "since": 2}}});
    assert!(from_mesh(&own_words, "D", Purpose::Add, Holder::Group).is_ok());
}
