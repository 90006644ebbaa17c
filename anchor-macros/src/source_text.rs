//! [`source_text`]: an expression as text, with spaces only where its author wrote them.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// Returns the tokens as their author wrote them: `Role::Admin`, while the tokens' own text is
/// `Role :: Admin`.
pub(crate) fn source_text(tokens: TokenStream) -> String {
    if !proc_macro::is_available() {
        return tokens.to_string();
    }
    let mut text = String::new();
    let mut before = None;
    write(tokens, &mut text, &mut before);
    text
}

/// Appends the tokens. `before` is where the previous token ended.
fn write(tokens: TokenStream, text: &mut String, before: &mut Option<(usize, usize)>) {
    for token in tokens {
        match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                append(open, group.span_open(), text, before);
                write(group.stream(), text, before);
                append(close, group.span_close(), text, before);
            }
            other => append(&other.to_string(), other.span(), text, before),
        }
    }
}

fn append(token: &str, span: Span, text: &mut String, before: &mut Option<(usize, usize)>) {
    let span = span.unwrap();
    let (start, end) = (span.start(), span.end());
    if before.is_some_and(|before| before != (start.line(), start.column())) {
        text.push(' ');
    }
    text.push_str(token);
    *before = Some((end.line(), end.column()));
}
