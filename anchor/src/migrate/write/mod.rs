//! A change of the table as SQL, the way a careful person would write it. One file a dialect; what they share is here.

mod cut_offs;
mod mysql;
mod postgres;
mod sqlite;

use super::diff::{Condition, Misfit, Plan, Remedy};
use crate::schema::{Dialect, Table, TableColumn, TableIndex};

const ENDS_ALL: &str = "DESTRUCTIVE: ends every session; their users log in again.";

/// The SQL of a migration.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Whether the file must tell sqlx to open no transaction round it.
    pub(crate) no_transaction: bool,
    statements: Vec<Statement>,
    comments: Vec<String>,
}

#[derive(Debug)]
struct Statement {
    comments: Vec<String>,
    sql: String,
}

impl Script {
    /// A comment on the next statement.
    fn say(&mut self, comment: impl Into<String>) {
        let comment = comment.into();
        if !self.comments.contains(&comment) {
            self.comments.push(comment);
        }
    }

    /// A statement, without its semicolon.
    fn run(&mut self, sql: impl Into<String>) {
        let comments = std::mem::take(&mut self.comments);
        self.statements.push(Statement { comments, sql: sql.into() });
    }

    /// One `ALTER TABLE` of these clauses; nothing when there are none.
    fn alter(&mut self, table: &str, clauses: &[String]) {
        match clauses {
            [] => {}
            [one] => self.run(format!("ALTER TABLE {table} {one}")),
            many => self.run(format!("ALTER TABLE {table}\n    {}", many.join(",\n    "))),
        }
    }

    /// The statements, each with the comments on it, short ones below each other.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut after_short = false;
        for Statement { comments, sql } in &self.statements {
            let is_short = !sql.contains('\n');
            let stands_close = comments.is_empty() && is_short && after_short;
            if !(text.is_empty() || stands_close) {
                text.push('\n');
            }
            after_short = is_short;
            for comment in comments {
                text.push_str(&wrapped(comment));
            }
            text.push_str(sql);
            text.push_str(";\n");
        }
        text
    }

    fn or_nothing(mut self) -> Self {
        if self.statements.is_empty() {
            self.say("Nothing to do: this database stores both alike.");
            self.run("SELECT 1");
        }
        self
    }
}

/// A comment in lines that a narrow window shows whole.
fn wrapped(comment: &str) -> String {
    let words: Vec<_> = comment.split(' ').map(str::to_owned).collect();
    filled("-- ", &words, " ") + "\n"
}

/// Words in lines that begin with `indent` and are at most 100 characters long, unless a word is longer.
fn filled(indent: &str, words: &[String], separator: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.chars().count() + separator.len() + word.chars().count() <= 100 => {
                line.push_str(separator);
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join(&format!("{}\n", separator.trim_end()))
}

/// The table's own first migration.
pub(crate) fn create(table: &Table) -> String {
    table.create_text()
}

/// The way back from [`create`].
pub(crate) fn drop_table(table: &Table) -> String {
    let mut script = Script::default();
    script.say(ENDS_ALL);
    script.run(format!("DROP TABLE {}", table.dialect.table(&table.name)));
    if let Some(companion) = &table.cut_offs {
        script.run(format!("DROP TABLE {}", table.dialect.table(&companion.name)));
    }
    script.text()
}

/// A change of the table.
pub(crate) fn change(plan: &Plan) -> Script {
    let mut script = match plan.diff.new.dialect {
        Dialect::Postgres => postgres::change(plan),
        Dialect::MySql => mysql::change(plan),
        Dialect::Sqlite => sqlite::change(plan),
    };
    script.statements.splice(0..0, cut_offs::before(plan).statements);
    script.statements.append(&mut cut_offs::after(plan).statements);
    script.or_nothing()
}

/// One index more on a live PostgreSQL table; or, on the way back, one less.
pub(crate) use postgres::{create_index_concurrently, drop_index_concurrently};

/// Comments that a change deserves in every dialect.
fn say_what_to_know(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let mut names = Vec::new();
    if diff.old.name != diff.new.name {
        names.push((diff.old.name.as_str(), diff.new.name.as_str()));
    }
    let renamed = diff.kept.iter().filter(|(old, new)| old.name != new.name);
    names.extend(renamed.map(|(old, new)| (old.name.as_str(), new.name.as_str())));
    if !plan.is_way_back {
        for (old, new) in names {
            script.say(format!(
                "RENAMED: releases that know `{old}` and not `{new}` fail from here on; stop them first."
            ));
        }
        let kept = diff.added.iter().filter(|column| column.default.is_some() && !column.nullable);
        if let Some(columns) = listed(kept) {
            script.say(format!(
                "The default of {columns} stays, so that the release before this one can still insert."
            ));
        }
    }
    if let Some(columns) = listed(diff.dropped.iter()) {
        script.say(format!("DESTRUCTIVE: drops {columns} with every value."));
    }
    for misfit in &plan.misfits {
        if misfit.remedy == Remedy::Default && misfit.conditions.contains(&Condition::Every) {
            script.say(format!(
                "DESTRUCTIVE: `{}` is set to its default in every row: its old values do not fit its new type.",
                misfit.column.name
            ));
        }
    }
    let unchecked = |index: &&TableIndex| {
        let column = diff.new.column(&index.column);
        let misfit = column.and_then(|column| plan.misfit(column));
        let ends = misfit.is_some_and(|misfit| misfit.conditions.contains(&Condition::Shared));
        index.unique && !ends && !plan.ends_all
    };
    for index in diff.added_indexes.iter().filter(unchecked) {
        script.say(format!("Fails if two rows have the same `{}`.", index.column));
    }
    for (old, new) in diff.kept.iter().filter(|(old, new)| old.references != new.references) {
        if let Some(target) = &new.references
            && !plan.ends_all
        {
            script.say(format!("Fails if a row's `{}` is not in `{}`.", old.name, target.table));
        }
    }
}

/// Names of columns, for a comment; `None` where there are none.
fn listed<'c>(columns: impl Iterator<Item = &'c TableColumn>) -> Option<String> {
    let names: Vec<_> = columns.map(|column| format!("`{}`", column.name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The condition under which a row's old value does not fit, `column` being its present name.
fn predicate(dialect: Dialect, table: &str, column: &str, misfit: &Misfit) -> String {
    let column = dialect.identifier(column);
    let conditions = misfit.conditions.iter().map(|condition| match condition {
        Condition::Null => format!("{column} IS NULL"),
        Condition::Outside(least, most) => format!("{column} NOT BETWEEN {least} AND {most}"),
        Condition::NotAmong(values) => {
            let values: Vec<_> = values.iter().map(|value| dialect.literal(value)).collect();
            format!("{column} NOT IN ({})", values.join(", "))
        }
        Condition::LongerThan(length) => format!("CHAR_LENGTH({column}) > {length}"),
        // MySQL deletes from no table that the condition reads, unless it reads it first.
        Condition::Shared => format!(
            "{column} IN (SELECT {column} FROM (SELECT {column} FROM {table} GROUP BY {column} \
             HAVING COUNT(*) > 1) AS shared)"
        ),
        Condition::Every => "TRUE".to_owned(),
    });
    conditions.collect::<Vec<_>>().join(" OR ")
}

/// The statements that end, or give the default to, the rows whose values do not fit.
fn tend_misfits(script: &mut Script, plan: &Plan, table: &str, name: impl Fn(&Misfit) -> String) {
    let dialect = plan.diff.new.dialect;
    for misfit in plan.misfits.iter().filter(|misfit| !misfit.is_reset()) {
        let name = name(misfit);
        let predicate = predicate(dialect, table, &name, misfit);
        match misfit.remedy {
            Remedy::End => {
                script.say(format!(
                    "DESTRUCTIVE: ends the sessions whose `{name}` the table cannot hold."
                ));
                script.run(format!("DELETE FROM {table} WHERE {predicate}"));
            }
            Remedy::Default => {
                script.say(format!("Values of `{name}` that do not fit become the default."));
                let default = default_of(&misfit.column);
                let column = dialect.identifier(&name);
                script.run(format!("UPDATE {table} SET {column} = {default} WHERE {predicate}"));
            }
        }
    }
}

/// What the column was called before the change.
fn name_before(plan: &Plan, misfit: &Misfit) -> String {
    let name = &misfit.column.name;
    let before = plan.diff.kept.iter().find(|(_, new)| new.name == *name);
    before.map_or_else(|| name.clone(), |(old, _)| old.name.clone())
}

impl Misfit {
    /// Whether the column starts anew, because its types have nothing in common.
    fn is_reset(&self) -> bool {
        self.conditions.contains(&Condition::Every)
    }
}

/// The column's default as an expression.
fn default_of(column: &TableColumn) -> String {
    format!("({})", column.default.as_deref().unwrap_or("NULL"))
}

/// Renames in an order in which no target is still taken by another.
fn in_order(mut renames: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut ordered = Vec::with_capacity(renames.len());
    while !renames.is_empty() {
        let free = |(_, to): &(String, String)| !renames.iter().any(|(from, _)| from == to);
        let at = renames.iter().position(free).unwrap_or(0);
        ordered.push(renames.remove(at));
    }
    ordered
}

/// The columns whose names change.
fn column_renames(plan: &Plan) -> Vec<(String, String)> {
    let renamed = plan.diff.kept.iter().filter(|(old, new)| old.name != new.name);
    in_order(renamed.map(|(old, new)| (old.name.clone(), new.name.clone())).collect())
}

/// The indexes whose names change.
fn index_renames(plan: &Plan) -> Vec<(String, String)> {
    let renamed = plan.diff.kept_indexes.iter().filter(|(old, new)| old.name != new.name);
    in_order(renamed.map(|(old, new)| (old.name.clone(), new.name.clone())).collect())
}

fn is_retyped(old: &TableColumn, new: &TableColumn) -> bool {
    !old.sql_type.eq_ignore_ascii_case(&new.sql_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_give_way_to_each_other() {
        let rename = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let ordered = in_order(vec![rename("a", "b"), rename("b", "c"), rename("x", "a")]);
        assert_eq!(ordered, [rename("b", "c"), rename("a", "b"), rename("x", "a")]);
    }

    #[test]
    fn comments_are_wrapped_and_short_statements_stand_together() {
        let mut script = Script::default();
        script.say("word ".repeat(30).trim());
        script.run("CREATE INDEX a ON t (a)");
        script.run("DROP INDEX b");
        script.run("ALTER TABLE t\n    ADD a");
        let text = script.text();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(
            text.ends_with(
                "\nCREATE INDEX a ON t (a);\nDROP INDEX b;\n\nALTER TABLE t\n    ADD a;\n"
            ),
            "{text}"
        );
    }
}
