//! The definition of one column: its type, its default and its constraints.

use super::table::{ForeignKey, Table, TableColumn};
use super::{Dialect, OnDelete};
use crate::column::ColumnType;
use crate::schema::table::Kind;

/// One line of a table's definition, divided into the parts that are aligned below each other.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) ty: String,
    pub(super) constraints: String,
    pub(super) comment: Option<&'static str>,
}

impl Table {
    /// Returns a column's definition: its name, type, nullability and default, and the constraints
    /// that are written beside a column in this dialect.
    pub(crate) fn column_definition(&self, column: &TableColumn) -> String {
        let Line { name, ty, constraints, .. } = self.line(column, None);
        format!("{name} {ty} {constraints}").trim_end().to_owned()
    }

    /// Returns the same definition without the `CHECK` and the foreign key.
    pub(crate) fn unconstrained_definition(&self, column: &TableColumn) -> String {
        let name = self.dialect.identifier(&column.name);
        let rest = self.nullability_and_default(column).join(" ");
        format!("{name} {} {rest}", column.sql_type).trim_end().to_owned()
    }

    /// Returns the column's `CHECK`, with its name.
    pub(crate) fn check(&self, column: &TableColumn) -> Option<String> {
        let name = self.dialect.identifier(&self.check_name(&column.name)).into_owned();
        Some(format!("CONSTRAINT {name} {}", self.bare_check(column)?))
    }

    /// Returns the column's `CHECK` without its name.
    pub(crate) fn bare_check(&self, column: &TableColumn) -> Option<String> {
        let values: Vec<_> =
            column.checked_values()?.iter().map(|value| self.dialect.literal(value)).collect();
        let name = self.dialect.identifier(&column.name);
        Some(format!("CHECK ({name} IN ({}))", values.join(", ")))
    }

    /// Returns the column's foreign key as a constraint of the table.
    pub(crate) fn foreign_key(&self, column: &TableColumn) -> Option<String> {
        let reference = references(self.dialect, column.references.as_ref()?);
        let name = self.foreign_key_name(&column.name);
        let (name, column) =
            (self.dialect.identifier(&name), self.dialect.identifier(&column.name));
        Some(format!("CONSTRAINT {name} FOREIGN KEY ({column}) {reference}"))
    }

    pub(super) fn line(&self, column: &TableColumn, comment: Option<&'static str>) -> Line {
        let dialect = self.dialect;
        let mut parts = self.nullability_and_default(column);
        match dialect {
            Dialect::MySql => {}
            // A migration refers to a constraint by its name. SQLite has no statement that does so.
            Dialect::Postgres => {
                parts.extend(self.check(column));
                parts.extend(column.references.as_ref().map(|target| {
                    let name = self.foreign_key_name(&column.name);
                    let name = dialect.identifier(&name);
                    format!("CONSTRAINT {name} {}", references(dialect, target))
                }));
            }
            Dialect::Sqlite => {
                parts.extend(self.bare_check(column));
                parts.extend(column.references.as_ref().map(|target| references(dialect, target)));
            }
        }
        Line {
            name: dialect.identifier(&column.name).into_owned(),
            ty: column.sql_type.clone(),
            constraints: parts.join(" "),
            comment,
        }
    }

    fn nullability_and_default(&self, column: &TableColumn) -> Vec<String> {
        let mut parts = Vec::new();
        if !column.nullable {
            parts.push("NOT NULL".to_owned());
        }
        if column.primary_key {
            parts.push("PRIMARY KEY".to_owned());
        }
        parts.extend(default_clause(self.dialect, column));
        parts
    }
}

/// Returns the column's `DEFAULT`, if it has one.
pub(crate) fn default_clause(dialect: Dialect, column: &TableColumn) -> Option<String> {
    let default = column.default.as_deref()?;
    // SQLite and MySQL accept an expression only in parentheses. For its long types, MySQL accepts
    // even a literal only in parentheses, and for a time with microseconds the time in seconds.
    let long =
        matches!(column.kind, Kind::Plain(ColumnType::Text | ColumnType::Bytes | ColumnType::Json));
    let bare = match dialect {
        Dialect::Postgres => true,
        Dialect::Sqlite => is_literal(default),
        Dialect::MySql => is_literal(default) && !long && !is_current_timestamp(default),
    };
    Some(if bare || is_in_parentheses(default) {
        format!("DEFAULT {default}")
    } else {
        format!("DEFAULT ({default})")
    })
}

/// Returns whether the expression's last character closes its first parenthesis.
fn is_in_parentheses(expression: &str) -> bool {
    let mut depth = 0_i32;
    let closed_at = expression.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth <= 0
    });
    expression.starts_with('(') && closed_at.is_some_and(|(at, _)| at + 1 == expression.len())
}

/// Returns whether the expression is a literal, whose value is the same whenever it is read.
pub(crate) fn is_literal(expression: &str) -> bool {
    let quoted = expression.len() >= 2
        && expression.starts_with('\'')
        && expression.ends_with('\'')
        && !expression[1..expression.len() - 1].replace("''", "").contains('\'');
    let word = ["null", "true", "false"].iter().any(|word| expression.eq_ignore_ascii_case(word));
    quoted || word || is_current_timestamp(expression) || expression.parse::<f64>().is_ok()
}

fn is_current_timestamp(expression: &str) -> bool {
    expression.eq_ignore_ascii_case("current_timestamp")
}

pub(crate) fn references(dialect: Dialect, target: &ForeignKey) -> String {
    let action = match target.on_delete {
        OnDelete::Cascade => "CASCADE",
        OnDelete::Restrict => "RESTRICT",
        OnDelete::SetNull => "SET NULL",
    };
    let (table, column) = (dialect.table(&target.table), dialect.identifier(&target.column));
    format!("REFERENCES {table} ({column}) ON DELETE {action}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ColumnSchema, Schema};

    #[test]
    fn only_expressions_are_put_in_parentheses() {
        let clause = |dialect, default| {
            let number = ColumnSchema::new("n", ColumnType::Integer, false).default(default);
            let table = Table::of(&Schema::new("t", Vec::leak(vec![number])), dialect);
            default_clause(dialect, table.columns.last().expect("n")).expect("a default")
        };
        for literal in ["7", "-1.5", "'it''s'", "NULL", "true", "CURRENT_TIMESTAMP"] {
            assert_eq!(clause(Dialect::Sqlite, literal), format!("DEFAULT {literal}"));
        }
        assert_eq!(clause(Dialect::Sqlite, "'a' || 'b'"), "DEFAULT ('a' || 'b')");
        assert_eq!(clause(Dialect::MySql, "NULL"), "DEFAULT NULL");
        let now = "CURRENT_TIMESTAMP";
        assert_eq!(clause(Dialect::MySql, now), "DEFAULT (CURRENT_TIMESTAMP)");
        assert_eq!(clause(Dialect::MySql, "(1 + 1)"), "DEFAULT (1 + 1)");
        assert_eq!(clause(Dialect::MySql, "(1) + (1)"), "DEFAULT ((1) + (1))");
    }
}
