//! State for other versions of a component: the functions that write, take over and migrate its state.
//!
//! Enters: the schema number of `#[component(state = …)]` and the functions with `#[snapshot]`, `#[restore]` and
//! `#[migrate]`. Leaves: the schemas that can be read, and the code that does it. Guarantees: code is written only
//! when a way leads from every schema that is read to the component's own.

use crate::expand::{fallible, given};
use crate::function::Function;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::LitInt;
use syn::spanned::Spanned;

/// A component's state, checked.
pub(crate) struct State {
    /// The schema that it writes.
    pub(crate) schema: u32,
    snapshot: Function,
    restore: Function,
    /// One for each schema before its own that it can read, the oldest first, without a gap.
    migrations: Vec<Function>,
}

/// The functions of a block that have to do with state.
#[derive(Default)]
pub(crate) struct StateFunctions {
    pub(crate) snapshot: Option<Function>,
    pub(crate) restore: Option<Function>,
    /// Each with the schema that it leads away from.
    pub(crate) migrations: Vec<(u32, Function)>,
}

impl StateFunctions {
    /// `None` when the component has no state, or not all that it needs for one: then there are errors.
    pub(crate) fn check(self, number: Option<&LitInt>, errors: &mut Vec<syn::Error>) -> Option<State> {
        let Some(number) = number else {
            errors.extend(self.spans().map(|span| {
                syn::Error::new(
                    span,
                    "states are numbered, so that versions know which ones they can read: add `state = 1` to `#[component(…)]`",
                )
            }));
            return None;
        };
        let before = errors.len();
        if self.snapshot.is_none() {
            errors.push(syn::Error::new(
                number.span(),
                "a component with a state must write it: add `#[snapshot] fn save(&self) -> State`",
            ));
        }
        if self.restore.is_none() {
            errors.push(syn::Error::new(
                number.span(),
                "a component with a state must take it over: add `#[restore] fn restore(&self, state: State)`",
            ));
        }
        let schema = match number.base10_parse() {
            Ok(schema) => schema,
            Err(error) => {
                errors.push(error);
                return None;
            }
        };
        let migrations = check_chain(schema, self.migrations, errors);
        if errors.len() > before {
            return None;
        }
        Some(State {
            schema,
            snapshot: self.snapshot?,
            restore: self.restore?,
            migrations,
        })
    }

    fn spans(&self) -> impl Iterator<Item = Span> {
        let migrations = self.migrations.iter().map(|(_, function)| function);
        self.snapshot
            .iter()
            .chain(&self.restore)
            .chain(migrations)
            .map(|function| function.ident.span())
    }
}

/// Puts migrations in order. There is one for each step up to the component's own schema.
fn check_chain(
    schema: u32,
    mut migrations: Vec<(u32, Function)>,
    errors: &mut Vec<syn::Error>,
) -> Vec<Function> {
    migrations.sort_by_key(|(from, _)| *from);
    let mut previous: Option<(u32, String)> = None;
    for (from, function) in &migrations {
        let (from, span) = (*from, function.ident.span());
        if from >= schema {
            errors.push(syn::Error::new(
                span,
                format!("a state of schema {from} is not migrated, since this version writes schema {schema}: is `state = …` to be raised?"),
            ));
            break;
        }
        match &previous {
            Some((other, name)) if *other == from => errors.push(syn::Error::new(
                span,
                format!("`{name}` migrates from schema {from} already"),
            )),
            Some((other, _)) if *other + 1 < from => errors.push(no_step(span, other + 1)),
            _ => {}
        }
        previous = Some((from, function.ident.to_string()));
    }
    if let (Some((from, _)), Some((_, last))) = (previous, migrations.last())
        && from + 1 < schema
    {
        errors.push(no_step(last.ident.span(), from + 1));
    }
    migrations.into_iter().map(|(_, function)| function).collect()
}

fn no_step(span: Span, from: u32) -> syn::Error {
    syn::Error::new(
        span,
        format!(
            "each migration leads to the next schema, and none leads from {from} to {}: add one with `#[migrate(from = {from})]`",
            from + 1
        ),
    )
}

impl State {
    /// The schemas that it can read, the oldest first.
    pub(crate) fn restores(&self) -> impl Iterator<Item = u32> {
        (self.schema - self.migrations.len() as u32)..=self.schema
    }

    /// The items of the implementation of the SDK's trait.
    pub(crate) fn implement(&self) -> TokenStream {
        let schema = self.schema;
        let (snapshot, restore) = (self.snapshot(), self.restore());
        quote! {
            const STATE: u32 = #schema;

            #snapshot
            #restore
        }
    }

    fn snapshot(&self) -> TokenStream {
        let function = &self.snapshot;
        let ident = &function.ident;
        let write = quote_spanned!(function.output => ::mesh_plugin_sdk::generated::write_state);
        let body = if function.is_async {
            let given = given(function, false);
            let state = quote_spanned!(function.output => Self::#ident(&*component, #(#given),*).await);
            let state = fallible(function, state);
            quote! {
                let component = ::std::sync::Arc::clone(self);
                let context = ::core::clone::Clone::clone(call.context());
                call.spawn(async move { #write(#state) });
            }
        } else {
            let given = given(function, true);
            let state = quote_spanned!(function.output => Self::#ident(&**self, #(#given),*));
            let state = fallible(function, state);
            quote! {
                let context = call.context();
                call.finish(#write(#state));
            }
        };
        quote! {
            fn snapshot(
                self: &::std::sync::Arc<Self>,
                call: &mut ::mesh_plugin_sdk::generated::Call<'_>,
            ) {
                #body
            }
        }
    }

    fn restore(&self) -> TokenStream {
        let function = &self.restore;
        let ident = &function.ident;
        let own = function.arguments().map(|state| &state.owned);
        let arms = self
            .restores()
            .enumerate()
            .map(|(first, schema)| self.read_arm(schema, &self.migrations[first..]));
        let into_outcome =
            quote_spanned!(function.output => ::mesh_plugin_sdk::generated::IntoOutcome::into_outcome);
        let take_over = if function.is_async {
            let given = given(function, false);
            quote! {
                let component = ::std::sync::Arc::clone(self);
                let context = ::core::clone::Clone::clone(call.context());
                call.spawn(async move {
                    #into_outcome(Self::#ident(&*component, #(#given),*).await)
                });
            }
        } else {
            let given = given(function, true);
            quote! {
                let context = call.context();
                call.finish(#into_outcome(Self::#ident(&**self, #(#given),*)));
            }
        };
        quote! {
            fn restore(
                self: &::std::sync::Arc<Self>,
                call: &mut ::mesh_plugin_sdk::generated::Call<'_>,
            ) {
                let read = || -> ::core::result::Result<#(#own)*, ::mesh_plugin_sdk::Error> {
                    match call.schema() {
                        #(#arms)*
                        _ => ::core::result::Result::Err(call.unknown_schema()),
                    }
                };
                match read() {
                    ::core::result::Result::Ok(argument_0) => { #take_over }
                    ::core::result::Result::Err(error) => {
                        call.finish(::core::result::Result::<(), ::mesh_plugin_sdk::Error>::Err(error));
                    }
                }
            }
        }
    }

    /// Reads a state of one schema and leads it through these migrations.
    fn read_arm(&self, schema: u32, migrations: &[Function]) -> TokenStream {
        let first = migrations.first().unwrap_or(&self.restore);
        let read = first
            .arguments()
            .map(|state| quote_spanned!(state.owned.span() => call.state::<#state>()?))
            .collect();
        let state = migrations.iter().fold(read, |state: TokenStream, migration| {
            let ident = &migration.ident;
            let given = migration.arguments().map(|argument| {
                if argument.by_reference {
                    quote!(&#state)
                } else {
                    quote!(#state)
                }
            });
            let migrated = quote_spanned!(migration.output => Self::#ident(#(#given),*));
            match migration.fallible {
                Some(_) => {
                    let migrated = fallible(migration, migrated);
                    quote!(#migrated?)
                }
                None => migrated,
            }
        });
        quote!(#schema => ::core::result::Result::Ok(#state),)
    }
}
