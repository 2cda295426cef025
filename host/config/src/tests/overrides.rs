//! `--set key=value`.

use super::*;

#[test]
fn an_override_replaces_and_adds() {
    let config = good(
        FULL,
        &[
            "happn.port=1",
            "happn.port = 2",
            "name=Other",
            "domain=\"quoted\"",
            "plugins.dir=/tmp/x",
            "happn.host=127.0.0.1",
            "components.calc.lanes=8",
            "components[1].lanes=2",
            "components.echo.version=^1.2 || ^2",
            "components.calc.config.alpha.deep=false",
            "components.echo.config.limit.per_day=5",
            "components.calc.config.zeta[0]=9",
        ],
    );
    assert_eq!(*config.happn.port, 2);
    assert_eq!(config.happn.port.at, Location::Override(1));
    assert_eq!(
        (config.name.as_str(), config.domain.as_str()),
        ("Other", "quoted")
    );
    assert_eq!(config.plugins.dir.value, Path::new("/tmp/x"));
    assert_eq!(config.happn.host.as_str(), "127.0.0.1");
    assert_eq!((*config.components[0].lanes, *config.components[1].lanes), (8, 2));
    assert_eq!(config.components[1].version.as_str(), "^1.2 || ^2");
    assert_eq!(
        config.components[0].config["alpha"]["deep"],
        serde_json::json!(false)
    );
    assert_eq!(config.components[0].config["zeta"][0], serde_json::json!(9));
    assert_eq!(
        config.components[1].config.value,
        serde_json::json!({ "limit": { "per_day": 5 } })
    );
}

#[test]
fn an_override_may_bring_a_section_a_list_or_the_missing_name() {
    let config = good(
        "",
        &[
            "name=x",
            "calls={timeout_ms=5}",
            "components=[{name='a.b', library='c'}]",
            "components.\"a.b\".lanes=3",
        ],
    );
    assert_eq!(config.calls.timeout.as_millis(), 5);
    assert_eq!(*config.components[0].lanes, 3);
}

#[test]
fn an_override_mends_a_mistake_of_the_file() {
    assert_eq!(
        *good("name = \"x\"\nhappn.port = \"no\"", &["happn.port=7"])
            .happn
            .port,
        7
    );
}

#[test]
fn a_mistake_in_an_override_names_the_override() {
    prints(
        "name = \"x\"\n[[components]]\nname = \"calc\"\nlibrary = \"calc\"\n",
        &[
            "happn.prot=1",
            "happn.port=x",
            "happn.port=70000",
            "name=5",
            "components.clac.lanes=2",
            "components[3].lanes=2",
            "hapn.port=1",
        ],
        r#"
--set happn.prot=1: unknown key `prot` in [happn]
help: did you mean `port`? known keys: acknowledge_timeout_ms, compression, host, login_timeout_ms, max_connections, max_connections_before_login, max_connections_before_login_per_address, max_frame_bytes, max_subscription_bytes, max_subscriptions, outbound_queue_bytes, ping_interval_ms, port, secure, tls

--set happn.port=70000: `port` in [happn] must be from 0 to 65535, found 70000
help: without this key it is 55000

--set name=5: `name` must be a string, found the integer 5
help: quote the value, and the whole for the shell: --set 'name="5"'

--set hapn.port=1: unknown key `hapn` at the top level
help: did you mean `happn`? known keys: calls, cluster, components, console, data_component, domain, happn, name, plugins, rest, security, store, swap, web

--set components.clac.lanes=2: there is no component named "clac"
help: did you mean `calc`? components: calc

--set components[3].lanes=2: `components[3]` does not exist
help: `components` has one element, `components[0]`"#,
    );
}

#[test]
fn an_override_that_is_not_key_and_value_is_reported() {
    prints(
        "name = \"x\"",
        &[
            "happn.port",
            "=1",
            "happn..port=1",
            "name=\"x",
            "components[a].lanes=1",
            "name.first=x",
            "\"name=x",
        ],
        r#"
--set happn.port: there is no `=` and value
help: write `key=value`, as in `happn.port=0` or `components.calc.lanes=4`

--set =1: the key is empty
help: write `key=value`, as in `happn.port=0`

--set happn..port=1: the key is empty
help: write `key=value`, as in `happn.port=0`

--set name="x: the value is not valid TOML: invalid basic string, expected `"`
help: close what the first character opens, or leave out the quotes

--set components[a].lanes=1: "a" is not the number of an element
help: the first component is `components[0]`

--set "name=x: a quote in the key is not closed

--set name.first=x: `name` is a string, which has no keys"#,
    );
}

#[test]
fn mistakes_in_the_file_come_first_and_overrides_have_no_line() {
    let error = bad("prot = 1\nname = TestNode", &["happn"]);
    let kinds: Vec<_> = error
        .diagnostics()
        .map(|diagnostic| (diagnostic.kind, diagnostic.line))
        .collect();
    assert_eq!(kinds, [(ErrorKind::Syntax, Some(2)), (ErrorKind::Override, None)]);
}

#[test]
fn two_entries_made_equal_by_an_override_are_reported() {
    let error = bad(
        FULL,
        &["components.echo.name=calc", "components[1].version=^1.2 || ^2"],
    );
    assert_eq!(error.kind(), ErrorKind::DuplicateComponent);
    assert_eq!(
        error.to_string(),
        "--set components.echo.name=calc: two components are named \"calc\" and have the same `version`, \"^1.2 || ^2\"\n\
         help: the first is at mesh.toml:61:8; give one of them another name, or, to serve two versions of \"calc\" \
         side by side, each its own `version`",
    );
}

#[test]
fn one_of_several_versions_is_addressed_by_its_place() {
    let text = "name = \"x\"\n[[components]]\nname = \"calc\"\nlibrary = \"one\"\nversion = \"^1\"\n\
                [[components]]\nname = \"echo\"\nlibrary = \"echo\"\n\
                [[components]]\nname = \"calc\"\nlibrary = \"two\"\n";
    let error = bad(text, &["components.calc.lanes=4"]);
    assert_eq!(error.kind(), ErrorKind::Override);
    assert_eq!(
        error.to_string(),
        "--set components.calc.lanes=4: there are 2 components named \"calc\"\n\
         help: say which by its place in the file: `components[0]` (version \"^1\"), `components[2]` (version \"*\")"
    );
    let config = good(text, &["components[2].lanes=4", "components.echo.lanes=2"]);
    let lanes: Vec<usize> = config.components.iter().map(|entry| *entry.lanes).collect();
    assert_eq!(lanes, [1, 2, 4]);
}
