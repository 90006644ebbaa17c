//! The attributes of handlers, `#[require_session]`, `#[logout]` and `#[public]`: each inserts a
//! first argument ([`handler`]), whose type follows from what is written in the attribute
//! ([`arguments`]).

mod arguments;
mod handler;
pub(crate) mod logout;
pub(crate) mod public;
pub(crate) mod require_session;
