//! `#[public]`: the handler is declared open.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::errors::Errors;
use crate::guard_arguments::GuardArguments;
use crate::handler::Handler;

const KNOWN: &[(&str, &str)] = &[("crate", "crate = \"my_crate::anchor\"")];

// Input:
//     #[public]
//     async fn home() -> Html<&'static str> { .. }
//
// Output:
//     async fn home(_: ::anchor::__private::Public) -> Html<&'static str> { .. }
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let GuardArguments { session, private, .. } =
        GuardArguments::read(arguments, KNOWN, &[], &mut errors);
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
    match (errors.finish(), public) {
        (Ok(()), Some(public)) => public,
        (result, _) => {
            let error = result.err().map(|error| error.to_compile_error());
            quote!(#error #item)
        }
    }
}
