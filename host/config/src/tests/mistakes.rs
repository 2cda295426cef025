//! Each kind of mistake in the file, with the exact text it prints.

use super::*;

#[test]
fn a_misspelt_key_is_answered_with_the_right_one() {
    prints(
        "name = \"x\"\n\n[happn]\nprot = 55000\n",
        &[],
        r#"
mesh.toml:4:1: unknown key `prot` in [happn]
4 | prot = 55000
  | ^^^^
help: did you mean `port`? known keys: acknowledge_timeout_ms, compression, host, login_timeout_ms, max_connections, max_connections_before_login, max_connections_before_login_per_address, max_frame_bytes, max_subscription_bytes, max_subscriptions, outbound_queue_bytes, ping_interval_ms, port, secure, tls"#,
    );
}

#[test]
fn a_misspelt_section_is_answered_with_the_right_one() {
    prints(
        "name = \"x\"\n[component]\nname = \"a\"\n",
        &[],
        r#"
mesh.toml:2:2: unknown key `component` at the top level
2 | [component]
  |  ^^^^^^^^^
help: did you mean `components`? known keys: calls, cluster, components, console, data_component, domain, happn, name, plugins, rest, security, store, swap, web"#,
    );
}

#[test]
fn a_key_in_the_wrong_section_is_answered_with_the_right_section() {
    prints(
        "name = \"x\"\n[[components]]\nname = \"a\"\nlibrary = \"a\"\nport = 1\n",
        &[],
        r#"
mesh.toml:5:1: unknown key `port` in [[components]]
5 | port = 1
  | ^^^^
help: `port` is a key of [happn]. known keys: affinity, authority_delegation, config, crate, idempotent, lanes, library, name, reach, requires, stack_bytes, start_timeout_ms, version"#,
    );
}

#[test]
fn a_missing_name_is_reported() {
    prints(
        "",
        &[],
        "mesh.toml:1:1: missing key `name`\nhelp: add a line such as `name = \"MyMesh\"`",
    );
}

#[test]
fn a_component_without_its_library_is_reported() {
    prints(
        "name = \"x\"\n[[components]]\nname = \"calc\"\n",
        &[],
        r#"
mesh.toml:2:1: missing key `library` in [[components]]
2 | [[components]]
  | ^^^^^^^^^^^^^^
help: add a line such as `library = "calc"`"#,
    );
}

#[test]
fn a_number_in_quotes_and_a_string_without_are_reported() {
    prints(
        "name = 5\nhappn.port = \"80\"\nhappn.secure = \"true\"\n",
        &[],
        r#"
mesh.toml:1:8: `name` must be a string, found the integer 5
1 | name = 5
  |        ^
help: write `name = "5"`

mesh.toml:2:14: `port` in [happn] must be an integer from 0 to 65535, found the string "80"
2 | happn.port = "80"
  |              ^^^^
help: write `port = 80`, without quotes

mesh.toml:3:16: `secure` in [happn] must be a boolean, found the string "true"
3 | happn.secure = "true"
  |                ^^^^^^
help: write `secure = true`, without quotes"#,
    );
}

#[test]
fn a_table_in_place_of_a_list_and_the_reverse_are_reported() {
    prints(
        "name = \"x\"\n[components]\nname = \"a\"\n[[happn]]\n",
        &[],
        r#"
mesh.toml:2:1: `components` must be an array of tables, found a table
2 | [components]
  | ^^^^^^^^^^^^
help: each component starts with a line `[[components]]`, its keys below

mesh.toml:4:1: `happn` must be a table, found an array
4 | [[happn]]
  | ^^^^^^^^^
help: start it with a line `[happn]`, its keys below"#,
    );
}

#[test]
fn numbers_out_of_range_are_reported() {
    prints(
        "name = \"x\"\n[happn]\nport = 70_000\nmax_connections = -1\n[calls]\ntimeout_ms = 99999999999999999999999999999999999999999\n",
        &[],
        r#"
mesh.toml:3:8: `port` in [happn] must be from 0 to 65535, found 70000
3 | port = 70_000
  |        ^^^^^^
help: without this key it is 55000

mesh.toml:4:19: `max_connections` in [happn] must be from 1 to 1048576, found -1
4 | max_connections = -1
  |                   ^^
help: without this key it is 65536

mesh.toml:6:14: `timeout_ms` in [calls] must be from 1 to 86400000, found 99999999999999999999999999999999999999999
6 | timeout_ms = 99999999999999999999999999999999999999999
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
help: without this key it is 120000"#,
    );
}

#[test]
fn names_that_cannot_be_part_of_a_path_are_reported() {
    prints(
        "name = \" \"\ndomain = \"a/b\"\n[[components]]\nname = \"my calc\"\nlibrary = \"calc\"\n",
        &[],
        r#"
mesh.toml:1:8: `name` must not be empty, found " "
1 | name = " "
  |        ^^^

mesh.toml:2:10: `domain` must not contain `/`, found "a/b"
2 | domain = "a/b"
  |          ^^^^^
help: write for example `domain = "a-b"`

mesh.toml:4:8: `name` in [[components]] must not contain spaces, found "my calc"
4 | name = "my calc"
  |        ^^^^^^^^^
help: write for example `name = "my-calc"`"#,
    );
}

#[test]
fn a_host_that_contains_its_port_is_reported() {
    prints(
        "name = \"x\"\nhappn.host = \"127.0.0.1:55000\"\n",
        &[],
        r#"
mesh.toml:2:14: `host` in [happn] must be an address or a host name, found "127.0.0.1:55000"
2 | happn.host = "127.0.0.1:55000"
  |              ^^^^^^^^^^^^^^^^^
help: the port goes into its own key, `port`"#,
    );
    for host in ["localhost", "::1", "::", "0.0.0.0", "mesh.example.org"] {
        assert_eq!(
            good("name = \"x\"", &[&format!("happn.host={host}")])
                .happn
                .host
                .as_str(),
            host
        );
    }
    for host in ["", "http://a", "[::1]", "a b", "a/b"] {
        let error = bad("name = \"x\"", &[&format!("happn.host=\"{host}\"")]);
        assert_eq!(error.kind(), ErrorKind::InvalidValue, "{host}");
    }
}

#[test]
fn two_components_of_one_name_are_reported() {
    prints(
        "name = \"x\"\n[[components]]\nname = \"a\"\nlibrary = \"a\"\n[[components]]\nname = 'a'\nlibrary = \"b\"\n",
        &[],
        r#"
mesh.toml:6:8: two components are named "a" and have the same `version`, "*"
6 | name = 'a'
  |        ^^^
help: the first is at mesh.toml:3:8; give one of them another name, or, to serve two versions of "a" side by side, each its own `version`"#,
    );
}

#[test]
fn a_config_that_json_cannot_hold_is_reported() {
    prints(
        "name = \"x\"\n[[components]]\nname = \"a\"\nlibrary = \"a\"\nconfig = { ratio = nan, count = 99999999999999999999 }\n",
        &[],
        r#"
mesh.toml:5:20: the float nan is not a number that JSON has
5 | config = { ratio = nan, count = 99999999999999999999 }
  |                    ^^^
help: the value becomes JSON; write it as a string

mesh.toml:5:33: the integer 99999999999999999999 does not fit into 64 bits
5 | config = { ratio = nan, count = 99999999999999999999 }
  |                                 ^^^^^^^^^^^^^^^^^^^^
help: the value becomes JSON; write it as a string"#,
    );
}

#[test]
fn lines_that_are_not_toml_are_reported() {
    prints(
        "name = TestNode # mine\nhost = 127.0.0.1\nsecure = yes\npath = \"C:\\data\"\nempty =\n[happn\n",
        &[],
        r#"
mesh.toml:1:8: this is not a TOML value
1 | name = TestNode # mine
  |        ^^^^^^^^
help: text stands in double quotes: `name = "TestNode"`

mesh.toml:2:8: this is not a TOML value
2 | host = 127.0.0.1
  |        ^^^^^^^^^
help: text stands in double quotes: `host = "127.0.0.1"`

mesh.toml:3:10: this is not a TOML value
3 | secure = yes
  |          ^^^
help: write `secure = true`

mesh.toml:4:12: this is not an escape in a string
4 | path = "C:\data"
  |            ^
help: write `\\` for a backslash, or put the text in single quotes

mesh.toml:5:8: no value after `=`
5 | empty =
  |        ^

mesh.toml:6:7: not valid TOML: unclosed table, expected `]`
6 | [happn
  |       ^"#,
    );
}

#[test]
fn lines_without_an_equals_sign_are_reported() {
    prints(
        "name = \"x\"\nport: 5\nalone\n",
        &[],
        r#"
mesh.toml:2:5: unexpected `:`
2 | port: 5
  |     ^
help: a key and its value are joined by `=`, as in `key = value`

mesh.toml:3:6: a key without `=` and a value
3 | alone
  |      ^
help: write `key = value`"#,
    );
}

#[test]
fn a_string_without_its_end_is_reported() {
    prints(
        "name = \"TestNode\n",
        &[],
        "mesh.toml:1:17: the string is not closed\n1 | name = \"TestNode\n  |                 ^\n\
         help: end it with the quote it starts with",
    );
}

#[test]
fn a_key_given_twice_does_not_hide_other_mistakes() {
    prints(
        "name = \"x\"\nname = \"y\"\nprot = 1\n",
        &[],
        r#"
mesh.toml:2:1: key `name` is given twice in one table
2 | name = "y"
  | ^^^^
help: a second component starts with its own line `[[components]]`

mesh.toml:3:1: unknown key `prot` at the top level
3 | prot = 1
  | ^^^^
help: known keys: calls, cluster, components, console, data_component, domain, happn, name, plugins, rest, security, store, swap, web"#,
    );
}

#[test]
fn columns_count_characters_and_carets_stand_below_wide_ones() {
    let error = bad(
        "name = \"é\" # \u{1f980}\n\t\"wïder\" = { 名前 = 1 }\nhappn = { host = \"名前\", \"é\" = 1 }\n",
        &[],
    );
    let places: Vec<_> = error
        .diagnostics()
        .map(|diagnostic| (diagnostic.line, diagnostic.column))
        .collect();
    // A bare key of other letters is not TOML.
    assert_eq!(places, [(Some(2), Some(14))]);
    prints(
        "name = \"x\"\nhappn = { host = \"名前\", \"é\" = 1 }\n",
        &[],
        "mesh.toml:2:24: unknown key `é` in [happn]\n\
         2 | happn = { host = \"名前\", \"é\" = 1 }\n\
         \x20 |                          ^^^\n\
         help: known keys: acknowledge_timeout_ms, compression, host, login_timeout_ms, max_connections, max_connections_before_login, max_connections_before_login_per_address, max_frame_bytes, max_subscription_bytes, max_subscriptions, outbound_queue_bytes, ping_interval_ms, port, secure, tls",
    );
    prints(
        "\u{feff}nam = 1\r\n\tdomian = \"x\"\r\n",
        &["name=x"],
        "mesh.toml:1:1: unknown key `nam` at the top level\n1 | nam = 1\n  | ^^^\n\
         help: did you mean `name`? known keys: calls, cluster, components, console, data_component, domain, happn, name, plugins, rest, security, store, swap, web\n\n\
         mesh.toml:2:2: unknown key `domian` at the top level\n2 | \tdomian = \"x\"\n  | \t^^^^^^\n\
         help: did you mean `domain`? known keys: calls, cluster, components, console, data_component, domain, happn, name, plugins, rest, security, store, swap, web",
    );
}

#[test]
fn a_long_line_is_cut_around_the_mistake() {
    let text = format!(
        "name = \"x\"\nhappn = {{ host = \"{}\", prot = 1, port = {} }}\n",
        "a".repeat(300),
        "1".repeat(300)
    );
    let printed = bad(&text, &[]).to_string();
    let lines: Vec<&str> = printed.lines().collect();
    // A list of keys is as long as it has to be.
    let mut short = lines.iter().filter(|line| !line.starts_with("help: "));
    assert!(short.all(|line| line.chars().count() < 220), "{printed}");
    let caret = lines[2].find('^').expect("there is a caret");
    let below: String = lines[1].chars().skip(caret).take(4).collect();
    assert_eq!(below, "prot", "{printed}");
}

#[test]
fn a_password_is_never_printed() {
    let texts = [
        "[security]\nadmin_password = 772211\n",
        "[security]\r\nadmin_pasword = \"772211\"\r\n",
        "[security]\nadmin_password = 772211x\n",
        "[security]\nadmin_password = \"772211\n",
        "[security]\nadmin_password: 772211\n",
        "security = { admin_password = 772211, x = 1 }\n",
        "security.admin_password = 772211\n",
        "security = \"772211\"\n",
        "[secuirty]\nadmin_password = 772211x\n",
        "[[components]]\nname = 1\nlibrary = 'a'\nconfig = { x = nan, db_password = '772211', y = nan }\n",
        "[[components]]\n[components.config]\ntoken = 772211772211772211772211772211\n",
        "[[components]]\nname = 'a'\nconfig = { }\npassword: '772211'\n",
    ];
    for text in texts {
        let error = bad(text, &[]);
        assert!(!error.to_string().contains("772211"), "{text}\n{error}");
        assert!(!format!("{error:?}").contains("772211"), "{text}\n{error:?}");
    }
    for text in [
        "security.admin_password=772211",
        "security=772211",
        "security.pw=772211",
        "security.admin_password=\"772211",
        "security.admin_password:772211",
    ] {
        let error = bad("name = \"x\"", &[text]);
        assert!(error.to_string().contains("***"), "{error}");
        assert!(!format!("{error}{error:?}").contains("772211"), "{error:?}");
    }
    prints(
        "name = \"x\"\n[security]\nadmin_password = 772211\n",
        &[],
        "mesh.toml:3:18: `admin_password` in [security] must be a string, found an integer\n\
         3 | admin_password = ***\n  |                  ^^^\nhelp: write `admin_password = \"…\"`",
    );
}

#[test]
fn a_key_of_happn_is_answered_with_the_one_that_says_the_same_here() {
    for (section, key, here) in [
        (
            "security",
            "disableDefaultAdminNetworkConnections",
            "`admin_over_network = false` in [security]",
        ),
        (
            "happn",
            "disable_default_admin_network_connections",
            "`admin_over_network = false` in [security]",
        ),
        ("web", "unauthorizedResponsePath", "`unauthorized_page` in [web]"),
        ("security", "forbiddenResponsePath", "`forbidden_page` in [web]"),
        ("security", "allowLogoutOverHttp", "`http_logout` in [security]"),
    ] {
        let error = bad(&format!("name = \"x\"\n[{section}]\n{key} = true\n"), &[]);
        let expected = format!("write {here}: that says what this key says in happn.");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}
