//! The renames of columns and of an enum's variants that a struct asks for.

use crate::migrate::refusal::Refusal;
use crate::migrate::state::{State, variant_renames};
use crate::schema::{ColumnSchema, Kind, Schema, TableColumn};

/// The renamed variants of a column's enum. They are renamed at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenamedVariants {
    pub(crate) column: String,
    /// Old name, new name.
    pub(crate) names: Vec<(String, String)>,
}

/// Returns the field of a column. A system column, or a column that is leaving, has none.
pub(crate) fn declared(schema: &Schema, name: &str) -> Option<&'static ColumnSchema> {
    schema.columns.iter().find(|column| column.name == name)
}

/// Returns the renames that the struct asks for and that no migration has done: old name, new name.
pub(super) fn column_renames(
    before: &State,
    schema: &Schema,
) -> Result<Vec<(&'static str, &'static str)>, Vec<Refusal>> {
    let old = &before.table;
    let is_done = |to: &str, from: &str| {
        before.answer(to).is_some_and(|answer| answer.was.as_deref() == Some(from))
    };
    let asked: Vec<_> = schema
        .columns
        .iter()
        .filter_map(|column| Some((column.renamed_from?, column.name)))
        .filter(|(from, to)| from != to)
        .collect();
    let fresh = |from: &str, to: &str| old.column(from).is_some() && !is_done(to, from);
    let renames: Vec<_> = asked.iter().copied().filter(|(from, to)| fresh(from, to)).collect();
    let moves_away = |name: &str| renames.iter().any(|(from, _)| *from == name);
    let is_in_struct = |name: &str| declared(schema, name).is_some();
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
    if refusals.is_empty() { Ok(renames) } else { Err(refusals) }
}

/// Returns the renames in the header that the struct no longer asks for, and that it could ask for
/// again, because something has the old name.
pub(super) fn forgotten(before: &State, schema: &Schema) -> Vec<String> {
    let mut forgotten = Vec::new();
    for answer in &before.answers {
        let column = before.table.column(&answer.column);
        let (Some(declared), Some(column)) = (declared(schema, &answer.column), column) else {
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

/// Returns the renames of variants that the struct asks for and that no migration has done.
pub(super) fn renamed_variants(
    before: &State,
    schema: &Schema,
    kept: &[(TableColumn, TableColumn)],
) -> Result<Vec<RenamedVariants>, Vec<Refusal>> {
    let mut renamed = Vec::new();
    let mut refusals = Vec::new();
    for (old, new) in kept {
        let (Kind::Enum(values), Kind::Enum(left)) = (&old.kind, &new.kind) else { continue };
        let Some(declared) = declared(schema, &new.name) else { continue };
        let done = before.renamed_variants(&old.name);
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
