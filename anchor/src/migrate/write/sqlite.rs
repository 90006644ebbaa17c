//! SQLite: `ALTER TABLE` where it can, else the table is built anew and its rows are copied, as SQLite's documentation describes.

use super::{
    ENDS_ALL, Script, assert_none, assertions, change_values, column_renames, cut_offs, default_of,
    filled, in_order, is_retyped, name_before, predicate, renamed_value, say_what_to_know,
    tend_misfits,
};
use crate::migrate::diff::{Misfit, Plan, Remedy};
use crate::schema::{Dialect, Table, TableColumn, default_clause, is_literal};

const DIALECT: Dialect = Dialect::Sqlite;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    say_what_to_know(&mut script, plan);
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
    let mut asserted = nothing_else(plan);
    asserted.extend(assertions(plan));
    script.say(
        "Builds the table anew, for ALTER TABLE cannot do this on SQLite. Fails, and changes nothing, if the table has columns, indexes or triggers that the struct does not know: take them away before, and create them again after it.",
    );
    assert_none(script, DIALECT, "", &asserted);
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
        tend_misfits(script, plan, Remedy::End, &source, |column| name_before(plan, column));
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

/// That the table has nothing that a rebuild would lose, as assertions.
fn nothing_else(plan: &Plan) -> Vec<(String, String)> {
    let old = &plan.diff.old;
    let table = DIALECT.literal(old.bare_name());
    let (argument, schema) = match old.namespace() {
        Some(namespace) => (
            format!(", {}", DIALECT.literal(namespace)),
            format!("{}.sqlite_schema", DIALECT.identifier(namespace)),
        ),
        None => (String::new(), "sqlite_schema".to_owned()),
    };
    let listed = |names: Vec<&str>| {
        let names: Vec<_> = names.into_iter().map(|name| DIALECT.literal(name)).collect();
        names.join(", ")
    };
    let columns = listed(old.columns.iter().map(|column| column.name.as_str()).collect());
    let indexes = listed(old.indexes.iter().map(|index| index.name.as_str()).collect());
    vec![
        (
            "the table has a column that the struct does not know".to_owned(),
            format!(
                "SELECT COUNT(*) FROM pragma_table_xinfo({table}{argument}) WHERE name COLLATE NOCASE NOT IN ({columns})"
            ),
        ),
        (
            "the table has an index that the struct does not know".to_owned(),
            format!(
                "SELECT COUNT(*) FROM {schema} WHERE type = 'index' AND tbl_name = {table} COLLATE NOCASE AND sql IS NOT NULL AND name COLLATE NOCASE NOT IN ({indexes})"
            ),
        ),
        (
            "the table has a trigger".to_owned(),
            format!(
                "SELECT COUNT(*) FROM {schema} WHERE type = 'trigger' AND tbl_name = {table} COLLATE NOCASE"
            ),
        ),
        (
            "a table references this one ON UPDATE, or not its id".to_owned(),
            format!(
                "SELECT COUNT(*) FROM {schema} AS child, pragma_foreign_key_list(child.name{argument}) AS key WHERE child.type = 'table' AND key.\"table\" = {table} COLLATE NOCASE AND (key.on_update <> 'NO ACTION' OR COALESCE(key.\"to\", 'id') <> 'id' COLLATE NOCASE)"
            ),
        ),
    ]
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
