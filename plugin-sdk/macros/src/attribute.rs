//! Arguments of `#[component(…)]` and of the attributes of functions.

use crate::names;
use syn::meta::ParseNestedMeta;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, LitBool, LitInt, LitStr, Meta, Token, parenthesized};

/// `#[component(name = "calc", version = "1.2.3", …)]`
#[derive(Default)]
pub(crate) struct ComponentAttribute {
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) events: Vec<LitStr>,
    /// Where the tokio runtime was asked for.
    pub(crate) tokio: Option<LitStr>,
    /// The schema in which it writes its state, where it has one to hand over.
    pub(crate) state: Option<LitInt>,
    pub(crate) export: Option<LitBool>,
}

impl Parse for ComponentAttribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<ComponentAttribute> {
        let mut attribute = ComponentAttribute::default();
        let parser = syn::meta::parser(|meta| attribute.key(&meta));
        parser.parse2(input.parse()?)?;
        Ok(attribute)
    }
}

impl ComponentAttribute {
    fn key(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("name") {
            let name = text(meta)?;
            names::check_segment(&name)?;
            once(meta, &mut self.name, name)
        } else if meta.path.is_ident("version") {
            let version = text(meta)?;
            names::check_version(&version)?;
            once(meta, &mut self.version, version)
        } else if meta.path.is_ident("events") {
            self.events = list(meta)?;
            Ok(())
        } else if meta.path.is_ident("runtime") {
            let runtime = text(meta)?;
            if runtime.value() != "tokio" {
                return Err(syn::Error::new(
                    runtime.span(),
                    "the only runtime to choose is `\"tokio\"`; leave `runtime` out for the SDK's own executor",
                ));
            }
            once(meta, &mut self.tokio, runtime)
        } else if meta.path.is_ident("state") {
            let number = schema(meta)?;
            once(meta, &mut self.state, number)
        } else if meta.path.is_ident("export") {
            let export = meta.value()?.parse()?;
            once(meta, &mut self.export, export)
        } else {
            Err(meta.error(
                "unknown key: `#[component]` knows `name`, `version`, `events(…)`, `runtime`, `state` and `export`; a web route is a function with `#[route]`",
            ))
        }
    }
}

/// The attributes of one function that are the SDK's own.
#[derive(Default)]
pub(crate) struct FunctionAttributes {
    pub(crate) roles: Vec<(Role, proc_macro2::Span)>,
    pub(crate) description: String,
}

/// The role of a function.
#[derive(Clone)]
pub(crate) enum Role {
    /// `#[method(name = "other", idempotent)]`
    Method(MethodAttribute),
    /// `#[route("page")]`
    Route(Option<LitStr>),
    /// `#[create]`
    Create,
    /// `#[start]`
    Start,
    /// `#[stop]`
    Stop,
    /// `#[event(component = "…", key = "…", range = "…")]`
    Event(EventAttribute),
    /// `#[snapshot]`
    Snapshot,
    /// `#[restore]`
    Restore,
    /// `#[migrate(from = 1)]`
    Migrate(u32),
    /// `#[health]`
    Health,
    /// `#[quiesce]`
    Quiesce,
    /// `#[resume]`
    Resume,
    /// `#[private]`
    Private,
}

/// `#[method(name = "other", idempotent)]`
#[derive(Clone, Default)]
pub(crate) struct MethodAttribute {
    /// Another name on the wire.
    pub(crate) name: Option<LitStr>,
    /// Whether it may be executed twice for one call.
    pub(crate) is_idempotent: bool,
}

/// `#[event(component = "emitter", key = "sums/*", range = "^2.0.0")]`
#[derive(Clone)]
pub(crate) struct EventAttribute {
    pub(crate) component: LitStr,
    pub(crate) key: LitStr,
    pub(crate) range: Option<LitStr>,
}

impl FunctionAttributes {
    /// Takes the SDK's own attributes out of `attributes`, and reads the documentation.
    pub(crate) fn take(attributes: &mut Vec<Attribute>) -> syn::Result<FunctionAttributes> {
        let mut found = FunctionAttributes::default();
        let mut lines: Vec<String> = Vec::new();
        let mut kept = Vec::new();
        for attribute in attributes.drain(..) {
            let span = attribute
                .path()
                .get_ident()
                .map_or_else(proc_macro2::Span::call_site, syn::Ident::span);
            let role = match attribute.path().get_ident().map(ToString::to_string).as_deref() {
                Some("method") => Role::Method(method(&attribute)?),
                Some("event") => Role::Event(event(&attribute)?),
                Some("route") => Role::Route(route(&attribute)?),
                Some("create") => plain(&attribute, Role::Create)?,
                Some("start") => plain(&attribute, Role::Start)?,
                Some("stop") => plain(&attribute, Role::Stop)?,
                Some("snapshot") => plain(&attribute, Role::Snapshot)?,
                Some("restore") => restore(&attribute)?,
                Some("migrate") => Role::Migrate(migrate(&attribute)?),
                Some("health") => plain(&attribute, Role::Health)?,
                Some("quiesce") => plain(&attribute, Role::Quiesce)?,
                Some("resume") => plain(&attribute, Role::Resume)?,
                Some("private") => plain(&attribute, Role::Private)?,
                Some("parameter") => {
                    return Err(syn::Error::new(
                        span,
                        "`#[parameter]` belongs before a parameter, inside the parentheses",
                    ));
                }
                name => {
                    if name == Some("doc") {
                        lines.extend(doc_line(&attribute));
                    }
                    kept.push(attribute);
                    continue;
                }
            };
            found.roles.push((role, span));
        }
        *attributes = kept;
        found.description = lines.join("\n").trim().to_owned();
        Ok(found)
    }
}

/// Takes `#[parameter(name = "…")]` out of a parameter's attributes.
pub(crate) fn take_parameter_name(attributes: &mut Vec<Attribute>) -> syn::Result<Option<LitStr>> {
    let mut name = None;
    let (own, kept): (Vec<Attribute>, Vec<Attribute>) = attributes
        .drain(..)
        .partition(|attribute| attribute.path().is_ident("parameter"));
    *attributes = kept;
    for attribute in own {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("unknown key: `#[parameter]` knows `name`"));
            }
            let value = text(&meta)?;
            once(&meta, &mut name, value)
        })?;
    }
    Ok(name)
}

fn method(attribute: &Attribute) -> syn::Result<MethodAttribute> {
    let mut method = MethodAttribute::default();
    if matches!(attribute.meta, Meta::Path(_)) {
        return Ok(method);
    }
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("idempotent") {
            method.is_idempotent = true;
            return Ok(());
        }
        if !meta.path.is_ident("name") {
            return Err(meta.error("unknown key: `#[method]` knows `name` and `idempotent`"));
        }
        let value = text(&meta)?;
        names::check_segment(&value)?;
        once(&meta, &mut method.name, value)
    })?;
    Ok(method)
}

fn route(attribute: &Attribute) -> syn::Result<Option<LitStr>> {
    if matches!(attribute.meta, Meta::Path(_)) {
        return Ok(None);
    }
    let name: LitStr = attribute.parse_args().map_err(|error| {
        let message =
            "a route has one name, such as `#[route(\"page\")]`; without one it has that of the function";
        syn::Error::new(error.span(), message)
    })?;
    names::check_route(&name)?;
    Ok(Some(name))
}

fn event(attribute: &Attribute) -> syn::Result<EventAttribute> {
    let (mut component, mut key, mut range) = (None, None, None);
    let example = "`#[event(component = \"emitter\", key = \"sums/*\", range = \"^2.0.0\")]`";
    if !matches!(attribute.meta, Meta::List(_)) {
        return Err(syn::Error::new_spanned(
            attribute,
            format!("whose events? Write {example}"),
        ));
    }
    attribute.parse_nested_meta(|meta| {
        let place = if meta.path.is_ident("component") {
            &mut component
        } else if meta.path.is_ident("key") {
            &mut key
        } else if meta.path.is_ident("range") {
            &mut range
        } else {
            return Err(meta.error("unknown key: `#[event]` knows `component`, `key` and `range`"));
        };
        let value = text(&meta)?;
        once(&meta, place, value)
    })?;
    match (component, key) {
        (Some(component), Some(key)) => Ok(EventAttribute {
            component,
            key,
            range,
        }),
        (None, _) => Err(syn::Error::new_spanned(
            attribute,
            format!("`component` is missing: {example}"),
        )),
        (_, None) => Err(syn::Error::new_spanned(
            attribute,
            format!("`key` is missing: {example}"),
        )),
    }
}

fn restore(attribute: &Attribute) -> syn::Result<Role> {
    if matches!(attribute.meta, Meta::Path(_)) {
        return Ok(Role::Restore);
    }
    Err(syn::Error::new_spanned(
        attribute,
        "`#[restore]` takes over states of the component's own schema; an older one is turned into the next by `#[migrate(from = 1)] fn two(old: State1) -> State2`",
    ))
}

fn migrate(attribute: &Attribute) -> syn::Result<u32> {
    let example = "`#[migrate(from = 1)] fn two(old: State1) -> State2`";
    let mut from = None;
    if matches!(attribute.meta, Meta::List(_)) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("from") {
                return Err(meta.error("unknown key: `#[migrate]` knows `from`"));
            }
            let number = schema(&meta)?;
            once(&meta, &mut from, number)
        })?;
    }
    match from {
        Some(from) => from.base10_parse(),
        None => Err(syn::Error::new_spanned(
            attribute,
            format!("from which schema? Write {example}"),
        )),
    }
}

/// The number of a state's schema.
fn schema(meta: &ParseNestedMeta<'_>) -> syn::Result<LitInt> {
    let value = meta.value()?;
    let wrong = |span| syn::Error::new(span, "schemas of states are whole numbers from 1 on, such as `1`");
    let number: LitInt = value.parse().map_err(|error: syn::Error| wrong(error.span()))?;
    match number.base10_parse::<u32>() {
        Ok(1..) => Ok(number),
        _ => Err(wrong(number.span())),
    }
}

fn plain(attribute: &Attribute, role: Role) -> syn::Result<Role> {
    attribute.meta.require_path_only()?;
    Ok(role)
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let syn::Expr::Lit(syn::ExprLit {
        lit: syn::Lit::Str(text),
        ..
    }) = &pair.value
    else {
        return None;
    };
    let text = text.value();
    Some(text.strip_prefix(' ').unwrap_or(&text).trim_end().to_owned())
}

fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    meta.value()?.parse()
}

fn list(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<LitStr>> {
    let content;
    parenthesized!(content in meta.input);
    let texts = content.parse_terminated(<LitStr as Parse>::parse, Token![,])?;
    Ok(texts.into_iter().collect())
}

fn once<T>(meta: &ParseNestedMeta<'_>, place: &mut Option<T>, value: T) -> syn::Result<()> {
    if place.replace(value).is_some() {
        return Err(meta.error("this key is given twice"));
    }
    Ok(())
}
