//! The way forward, as the struct's answers allow it.

use super::kept_column::KeptColumn;
use super::{Allowed, Plan};
use crate::migrate::deployment::{Break, Deployment};
use crate::migrate::diff::{Diff, declared};
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
        let breaks = Break::all(&diff);
        let deployment = Deployment::of(&diff, &breaks);
        let (mut refusals, undecided) = match drops {
            true => Default::default(),
            false => refuse_drops(&diff),
        };
        // With nobody on the table there is no before and after.
        let diff = match drops && deployment == Deployment::Downtime {
            true => diff.with_leaving_dropped(),
            false => diff,
        };
        let mut plan = Self::of(diff, deployment);
        for column in plan.diff.added.clone() {
            let refused = plan.add(&column, schema).err();
            // What may be a rename needs no value.
            refusals.extend(refused.filter(|refusal| {
                !matches!(refusal, Refusal::NoValue { column } if undecided.contains(column))
            }));
        }
        for (old, new) in plan.diff.kept.clone() {
            let kept = KeptColumn::of(&old, &new, before, schema, drops);
            refusals.extend(plan.keep(&kept).err());
        }
        if !downtime {
            let drops = drops || refusals.iter().any(Refusal::may_drop);
            refusals.extend(breaks.into_iter().map(|found| found.refusal(drops)));
        }
        if refusals.is_empty() { Ok(plan.with_assertions()) } else { Err(refusals) }
    }

    /// A new column: what the sessions that exist have in it.
    fn add(&mut self, column: &TableColumn, schema: &Schema) -> Result<(), Refusal> {
        let shared = self.diff.is_unique(column)
            && has_value(column)
            && column.default.as_deref().is_some_and(is_literal);
        if (column.nullable || has_value(column)) && !shared {
            return Ok(());
        }
        let ends = declared(schema, &column.name)
            .is_some_and(|declared| declared.on_change == OnChange::EndSessions);
        let name = || column.name.clone();
        // A system column's answer is not the user's to give.
        if ends || self.diff.new.is_system(&column.name) {
            self.ends_all = true;
            Ok(())
        } else if shared {
            Err(Refusal::SharedValue { column: name() })
        } else {
            Err(Refusal::NoValue { column: name() })
        }
    }
}

/// What may not be dropped, and the new columns that a dropped one may be.
fn refuse_drops(diff: &Diff) -> (Vec<Refusal>, Vec<String>) {
    let mut refusals = Vec::new();
    let mut undecided = Vec::new();
    for column in diff.removed() {
        let is_alike = |added: &&TableColumn| {
            added.kind == column.kind
                && !diff.new.is_system(&added.name)
                && added.name != column.name
        };
        let alike = diff.added.iter().filter(is_alike);
        let alike: Vec<_> = alike.map(|added| added.name.clone()).collect();
        undecided.extend_from_slice(&alike);
        let is_taken = diff.dropped.contains(column);
        let column = column.name.clone();
        match alike.is_empty() {
            false => refusals.push(Refusal::RenamedOrDropped { column, alike }),
            true if is_taken => refusals.push(Refusal::NameTaken { column }),
            true => {}
        }
    }
    if let (Some(companion), None) = (&diff.old.cut_offs, &diff.new.cut_offs) {
        refusals.push(Refusal::CutOffsDropped { table: companion.name.clone() });
    }
    (refusals, undecided)
}
