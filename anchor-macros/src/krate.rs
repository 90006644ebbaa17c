//! The path under which an expansion finds anchor: `::anchor`, or what `crate = ".."` says.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{LitStr, Path};

use crate::errors::Errors;

/// `::anchor::__private`, or the same under the path in `crate = "path"`.
pub(crate) fn private(path: Option<&LitStr>, errors: &mut Errors) -> TokenStream {
    let Some(literal) = path else {
        return quote!(::anchor::__private);
    };
    match literal.parse_with(Path::parse_mod_style) {
        Ok(path) => quote!(#path::__private),
        Err(_) => {
            errors.at(
                literal,
                "expected the path of the anchor crate: `crate = \"my_crate::anchor\"`",
            );
            quote!(::anchor::__private)
        }
    }
}
