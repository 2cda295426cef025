//! One function of the `impl` block: what it is there for, and what it wants to be given.

use crate::attribute::{FunctionAttributes, MethodAttribute, Role, take_parameter_name};
use crate::names;
use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{FnArg, GenericParam, Ident, ImplItemFn, LitStr, Pat, ReceiverKind, Type};

/// A function that the SDK calls.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    pub(crate) role: Role,
    pub(crate) is_async: bool,
    pub(crate) inputs: Vec<Input>,
    pub(crate) description: String,
    /// Where the return type is written, or else the name.
    pub(crate) output: Span,
    /// The error type, where the return type is written as a `Result` of two types.
    pub(crate) fallible: Option<Span>,
}

/// The parameters of a function.
pub(crate) enum Input {
    /// The component's access to the mesh.
    Context { by_reference: bool },
    /// The caller.
    Origin { by_reference: bool },
    /// An event.
    Event { by_reference: bool },
    /// A web request.
    Request { by_reference: bool },
    /// An argument of the call, or the configuration.
    Argument(Argument),
}

/// An argument of a call.
pub(crate) struct Argument {
    /// Its name on the wire.
    pub(crate) name: String,
    pub(crate) span: Span,
    /// A value that is read from JSON.
    pub(crate) owned: Box<Type>,
    /// Whether the function wants to borrow it.
    pub(crate) by_reference: bool,
}

impl Function {
    /// Takes the SDK's attributes from a function. `None` when the SDK has nothing to do with it.
    pub(crate) fn take(function: &mut ImplItemFn) -> syn::Result<Option<Function>> {
        let mut attributes = FunctionAttributes::take(&mut function.attrs)?;
        if let Some((_, span)) = attributes.roles.get(1) {
            return Err(syn::Error::new(
                *span,
                "a function has only one of the SDK's attributes, such as `#[method]`, `#[start]`, `#[event]` or `#[snapshot]`",
            ));
        }
        let role = attributes.roles.pop().map(|(role, _)| role);
        let takes_self = function.sig.receiver().is_some();
        let role = match role {
            Some(Role::Private) => return take_nothing(function).map(|()| None),
            None if !takes_self => return Ok(None),
            None => Role::Method(MethodAttribute::default()),
            Some(role) => role,
        };
        if let Some(condition) = function
            .attrs
            .iter()
            .find(|attribute| attribute.path().is_ident("cfg"))
        {
            return Err(syn::Error::new_spanned(
                condition,
                "the component's description is the same in every build: move the `#[cfg]` inside the function, or the function to another `impl` block",
            ));
        }
        check_receiver(function, &role)?;
        check_signature(function)?;
        let inputs = function.sig.inputs.iter_mut().filter_map(|input| match input {
            FnArg::Receiver(_) => None,
            FnArg::Typed(input) => Some(Input::take(input)),
        });
        let function = Function {
            inputs: inputs.collect::<syn::Result<Vec<Input>>>()?,
            ident: function.sig.ident.clone(),
            is_async: function.sig.asyncness.is_some(),
            output: match &function.sig.output {
                syn::ReturnType::Default => function.sig.ident.span(),
                syn::ReturnType::Type(_, output) => output.span(),
            },
            fallible: fallible(&function.sig.output),
            description: attributes.description,
            role,
        };
        function.check_inputs()?;
        Ok(Some(function))
    }

    /// The method's name on the wire.
    pub(crate) fn wire_name(&self) -> LitStr {
        match &self.role {
            Role::Method(MethodAttribute { name: Some(name), .. }) | Role::Route(Some(name)) => name.clone(),
            _ => LitStr::new(&names::camel_case(&self.ident.to_string()), self.ident.span()),
        }
    }

    /// The arguments among the inputs.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.inputs.iter().filter_map(|input| match input {
            Input::Argument(argument) => Some(argument),
            _ => None,
        })
    }

    fn check_inputs(&self) -> syn::Result<()> {
        let error = |message: &str| Err(syn::Error::new(self.ident.span(), message));
        let arguments = self.arguments().count();
        let has_origin = self
            .inputs
            .iter()
            .any(|input| matches!(input, Input::Origin { .. }));
        let events = self
            .inputs
            .iter()
            .filter(|input| matches!(input, Input::Event { .. }))
            .count();
        let requests = self
            .inputs
            .iter()
            .filter(|input| matches!(input, Input::Request { .. }))
            .count();
        match &self.role {
            Role::Route(_) if arguments > 0 || events > 0 || requests > 1 => error(
                "a function with `#[route]` is given an `HttpRequest`, the `Origin` and `&Context`, all where it wants, and nothing else",
            ),
            Role::Route(_) => Ok(()),
            _ if requests > 0 => error("only a function with `#[route]` is given an `HttpRequest`"),
            Role::Method(_) if events > 0 => {
                error("only a function with `#[event(component = \"…\", key = \"…\")]` is given an `Event`")
            }
            Role::Method(_) if arguments > 12 => error(
                "a method has at most twelve parameters: take one object, as a struct that implements `Deserialize`",
            ),
            Role::Method(_) => match self.arguments().find(|argument| argument.name == "callback") {
                Some(argument) => Err(syn::Error::new(
                    argument.span,
                    "`callback` stands for the answer and is listed by itself at the end: rename this parameter, on the wire with `#[parameter(name = \"…\")]`",
                )),
                None => Ok(()),
            },
            Role::Create if arguments > 1 || has_origin || events > 0 => {
                error("`#[create]` is given `&Context` and one configuration value, both optional")
            }
            Role::Create if self.is_async => error(
                "`#[create]` cannot wait: make the component here, and do what takes time in `#[start] async fn start(&self, context: &Context)`",
            ),
            Role::Start | Role::Stop | Role::Health | Role::Quiesce | Role::Resume | Role::Snapshot
                if arguments > 0 || has_origin || events > 0 =>
            {
                error("this function is given `&Context`, where it wants, and nothing else")
            }
            Role::Restore if arguments != 1 || has_origin || events > 0 => {
                error("`#[restore]` is given the state and, where it wants, `&Context`")
            }
            Role::Migrate(_) if arguments != 1 || self.inputs.len() > 1 => {
                error("`#[migrate]` is given the old state and nothing else")
            }
            Role::Migrate(_) if self.is_async => {
                error("`#[migrate]` cannot wait: it turns one state into the next")
            }
            Role::Event(_) if events != 1 || arguments > 0 || has_origin => {
                error("a function with `#[event]` is given an `Event` and, where it wants, `&Context`")
            }
            _ => Ok(()),
        }
    }
}

impl Input {
    fn take(input: &mut syn::PatType) -> syn::Result<Input> {
        let renamed = take_parameter_name(&mut input.attrs)?;
        let (target, by_reference) = match &*input.ty {
            Type::Reference(reference) if reference.mutability.is_some() => {
                return Err(syn::Error::new(
                    reference.span(),
                    "nothing is given as `&mut`: several calls run at the same time",
                ));
            }
            Type::Reference(reference) => (&*reference.elem, true),
            owned => (owned, false),
        };
        match last_segment(target).as_deref() {
            Some("Context") => return Ok(Input::Context { by_reference }),
            Some("Origin") => return Ok(Input::Origin { by_reference }),
            Some("Event") => return Ok(Input::Event { by_reference }),
            Some("HttpRequest") => return Ok(Input::Request { by_reference }),
            _ => {}
        }
        if matches!(target, Type::ImplTrait(_)) {
            return Err(syn::Error::new(
                target.span(),
                "an argument is read from JSON, so its type must be said: a struct that implements `Deserialize`, or `Value` for anything",
            ));
        }
        if let Some(reference) = borrowed_inside(target) {
            return Err(syn::Error::new(
                reference.span(),
                "only a parameter itself can be borrowed, such as `&str` or `&[f64]`: what is inside another type is owned, such as `Option<String>`",
            ));
        }
        let ident = match &*input.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            Pat::Wild(_) if renamed.is_some() => Ident::new("_unnamed", input.pat.span()),
            pattern => {
                return Err(syn::Error::new(
                    pattern.span(),
                    "a parameter needs a name, which becomes public; take it apart inside the function, or name it with `#[parameter(name = \"…\")]` before `_`",
                ));
            }
        };
        let name = renamed.map_or_else(|| names::camel_case(&ident.to_string()), |name| name.value());
        // A borrowed type is read as its owner: the text lives as long as the call.
        let owned = match target {
            Type::Path(path) if by_reference && path.path.is_ident("str") => {
                Box::new(syn::parse_quote!(::std::string::String))
            }
            Type::Slice(slice) if by_reference => {
                let element = &slice.elem;
                Box::new(syn::parse_quote!(::std::vec::Vec<#element>))
            }
            target => Box::new(target.clone()),
        };
        Ok(Input::Argument(Argument {
            name,
            span: ident.span(),
            owned,
            by_reference,
        }))
    }
}

/// A reference among the parts of a type, which would have to live as long as the JSON that it is read from. Those that
/// live for ever are left to the compiler.
fn borrowed_inside(target: &Type) -> Option<&syn::TypeReference> {
    match target {
        Type::Path(path) => {
            let segments = path.path.segments.iter();
            let lists = segments.filter_map(|segment| match &segment.arguments {
                syn::PathArguments::AngleBracketed(list) => Some(&list.args),
                _ => None,
            });
            lists.flatten().find_map(|argument| match argument {
                syn::GenericArgument::Type(part) => borrowed_part(part),
                _ => None,
            })
        }
        Type::Tuple(tuple) => tuple.elems.iter().find_map(borrowed_part),
        Type::Array(array) => borrowed_part(&array.elem),
        Type::Slice(slice) => borrowed_part(&slice.elem),
        _ => None,
    }
}

fn borrowed_part(part: &Type) -> Option<&syn::TypeReference> {
    let Type::Reference(reference) = part else {
        return borrowed_inside(part);
    };
    let lives_for_ever = reference
        .lifetime
        .as_ref()
        .is_some_and(|lifetime| lifetime.ident == "static");
    (!lives_for_ever).then_some(reference)
}

/// A private function keeps nothing of the SDK's.
fn take_nothing(function: &ImplItemFn) -> syn::Result<()> {
    for input in &function.sig.inputs {
        if let FnArg::Typed(input) = input
            && let Some(attribute) = input
                .attrs
                .iter()
                .find(|attribute| attribute.path().is_ident("parameter"))
        {
            return Err(syn::Error::new_spanned(
                attribute,
                "a `#[private]` function has no parameters on the wire",
            ));
        }
    }
    Ok(())
}

fn check_receiver(function: &ImplItemFn, role: &Role) -> syn::Result<()> {
    let receiver = function.sig.receiver();
    let Some(receiver) = receiver else {
        if matches!(role, Role::Create | Role::Migrate(_)) {
            return Ok(());
        }
        return Err(syn::Error::new(
            function.sig.ident.span(),
            "this function needs `&self`: the SDK calls it on the component",
        ));
    };
    if matches!(role, Role::Create) {
        return Err(syn::Error::new(
            receiver.span(),
            "`#[create]` makes the component, so there is no `self` yet",
        ));
    }
    if matches!(role, Role::Migrate(_)) {
        return Err(syn::Error::new(
            receiver.span(),
            "`#[migrate]` turns one state into the next, so it takes no `self`; `#[restore]` takes over the last one",
        ));
    }
    let advice = match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => return Ok(()),
        ReceiverKind::Reference(..) => {
            "several calls run at the same time, so a method takes `&self`; keep what changes in an atomic or a `Mutex`"
        }
        _ => {
            "the component answers more calls after this one, so a method takes `&self`; mark a helper that is no method with `#[private]`"
        }
    };
    Err(syn::Error::new(receiver.span(), advice))
}

fn check_signature(function: &ImplItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    let generic = signature
        .generics
        .params
        .iter()
        .find(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
    if let Some(generic) = generic {
        return Err(syn::Error::new(
            generic.span(),
            "a method is called from JSON, so its types must be said: take `Value` for anything, or mark a helper that is no method with `#[private]`",
        ));
    }
    match (&signature.safety, &signature.abi) {
        (syn::Safety::Unsafe(token), _) => Err(syn::Error::new(
            token.span(),
            "anybody on the mesh may call a method, so it cannot be `unsafe`",
        )),
        (_, Some(abi)) => Err(syn::Error::new(
            abi.span(),
            "a method is a plain Rust function: remove the ABI",
        )),
        _ => Ok(()),
    }
}

/// Where a return type is written as a `Result` of two types.
fn fallible(output: &syn::ReturnType) -> Option<Span> {
    let syn::ReturnType::Type(_, output) = output else {
        return None;
    };
    let Type::Path(path) = &**output else { return None };
    let segment = path
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == "Result")?;
    match &segment.arguments {
        syn::PathArguments::AngleBracketed(arguments) if arguments.args.len() == 2 => {
            Some(arguments.args[1].span())
        }
        _ => None,
    }
}

fn last_segment(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

impl ToTokens for Argument {
    fn to_tokens(&self, tokens: &mut proc_macro2::TokenStream) {
        self.owned.to_tokens(tokens);
    }
}
