//! [`KeptColumn`]: what happens to the values of a column that stays.

use super::{Assertion, Misfit, Plan, Remedy};
use crate::migrate::conversion::{Cast, Condition, Conversion};
use crate::migrate::diff::declared;
use crate::migrate::refusal::Refusal;
use crate::migrate::shape::{Shape, has_value};
use crate::migrate::state::State;
use crate::schema::{Kind, OnChange, Schema, TableColumn};

/// A kept column, with what the struct says about it.
pub(super) struct KeptColumn<'s> {
    old: &'s TableColumn,
    new: &'s TableColumn,
    /// `on_change = "end_sessions"`.
    ends: bool,
    /// Whether a migration has used the `on_change`.
    has_ended: bool,
    role: bool,
    /// The variants that a migration has renamed: old name, new name.
    renamed_before: &'s [(String, String)],
    /// Whether values may be lost. If so, an answer that a migration has used is valid again.
    drops: bool,
}

impl<'s> KeptColumn<'s> {
    pub(super) fn of(
        old: &'s TableColumn,
        new: &'s TableColumn,
        before: &'s State,
        schema: &Schema,
        drops: bool,
    ) -> Self {
        let declared = declared(schema, &new.name);
        Self {
            old,
            new,
            ends: declared.is_some_and(|column| column.on_change == OnChange::EndSessions),
            has_ended: before.answer(&old.name).is_some_and(|answer| answer.ends),
            role: declared.is_some_and(|column| column.role),
            renamed_before: before.renamed_variants(&old.name),
            drops,
        }
    }

    /// Returns whether sessions may end.
    fn may_end(&self) -> bool {
        self.ends && (!self.has_ended || self.drops)
    }

    /// Returns whether the default may replace values that do not fit. It never replaces a role. A
    /// default that was there before the change is not an answer to it, unless values may be lost.
    fn has_answer(&self) -> bool {
        has_value(self.new) && !self.role && (self.old.default != self.new.default || self.drops)
    }

    /// Returns the old and the new shape of the column, for a refusal.
    fn shapes(&self) -> (String, String) {
        (Shape(self.old).to_string(), Shape(self.new).to_string())
    }

    /// Refuses to replace every value with the default, unless that is allowed.
    fn may_reset(&self) -> Result<(), Refusal> {
        let Self { new, role, ends: stale, .. } = *self;
        let nullable = new.nullable && !has_value(new);
        if self.drops && (has_value(new) || nullable) && !role {
            return Ok(());
        }
        let (column, (from, to)) = (new.name.clone(), self.shapes());
        Err(Refusal::Reset { column, from, to, role, nullable, stale })
    }

    /// Refuses to replace the values that do not fit with the default, unless that is allowed.
    fn may_default(&self, conditions: &[Condition], is_unique: bool) -> Result<(), Refusal> {
        let Self { new, role, ends: stale, .. } = *self;
        let column = new.name.clone();
        if let Some(variants) = self.removed_variants(conditions) {
            let done = self.renamed_before.iter().map(|(from, _)| from);
            let done = done.filter(|from| variants.contains(from)).cloned().collect();
            Err(Refusal::VariantsRemoved { column, variants, done, stale })
        } else if !self.has_answer() {
            let (from, to) = self.shapes();
            let stale = stale || (has_value(new) && !role);
            Err(Refusal::Unfit { column, from, to, role, stale })
        } else if is_unique {
            Err(Refusal::SharedDefault { column })
        } else {
            Ok(())
        }
    }

    /// Returns the variants that the enum no longer has.
    fn removed_variants(&self, conditions: &[Condition]) -> Option<Vec<String>> {
        let (Kind::Enum(values), Kind::Enum(_)) = (&self.old.kind, &self.new.kind) else {
            return None;
        };
        conditions.iter().find_map(|condition| match condition {
            Condition::NotAmong(fit) => {
                Some(values.iter().filter(|value| !fit.contains(value)).cloned().collect())
            }
            _ => None,
        })
    }
}

impl Plan {
    /// Decides what happens to the values of a kept column that do not fit.
    pub(super) fn keep(&mut self, kept: &KeptColumn<'_>) -> Result<(), Refusal> {
        let KeptColumn { old, new, .. } = *kept;
        let Conversion { mut conditions, cast } =
            Conversion::of(old, new, self.diff.variants_of(&new.name));
        // The user did not choose the length: an index on MySQL needs it.
        if !new.custom {
            let too_long = conditions.iter().position(|c| matches!(c, Condition::LongerThan(_)));
            if let Some(Condition::LongerThan(most)) = too_long.map(|at| conditions.remove(at)) {
                self.assertions.push(Assertion::NotLonger(old.name.clone(), most));
            }
        }
        let exact = cast == Cast::Exact || (cast == Cast::Inexact && kept.drops);
        if conditions.is_empty() && exact {
            return Ok(());
        }
        if self.diff.new.is_system(&new.name) || (kept.may_end() && !exact) {
            self.ends_all = true;
            return Ok(());
        }
        let remedy = if kept.may_end() { Remedy::End } else { Remedy::Default };
        if remedy == Remedy::Default {
            if cast == Cast::Never {
                kept.may_reset()?;
                conditions = vec![Condition::Every];
            } else if exact {
                kept.may_default(&conditions, self.is_unique_meanwhile(old, new))?;
            } else {
                let (column, (from, to)) = (new.name.clone(), kept.shapes());
                return Err(Refusal::Inexact { column, from, to, stale: kept.ends });
            }
        }
        self.misfits.push(Misfit { column: new.clone(), conditions, remedy });
        Ok(())
    }

    /// Returns whether the values must be different while they are replaced.
    fn is_unique_meanwhile(&self, old: &TableColumn, new: &TableColumn) -> bool {
        let was = self.diff.old.indexes.iter().any(|i| i.unique && i.column == old.name);
        was || self.diff.is_unique(new)
    }
}
