//! Rebuilding the table, with its rows.

use super::DIALECT;
use super::unknown::{left_of_definition, nothing_else};
use crate::migrate::plan::{Plan, Remedy};
use crate::migrate::write::assertions::{assert_none, assertions};
use crate::migrate::write::renames::in_namespace;
use crate::migrate::write::rows::{
    convert_misfits, default_of, name_before, predicate, renamed_value,
};
use crate::migrate::write::script::{Script, filled};
use crate::schema::{Table, TableColumn};

/// Rebuilds the table in the transaction that sqlx opens, whether foreign keys are on or off.
///
/// Dropping a table deletes its rows, which would also delete or change the rows that reference
/// them. So the rows get other ids first. References are checked only when the transaction ends,
/// and by then the new table has the original ids.
pub(super) fn rebuild(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let old = DIALECT.table(&diff.old.name);
    script.comment(
        "Rebuilds the table, because ALTER TABLE cannot make this change on SQLite. Fails without \
         changes if the table has anything that is not in the struct: columns, indexes, triggers, \
         CHECK, UNIQUE, COLLATE, foreign keys, STRICT, WITHOUT ROWID. Drop it before, and create \
         it again afterwards; or add it to the CREATE TABLE below, and delete the four statements \
         with anchor_left and anchor_asserts.",
    );
    left_of_definition(script, &diff.old);
    let mut asserted = nothing_else(plan);
    asserted.extend(assertions(plan));
    assert_none(script, DIALECT, &asserted);
    script.run("DROP TABLE temp.anchor_left");
    let to = diff.new.bare_name();
    // Renamed first, so that references to the table follow the new name.
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
        script.comment(
            "Changes the ids, so that rows that reference these stay when the table is dropped.",
        );
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

/// Returns a kept column's name, and the expression for its value.
fn copy(plan: &Plan, old: &TableColumn, new: &TableColumn) -> (String, String) {
    let name = DIALECT.identifier(&new.name).into_owned();
    // In back quotes: SQLite treats a double-quoted name that no column has as a string.
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

/// Renames the table, in two steps if only the case differs, because SQLite treats such names as
/// the same.
pub(super) fn rename_table(script: &mut Script, table: &Table, to: &str) {
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
