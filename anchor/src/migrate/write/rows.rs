//! The statements that change the rows: those that end sessions, give the default, or rename an
//! enum's variants.

use super::cut_offs;
use super::script::Script;
use crate::migrate::conversion::is_same_type;
use crate::migrate::plan::{Misfit, Plan, Remedy};
use crate::schema::{Dialect, TableColumn};

pub(super) const ENDS_ALL: &str = "DESTRUCTIVE: ends every session; their users log in again.";

/// Returns whether the change writes rows before it alters the table.
pub(super) fn are_written(plan: &Plan) -> bool {
    plan.ends_all
        || !plan.misfits.is_empty()
        || !plan.diff.variants.is_empty()
        || cut_offs::is_replaced(plan)
}

/// Ends all sessions, or those that a cut-off refuses if the cut-offs are dropped, before the table
/// changes.
pub(super) fn end_sessions(script: &mut Script, plan: &Plan) {
    cut_offs::before(script, plan);
    if plan.ends_all {
        let old = &plan.diff.old;
        script.comment(ENDS_ALL);
        script.run(format!("DELETE FROM {}", old.dialect.table(&old.name)));
    }
}

/// Changes the rows. First the sessions that cannot stay are ended, which depends on the old names
/// of variants. Then the variants get their new names. The defaults come last, because they use the
/// new names.
pub(super) fn change_values(
    script: &mut Script,
    plan: &Plan,
    table: &str,
    name: impl Fn(&TableColumn) -> String,
) {
    convert_misfits(script, plan, Remedy::End, table, &name);
    rename_variants(script, plan, table, &name);
    convert_misfits(script, plan, Remedy::Default, table, &name);
}

/// Ends the sessions whose values do not fit, or gives them the default.
pub(super) fn convert_misfits(
    script: &mut Script,
    plan: &Plan,
    remedy: Remedy,
    table: &str,
    name: impl Fn(&TableColumn) -> String,
) {
    let dialect = plan.diff.new.dialect;
    let misfits = plan.misfits.iter().filter(|misfit| misfit.remedy == remedy);
    for misfit in misfits.filter(|misfit| !misfit.is_reset()) {
        let name = name(&misfit.column);
        let predicate = predicate(dialect, table, &name, misfit);
        match remedy {
            Remedy::End => {
                script.comment(format!(
                    "DESTRUCTIVE: ends the sessions whose `{name}` does not fit its new definition."
                ));
                script.run(format!("DELETE FROM {table} WHERE {predicate}"));
            }
            Remedy::Default => {
                script.comment(format!("Values of `{name}` that do not fit become the default."));
                let default = default_of(&misfit.column);
                let column = dialect.identifier(&name);
                script.run(format!("UPDATE {table} SET {column} = {default} WHERE {predicate}"));
            }
        }
    }
}

/// Gives the variants of enums their new names. `name` returns the present name of a column.
pub(super) fn rename_variants(
    script: &mut Script,
    plan: &Plan,
    table: &str,
    name: impl Fn(&TableColumn) -> String,
) {
    if plan.ends_all {
        return;
    }
    let dialect = plan.diff.new.dialect;
    for (_, column) in &plan.diff.kept {
        let now = name(column);
        let value = dialect.identifier(&now).into_owned();
        if let Some(renamed) = renamed_value(plan, column, &value) {
            let old = plan.diff.variants_of(&column.name).iter();
            let old: Vec<_> = old.map(|(from, _)| dialect.literal(from)).collect();
            if !plan.is_way_back {
                script.comment(format!(
                    "Variants of `{now}` have new names: a release that knows only the old names \
                     refuses the sessions that have them."
                ));
            }
            script.run(format!(
                "UPDATE {table} SET {value} = {renamed}\nWHERE {value} IN ({})",
                old.join(", ")
            ));
        }
    }
}

/// Returns a column's value with its renamed variants; `None` if none is renamed.
pub(super) fn renamed_value(plan: &Plan, column: &TableColumn, value: &str) -> Option<String> {
    let dialect = plan.diff.new.dialect;
    let names = plan.diff.variants_of(&column.name);
    let cases: String = names
        .iter()
        .map(|(from, to)| format!(" WHEN {} THEN {}", dialect.literal(from), dialect.literal(to)))
        .collect();
    (!names.is_empty()).then(|| format!("CASE {value}{cases} ELSE {value} END"))
}

/// Returns the condition under which a row's old value does not fit. `column` is the column's
/// present name.
pub(super) fn predicate(dialect: Dialect, table: &str, column: &str, misfit: &Misfit) -> String {
    let column = dialect.identifier(column);
    let conditions: Vec<_> =
        misfit.conditions.iter().map(|condition| condition.sql(dialect, table, &column)).collect();
    match conditions.as_slice() {
        [one] => one.clone(),
        several => several.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" OR "),
    }
}

/// Returns the column's name before the change.
pub(super) fn name_before(plan: &Plan, column: &TableColumn) -> String {
    let name = &column.name;
    let before = plan.diff.kept.iter().find(|(_, new)| new.name == *name);
    before.map_or_else(|| name.clone(), |(old, _)| old.name.clone())
}

/// Returns the column's default as an expression.
pub(super) fn default_of(column: &TableColumn) -> String {
    format!("({})", column.default.as_deref().unwrap_or("NULL"))
}

pub(super) fn is_retyped(old: &TableColumn, new: &TableColumn) -> bool {
    !is_same_type(&old.sql_type, &new.sql_type)
}
