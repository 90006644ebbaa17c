//! `#[require_session]`: the handler runs only for a request with a live session that satisfies the policies.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Expr, Type};

use crate::errors::Errors;
use crate::guard_arguments::{GuardArguments, PolicyKind};
use crate::handler::Handler;
use crate::located::guard_type;

const KNOWN: &[(&str, &str)] = &[
    ("when", "when = UserSession::is_admin"),
    ("policy", "policy = Admin"),
    ("fresh", "fresh = \"10m\""),
    ("crate", "crate = \"my_crate::anchor\""),
];

// Input:
//     #[require_session(UserSession, when = UserSession::is_admin, fresh = "10m")]
//     async fn ban() -> StatusCode { .. }
//
// Output:
//     async fn ban(_: Require<UserSession, (__anchor_policy_ban, Fresh<600>)>) -> StatusCode { .. }
//     struct __anchor_policy_ban;
//     impl Policy<UserSession> for __anchor_policy_ban { .. }
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let arguments = GuardArguments::read(arguments, KNOWN, &mut errors);
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
    let GuardArguments { session, policies, private } = arguments;
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
        return Some(handler.with_first_argument(&quote!(#private::RequireAny)));
    };
    let mut types = Vec::new();
    let mut predicate = None;
    for policy in policies {
        match policy.kind {
            PolicyKind::When(expression) => {
                let ident = format_ident!("__anchor_policy_{}", handler.sig.ident.unraw());
                types.push(quote!(#ident));
                predicate = Some(expression);
            }
            PolicyKind::Type(ty) => types.push(quote!(#ty)),
            PolicyKind::Fresh(seconds) => types.push(quote!(#private::Fresh<#seconds>)),
        }
    }
    let sibling = predicate.map(|expression| when(&handler, &session, &expression, &private));
    let first = match types.as_slice() {
        [] => guard_type(&private, "Require", &quote!(#session)),
        [one] => guard_type(&private, "Require", &quote!(#session, #one)),
        several => guard_type(&private, "Require", &quote!(#session, (#(#several),*))),
    };
    let handler = handler.with_first_argument(&first);
    Some(quote!(#handler #sibling))
}

/// The policy behind `when = ..`: a type beside the handler, because a closure cannot stand in a type.
fn when(
    handler: &Handler,
    session: &Type,
    expression: &Expr,
    private: &TokenStream,
) -> TokenStream {
    let ident = format_ident!("__anchor_policy_{}", handler.sig.ident.unraw());
    let vis = &handler.vis;
    let cfgs: Vec<_> = handler.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, unreachable_pub)]
        #vis struct #ident;

        #(#cfgs)*
        #[automatically_derived]
        impl #private::Policy<#session> for #ident {
            fn check(session: &#private::Session<#session>) -> #private::Decision {
                #private::when(session, #expression)
            }
        }
    }
}
