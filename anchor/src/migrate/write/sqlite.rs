//! SQLite: `ALTER TABLE` where it can, else the table is built anew and its rows are copied, as
//! SQLite's documentation describes.

use super::{
    ENDS_ALL, Script, assert_none, assertions, change_values, column_renames, convert_misfits,
    cut_offs, default_of, filled, in_order, is_retyped, name_before, predicate, renamed_value,
    say_what_to_know,
};
use crate::migrate::plan::{Misfit, Plan, Remedy};
use crate::schema::{Dialect, Table, TableColumn, default_clause, is_literal};

const DIALECT: Dialect = Dialect::Sqlite;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    say_what_to_know(&mut script, plan);
    lock(&mut script, &plan.diff.old);
    cut_offs::before(&mut script, plan);
    if plan.ends_all {
        script.say(ENDS_ALL);
        script.run(format!("DELETE FROM {}", DIALECT.table(&plan.diff.old.name)));
    }
    if needs_rebuild(plan) {
        rebuild(&mut script, plan);
    } else {
        alter(&mut script, plan);
    }
    cut_offs::after(&mut script, plan);
    script
}

/// Takes the file's write lock by a statement that writes nothing.
///
/// sqlx begins a transaction that locks nothing. If it read first, and another connection wrote
/// before it did, SQLite would refuse its first write without waiting (`SQLITE_BUSY_SNAPSHOT`).
fn lock(script: &mut Script, table: &Table) {
    let comments = std::mem::take(&mut script.comments);
    let id = table.columns.iter().find(|column| column.primary_key);
    if let Some(id) = id.map(|id| DIALECT.identifier(&id.name)) {
        script.say(
            "Writes nothing, and waits for who is writing: a transaction that had read before \
             could not wait.",
        );
        let table = DIALECT.table(&table.name);
        script.prepare(format!("UPDATE {table} SET {id} = {id} WHERE FALSE"));
    }
    script.comments = comments;
}

/// Whether the change is more than `ALTER TABLE` can do.
fn needs_rebuild(plan: &Plan) -> bool {
    let diff = &plan.diff;
    diff.old.namespace() != diff.new.namespace()
        || diff.kept.iter().any(|(old, new)| {
            is_retyped(old, new)
                || old.nullable != new.nullable
                || default_clause(DIALECT, old) != default_clause(DIALECT, new)
                || old.checked_values() != new.checked_values()
                || old.references != new.references
                || plan.misfit(new).is_some_and(Misfit::is_reset)
        })
        || diff.added.iter().any(|column| !can_be_added(column))
        // A column of a foreign key cannot be dropped.
        || diff.dropped.iter().any(|column| column.references.is_some())
}

/// Whether `ADD COLUMN` takes the column while there are rows.
fn can_be_added(column: &TableColumn) -> bool {
    match &column.default {
        None => column.nullable,
        Some(default) => {
            column.references.is_none()
                && is_literal(default)
                && !default.eq_ignore_ascii_case("current_timestamp")
                && (column.nullable || !default.eq_ignore_ascii_case("null"))
        }
    }
}

fn alter(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let before = DIALECT.table(&diff.old.name);
    assert_none(script, DIALECT, "", &assertions(plan));
    change_values(script, plan, &before, |column| name_before(plan, column));
    for index in &diff.dropped_indexes {
        script.run(drop_index(&diff.old, &index.name));
    }
    // SQLite renames no index.
    let renamed: Vec<_> =
        diff.kept_indexes.iter().filter(|(old, new)| old.name != new.name).collect();
    for (old, _) in &renamed {
        script.run(drop_index(&diff.old, &old.name));
    }
    rename_table(script, &diff.old, diff.new.bare_name());
    let table = DIALECT.table(&diff.new.name);
    for column in &diff.dropped {
        let name = DIALECT.identifier(&column.name);
        script.run(format!("ALTER TABLE {table} DROP COLUMN {name}"));
    }
    for (from, to) in in_order(column_renames(plan)) {
        let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
        script.run(format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"));
    }
    for column in &diff.added {
        let definition = diff.new.column_definition(column);
        script.run(format!("ALTER TABLE {table} ADD COLUMN {definition}"));
    }
    for index in renamed.iter().map(|(_, new)| new).chain(&diff.added_indexes) {
        script.run(diff.new.create_index(index, ""));
    }
}

fn drop_index(table: &Table, index: &str) -> String {
    format!("DROP INDEX {}", in_namespace(table, index))
}

/// A name in the table's schema.
fn in_namespace(table: &Table, name: &str) -> String {
    let name = DIALECT.identifier(name);
    match table.namespace() {
        Some(namespace) => format!("{}.{name}", DIALECT.identifier(namespace)),
        None => name.into_owned(),
    }
}

/// In two steps, for SQLite takes two names that differ in case alone for one.
fn rename_table(script: &mut Script, table: &Table, to: &str) {
    let from = table.bare_name();
    if from == to {
        return;
    }
    let mut names = vec![from.to_owned()];
    if from.eq_ignore_ascii_case(to) {
        names.push(format!("anchor_renamed_{to}"));
    }
    names.push(to.to_owned());
    for pair in names.windows(2) {
        let (from, to) = (in_namespace(table, &pair[0]), DIALECT.identifier(&pair[1]));
        script.run(format!("ALTER TABLE {from} RENAME TO {to}"));
    }
}

/// Builds the table anew in the transaction that sqlx opens, with foreign keys on or off as they
/// are.
///
/// Dropping a table deletes its rows, and what references them would follow: before that, the
/// rows get other ids. The references wait for the transaction's end, and find the ids again.
fn rebuild(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let old = DIALECT.table(&diff.old.name);
    script.say(
        "Builds the table anew, for ALTER TABLE cannot do this on SQLite. Fails, and changes \
         nothing, if the table has what the struct does not know: columns, indexes, triggers, \
         CHECK, UNIQUE, COLLATE, foreign keys, STRICT, WITHOUT ROWID. Take it away before, and \
         create it again after it; or write it into the CREATE TABLE below, and delete the four \
         statements with anchor_left and anchor_asserts.",
    );
    left_of_definition(script, &diff.old);
    let mut asserted = nothing_else(plan);
    asserted.extend(assertions(plan));
    assert_none(script, DIALECT, "", &asserted);
    script.run("DROP TABLE temp.anchor_left");
    let to = diff.new.bare_name();
    // First of all, so that what references the table follows its name.
    rename_table(script, &diff.old, to);
    let source = match diff.old.bare_name() == to {
        true => old,
        false => in_namespace(&diff.old, to),
    };
    let target = DIALECT.table(&diff.new.name);
    if plan.ends_all {
        script.run(format!("DROP TABLE {source}"));
        script.run(diff.new.create_alone("", &target));
    } else {
        convert_misfits(script, plan, Remedy::End, &source, |column| name_before(plan, column));
        let before: Vec<_> =
            diff.kept.iter().map(|(old, _)| DIALECT.reference(&old.name)).collect();
        script.run(format!(
            "CREATE TEMPORARY TABLE anchor_rows AS SELECT\n{}\nFROM {source}",
            filled("    ", &before, ", ")
        ));
        let id = diff.old.columns.iter().find(|column| column.primary_key);
        let id = id.map_or_else(String::new, |id| DIALECT.reference(&id.name));
        script.say("Other ids, so that what references the rows stays when the table is dropped.");
        script.run("PRAGMA defer_foreign_keys = ON");
        script.run(format!("UPDATE {source} SET {id} = CAST('gone ' || HEX({id}) AS BLOB)"));
        script.run(format!("DROP TABLE {source}"));
        script.run(diff.new.create_alone("", &target));
        let (into, values): (Vec<_>, Vec<_>) =
            diff.kept.iter().map(|(old, new)| copy(plan, old, new)).unzip();
        let (into, values) = (filled("    ", &into, ", "), filled("    ", &values, ", "));
        script.run(format!(
            "INSERT INTO {target} (\n{into}\n)\nSELECT\n{values}\nFROM temp.anchor_rows"
        ));
        script.run("DROP TABLE temp.anchor_rows");
    }
    for index in &diff.new.indexes {
        script.run(diff.new.create_index(index, ""));
    }
}

/// The text of a name or a statement, without what `ALTER TABLE` changes in it: spaces and quotes.
fn bare(sql: &str) -> String {
    let bare = ["' '", "'\"'", "CHAR(9)", "CHAR(10)", "CHAR(13)"]
        .iter()
        .fold(sql.to_owned(), |text, out| format!("REPLACE({text}, {out}, '')"));
    format!("UPPER({bare})")
}

/// Where a table's schema is listed.
fn listing(table: &Table) -> String {
    match table.namespace() {
        Some(namespace) => format!("{}.sqlite_schema", DIALECT.identifier(namespace)),
        None => "sqlite_schema".to_owned(),
    }
}

/// Puts into `anchor_left` what the table's definition has besides what anchor has written there,
/// in whatever order `ALTER TABLE` has left it.
fn left_of_definition(script: &mut Script, table: &Table) {
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

/// That the table has nothing that a rebuild would lose, as assertions.
fn nothing_else(plan: &Plan) -> Vec<(String, String)> {
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
    // As SQLite lists them.
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
    // ALTER TABLE changes the names in them, and DROP TABLE does not.
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

/// A kept column's name, and the expression that its value comes from.
fn copy(plan: &Plan, old: &TableColumn, new: &TableColumn) -> (String, String) {
    let name = DIALECT.identifier(&new.name).into_owned();
    // In back quotes: a name in double quotes that no column has is a text.
    let before = DIALECT.reference(&old.name);
    let value = match plan.misfit(new) {
        Some(misfit) if misfit.is_reset() => default_of(new),
        Some(misfit) if misfit.remedy == Remedy::Default => {
            let predicate = predicate(DIALECT, &plan.diff.old.name, &old.name, misfit);
            let kept = renamed_value(plan, new, &before).unwrap_or(before);
            format!("CASE WHEN {predicate} THEN {} ELSE {kept} END", default_of(new))
        }
        _ => renamed_value(plan, new, &before).unwrap_or(before),
    };
    (name, value)
}
