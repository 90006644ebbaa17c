//! Where generated tokens stand, so that the compiler's own errors point at what the user wrote.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Type;

/// At this place, but still known to be generated: lints leave it alone, and a local is the
/// derive's own, even where a `macro_rules!` made the struct.
pub(crate) fn at(place: Span) -> Span {
    Span::call_site().located_at(place)
}

/// A name of the user's at its place, but known to be generated.
pub(crate) fn generated(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(at(name.span()));
    name
}

/// A path of generated tokens, moved to another place.
pub(crate) fn moved(path: &TokenStream, span: Span) -> TokenStream {
    path.clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}

/// The first and the last token. What stands between tokens of these spans, stands at all the
/// tokens.
pub(crate) fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// `<Type as Column>::item`, at the whole type. Every such path of a type that is no column gives
/// the same error at the same place, so the compiler reports it once.
pub(crate) fn column_item(ty: &Type, private: &TokenStream, item: &str) -> TokenStream {
    let (first, last) = ends(ty);
    let item = Ident::new(item, last);
    let start = quote_spanned!(first=> <#ty as #private::Column>::);
    quote_spanned!(last=> #start #item)
}

/// `Guard<Session, Policy>`, at its arguments: when it is no type, one of them is to blame.
pub(crate) fn guard_type(
    private: &TokenStream,
    guard: &str,
    arguments: &TokenStream,
) -> TokenStream {
    let (first, last) = ends(arguments);
    let [first, last] = [first, last].map(at);
    let private = moved(private, first);
    let guard = Ident::new(guard, first);
    let start = quote_spanned!(first=> #private::#guard<);
    quote_spanned!(last=> #start #arguments >)
}
