//! The definition of a session table and its indexes, as a careful person would write it.

use sha2::{Digest, Sha256};

use super::{ColumnSchema, Dialect, OnDelete, Reference, Schema};
use crate::column::ColumnType;

/// The longest name that every dialect keeps whole: PostgreSQL cuts at 63 bytes.
const LONGEST_NAME: usize = 63;

/// An index of a session table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Index {
    /// Its name, unique in the database's schema.
    pub name: String,
    /// The one column that it is on.
    pub column: &'static str,
    /// Whether it refuses a value that another row has.
    pub unique: bool,
}

/// One line of a table's definition, in the columns that are aligned below each other.
struct Line {
    name: String,
    ty: &'static str,
    constraints: String,
    comment: Option<&'static str>,
}

impl Schema {
    /// The statements that create the table and its indexes, and the companion table where it has one, as one text that can stand in a
    /// migration.
    pub fn create_table(&self, dialect: Dialect) -> String {
        let mut text = self.create_statements(dialect, false).join(";\n\n");
        text.push_str(";\n");
        // The indexes are short: one a line, without an empty line between.
        text.replace(";\n\nCREATE INDEX", ";\nCREATE INDEX")
            .replace(";\n\nCREATE UNIQUE INDEX", ";\nCREATE UNIQUE INDEX")
            .replacen(";\nCREATE", ";\n\nCREATE", 1)
    }

    /// The indexes: on the expiry and, where ended rows are kept, on their end (for the sweep), on the subject, on foreign keys (for the cascade), and where the struct asks for one.
    pub fn indexes(&self) -> Vec<Index> {
        let wanted = self.columns.iter().filter(|column| {
            column.subject || column.index || column.unique || column.references.is_some()
        });
        let kept = self.extras.keep_ended.then_some(("ended_at", false));
        std::iter::once(("expires_at", false))
            .chain(kept)
            .chain(wanted.map(|column| (column.name, column.unique)))
            .map(|(column, unique)| Index {
                name: self.name_of(column, if unique { "key" } else { "idx" }),
                column,
                unique,
            })
            .collect()
    }

    /// The statements that create the table and its indexes.
    pub(crate) fn create_statements(&self, dialect: Dialect, if_not_exists: bool) -> Vec<String> {
        let exists = if if_not_exists { "IF NOT EXISTS " } else { "" };
        let table = dialect.table(self.table);
        let mut lines = self.column_lines(dialect);
        let options = match dialect {
            Dialect::MySql => {
                // MySQL ignores a foreign key that stands beside its column, MariaDB takes no name for a check there, and MySQL has no
                // CREATE INDEX IF NOT EXISTS: all three stand after the columns.
                lines.extend(self.mysql_constraints());
                " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            }
            Dialect::Postgres | Dialect::Sqlite => "",
        };
        let body = layout(&lines);
        let mut statements = vec![format!("CREATE TABLE {exists}{table} (\n{body}\n){options}")];
        if dialect != Dialect::MySql {
            statements.extend(
                self.indexes().iter().map(|index| self.create_index(dialect, index, exists)),
            );
        }
        statements.extend(self.create_cut_offs(dialect, exists));
        statements
    }

    fn create_index(&self, dialect: Dialect, index: &Index, exists: &str) -> String {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let name = dialect.identifier(&index.name);
        let column = dialect.identifier(index.column);
        match (dialect, self.namespace()) {
            // SQLite puts the schema before the index's name, and never before the table's.
            (Dialect::Sqlite, Some(namespace)) => {
                let namespace = dialect.identifier(namespace);
                let table = dialect.identifier(self.bare_table());
                format!("CREATE {unique}INDEX {exists}{namespace}.{name} ON {table} ({column})")
            }
            _ => {
                let table = dialect.table(self.table);
                format!("CREATE {unique}INDEX {exists}{name} ON {table} ({column})")
            }
        }
    }

    fn column_lines(&self, dialect: Dialect) -> Vec<Line> {
        // What a type means is said once, at the first column of that type.
        let mut explained = Vec::new();
        let mut explanation = |column: &ColumnSchema| {
            let first = !explained.contains(&column.ty);
            explained.push(column.ty);
            dialect.explanation(column).filter(|_| first)
        };
        let mut lines = Vec::new();
        for system in self.system_columns() {
            let mut constraints = column_constraints(dialect, &system.column);
            if system.column.name == "id" {
                constraints.push_str(" PRIMARY KEY");
            }
            lines.push(Line {
                name: dialect.identifier(system.column.name).into_owned(),
                ty: system.type_in(dialect),
                constraints,
                comment: explanation(&system.column).or(system.comment),
            });
        }
        for column in self.columns {
            lines.push(Line {
                name: dialect.identifier(column.name).into_owned(),
                ty: dialect.type_of(column),
                constraints: column_constraints(dialect, column),
                comment: explanation(column),
            });
        }
        lines
    }

    fn mysql_constraints(&self) -> Vec<Line> {
        let dialect = Dialect::MySql;
        let bare =
            |text: String| Line { name: text, ty: "", constraints: String::new(), comment: None };
        let indexes = self.indexes().into_iter().map(|index| {
            let unique = if index.unique { "UNIQUE " } else { "" };
            let (name, column) =
                (dialect.identifier(&index.name), dialect.identifier(index.column));
            bare(format!("{unique}INDEX {name} ({column})"))
        });
        let system = self.system_columns().map(|system| &system.column);
        let checks = system.chain(self.columns).filter_map(|column| {
            let check = check(dialect, column)?;
            let name = self.name_of(column.name, "check");
            Some(bare(format!("CONSTRAINT {} {check}", dialect.identifier(&name))))
        });
        let foreign_keys = self.columns.iter().filter_map(|column| {
            let reference = references(dialect, column.references.as_ref()?);
            let name = self.name_of(column.name, "fkey");
            let (name, column) = (dialect.identifier(&name), dialect.identifier(column.name));
            Some(bare(format!("CONSTRAINT {name} FOREIGN KEY ({column}) {reference}")))
        });
        indexes.chain(checks).chain(foreign_keys).collect()
    }

    /// `table_column_suffix`, cut so that every database keeps it whole and two long names stay two.
    fn name_of(&self, column: &str, suffix: &str) -> String {
        cut_name(&format!("{}_{column}", self.bare_table()), suffix)
    }
}

/// `name_suffix`, cut so that every database keeps it whole and two long names stay two.
pub(super) fn cut_name(name: &str, suffix: &str) -> String {
    let name = format!("{name}_{suffix}");
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let hash = Sha256::digest(&name);
    let hash = format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
    let mut cut = LONGEST_NAME - hash.len() - suffix.len() - 2;
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}_{hash}_{suffix}", &name[..cut])
}

impl Dialect {
    /// What the type does not say of a column.
    fn explanation(self, column: &ColumnSchema) -> Option<&'static str> {
        if column.sql_type.is_some() {
            return None;
        }
        match (self, column.ty) {
            (Dialect::MySql, ColumnType::Timestamp) => Some("UTC"),
            (Dialect::Sqlite, ColumnType::Timestamp) => Some("microseconds since 1970, UTC"),
            (Dialect::Sqlite, ColumnType::Json) => Some("JSON"),
            (Dialect::Sqlite, ColumnType::Uuid) => Some("UUID, 16 bytes"),
            _ => None,
        }
    }
}

fn null_constraint(column: &ColumnSchema) -> &'static str {
    if column.nullable { "" } else { "NOT NULL" }
}

fn column_constraints(dialect: Dialect, column: &ColumnSchema) -> String {
    let mut parts = vec![null_constraint(column).to_owned()];
    parts.extend(column.default.map(|default| default_clause(dialect, column, default)));
    if dialect != Dialect::MySql {
        parts.extend(check(dialect, column));
        parts.extend(column.references.as_ref().map(|target| references(dialect, target)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn default_clause(dialect: Dialect, column: &ColumnSchema, default: &str) -> String {
    let default = default.trim();
    // SQLite and MySQL take an expression only in parentheses, and MySQL takes even a literal only so for its long types.
    let long = matches!(column.ty, ColumnType::Text | ColumnType::Bytes | ColumnType::Json);
    let bare = match dialect {
        Dialect::Postgres => true,
        Dialect::Sqlite => is_literal(default),
        Dialect::MySql => is_literal(default) && !long,
    };
    if bare || is_in_parentheses(default) {
        format!("DEFAULT {default}")
    } else {
        format!("DEFAULT ({default})")
    }
}

/// Whether the expression's first parenthesis is closed by its last character.
fn is_in_parentheses(expression: &str) -> bool {
    let mut depth = 0_i32;
    let closed_at = expression.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth <= 0
    });
    expression.starts_with('(') && closed_at.is_some_and(|(at, _)| at + 1 == expression.len())
}

fn is_literal(expression: &str) -> bool {
    let quoted = expression.len() >= 2
        && expression.starts_with('\'')
        && expression.ends_with('\'')
        && !expression[1..expression.len() - 1].replace("''", "").contains('\'');
    let word = ["null", "true", "false", "current_timestamp"]
        .iter()
        .any(|word| expression.eq_ignore_ascii_case(word));
    quoted || word || expression.parse::<f64>().is_ok()
}

fn check(dialect: Dialect, column: &ColumnSchema) -> Option<String> {
    match column.ty {
        // A type of the user's own, as an enum of PostgreSQL's, holds its own values.
        ColumnType::Enum(values) if column.sql_type.is_none() => {
            let values: Vec<_> = values.iter().map(|value| dialect.literal(value)).collect();
            let name = dialect.identifier(column.name);
            Some(format!("CHECK ({name} IN ({}))", values.join(", ")))
        }
        _ => None,
    }
}

fn references(dialect: Dialect, target: &Reference) -> String {
    let action = match target.on_delete {
        OnDelete::Cascade => "CASCADE",
        OnDelete::Restrict => "RESTRICT",
        OnDelete::SetNull => "SET NULL",
    };
    let (table, column) = (dialect.table(target.table), dialect.identifier(target.column));
    format!("REFERENCES {table} ({column}) ON DELETE {action}")
}

/// The lines below each other: names, types and comments aligned.
fn layout(lines: &[Line]) -> String {
    let columns = || lines.iter().filter(|line| !line.ty.is_empty());
    let name_width = columns().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let type_width = columns().map(|line| line.ty.chars().count()).max().unwrap_or(0);
    let definitions: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let definition = if line.ty.is_empty() {
                line.name.clone()
            } else {
                let Line { name, ty, constraints, .. } = line;
                format!("{name:name_width$}  {ty:type_width$}  {constraints}")
            };
            let comma = if index + 1 < lines.len() { "," } else { "" };
            format!("    {}{comma}", definition.trim_end())
        })
        .collect();
    let commented = lines.iter().zip(&definitions).filter(|(line, _)| line.comment.is_some());
    let comment_at = commented.map(|(_, definition)| definition.chars().count()).max().unwrap_or(0);
    let with_comments =
        lines.iter().zip(&definitions).map(|(line, definition)| match line.comment {
            Some(comment) => format!("{definition:comment_at$}  -- {comment}"),
            None => definition.clone(),
        });
    with_comments.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Extras;

    const ROLES: ColumnType = ColumnType::Enum(&["admin", "member", "it's"]);

    /// One column of each kind, and each thing that may be said of one.
    static COLUMNS: [ColumnSchema; 13] =
        [
            ColumnSchema::new("user_id", ColumnType::Uuid, false)
                .subject()
                .references(Reference::new("auth.users", "id", OnDelete::Cascade)),
            ColumnSchema::new("role", ROLES, false).default("'member'"),
            ColumnSchema::new("cart", ColumnType::Json, false),
            ColumnSchema::new("theme", ColumnType::Text, true),
            ColumnSchema::new("greeting", ColumnType::Text, false).default("'hello'"),
            ColumnSchema::new("email", ColumnType::Text, false).unique().sql_type("VARCHAR(80)"),
            ColumnSchema::new("order", ColumnType::Integer, false).default("1 + 1"),
            ColumnSchema::new("deviceName", ColumnType::Text, true).index(),
            ColumnSchema::new("address", ColumnType::Ip, true),
            ColumnSchema::new("born_at", ColumnType::Timestamp, true),
            ColumnSchema::new("active", ColumnType::Bool, false).default("true"),
            ColumnSchema::new("score", ColumnType::Double, true),
            ColumnSchema::new("avatar", ColumnType::Bytes, true),
        ];
    static SCHEMA: Schema = Schema::new("sessions", &COLUMNS);

    #[test]
    fn reads_as_if_written_by_hand() {
        for (dialect, expected) in [
            (Dialect::Postgres, include_str!("snapshots/postgres.sql")),
            (Dialect::MySql, include_str!("snapshots/mysql.sql")),
            (Dialect::Sqlite, include_str!("snapshots/sqlite.sql")),
        ] {
            let written = SCHEMA.create_table(dialect);
            assert_eq!(written, expected.replace("\r\n", "\n"), "{dialect:?}:\n{written}");
        }
    }

    #[test]
    fn extras_come_after_the_columns_that_every_table_has() {
        const COLUMNS: &[ColumnSchema] =
            &[ColumnSchema::new("user_id", ColumnType::Uuid, false).subject()];
        static SCHEMA: Schema = Schema::new("sessions", COLUMNS)
            .extras(Extras::NONE.keep_ended().track().fingerprint().cut_off());
        let text = SCHEMA.create_table(Dialect::Postgres);
        let (_, extras) = text.split_once("-- whether the cookie outlives the browser\n").unwrap();
        assert_eq!(
            extras,
            "    status                 TEXT         NOT NULL CHECK (status IN ('active', 'revoked', 'expired')),\n    \
             ended_at               TIMESTAMPTZ,\n    \
             end_reason             TEXT,\n    \
             ip_address             INET,                   -- of the latest use\n    \
             user_agent             TEXT,\n    \
             fingerprint            BYTEA,                  -- SHA-256 of what the session is bound to\n    \
             user_id                UUID         NOT NULL\n);\n\n\
             CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);\n\
             CREATE INDEX sessions_ended_at_idx ON sessions (ended_at);\n\
             CREATE INDEX sessions_user_id_idx ON sessions (user_id);\n\n\
             CREATE TABLE sessions_cut_offs (\n    \
             subject     UUID NOT NULL PRIMARY KEY,\n    \
             cut_off_at  TIMESTAMPTZ NOT NULL\n);\n"
        );
    }

    #[test]
    fn a_table_in_a_schema_has_its_indexes_there() {
        static SCHEMA: Schema = Schema::new("auth.sessions", &[]);
        let index = |dialect| SCHEMA.create_statements(dialect, true).remove(1);
        assert_eq!(
            index(Dialect::Postgres),
            "CREATE INDEX IF NOT EXISTS sessions_expires_at_idx ON auth.sessions (expires_at)"
        );
        assert_eq!(
            index(Dialect::Sqlite),
            "CREATE INDEX IF NOT EXISTS auth.sessions_expires_at_idx ON sessions (expires_at)"
        );
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        static SCHEMA: Schema = Schema::new("sessions_of_the_administrators_of_the_shop", &[]);
        let first = SCHEMA.name_of("a_long_column_name_whose_end_is_one", "idx");
        let second = SCHEMA.name_of("a_long_column_name_whose_end_is_two", "idx");
        assert_eq!((first.len(), second.len()), (LONGEST_NAME, LONGEST_NAME));
        assert_ne!(first, second);
        assert!(first.ends_with("_idx"));
    }

    #[test]
    fn only_expressions_are_put_in_parentheses() {
        let number = ColumnSchema::new("n", ColumnType::Integer, false);
        for literal in ["7", "-1.5", "'it''s'", "NULL", "true", "CURRENT_TIMESTAMP"] {
            assert_eq!(
                default_clause(Dialect::Sqlite, &number, literal),
                format!("DEFAULT {literal}")
            );
        }
        assert_eq!(default_clause(Dialect::Sqlite, &number, "'a' || 'b'"), "DEFAULT ('a' || 'b')");
        assert_eq!(default_clause(Dialect::MySql, &number, "(1 + 1)"), "DEFAULT (1 + 1)");
        assert_eq!(default_clause(Dialect::MySql, &number, "(1) + (1)"), "DEFAULT ((1) + (1))");
    }
}
