//! What holds for any tokens in an attribute: the expansion is Rust, or it has errors, each with a
//! message and at a token that the user wrote. `cargo test` checks it with generated tokens, and
//! `cargo fuzz` with its own (`tests/fuzz`, which includes this crate's files).

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::DeriveInput;

/// A parser that calls itself for each nesting needs a bound, and so does the compiler's.
const LONGEST: usize = 600;

/// The first byte says where the tokens stand, and the others are their text.
pub(crate) fn attribute(data: &[u8]) {
    let Some((place, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(tokens) = text.parse::<TokenStream>() else { return };
    if text.len() > LONGEST {
        return;
    }
    match place % 8 {
        0 => derived(&format!("#[session({text})] struct Payload {{ id: i64 }}")),
        1 => derived(&format!("struct Payload {{ #[session({text})] id: i64, other: Other }}")),
        2 => derived(&format!("struct Payload {{ {text} }}")),
        3 => column(&format!("#[column({text})] enum Role {{ #[column({text})] Member, Admin }}")),
        4 => sound(crate::guards::require_session::expand(tokens, handler())),
        5 => sound(crate::guards::logout::expand(tokens, handler())),
        6 => sound(crate::guards::public::expand(tokens, handler())),
        _ => as_written(tokens),
    }
}

fn handler() -> TokenStream {
    let text = "pub async fn handler(session: Session<Payload>) -> String { session.name() }";
    text.parse().expect("it is Rust")
}

/// Reads an item from a text, so that each of its tokens has a place.
fn item(text: &str) -> Option<DeriveInput> {
    syn::parse2(text.parse().ok()?).ok()
}

fn derived(text: &str) {
    if let Some(input) = item(text) {
        sound(crate::session_data::derive(&input));
    }
}

fn column(text: &str) {
    if let Some(input) = item(text) {
        sound(crate::column::derive(&input));
    }
}

/// An expansion is Rust, and each error in it has a message and a place.
fn sound(expansion: TokenStream) {
    for (place, message) in errors(&expansion) {
        assert!(message.len() > 2, "an error without a message");
        assert!(is_written(place), "an error without a place: {message}");
    }
    let text = expansion.to_string();
    let parsed = syn::parse2::<syn::File>(expansion);
    assert!(
        parsed.is_ok(),
        "{}\n{text}",
        parsed.err().map(|error| error.to_string()).unwrap_or_default()
    );
}

/// Returns whether the span is of a token that was parsed, and not generated. `Debug` shows this
/// even where proc-macro2 keeps no lines and columns.
fn is_written(place: Span) -> bool {
    format!("{place:?}") != "bytes(0..0)"
}

/// What is not a handler stays as it was written, so that an editor keeps working on it.
fn as_written(item: TokenStream) {
    for expansion in [
        crate::guards::require_session::expand(quote!(UserSession), item.clone()),
        crate::guards::logout::expand(quote!(), item.clone()),
        crate::guards::public::expand(quote!(), item.clone()),
    ] {
        let mistakes = errors(&expansion);
        let is_refused = mistakes.iter().any(|(_, message)| !item.to_string().contains(message));
        if is_refused {
            let (expansion, item) = (expansion.to_string(), item.to_string());
            assert!(expansion.ends_with(&item), "{expansion}\n{item}");
        } else if syn::parse2::<syn::File>(item.clone()).is_ok() {
            assert!(syn::parse2::<syn::File>(expansion.clone()).is_ok(), "{expansion}");
        }
    }
}

/// Returns each `compile_error!` of an expansion: its place and its message, in quotes.
fn errors(expansion: &TokenStream) -> Vec<(Span, String)> {
    let tokens: Vec<TokenTree> = expansion.clone().into_iter().collect();
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(name) if name == "compile_error" => {
                if let Some(TokenTree::Group(group)) = tokens.get(index + 2) {
                    found.push((name.span(), group.stream().to_string()));
                }
            }
            TokenTree::Group(group) => found.extend(errors(&group.stream())),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    proptest! {
        #![proptest_config(Config {
            cases: 3_000,
            failure_persistence: None,
            ..Config::default()
        })]

        #[test]
        fn any_tokens_are_expanded_or_refused(
            place in 0_u8..8,
            tokens in vec(prop::sample::select(TOKENS), 0..12),
        ) {
            let text = tokens.join(" ");
            attribute(&[&[place], text.as_bytes()].concat());
        }
    }

    #[test]
    fn an_argument_that_lacks_its_end_is_reported_at_its_last_token() {
        for (place, text) in
            [(0, "idle ="), (1, "column = |s|"), (3, "rename_all = !"), (4, "when = |s|")]
        {
            attribute(&[&[place], text.as_bytes()].concat());
        }
    }

    #[test]
    fn a_generated_token_is_not_one_that_was_written() {
        assert!(!is_written(Span::call_site()));
        let written: TokenStream = "name".parse().unwrap();
        assert!(is_written(written.into_iter().next().unwrap().span()));
    }

    #[test]
    fn an_error_is_found_with_its_message() {
        let expansion = quote!(
            mod m {
                ::core::compile_error! { "wrong" }
            }
        );
        assert_eq!(errors(&expansion)[0].1, "\"wrong\"");
    }

    const TOKENS: &[&str] = &[
        "table",
        "idle",
        "absolute",
        "cookie",
        "max_per_subject",
        "on_limit",
        "keep_ended",
        "track",
        "fingerprint",
        "cut_off",
        "renamed_from",
        "migrations",
        "crate",
        "subject",
        "role",
        "json",
        "skip",
        "default",
        "column",
        "sql_type",
        "index",
        "unique",
        "references",
        "on_change",
        "when",
        "policy",
        "fresh",
        "authoritative",
        "redirect",
        "all",
        "others",
        "rename_all",
        "rename",
        "UserSession",
        "r#type",
        "=",
        ",",
        ",",
        ":",
        "::",
        "(",
        ")",
        "[]",
        "{}",
        "|s|",
        "|",
        "#",
        "!",
        "&",
        "<",
        ">",
        "1",
        "5_u8",
        "99999999999999999999",
        "1.5",
        "true",
        "false",
        "\"\"",
        "\"sessions\"",
        "\"2h\"",
        "\"1h30m\"",
        "\"a.b.c\"",
        "\"\\\"order\\\"\"",
        "\"users(id)\"",
        "\"users(id) on delete set null\"",
        "\"users(\"",
        "\"'member'\"",
        "\"end_oldest\"",
        "\"snake_case\"",
        "\"/login\"",
        "\"//evil\"",
        "\"ü\"",
        "\"\\0\"",
        "b\"x\"",
        "'c'",
        "'life",
        "async fn f() {}",
        "struct S;",
        "#[session(json)]",
        "id: i64,",
        "pub",
        "self",
        "-> T",
    ];
}
