//! From the parsed block to code.

use crate::attribute::{ComponentAttribute, Role};
use crate::descriptor;
use crate::function::{Function, Input};
use crate::state::{State, StateFunctions};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use std::collections::HashMap;
use syn::spanned::Spanned;
use syn::{ImplItem, ItemImpl, LitBool};

/// The code for a component. Errors become `compile_error!` beside the block, so that the rest is still checked.
pub(crate) fn expand(attribute: &ComponentAttribute, mut block: ItemImpl) -> TokenStream {
    let mut errors: Vec<syn::Error> = check_block(&block).err().into_iter().collect();
    let mut functions = Vec::new();
    for item in &mut block.items {
        if let ImplItem::Fn(function) = item {
            match Function::take(function) {
                Ok(found) => functions.extend(found),
                Err(error) => errors.push(error),
            }
        }
    }
    let mut functions = Functions::sort(functions, &mut errors);
    let state = std::mem::take(&mut functions.state).check(attribute.state.as_ref(), &mut errors);
    if !errors.is_empty() {
        let errors = errors.iter().map(syn::Error::to_compile_error);
        return quote! { #(#errors)* #block };
    }
    let implementation = implement(attribute, &block, &functions, state.as_ref());
    let entry = entry(attribute, &block);
    quote! { #block #implementation #entry }
}

/// The block's functions by what they are there for.
#[derive(Default)]
struct Functions {
    methods: Vec<Function>,
    routes: Vec<Function>,
    events: Vec<Function>,
    create: Option<Function>,
    start: Option<Function>,
    stop: Option<Function>,
    health: Option<Function>,
    quiesce: Option<Function>,
    resume: Option<Function>,
    state: StateFunctions,
}

impl Functions {
    fn sort(functions: Vec<Function>, errors: &mut Vec<syn::Error>) -> Functions {
        let mut sorted = Functions::default();
        let mut names: HashMap<String, String> = HashMap::new();
        for function in functions {
            let place = match &function.role {
                Role::Method(_) => {
                    let (name, ident) = (function.wire_name(), function.ident.to_string());
                    if let Some(other) = names.insert(name.value(), ident) {
                        errors.push(syn::Error::new(
                            name.span(),
                            format!("`{}` is also the name of `{other}` on the wire: choose another with `#[method(name = \"…\")]`", name.value()),
                        ));
                    }
                    sorted.methods.push(function);
                    continue;
                }
                Role::Route(_) => {
                    let name = function.wire_name();
                    let is_same =
                        |other: &&Function| other.wire_name().value().eq_ignore_ascii_case(&name.value());
                    if let Some(other) = sorted.routes.iter().find(is_same) {
                        let message = format!(
                            "`{}` is also the route of `{}`: choose another with `#[route(\"…\")]`",
                            name.value(),
                            other.ident
                        );
                        errors.push(syn::Error::new(name.span(), message));
                    }
                    sorted.routes.push(function);
                    continue;
                }
                Role::Event(_) => {
                    sorted.events.push(function);
                    continue;
                }
                Role::Migrate(from) => {
                    sorted.state.migrations.push((*from, function));
                    continue;
                }
                Role::Create => &mut sorted.create,
                Role::Start => &mut sorted.start,
                Role::Stop => &mut sorted.stop,
                Role::Health => &mut sorted.health,
                Role::Quiesce => &mut sorted.quiesce,
                Role::Resume => &mut sorted.resume,
                Role::Snapshot => &mut sorted.state.snapshot,
                Role::Restore => &mut sorted.state.restore,
                Role::Private => continue,
            };
            let span = function.ident.span();
            if let Some(other) = place.replace(function) {
                errors.push(syn::Error::new(
                    span,
                    format!("there is one already: `{}`", other.ident),
                ));
            }
        }
        sorted
    }
}

fn check_block(block: &ItemImpl) -> syn::Result<()> {
    if let Some((path, _)) = &block.trait_ {
        return Err(syn::Error::new(
            path.span(),
            "`#[component]` belongs on the component's own `impl` block, not on that of a trait",
        ));
    }
    if !block.generics.params.is_empty() {
        return Err(syn::Error::new(
            block.generics.span(),
            "a component is one concrete type: the host makes it without knowing type parameters",
        ));
    }
    Ok(())
}

fn implement(
    attribute: &ComponentAttribute,
    block: &ItemImpl,
    functions: &Functions,
    state: Option<&State>,
) -> TokenStream {
    let component = &block.self_ty;
    let name = attribute
        .name
        .as_ref()
        .map_or_else(|| quote!(::core::env!("CARGO_PKG_NAME")), |name| quote!(#name));
    let version = attribute.version.as_ref().map_or_else(
        || quote!(::core::env!("CARGO_PKG_VERSION")),
        |version| quote!(#version),
    );
    let descriptor = descriptor::write(
        attribute,
        &functions.methods,
        &functions.routes,
        state,
        functions.health.is_some(),
    );
    let method_names = functions.methods.iter().map(Function::wire_name);
    let route_names = functions.routes.iter().map(Function::wire_name);
    let listens = functions
        .events
        .iter()
        .filter_map(|function| match &function.role {
            Role::Event(event) => {
                let (component, key) = (&event.component, &event.key);
                let range = event
                    .range
                    .as_ref()
                    .map_or_else(|| quote!(""), |range| quote!(#range));
                Some(quote!(::mesh_plugin_sdk::Listen { component: #component, key: #key, range: #range }))
            }
            _ => None,
        });
    let calls = functions
        .methods
        .iter()
        .enumerate()
        .map(|(number, method)| call_arm(number, method));
    let routes = functions
        .routes
        .iter()
        .enumerate()
        .map(|(number, route)| route_arm(number, route));
    let events = functions
        .events
        .iter()
        .enumerate()
        .map(|(number, function)| event_arm(number, function));
    let create = create(functions.create.as_ref());
    let start = lifecycle("start", functions.start.as_ref());
    let stop = lifecycle("stop", functions.stop.as_ref());
    let health = lifecycle("health", functions.health.as_ref());
    let quiesce = lifecycle("quiesce", functions.quiesce.as_ref());
    let resume = lifecycle("resume", functions.resume.as_ref());
    let state = state.map(State::implement);
    let tokio = attribute.tokio.as_ref().map(|asked| {
        quote_spanned! { asked.span() =>
            const TOKIO: bool =
                ::mesh_plugin_sdk::generated::RUNTIME_TOKIO_NEEDS_THE_FEATURE_TOKIO_OF_MESH_PLUGIN_SDK;
        }
    });
    quote! {
        #[automatically_derived]
        #[allow(clippy::all, clippy::pedantic, unused_variables, unreachable_code)]
        impl ::mesh_plugin_sdk::Component for #component {
            const NAME: &'static str = #name;
            const VERSION: &'static str = #version;
            const DESCRIPTOR: &'static str = #descriptor;
            const METHODS: &'static [&'static str] = &[#(#method_names),*];
            const ROUTES: &'static [&'static str] = &[#(#route_names),*];
            const EVENTS: &'static [::mesh_plugin_sdk::Listen] = &[#(#listens),*];
            #tokio

            #create
            #start
            #stop
            #health
            #quiesce
            #resume
            #state

            fn call(
                self: &::std::sync::Arc<Self>,
                method: usize,
                call: &mut ::mesh_plugin_sdk::generated::Call<'_>,
            ) {
                match method {
                    #(#calls)*
                    _ => {}
                }
            }

            fn http(
                self: &::std::sync::Arc<Self>,
                route: usize,
                request: ::mesh_plugin_sdk::HttpRequest,
                call: &mut ::mesh_plugin_sdk::generated::Call<'_>,
            ) {
                match route {
                    #(#routes)*
                    _ => {}
                }
            }

            fn event(
                self: &::std::sync::Arc<Self>,
                handler: usize,
                context: &::mesh_plugin_sdk::Context,
                event: ::mesh_plugin_sdk::Event,
            ) -> ::core::option::Option<::mesh_plugin_sdk::generated::BoxFuture> {
                match handler {
                    #(#events)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    }
}

/// The arguments in a call of the component's function. `context`, `origin`, `event` and the
/// numbered arguments are owned variables there, or references where `borrowed` says so.
pub(crate) fn given<'a>(
    function: &'a Function,
    context_is_reference: bool,
) -> impl Iterator<Item = TokenStream> + 'a {
    let mut number = 0;
    function.inputs.iter().map(move |input| match input {
        Input::Context { by_reference: true } if context_is_reference => quote!(context),
        Input::Context { by_reference: true } => quote!(&context),
        Input::Context { by_reference: false } if context_is_reference => {
            quote!(::core::clone::Clone::clone(context))
        }
        Input::Context { by_reference: false } => quote!(::core::clone::Clone::clone(&context)),
        Input::Origin { by_reference: true } => quote!(&origin),
        Input::Origin { by_reference: false } => quote!(origin),
        Input::Event { by_reference: true } => quote!(&event),
        Input::Event { by_reference: false } => quote!(event),
        Input::Request { by_reference: true } => quote!(&request),
        Input::Request { by_reference: false } => quote!(request),
        Input::Argument(argument) => {
            let name = format_ident!("argument_{number}");
            number += 1;
            if argument.by_reference {
                quote!(&#name)
            } else {
                quote!(#name)
            }
        }
    })
}

fn call_arm(number: usize, method: &Function) -> TokenStream {
    let ident = &method.ident;
    let types: Vec<_> = method.arguments().collect();
    let names = method.arguments().map(|argument| &argument.name);
    let variables: Vec<_> = (0..types.len())
        .map(|number| format_ident!("argument_{number}"))
        .collect();
    let origin = method
        .inputs
        .iter()
        .any(|input| matches!(input, Input::Origin { .. }))
        .then(|| quote!(let origin = call.origin();));
    // Says so at the parameter when its type cannot be read from JSON.
    let checks = types.iter().map(|argument| {
        quote_spanned!(argument.owned.span() => ::mesh_plugin_sdk::generated::argument::<#argument>();)
    });
    let read = quote_spanned!(ident.span() => call.arguments::<(#(#types,)*)>(&[#(#names),*]));
    let arguments = quote! {
        #(#checks)*
        let ::core::option::Option::Some((#(#variables,)*)) = #read else {
            return;
        };
        #origin
    };
    let body = if method.is_async {
        let given = given(method, false);
        let answer = fallible(
            method,
            quote_spanned!(method.output => Self::#ident(&*component, #(#given),*).await),
        );
        let spawn = quote_spanned!(method.output => call.spawn(async move { #answer }););
        // The future owns what the function borrows.
        quote! {
            #arguments
            let component = ::std::sync::Arc::clone(self);
            let context = ::core::clone::Clone::clone(call.context());
            #spawn
        }
    } else {
        let given = given(method, true);
        let answer = fallible(
            method,
            quote_spanned!(method.output => Self::#ident(&**self, #(#given),*)),
        );
        quote! {
            #arguments
            let context = call.context();
            call.finish(#answer);
        }
    };
    quote! { #number => { #body } }
}

fn route_arm(number: usize, route: &Function) -> TokenStream {
    let ident = &route.ident;
    let origin = route
        .inputs
        .iter()
        .any(|input| matches!(input, Input::Origin { .. }))
        .then(|| quote!(let origin = call.origin();));
    let given = given(route, !route.is_async);
    let body = if route.is_async {
        let response = fallible(
            route,
            quote_spanned!(route.output => Self::#ident(&*component, #(#given),*).await),
        );
        let spawn = quote_spanned!(route.output => call.spawn_response(async move { #response }););
        quote! {
            let component = ::std::sync::Arc::clone(self);
            let context = ::core::clone::Clone::clone(call.context());
            #origin
            #spawn
        }
    } else {
        let response = fallible(
            route,
            quote_spanned!(route.output => Self::#ident(&**self, #(#given),*)),
        );
        quote! {
            let context = call.context();
            #origin
            call.respond(#response);
        }
    };
    quote! { #number => { #body } }
}

/// A `Result` with any error becomes one with the SDK's; an error about that points at the return type.
pub(crate) fn fallible(method: &Function, outcome: TokenStream) -> TokenStream {
    match method.fallible {
        Some(span) => {
            let convert = quote_spanned!(span => ::mesh_plugin_sdk::generated::fallible);
            quote!(#convert(#outcome))
        }
        None => outcome,
    }
}

fn event_arm(number: usize, function: &Function) -> TokenStream {
    let ident = &function.ident;
    let body = if function.is_async {
        let given = given(function, false);
        quote! {
            let component = ::std::sync::Arc::clone(self);
            let context = ::core::clone::Clone::clone(context);
            ::core::option::Option::Some(::std::boxed::Box::pin(async move {
                let _ = Self::#ident(&*component, #(#given),*).await;
            }))
        }
    } else {
        let given = given(function, true);
        quote! {
            let _ = Self::#ident(&**self, #(#given),*);
            ::core::option::Option::None
        }
    };
    quote! { #number => { #body } }
}

fn create(create: Option<&Function>) -> TokenStream {
    let body = match create {
        None => quote!(::core::result::Result::Ok(
            <Self as ::mesh_plugin_sdk::generated::MadeFromNothing>::made_from_nothing()
        )),
        Some(create) => {
            let (ident, given) = (&create.ident, given(create, true));
            let config = create.arguments().map(|argument| {
                let owned = &argument.owned;
                quote!(let argument_0: #owned = ::mesh_plugin_sdk::generated::read_config(config)?;)
            });
            quote! {
                #(#config)*
                ::mesh_plugin_sdk::generated::IntoCreated::<Self>::into_created(Self::#ident(#(#given),*))
            }
        }
    };
    quote! {
        fn create(
            context: &::mesh_plugin_sdk::Context,
            config: &str,
        ) -> ::core::result::Result<Self, ::mesh_plugin_sdk::Error> {
            #body
        }
    }
}

fn lifecycle(name: &str, function: Option<&Function>) -> Option<TokenStream> {
    let function = function?;
    let (name, ident, given) = (format_ident!("{name}"), &function.ident, given(function, false));
    let wait = function.is_async.then(|| quote!(.await));
    let into_outcome =
        quote_spanned!(function.output => ::mesh_plugin_sdk::generated::IntoOutcome::into_outcome);
    Some(quote! {
        async fn #name(
            self: ::std::sync::Arc<Self>,
            context: ::mesh_plugin_sdk::Context,
        ) -> ::core::result::Result<(), ::mesh_plugin_sdk::Error> {
            #into_outcome(Self::#ident(&*self, #(#given),*) #wait)
        }
    })
}

/// The symbol that the host looks for. Tests have none: they may hold several components.
fn entry(attribute: &ComponentAttribute, block: &ItemImpl) -> TokenStream {
    let component = &block.self_ty;
    let exported = attribute.export.as_ref().is_none_or(LitBool::value).then(|| {
        quote! {
            #[cfg(not(test))]
            #[allow(unsafe_code)]
            #[unsafe(no_mangle)]
            extern "C" fn mesh_component_entry() -> *const ::mesh_plugin_sdk::abi::Component {
                &raw const COMPONENT
            }
        }
    });
    quote! {
        const _: () = {
            #[allow(dead_code)]
            static COMPONENT: ::mesh_plugin_sdk::abi::Component =
                ::mesh_plugin_sdk::generated::description::<#component>();

            #exported
        };
    }
}
