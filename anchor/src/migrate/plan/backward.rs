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
                let column = new.clone();
                misfits.push(Misfit { column, conditions, remedy: Remedy::End });
            }
        }
        if ends_all {
            misfits.clear();
        }
        let assertions = Vec::new();
        let deployment = Deployment::Before;
        let mut plan = Self { diff, deployment, is_way_back: true, ends_all, misfits, assertions };
        plan.assert_what_is_new();
        plan
    }

    /// What the release before still uses, and loses.
    pub(crate) fn drop_leaving(table: &Table) -> Option<Self> {
        Some(Self {
            diff: Diff::drop_leaving(table)?,
            deployment: Deployment::BeforeAndAfter,
            is_way_back: false,
            ends_all: false,
            misfits: Vec::new(),
            assertions: Vec::new(),
        })
    }
}
