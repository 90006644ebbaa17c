//! The way forward, as the struct's answers allow it.

use super::kept_column::Answers;
use super::{Allowed, Plan};
use crate::migrate::deployment::{self, Deployment};
use crate::migrate::diff::Diff;
use crate::migrate::refusal::Refusal;
use crate::migrate::shape::has_value;
use crate::migrate::state::State;
use crate::schema::{OnChange, Schema, TableColumn, is_literal};

impl Plan {
    /// The way forward, as the struct's answers allow it; every refusal at once.
    pub(crate) fn forward(
        diff: Diff,
        before: &State,
        schema: &Schema,
        Allowed { drops, downtime }: Allowed,
    ) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut undecided = Vec::new();
        let changes = deployment::changes(&diff);
        let deployment = deployment::deployment(&changes);
        for column in diff.removed().filter(|_| !drops) {
            let alike: Vec<_> = diff
                .added
                .iter()
                .filter(|added| added.kind == column.kind && !diff.new.is_system(&added.name))
                .filter(|added| added.name != column.name)
                .map(|added| added.name.clone())
                .collect();
            undecided.extend(alike.iter().cloned());
            let is_taken = diff.dropped.contains(column);
            let column = column.name.clone();
            match alike.is_empty() {
                false => refusals.push(Refusal::RenamedOrDropped { column, alike }),
                true if is_taken => refusals.push(Refusal::NameTaken { column }),
                true => {}
            }
        }
        if let (Some(companion), None, false) = (&diff.old.cut_offs, &diff.new.cut_offs, drops) {
            refusals.push(Refusal::CutOffsDropped { table: companion.name.clone() });
        }

        // With nobody on the table there is no before and after.
        let diff = match drops && deployment == Deployment::Downtime {
            true => diff.with_leaving_dropped(),
            false => diff,
        };
        let mut plan = Self {
            diff,
            deployment,
            is_way_back: false,
            ends_all: false,
            misfits: Vec::new(),
            assertions: Vec::new(),
        };
        for column in plan.diff.added.clone() {
            plan.add(&column, schema, &undecided, &mut refusals);
        }
        for (old, new) in plan.diff.kept.clone() {
            let declared = schema.columns.iter().find(|column| column.name == new.name);
            let ended_before = before.answer(&old.name).is_some_and(|answer| answer.ends);
            let answers = Answers {
                is_system: plan.diff.new.is_system(&new.name),
                ends: declared.is_some_and(|column| column.on_change == OnChange::EndSessions),
                ended_before,
                // The default of an addition, or of another change, is no answer to this one.
                new_default: has_value(&new) && old.default != new.default,
                role: declared.is_some_and(|column| column.role),
                done: before.answer(&old.name).map_or(&[][..], |answer| &answer.variants),
                drops,
            };
            plan.keep(&old, &new, &answers, &mut refusals);
        }
        if !downtime {
            let drops = drops || refusals.iter().any(Refusal::may_drop);
            refusals.extend(deployment::refusals(&changes, drops));
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        if plan.ends_all {
            plan.misfits.clear();
        }
        plan.assert_what_is_new();
        Ok(plan)
    }

    /// A new column: what the sessions that exist have in it.
    fn add(
        &mut self,
        column: &TableColumn,
        schema: &Schema,
        undecided: &[String],
        refusals: &mut Vec<Refusal>,
    ) {
        let shared = self.diff.is_unique(column)
            && has_value(column)
            && column.default.as_deref().is_some_and(is_literal);
        if (column.nullable || has_value(column)) && !shared {
            return;
        }
        let ends = schema.columns.iter().any(|declared| {
            declared.name == column.name && declared.on_change == OnChange::EndSessions
        });
        // A system column's answer is not the user's to give.
        if ends || self.diff.new.is_system(&column.name) {
            self.ends_all = true;
        } else if shared {
            refusals.push(Refusal::SharedValue { column: column.name.clone() });
        } else if !undecided.contains(&column.name) {
            refusals.push(Refusal::NoValue { column: column.name.clone() });
        }
    }
}
