//! What a table has that is not in the struct, and that a rebuild would lose.

use super::DIALECT;
use crate::migrate::plan::Plan;
use crate::migrate::write::renames::column_renames;
use crate::migrate::write::script::Script;
use crate::schema::Table;

/// Returns an expression for a text without spaces, quotes and differences in case, because
/// `ALTER TABLE` may change them.
fn bare(sql: &str) -> String {
    let bare = ["' '", "'\"'", "CHAR(9)", "CHAR(10)", "CHAR(13)"]
        .iter()
        .fold(sql.to_owned(), |text, out| format!("REPLACE({text}, {out}, '')"));
    format!("UPPER({bare})")
}

/// Returns the table that lists the definitions in the session table's schema.
fn listing(table: &Table) -> String {
    match table.namespace() {
        Some(namespace) => format!("{}.sqlite_schema", DIALECT.identifier(namespace)),
        None => "sqlite_schema".to_owned(),
    }
}

/// Stores in `anchor_left` the parts of the table's definition that anchor did not write. The order
/// does not matter, because `ALTER TABLE` may have changed it.
pub(super) fn left_of_definition(script: &mut Script, table: &Table) {
    let mut written = vec![format!("CREATE TABLE {} (", table.bare_name())];
    written.extend(table.comments().iter().map(|comment| format!("-- {comment}")));
    let columns = table.columns.iter();
    written.extend(columns.map(|column| format!(", {},", table.column_definition(column))));
    let written: Vec<_> = written
        .iter()
        .enumerate()
        .map(|(at, text)| format!("        ({}, {})", at + 1, DIALECT.literal(text)))
        .collect();
    script.run(format!(
        "CREATE TEMPORARY TABLE anchor_left AS WITH RECURSIVE\n    \
         written (n, text) AS (VALUES\n{}\n    ),\n    \
         present (text) AS (\n        \
         SELECT CASE WHEN sql LIKE '%)' THEN SUBSTR(sql, 1, LENGTH(sql) - 1) ELSE sql END || \
         ','\n        \
         FROM {} WHERE type = 'table' AND name = {} COLLATE NOCASE\n    ),\n    \
         rest (n, text) AS (\n        \
         SELECT 0, {} FROM present\n        \
         UNION ALL\n        \
         SELECT written.n, REPLACE(rest.text, {}, ',')\n        \
         FROM rest JOIN written ON written.n = rest.n + 1\n    )\n\
         SELECT TRIM(text, ',') AS text FROM rest WHERE n = {}",
        written.join(",\n"),
        listing(table),
        DIALECT.literal(table.bare_name()),
        bare("text"),
        bare("written.text"),
        written.len(),
    ));
}

/// Returns the assertions that the table has nothing that a rebuild would lose.
pub(super) fn nothing_else(plan: &Plan) -> Vec<(String, String)> {
    let old = &plan.diff.old;
    let table = DIALECT.literal(old.bare_name());
    let schema = listing(old);
    let argument = old
        .namespace()
        .map_or_else(String::new, |namespace| format!(", {}", DIALECT.literal(namespace)));
    let listed = |names: Vec<&str>| {
        let names: Vec<_> = names.into_iter().map(|name| DIALECT.literal(name)).collect();
        names.join(", ")
    };
    let columns = listed(old.columns.iter().map(|column| column.name.as_str()).collect());
    // In the form in which SQLite lists them.
    let alone = Table { name: old.bare_name().to_owned(), ..old.clone() };
    let indexes = alone.indexes.iter().map(|index| alone.create_index(index, ""));
    let indexes: Vec<_> = indexes.map(|sql| bare(&DIALECT.literal(&sql))).collect();
    let counted = |message: &str, query: String| {
        (message.to_owned(), format!("SELECT COUNT(*) FROM {query}"))
    };
    let left = |what: &str, pattern: &str| {
        let message = format!("the table has {what} that the struct does not know");
        (message, format!("SELECT COUNT(*) FROM temp.anchor_left WHERE text {pattern}"))
    };
    let mut asserted = vec![
        counted(
            "the table has a column that the struct does not know",
            format!(
                "pragma_table_xinfo({table}{argument}) WHERE name COLLATE NOCASE NOT IN ({columns})"
            ),
        ),
        counted(
            "the table has an index that the struct does not know",
            format!(
                "{schema} WHERE type = 'index' AND tbl_name = {table} COLLATE NOCASE AND {} NOT IN \
                 ({})",
                bare("sql"),
                indexes.join(", ")
            ),
        ),
        counted(
            "the table has a trigger",
            format!("{schema} WHERE type = 'trigger' AND tbl_name = {table} COLLATE NOCASE"),
        ),
        counted(
            "a table references this one ON UPDATE, or not its id",
            format!(
                "{schema} AS child, pragma_foreign_key_list(child.name{argument}) AS key WHERE \
                 child.type = 'table' AND key.\"table\" = {table} COLLATE NOCASE AND \
                 (key.on_update <> 'NO ACTION' OR COALESCE(key.\"to\", 'id') <> 'id' COLLATE \
                 NOCASE)"
            ),
        ),
        left("a COLLATE", "LIKE '%COLLATE%'"),
        left("a UNIQUE", "LIKE '%UNIQUE%'"),
        left("STRICT or WITHOUT ROWID", "GLOB '*)*STRICT*' OR text GLOB '*)*WITHOUTROWID*'"),
        left("a foreign key", "LIKE '%REFERENCES%'"),
        left("a CHECK", "LIKE '%CHECK(%'"),
        left("something", "<> ''"),
    ];
    // `ALTER TABLE` would rename the columns in views and triggers, but the rebuild drops the
    // table.
    if !(plan.diff.dropped.is_empty() && column_renames(plan).is_empty()) {
        let escaped: String = old
            .bare_name()
            .to_ascii_lowercase()
            .chars()
            .map(|c| if matches!(c, '*' | '?' | '[') { format!("[{c}]") } else { c.to_string() })
            .collect();
        let speaks = DIALECT.literal(&format!("*[^a-z0-9_]{escaped}[^a-z0-9_]*"));
        for (kind, message) in [
            ("view", "a view reads the table, and its columns change"),
            ("trigger", "a trigger reads or writes the table, and its columns change"),
        ] {
            let query =
                format!("{schema} WHERE type = '{kind}' AND LOWER(sql) || ' ' GLOB {speaks}");
            asserted.push(counted(message, query));
        }
    }
    asserted
}
