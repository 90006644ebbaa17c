//! Names that change: which ones, in what order, and with which clause.

use crate::migrate::plan::Plan;
use crate::schema::{Dialect, Table};

/// The old name and the new one.
pub(super) type Rename = (String, String);

/// Returns the columns whose names change.
pub(super) fn column_renames(plan: &Plan) -> Vec<Rename> {
    changed(&plan.diff.kept, |column| &column.name)
}

/// Returns the indexes whose names change.
pub(super) fn index_renames(plan: &Plan) -> Vec<Rename> {
    changed(&plan.diff.kept_indexes, |index| &index.name)
}

fn changed<T>(kept: &[(T, T)], name: impl Fn(&T) -> &String) -> Vec<Rename> {
    let names = kept.iter().map(|(old, new)| (name(old).clone(), name(new).clone()));
    names.filter(|(from, to)| from != to).collect()
}

/// Returns the clause of an `ALTER TABLE` that renames a `COLUMN`, an `INDEX` or a `CONSTRAINT`.
pub(super) fn rename_clause(dialect: Dialect, what: &str, (from, to): &Rename) -> String {
    format!("RENAME {what} {} TO {}", dialect.identifier(from), dialect.identifier(to))
}

/// Returns a name in the table's schema.
pub(super) fn in_namespace(table: &Table, name: &str) -> String {
    let name = table.dialect.identifier(name);
    match table.namespace() {
        Some(namespace) => format!("{}.{name}", table.dialect.identifier(namespace)),
        None => name.into_owned(),
    }
}

/// Returns the renames in an order in which no target name is still in use. In a cycle, one gets a
/// temporary name first.
pub(super) fn in_order(mut renames: Vec<Rename>) -> Vec<Rename> {
    let mut ordered = Vec::with_capacity(renames.len());
    while !renames.is_empty() {
        let free = |(_, to): &Rename| !renames.iter().any(|(from, _)| from == to);
        match renames.iter().position(free) {
            Some(at) => ordered.push(renames.remove(at)),
            None => {
                let temporary = format!("anchor_renamed_{}", ordered.len());
                let (from, _) = &mut renames[0];
                ordered.push((std::mem::replace(from, temporary.clone()), temporary));
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_give_way_to_each_other() {
        let rename = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let ordered = in_order(vec![rename("a", "b"), rename("b", "c"), rename("x", "a")]);
        assert_eq!(ordered, [rename("b", "c"), rename("a", "b"), rename("x", "a")]);
        let circle = in_order(vec![rename("a", "b"), rename("b", "a")]);
        let temporary = "anchor_renamed_0";
        assert_eq!(circle, [rename("a", temporary), rename("b", "a"), rename(temporary, "b")]);
    }
}
