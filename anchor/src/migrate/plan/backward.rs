//! The plan that reverts a migration, and the plan that drops the leaving columns.

use super::{Misfit, Plan, Remedy};
use crate::migrate::conversion::{Cast, Condition, Conversion};
use crate::migrate::deployment::Deployment;
use crate::migrate::diff::Diff;
use crate::migrate::shape::has_value;
use crate::schema::{Table, TableColumn};

impl Plan {
    /// Plans the reverse of a change. Sessions that the old table cannot hold end.
    pub(crate) fn backward(diff: &Diff) -> Self {
        let diff = diff.inverse();
        // A default is not a value for every row if the values have to be different.
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

    /// Plans the drop of the columns that only the previous release uses, if there are any.
    pub(crate) fn drop_leaving(table: &Table) -> Option<Self> {
        Some(Self::of(Diff::drop_leaving(table)?, Deployment::BeforeAndAfter))
    }
}
