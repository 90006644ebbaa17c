//! What changed between the table that the migrations leave and the one that the struct declares.
//!
//! [`Diff`] matches columns and indexes and can be turned round; [`Plan`] adds what becomes of the
//! rows, or is refused. Nothing is guessed: a name that is gone and a name that is new are two
//! columns unless the struct says `renamed_from`.

use std::fmt;

use super::conversion::{Cast, Condition, Conversion};
use super::deployment::{self, Deployment};
use super::refusal::Refusal;
use super::state::{State, variant_renames};
use crate::column::ColumnType;
use crate::schema::{
    CutOffsTable, Dialect, ForeignKey, Kind, OnChange, Schema, Table, TableColumn, TableIndex,
    is_literal,
};

/// Two tables, matched.
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
    /// The columns, by their new names, whose enum's variants have other names now.
    pub(crate) variants: Vec<RenamedVariants>,
    /// The answers that a migration has carried out and the struct no longer gives, in words: while
    /// the header has them, they could not be given again.
    pub(crate) forgotten: Vec<String>,
}

/// The variants of a column's enum whose names change, all at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenamedVariants {
    pub(crate) column: String,
    /// Old name, new name.
    pub(crate) names: Vec<(String, String)>,
}

/// What may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Allowed {
    /// Values may be lost, and leaving columns dropped.
    pub(crate) drops: bool,
    /// No process of the application runs meanwhile.
    pub(crate) downtime: bool,
}

/// A change of the table, with what becomes of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) diff: Diff,
    pub(crate) deployment: Deployment,
    pub(crate) is_way_back: bool,
    /// Every session ends.
    pub(crate) ends_all: bool,
    /// The columns, by their new names, whose old values do not all fit.
    pub(crate) misfits: Vec<Misfit>,
    /// What must hold of the rows, or nothing is changed.
    pub(crate) assertions: Vec<Assertion>,
}

/// What must hold of the rows, or nothing is changed; each of a kept column by its old name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// No two have the same.
    Distinct(String),
    /// Each is in the referenced table, or `NULL`.
    Referenced(String, ForeignKey),
    /// None has more characters.
    NotLonger(String, usize),
}

/// Old values that a column cannot keep.
#[derive(Debug, Clone)]
pub(crate) struct Misfit {
    pub(crate) column: TableColumn,
    /// The values of which at least one holds.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) remedy: Remedy,
}

/// What becomes of a row with such a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// It gets the column's default.
    Default,
    /// The session ends.
    End,
}

impl Diff {
    /// Matches the columns by their names, and by `renamed_from` where the schema says so.
    pub(crate) fn between(before: &State, schema: &Schema) -> Result<Self, Vec<Refusal>> {
        let old = &before.table;
        let mut new = Table::of(schema, old.dialect);
        let renames = renames(before, schema)?;
        let name_before =
            |name: &str| renames.iter().find(|(_, to)| to == name).map(|(from, _)| from.clone());
        let is_taken = |name: &str| renames.iter().any(|(from, _)| from == name);
        // A column of anchor's own is never what a column of the payload was, nor the other way.
        let is_alike = |name: &str| old.is_system(name) == new.is_system(name);
        let predecessor = |column: &TableColumn| match name_before(&column.name) {
            Some(from) => old.column(&from).cloned(),
            None if is_taken(&column.name) || !is_alike(&column.name) => None,
            None => old.column(&column.name).cloned(),
        };
        let mut kept = Vec::new();
        let mut added = Vec::new();
        for column in &new.columns {
            match predecessor(column) {
                Some(old) => kept.push((old, column.clone())),
                None => added.push(column.clone()),
            }
        }
        let variants = renamed_variants(before, schema, &kept)?;
        let is_kept = |name: &str| kept.iter().any(|(old, _)| old.name == name);
        let gone: Vec<_> = old.columns.iter().filter(|column| !is_kept(&column.name)).collect();
        for column in gone {
            if !has_name(&new, &column.name) {
                let leaving = old.leaving(column);
                keep_indexes(old, &mut new, &column.name);
                new.columns.push(leaving.clone());
                kept.push((column.clone(), leaving));
            }
        }
        let mut diff = Self::matched(old.clone(), new, kept, added);
        diff.variants = variants;
        diff.forgotten = forgotten(before, schema);
        Ok(diff)
    }

    fn matched(
        old: Table,
        new: Table,
        mut kept: Vec<(TableColumn, TableColumn)>,
        added: Vec<TableColumn>,
    ) -> Self {
        follow_rename(&old, &new, &mut kept);
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

    /// The columns that the struct has no more since the last migration.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &TableColumn> {
        let removed = self.kept.iter().filter(is_removed).map(|(old, _)| old);
        self.dropped.iter().chain(removed)
    }

    /// The same change, with every leaving column dropped in it.
    pub(crate) fn with_leaving_dropped(self) -> Self {
        let new = self.new.without_leaving();
        let mut kept = self.kept;
        kept.retain(|(_, new)| new.leaving.is_none());
        let mut diff = Self::matched(self.old, new, kept, self.added);
        diff.variants = self.variants;
        diff
    }

    /// The drop of a table's leaving columns, by itself; `None` where there are none.
    pub(crate) fn drop_leaving(table: &Table) -> Option<Self> {
        let new = table.without_leaving();
        let kept = new.columns.iter().map(|column| (column.clone(), column.clone())).collect();
        let diff = Self::matched(table.clone(), new, kept, Vec::new());
        (!diff.dropped.is_empty()).then_some(diff)
    }

    /// The way back.
    pub(crate) fn inverse(&self) -> Self {
        let turned = |pairs: &[(TableIndex, TableIndex)]| {
            pairs.iter().map(|(old, new)| (new.clone(), old.clone())).collect()
        };
        // In the old table's order.
        let order = |name: &str| self.old.columns.iter().position(|column| column.name == name);
        let column = |table: &Table, column: &TableColumn| table.column(&column.name).cloned();
        let mut kept: Vec<_> = self
            .kept
            .iter()
            .filter_map(|(old, new)| Some((column(&self.new, new)?, column(&self.old, old)?)))
            .collect();
        kept.sort_by_key(|(_, column)| order(&column.name));
        follow_rename(&self.new, &self.old, &mut kept);
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

    /// The variants' old names, by the columns' old names.
    fn variants_back(&self) -> Vec<RenamedVariants> {
        let back = self.variants.iter().map(|RenamedVariants { column, names }| {
            let (old, _) = self.predecessor(column);
            let Kind::Enum(values) = &old.kind else { return None };
            // Of two that became one, nobody knows which it was.
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

    /// A kept column by its new name.
    fn predecessor(&self, new: &str) -> &(TableColumn, TableColumn) {
        self.kept.iter().find(|(_, column)| column.name == new).expect("the column is kept")
    }

    /// The variants of a column, by its new name, whose names change.
    pub(crate) fn variants_of(&self, column: &str) -> &[(String, String)] {
        let renamed = self.variants.iter().find(|renamed| renamed.column == column);
        renamed.map_or(&[], |renamed| &renamed.names)
    }

    /// Whether the rows of the companion table are about the same subjects afterwards: the
    /// subject's column is there still, at most under another name.
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

    /// The same change without the new indexes.
    pub(crate) fn without_new_indexes(&self) -> Self {
        let mut diff = self.clone();
        diff.new.indexes.retain(|index| !diff.added_indexes.contains(index));
        diff.added_indexes.clear();
        diff
    }

    /// The same change with every index still there whose column gets another, and the change that
    /// drops these: one that is replaced is needed until the other is built.
    pub(crate) fn with_replaced_indexes_kept(&self) -> (Self, Option<Self>) {
        let mut kept = self.clone();
        for index in &self.dropped_indexes {
            let successor = self.kept.iter().find(|(old, new)| {
                old.name == index.column
                    && self.added_indexes.iter().any(|added| added.column == new.name)
            });
            if let Some((_, column)) = successor {
                // Its old name may be wanted for another column's.
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
        let columns = self.new.columns.iter().map(|column| (column.clone(), column.clone()));
        let drops =
            Self::matched(kept.new.clone(), self.new.clone(), columns.collect(), Vec::new());
        (kept, Some(drops))
    }

    /// Whether no two rows may have the same in the column.
    fn is_unique(&self, column: &TableColumn) -> bool {
        self.new.indexes.iter().any(|index| index.unique && index.column == column.name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_as_it_was() && self.forgotten.is_empty()
    }

    /// Whether nothing but the header changes.
    pub(crate) fn is_forgetting(&self) -> bool {
        self.is_as_it_was() && !self.forgotten.is_empty()
    }

    fn is_as_it_was(&self) -> bool {
        // The order of columns and indexes is no difference: an added column comes last in the live
        // table.
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

/// A reference of the table to itself goes with the table's name: it does not change.
fn follow_rename(old: &Table, new: &Table, kept: &mut [(TableColumn, TableColumn)]) {
    for (before, after) in kept {
        if let (Some(was), Some(is)) = (&mut before.references, &after.references)
            && was.table == old.name
            && is.table == new.name
        {
            was.table.clone_from(&is.table);
        }
    }
}

/// Whether the table has a column of that name, as its database compares names.
fn has_name(table: &Table, name: &str) -> bool {
    table.columns.iter().any(|column| match table.dialect {
        Dialect::Postgres => column.name == name,
        Dialect::MySql | Dialect::Sqlite => column.name.to_lowercase() == name.to_lowercase(),
    })
}

/// Gives the new table the indexes of a column that stays, under the names that they have there.
fn keep_indexes(old: &Table, new: &mut Table, column: &str) {
    let kept: Vec<_> = old.indexes.iter().filter(|index| index.column == column).collect();
    for index in kept {
        let name = new.index_name(column, index.unique);
        new.indexes.push(TableIndex { name, ..index.clone() });
    }
}

/// Whether the struct has the column no more.
fn is_removed((old, new): &&(TableColumn, TableColumn)) -> bool {
    old.leaving.is_none() && new.leaving.is_some()
}

/// The renames that the schema asks for and that no migration has carried out: old name, new name.
fn renames(before: &State, schema: &Schema) -> Result<Vec<(String, String)>, Vec<Refusal>> {
    let old = &before.table;
    let is_done = |to: &str, from: &str| {
        before.answer(to).is_some_and(|answer| answer.was.as_deref() == Some(from))
    };
    let asked: Vec<(&str, &str)> = schema
        .columns
        .iter()
        .filter_map(|column| Some((column.renamed_from?, column.name)))
        .filter(|(from, to)| from != to)
        .collect();
    let fresh = |from: &str, to: &str| old.column(from).is_some() && !is_done(to, from);
    let renames: Vec<(&str, &str)> =
        asked.iter().copied().filter(|(from, to)| fresh(from, to)).collect();
    let moves_away = |name: &str| renames.iter().any(|(from, _)| *from == name);
    let is_in_struct = |name: &str| schema.columns.iter().any(|column| column.name == name);
    let is_renamed_to = |name: &str| renames.iter().any(|(_, to)| *to == name);

    let mut refusals = Vec::new();
    for (at, (from, to)) in renames.iter().enumerate() {
        let (from_owned, column) = ((*from).to_owned(), (*to).to_owned());
        if let Some((_, first)) = renames[..at].iter().find(|(other, _)| other == from) {
            let to = [(*first).to_owned(), column];
            refusals.push(Refusal::RenamedTwice { from: from_owned, to });
        } else if old.is_system(from) {
            refusals.push(Refusal::RenamedFromSystem { column, from: from_owned });
        } else if old.column(to).is_some()
            && !moves_away(to)
            && is_in_struct(from)
            && !is_renamed_to(from)
        {
            refusals.push(Refusal::RenamedToBoth { column, from: from_owned });
        }
    }
    for (from, to) in &asked {
        let (from_owned, column) = ((*from).to_owned(), (*to).to_owned());
        let is_there = old.column(from).is_some();
        if !is_there && old.column(to).is_none() {
            refusals.push(Refusal::RenamedFromNothing { column, from: from_owned });
        } else if is_there && is_done(to, from) && moves_away(to) {
            refusals.push(Refusal::RenamedOnward { column, from: from_owned });
        } else if is_there
            && !old.is_system(from)
            && is_done(to, from)
            && !is_in_struct(from)
            && !moves_away(from)
        {
            refusals.push(Refusal::RenamedAgain { column, from: from_owned });
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(renames.into_iter().map(|(from, to)| (from.to_owned(), to.to_owned())).collect())
}

/// The answers in the header that the struct no longer gives, where they could be given once more:
/// what they name is there.
fn forgotten(before: &State, schema: &Schema) -> Vec<String> {
    let mut forgotten = Vec::new();
    for answer in &before.answers {
        let declared = schema.columns.iter().find(|column| column.name == answer.column);
        let (Some(declared), Some(column)) = (declared, before.table.column(&answer.column)) else {
            continue;
        };
        let was = answer.was.as_deref().filter(|was| {
            *was != column.name
                && before.table.column(was).is_some()
                && declared.renamed_from != Some(*was)
        });
        forgotten.extend(was.map(|was| format!("{}: renamed_from = {was:?}", column.name)));
        let Kind::Enum(values) = &column.kind else { continue };
        let given = variant_renames(declared);
        let variants = answer
            .variants
            .iter()
            .filter(|(from, to)| from != to && values.contains(from))
            .filter(|variant| !given.contains(variant));
        forgotten.extend(variants.map(|(from, to)| {
            format!("{}: renamed_from = {from:?} on the variant {to}", column.name)
        }));
    }
    forgotten
}

/// The variants whose names change and that no migration has renamed.
fn renamed_variants(
    before: &State,
    schema: &Schema,
    kept: &[(TableColumn, TableColumn)],
) -> Result<Vec<RenamedVariants>, Vec<Refusal>> {
    let mut renamed = Vec::new();
    let mut refusals = Vec::new();
    for (old, new) in kept {
        let (Kind::Enum(values), Kind::Enum(left)) = (&old.kind, &new.kind) else { continue };
        let Some(declared) = schema.columns.iter().find(|column| column.name == new.name) else {
            continue;
        };
        let done = before.answer(&old.name).map_or(&[][..], |answer| &answer.variants);
        let mut names = variant_renames(declared);
        names.retain(|name| values.contains(&name.0) && !done.contains(name));
        for (from, to) in &names {
            let is_renamed_to = names.iter().any(|(_, other)| other == from);
            if left.contains(from) && !is_renamed_to {
                refusals.push(Refusal::VariantInBoth {
                    column: new.name.clone(),
                    from: from.clone(),
                    to: to.clone(),
                });
            }
        }
        if !names.is_empty() {
            renamed.push(RenamedVariants { column: new.name.clone(), names });
        }
    }
    if refusals.is_empty() { Ok(renamed) } else { Err(refusals) }
}

impl Plan {
    /// The way forward, as the struct's answers allow it; every refusal at once.
    pub(crate) fn forward(
        diff: Diff,
        before: &State,
        schema: &Schema,
        Allowed { drops, downtime }: Allowed,
    ) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut undecided = Vec::new();
        let changes = deployment::changes(&diff);
        let deployment = deployment::deployment(&changes);
        for column in diff.removed().filter(|_| !drops) {
            let alike: Vec<_> = diff
                .added
                .iter()
                .filter(|added| added.kind == column.kind && !diff.new.is_system(&added.name))
                .filter(|added| added.name != column.name)
                .map(|added| added.name.clone())
                .collect();
            undecided.extend(alike.iter().cloned());
            let is_taken = diff.dropped.contains(column);
            let column = column.name.clone();
            match alike.is_empty() {
                false => refusals.push(Refusal::RenamedOrDropped { column, alike }),
                true if is_taken => refusals.push(Refusal::NameTaken { column }),
                true => {}
            }
        }
        if let (Some(companion), None, false) = (&diff.old.cut_offs, &diff.new.cut_offs, drops) {
            refusals.push(Refusal::CutOffsDropped { table: companion.name.clone() });
        }

        // With nobody on the table there is no before and after.
        let diff = match drops && deployment == Deployment::Downtime {
            true => diff.with_leaving_dropped(),
            false => diff,
        };
        let mut plan = Self {
            diff,
            deployment,
            is_way_back: false,
            ends_all: false,
            misfits: Vec::new(),
            assertions: Vec::new(),
        };
        for column in plan.diff.added.clone() {
            plan.add(&column, schema, &undecided, &mut refusals);
        }
        for (old, new) in plan.diff.kept.clone() {
            let declared = schema.columns.iter().find(|column| column.name == new.name);
            let ended_before = before.answer(&old.name).is_some_and(|answer| answer.ends);
            let answers = Answers {
                is_system: plan.diff.new.is_system(&new.name),
                ends: declared.is_some_and(|column| column.on_change == OnChange::EndSessions),
                ended_before,
                // The default of an addition, or of another change, is no answer to this one.
                new_default: has_value(&new) && old.default != new.default,
                role: declared.is_some_and(|column| column.role),
                done: before.answer(&old.name).map_or(&[][..], |answer| &answer.variants),
                drops,
            };
            plan.keep(&old, &new, &answers, &mut refusals);
        }
        if !downtime {
            let drops = drops || refusals.iter().any(Refusal::may_drop);
            refusals.extend(deployment::refusals(&changes, drops));
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        if plan.ends_all {
            plan.misfits.clear();
        }
        plan.assert_what_is_new();
        Ok(plan)
    }

    /// A new column: what the sessions that exist have in it.
    fn add(
        &mut self,
        column: &TableColumn,
        schema: &Schema,
        undecided: &[String],
        refusals: &mut Vec<Refusal>,
    ) {
        let shared = self.diff.is_unique(column)
            && has_value(column)
            && column.default.as_deref().is_some_and(is_literal);
        if (column.nullable || has_value(column)) && !shared {
            return;
        }
        let ends = schema.columns.iter().any(|declared| {
            declared.name == column.name && declared.on_change == OnChange::EndSessions
        });
        // A system column's answer is not the user's to give.
        if ends || self.diff.new.is_system(&column.name) {
            self.ends_all = true;
        } else if shared {
            refusals.push(Refusal::SharedValue { column: column.name.clone() });
        } else if !undecided.contains(&column.name) {
            refusals.push(Refusal::NoValue { column: column.name.clone() });
        }
    }

    /// A kept column: what becomes of the values that do not fit.
    fn keep(
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

    /// What the table's new indexes and references ask of the rows.
    fn assert_what_is_new(&mut self) {
        if self.ends_all {
            self.assertions.clear();
            return;
        }
        for index in self.diff.added_indexes.iter().filter(|index| index.unique) {
            let ends = self.misfits.iter().any(|misfit| {
                misfit.column.name == index.column && misfit.conditions.contains(&Condition::Shared)
            });
            let kept = self.diff.kept.iter().find(|(_, new)| new.name == index.column);
            if let Some((old, _)) = kept.filter(|_| !ends) {
                self.assertions.push(Assertion::Distinct(old.name.clone()));
            }
        }
        for (old, new) in &self.diff.kept {
            let reset = self.misfit_of(&new.name).is_some_and(Misfit::is_reset);
            if let Some(target) = &new.references
                && old.references != new.references
                && !reset
            {
                self.assertions.push(Assertion::Referenced(old.name.clone(), target.clone()));
            }
        }
    }

    fn misfit_of(&self, column: &str) -> Option<&Misfit> {
        self.misfits.iter().find(|misfit| misfit.column.name == column)
    }

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

    /// What the old values of a kept column, by its new name, that do not fit become.
    pub(crate) fn misfit(&self, column: &TableColumn) -> Option<&Misfit> {
        self.misfit_of(&column.name)
    }
}

/// What the struct says of a kept column, and whether that is an answer to this change.
struct Answers<'s> {
    is_system: bool,
    ends: bool,
    /// A migration has carried out the `on_change`.
    ended_before: bool,
    new_default: bool,
    role: bool,
    /// The variants that a migration has renamed.
    done: &'s [(String, String)],
    /// Values may be given up: an old answer holds once more.
    drops: bool,
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

impl Misfit {
    /// Whether the column starts anew, because its types have nothing in common.
    pub(crate) fn is_reset(&self) -> bool {
        self.conditions.contains(&Condition::Every)
    }
}

/// The defaults that SQLite would store as texts where the store reads integers.
pub(crate) fn unreadable_defaults(table: &Table) -> Vec<Refusal> {
    use ColumnType::{BigInt, Bool, Integer, SmallInt, Timestamp};
    if table.dialect != Dialect::Sqlite {
        return Vec::new();
    }
    let unreadable = table.columns.iter().filter(|column| !column.custom).filter_map(|column| {
        let default = column.default.as_deref()?;
        let (stored, instead) = match column.kind {
            Kind::Plain(Bool) => ("0 or 1", "true"),
            Kind::Plain(Timestamp) => {
                ("microseconds since 1970", "CAST(strftime('%s', 'now') AS INTEGER) * 1000000")
            }
            Kind::Plain(SmallInt | Integer | BigInt) => ("an integer", "0"),
            _ => return None,
        };
        let is_time = ["current_timestamp", "current_date", "current_time"]
            .iter()
            .any(|word| default.eq_ignore_ascii_case(word));
        // A text that is an integer becomes one; with a boolean nobody means that.
        let text = default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let is_text = text.is_some_and(|text| text.trim().parse::<i64>().is_err());
        (is_time || (is_text && is_literal(default))).then(|| Refusal::UnreadableDefault {
            column: column.name.clone(),
            default: default.to_owned(),
            stored,
            instead,
        })
    });
    unreadable.collect()
}

/// Whether a row that says nothing of the column has a value in it.
pub(crate) fn has_value(column: &TableColumn) -> bool {
    column.default.as_deref().is_some_and(|default| !default.eq_ignore_ascii_case("null"))
}

/// A column's type and nullability, in words.
pub(crate) struct Shape<'t>(pub(crate) &'t TableColumn);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape(column) = self;
        f.write_str(&column.sql_type)?;
        match &column.kind {
            Kind::Enum(values) => write!(f, " of {}", values.join(", "))?,
            // On SQLite many types are one; the word tells them apart.
            Kind::Plain(ty) => {
                let word = format!("{ty:?}").to_lowercase();
                if let Some((least, most)) = column.range {
                    write!(f, " from {least} to {most}")?;
                }
                let spelled = column.sql_type.to_lowercase().replace(' ', "");
                if !spelled.starts_with(&word) {
                    write!(f, " ({word})")?;
                }
            }
        }
        f.write_str(if column.nullable { ", may be NULL" } else { "" })
    }
}

/// The differences, one a line: `+` is in the struct, `-` in the migrations, `~` in both.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.old.name != self.new.name {
            writeln!(f, "~ table {} -> {}", self.old.name, self.new.name)?;
        }
        for column in self.removed() {
            writeln!(f, "- {}: {}", column.name, Shape(column))?;
        }
        for column in &self.added {
            write!(f, "+ {}: {}", column.name, Shape(column))?;
            match &column.default {
                Some(default) => writeln!(f, ", default {default}")?,
                None => writeln!(f)?,
            }
        }
        for (old, new) in self.kept.iter().filter(|(old, new)| old != new) {
            match (old.leaving, new.leaving) {
                (None, Some(_)) => {}
                (Some(_), None) => writeln!(f, "+ {}: {}, again", new.name, Shape(new))?,
                _ => write_change(f, old, new)?,
            }
        }
        for answer in &self.forgotten {
            writeln!(f, "- {answer}, which a migration has done")?;
        }
        for RenamedVariants { column, names } in &self.variants {
            for (from, to) in names {
                writeln!(f, "~ {column}: variant {from} -> {to}")?;
            }
        }
        let kind = |index: &TableIndex| if index.unique { "unique index" } else { "index" };
        for index in &self.dropped_indexes {
            writeln!(f, "- {} on {}", kind(index), index.column)?;
        }
        for index in &self.added_indexes {
            writeln!(f, "+ {} on {}", kind(index), index.column)?;
        }
        if self.old.cut_offs != self.new.cut_offs {
            for (sign, companion) in [("-", &self.old.cut_offs), ("+", &self.new.cut_offs)] {
                if let Some(CutOffsTable { name, subject_type, .. }) = companion {
                    writeln!(f, "{sign} table {name}: {subject_type}")?;
                }
            }
        }
        Ok(())
    }
}

fn write_change(f: &mut fmt::Formatter<'_>, old: &TableColumn, new: &TableColumn) -> fmt::Result {
    match old.name == new.name {
        true => write!(f, "~ {}: ", new.name)?,
        false => write!(f, "~ {} -> {}: ", old.name, new.name)?,
    }
    let mut changes = Vec::new();
    if old.name != new.name {
        changes.push("renamed".to_owned());
    }
    let (from, to) = (Shape(old).to_string(), Shape(new).to_string());
    if from != to || old.custom != new.custom {
        changes.push(format!("{from} -> {to}"));
    }
    if old.default != new.default {
        let word = |default: &Option<String>| match default {
            Some(default) => format!("default {default}"),
            None => "no default".to_owned(),
        };
        changes.push(format!("{} -> {}", word(&old.default), word(&new.default)));
    }
    if old.references != new.references {
        let word = |column: &TableColumn| match &column.references {
            Some(target) => {
                format!("references {}({}) {:?}", target.table, target.column, target.on_delete)
            }
            None => "no reference".to_owned(),
        };
        changes.push(format!("{} -> {}", word(old), word(new)));
    }
    writeln!(f, "{}", changes.join(", "))
}
