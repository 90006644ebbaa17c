//! `#[require_session]`: runs the handler only for a request with a live session that satisfies the
//! policies.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Ident, LitStr, Result, Type};

use super::arguments::GuardArguments;
use super::handler::Handler;
use crate::arguments::{Given, Known, Place, Takes};
use crate::errors::Errors;
use crate::krate;
use crate::source_text::source_text;
use crate::spans::{at, guard_type};

const PLACE: Place = Place {
    attribute: "require_session",
    known: &[
        Known::new("when", Takes::Predicate, "UserSession::is_admin"),
        Known::new("policy", Takes::Type, "Admin"),
        Known::new("role", Takes::Value, "Role::Admin"),
        Known::new("fresh", Takes::Duration, "\"10m\""),
        Known::flag("authoritative"),
        Known::new("redirect", Takes::Text, "\"/login\""),
        krate::ARGUMENT,
    ],
    elsewhere: &[],
};

// Input:
//     #[require_session(
//         UserSession,
//         when = UserSession::is_admin,
//         fresh = "10m",
//         redirect = "/login"
//     )]
//     async fn ban() -> StatusCode { .. }
//
// Output:
//     async fn ban(
//         _: Require<UserSession, (__anchor_when_ban, Fresh<600>), __anchor_redirect_ban>,
//     ) -> StatusCode { .. }
//     struct __anchor_when_ban;
//     impl Policy<UserSession> for __anchor_when_ban { .. }
//     struct __anchor_redirect_ban;
//     impl LoginPage for __anchor_redirect_ban { .. }
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let arguments = GuardArguments::read(arguments, &PLACE, &mut errors);
    let handler = Handler::read(item.clone(), "require_session", &mut errors);
    let guarded = handler.map(|handler| guard(handler, arguments, &mut errors));
    errors.or_as_written(guarded, &item)
}

fn guard(handler: Handler, arguments: GuardArguments, errors: &mut Errors) -> TokenStream {
    let GuardArguments { session, arguments, private } = arguments;
    let mut siblings = TokenStream::new();
    let login_page = arguments
        .text("redirect")
        .and_then(|path| errors.take(page(path)))
        .map(|path| login_page(&handler, path, &private, &mut siblings));
    let session = session.or_else(|| handler.session_type(&["Session"], "require_session", errors));
    let Some(session) = session else {
        for name in arguments.names().filter(|name| is_policy(name)) {
            let value = if name == "authoritative" { "" } else { " = .." };
            errors.at(
                name,
                format_args!(
                    "`{name}` needs the session's type: `#[require_session(UserSession, \
                     {name}{value})]`"
                ),
            );
        }
        let page = login_page.map(|page| quote!(<#page>));
        let handler = handler.with_first_argument(&quote!(#private::RequireAny #page));
        return quote!(#handler #siblings);
    };
    let policies: Vec<_> = arguments
        .into_iter()
        .filter(|(name, _)| is_policy(name))
        .map(|(name, given)| policy(&handler, &session, &name, given, &private, &mut siblings))
        .collect();
    let policy = match (policies.as_slice(), &login_page) {
        ([], None) => None,
        ([], Some(_)) => Some(quote!(, ())),
        ([one], _) => Some(quote!(, #one)),
        (several, _) => Some(quote!(, (#(#several),*))),
    };
    let page = login_page.map(|page| quote!(, #page));
    let first = guard_type(&private, "Require", &quote!(#session #policy #page));
    let handler = handler.with_first_argument(&first);
    quote!(#handler #siblings)
}

/// Returns whether an argument requires more than a session.
fn is_policy(name: &Ident) -> bool {
    name != "redirect" && name != "crate"
}

/// Generates the type that names the login page, and returns its name.
fn login_page(
    handler: &Handler,
    path: &LitStr,
    private: &TokenStream,
    siblings: &mut TokenStream,
) -> Ident {
    let page = sibling(handler, "redirect");
    let body = quote! {
        const PATH: ::core::option::Option<&'static str> = ::core::option::Option::Some(#path);
    };
    let interface = quote!(#private::LoginPage);
    siblings.extend(implement(handler, &page, path.span(), &interface, &body));
    page
}

/// Checks that the page belongs to the application itself. A browser that is sent elsewhere would
/// not come back to the page that it asked for.
fn page(path: &LitStr) -> Result<&LitStr> {
    let text = path.value();
    let in_path = |c: char| c.is_ascii_graphic() && !"\\\"<>#".contains(c);
    if !text.starts_with('/') || text.starts_with("//") {
        return Err(Error::new_spanned(
            path,
            "`redirect` takes the path of a page of this application, which begins with one `/`: \
             `redirect = \"/login\"`",
        ));
    }
    match text.chars().find(|c| !in_path(*c)) {
        None => Ok(path),
        Some(wrong) => Err(Error::new_spanned(
            path,
            format_args!(
                "`redirect` takes a path without the character `{wrong:?}`: `redirect = \"/login\"`"
            ),
        )),
    }
}

/// Returns the type that checks a policy.
fn policy(
    handler: &Handler,
    session: &Type,
    name: &Ident,
    given: Given,
    private: &TokenStream,
    siblings: &mut TokenStream,
) -> TokenStream {
    let expression = match given {
        Given::Type(ty) => return ty.into_token_stream(),
        Given::Seconds(seconds, _) => return quote!(#private::Fresh<#seconds>),
        Given::Flag => return quote!(#private::Authoritative),
        Given::Expression(expression) => expression,
        Given::Text(_) | Given::Number(_) => unreachable!("no policy takes these"),
    };
    let decision = if name == "when" {
        quote!(#private::when(session, #expression))
    } else {
        // Located at the session's type, which is the mistake if it has no role, so that it is
        // reported once.
        let data = quote!(session.data());
        let found = quote_spanned! {session.span()=>
            <#session as #private::HasRole>::role(#data)
        };
        quote!(#private::allow_if(#found == &(#expression)))
    };
    // A closure or a value cannot be part of a type, but a type next to the handler can.
    let ident = sibling(handler, &name.to_string());
    let text = source_text(expression.into_token_stream());
    let description = format!("{name} {text}");
    // An OpenAPI document shows a role, and not the code of a predicate.
    let requirements = if name == "when" {
        quote!(#private::requires_predicate())
    } else {
        quote!(#private::requires_role(#text))
    };
    let body = quote! {
        fn check(session: &#private::Session<#session>) -> #private::Decision {
            #decision
        }

        fn describe() -> ::std::string::String {
            ::std::string::String::from(#description)
        }

        fn requirements() -> ::std::vec::Vec<#private::Requirement> {
            #requirements
        }
    };
    let interface = quote!(#private::Policy<#session>);
    siblings.extend(implement(handler, &ident, name.span(), &interface, &body));
    quote!(#ident)
}

/// Returns the name of a type next to the handler.
fn sibling(handler: &Handler, argument: &str) -> Ident {
    format_ident!("__anchor_{argument}_{}", handler.sig.ident.unraw())
}

/// Generates a type next to the handler, and its implementation of a trait. Both are located at the
/// argument that needs them: if the handler is in an `impl` block, the compiler reports there that
/// a type is not allowed in it.
fn implement(
    handler: &Handler,
    ident: &Ident,
    argument: Span,
    interface: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let vis = &handler.vis;
    let cfgs: Vec<_> = handler.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
    quote_spanned! {at(argument)=>
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, unreachable_pub)]
        #vis struct #ident;

        #(#cfgs)*
        #[automatically_derived]
        impl #interface for #ident {
            #body
        }
    }
}
