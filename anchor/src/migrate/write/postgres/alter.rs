//! The main `ALTER TABLE` of a change, and the comments on it.

use super::later::{constraints_for_later, has_literal_default, is_deferred};
use super::{DIALECT, constraints, drop_column};
use crate::migrate::plan::{Plan, Remedy};
use crate::migrate::write::comments::listed;
use crate::migrate::write::rows::{default_of, is_retyped, predicate};
use crate::migrate::write::script::Script;
use crate::schema::{TableColumn, default_clause};

/// Returns the clauses, including those that drop these columns.
pub(super) fn clauses(plan: &Plan, dropped: &[&TableColumn]) -> Vec<String> {
    let diff = &plan.diff;
    let mut clauses: Vec<_> = dropped.iter().map(|column| drop_column(column)).collect();
    for (old, new) in &diff.kept {
        alter_column(&mut clauses, plan, old, new);
    }
    for column in &diff.added {
        let later = constraints_for_later(plan, column);
        let definition = match later.is_empty() {
            true => diff.new.column_definition(column),
            false => diff.new.unconstrained_definition(column),
        };
        clauses.push(format!("ADD COLUMN {definition}"));
        clauses.extend(later.iter().map(|later| format!("ADD {} NOT VALID", later.definition)));
    }
    for (old, new) in &diff.kept {
        let not_valid = if is_deferred(plan, old, new) { " NOT VALID" } else { "" };
        let added = constraints::of_kept(diff, old, new).added;
        clauses.extend(added.iter().map(|added| format!("ADD {}{not_valid}", added.definition)));
    }
    clauses
}

/// Adds comments: what the clauses mean for those who use the table at the same time, and for the
/// previous release.
pub(super) fn comment_on_clauses(script: &mut Script, plan: &Plan, clauses: &[String]) {
    let diff = &plan.diff;
    if !plan.ends_all && diff.kept.iter().any(|(old, new)| is_retyped(old, new)) {
        script.comment(
            "Rewrites every row for the column's new type; the table is locked in the meantime.",
        );
    }
    if clauses.iter().any(|clause| clause.ends_with(" DROP DEFAULT")) {
        let is_without = |(old, new): &&(TableColumn, TableColumn)| {
            old.default.is_some() && new.default.is_none() && !new.nullable
        };
        let without = diff.kept.iter().filter(is_without).map(|(_, new)| new);
        match listed(without).filter(|_| !plan.is_way_back) {
            Some(columns) => script.comment(format!(
                "{columns} no longer has a default: an INSERT without the column fails."
            )),
            None => script.comment("The default is dropped, or set again for the new type."),
        }
    }
    if clauses.iter().any(|clause| clause.ends_with(" DROP NOT NULL")) && !plan.is_way_back {
        script.comment(
            "The previous release cannot read NULL in this column: it refuses such sessions, but \
             does not end them.",
        );
    }
    if diff.added.iter().any(|column| column.references.is_some()) {
        script.comment("The table that a new column references is locked for a moment as well.");
    }
    let computed = diff.added.iter().filter(|column| !has_literal_default(column));
    if let Some(columns) = listed(computed).filter(|_| !plan.ends_all) {
        script.comment(format!(
            "The default of {columns} is an expression. If it is VOLATILE, such as \
             gen_random_uuid(), every row is rewritten, and the table can be neither read nor \
             written in the meantime: about eight seconds for a million sessions. The statement \
             gives up after a minute."
        ));
    }
}

fn alter_column(clauses: &mut Vec<String>, plan: &Plan, old: &TableColumn, new: &TableColumn) {
    let name = DIALECT.identifier(&new.name);
    let retyped = is_retyped(old, new);
    let default_changes = old.default != new.default || (retyped && old.default.is_some());
    if default_changes && old.default.is_some() && (retyped || new.default.is_none()) {
        clauses.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
    }
    if !old.nullable && new.nullable {
        clauses.push(format!("ALTER COLUMN {name} DROP NOT NULL"));
        if plan.is_way_back && !retyped {
            // The check is still there if the file that validates it has not run.
            let check = plan.diff.old.not_null_name(&old.name);
            clauses.push(format!("DROP CONSTRAINT IF EXISTS {}", DIALECT.identifier(&check)));
        }
    }
    if retyped {
        let ty = &new.sql_type;
        let using = match plan.misfit(new) {
            Some(misfit) if misfit.is_reset() => format!("{}::{ty}", default_of(new)),
            Some(misfit) if misfit.remedy == Remedy::Default => {
                let table = DIALECT.table(&plan.diff.new.name);
                let predicate = predicate(DIALECT, &table, &new.name, misfit);
                format!(
                    "CASE WHEN {predicate} THEN {}::{ty} ELSE {name}::{ty} END",
                    default_of(new)
                )
            }
            _ if plan.ends_all => format!("NULL::{ty}"),
            _ => format!("{name}::{ty}"),
        };
        clauses.push(format!("ALTER COLUMN {name} TYPE {ty} USING {using}"));
    }
    if default_changes {
        clauses.extend(
            default_clause(DIALECT, new).map(|clause| format!("ALTER COLUMN {name} SET {clause}")),
        );
    }
    if old.nullable && !new.nullable {
        clauses.push(match is_deferred(plan, old, new) {
            true => {
                let check = plan.diff.new.not_null_name(&new.name);
                let check = DIALECT.identifier(&check);
                format!("ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID")
            }
            false => format!("ALTER COLUMN {name} SET NOT NULL"),
        });
    }
}
