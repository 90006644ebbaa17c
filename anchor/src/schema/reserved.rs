//! The words that PostgreSQL, MySQL, MariaDB or SQLite reserve. A column or table with such a name
//! is written in quotes.

/// The macros refuse the same words; a test in `ui-tests` checks that the two files agree.
const RESERVED: &str = include_str!("reserved_words.txt");

/// Returns whether one of the databases would read an unquoted `name` (in lower case) as a keyword.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.split_ascii_whitespace().any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_words_of_every_dialect() {
        for word in ["order", "user", "group", "rank", "returning", "accessible", "zerofill"] {
            assert!(is_reserved(word), "{word}");
        }
        for word in ["user_id", "role", "version", "theme", "name", ""] {
            assert!(!is_reserved(word), "{word}");
        }
    }
}
