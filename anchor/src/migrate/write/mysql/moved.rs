//! Variants of an enum that take each other's names. Such a rename must not run twice.

use super::DIALECT;
use crate::migrate::conversion::Condition;
use crate::migrate::diff::RenamedVariants;
use crate::migrate::plan::Plan;
use crate::migrate::write::rows::default_of;

/// Returns whether a variant gets a name that another one had.
pub(super) fn is_moved(variants: &RenamedVariants) -> bool {
    variants.names.iter().any(|(_, to)| variants.names.iter().any(|(from, _)| from == to))
}

/// Returns the plan without the variants that take each other's names, and the plan with only
/// these. A default that is written before the renames uses the old name.
pub(super) fn without_moved(plan: &Plan) -> (Plan, Plan) {
    let (mut first, mut moved) = (plan.clone(), plan.clone());
    first.diff.variants.retain(|variants| !is_moved(variants));
    moved.diff.variants.retain(is_moved);
    for misfit in &mut first.misfits {
        // The deletion may run again after the renames below it, if a later statement failed.
        for (_, to) in first.diff.variants_of(&misfit.column.name) {
            for condition in &mut misfit.conditions {
                if let Condition::NotAmong(fit) = condition
                    && !fit.contains(to)
                {
                    fit.push(to.clone());
                }
            }
        }
        let names = moved.diff.variants_of(&misfit.column.name);
        if !names.is_empty() && misfit.column.default.is_some() {
            let default = default_of(&misfit.column);
            let cases = names.iter().map(|(from, to)| {
                format!(" WHEN {} THEN {}", DIALECT.literal(to), DIALECT.literal(from))
            });
            let cases: String = cases.collect();
            misfit.column.default = Some(format!("CASE {default}{cases} ELSE {default} END"));
        }
    }
    (first, moved)
}
