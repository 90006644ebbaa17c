//! The companion table of [`SchemaOptions::cut_off`](super::SchemaOptions::cut_off): one row per
//! subject, with the instant of its latest cut-off.
//!
//! It is a separate table because the instant must be known when a session arrives that began
//! before it. By then, the subject's other rows may be gone.

use super::names::cut_name;
use super::{ColumnSchema, Dialect, Schema};
use crate::column::ColumnType;

/// The companion table in one dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CutOffsTable {
    /// `table` or `schema.table`.
    pub(crate) name: String,
    /// The subject's column in the session table.
    pub(crate) subject: String,
    /// The type of the subject's column in this table.
    pub(crate) subject_type: String,
}

impl CutOffsTable {
    /// Returns the companion table that a struct's schema asks for.
    pub(crate) fn of(schema: &Schema, dialect: Dialect) -> Option<Self> {
        let (_, subject) = schema.subject()?;
        let [(_, subject_type), _] = cut_off_columns(dialect, subject);
        Some(Self {
            name: schema.cut_offs_table()?,
            subject: subject.name.to_owned(),
            subject_type: subject_type.to_owned(),
        })
    }

    /// Returns the statement that creates the companion table.
    pub(crate) fn create(&self, dialect: Dialect, exists: &str) -> String {
        let table = dialect.table(&self.name);
        let time = dialect.spell(ColumnType::Timestamp);
        let options = match dialect {
            Dialect::MySql => " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            Dialect::Postgres | Dialect::Sqlite => "",
        };
        format!(
            "CREATE TABLE {exists}{table} (\n    \
             subject     {} NOT NULL PRIMARY KEY,\n    \
             cut_off_at  {time} NOT NULL\n){options}",
            self.subject_type
        )
    }
}

impl Schema {
    /// Returns the companion table's name, in the session table's schema, or `None` if the payload
    /// has no cut-offs.
    pub fn cut_offs_table(&self) -> Option<String> {
        if !self.options.cut_off {
            return None;
        }
        let table = cut_name(self.bare_table(), "cut_offs");
        Some(match self.table.rsplit_once('.') {
            Some((namespace, _)) => format!("{namespace}.{table}"),
            None => table,
        })
    }

    /// Returns the statement that creates the companion table, or `None` if the payload has no
    /// cut-offs.
    pub fn create_cut_offs_table(&self, dialect: Dialect) -> Option<String> {
        Some(CutOffsTable::of(self, dialect)?.create(dialect, "") + ";\n")
    }
}

/// Returns the companion table's columns and their types.
pub(crate) fn cut_off_columns(
    dialect: Dialect,
    subject: &ColumnSchema,
) -> [(&'static str, &'static str); 2] {
    let subject_type = match (dialect, subject.ty) {
        // MySQL's collations treat 'a' and 'a ' as one key, but they are two subjects. So the
        // column holds bytes: four for each of 255 characters.
        (Dialect::MySql, ColumnType::Text | ColumnType::Enum(_)) => CUT_OFF_BYTES,
        _ => dialect.type_of(subject),
    };
    [("subject", subject_type), ("cut_off_at", dialect.spell(ColumnType::Timestamp))]
}

/// The type that holds the bytes of a text on MySQL.
pub(crate) const CUT_OFF_BYTES: &str = "VARBINARY(1020)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SchemaOptions;

    static COLUMNS: [ColumnSchema; 1] =
        [ColumnSchema::new("email", ColumnType::Text, false).subject()];
    static SCHEMA: Schema =
        Schema::new("auth.sessions", &COLUMNS).options(SchemaOptions::NONE.cut_off());

    #[test]
    fn the_companion_table_reads_as_if_written_by_hand() {
        assert_eq!(
            SCHEMA.create_cut_offs_table(Dialect::Postgres).unwrap(),
            "CREATE TABLE auth.sessions_cut_offs (\n    \
             subject     TEXT NOT NULL PRIMARY KEY,\n    \
             cut_off_at  TIMESTAMPTZ NOT NULL\n);\n"
        );
        assert_eq!(
            SCHEMA.create_cut_offs_table(Dialect::MySql).unwrap(),
            "CREATE TABLE auth.sessions_cut_offs (\n    \
             subject     VARBINARY(1020) NOT NULL PRIMARY KEY,\n    \
             cut_off_at  DATETIME(6) NOT NULL\n\
             ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n"
        );
    }
}
