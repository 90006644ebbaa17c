//! `#[logout]`: the session is ended before the handler's body runs.

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
use crate::guard_arguments::GuardArguments;
use crate::handler::Handler;
use crate::located::guard_type;

const KNOWN: &[(&str, &str)] = &[("crate", "crate = \"my_crate::anchor\"")];

// Input:
//     #[logout]
//     async fn logout() -> Redirect { .. }
//
// Output:
//     async fn logout(_: ::anchor::__private::RevokeAny) -> Redirect { .. }
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let GuardArguments { session, private, .. } =
        GuardArguments::read(arguments, KNOWN, &mut errors);
    let handler = Handler::read(item.clone(), "logout", &mut errors);
    let revoking = handler.map(|handler| {
        let session =
            session.or_else(|| handler.session_type(&["Session", "Auth"], "logout", &mut errors));
        match session {
            Some(session) => {
                handler.with_first_argument(&guard_type(&private, "Revoke", &quote!(#session)))
            }
            None => handler.with_first_argument(&quote!(#private::RevokeAny)),
        }
    });
    match (errors.finish(), revoking) {
        (Ok(()), Some(revoking)) => revoking,
        (result, _) => {
            let error = result.err().map(|error| error.to_compile_error());
            quote!(#error #item)
        }
    }
}
