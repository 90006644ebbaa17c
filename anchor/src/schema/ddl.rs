//! The definition of a session table and its indexes, as a careful person would write it.
//!
//! Columns, constraints and indexes are written only here. The stores' quick start and the
//! migrations use this definition.

use super::column_definition::Line;
use super::system::comment_on;
use super::table::{Table, TableColumn, TableIndex, index_name};
use super::{Dialect, Schema};
use crate::column::ColumnType;
use crate::schema::table::Kind;

/// An index of a session table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Index {
    /// The index's name, unique in the database's schema.
    pub name: String,
    /// The one column that the index is on.
    pub column: &'static str,
    /// Whether the index refuses a value that another row has.
    pub unique: bool,
}

impl Schema {
    /// Returns the statements that create the table, its indexes and, if it has one, the companion
    /// table. They are one text that can be put into a migration.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// use anchor::schema::Dialect;
    ///
    /// // For a tool that applies migrations of its own.
    /// let sql = UserSession::schema().create_table(Dialect::Sqlite);
    /// assert!(sql.starts_with("CREATE TABLE user_session ("));
    /// ```
    pub fn create_table(&self, dialect: Dialect) -> String {
        Table::of(self, dialect).create_text()
    }

    /// Returns the indexes: on the expiry and, if ended rows are kept, on their end (for the
    /// sweep), on the subject, on foreign keys (for the cascade), and on the columns for which the
    /// struct asks for one.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// let indexes = UserSession::schema().indexes();
    /// let columns: Vec<_> = indexes.iter().map(|index| index.column).collect();
    /// assert_eq!(columns, ["expires_at", "user_id"]);
    /// ```
    pub fn indexes(&self) -> Vec<Index> {
        let wanted = self.columns.iter().filter(|column| {
            column.subject || column.index || column.unique || column.references.is_some()
        });
        let kept = self.options.keep_ended.then_some(("ended_at", false));
        std::iter::once(("expires_at", false))
            .chain(kept)
            .chain(wanted.map(|column| (column.name, column.unique)))
            .map(|(column, unique)| Index {
                name: index_name(self.bare_table(), column, unique),
                column,
                unique,
            })
            .collect()
    }

    /// Returns the statements that create the table and its indexes, unless they exist.
    #[cfg(feature = "_sql")]
    pub(crate) fn create_if_not_exists(&self, dialect: Dialect) -> Vec<String> {
        Table::of(self, dialect).create_statements("IF NOT EXISTS ")
    }
}

impl Table {
    /// Returns the statements that create the table, its indexes and its companion table, as one
    /// text.
    pub(crate) fn create_text(&self) -> String {
        self.text("")
    }

    /// Returns the same text for a database that may already have them.
    pub(crate) fn create_text_if_not_exists(&self) -> String {
        self.text("IF NOT EXISTS ")
    }

    fn text(&self, exists: &str) -> String {
        let mut text = self.create_alone(exists, &self.dialect.table(&self.name)) + ";\n";
        let indexes = self.create_indexes(exists);
        if !indexes.is_empty() {
            // The indexes are short: one per line, without an empty line in between.
            text.push_str(&format!("\n{};\n", indexes.join(";\n")));
        }
        if let Some(companion) = &self.cut_offs {
            text.push_str(&format!("\n{};\n", companion.create(self.dialect, exists)));
        }
        text
    }

    #[cfg(feature = "_sql")]
    fn create_statements(&self, exists: &str) -> Vec<String> {
        let mut statements = vec![self.create_alone(exists, &self.dialect.table(&self.name))];
        statements.extend(self.create_indexes(exists));
        statements.extend(self.cut_offs.iter().map(|table| table.create(self.dialect, exists)));
        statements
    }

    /// Returns the statements that create the indexes. On MySQL there are none, because the
    /// statement that creates the table contains the indexes.
    fn create_indexes(&self, exists: &str) -> Vec<String> {
        match self.dialect {
            Dialect::MySql => Vec::new(),
            Dialect::Postgres | Dialect::Sqlite => {
                self.indexes.iter().map(|index| self.create_index(index, exists)).collect()
            }
        }
    }

    /// Returns the statement that creates the table under this name. On MySQL, it contains the
    /// indexes.
    pub(crate) fn create_alone(&self, exists: &str, name: &str) -> String {
        let mut lines = self.column_lines();
        let options = match self.dialect {
            Dialect::MySql => {
                // MySQL ignores a foreign key that is written beside its column, MariaDB does not
                // accept a name for a check there, and MySQL has no CREATE INDEX IF NOT EXISTS. So
                // all three are written after the columns.
                lines.extend(self.mysql_constraints());
                " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            }
            Dialect::Postgres | Dialect::Sqlite => "",
        };
        format!("CREATE TABLE {exists}{name} (\n{}\n){options}", layout(&lines))
    }

    /// Returns the statement that creates an index of the table.
    pub(crate) fn create_index(&self, index: &TableIndex, exists: &str) -> String {
        let dialect = self.dialect;
        let unique = if index.unique { "UNIQUE " } else { "" };
        let name = dialect.identifier(&index.name);
        let column = dialect.identifier(&index.column);
        match (dialect, self.namespace()) {
            // SQLite puts the schema before the index's name, and never before the table's.
            (Dialect::Sqlite, Some(namespace)) => {
                let namespace = dialect.identifier(namespace);
                let table = dialect.identifier(self.bare_name());
                format!("CREATE {unique}INDEX {exists}{namespace}.{name} ON {table} ({column})")
            }
            _ => {
                let table = dialect.table(&self.name);
                format!("CREATE {unique}INDEX {exists}{name} ON {table} ({column})")
            }
        }
    }

    fn column_lines(&self) -> Vec<Line> {
        // The meaning of a type is explained once, at the first column of that type.
        let mut explained = Vec::new();
        let lines = self.columns.iter().map(|column| {
            let first = !explained.contains(&&column.kind);
            explained.push(&column.kind);
            let has = |name: &str| self.columns.iter().any(|column| column.name == name);
            let comment = comment_on(&column.name, has);
            let explanation = self.dialect.explanation(column).filter(|_| first);
            self.line(column, explanation.or(comment))
        });
        lines.collect()
    }

    /// Returns the comments beside the columns of the definition, sorted and without duplicates, so
    /// the order of the columns does not matter.
    pub(crate) fn comments(&self) -> Vec<&'static str> {
        let has = |name: &str| self.columns.iter().any(|column| column.name == name);
        let mut comments: Vec<_> = self
            .columns
            .iter()
            .flat_map(|column| [self.dialect.explanation(column), comment_on(&column.name, has)])
            .flatten()
            .collect();
        comments.sort_unstable();
        comments.dedup();
        comments
    }

    fn mysql_constraints(&self) -> Vec<Line> {
        let indexes = self.indexes.iter().map(|index| self.mysql_index(index));
        let checks = self.columns.iter().filter_map(|column| self.check(column));
        let foreign_keys = self.columns.iter().filter_map(|column| self.foreign_key(column));
        let bare =
            |name| Line { name, ty: String::new(), constraints: String::new(), comment: None };
        indexes.chain(checks).chain(foreign_keys).map(bare).collect()
    }

    /// Returns an index, as MySQL writes it in `CREATE TABLE` and after `ADD`.
    pub(crate) fn mysql_index(&self, index: &TableIndex) -> String {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let (name, column) =
            (self.dialect.identifier(&index.name), self.dialect.identifier(&index.column));
        format!("{unique}INDEX {name} ({column})")
    }
}

impl Dialect {
    /// Returns what the SQL type does not say about a column.
    fn explanation(self, column: &TableColumn) -> Option<&'static str> {
        if column.custom {
            return None;
        }
        match (self, &column.kind) {
            (Dialect::MySql, Kind::Plain(ColumnType::Timestamp)) => Some("UTC"),
            (Dialect::Sqlite, Kind::Plain(ColumnType::Timestamp)) => {
                Some("microseconds since 1970, UTC")
            }
            (Dialect::Sqlite, Kind::Plain(ColumnType::Json)) => Some("JSON"),
            (Dialect::Sqlite, Kind::Plain(ColumnType::Uuid)) => Some("UUID, 16 bytes"),
            _ => None,
        }
    }
}

/// Joins the lines, with names, types and comments aligned.
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
    use crate::schema::{ColumnSchema, OnDelete, Reference, SchemaOptions};

    const ROLES: ColumnType = ColumnType::Enum(&["admin", "member", "it's"]);

    /// One column of each kind, and each attribute that a column may have.
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
            .options(SchemaOptions::NONE.keep_ended().track().fingerprint().cut_off());
        let text = SCHEMA.create_table(Dialect::Postgres);
        let (_, options) = text.split_once("-- whether the cookie outlives the browser\n").unwrap();
        assert_eq!(
            options,
            "    status                 TEXT         NOT NULL DEFAULT 'active' CONSTRAINT \
             sessions_status_check CHECK (status IN ('active', 'revoked', 'expired')),\n    \
             ended_at               TIMESTAMPTZ,\n    \
             end_reason             TEXT,\n    \
             ip_address             INET,                                -- of the latest use\n    \
             user_agent             TEXT,\n    \
             fingerprint            BYTEA,                               -- SHA-256 of what the \
             session is bound to\n    \
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
    #[cfg(feature = "_sql")]
    fn a_table_in_a_schema_has_its_indexes_there() {
        static SCHEMA: Schema = Schema::new("auth.sessions", &[]);
        let index =
            |dialect| Table::of(&SCHEMA, dialect).create_statements("IF NOT EXISTS ").remove(1);
        assert_eq!(
            index(Dialect::Postgres),
            "CREATE INDEX IF NOT EXISTS sessions_expires_at_idx ON auth.sessions (expires_at)"
        );
        assert_eq!(
            index(Dialect::Sqlite),
            "CREATE INDEX IF NOT EXISTS auth.sessions_expires_at_idx ON sessions (expires_at)"
        );
    }
}
