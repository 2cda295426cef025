//! What authors read when something is wrong.

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
        "`#[method]` knows `name`",
    );
    says("", "impl C { #[route(\"a\")] fn on(&self) {} }", "not there yet");
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
