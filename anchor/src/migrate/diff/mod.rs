//! [`Diff`]: what changed between the table that the migrations lead to and the table that the
//! struct declares.
//!
//! A diff matches columns and indexes. Nothing is guessed: a removed name and a new name are two
//! columns unless the struct says `renamed_from`.

mod display;
mod inverse;
mod renames;
mod split;

pub(crate) use renames::{RenamedVariants, declared};

use super::refusal::Refusal;
use super::state::State;
use crate::schema::{Dialect, Schema, Table, TableColumn, TableIndex};
use renames::{column_renames, forgotten, renamed_variants};

/// Two tables whose columns and indexes are matched.
#[derive(Debug, Clone)]
pub(crate) struct Diff {
    pub(crate) old: Table,
    pub(crate) new: Table,
    pub(crate) kept: Vec<(TableColumn, TableColumn)>,
    pub(crate) added: Vec<TableColumn>,
    pub(crate) dropped: Vec<TableColumn>,
    pub(crate) kept_indexes: Vec<(TableIndex, TableIndex)>,
    pub(crate) added_indexes: Vec<TableIndex>,
    pub(crate) dropped_indexes: Vec<TableIndex>,
    /// The columns, by their new names, that hold an enum with renamed variants.
    pub(crate) variants: Vec<RenamedVariants>,
    /// The answers that a migration has used and the struct no longer gives, in words. As long as
    /// the header contains them, the struct cannot give them again.
    pub(crate) forgotten: Vec<String>,
}

impl Diff {
    /// Matches the columns by their names, or by `renamed_from` if the struct says so.
    pub(crate) fn between(before: &State, schema: &Schema) -> Result<Self, Vec<Refusal>> {
        let old = &before.table;
        let mut new = Table::of(schema, old.dialect);
        let renames = column_renames(before, schema)?;
        let is_taken = |name: &str| renames.iter().any(|(from, _)| *from == name);
        // A system column never becomes a column of the payload, nor the reverse.
        let is_alike = |name: &str| old.is_system(name) == new.is_system(name);
        let predecessor = |name: &str| match renames.iter().find(|(_, to)| *to == name) {
            Some((from, _)) => old.column(from),
            None if is_taken(name) || !is_alike(name) => None,
            None => old.column(name),
        };
        let mut kept = Vec::new();
        let mut added = Vec::new();
        for column in &new.columns {
            match predecessor(&column.name) {
                Some(old) => kept.push((old.clone(), column.clone())),
                None => added.push(column.clone()),
            }
        }
        let variants = renamed_variants(before, schema, &kept)?;
        let is_kept = |name: &str| kept.iter().any(|(old, _)| old.name == name);
        let removed: Vec<_> = old.columns.iter().filter(|column| !is_kept(&column.name)).collect();
        for column in removed {
            if !has_column(&new, &column.name) {
                let leaving = old.leaving(column);
                copy_indexes(old, &mut new, &column.name);
                new.columns.push(leaving.clone());
                kept.push((column.clone(), leaving));
            }
        }
        let mut diff = Self::matched(old.clone(), new, kept, added);
        diff.variants = variants;
        diff.forgotten = forgotten(before, schema);
        Ok(diff)
    }

    /// Matches the indexes of two tables whose columns are matched.
    fn matched(
        old: Table,
        new: Table,
        mut kept: Vec<(TableColumn, TableColumn)>,
        added: Vec<TableColumn>,
    ) -> Self {
        rename_self_references(&old, &new, &mut kept);
        let is_kept = |column: &&TableColumn| kept.iter().any(|(old, _)| old.name == column.name);
        let dropped = old.columns.iter().filter(|column| !is_kept(column)).cloned().collect();
        let successor = |index: &TableIndex| {
            let (_, column) = kept.iter().find(|(old, _)| old.name == index.column)?;
            new.indexes
                .iter()
                .find(|new| new.column == column.name && new.unique == index.unique)
                .cloned()
        };
        let mut kept_indexes = Vec::new();
        let mut dropped_indexes = Vec::new();
        for index in &old.indexes {
            match successor(index) {
                Some(new) => kept_indexes.push((index.clone(), new)),
                None => dropped_indexes.push(index.clone()),
            }
        }
        let is_old = |index: &&TableIndex| kept_indexes.iter().any(|(_, new)| new == *index);
        let added_indexes = new.indexes.iter().filter(|index| !is_old(index)).cloned().collect();
        Self {
            old,
            new,
            kept,
            added,
            dropped,
            kept_indexes,
            added_indexes,
            dropped_indexes,
            variants: Vec::new(),
            forgotten: Vec::new(),
        }
    }

    /// Returns the columns that the struct had at the newest migration and no longer has.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &TableColumn> {
        let is_removed = |(old, new): &&(TableColumn, TableColumn)| {
            old.leaving.is_none() && new.leaving.is_some()
        };
        self.dropped.iter().chain(self.kept.iter().filter(is_removed).map(|(old, _)| old))
    }

    /// Returns the renamed variants of a column, by its new name.
    pub(crate) fn variants_of(&self, column: &str) -> &[(String, String)] {
        let renamed = self.variants.iter().find(|renamed| renamed.column == column);
        renamed.map_or(&[], |renamed| &renamed.names)
    }

    /// Returns whether the rows of the companion table still belong to the same subjects. This is
    /// the case if the subject's column is kept, even under another name.
    pub(crate) fn keeps_subject(&self) -> bool {
        let (Some(old), Some(new)) = (&self.old.cut_offs, &self.new.cut_offs) else { return false };
        let is_subject = |(before, after): &&(TableColumn, TableColumn)| {
            before.name == old.subject && after.name == new.subject
        };
        old.subject_type == new.subject_type
            && self.kept.iter().find(is_subject).is_some_and(|(before, after)| {
                before.kind == after.kind && self.variants_of(&after.name).is_empty()
            })
    }

    /// Returns whether the column must have a different value in each row.
    pub(crate) fn is_unique(&self, column: &TableColumn) -> bool {
        self.new.indexes.iter().any(|index| index.unique && index.column == column.name)
    }

    /// Returns whether neither the table nor the header changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.keeps_table() && self.forgotten.is_empty()
    }

    /// Returns whether the table does not change. The header may change.
    pub(crate) fn keeps_table(&self) -> bool {
        // The order of columns and indexes does not matter: in the live table, an added column is
        // the last one.
        self.old.name == self.new.name
            && self.added.is_empty()
            && self.dropped.is_empty()
            && self.added_indexes.is_empty()
            && self.dropped_indexes.is_empty()
            && self.kept.iter().all(|(old, new)| old == new)
            && self.kept_indexes.iter().all(|(old, new)| old == new)
            && self.old.cut_offs == self.new.cut_offs
            && self.variants.is_empty()
    }
}

/// Renames the targets of the table's references to itself with the table, so that they do not
/// count as changed.
fn rename_self_references(old: &Table, new: &Table, kept: &mut [(TableColumn, TableColumn)]) {
    for (before, after) in kept {
        if let (Some(was), Some(is)) = (&mut before.references, &after.references)
            && was.table == old.name
            && is.table == new.name
        {
            was.table.clone_from(&is.table);
        }
    }
}

/// Returns whether the table has a column with this name, as its database compares names.
fn has_column(table: &Table, name: &str) -> bool {
    table.columns.iter().any(|column| match table.dialect {
        Dialect::Postgres => column.name == name,
        Dialect::MySql | Dialect::Sqlite => column.name.to_lowercase() == name.to_lowercase(),
    })
}

/// Adds the indexes of a column to the new table, under the names that they have there.
fn copy_indexes(old: &Table, new: &mut Table, column: &str) {
    let kept: Vec<_> = old.indexes.iter().filter(|index| index.column == column).collect();
    for index in kept {
        let name = new.index_name(column, index.unique);
        new.indexes.push(TableIndex { name, ..index.clone() });
    }
}
