//! What changed between the table that the migrations leave and the one that the struct declares.
//!
//! [`Diff`] matches columns and indexes and can be turned round; [`Plan`] adds what becomes of the rows, or is refused. Nothing is guessed: a
//! name that is gone and a name that is new are two columns unless the struct says `renamed_from`.

use std::fmt;

use super::refusal::Refusal;
use crate::column::ColumnType;
use crate::schema::{
    CutOffsTable, Kind, OnChange, Schema, Table, TableColumn, TableIndex, is_literal,
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
}

/// A change of the table, with what becomes of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) diff: Diff,
    pub(crate) is_way_back: bool,
    /// Every session ends.
    pub(crate) ends_all: bool,
    /// The columns, by their new names, whose old values do not all fit.
    pub(crate) misfits: Vec<Misfit>,
}

/// Old values that a column cannot keep.
#[derive(Debug, Clone)]
pub(crate) struct Misfit {
    pub(crate) column: TableColumn,
    /// The values of which at least one holds.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) remedy: Remedy,
}

/// Which old values do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `NULL`.
    Null,
    /// Integers outside of these two.
    Outside(i64, i64),
    /// Texts that are none of these.
    NotAmong(Vec<String>),
    /// Texts of more characters.
    LongerThan(usize),
    /// Values that another row has too.
    Shared,
    /// All: the types have nothing in common.
    Every,
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
    pub(crate) fn between(old: &Table, schema: &Schema) -> Result<Self, Vec<Refusal>> {
        let new = Table::of(schema, old.dialect);
        let renames = renames(old, schema)?;
        let name_before =
            |name: &str| renames.iter().find(|(_, to)| to == name).map(|(from, _)| from.clone());
        let is_taken = |name: &str| renames.iter().any(|(from, _)| from == name);
        let before = |column: &TableColumn| match name_before(&column.name) {
            Some(from) => old.column(&from).cloned(),
            None if is_taken(&column.name) => None,
            None => old.column(&column.name).cloned(),
        };
        let mut kept = Vec::new();
        let mut added = Vec::new();
        for column in &new.columns {
            match before(column) {
                Some(old) => kept.push((old, column.clone())),
                None => added.push(column.clone()),
            }
        }
        Ok(Self::matched(old.clone(), new, kept, added))
    }

    fn matched(
        old: Table,
        new: Table,
        kept: Vec<(TableColumn, TableColumn)>,
        added: Vec<TableColumn>,
    ) -> Self {
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
        Self { old, new, kept, added, dropped, kept_indexes, added_indexes, dropped_indexes }
    }

    /// The way back.
    pub(crate) fn inverse(&self) -> Self {
        let turned = |pairs: &[(TableIndex, TableIndex)]| {
            pairs.iter().map(|(old, new)| (new.clone(), old.clone())).collect()
        };
        // In the old table's order.
        let order = |name: &str| self.old.columns.iter().position(|column| column.name == name);
        let mut kept: Vec<_> =
            self.kept.iter().map(|(old, new)| (new.clone(), old.clone())).collect();
        kept.sort_by_key(|(_, column)| order(&column.name));
        Self {
            old: self.new.clone(),
            new: self.old.clone(),
            kept,
            added: self.dropped.clone(),
            dropped: self.added.clone(),
            kept_indexes: turned(&self.kept_indexes),
            added_indexes: self.dropped_indexes.clone(),
            dropped_indexes: self.added_indexes.clone(),
        }
    }

    /// The same change without the new indexes.
    pub(crate) fn without_new_indexes(&self) -> Self {
        let mut diff = self.clone();
        diff.new.indexes.retain(|index| !diff.added_indexes.contains(index));
        diff.added_indexes.clear();
        diff
    }

    /// One more index on the table, and nothing else.
    pub(crate) fn with_index(old: &Table, index: &TableIndex) -> Self {
        let mut new = old.clone();
        new.indexes.push(index.clone());
        let kept = old.columns.iter().map(|column| (column.clone(), column.clone())).collect();
        Self::matched(old.clone(), new, kept, Vec::new())
    }

    /// Whether no two rows may have the same in the column.
    fn is_unique(&self, column: &TableColumn) -> bool {
        self.new.indexes.iter().any(|index| index.unique && index.column == column.name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        // The order of columns and indexes is no difference: an added column comes last in the live table.
        self.old.name == self.new.name
            && self.added.is_empty()
            && self.dropped.is_empty()
            && self.added_indexes.is_empty()
            && self.dropped_indexes.is_empty()
            && self.kept.iter().all(|(old, new)| old == new)
            && self.kept_indexes.iter().all(|(old, new)| old == new)
            && self.old.cut_offs == self.new.cut_offs
    }
}

/// The renames that the schema asks for and that are not done yet: old name, new name.
fn renames(old: &Table, schema: &Schema) -> Result<Vec<(String, String)>, Vec<Refusal>> {
    let asked: Vec<(&str, &str)> = schema
        .columns
        .iter()
        .filter_map(|column| Some((column.renamed_from?, column.name)))
        .filter(|(from, _)| old.column(from).is_some())
        .collect();
    // A column that is there already has been renamed before, unless its name is given away in the same step.
    let mut renames: Vec<(&str, &str)> =
        asked.iter().copied().filter(|(_, to)| old.column(to).is_none()).collect();
    loop {
        let next = asked.iter().copied().find(|rename| {
            !renames.contains(rename) && renames.iter().any(|(from, _)| *from == rename.1)
        });
        match next {
            Some(next) => renames.push(next),
            None => break,
        }
    }
    let twice: Vec<Refusal> = renames
        .iter()
        .enumerate()
        .filter_map(|(at, (from, second))| {
            let (_, first) = renames[..at].iter().find(|(other, _)| other == from)?;
            Some(Refusal::RenamedTwice {
                from: (*from).to_owned(),
                to: [(*first).to_owned(), (*second).to_owned()],
            })
        })
        .collect();
    if !twice.is_empty() {
        return Err(twice);
    }
    Ok(renames.into_iter().map(|(from, to)| (from.to_owned(), to.to_owned())).collect())
}

impl Plan {
    /// The way forward, as the struct's answers allow it; every refusal at once.
    pub(crate) fn forward(diff: Diff, schema: &Schema, drops: bool) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut ends_all = false;
        let mut misfits = Vec::new();
        let ends = |column: &TableColumn| {
            schema.columns.iter().any(|declared| {
                declared.name == column.name && declared.on_change == OnChange::EndSessions
            })
        };

        let mut undecided = Vec::new();
        for column in diff.dropped.iter().filter(|_| !drops) {
            let alike: Vec<_> = diff
                .added
                .iter()
                .filter(|added| added.kind == column.kind && !is_system(added, schema))
                .map(|added| added.name.clone())
                .collect();
            undecided.extend(alike.iter().cloned());
            refusals.push(match alike.is_empty() {
                true => Refusal::Dropped { column: column.name.clone() },
                false => Refusal::RenamedOrDropped { column: column.name.clone(), alike },
            });
        }
        for column in &diff.added {
            let shared = diff.is_unique(column)
                && has_value(column)
                && column.default.as_deref().is_some_and(is_literal);
            if (column.nullable || has_value(column)) && !shared {
                continue;
            }
            // A system column's answer is not the user's to give.
            if ends(column) || is_system(column, schema) {
                ends_all = true;
            } else if shared {
                refusals.push(Refusal::SharedValue { column: column.name.clone() });
            } else if !undecided.contains(&column.name) {
                refusals.push(Refusal::NoValue { column: column.name.clone() });
            }
        }
        for (old, new) in &diff.kept {
            let mut conditions = conditions(old, new);
            conditions.retain(|condition| !matches!(condition, Condition::LongerThan(_)));
            if conditions.is_empty() {
                continue;
            }
            if ends(new) || is_system(new, schema) {
                ends_all = true;
            } else if has_value(new) {
                let column = new.clone();
                misfits.push(Misfit { column, conditions, remedy: Remedy::Default });
            } else {
                refusals.push(Refusal::Unfit {
                    column: new.name.clone(),
                    from: Shape(old).to_string(),
                    to: Shape(new).to_string(),
                });
            }
        }
        if ends_all {
            misfits.clear();
        }
        if refusals.is_empty() {
            Ok(Self { diff, is_way_back: false, ends_all, misfits })
        } else {
            Err(refusals)
        }
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
            let mut conditions = conditions(old, new);
            ends_all |= conditions.contains(&Condition::Every);
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
        Self { diff, is_way_back: true, ends_all, misfits }
    }

    /// What the old values of a kept column, by its new name, that do not fit become.
    pub(crate) fn misfit(&self, column: &TableColumn) -> Option<&Misfit> {
        self.misfits.iter().find(|misfit| misfit.column.name == column.name)
    }
}

fn is_system(column: &TableColumn, schema: &Schema) -> bool {
    schema.system_columns().any(|system| system.column.name == column.name)
}

/// Whether a row that says nothing of the column has a value in it.
fn has_value(column: &TableColumn) -> bool {
    column.default.as_deref().is_some_and(|default| !default.eq_ignore_ascii_case("null"))
}

/// The old values that the new column cannot hold.
fn conditions(old: &TableColumn, new: &TableColumn) -> Vec<Condition> {
    use ColumnType::{BigInt, Double, Integer, Real, SmallInt, Text};

    let same_type = old.sql_type.eq_ignore_ascii_case(&new.sql_type);
    let mut conditions = Vec::new();
    if (old.custom || new.custom) && !same_type {
        return vec![Condition::Every];
    }
    match (&old.kind, &new.kind) {
        (old, new) if old == new && same_type => {}
        (Kind::Plain(Text), Kind::Plain(Text)) => {
            conditions.extend(length(&new.sql_type).map(Condition::LongerThan));
        }
        (old, new) if old == new => {}
        (Kind::Plain(SmallInt), Kind::Plain(Integer | BigInt))
        | (Kind::Plain(Integer), Kind::Plain(BigInt))
        | (Kind::Plain(Real), Kind::Plain(Double))
        | (Kind::Enum(_), Kind::Plain(Text)) => {}
        (Kind::Plain(Integer | BigInt), Kind::Plain(SmallInt)) => {
            conditions.push(Condition::Outside(i16::MIN.into(), i16::MAX.into()));
        }
        (Kind::Plain(BigInt), Kind::Plain(Integer)) => {
            conditions.push(Condition::Outside(i32::MIN.into(), i32::MAX.into()));
        }
        (Kind::Enum(old), Kind::Enum(new)) => {
            if !old.iter().all(|value| new.contains(value)) {
                conditions.push(Condition::NotAmong(new.clone()));
            }
        }
        (Kind::Plain(Text), Kind::Enum(new)) => conditions.push(Condition::NotAmong(new.clone())),
        _ => return vec![Condition::Every],
    }
    if old.nullable && !new.nullable {
        conditions.push(Condition::Null);
    }
    conditions
}

/// The length that a type like `VARCHAR(255)` allows.
fn length(sql_type: &str) -> Option<usize> {
    sql_type.split_once('(')?.1.trim_end_matches(')').parse().ok()
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
        for column in &self.dropped {
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
            write_change(f, old, new)?;
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
