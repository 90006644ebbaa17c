//! The comments on a change that the files of every dialect contain.

use super::assertions::units;
use super::script::Script;
use crate::migrate::command::DROP;
use crate::migrate::conversion::{Cast, Conversion};
use crate::migrate::plan::{Assertion, Plan};
use crate::schema::TableColumn;

/// Adds what a reader of the file should know before it runs.
pub(super) fn comment_on_change(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let mut names = Vec::new();
    if diff.old.name != diff.new.name {
        names.push(("table", diff.old.name.as_str(), diff.new.name.as_str()));
    }
    let renamed = diff.kept.iter().filter(|(old, new)| old.name != new.name);
    names.extend(renamed.map(|(old, new)| ("column", old.name.as_str(), new.name.as_str())));
    if !plan.is_way_back {
        for (what, old, new) in names {
            script.comment(format!(
                "RENAMED: releases that use `{old}` instead of `{new}` fail from here on; stop \
                 them first. To avoid that, keep the name with #[session({what} = {old:?})], \
                 without a migration."
            ));
        }
        let kept = diff.added.iter().filter(|column| column.default.is_some() && !column.nullable);
        if let Some(columns) = listed(kept) {
            script.comment(format!(
                "{columns} keeps its default, so that the previous release can still insert."
            ));
        }
    }
    if let Some(columns) = listed(diff.dropped.iter()) {
        script.comment(format!("DESTRUCTIVE: drops {columns} with all values."));
    }
    if let Some(columns) = listed(diff.removed().filter(|column| !diff.dropped.contains(column))) {
        script.comment(format!(
            "Kept for the previous release, with all values: {columns}. To drop it when no process \
             of that release is left: {DROP}"
        ));
    }
    for misfit in plan.misfits.iter().filter(|misfit| misfit.is_reset()) {
        script.comment(format!(
            "DESTRUCTIVE: `{}` is set to its default in every row: its new type cannot hold any \
             old value.",
            misfit.column.name
        ));
    }
    for (old, new) in &diff.kept {
        let fit = Conversion::of(old, new, diff.variants_of(&new.name));
        if fit.cast == Cast::Inexact && !plan.ends_all {
            script.comment(format!("The cast of `{}` may round or truncate values.", new.name));
        }
    }
    for assertion in &plan.assertions {
        script.comment(match assertion {
            Assertion::Distinct(column) => {
                format!("Fails without changes if two rows have the same `{column}`.")
            }
            Assertion::Referenced(column, target) => {
                format!("Fails without changes if a row's `{column}` is not in `{}`.", target.table)
            }
            Assertion::NotLonger(column, most) => format!(
                "Fails without changes if a `{column}` has more than {most} {}.",
                units(plan, column)
            ),
        });
    }
}

/// Returns the names of columns for a comment; `None` if there are none.
pub(super) fn listed<'c>(columns: impl Iterator<Item = &'c TableColumn>) -> Option<String> {
    let names: Vec<_> = columns.map(|column| format!("`{}`", column.name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
