//! The words that PostgreSQL, MySQL, MariaDB or SQLite reserve: a column or table of such a name is
//! written in quotes.

/// The macros refuse the same words; a test of `ui-tests` holds the two files together.
const RESERVED: &str = include_str!("reserved_words.txt");

/// Whether an unquoted `name` (in lower case) would be read as a keyword by one of the databases.
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
