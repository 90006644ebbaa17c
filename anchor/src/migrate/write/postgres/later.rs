//! What the next file does while everybody reads and writes: it looks through the rows that were
//! there before a constraint.

use super::constraints::{Constraint, constraints, constraints_of_kept};
use super::lock::say_timeout;
use super::{DIALECT, drop_constraint, raise_if};
use crate::migrate::diff::{Assertion, Plan};
use crate::migrate::write::assertions::assertions;
use crate::migrate::write::rows::is_retyped;
use crate::migrate::write::script::Script;
use crate::schema::{TableColumn, is_literal};

/// Whether the rows are held to a new constraint at once, and looked through only in the next
/// file, which stops nobody. A column whose type changes is written anew in any case.
pub(super) fn is_deferred(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    !plan.is_way_back && !plan.ends_all && !is_retyped(old, new)
}

/// A new column's constraints that the rows are held to at once, and looked through for only in
/// the next file.
pub(super) fn constraints_for_later(plan: &Plan, column: &TableColumn) -> Vec<Constraint> {
    // A `NULL` references nothing, and of an expression nobody knows the values beforehand.
    let is_free = column.checked_values().is_none() && column.default.is_none();
    let is_known = has_literal_default(column) && is_default_allowed(column);
    if plan.is_way_back || plan.ends_all || is_free || !is_known {
        return Vec::new();
    }
    constraints(&plan.diff.new, column).into_iter().flatten().collect()
}

pub(super) fn has_literal_default(column: &TableColumn) -> bool {
    column.default.as_deref().is_none_or(is_literal)
}

/// Whether the column's `CHECK` allows its default, if that is a literal.
fn is_default_allowed(column: &TableColumn) -> bool {
    match (column.checked_values(), column.default.as_deref()) {
        (Some(values), Some(default)) => {
            default.eq_ignore_ascii_case("null")
                || values.iter().any(|value| DIALECT.literal(value) == default)
        }
        _ => true,
    }
}

/// What is still to be validated: the names of constraints, and the columns that are to be
/// `NOT NULL`.
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
        let kept = constraints_of_kept(diff, old, new).into_iter();
        let changed = kept.filter(|constraint| constraint.changes).filter_map(|kept| kept.after);
        names.extend(changed.map(|after| after.name));
    }
    if names.is_empty() {
        return None;
    }
    let mut script = Script::default();
    say_timeout(&mut script, "However long it runs then, nobody waits for it.", "0", 1);
    script.say(
        "Looks through the rows that were there before the constraint, while they are read and \
         written.",
    );
    for name in names {
        let name = DIALECT.identifier(&name);
        script.run(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"));
    }
    if !sets.is_empty() {
        script.say("Looks at no row: the constraint has shown it.");
        script.alter(&table, &sets);
        // Apart: of one statement PostgreSQL carries out what drops first, and would look after
        // all.
        script.alter(&table, &drops);
    }
    Some(script)
}

/// What would fail only in the next file.
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
