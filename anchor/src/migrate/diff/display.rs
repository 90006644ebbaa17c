//! A change in words, as a failing test reports it.

use std::fmt;

use super::{Diff, RenamedVariants};
use crate::migrate::shape::Shape;
use crate::schema::{CutOffsTable, TableColumn, TableIndex};

/// Writes one difference per line: `+` is only in the struct, `-` is only in the migrations, and
/// `~` is in both.
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
                (Some(_), None) => writeln!(f, "+ {}: {}, restored", new.name, Shape(new))?,
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
