//! Messages for authors whose component is wrong.

use crate::attribute::ComponentAttribute;
use crate::expand::expand;

/// The messages of `compile_error!` in the code for an attribute and a block.
fn messages(attribute: &str, block: &str) -> String {
    match syn::parse_str::<ComponentAttribute>(attribute) {
        Ok(attribute) => expand(&attribute, syn::parse_str(block).expect("the block is Rust")).to_string(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn says(attribute: &str, block: &str, what: &str) {
    let said = messages(attribute, block);
    assert!(said.contains(what), "{said}\ndoes not say: {what}");
}

#[test]
fn attributes_are_explained() {
    says("nme = \"x\"", "", "unknown key: `#[component]` knows `name`");
    says("name = \"a/b\"", "", "one segment of a path");
    says("version = \"1.2\"", "", "a version has three numbers");
    says("name = \"a\", name = \"b\"", "", "given twice");
    says("runtime = \"smol\"", "", "the only runtime to choose");
    says(
        "",
        "impl C { #[event(component = \"a\")] fn on(&self, event: Event) {} }",
        "`key` is missing",
    );
    says(
        "",
        "impl C { #[event] fn on(&self, event: Event) {} }",
        "whose events?",
    );
    says(
        "",
        "impl C { #[method(nam = \"a\")] fn on(&self) {} }",
        "`#[method]` knows `name` and `idempotent`",
    );
    says(
        "",
        "impl C { #[method(idempotent = true)] fn on(&self) {} }",
        "expected `,`",
    );
    says("routes(\"a\")", "", "a web route is a function with `#[route]`");
    says(
        "",
        "impl C { #[route(name = \"a\")] fn on(&self) {} }",
        "a route has one name",
    );
    for name in ["", "/a", "a/", "a//b", "a/../b", "a b", "a?b", "a%20b", "a*"] {
        let block = format!("impl C {{ #[route(\"{name}\")] fn on(&self) {{}} }}");
        says("", &block, "becomes part of a URL");
    }
    let twice = "impl C { #[route] fn page(&self) {} #[route(\"Page\")] fn other(&self) {} }";
    says("", twice, "`Page` is also the route of `page`");
    says(
        "",
        "impl C { #[route] fn page(&self, name: String) {} }",
        "a function with `#[route]` is given an `HttpRequest`",
    );
    says(
        "",
        "impl C { fn page(&self, request: HttpRequest) {} }",
        "only a function with `#[route]` is given an `HttpRequest`",
    );
    says(
        "",
        "impl C { #[event(key = \"a\")] fn on(&self, event: Event) {} }",
        "`component` is missing",
    );
    says(
        "",
        "impl C { #[event(component = \"a\", kye = \"b\")] fn on(&self, event: Event) {} }",
        "`#[event]` knows `component`, `key` and `range`",
    );
    says(
        "",
        "impl C { fn on(&self, #[parameter(nam = \"a\")] a: u8) {} }",
        "`#[parameter]` knows `name`",
    );
    says(
        "",
        "impl C { #[parameter(name = \"a\")] fn on(&self, a: u8) {} }",
        "belongs before a parameter, inside the parentheses",
    );
    says(
        "",
        "impl C { #[method(name = \"a\", name = \"b\")] fn on(&self) {} }",
        "given twice",
    );
}

#[test]
fn names_that_clients_cannot_write_are_refused_wherever_they_stand() {
    let long = "n".repeat(257);
    for name in ["", "a b", "a*", "a@b", "a\\tb", &long] {
        says(&format!("name = \"{name}\""), "", "one segment of a path");
        let block = format!("impl C {{ #[method(name = \"{name}\")] fn on(&self) {{}} }}");
        says("", &block, "one segment of a path");
    }
    for version in ["1", "01.2.3", "1.2.3-", "v1.2.3", "1.2.3.4"] {
        says(
            &format!("version = \"{version}\""),
            "",
            "a version has three numbers",
        );
    }
}

#[test]
fn functions_are_explained() {
    says(
        "",
        "impl C { fn eat(self) {} }",
        "the component answers more calls after this one",
    );
    says("", "impl C { fn add(&mut self) {} }", "an atomic or a `Mutex`");
    says(
        "",
        "impl C { fn add<T>(&self, a: T) {} }",
        "take `Value` for anything",
    );
    says(
        "",
        "impl C { fn add(&self, a: impl Into<f64>) {} }",
        "its type must be said",
    );
    says(
        "",
        "impl C { fn add(&self, (a, b): (u8, u8)) {} }",
        "a parameter needs a name",
    );
    says("", "impl C { unsafe fn add(&self) {} }", "cannot be `unsafe`");
    says(
        "",
        "impl C { fn add(&self, callback: u8) {} }",
        "stands for the answer",
    );
    says(
        "",
        "impl C { #[cfg(unix)] fn add(&self) {} }",
        "the same in every build",
    );
    says("", "impl C { extern \"C\" fn add(&self) {} }", "remove the ABI");
    says(
        "",
        "impl C { fn add(&self, a: &mut Vec<u8>) {} }",
        "nothing is given as `&mut`",
    );
    for inside in [
        "Option<&str>",
        "Vec<&[u8]>",
        "(u8, &str)",
        "[&str; 2]",
        "&[&str]",
        "HashMap<String, Option<&str>>",
    ] {
        says(
            "",
            &format!("impl C {{ fn add(&self, a: {inside}) {{}} }}"),
            "only a parameter itself can be borrowed",
        );
    }
    let code = messages(
        "",
        "impl C { fn add(&self, a: &str, b: &[f64], c: Option<String>, d: &Order) {} }",
    );
    assert!(!code.contains("compile_error"), "{code}");
    let thirteen: Vec<String> = (1..=13).map(|number| format!("a{number}: u8")).collect();
    let twelve = thirteen[..12].join(", ");
    says(
        "",
        &format!("impl C {{ fn add(&self, {}) {{}} }}", thirteen.join(", ")),
        "at most twelve parameters: take one object",
    );
    let code = messages(
        "",
        &format!("impl C {{ fn add(&self, context: &Context, {twelve}) {{}} }}"),
    );
    assert!(!code.contains("compile_error"), "{code}");
    says(
        "",
        "impl C { #[private] fn helper(&self, #[parameter(name = \"b\")] a: u8) {} }",
        "has no parameters on the wire",
    );
    says(
        "",
        "impl C { #[create] fn new(one: A, two: B) -> Self {} }",
        "`&Context` and one configuration value, both optional",
    );
    says(
        "",
        "impl C { #[event(component = \"a\", key = \"b\")] fn on(&self, a: u8) {} }",
        "is given an `Event` and, where it wants",
    );
    says("", "impl C { #[start] #[stop] fn both(&self) {} }", "only one of");
    says(
        "",
        "impl C { #[start] fn a(&self) {} #[start] fn b(&self) {} }",
        "there is one already: `a`",
    );
    says("", "impl C { #[start] fn start() {} }", "needs `&self`");
    says(
        "",
        "impl C { #[create] async fn new() -> Self {} }",
        "`#[create]` cannot wait",
    );
    says(
        "",
        "impl C { #[create] fn new(&self) -> Self {} }",
        "no `self` yet",
    );
    says(
        "",
        "impl C { fn heard(&self, event: Event) {} }",
        "only a function with `#[event",
    );
    says(
        "",
        "impl C { fn a_b(&self) {} #[method(name = \"aB\")] fn other(&self) {} }",
        "`aB` is also the name of `a_b`",
    );
}

/// A block that has all that a state needs, and these functions.
fn with_state(functions: &str) -> String {
    format!(
        "impl C {{ #[snapshot] fn save(&self) -> S {{}} #[restore] fn restore(&self, state: S) {{}} {functions} }}"
    )
}

#[test]
fn numbers_of_states_are_explained() {
    for wrong in ["0", "-1", "\"1\"", "4294967296", "1.5"] {
        says(&format!("state = {wrong}"), "", "whole numbers from 1 on");
        let block = with_state(&format!("#[migrate(from = {wrong})] fn two(old: A) -> B {{}}"));
        says("state = 2", &block, "whole numbers from 1 on");
    }
    says("state = 1, state = 2", "", "given twice");
    says("", &with_state(""), "add `state = 1` to `#[component(…)]`");
    says(
        "",
        "impl C { #[migrate(from = 1)] fn two(old: A) -> B {} }",
        "add `state = 1` to",
    );
}

#[test]
fn missing_functions_of_a_state_are_named() {
    says(
        "state = 1",
        "impl C { #[restore] fn restore(&self, state: S) {} }",
        "add `#[snapshot] fn save(&self) -> State`",
    );
    says(
        "state = 1",
        "impl C { #[snapshot] fn save(&self) -> S {} }",
        "add `#[restore] fn restore(&self, state: State)`",
    );
    let twice = with_state("#[restore] fn again(&self, state: S) {}");
    says("state = 1", &twice, "there is one already: `restore`");
    let none = with_state("#[restore] fn other(&self) {}");
    says("state = 1", &none, "is given the state");
    let other = with_state("#[health] fn healthy(&self, of: u8) {}");
    says("state = 1", &other, "is given `&Context`, where it wants");
}

#[test]
fn migrations_lead_from_each_schema_to_the_next() {
    let migrations = |from: &[&str]| {
        let functions: Vec<String> = from
            .iter()
            .enumerate()
            .map(|(number, from)| format!("#[migrate(from = {from})] fn step{number}(old: A) -> B {{}}"))
            .collect();
        with_state(&functions.join(" "))
    };
    says(
        "state = 3",
        &migrations(&["1"]),
        "none leads from 2 to 3: add one with `#[migrate(from = 2)]`",
    );
    says(
        "state = 4",
        &migrations(&["3", "1"]),
        "none leads from 2 to 3: add one with `#[migrate(from = 2)]`",
    );
    says(
        "state = 3",
        &migrations(&["2", "2"]),
        "`step0` migrates from schema 2 already",
    );
    for from in ["2", "3", "4294967295"] {
        says(
            "state = 2",
            &migrations(&[from]),
            "since this version writes schema 2",
        );
    }
    // Versions may forget how to read the oldest states.
    let code = messages("state = 4", &migrations(&["3", "2"]));
    assert!(code.contains("\\\"restores\\\":[2,3,4]"), "{code}");
}

#[test]
fn migrations_are_plain_functions() {
    let says = |function: &str, what: &str| says("state = 2", &with_state(function), what);
    says(
        "#[migrate(from = 1)] fn two(&self, old: A) -> B {}",
        "so it takes no `self`",
    );
    says(
        "#[migrate(from = 1)] async fn two(old: A) -> B {}",
        "`#[migrate]` cannot wait",
    );
    says("#[migrate(from = 1)] fn two() -> B {}", "is given the old state");
    says(
        "#[migrate(from = 1)] fn two(context: &Context, old: A) -> B {}",
        "is given the old state",
    );
    says("#[migrate] fn two(old: A) -> B {}", "from which schema?");
    says("#[migrate()] fn two(old: A) -> B {}", "from which schema?");
    says(
        "#[migrate(to = 1)] fn two(old: A) -> B {}",
        "`#[migrate]` knows `from`",
    );
    says(
        "#[restore(from = 1)] fn two(&self, old: A) {}",
        "is turned into the next by `#[migrate(from = 1)]",
    );
}

#[test]
fn blocks_are_explained() {
    says("", "impl Clone for C {}", "the component's own `impl` block");
    says("", "impl<T> C<T> {}", "one concrete type");
}

#[test]
fn functions_that_are_no_methods_are_left_alone() {
    let code = messages(
        "",
        "impl C { fn helper(a: u8) {} #[private] fn other<T>(self, a: T) {} const A: u8 = 1; }",
    );
    assert!(!code.contains("compile_error"), "{code}");
    assert!(
        code.contains("METHODS : & 'static [& 'static str] = & []"),
        "{code}"
    );
}
