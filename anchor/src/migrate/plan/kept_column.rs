//! What becomes of a kept column's values.

use super::{Assertion, Misfit, Plan, Remedy};
use crate::migrate::conversion::{Cast, Condition, Conversion};
use crate::migrate::diff::declared;
use crate::migrate::refusal::Refusal;
use crate::migrate::shape::{Shape, has_value};
use crate::migrate::state::State;
use crate::schema::{Kind, OnChange, Schema, TableColumn};

/// A kept column, with what the struct says of it.
pub(super) struct KeptColumn<'s> {
    old: &'s TableColumn,
    new: &'s TableColumn,
    /// `on_change = "end_sessions"`.
    ends: bool,
    /// A migration has carried out the `on_change`.
    ended_before: bool,
    role: bool,
    /// The variants that a migration has renamed.
    done: &'s [(String, String)],
    /// Values may be given up: an old answer holds once more.
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
            ended_before: before.answer(&old.name).is_some_and(|answer| answer.ends),
            role: declared.is_some_and(|column| column.role),
            done: before.renamed_variants(&old.name),
            drops,
        }
    }

    /// Whether sessions may end.
    fn may_end(&self) -> bool {
        self.ends && (!self.ended_before || self.drops)
    }

    /// Whether values that do not fit may become the default. A role's never do. The default of an
    /// addition, or of another change, is no answer to this one.
    fn may_default(&self) -> bool {
        has_value(self.new) && !self.role && (self.old.default != self.new.default || self.drops)
    }

    /// The shapes of the column before and after, for a refusal.
    fn shapes(&self) -> (String, String) {
        (Shape(self.old).to_string(), Shape(self.new).to_string())
    }

    /// Refuses that every value becomes the default, unless that is allowed.
    fn reset(&self) -> Result<(), Refusal> {
        let Self { new, role, ends: stale, .. } = *self;
        let nullable = new.nullable && !has_value(new);
        if self.drops && (has_value(new) || nullable) && !role {
            return Ok(());
        }
        let (column, (from, to)) = (new.name.clone(), self.shapes());
        Err(Refusal::Reset { column, from, to, role, nullable, stale })
    }

    /// Refuses that the values of these conditions become the default, unless that is allowed.
    fn give_default(&self, conditions: &[Condition], is_unique: bool) -> Result<(), Refusal> {
        let Self { new, role, ends: stale, .. } = *self;
        let column = new.name.clone();
        if let Some(variants) = self.removed_variants(conditions) {
            let done = self.done.iter().map(|(from, _)| from);
            let done = done.filter(|from| variants.contains(from)).cloned().collect();
            Err(Refusal::VariantsRemoved { column, variants, done, stale })
        } else if !self.may_default() {
            let (from, to) = self.shapes();
            let stale = stale || (has_value(new) && !role);
            Err(Refusal::Unfit { column, from, to, role, stale })
        } else if is_unique {
            Err(Refusal::SharedDefault { column })
        } else {
            Ok(())
        }
    }

    /// The variants that the enum has no more.
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
    /// A kept column: what becomes of the values that do not fit.
    pub(super) fn keep(&mut self, kept: &KeptColumn<'_>) -> Result<(), Refusal> {
        let KeptColumn { old, new, .. } = *kept;
        let Conversion { mut conditions, cast } =
            Conversion::of(old, new, self.diff.variants_of(&new.name));
        // A length that MySQL's index asks for, and nobody wrote: it is asserted.
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
                kept.reset()?;
                conditions = vec![Condition::Every];
            } else if exact {
                kept.give_default(&conditions, self.is_unique_meanwhile(old, new))?;
            } else {
                let (column, (from, to)) = (new.name.clone(), kept.shapes());
                return Err(Refusal::Inexact { column, from, to, stale: kept.ends });
            }
        }
        self.misfits.push(Misfit { column: new.clone(), conditions, remedy });
        Ok(())
    }

    /// Whether no two rows may have the same in the column while its values change.
    fn is_unique_meanwhile(&self, old: &TableColumn, new: &TableColumn) -> bool {
        let was = self.diff.old.indexes.iter().any(|i| i.unique && i.column == old.name);
        was || self.diff.is_unique(new)
    }
}
