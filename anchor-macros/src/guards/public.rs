//! `#[public]`: declares the handler open.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::arguments::GuardArguments;
use super::handler::Handler;
use crate::arguments::Place;
use crate::errors::Errors;
use crate::krate;

const PLACE: Place = Place { attribute: "public", known: &[krate::ARGUMENT], elsewhere: &[] };

// Input:
//     #[public]
//     async fn home() -> Html<&'static str> { .. }
//
// Output:
//     async fn home(_: ::anchor::__private::Public) -> Html<&'static str> { .. }
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let GuardArguments { session, private, .. } =
        GuardArguments::read(arguments, &PLACE, &mut errors);
    if let Some(session) = session {
        let message = format!(
            "a public handler needs no session, so `#[public]` takes no type; for one that needs \
             a session, write `#[require_session({})]`",
            session.to_token_stream()
        );
        errors.at(session, message);
    }
    let public = Handler::read(item.clone(), "public", &mut errors)
        .map(|handler| handler.with_first_argument(&quote!(#private::Public)));
    errors.or_as_written(public, &item)
}
