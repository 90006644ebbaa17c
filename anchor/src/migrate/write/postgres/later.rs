//! What is left for the next file, which checks existing rows against new constraints while the
//! table is read and written.

use super::constraints::{self, Constraint};
use super::lock::set_timeouts;
use super::{DIALECT, drop_constraint, raise_if};
use crate::migrate::plan::{Assertion, Plan};
use crate::migrate::write::assertions::assertions;
use crate::migrate::write::rows::is_retyped;
use crate::migrate::write::script::Script;
use crate::schema::{TableColumn, is_literal};

/// Returns whether a new constraint applies to new rows at once and to existing ones only in the
/// next file, which blocks nobody. A column whose type changes is rewritten in any case.
pub(super) fn is_deferred(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    !plan.is_way_back && !plan.ends_all && !is_retyped(old, new)
}

/// Returns a new column's constraints that apply to new rows at once and are checked for existing
/// ones only in the next file.
pub(super) fn constraints_for_later(plan: &Plan, column: &TableColumn) -> Vec<Constraint> {
    // `NULL` references nothing, and the value of an expression is not known beforehand.
    let is_free = column.checked_values().is_none() && column.default.is_none();
    let is_known = has_literal_default(column) && is_default_allowed(column);
    if plan.is_way_back || plan.ends_all || is_free || !is_known {
        return Vec::new();
    }
    constraints::constraints(&plan.diff.new, column).into_iter().flatten().collect()
}

pub(super) fn has_literal_default(column: &TableColumn) -> bool {
    column.default.as_deref().is_none_or(is_literal)
}

/// Returns whether the column's `CHECK` allows its default, if that is a literal.
fn is_default_allowed(column: &TableColumn) -> bool {
    match (column.checked_values(), column.default.as_deref()) {
        (Some(values), Some(default)) => {
            default.eq_ignore_ascii_case("null")
                || values.iter().any(|value| DIALECT.literal(value) == default)
        }
        _ => true,
    }
}

/// Returns the file that validates constraints. It then sets `NOT NULL` on the columns for which a
/// constraint has shown that they contain no `NULL`.
pub(in crate::migrate::write) fn validate(plan: &Plan) -> Option<Script> {
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.new.name);
    let mut names = Vec::new();
    let (mut sets, mut drops) = (Vec::new(), Vec::new());
    for column in &diff.added {
        names.extend(constraints_for_later(plan, column).into_iter().map(|later| later.name));
    }
    for (old, new) in diff.kept.iter().filter(|(old, new)| is_deferred(plan, old, new)) {
        if old.nullable && !new.nullable {
            let name = diff.new.not_null_name(&new.name);
            let column = DIALECT.identifier(&new.name);
            sets.push(format!("ALTER COLUMN {column} SET NOT NULL"));
            drops.push(drop_constraint(&name));
            names.push(name);
        }
        let added = constraints::of_kept(diff, old, new).added;
        names.extend(added.into_iter().map(|constraint| constraint.name));
    }
    if names.is_empty() {
        return None;
    }
    let mut script = Script::default();
    set_timeouts(&mut script, "After that it blocks nobody, however long it runs.", "0", 1);
    script.comment(
        "Checks the rows that existed before the constraint, while they are read and written.",
    );
    for name in names {
        let name = DIALECT.identifier(&name);
        script.run(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"));
    }
    if !sets.is_empty() {
        script.comment("Reads no rows: the constraint has shown that there is no NULL.");
        script.alter(&table, &sets);
        // A separate statement: if both were in one, PostgreSQL would drop the constraint first,
        // and would have to read the rows.
        script.alter(&table, &drops);
    }
    Some(script)
}

/// Adds statements that fail here, in the first file, if the next file would fail.
pub(super) fn assert_first(script: &mut Script, plan: &Plan) {
    let is_deferred = |assertion: &&Assertion| match assertion {
        Assertion::Distinct(_) => !plan.is_way_back,
        Assertion::Referenced(name, _) => {
            plan.diff.kept.iter().any(|(old, new)| old.name == *name && is_deferred(plan, old, new))
        }
        Assertion::NotLonger(..) => false,
    };
    let asserted = plan.assertions.iter().filter(is_deferred).cloned().collect();
    for (message, query) in assertions(&Plan { assertions: asserted, ..plan.clone() }) {
        script.run(raise_if(&format!("({query}) > 0"), &message));
    }
    let table = DIALECT.table(&plan.diff.old.name);
    let is_for_later = |column: &&TableColumn| !constraints_for_later(plan, column).is_empty();
    for column in plan.diff.added.iter().filter(is_for_later) {
        let (Some(target), Some(default)) = (&column.references, &column.default) else { continue };
        let (parent, key) = (DIALECT.table(&target.table), DIALECT.identifier(&target.column));
        let message = format!(
            "the default of {} references no row of {}; nothing has changed",
            column.name, target.table
        );
        let fails = format!(
            "EXISTS (SELECT FROM {table}) AND ({default}) IS NOT NULL\n        \
             AND NOT EXISTS (SELECT FROM {parent} WHERE {key} = ({default}))"
        );
        script.run(raise_if(&fails, &message));
    }
}
