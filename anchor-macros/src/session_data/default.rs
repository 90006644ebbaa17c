//! A column's default: an SQL expression, which the macro inspects but does not change.

use syn::LitStr;

/// Words that are expressions for a text in at least one database.
const WORDS: &[&str] = &[
    "null",
    "user",
    "current_user",
    "session_user",
    "system_user",
    "current_role",
    "current_catalog",
    "current_schema",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
];

/// Returns what is meant by a default such as `en`, which no database accepts as a text: `'en'`.
/// Returns `None` if the default can be an expression.
pub(super) fn meant_as_text(default: &LitStr) -> Option<String> {
    let text = default.value();
    let text = text.trim();
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let is_expression = text.contains(['\'', '"', '(', '$']);
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    (!is_word && !is_expression && !is_number).then(|| format!("'{text}'"))
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn meant(text: &str) -> Option<String> {
        meant_as_text(&LitStr::new(text, Span::call_site()))
    }

    #[test]
    fn words_are_meant_as_texts_and_expressions_are_not() {
        for (written, text) in [
            ("en", "'en'"),
            ("en-GB", "'en-GB'"),
            (" dark mode ", "'dark mode'"),
            ("true", "'true'"),
        ] {
            assert_eq!(meant(written).as_deref(), Some(text));
        }
        for written in [
            "'en'",
            "'a' || 'b'",
            "now()",
            "(uuid())",
            "$$en$$",
            "x'00'",
            "NULL",
            "current_user",
            "1 + 1",
            "-7",
            ".5",
        ] {
            assert_eq!(meant(written), None, "{written}");
        }
    }
}
