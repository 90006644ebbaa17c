//! The one `ALTER TABLE` of a change, and what is said of it.

use super::DIALECT;
use super::constraints::constraints_of_kept;
use super::drop_column;
use super::later::{constraints_for_later, has_literal_default, is_deferred};
use crate::migrate::diff::{Plan, Remedy};
use crate::migrate::write::comments::listed;
use crate::migrate::write::rows::{default_of, is_retyped, predicate};
use crate::migrate::write::script::Script;
use crate::schema::{TableColumn, default_clause};

/// Its clauses, with the drop of these columns.
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
        let kept = constraints_of_kept(diff, old, new).into_iter();
        let added = kept.filter(|constraint| constraint.changes).filter_map(|kept| kept.after);
        clauses.extend(added.map(|added| format!("ADD {}{not_valid}", added.definition)));
    }
    clauses
}

/// What the clauses mean for who uses the table meanwhile, and for the release before.
pub(super) fn say_what_it_does(script: &mut Script, plan: &Plan, clauses: &[String]) {
    let diff = &plan.diff;
    if !plan.ends_all && diff.kept.iter().any(|(old, new)| is_retyped(old, new)) {
        script
            .say("Writes every row anew for the column's new type; the table is locked meanwhile.");
    }
    if clauses.iter().any(|clause| clause.ends_with(" DROP DEFAULT")) {
        let gone = |(old, new): &&(TableColumn, TableColumn)| {
            old.default.is_some() && new.default.is_none() && !new.nullable
        };
        let gone = diff.kept.iter().filter(gone).map(|(_, new)| new);
        match listed(gone).filter(|_| !plan.is_way_back) {
            Some(columns) => script.say(format!(
                "{columns} has no default any more: what leaves the column out fails."
            )),
            None => script.say("The default goes, or is set anew for the new type."),
        }
    }
    if clauses.iter().any(|clause| clause.ends_with(" DROP NOT NULL")) && !plan.is_way_back {
        script.say(
            "What may be NULL from here on, the release before this one cannot read: it \
            refuses such sessions, and ends none.",
        );
    }
    if diff.added.iter().any(|column| column.references.is_some()) {
        script.say("The table that a new column references is locked for this moment as well.");
    }
    let computed = diff.added.iter().filter(|column| !has_literal_default(column));
    if let Some(columns) = listed(computed).filter(|_| !plan.ends_all) {
        script.say(format!(
            "The default of {columns} is an expression. If it is VOLATILE, such as \
             gen_random_uuid(), every row is written anew, and the table can be neither read nor \
             written meanwhile: about eight seconds for a million sessions, and after a minute it \
             gives up."
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
            // Where the file that validates it has not run.
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
