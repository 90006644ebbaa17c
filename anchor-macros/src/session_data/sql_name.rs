//! [`SqlName`]: the name of a table or column, bare or in quotes, and the words that a bare one may not be.

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
        !self.quoted && RESERVED.binary_search(&self.text.to_ascii_uppercase().as_str()).is_ok()
    }
}

/// What PostgreSQL and MySQL/MariaDB reserve, and what SQLite takes for no bare column name; sorted.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "ACCESSIBLE", "ADD", "ALL", "ALTER", "ANALYSE", "ANALYZE", "AND", "ANY", "ARRAY", "AS", "ASC",
    "ASENSITIVE", "ASYMMETRIC", "AUTHORIZATION", "AUTOINCREMENT", "BEFORE", "BETWEEN", "BIGINT",
    "BINARY", "BLOB", "BOTH", "BY", "CALL", "CASCADE", "CASE", "CAST", "CHANGE", "CHAR",
    "CHARACTER", "CHECK", "COLLATE", "COLLATION", "COLUMN", "COMMIT", "CONCURRENTLY", "CONDITION",
    "CONSTRAINT", "CONTINUE", "CONVERT", "CREATE", "CROSS", "CUBE", "CUME_DIST", "CURRENT_CATALOG",
    "CURRENT_DATE", "CURRENT_ROLE", "CURRENT_SCHEMA", "CURRENT_TIME", "CURRENT_TIMESTAMP",
    "CURRENT_USER", "CURSOR", "DATABASE", "DATABASES", "DAY_HOUR", "DAY_MICROSECOND", "DAY_MINUTE",
    "DAY_SECOND", "DEC", "DECIMAL", "DECLARE", "DEFAULT", "DEFERRABLE", "DELAYED", "DELETE",
    "DELETE_DOMAIN_ID", "DENSE_RANK", "DESC", "DESCRIBE", "DETERMINISTIC", "DISTINCT",
    "DISTINCTROW", "DIV", "DO", "DOUBLE", "DO_DOMAIN_IDS", "DROP", "DUAL", "EACH", "ELSE", "ELSEIF",
    "EMPTY", "ENCLOSED", "END", "ESCAPE", "ESCAPED", "EXCEPT", "EXISTS", "EXIT", "EXPLAIN", "FALSE",
    "FETCH", "FIRST_VALUE", "FLOAT", "FLOAT4", "FLOAT8", "FOR", "FORCE", "FOREIGN", "FREEZE",
    "FROM", "FULL", "FULLTEXT", "FUNCTION", "GENERATED", "GET", "GRANT", "GROUP", "GROUPING",
    "GROUPS", "HAVING", "HIGH_PRIORITY", "HOUR_MICROSECOND", "HOUR_MINUTE", "HOUR_SECOND", "IF",
    "IGNORE", "IGNORE_DOMAIN_IDS", "ILIKE", "IN", "INDEX", "INFILE", "INITIALLY", "INNER", "INOUT",
    "INSENSITIVE", "INSERT", "INT", "INT1", "INT2", "INT3", "INT4", "INT8", "INTEGER", "INTERSECT",
    "INTERVAL", "INTO", "IO_AFTER_GTIDS", "IO_BEFORE_GTIDS", "IS", "ISNULL", "ITERATE", "JOIN",
    "JSON_TABLE", "KEY", "KEYS", "KILL", "LAG", "LAST_VALUE", "LATERAL", "LEAD", "LEADING", "LEAVE",
    "LEFT", "LIKE", "LIMIT", "LINEAR", "LINES", "LOAD", "LOCALTIME", "LOCALTIMESTAMP", "LOCK",
    "LONG", "LONGBLOB", "LONGTEXT", "LOOP", "LOW_PRIORITY", "MANUAL", "MASTER_BIND",
    "MASTER_SSL_VERIFY_SERVER_CERT", "MATCH", "MAXVALUE", "MEDIUMBLOB", "MEDIUMINT", "MEDIUMTEXT",
    "MIDDLEINT", "MINUTE_MICROSECOND", "MINUTE_SECOND", "MOD", "MODIFIES", "NATURAL", "NOT",
    "NOTHING", "NOTNULL", "NO_WRITE_TO_BINLOG", "NTH_VALUE", "NTILE", "NULL", "NUMERIC", "OF",
    "OFFSET", "ON", "ONLY", "OPTIMIZE", "OPTIMIZER_COSTS", "OPTION", "OPTIONALLY", "OR", "ORDER",
    "OUT", "OUTER", "OUTFILE", "OVER", "OVERLAPS", "PAGE_CHECKSUM", "PARALLEL", "PARSE_VCOL_EXPR",
    "PARTITION", "PERCENT_RANK", "PLACING", "PORTION", "PRECISION", "PRIMARY", "PROCEDURE", "PURGE",
    "QUALIFY", "RAISE", "RANGE", "RANK", "READ", "READS", "READ_WRITE", "REAL", "RECURSIVE", "REFERENCES",
    "REF_SYSTEM_ID", "REGEXP", "RELEASE", "RENAME", "REPEAT", "REPLACE", "REQUIRE", "RESIGNAL",
    "RESTRICT", "RETURN", "RETURNING", "REVOKE", "RIGHT", "RLIKE", "ROW", "ROWNUM", "ROWS",
    "ROW_NUMBER", "SCHEMA", "SCHEMAS", "SECOND_MICROSECOND", "SELECT", "SENSITIVE", "SEPARATOR",
    "SESSION_USER", "SET", "SHOW", "SIGNAL", "SIMILAR", "SMALLINT", "SOME", "SPATIAL", "SPECIFIC",
    "SQL", "SQLEXCEPTION", "SQLSTATE", "SQLWARNING", "SQL_BIG_RESULT", "SQL_CALC_FOUND_ROWS",
    "SQL_SMALL_RESULT", "SSL", "STARTING", "STATS_AUTO_RECALC", "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES", "STORED", "STRAIGHT_JOIN", "SYMMETRIC", "SYSTEM", "SYSTEM_USER", "TABLE",
    "TABLESAMPLE", "TERMINATED", "THEN", "TINYBLOB", "TINYINT", "TINYTEXT", "TO", "TRAILING",
    "TRANSACTION", "TRIGGER", "TRUE", "UNDO", "UNION", "UNIQUE", "UNLOCK", "UNSIGNED", "UPDATE",
    "USAGE", "USE", "USER", "USING", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP", "VALUES", "VARBINARY",
    "VARCHAR", "VARCHARACTER", "VARIADIC", "VARYING", "VECTOR", "VERBOSE", "VIRTUAL", "WHEN",
    "WHERE", "WHILE", "WINDOW", "WITH", "WRITE", "XOR", "YEAR_MONTH", "ZEROFILL",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SqlName {
        SqlName::parse(text, Span::call_site())
    }

    #[test]
    fn the_reserved_words_are_sorted_and_found_in_any_case() {
        assert!(RESERVED.is_sorted_by(|a, b| a < b));
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
