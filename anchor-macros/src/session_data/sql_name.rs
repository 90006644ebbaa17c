//! [`SqlName`]: the name of a table or column, bare or in quotes, and the reserved words that a
//! bare name must not be.

use proc_macro2::Span;

/// PostgreSQL silently truncates longer names.
const LONGEST: usize = 63;

/// A name that the user wrote, where it was written, and whether it was in quotes.
#[derive(Clone)]
pub(super) struct SqlName {
    pub(super) text: String,
    pub(super) quoted: bool,
    pub(super) span: Span,
}

impl SqlName {
    /// Reads the name in an attribute's text: `order_id`, or `"order"` with the quotes.
    pub(super) fn parse(text: &str, span: Span) -> Self {
        match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) => Self { text: inner.replace("\"\"", "\""), quoted: true, span },
            None => Self { text: text.to_owned(), quoted: false, span },
        }
    }

    /// Reads `table` or `schema.table`, each part bare or in quotes.
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

    /// Returns why not every store accepts this name, or `None` if it is fine.
    pub(super) fn fault(&self) -> Option<String> {
        let text = &self.text;
        if text.is_empty() {
            Some("this name is empty".to_owned())
        } else if text.chars().any(char::is_control) {
            Some("this name contains a control character".to_owned())
        } else if text.starts_with('@') {
            Some(format!("the name `{text}` begins with `@`, as anchor's own fields in Redis do"))
        } else if text.trim() != text {
            Some(format!("the name `{text}` begins or ends with a space"))
        } else if !self.quoted && text.contains('"') {
            Some(format!("the quotes in `{text}` do not enclose the whole name"))
        } else if text.len() > LONGEST {
            Some(format!("the name `{text}` has {} bytes; the maximum is {LONGEST}", text.len()))
        } else {
            None
        }
    }

    /// Returns whether a database treats this bare name as a reserved word.
    pub(super) fn is_reserved(&self) -> bool {
        !self.quoted
            && RESERVED.split_ascii_whitespace().any(|word| self.text.eq_ignore_ascii_case(word))
    }
}

/// The words that PostgreSQL and MySQL/MariaDB reserve, and the words that SQLite does not accept
/// as bare column names. The stores quote the same words.
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
