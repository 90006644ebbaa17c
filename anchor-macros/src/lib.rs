//! The procedural macros of anchor. Use them through the `anchor` crate, which documents them.

mod arguments;
mod case;
mod column;
mod duration;
mod errors;
mod guard_arguments;
mod handler;
mod krate;
mod located;
mod logout;
mod require_session;
mod session_data;
mod suggest;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// d
#[proc_macro_derive(SessionData, attributes(session))]
pub fn derive_session_data(input: TokenStream) -> TokenStream {
    session_data::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// d
#[proc_macro_derive(Column, attributes(column))]
pub fn derive_column(input: TokenStream) -> TokenStream {
    column::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// d
#[proc_macro_attribute]
pub fn require_session(arguments: TokenStream, item: TokenStream) -> TokenStream {
    require_session::expand(arguments.into(), item.into()).into()
}

/// d
#[proc_macro_attribute]
pub fn logout(arguments: TokenStream, item: TokenStream) -> TokenStream {
    logout::expand(arguments.into(), item.into()).into()
}
