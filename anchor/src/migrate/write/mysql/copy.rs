//! Values that are converted in a new column beside the old one.

use super::DIALECT;
use super::obstacle::{self, COLUMNS, Obstacle};
use crate::migrate::conversion::Family;
use crate::migrate::plan::{Misfit, Plan, Remedy};
use crate::migrate::write::rows::{default_of, is_retyped, name_before, predicate};
use crate::migrate::write::script::Script;
use crate::schema::{TableColumn, is_literal};

/// Returns whether the values are converted in a new column, because the old one cannot hold the
/// default.
pub(super) fn is_copied(plan: &Plan, new: &TableColumn) -> bool {
    let kept = plan.diff.kept.iter().find(|(_, column)| column.name == new.name);
    let gets_default = plan
        .misfit(new)
        .is_some_and(|misfit| misfit.remedy == Remedy::Default && !misfit.is_reset());
    gets_default && kept.is_some_and(|(old, new)| is_retyped(old, new) && !holds_default(old, new))
}

/// Returns whether the old type is certain to hold the new default without changing it.
fn holds_default(old: &TableColumn, new: &TableColumn) -> bool {
    let default = new.default.as_deref().unwrap_or("NULL");
    let is_text = default.starts_with('\'') && is_literal(default) && default.len() <= 255;
    !old.custom
        && match Family::of(&old.kind) {
            Family::Integer | Family::Float => default.parse::<i16>().is_ok(),
            Family::Text => is_text || default.parse::<i16>().is_ok(),
            Family::Other(_) => false,
        }
}

/// Returns the temporary name of the new column.
pub(super) fn copy_name(plan: &Plan, new: &TableColumn) -> String {
    let at = plan.diff.new.columns.iter().position(|column| column.name == new.name);
    format!("anchor_new_{}", at.unwrap_or_default())
}

/// Fills the new column with the values that fit, and with the default for the others.
pub(super) fn copy(script: &mut Script, plan: &Plan, misfit: &Misfit) {
    let table = DIALECT.table(&plan.diff.old.name);
    let (name, ty) = (copy_name(plan, &misfit.column), &misfit.column.sql_type);
    let before = name_before(plan, &misfit.column);
    let left =
        Obstacle { catalogue: &COLUMNS, drop: format!("DROP COLUMN {name}"), name: name.clone() };
    obstacle::remove(script, plan, &left);
    script.run(format!("ALTER TABLE {table} ADD COLUMN {name} {ty} NULL"));
    let predicate = predicate(DIALECT, &table, &before, misfit);
    let (value, default) = (DIALECT.identifier(&before), default_of(&misfit.column));
    script.comment(format!(
        "Values of `{before}` that do not fit become the default, which the old type may be unable \
         to hold."
    ));
    script.run(format!("UPDATE {table} SET {name} = {value} WHERE ({predicate}) IS NOT TRUE"));
    script.run(format!("UPDATE {table} SET {name} = {default} WHERE {predicate}"));
}
