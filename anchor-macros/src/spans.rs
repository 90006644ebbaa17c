//! The spans of generated tokens, which make the compiler's own errors point at what the user
//! wrote.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Type;

/// Returns a span at this place that is still marked as generated. Lints ignore such tokens, and a
/// local variable with this span belongs to the derive, even if a `macro_rules!` macro generated
/// the struct.
pub(crate) fn at(place: Span) -> Span {
    Span::call_site().located_at(place)
}

/// Returns a name that the user wrote, at its place but marked as generated.
pub(crate) fn generated(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(at(name.span()));
    name
}

/// Returns a path of generated tokens, moved to another place.
pub(crate) fn moved(path: &TokenStream, span: Span) -> TokenStream {
    path.clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}

/// Returns the spans of the first and the last token. The compiler locates what is generated
/// between these two spans at all of the tokens.
pub(crate) fn ends(tokens: impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.into_token_stream().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// Returns `<Type as Column>::item`, located at the whole type. If the type is not a column, every
/// such path causes the same error at the same place, so the compiler reports it once.
pub(crate) fn column_item(ty: &Type, private: &TokenStream, item: &str) -> TokenStream {
    let (first, last) = ends(ty);
    let item = Ident::new(item, last);
    let start = quote_spanned!(first=> <#ty as #private::Column>::);
    quote_spanned!(last=> #start #item)
}

/// Returns `Guard<Session, Policy>`, located at its arguments: if it is not a valid type, one of
/// them is the cause.
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
