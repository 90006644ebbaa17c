//! What becomes of a kept column's values.

use super::{Assertion, Misfit, Plan, Remedy};
use crate::migrate::conversion::{Cast, Condition, Conversion};
use crate::migrate::refusal::Refusal;
use crate::migrate::shape::{Shape, has_value};
use crate::schema::{Kind, TableColumn};

/// What the struct says of a kept column, and whether that is an answer to this change.
pub(super) struct Answers<'s> {
    pub(super) is_system: bool,
    pub(super) ends: bool,
    /// A migration has carried out the `on_change`.
    pub(super) ended_before: bool,
    pub(super) new_default: bool,
    pub(super) role: bool,
    /// The variants that a migration has renamed.
    pub(super) done: &'s [(String, String)],
    /// Values may be given up: an old answer holds once more.
    pub(super) drops: bool,
}

impl Answers<'_> {
    fn end(&self) -> bool {
        self.ends && (!self.ended_before || self.drops)
    }

    /// Whether values that do not fit may become the default. A role's never do.
    fn default(&self, new: &TableColumn) -> bool {
        has_value(new) && !self.role && (self.new_default || self.drops)
    }
}

impl Plan {
    /// A kept column: what becomes of the values that do not fit.
    pub(super) fn keep(
        &mut self,
        old: &TableColumn,
        new: &TableColumn,
        answers: &Answers<'_>,
        refusals: &mut Vec<Refusal>,
    ) {
        let Conversion { mut conditions, cast } =
            Conversion::of(old, new, self.diff.variants_of(&new.name));
        // A length that MySQL's index asks for, and nobody wrote: it is asserted.
        if !new.custom {
            let too_long = conditions.iter().position(|c| matches!(c, Condition::LongerThan(_)));
            if let Some(Condition::LongerThan(most)) = too_long.map(|at| conditions.remove(at)) {
                self.assertions.push(Assertion::NotLonger(old.name.clone(), most));
            }
        }
        let exact = cast == Cast::Exact || (cast == Cast::Inexact && answers.drops);
        if conditions.is_empty() && exact {
            return;
        }
        let column = new.name.clone();
        if answers.is_system {
            self.ends_all = true;
            return;
        }
        if answers.end() {
            // Those whose values fit are none of the answer's business.
            match exact {
                true => self.note(new, conditions, Remedy::End),
                false => self.ends_all = true,
            }
            return;
        }
        let (from, to) = (Shape(old).to_string(), Shape(new).to_string());
        let stale = answers.ends;
        if cast == Cast::Never {
            let role = answers.role;
            let nullable = new.nullable && !has_value(new);
            if answers.drops && (has_value(new) || nullable) && !role {
                self.note(new, vec![Condition::Every], Remedy::Default);
            } else {
                refusals.push(Refusal::Reset { column, from, to, role, nullable, stale });
            }
            return;
        }
        if !exact {
            refusals.push(Refusal::Inexact { column, from, to, stale });
            return;
        }
        let variants = match (&old.kind, &new.kind) {
            (Kind::Enum(values), Kind::Enum(_)) => conditions.iter().find_map(|c| match c {
                Condition::NotAmong(fit) => {
                    Some(values.iter().filter(|value| !fit.contains(value)).cloned().collect())
                }
                _ => None,
            }),
            _ => None,
        };
        if let Some(variants) = variants {
            let variants: Vec<String> = variants;
            let done = answers.done.iter().map(|(from, _)| from);
            let done = done.filter(|from| variants.contains(from)).cloned().collect();
            refusals.push(Refusal::VariantsRemoved { column, variants, done, stale });
        } else if answers.default(new) && self.is_unique_meanwhile(old, new) {
            refusals.push(Refusal::SharedDefault { column });
        } else if answers.default(new) {
            self.note(new, conditions, Remedy::Default);
        } else {
            let role = answers.role;
            let stale = stale || (has_value(new) && !role);
            refusals.push(Refusal::Unfit { column, from, to, role, stale });
        }
    }

    /// Whether no two rows may have the same in the column while its values change.
    fn is_unique_meanwhile(&self, old: &TableColumn, new: &TableColumn) -> bool {
        let was = self.diff.old.indexes.iter().any(|i| i.unique && i.column == old.name);
        was || self.diff.is_unique(new)
    }

    fn note(&mut self, new: &TableColumn, conditions: Vec<Condition>, remedy: Remedy) {
        self.misfits.push(Misfit { column: new.clone(), conditions, remedy });
    }
}
