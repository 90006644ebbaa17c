//! A change without one of its parts, which is in another file.

use super::Diff;
use crate::schema::{Table, TableColumn, TableIndex};

impl Diff {
    /// Returns the same change, except that it drops every leaving column.
    pub(crate) fn with_leaving_dropped(self) -> Self {
        let new = self.new.without_leaving();
        let mut kept = self.kept;
        kept.retain(|(_, new)| new.leaving.is_none());
        let mut diff = Self::matched(self.old, new, kept, self.added);
        diff.variants = self.variants;
        diff
    }

    /// Returns the change that drops a table's leaving columns, if there are any.
    pub(crate) fn drop_leaving(table: &Table) -> Option<Self> {
        let new = table.without_leaving();
        let diff = Self::matched(table.clone(), new.clone(), unchanged(&new), Vec::new());
        (!diff.dropped.is_empty()).then_some(diff)
    }

    /// Returns the same change without the new indexes.
    pub(crate) fn without_new_indexes(&self) -> Self {
        let mut diff = self.clone();
        diff.new.indexes.retain(|index| !diff.added_indexes.contains(index));
        diff.added_indexes.clear();
        diff
    }

    /// Returns two changes. The first is the same change, except that it keeps every index that a
    /// new index on the same column replaces. The second drops these replaced indexes. An index is
    /// needed until its replacement has been built.
    pub(crate) fn with_replaced_indexes_kept(&self) -> (Self, Option<Self>) {
        let mut kept = self.clone();
        for index in &self.dropped_indexes {
            let successor = self.kept.iter().find(|(old, new)| {
                old.name == index.column
                    && self.added_indexes.iter().any(|added| added.column == new.name)
            });
            if let Some((_, column)) = successor {
                // The index of another column may take its old name.
                let name = self.new.index_name(&column.name, index.unique);
                let stays = TableIndex { name, column: column.name.clone(), unique: index.unique };
                kept.dropped_indexes.retain(|dropped| dropped != index);
                kept.new.indexes.push(stays.clone());
                kept.kept_indexes.push((index.clone(), stays));
            }
        }
        if kept.new == self.new {
            return (kept, None);
        }
        let columns = unchanged(&self.new);
        let drops = Self::matched(kept.new.clone(), self.new.clone(), columns, Vec::new());
        (kept, Some(drops))
    }
}

/// Matches the columns of a table with themselves.
fn unchanged(table: &Table) -> Vec<(TableColumn, TableColumn)> {
    table.columns.iter().map(|column| (column.clone(), column.clone())).collect()
}
