//! `#[logout]`: ends the session before the handler's body runs.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::arguments::GuardArguments;
use super::handler::Handler;
use crate::arguments::{Arguments, Known, Place};
use crate::errors::Errors;
use crate::krate;
use crate::spans::guard_type;

const PLACE: Place = Place {
    attribute: "logout",
    known: &[Known::flag("all"), Known::flag("others"), krate::ARGUMENT],
    elsewhere: &[],
};

// Input:
//     #[logout]
//     async fn logout() -> Redirect { .. }
//
// Output:
//     async fn logout(_: ::anchor::__private::RevokeAny) -> Redirect { .. }
//
// With `all` or `others`, the type is `RevokeAny<::anchor::__private::All>`, and so on.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let GuardArguments { session, arguments, private } =
        GuardArguments::read(arguments, &PLACE, &mut errors);
    let reach = reach(&arguments, &mut errors).map(|reach| quote!(#private::#reach));
    let handler = Handler::read(item.clone(), "logout", &mut errors);
    let revoking = handler.map(|handler| {
        let session =
            session.or_else(|| handler.session_type(&["Session", "Auth"], "logout", &mut errors));
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
    errors.or_as_written(revoking, &item)
}

/// Returns `All` or `Others`, or `None` if the logout ends only the request's session.
fn reach(arguments: &Arguments, errors: &mut Errors) -> Option<Ident> {
    let mut words = arguments.names().filter(|name| *name == "all" || *name == "others");
    let word = words.next()?;
    if let Some(other) = words.next() {
        let message = format!("`{word}` is already given: write either `all` or `others`");
        errors.at(other, message);
    }
    let reach = if word == "all" { "All" } else { "Others" };
    Some(Ident::new(reach, word.span()))
}
