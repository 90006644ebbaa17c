//! The change that reverts a change.

use super::{Diff, RenamedVariants, rename_self_references};
use crate::schema::{Kind, Table, TableColumn, TableIndex};

impl Diff {
    /// Returns the change from the new table to the old one.
    pub(crate) fn inverse(&self) -> Self {
        let turned = |pairs: &[(TableIndex, TableIndex)]| {
            pairs.iter().map(|(old, new)| (new.clone(), old.clone())).collect()
        };
        // The columns in the order of the old table.
        let order = |name: &str| self.old.columns.iter().position(|column| column.name == name);
        let column = |table: &Table, column: &TableColumn| table.column(&column.name).cloned();
        let mut kept: Vec<_> = self
            .kept
            .iter()
            .filter_map(|(old, new)| Some((column(&self.new, new)?, column(&self.old, old)?)))
            .collect();
        kept.sort_by_key(|(_, column)| order(&column.name));
        rename_self_references(&self.new, &self.old, &mut kept);
        Self {
            old: self.new.clone(),
            new: self.old.clone(),
            kept,
            added: self.dropped.clone(),
            dropped: self.added.clone(),
            kept_indexes: turned(&self.kept_indexes),
            added_indexes: self.dropped_indexes.clone(),
            dropped_indexes: self.added_indexes.clone(),
            variants: self.variants_back(),
            forgotten: Vec::new(),
        }
    }

    /// Returns the renames that give the variants their old names again. The columns have their old
    /// names here.
    fn variants_back(&self) -> Vec<RenamedVariants> {
        let back = self.variants.iter().map(|RenamedVariants { column, names }| {
            let (old, _) = self.kept.iter().find(|(_, new)| new.name == *column)?;
            let Kind::Enum(values) = &old.kind else { return None };
            // If two variants became one, the old name of a value is unknown.
            let names = names.iter().filter(|(_, to)| {
                let others = names.iter().filter(|(_, other)| other == to).count();
                let moved = names.iter().any(|(from, _)| from == to);
                others == 1 && (moved || !values.contains(to))
            });
            let names = names.map(|(from, to)| (to.clone(), from.clone())).collect();
            Some(RenamedVariants { column: old.name.clone(), names })
        });
        back.flatten().filter(|renamed| !renamed.names.is_empty()).collect()
    }
}
