//! [`GuardArguments`]: the contents of a handler's attribute. The session's type comes first, then
//! known arguments.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Ident, Token, Type};

use crate::arguments::{Arguments, Place, each};
use crate::errors::Errors;
use crate::krate;

pub(crate) struct GuardArguments {
    pub(crate) session: Option<Type>,
    pub(crate) arguments: Arguments,
    /// The path of anchor's private module.
    pub(crate) private: TokenStream,
}

impl GuardArguments {
    pub(crate) fn read(tokens: TokenStream, place: &Place, errors: &mut Errors) -> Self {
        let mut session = None;
        let mut arguments = Arguments::default();
        let mut first = true;
        each(tokens, errors, |input| {
            let is_first = std::mem::replace(&mut first, false);
            if is_argument(input) {
                return arguments.parse(place, input);
            }
            let span = input.span();
            let written = input.parse().map_err(|_| {
                Error::new(
                    span,
                    "expected the session's type, without quotes, such as `UserSession`",
                )
            })?;
            if session.is_some() {
                return Err(Error::new(span, "the session's type is already given"));
            }
            // Kept even in the wrong place, so that no policy misses it as well.
            session = Some(written);
            match is_first {
                true => Ok(()),
                false => Err(Error::new(span, "the session's type comes first")),
            }
        });
        let private = krate::private(arguments.text("crate"), Span::call_site(), errors);
        Self { session, arguments, private }
    }
}

/// Returns whether `name = value` or a single word comes next, or `name: value`, which is refused.
/// Such a word is in lower case; the name of a type is not, unless it is a raw identifier.
fn is_argument(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let Ok(word) = ahead.call(Ident::parse_any) else { return false };
    if ahead.is_empty() || ahead.peek(Token![,]) {
        let word = word.to_string();
        return !word.starts_with("r#")
            && word.starts_with(|first: char| first.is_ascii_lowercase());
    }
    (ahead.peek(Token![=]) && !ahead.peek(Token![==]))
        || (ahead.peek(Token![:]) && !ahead.peek(Token![::]))
}
