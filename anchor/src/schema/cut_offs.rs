//! The companion table of [`Extras::cut_off`](super::Extras::cut_off): a row a subject, with the instant of its latest cut-off.
//!
//! A table of its own, because the instant must be known when a session arrives that began before it, and the subject's other rows may be gone by then.

use super::table::cut_name;
use super::{ColumnSchema, Dialect, Schema};
use crate::column::ColumnType;

impl Schema {
    /// The companion table's name, in the session table's schema; `None` where the payload has no cut-offs.
    pub fn cut_offs_table(&self) -> Option<String> {
        if !self.extras.cut_off {
            return None;
        }
        let table = cut_name(self.bare_table(), "cut_offs");
        Some(match self.namespace() {
            Some(namespace) => format!("{namespace}.{table}"),
            None => table,
        })
    }

    /// The statement that creates the companion table; `None` where the payload has no cut-offs.
    pub fn create_cut_offs_table(&self, dialect: Dialect) -> Option<String> {
        self.create_cut_offs(dialect, "").map(|statement| statement + ";\n")
    }

    /// The same, without its end, and with a condition.
    pub(crate) fn create_cut_offs(&self, dialect: Dialect, exists: &str) -> Option<String> {
        let (_, subject) = self.subject()?;
        let table = dialect.table(&self.cut_offs_table()?);
        let [subject, cut_off_at] = cut_off_columns(dialect, subject).map(|(name, ty)| {
            let width = "cut_off_at".len();
            format!("    {name:width$}  {ty} NOT NULL")
        });
        let options = match dialect {
            Dialect::MySql => " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            Dialect::Postgres | Dialect::Sqlite => "",
        };
        Some(format!(
            "CREATE TABLE {exists}{table} (\n{subject} PRIMARY KEY,\n{cut_off_at}\n){options}"
        ))
    }
}

/// The companion table's columns, and their types.
pub(crate) fn cut_off_columns(
    dialect: Dialect,
    subject: &ColumnSchema,
) -> [(&'static str, &'static str); 2] {
    let subject_type = match (dialect, subject.ty) {
        // MySQL's collations take 'a' and 'a ' for one key, and they are two subjects; four bytes for each of 255 characters.
        (Dialect::MySql, ColumnType::Text | ColumnType::Enum(_)) => "VARBINARY(1020)",
        _ => dialect.type_of(subject),
    };
    [("subject", subject_type), ("cut_off_at", dialect.spell(ColumnType::Timestamp))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Extras;

    static COLUMNS: [ColumnSchema; 1] =
        [ColumnSchema::new("email", ColumnType::Text, false).subject()];
    static SCHEMA: Schema = Schema::new("auth.sessions", &COLUMNS).extras(Extras::NONE.cut_off());

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
