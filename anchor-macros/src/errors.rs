//! [`Errors`]: every mistake in one macro call, so that the user sees all of them at once.

use std::fmt::Display;
use std::thread;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Result};

/// Collects errors. They must be read with [`finish`](Self::finish): dropping them unread is a bug
/// in the macro, and panics.
pub(crate) struct Errors {
    found: Option<Error>,
    read: bool,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self { found: None, read: false }
    }

    /// Adds an error at these tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.found {
            Some(found) => found.combine(error),
            None => self.found = Some(error),
        }
    }

    /// Adds the error, if the result is one.
    pub(crate) fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.read = true;
        self.found.take().map_or(Ok(()), Err)
    }

    /// Returns the expansion of an attribute. If there are errors, returns the errors and the item
    /// as it was written, so that an editor keeps working on it.
    pub(crate) fn or_as_written(
        self,
        expansion: Option<TokenStream>,
        item: &TokenStream,
    ) -> TokenStream {
        match (self.finish(), expansion) {
            (Ok(()), Some(expansion)) => expansion,
            (result, _) => {
                let error = result.err().map(|error| error.to_compile_error());
                quote!(#error #item)
            }
        }
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if !self.read && !thread::panicking() {
            panic!("anchor-macros: errors were collected and never read");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    #[test]
    fn every_error_is_reported() {
        let mut errors = Errors::new();
        errors.push(Error::new(Span::call_site(), "one"));
        errors.push(Error::new(Span::call_site(), "two"));
        let messages: Vec<_> =
            errors.finish().unwrap_err().into_iter().map(|error| error.to_string()).collect();
        assert_eq!(messages, ["one", "two"]);
    }

    #[test]
    #[should_panic(expected = "never read")]
    fn errors_cannot_be_dropped_unread() {
        drop(Errors::new());
    }
}
