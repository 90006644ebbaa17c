//! The plan of a migration, with the struct's answers.

use super::kept_column::KeptColumn;
use super::{Allowed, Plan};
use crate::migrate::deployment::{BreakingChange, Deployment};
use crate::migrate::diff::{Diff, declared};
use crate::migrate::refusal::Refusal;
use crate::migrate::shape::has_value;
use crate::migrate::state::State;
use crate::schema::{OnChange, Schema, TableColumn, is_literal};

impl Plan {
    /// Plans a change as the struct's answers allow it.
    ///
    /// # Errors
    ///
    /// Returns every question that the answers leave open.
    pub(crate) fn forward(
        diff: Diff,
        before: &State,
        schema: &Schema,
        Allowed { drops, downtime }: Allowed,
    ) -> Result<Self, Vec<Refusal>> {
        let breaking = BreakingChange::all(&diff);
        let deployment = Deployment::of(&diff, &breaking);
        let (mut refusals, undecided) = match drops {
            true => Default::default(),
            false => refuse_drops(&diff),
        };
        // No release uses the table meanwhile, so nothing needs to be kept for a later file.
        let diff = match drops && deployment == Deployment::Downtime {
            true => diff.with_leaving_dropped(),
            false => diff,
        };
        let mut plan = Self::of(diff, deployment);
        for column in plan.diff.added.clone() {
            let refused = plan.add(&column, schema).err();
            // A column that may be a renamed one needs no value yet.
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
            refusals.extend(breaking.into_iter().map(|change| change.refusal(drops)));
        }
        if refusals.is_empty() { Ok(plan.with_assertions()) } else { Err(refusals) }
    }

    /// Decides which value the existing sessions get in a new column.
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
        // The user cannot give an answer for a system column.
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

/// Refuses the drops that need a decision, and returns the new columns that may be renamed old
/// ones.
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
