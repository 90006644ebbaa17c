//! `#[logout]`: the session is ended before the handler's body runs.

use proc_macro2::{Ident, TokenStream};
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
//
// With `all` or `others`, `RevokeAny<::anchor::__private::All>`, and so on.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let GuardArguments { session, word, private, .. } =
        GuardArguments::read(arguments, KNOWN, &["all", "others"], &mut errors);
    let handler = Handler::read(item.clone(), "logout", &mut errors);
    let revoking = handler.map(|handler| {
        let session =
            session.or_else(|| handler.session_type(&["Session", "Auth"], "logout", &mut errors));
        let reach = word.map(|word| {
            let reach = if word == "all" { "All" } else { "Others" };
            let reach = Ident::new(reach, word.span());
            quote!(#private::#reach)
        });
        let revoke = match (session, reach) {
            (Some(session), None) => guard_type(&private, "Revoke", &quote!(#session)),
            (Some(session), Some(reach)) => {
                guard_type(&private, "Revoke", &quote!(#session, #reach))
            }
            (None, None) => quote!(#private::RevokeAny),
            (None, Some(reach)) => quote!(#private::RevokeAny<#reach>),
        };
        handler.with_first_argument(&revoke)
    });
    match (errors.finish(), revoking) {
        (Ok(()), Some(revoking)) => revoking,
        (result, _) => {
            let error = result.err().map(|error| error.to_compile_error());
            quote!(#error #item)
        }
    }
}
