//! [`SqlName`]: the name of a table or column, bare or in quotes, and the words that a bare one may
//! not be.

use proc_macro2::Span;

/// PostgreSQL cuts longer names silently.
const LONGEST: usize = 63;

/// A name of the user's, where it came from, and whether it was written in quotes.
#[derive(Clone)]
pub(super) struct SqlName {
    pub(super) text: String,
    pub(super) quoted: bool,
    pub(super) span: Span,
}

impl SqlName {
    /// The name that an attribute's text says: `order_id`, or `"order"` with the quotes.
    pub(super) fn parse(text: &str, span: Span) -> Self {
        match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) => Self { text: inner.replace("\"\"", "\""), quoted: true, span },
            None => Self { text: text.to_owned(), quoted: false, span },
        }
    }

    /// `table` or `schema.table`, each part bare or in quotes.
    pub(super) fn parse_path(text: &str, span: Span) -> Vec<Self> {
        let mut parts = vec![String::new()];
        let mut in_quotes = false;
        for letter in text.chars() {
            in_quotes ^= letter == '"';
            match letter {
                '.' if !in_quotes => parts.push(String::new()),
                _ => parts.last_mut().expect("never empty").push(letter),
            }
        }
        parts.iter().map(|part| Self::parse(part, span)).collect()
    }

    /// Why no database takes this name; `None` if it is fine.
    pub(super) fn fault(&self) -> Option<String> {
        let text = &self.text;
        if text.is_empty() {
            Some("this name is empty".to_owned())
        } else if text.chars().any(char::is_control) {
            Some("this name holds a control character".to_owned())
        } else if text.trim() != text {
            Some(format!("the name `{text}` begins or ends with a space"))
        } else if !self.quoted && text.contains('"') {
            Some(format!("the quotes in `{text}` are not a pair around the whole name"))
        } else if text.len() > LONGEST {
            Some(format!("the name `{text}` has {} bytes; {LONGEST} fit", text.len()))
        } else {
            None
        }
    }

    /// Whether a database takes this bare name for a word of its language.
    pub(super) fn is_reserved(&self) -> bool {
        !self.quoted
            && RESERVED.split_ascii_whitespace().any(|word| self.text.eq_ignore_ascii_case(word))
    }
}

/// What PostgreSQL and MySQL/MariaDB reserve, and what SQLite takes for no bare column name. The
/// stores quote the same words.
const RESERVED: &str = include_str!("reserved_words.txt");

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SqlName {
        SqlName::parse(text, Span::call_site())
    }

    #[test]
    fn a_reserved_word_is_found_in_any_case_and_free_in_quotes() {
        for word in ["order", "User", "GROUP", "key", "transaction", "rank"] {
            assert!(name(word).is_reserved(), "{word}");
        }
        assert!(!name("\"order\"").is_reserved());
        assert!(!name("role").is_reserved());
    }

    #[test]
    fn quotes_are_taken_off() {
        assert_eq!(name("\"order\"").text, "order");
        assert_eq!(name("\"a\"\"b\"").text, "a\"b");
        let parts = SqlName::parse_path("app.\"my.table\"", Span::call_site());
        let texts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(texts, ["app", "my.table"]);
    }

    #[test]
    fn what_no_database_takes_is_refused() {
        let longest = "x".repeat(63);
        for fine in ["a", "größe", "\"with space\"", longest.as_str()] {
            assert_eq!(name(fine).fault(), None, "{fine}");
        }
        let too_long = "x".repeat(64);
        for faulty in ["", "\"\"", "a\0b", "a\nb", " a", "\"a", "a\"", &too_long] {
            assert!(name(faulty).fault().is_some(), "{faulty:?}");
        }
    }
}
