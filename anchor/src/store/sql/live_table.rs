//! `verify`: compares the live table with the struct, and lists all differences at once. A database
//! that cannot be written to is refused before that.

use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::database::Database;
use super::driver::Driver;
use super::durability::{Durability, Settings};
use super::statement::{Argument, Query};
use crate::column::{ColumnType, Value};
use crate::error::StoreError;
use crate::schema::{ColumnSchema, Dialect, Schema, cut_off_columns};
use crate::store::{Verified, VerifyError};

/// A column, as the database's catalogue describes it.
struct LiveColumn {
    name: String,
    ty: String,
    nullable: bool,
    has_default: bool,
}

/// An index, as the database's catalogue describes it, by the first of its columns.
struct LiveIndex {
    column: String,
    unique: bool,
}

pub(crate) async fn verify<D: Driver>(database: &Database<D>) -> Result<Verified, VerifyError> {
    let schema = database.schema;
    let table = schema.table;
    let Durability { refusals, mut warnings } = durability(database).await?;
    if !refusals.is_empty() {
        return Err(VerifyError::Settings { settings: refusals });
    }
    let columns = live_columns(database, table).await?;
    let indexes = catalogue(database, table, indexes_query(D::DIALECT)).await?;
    let indexes: Vec<LiveIndex> = indexes
        .into_iter()
        .map(|[column, unique, ..]| LiveIndex { column, unique: unique == "1" })
        .collect();
    let mut differences = differences(D::DIALECT, schema, &columns, &indexes);
    if let Some(cut_offs) = schema.cut_offs_table() {
        let columns = live_columns(database, &cut_offs).await?;
        differences.extend(cut_off_differences(D::DIALECT, schema, &cut_offs, &columns));
    }
    if !differences.is_empty() {
        return Err(VerifyError::Table { table, differences });
    }
    warnings.extend(database.pool.transport_warning());
    Ok(Verified::with(table, warnings))
}

async fn durability<D: Driver>(database: &Database<D>) -> Result<Durability, StoreError> {
    let arguments = match D::DIALECT {
        Dialect::Sqlite => {
            let (namespace, _) = namespaced(database.schema.table);
            vec![Argument::from(namespace.unwrap_or("main"))]
        }
        Dialect::Postgres | Dialect::MySql => Vec::new(),
    };
    let settings = texts(database, Settings::query(D::DIALECT), arguments).await?;
    let server = database.pool.server();
    let mut said = Durability::of(D::DIALECT, &server, &Settings::new(settings));
    said.refusals.extend(database.pool.refusal(database.schema).await);
    let judged = database.pool.judge_cluster(&mut said).await;
    judged.map_err(|error| database.failure(&error))?;
    Ok(said)
}

async fn live_columns<D: Driver>(
    database: &Database<D>,
    table: &str,
) -> Result<Vec<LiveColumn>, StoreError> {
    let columns = catalogue(database, table, columns_query(D::DIALECT)).await?;
    let columns = columns.into_iter().map(|[name, ty, nullable, default]| LiveColumn {
        name,
        ty,
        nullable: nullable == "1",
        has_default: default == "1",
    });
    Ok(columns.collect())
}

/// Returns what the companion table lacks.
fn cut_off_differences(
    dialect: Dialect,
    schema: &Schema,
    table: &str,
    columns: &[LiveColumn],
) -> Vec<String> {
    if columns.is_empty() {
        return vec![format!("the table `{table}` does not exist")];
    }
    let Some((_, subject)) = schema.subject() else { return Vec::new() };
    let custom = subject.sql_type.is_some();
    cut_off_columns(dialect, subject)
        .into_iter()
        .filter_map(|(name, ty)| match columns.iter().find(|live| live.name == name) {
            None => Some(format!("column `{name}` ({ty}) of `{table}` is missing")),
            Some(live)
                if canonical(&live.ty) != canonical(ty) && !(custom && name == "subject") =>
            {
                Some(format!("column `{name}` of `{table}` is {}, but should be {ty}", live.ty))
            }
            Some(_) => None,
        })
        .collect()
}

/// Returns a query for columns. Each row has four texts: name, type, nullable, default.
fn columns_query(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "SELECT CAST(attname AS text), format_type(atttypid, atttypmod), \
             CASE WHEN attnotnull THEN '0' ELSE '1' END, CASE WHEN atthasdef THEN '1' ELSE '0' END \
             FROM pg_catalog.pg_attribute \
             WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped \
             ORDER BY attnum"
        }
        Dialect::Sqlite => {
            "SELECT name, type, CASE WHEN \"notnull\" THEN '0' ELSE '1' END, \
             CASE WHEN dflt_value IS NULL THEN '0' ELSE '1' END \
             FROM pragma_table_info(?1, ?2) ORDER BY cid"
        }
        // The type of a text that is not compared exactly includes its collation.
        Dialect::MySql => {
            "SELECT column_name, CONVERT(CONCAT(column_type, CASE WHEN collation_name IS NULL \
             OR collation_name IN ('utf8mb4_bin', 'utf8mb4_nopad_bin', 'utf8mb4_0900_bin') \
             THEN '' ELSE CONCAT(' COLLATE ', collation_name) END) USING utf8mb4), \
             CASE is_nullable WHEN 'YES' THEN '1' ELSE '0' END, \
             CASE WHEN column_default IS NULL AND extra NOT LIKE '%DEFAULT%' THEN '0' ELSE '1' END \
             FROM information_schema.columns \
             WHERE table_name = ? AND table_schema = COALESCE(?, DATABASE()) \
             ORDER BY ordinal_position"
        }
    }
}

/// Returns a query for indexes. Each row has four texts, of which two are used: the first column,
/// and whether that column alone is unique.
fn indexes_query(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "SELECT CAST(attname AS text), \
             CASE WHEN indisunique AND indnkeyatts = 1 THEN '1' ELSE '0' END, '', '' \
             FROM pg_catalog.pg_index \
             JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = indkey[0] \
             WHERE indrelid = to_regclass($1) AND indisvalid AND indpred IS NULL"
        }
        Dialect::Sqlite => {
            "SELECT head.name, CASE WHEN list.\"unique\" AND NOT EXISTS (SELECT 1 \
             FROM pragma_index_info(list.name, ?2) AS next WHERE next.seqno = 1) \
             THEN '1' ELSE '0' END, '', '' \
             FROM pragma_index_list(?1, ?2) AS list \
             JOIN pragma_index_info(list.name, ?2) AS head ON head.seqno = 0 \
             WHERE NOT list.partial AND head.name IS NOT NULL"
        }
        Dialect::MySql => {
            "SELECT head.column_name, CASE WHEN head.non_unique = 0 AND NOT EXISTS (SELECT 1 \
             FROM information_schema.statistics AS next \
             WHERE next.table_schema = head.table_schema AND next.table_name = head.table_name \
             AND next.index_name = head.index_name AND next.seq_in_index = 2) \
             THEN '1' ELSE '0' END, '', '' \
             FROM information_schema.statistics AS head \
             WHERE head.table_name = ? AND head.table_schema = COALESCE(?, DATABASE()) \
             AND head.seq_in_index = 1"
        }
    }
}

async fn catalogue<D: Driver>(
    database: &Database<D>,
    table: &str,
    sql: &'static str,
) -> Result<Vec<[String; 4]>, StoreError> {
    let text = |text: &str| Argument::from(text);
    let (namespace, bare) = namespaced(table);
    let arguments = match D::DIALECT {
        Dialect::Postgres => vec![text(&D::DIALECT.table(table))],
        Dialect::Sqlite => vec![text(bare), namespace.map_or(text("main"), text)],
        Dialect::MySql => {
            vec![text(bare), namespace.into()]
        }
    };
    texts(database, sql, arguments).await
}

/// Splits a table's name from that of its schema.
fn namespaced(table: &str) -> (Option<&str>, &str) {
    table.rsplit_once('.').map_or((None, table), |(namespace, bare)| (Some(namespace), bare))
}

/// Returns rows of texts.
async fn texts<D: Driver, const N: usize>(
    database: &Database<D>,
    sql: &'static str,
    arguments: Vec<Argument>,
) -> Result<Vec<[String; N]>, StoreError> {
    let (sql, is_kept) = (AssertSqlSafe(sql).into_sql_str(), database.keeps_statements);
    let rows = database.rows(Query { sql, arguments, is_kept }).await?;
    let read = |row: &D::Row| {
        let mut texts = [const { String::new() }; N];
        for (index, text) in texts.iter_mut().enumerate() {
            match D::cell(row, index, ColumnType::Text) {
                Ok(Value::Text(read)) => *text = read,
                Ok(_) => {}
                Err(error) => {
                    let error = format!("the catalogue cannot be read: {error}");
                    return Err(StoreError::unavailable(error));
                }
            }
        }
        Ok(texts)
    };
    rows.iter().map(read).collect()
}

fn differences(
    dialect: Dialect,
    schema: &Schema,
    columns: &[LiveColumn],
    indexes: &[LiveIndex],
) -> Vec<String> {
    if columns.is_empty() {
        return vec!["the table does not exist".into()];
    }
    let system =
        schema.system_columns().map(|system| (&system.column, Some(system.type_in(dialect))));
    let payload = schema.columns.iter().map(|column| {
        // The database has its own names for custom types, so these are not compared.
        (column, column.sql_type.is_none().then(|| dialect.type_of(column)))
    });
    let declared: Vec<(&ColumnSchema, Option<&str>)> = system.chain(payload).collect();
    let mut found = Vec::new();

    for (column, ty) in &declared {
        let name = column.name;
        let Some(live) = columns.iter().find(|live| live.name == name) else {
            let ty = ty.unwrap_or_else(|| dialect.type_of(column));
            found.push(format!("column `{name}` ({ty}) is missing"));
            continue;
        };
        if let Some(ty) = ty
            && canonical(ty) != canonical(&live.ty)
        {
            found.push(format!("column `{name}` is {}, but should be {ty}", live.ty));
        }
        match (column.nullable, live.nullable) {
            (false, true) => {
                found.push(format!("column `{name}` may be NULL and should be NOT NULL"))
            }
            (true, false) => {
                found.push(format!("column `{name}` is NOT NULL and should allow NULL"))
            }
            _ => {}
        }
    }

    for live in columns {
        let is_declared = declared.iter().any(|(column, _)| column.name == live.name);
        if !is_declared && !live.nullable && !live.has_default {
            found.push(format!(
                "column `{}` is not in the struct and refuses every new row: \
                 drop it, make it nullable, or give it a default",
                live.name
            ));
        }
    }

    let indexed = schema.indexes().into_iter().map(|index| (index.column, index.unique));
    for (column, unique) in std::iter::once(("id", true)).chain(indexed) {
        if !indexes.iter().any(|live| live.column == column && (live.unique || !unique)) {
            let unique = if unique { "unique " } else { "" };
            found.push(format!("column `{column}` has no {unique}index"));
        }
    }
    found
}

/// Returns one name for a type that a database spells in several ways.
fn canonical(ty: &str) -> String {
    let ty = ty.to_ascii_lowercase();
    let (name, rest) = ty.split_once('(').map_or((ty.as_str(), ""), |(name, rest)| (name, rest));
    match name {
        "timestamptz" => "timestamp with time zone".into(),
        "boolean" | "bool" => "boolean".into(),
        "tinyint" if rest.starts_with("1)") => "boolean".into(),
        // A display width says nothing about an integer's range.
        "int" | "integer" | "bigint" | "smallint" => {
            let name = if name == "int" { "integer" } else { name };
            format!("{name}{}", rest.split_once(')').map_or("", |(_, rest)| rest))
        }
        // MariaDB stores JSON as text.
        "json" => "longtext".into(),
        _ => ty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COLUMNS: [ColumnSchema; 2] = [
        ColumnSchema::new("user_id", ColumnType::BigInt, false).subject(),
        ColumnSchema::new("email", ColumnType::Text, true).unique(),
    ];
    static SCHEMA: Schema = Schema::new("sessions", &COLUMNS);

    fn live(name: &str, ty: &str, nullable: bool) -> LiveColumn {
        LiveColumn { name: name.into(), ty: ty.into(), nullable, has_default: false }
    }

    fn as_declared() -> (Vec<LiveColumn>, Vec<LiveIndex>) {
        let system = SCHEMA.system_columns().map(|system| {
            live(system.column.name, system.type_in(Dialect::MySql), system.column.nullable)
        });
        let payload = [live("user_id", "bigint(20)", false), live("email", "varchar(255)", true)];
        let indexes = [("id", true), ("expires_at", false), ("user_id", false), ("email", true)]
            .map(|(column, unique)| LiveIndex { column: column.into(), unique });
        (system.chain(payload).collect(), indexes.into())
    }

    #[test]
    fn the_declared_table_has_no_differences() {
        let (columns, indexes) = as_declared();
        assert!(differences(Dialect::MySql, &SCHEMA, &columns, &indexes).is_empty());
    }

    #[test]
    fn every_difference_is_listed_at_once() {
        let (mut columns, mut indexes) = as_declared();
        columns.retain(|column| column.name != "deadline");
        for column in &mut columns {
            match column.name.as_str() {
                "user_id" => column.ty = "int(11)".into(),
                "email" => column.ty = "varchar(255) COLLATE utf8mb4_general_ci".into(),
                "version" => column.nullable = true,
                _ => {}
            }
        }
        columns.push(live("legacy", "text", false));
        indexes.retain(|index| index.column != "user_id");
        indexes[2].unique = false;
        assert_eq!(
            differences(Dialect::MySql, &SCHEMA, &columns, &indexes),
            [
                "column `deadline` (DATETIME(6)) is missing",
                "column `version` may be NULL and should be NOT NULL",
                "column `user_id` is int(11), but should be BIGINT",
                "column `email` is varchar(255) COLLATE utf8mb4_general_ci, but should be \
                 VARCHAR(255)",
                "column `legacy` is not in the struct and refuses every new row: \
                 drop it, make it nullable, or give it a default",
                "column `user_id` has no index",
                "column `email` has no unique index",
            ]
        );
    }
    #[test]
    fn a_column_that_refuses_null_where_the_struct_has_it_is_a_difference() {
        let (mut columns, indexes) = as_declared();
        for column in &mut columns {
            column.nullable &= column.name != "email";
        }
        assert_eq!(
            differences(Dialect::MySql, &SCHEMA, &columns, &indexes),
            ["column `email` is NOT NULL and should allow NULL"]
        );
    }

    #[test]
    fn what_a_new_row_may_leave_out_and_what_is_more_than_asked_for_are_no_differences() {
        let (mut columns, mut indexes) = as_declared();
        columns.push(live("legacy", "text", true));
        columns.push(LiveColumn { has_default: true, ..live("made_at", "datetime", false) });
        indexes[2].unique = true;
        assert_eq!(differences(Dialect::MySql, &SCHEMA, &columns, &indexes), [""; 0]);
    }

    #[test]
    fn the_companion_table_is_compared_as_well() {
        let differences = |subject: &'static [ColumnSchema], columns: &[LiveColumn]| {
            let schema = Schema::new("sessions", subject);
            cut_off_differences(Dialect::Postgres, &schema, "sessions_cut_offs", columns)
        };
        static CUSTOM: [ColumnSchema; 1] =
            [ColumnSchema::new("user_id", ColumnType::BigInt, false).subject().sql_type("user_no")];
        assert_eq!(differences(&COLUMNS, &[]), ["the table `sessions_cut_offs` does not exist"]);
        let mut columns: Vec<_> = cut_off_columns(Dialect::Postgres, &COLUMNS[0])
            .into_iter()
            .map(|(name, ty)| live(name, ty, false))
            .collect();
        assert_eq!(differences(&COLUMNS, &columns), [""; 0]);
        for column in &mut columns {
            column.ty = "text".into();
        }
        let ats = "column `cut_off_at` of `sessions_cut_offs` is text, but should be TIMESTAMPTZ";
        let subjects = "column `subject` of `sessions_cut_offs` is text, but should be BIGINT";
        assert_eq!(differences(&COLUMNS, &columns), [subjects, ats]);
        // The database has its own name for this type.
        assert_eq!(differences(&CUSTOM, &columns), [ats]);
        columns.retain(|column| column.name == "subject");
        let missing = "column `cut_off_at` (TIMESTAMPTZ) of `sessions_cut_offs` is missing";
        assert_eq!(differences(&CUSTOM, &columns), [missing]);
    }

    #[test]
    fn a_type_has_one_name_however_a_database_spells_it() {
        for (one, other) in [
            ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
            ("bool", "BOOLEAN"),
            ("tinyint(1)", "boolean"),
            ("int(11)", "INTEGER"),
            ("int(10) unsigned", "integer unsigned"),
            ("bigint(20)", "BIGINT"),
            ("json", "LONGTEXT"),
        ] {
            assert_eq!(canonical(one), canonical(other));
        }
        for (one, other) in [
            ("tinyint(4)", "boolean"),
            ("int", "bigint"),
            ("smallint", "integer"),
            ("int(10) unsigned", "int(10)"),
            ("varchar(40)", "varchar(41)"),
        ] {
            assert_ne!(canonical(one), canonical(other));
        }
    }
}
