//! `#[require_session]`: the handler runs only for a request with a live session that satisfies the policies.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::as_written::as_written;
use crate::errors::Errors;
use crate::guard_arguments::{GuardArguments, Policy, PolicyKind};
use crate::handler::Handler;
use crate::located::{at, guard_type};

const KNOWN: &[(&str, &str)] = &[
    ("when", "when = UserSession::is_admin"),
    ("policy", "policy = Admin"),
    ("role", "role = Role::Admin"),
    ("fresh", "fresh = \"10m\""),
    ("redirect", "redirect = \"/login\""),
    ("crate", "crate = \"my_crate::anchor\""),
];

// Input:
//     #[require_session(UserSession, when = UserSession::is_admin, fresh = "10m", redirect = "/login")]
//     async fn ban() -> StatusCode { .. }
//
// Output:
//     async fn ban(_: Require<UserSession, (__anchor_when_ban, Fresh<600>), __anchor_redirect_ban>) -> StatusCode { .. }
//     struct __anchor_when_ban;
//     impl Policy<UserSession> for __anchor_when_ban { .. }
//     struct __anchor_redirect_ban;
//     impl LoginPage for __anchor_redirect_ban { .. }
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let arguments = GuardArguments::read(arguments, KNOWN, &[], &mut errors);
    let handler = Handler::read(item.clone(), "require_session", &mut errors);
    let guarded = handler.and_then(|handler| guard(handler, arguments, &mut errors));
    match (errors.finish(), guarded) {
        (Ok(()), Some(guarded)) => guarded,
        (result, _) => {
            let error = result.err().map(|error| error.to_compile_error());
            quote!(#error #item)
        }
    }
}

fn guard(handler: Handler, arguments: GuardArguments, errors: &mut Errors) -> Option<TokenStream> {
    let GuardArguments { session, policies, redirect, private, .. } = arguments;
    let mut siblings = TokenStream::new();
    let login_page = redirect.map(|path| {
        let page = sibling(&handler, "redirect");
        let body = quote! {
            const PATH: ::core::option::Option<&'static str> = ::core::option::Option::Some(#path);
        };
        let login_page = quote!(#private::LoginPage);
        siblings.extend(implement(&handler, &page, path.span(), &login_page, &body));
        page
    });
    let session = session.or_else(|| handler.session_type(&["Session"], "require_session", errors));
    let Some(session) = session else {
        for policy in &policies {
            let name = &policy.name;
            errors.at(
                name,
                format_args!(
                    "`{name}` needs the session's type: `#[require_session(UserSession, {name} = ..)]`"
                ),
            );
        }
        let page = login_page.map(|page| quote!(<#page>));
        let handler = handler.with_first_argument(&quote!(#private::RequireAny #page));
        return Some(quote!(#handler #siblings));
    };
    let mut types = Vec::new();
    for Policy { name, kind } in policies {
        let (expression, decision) = match kind {
            PolicyKind::Type(ty) => {
                types.push(quote!(#ty));
                continue;
            }
            PolicyKind::Fresh(seconds) => {
                types.push(quote!(#private::Fresh<#seconds>));
                continue;
            }
            PolicyKind::When(predicate) => {
                let decision = quote!(#private::when(session, #predicate));
                (predicate, decision)
            }
            PolicyKind::Role(role) => {
                // At the session's type, which is what is wrong when it has no role, so that it is reported once.
                let found = quote_spanned! {session.span()=>
                    <#session as #private::HasRole>::role(session.data())
                };
                let decision = quote!(#private::allow_if(#found == &(#role)));
                (role, decision)
            }
        };
        // A closure or a value cannot stand in a type; a type beside the handler can.
        let ident = sibling(&handler, &name.to_string());
        let description = format!("{name} {}", as_written(expression.into_token_stream()));
        let body = quote! {
            fn check(session: &#private::Session<#session>) -> #private::Decision {
                #decision
            }

            fn describe() -> ::std::string::String {
                ::std::string::String::from(#description)
            }
        };
        let interface = quote!(#private::Policy<#session>);
        siblings.extend(implement(&handler, &ident, name.span(), &interface, &body));
        types.push(quote!(#ident));
    }
    let policy = match (types.as_slice(), &login_page) {
        ([], None) => None,
        ([], Some(_)) => Some(quote!(, ())),
        ([one], _) => Some(quote!(, #one)),
        (several, _) => Some(quote!(, (#(#several),*))),
    };
    let page = login_page.map(|page| quote!(, #page));
    let first = guard_type(&private, "Require", &quote!(#session #policy #page));
    let handler = handler.with_first_argument(&first);
    Some(quote!(#handler #siblings))
}

/// The name of a type beside the handler.
fn sibling(handler: &Handler, argument: &str) -> Ident {
    format_ident!("__anchor_{argument}_{}", handler.sig.ident.unraw())
}

/// A type beside the handler, and its implementation of a trait. Both stand at the argument that
/// needs them: there the compiler says that an `impl` block has no place for a type.
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
