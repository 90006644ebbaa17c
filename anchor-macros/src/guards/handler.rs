//! [`Handler`]: an axum handler that gets an additional first argument. The rest of the signature,
//! the body and other attributes stay as they were written.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Error, FnArg, GenericArgument, Path, PathArguments, Result, ReturnType, Signature,
    Type, Visibility, parse_quote,
};

use crate::errors::Errors;

pub(crate) struct Handler {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    body: TokenStream,
}

impl Parse for Handler {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            // Kept as tokens: the compiler reports the mistakes in it.
            body: input.parse()?,
        })
    }
}

impl Handler {
    /// Reads the item under `#[macro_name]` and checks that it is an axum handler.
    pub(crate) fn read(item: TokenStream, macro_name: &str, errors: &mut Errors) -> Option<Self> {
        let Ok(handler) = syn::parse2::<Self>(item) else {
            errors.push(Error::new(
                proc_macro2::Span::call_site(),
                format_args!("`#[{macro_name}]` belongs on a handler: an `async fn`"),
            ));
            return None;
        };
        if let Some(receiver) = handler.sig.receiver() {
            errors.at(
                receiver,
                "an axum handler has no `self`: make it a free function, and take shared values \
                 from `State`",
            );
        }
        if !handler.is_async() {
            errors.at(
                handler.sig.fn_token,
                format_args!(
                    "axum takes only async handlers: write `async fn {}`",
                    handler.sig.ident
                ),
            );
        }
        handler.refuse_second(macro_name, errors);
        Some(handler)
    }

    /// Returns whether the handler is an `async fn`, or its return type names a future.
    fn is_async(&self) -> bool {
        fn names_a_future(tokens: TokenStream) -> bool {
            tokens.into_iter().any(|token| match token {
                proc_macro2::TokenTree::Ident(ident) => ident.to_string().ends_with("Future"),
                proc_macro2::TokenTree::Group(group) => names_a_future(group.stream()),
                _ => false,
            })
        }
        self.sig.asyncness.is_some()
            || match &self.sig.output {
                ReturnType::Default => false,
                ReturnType::Type(_, ty) => names_a_future(ty.to_token_stream()),
            }
    }

    fn refuse_second(&self, macro_name: &str, errors: &mut Errors) {
        for attribute in &self.attrs {
            let Some(name) = attribute.path().segments.last().map(|last| last.ident.to_string())
            else {
                continue;
            };
            if name == macro_name {
                errors.at(attribute.path(), format_args!("`#[{name}]` is given twice; keep one"));
            } else if let Some(reason) = contradiction(macro_name, &name) {
                errors.at(attribute.path(), reason);
            }
        }
    }

    /// Returns the `T` of an argument `Session<T>`, or of an argument with another of these
    /// wrappers.
    pub(crate) fn session_type(
        &self,
        wrappers: &[&str],
        macro_name: &str,
        errors: &mut Errors,
    ) -> Option<Type> {
        let mut found: Option<Type> = None;
        for argument in &self.sig.inputs {
            let FnArg::Typed(argument) = argument else { continue };
            let Some(inner) = wrapped(&argument.ty, wrappers) else { continue };
            match &found {
                Some(first)
                    if first.to_token_stream().to_string()
                        == inner.to_token_stream().to_string() => {}
                Some(first) => errors.at(
                    inner,
                    format_args!(
                        "two session types; write the one that is meant: `#[{macro_name}({})]`",
                        first.to_token_stream()
                    ),
                ),
                None => found = Some(inner.clone()),
            }
        }
        found
    }

    // Input:
    //     #[debug_handler]
    //     async fn me(session: Session<UserSession>) -> Json<Me> { .. }
    //
    // Output:
    //     #[debug_handler]
    //     async fn me(
    //         _: ::anchor::__private::Require<UserSession>,
    //         session: Session<UserSession>,
    //     ) -> Json<Me> { .. }
    pub(crate) fn with_first_argument(mut self, ty: &TokenStream) -> TokenStream {
        // The argument has no name, so that `#[instrument]` does not record it.
        self.sig.inputs.insert(0, parse_quote!(_: #ty));
        let Self { attrs, vis, sig, body } = self;
        quote!(#(#attrs)* #vis #sig #body)
    }
}

/// Returns why two attributes cannot be combined, if they cannot.
fn contradiction(one: &str, other: &str) -> Option<&'static str> {
    match (one, other) {
        ("require_session", "logout") | ("logout", "require_session") => Some(
            "`#[logout]` does not go with `#[require_session]`: a logout must also work when the \
             session has already ended, so that it can be repeated; remove `#[require_session]`",
        ),
        ("public", "logout") | ("logout", "public") => Some(
            "`#[public]` does not go with `#[logout]`, which is already open: a logout must also \
             work when the session has ended; remove `#[public]`",
        ),
        ("public", "require_session") | ("require_session", "public") => Some(
            "`#[public]` does not go with `#[require_session]`: a handler is either open or \
             guarded; remove one",
        ),
        _ => None,
    }
}

/// Returns the `T` of `Wrapper<T>`.
fn wrapped<'a>(ty: &'a Type, wrappers: &[&str]) -> Option<&'a Type> {
    let path = match ty {
        Type::Path(path) => &path.path,
        Type::Group(group) => return wrapped(&group.elem, wrappers),
        Type::Paren(paren) => return wrapped(&paren.elem, wrappers),
        _ => return None,
    };
    let last = path.segments.last()?;
    if !wrappers.iter().any(|wrapper| last.ident == wrapper) {
        return None;
    }
    only_argument(path)
}

fn only_argument(path: &Path) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    match arguments.args.iter().collect::<Vec<_>>().as_slice() {
        [GenericArgument::Type(ty)] => Some(ty),
        _ => None,
    }
}
