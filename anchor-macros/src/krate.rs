//! The path by which an expansion refers to anchor: `::anchor`, or the path in `crate = ".."`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{LitStr, Path};

use crate::arguments::{Known, Takes};
use crate::errors::Errors;

/// The argument `crate = "my_crate::anchor"`, which every attribute knows.
pub(crate) const ARGUMENT: Known = Known::new("crate", Takes::Text, "\"my_crate::anchor\"");

/// Returns `::anchor::__private`, or the same module under the path in `crate = "path"`. The
/// compiler reports errors in the path at `span`.
pub(crate) fn private(path: Option<&LitStr>, span: Span, errors: &mut Errors) -> TokenStream {
    let Some(literal) = path else {
        return quote_spanned!(span=> ::anchor::__private);
    };
    match literal.parse_with(Path::parse_mod_style) {
        Ok(path) => quote!(#path::__private),
        Err(_) => {
            errors.at(
                literal,
                "expected the path of the anchor crate: `crate = \"my_crate::anchor\"`",
            );
            quote_spanned!(span=> ::anchor::__private)
        }
    }
}
