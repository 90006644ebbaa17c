//! The facts that the struct declares.

use super::Comparison;
use crate::column::ColumnType;
use crate::migrate::shape::{has_value, on_delete_words};
use crate::schema::{CutOffsTable, Dialect, TableColumn};

impl Comparison<'_> {
    /// Returns the facts that the struct declares.
    pub(super) fn declared(&self) -> Vec<String> {
        let table = self.table;
        let mut facts: Vec<_> = table.columns.iter().map(|column| self.column(column)).collect();
        facts.extend(table.indexes.iter().map(|index| {
            let unique = if index.unique { "unique " } else { "" };
            format!("{unique}index {} on {}", index.name, index.column)
        }));
        facts.extend(table.columns.iter().filter_map(|column| self.check(column)));
        facts.extend(table.columns.iter().filter_map(|column| self.foreign_key(column)));
        if table.dialect == Dialect::Sqlite {
            let checks = table.columns.iter().filter_map(TableColumn::checked_values).count();
            facts.push(format!("{checks} checks"));
        }
        if let Some(companion) = &table.cut_offs {
            let prefix = &companion.name;
            let ty = match self.has_custom_subject(companion) {
                true => "custom".to_owned(),
                false => catalogued(table.dialect, &companion.subject_type),
            };
            let time = table.dialect.spell(ColumnType::Timestamp);
            let time = catalogued(table.dialect, time);
            facts.push(format!("column {prefix}.subject {ty} not null primary key"));
            facts.push(format!("column {prefix}.cut_off_at {time} not null"));
        }
        facts
    }

    /// Returns whether the subject in the companion table has the same custom `sql_type` as in the
    /// session table.
    pub(super) fn has_custom_subject(&self, companion: &CutOffsTable) -> bool {
        let subject = self.table.column(&companion.subject);
        subject.is_some_and(|column| column.custom && column.sql_type == companion.subject_type)
    }

    pub(super) fn column(&self, column: &TableColumn) -> String {
        let ty = match column.custom {
            true => "custom".to_owned(),
            false => catalogued(self.table.dialect, &column.sql_type),
        };
        let mut fact = format!("column {} {ty}", column.name);
        for (holds, words) in [
            (!column.nullable, " not null"),
            (column.primary_key, " primary key"),
            (has_value(column), " default"),
        ] {
            fact.push_str(if holds { words } else { "" });
        }
        fact
    }

    pub(super) fn check(&self, column: &TableColumn) -> Option<String> {
        let values = column.checked_values()?;
        let name = self.table.check_name(&column.name);
        if self.has_unknown_text(column) {
            return Some(format!("check {name}"));
        }
        let values: Vec<_> = values.iter().map(|value| self.table.dialect.literal(value)).collect();
        let values = values.join(", ");
        Some(match self.table.dialect {
            // The query for the live checks removes PostgreSQL's casts, too.
            Dialect::Postgres => format!("check {name} {}", values.replace("'::text", "'")),
            _ => format!("check {name} {values}"),
        })
    }

    /// Returns whether the column's check is compared only by its name. MySQL and MariaDB show
    /// unusual values differently, and a single value as `= 'x'`.
    pub(super) fn has_unknown_text(&self, column: &TableColumn) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
        let Some(values) = column.checked_values() else { return false };
        let are_plain = values.iter().all(|value| value.chars().all(is_plain));
        self.table.dialect == Dialect::MySql && !(are_plain && values.len() > 1)
    }

    /// Returns the names of the checks that are compared only by their names, as an SQL list.
    pub(super) fn checks_by_name(&self) -> String {
        let columns = self.table.columns.iter().filter(|column| self.has_unknown_text(column));
        let names = columns.map(|column| self.table.check_name(&column.name));
        // SQL has no empty list.
        let names = names.chain([String::new()]).map(|name| self.table.dialect.literal(&name));
        names.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn foreign_key(&self, column: &TableColumn) -> Option<String> {
        let target = column.references.as_ref()?;
        let name = match self.table.dialect {
            // SQLite does not name them.
            Dialect::Sqlite => column.name.clone(),
            _ => self.table.foreign_key_name(&column.name),
        };
        let bare = target.table.rsplit('.').next().unwrap_or(&target.table);
        let rule = on_delete_words(target.on_delete);
        Some(format!("foreign key {name} references {bare} {rule}"))
    }
}

/// Returns one of anchor's own types as the catalogue spells it.
fn catalogued(dialect: Dialect, ty: &str) -> String {
    match (dialect, ty) {
        (Dialect::Postgres, "TIMESTAMPTZ") => "timestamp with time zone".to_owned(),
        (Dialect::MySql, "BOOLEAN") => "tinyint(1)".to_owned(),
        (Dialect::MySql, "INTEGER") => "int".to_owned(),
        (Dialect::MySql, "JSON") => "longtext".to_owned(),
        (_, ty) => ty.to_ascii_lowercase(),
    }
}
