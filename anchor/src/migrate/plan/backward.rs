//! The way back of a change, and the drop of the columns that are leaving.

use super::{Misfit, Plan, Remedy};
use crate::migrate::conversion::{Cast, Condition, Conversion};
use crate::migrate::deployment::Deployment;
use crate::migrate::diff::Diff;
use crate::migrate::shape::has_value;
use crate::schema::{Table, TableColumn};

impl Plan {
    /// The way back: sessions that the old table cannot hold end.
    pub(crate) fn backward(diff: &Diff) -> Self {
        let diff = diff.inverse();
        // A default that every row gets is no value where they have to differ.
        let without_value = |column: &TableColumn| match has_value(column) {
            true => diff.is_unique(column),
            false => !column.nullable,
        };
        let mut ends_all = diff.added.iter().any(without_value);
        let mut misfits = Vec::new();
        for (old, new) in &diff.kept {
            let Conversion { mut conditions, cast } =
                Conversion::of(old, new, diff.variants_of(&new.name));
            ends_all |= cast == Cast::Never;
            if diff.added_indexes.iter().any(|index| index.unique && index.column == new.name) {
                conditions.push(Condition::Shared);
            }
            if !conditions.is_empty() {
                misfits.push(Misfit { column: new.clone(), conditions, remedy: Remedy::End });
            }
        }
        let plan = Self::of(diff, Deployment::Before);
        Self { is_way_back: true, ends_all, misfits, ..plan }.with_assertions()
    }

    /// What the release before still uses, and loses.
    pub(crate) fn drop_leaving(table: &Table) -> Option<Self> {
        Some(Self::of(Diff::drop_leaving(table)?, Deployment::BeforeAndAfter))
    }
}
