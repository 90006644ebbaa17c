//! `#[derive(SessionData)]`: reads the attributes ([`known_arguments`]) into a typed model
//! ([`model`]), which is then checked ([`check`]) and expanded ([`expand`]). For a struct with
//! mistakes, it generates the errors and stub implementations ([`fallback`]), so that the first
//! errors do not cause further ones.

mod check;
mod default;
mod expand;
mod fallback;
mod known_arguments;
mod model;
mod reference;
mod schema_options;
mod sql_name;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;
use crate::krate;
use crate::spans::at;
use model::Payload;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::new();
    let attributes = known_arguments::of_struct(&input.attrs, &mut errors);
    let private = krate::private(attributes.text("crate"), at(input.ident.span()), &mut errors);
    let payload = Payload::read(input, &attributes, &mut errors);
    if let Some(payload) = &payload {
        check::check(payload, &mut errors);
    }
    match (errors.finish(), payload) {
        (Ok(()), Some(payload)) => expand::expand(&payload, &private),
        (Ok(()), None) => unreachable!("a struct that cannot be read has an error"),
        (Err(error), _) => fallback::expand(input, &error, &private),
    }
}
