//! What the struct declares, as facts.

use super::Comparison;
use crate::column::ColumnType;
use crate::migrate::shape::{has_value, on_delete_words};
use crate::schema::{CutOffsTable, Dialect, TableColumn};

impl Comparison<'_> {
    /// What the struct declares.
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

    /// Whether the companion's subject has the type of the user's own that the session table's has.
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
        if self.is_shown_otherwise(column) {
            return Some(format!("check {name}"));
        }
        let values: Vec<_> = values.iter().map(|value| self.table.dialect.literal(value)).collect();
        let values = values.join(", ");
        Some(match self.table.dialect {
            // As `live` takes PostgreSQL's casts away.
            Dialect::Postgres => format!("check {name} {}", values.replace("'::text", "'")),
            _ => format!("check {name} {values}"),
        })
    }

    /// Whether MySQL and MariaDB show the values of the column's check each in its own way: odd
    /// ones, or `= 'x'` for a single one. Then it is compared by its name.
    pub(super) fn is_shown_otherwise(&self, column: &TableColumn) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
        let Some(values) = column.checked_values() else { return false };
        let are_plain = values.iter().all(|value| value.chars().all(is_plain));
        self.table.dialect == Dialect::MySql && !(are_plain && values.len() > 1)
    }

    /// The names of the checks of such columns, as a list.
    pub(super) fn shown_otherwise(&self) -> String {
        let columns = self.table.columns.iter().filter(|column| self.is_shown_otherwise(column));
        let names = columns.map(|column| self.table.check_name(&column.name));
        // An empty list is no list.
        let names = names.chain([String::new()]).map(|name| self.table.dialect.literal(&name));
        names.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn foreign_key(&self, column: &TableColumn) -> Option<String> {
        let target = column.references.as_ref()?;
        let name = match self.table.dialect {
            // SQLite has no names for them.
            Dialect::Sqlite => column.name.clone(),
            _ => self.table.foreign_key_name(&column.name),
        };
        let bare = target.table.rsplit('.').next().unwrap_or(&target.table);
        let rule = on_delete_words(target.on_delete);
        Some(format!("foreign key {name} references {bare} {rule}"))
    }
}

/// A type of anchor's own as the catalogue spells it.
fn catalogued(dialect: Dialect, ty: &str) -> String {
    match (dialect, ty) {
        (Dialect::Postgres, "TIMESTAMPTZ") => "timestamp with time zone".to_owned(),
        (Dialect::MySql, "BOOLEAN") => "tinyint(1)".to_owned(),
        (Dialect::MySql, "INTEGER") => "int".to_owned(),
        (Dialect::MySql, "JSON") => "longtext".to_owned(),
        (_, ty) => ty.to_ascii_lowercase(),
    }
}
