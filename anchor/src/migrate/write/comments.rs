//! The comments that a change deserves in every dialect.

use super::assertions::units;
use super::script::Script;
use crate::migrate::command::DROP;
use crate::migrate::conversion::{Cast, Conversion};
use crate::migrate::diff::{Assertion, Plan};
use crate::schema::TableColumn;

pub(super) const ENDS_ALL: &str = "DESTRUCTIVE: ends every session; their users log in again.";

/// What a reader of the file should know before it runs.
pub(super) fn say_what_to_know(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let mut names = Vec::new();
    if diff.old.name != diff.new.name {
        names.push(("table", diff.old.name.as_str(), diff.new.name.as_str()));
    }
    let renamed = diff.kept.iter().filter(|(old, new)| old.name != new.name);
    names.extend(renamed.map(|(old, new)| ("column", old.name.as_str(), new.name.as_str())));
    if !plan.is_way_back {
        for (what, old, new) in names {
            script.say(format!(
                "RENAMED: releases that know `{old}` and not `{new}` fail from here on; stop them \
                 first. To stop none, keep the name with #[session({what} = {old:?})], and write \
                 no migration."
            ));
        }
        let kept = diff.added.iter().filter(|column| column.default.is_some() && !column.nullable);
        if let Some(columns) = listed(kept) {
            script.say(format!(
                "The default of {columns} stays, so that the release before this one can still \
                 insert."
            ));
        }
    }
    if let Some(columns) = listed(diff.dropped.iter()) {
        script.say(format!("DESTRUCTIVE: drops {columns} with every value."));
    }
    if let Some(columns) = listed(diff.removed().filter(|column| !diff.dropped.contains(column))) {
        script.say(format!(
            "Kept for the release before, with every value: {columns}. To drop it, when no process \
             of that release is left: {DROP}"
        ));
    }
    for misfit in plan.misfits.iter().filter(|misfit| misfit.is_reset()) {
        script.say(format!(
            "DESTRUCTIVE: `{}` is set to its default in every row: its new type holds none of its \
             old values.",
            misfit.column.name
        ));
    }
    for (old, new) in &diff.kept {
        let fit = Conversion::of(old, new, diff.variants_of(&new.name));
        if fit.cast == Cast::Inexact && !plan.ends_all {
            script.say(format!("The cast of `{}` may round or cut its values.", new.name));
        }
    }
    for assertion in &plan.assertions {
        script.say(match assertion {
            Assertion::Distinct(column) => {
                format!("Fails, and changes nothing, if two rows have the same `{column}`.")
            }
            Assertion::Referenced(column, target) => format!(
                "Fails, and changes nothing, if a row's `{column}` is not in `{}`.",
                target.table
            ),
            Assertion::NotLonger(column, most) => format!(
                "Fails, and changes nothing, if a `{column}` has more than {most} {}.",
                units(plan, column)
            ),
        });
    }
}

/// Names of columns, for a comment; `None` where there are none.
pub(super) fn listed<'c>(columns: impl Iterator<Item = &'c TableColumn>) -> Option<String> {
    let names: Vec<_> = columns.map(|column| format!("`{}`", column.name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
