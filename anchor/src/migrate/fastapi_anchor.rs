//! The migration that takes over fastapi-anchor's table,
//! `anchor_sessions(id, user_id, expires_at, created_at)`.
//!
//! Its sessions end, because its rows contain no hash of a secret: no token could prove the right
//! to use them. Except on SQLite, the table stays, with its grants and the foreign keys that
//! reference it. Its columns are replaced regardless of their types, which an application may have
//! changed.

use super::write::{bounds, referenced};
use crate::schema::{Dialect, Table};

/// The name of fastapi-anchor's table.
pub(super) const TABLE: &str = "anchor_sessions";

/// The table's columns other than `id`.
const COLUMNS: [&str; 3] = ["user_id", "expires_at", "created_at"];

/// Returns the SQL that turns the table into the struct's.
pub(super) fn up(table: &Table) -> String {
    let dialect = table.dialect;
    let name = dialect.table(&table.name);
    let ends = "-- DESTRUCTIVE: ends every session of fastapi-anchor; their users log in again.\n";
    if dialect == Dialect::Sqlite {
        return format!(
            "{ends}-- SQLite cannot change a column's type in place.\n\
             DROP TABLE IF EXISTS {name};\n\n{}",
            table.create_text()
        );
    }
    let lock = match dialect {
        Dialect::Postgres => format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE;\n"),
        Dialect::MySql | Dialect::Sqlite => String::new(),
    };
    let mut sql = format!(
        "{}-- A new database does not have this table.\n{};\n\n{ends}{lock}DELETE FROM {name};\n\n",
        bounds(dialect, 1 + referenced(table)),
        create(table, "IF NOT EXISTS ")
    );

    let (id, others): (Vec<_>, Vec<_>) =
        table.columns.iter().partition(|column| column.primary_key);
    sql.push_str("-- This also drops the indexes on these columns.\n");
    if dialect == Dialect::MySql {
        sql.push_str("-- If `user_id` has a foreign key, drop the key here first, by its name.\n");
    }
    let drops = COLUMNS.map(|column| format!("DROP COLUMN {column}"));
    sql.push_str(&format!("ALTER TABLE {name}\n    {};\n\n", drops.join(",\n    ")));

    let mut clauses = Vec::new();
    for column in id {
        let (id, ty) = (dialect.identifier(&column.name), &column.sql_type);
        match dialect {
            Dialect::MySql => clauses.push(format!("MODIFY COLUMN {id} {ty} NOT NULL")),
            _ => {
                clauses.push(format!("ALTER COLUMN {id} DROP DEFAULT"));
                clauses.push(format!("ALTER COLUMN {id} TYPE {ty} USING NULL::{ty}"));
            }
        }
    }
    clauses.extend(
        others.iter().map(|column| format!("ADD COLUMN {}", table.column_definition(column))),
    );
    if dialect == Dialect::MySql {
        clauses
            .extend(table.indexes.iter().map(|index| format!("ADD {}", table.mysql_index(index))));
        let checks = others.iter().filter_map(|column| table.check(column));
        let keys = others.iter().filter_map(|column| table.foreign_key(column));
        clauses.extend(checks.chain(keys).map(|constraint| format!("ADD {constraint}")));
        clauses.push("DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin".to_owned());
    }
    sql.push_str(&format!("ALTER TABLE {name}\n    {};\n", clauses.join(",\n    ")));
    if dialect == Dialect::Postgres {
        sql.push('\n');
        for index in &table.indexes {
            sql.push_str(&format!("{};\n", table.create_index(index, "")));
        }
    }
    if let Some(companion) = &table.cut_offs {
        sql.push_str(&format!("\n{};\n", companion.create(dialect, "")));
    }
    sql
}

/// Returns the SQL that creates fastapi-anchor's own table again, without rows.
pub(super) fn down(table: &Table) -> String {
    let dialect = table.dialect;
    let name = dialect.table(&table.name);
    let index = format!("ix_{}_user_id", table.bare_name());
    let index = dialect.identifier(&index);
    let companion = table.cut_offs.as_ref().map_or_else(String::new, |companion| {
        format!("DROP TABLE {};\n\n", dialect.table(&companion.name))
    });
    format!(
        "{}-- DESTRUCTIVE: ends every session. Creates fastapi-anchor's own table again; adapt it \
         if yours was different.\n\
         DROP TABLE {name};\n\n{companion}{};\n\n\
         CREATE INDEX {index} ON {name} (user_id);\n",
        bounds(dialect, 1 + referenced(table)),
        create(table, "")
    )
}

/// Returns the statement that creates fastapi-anchor's table.
fn create(table: &Table, exists: &str) -> String {
    let name = table.dialect.table(&table.name);
    let (id, time) = match table.dialect {
        Dialect::Postgres => ("UUID", "TIMESTAMP WITH TIME ZONE"),
        Dialect::MySql | Dialect::Sqlite => ("CHAR(36)", "DATETIME"),
    };
    format!(
        "CREATE TABLE {exists}{name} (\n    \
             id          {id} NOT NULL PRIMARY KEY,\n    \
             user_id     VARCHAR(255) NOT NULL,\n    \
             expires_at  {time} NOT NULL,\n    \
             created_at  {time} NOT NULL\n\
         )"
    )
}
