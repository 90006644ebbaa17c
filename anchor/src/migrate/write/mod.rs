//! A change of the table as SQL, the way a careful person would write it. One file a dialect; what
//! they share is here.

mod cut_offs;
mod mysql;
mod postgres;
mod sqlite;

use std::collections::HashSet;

use super::conversion::{Cast, Condition, Conversion, is_same_type};
use super::plan::{Assertion, Misfit, Plan, Remedy};
use crate::column::ColumnType;
use crate::schema::{Dialect, Kind, Table, TableColumn};

const ENDS_ALL: &str = "DESTRUCTIVE: ends every session; their users log in again.";

/// The SQL of a migration.
#[derive(Debug, Default)]
pub(crate) struct Script {
    statements: Vec<Statement>,
    comments: Vec<String>,
}

#[derive(Debug)]
struct Statement {
    comments: Vec<String>,
    sql: String,
    /// It takes a lock, or sets a variable of the session, for those that follow.
    prepares: bool,
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
        self.statements.push(Statement { comments, sql: sql.into(), prepares: false });
    }

    /// A statement for the sake of those that follow.
    fn prepare(&mut self, sql: impl Into<String>) {
        self.run(sql);
        if let Some(statement) = self.statements.last_mut() {
            statement.prepares = true;
        }
    }

    /// Whether there is nothing that the others prepare.
    fn does_nothing(&self) -> bool {
        self.statements.iter().all(|statement| statement.prepares)
    }

    /// One `ALTER TABLE` of these clauses; nothing when there are none.
    fn alter(&mut self, table: &str, clauses: &[String]) {
        match clauses {
            [] => {}
            [one] => self.run(format!("ALTER TABLE {table} {one}")),
            many => self.run(format!("ALTER TABLE {table}\n    {}", many.join(",\n    "))),
        }
    }

    /// The text below a comment on the whole of it.
    pub(crate) fn text_after(&self, comment: Option<&str>) -> String {
        let comment = comment.map_or_else(String::new, |comment| wrapped(comment) + "\n");
        comment + &self.text()
    }

    /// The statements, each with the comments on it, short ones below each other.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut after_short = false;
        for Statement { comments, sql, .. } in &self.statements {
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

    fn or_nothing(self, plan: &Plan) -> Self {
        if !self.does_nothing() {
            return self;
        }
        let mut script = Script::default();
        say_what_to_know(&mut script, plan);
        script.say(match script.comments.is_empty() {
            true => "Nothing to do: this database stores both alike.",
            false => "Nothing else to do.",
        });
        script.run("SELECT 1");
        script
    }
}

/// A comment in lines that a narrow window shows whole.
fn wrapped(comment: &str) -> String {
    let words: Vec<_> = comment.split(' ').map(str::to_owned).collect();
    filled("-- ", &words, " ") + "\n"
}

/// Words in lines that begin with `indent` and are at most 100 characters long, unless a word is
/// longer.
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

/// The table's own first migration. On PostgreSQL it waits for the tables that it references.
pub(crate) fn create(table: &Table) -> String {
    bounds(table.dialect, referenced(table)) + &table.create_text()
}

/// How many other tables the table references.
pub(crate) fn referenced(table: &Table) -> usize {
    let targets = table.columns.iter().filter_map(|column| column.references.as_ref());
    let tables: HashSet<_> = targets.map(|target| target.table.as_str()).collect();
    tables.into_iter().filter(|name| *name != table.name).count()
}

/// What a file begins with that is not a change of a table, and waits for the locks of so many
/// tables nonetheless.
pub(crate) fn bounds(dialect: Dialect, tables: usize) -> String {
    match dialect {
        Dialect::Postgres => postgres::bounds(tables).text() + "\n",
        Dialect::MySql | Dialect::Sqlite => String::new(),
    }
}

/// The way back from [`create`].
pub(crate) fn drop_table(table: &Table) -> String {
    let mut script = Script::default();
    script.say(ENDS_ALL);
    script.run(format!("DROP TABLE {}", table.dialect.table(&table.name)));
    if let Some(companion) = &table.cut_offs {
        script.run(format!("DROP TABLE {}", table.dialect.table(&companion.name)));
    }
    let companions = usize::from(table.cut_offs.is_some());
    bounds(table.dialect, 1 + companions + referenced(table)) + &script.text()
}

/// A change of the table.
pub(crate) fn change(plan: &Plan) -> Script {
    let script = match plan.diff.new.dialect {
        Dialect::Postgres => postgres::change(plan),
        Dialect::MySql => mysql::change(plan),
        Dialect::Sqlite => sqlite::change(plan),
    };
    script.or_nothing(plan)
}

/// The new indexes, with the way back, where they are not built in the change itself.
pub(crate) fn indexes(plan: &Plan) -> Option<(Script, Script)> {
    match plan.diff.new.dialect {
        Dialect::Postgres => postgres::indexes(plan),
        Dialect::MySql | Dialect::Sqlite => None,
    }
}

/// The change without the drops of indexes that others replace, and these drops, where they have a
/// file of their own.
pub(crate) fn replaced_indexes(plan: Plan) -> (Plan, Option<Plan>) {
    if plan.diff.new.dialect != Dialect::Postgres || plan.ends_all {
        return (plan, None);
    }
    let (diff, drops) = plan.diff.with_replaced_indexes_kept();
    let drops = drops.map(|diff| Plan {
        diff,
        deployment: plan.deployment,
        is_way_back: false,
        ends_all: false,
        misfits: Vec::new(),
        assertions: Vec::new(),
    });
    (Plan { diff, ..plan }, drops)
}

/// What is left to do when other statements of the change are committed; in a file of its own.
pub(crate) fn validate(plan: &Plan) -> Option<Script> {
    match plan.diff.new.dialect {
        Dialect::Postgres => postgres::validate(plan),
        Dialect::MySql | Dialect::Sqlite => None,
    }
}

/// The way back from [`validate`]: what has been validated goes with the change itself.
pub(crate) fn validate_back() -> Script {
    let mut script = Script::default();
    script.say("Nothing to take back here: the file before this one does it.");
    script.run("SELECT 1");
    script
}

/// What changes in a header alone.
pub(crate) fn forget() -> Script {
    let mut script = Script::default();
    script.say(
        "Nothing to do in the database: the struct no longer says what was renamed, and neither \
         does this header, so that the same rename can be asked for again.",
    );
    script.run("SELECT 1");
    script
}

/// Comments that a change deserves in every dialect.
fn say_what_to_know(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let mut names = Vec::new();
    if diff.old.name != diff.new.name {
        names.push(("table", diff.old.name.as_str(), diff.new.name.as_str()));
    }
    let renamed = diff.kept.iter().filter(|(old, new)| old.name != new.name);
    names.extend(renamed.map(|(old, new)| ("column", old.name.as_str(), new.name.as_str())));
    if !plan.is_way_back {
        for (what, old, new) in names {
            script.say(format!(
                "RENAMED: releases that know `{old}` and not `{new}` fail from here on; stop them \
                 first. To stop none, keep the name with #[session({what} = {old:?})], and write \
                 no migration."
            ));
        }
        let kept = diff.added.iter().filter(|column| column.default.is_some() && !column.nullable);
        if let Some(columns) = listed(kept) {
            script.say(format!(
                "The default of {columns} stays, so that the release before this one can still \
                 insert."
            ));
        }
    }
    if let Some(columns) = listed(diff.dropped.iter()) {
        script.say(format!("DESTRUCTIVE: drops {columns} with every value."));
    }
    if let Some(columns) = listed(diff.removed().filter(|column| !diff.dropped.contains(column))) {
        script.say(format!(
            "Kept for the release before, with every value: {columns}. To drop it, when no process \
             of that release is left: ANCHOR_MIGRATE=drop cargo test anchor_migrations"
        ));
    }
    for misfit in plan.misfits.iter().filter(|misfit| misfit.is_reset()) {
        script.say(format!(
            "DESTRUCTIVE: `{}` is set to its default in every row: its new type holds none of its \
             old values.",
            misfit.column.name
        ));
    }
    for (old, new) in &diff.kept {
        let fit = Conversion::of(old, new, diff.variants_of(&new.name));
        if fit.cast == Cast::Inexact && !plan.ends_all {
            script.say(format!("The cast of `{}` may round or cut its values.", new.name));
        }
    }
    for assertion in &plan.assertions {
        script.say(match assertion {
            Assertion::Distinct(column) => {
                format!("Fails, and changes nothing, if two rows have the same `{column}`.")
            }
            Assertion::Referenced(column, target) => format!(
                "Fails, and changes nothing, if a row's `{column}` is not in `{}`.",
                target.table
            ),
            Assertion::NotLonger(column, most) => format!(
                "Fails, and changes nothing, if a `{column}` has more than {most} {}.",
                units(plan, column)
            ),
        });
    }
}

/// The assertions as messages of at most 64 characters, each with the query that counts what is
/// against it.
fn assertions(plan: &Plan) -> Vec<(String, String)> {
    let dialect = plan.diff.new.dialect;
    let table = dialect.table(&plan.diff.old.name);
    // Sessions that end are not asked.
    let ending = plan.misfits.iter().filter(|misfit| misfit.remedy == Remedy::End);
    let ending: Vec<_> = ending
        .map(|misfit| {
            let name = name_before(plan, &misfit.column);
            format!(" AND ({}) IS NOT TRUE", predicate(dialect, &table, &name, misfit))
        })
        .collect();
    let stays = ending.concat();
    let counted = plan.assertions.iter().map(|assertion| match assertion {
        Assertion::Distinct(name) => {
            let column = dialect.reference(name);
            let query = format!(
                "SELECT COUNT(*) FROM (SELECT {column} FROM {table} WHERE {column} IS NOT \
                 NULL{stays} \
                 GROUP BY {column} HAVING COUNT(*) > 1) AS shared"
            );
            (format!("two sessions have the same {name}"), query)
        }
        Assertion::Referenced(name, target) => {
            let (column, key) = (dialect.reference(name), dialect.reference(&target.column));
            let parent = dialect.table(&target.table);
            let kept = plan.diff.kept.iter().find(|(old, _)| old.name == *name);
            let value =
                kept.map_or_else(|| column.to_string(), |(old, new)| comparable(dialect, old, new));
            let query = format!(
                "SELECT COUNT(*) FROM (SELECT {value} AS target FROM {table} \
                 WHERE {column} IS NOT NULL{stays}) AS child \
                 WHERE NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE parent.{key} = \
                 child.target)"
            );
            (format!("a session references no row: {name}"), query)
        }
        Assertion::NotLonger(name, most) => {
            let column = dialect.reference(name);
            let too_long = Condition::LongerThan(*most).sql(dialect, &table, &column);
            let query = format!("SELECT COUNT(*) FROM {table} WHERE {too_long}{stays}");
            (format!("longer than {most} {}: {name}", units(plan, name)), query)
        }
    });
    let mut cut: Vec<(String, String)> = Vec::new();
    for (at, (message, query)) in counted.enumerate() {
        let mut message: String = message.chars().take(60).collect();
        // No two constraints have the same name.
        if cut.iter().any(|(other, _)| other.to_lowercase() == message.to_lowercase()) {
            message = format!("{} {at}", message.chars().take(56).collect::<String>());
        }
        cut.push((message, query));
    }
    cut
}

/// What a kept column's length counts.
fn units(plan: &Plan, column: &str) -> &'static str {
    let is_bytes = |old: &TableColumn| old.kind == Kind::Plain(ColumnType::Bytes);
    match plan.diff.kept.iter().any(|(old, _)| old.name == column && is_bytes(old)) {
        true => "bytes",
        false => "characters",
    }
}

/// The old value as it is compared with values of the new type: neither PostgreSQL nor MySQL
/// compares every text with a number.
fn comparable(dialect: Dialect, old: &TableColumn, new: &TableColumn) -> String {
    use ColumnType::{BigInt, Integer, SmallInt, Text};
    let column = dialect.reference(&old.name);
    match (&old.kind, &new.kind, dialect) {
        (Kind::Plain(SmallInt | Integer | BigInt), Kind::Plain(Text), Dialect::MySql) => {
            format!("CAST({column} AS CHAR)")
        }
        (Kind::Plain(SmallInt | Integer | BigInt), Kind::Plain(Text), _) => {
            format!("CAST({column} AS TEXT)")
        }
        (Kind::Plain(Text), Kind::Plain(SmallInt | Integer | BigInt), _) => {
            let number = if dialect == Dialect::Sqlite { "INTEGER" } else { "DECIMAL(20)" };
            let is_none = Condition::NoIntegerInText(i64::MIN, i64::MAX).sql(dialect, "", &column);
            format!("CAST(CASE WHEN {is_none} THEN NULL ELSE {column} END AS {number})")
        }
        _ => column.to_string(),
    }
}

/// Asserts that each query counts nothing. Where one does, the statement fails with the message,
/// which is the name of a constraint: neither MySQL nor SQLite can say it in another way.
fn assert_none(
    script: &mut Script,
    dialect: Dialect,
    temporary: &str,
    counted: &[(String, String)],
) {
    if counted.is_empty() {
        return;
    }
    let table = "anchor_asserts";
    // MySQL and MariaDB want the columns first.
    let columns = (0..counted.len()).map(|at| format!("    n{at} INT"));
    let checks = counted.iter().enumerate().map(|(at, (message, _))| {
        format!("    CONSTRAINT {} CHECK (n{at} = 0)", dialect.quote(message))
    });
    let lines = columns.chain(checks).collect::<Vec<_>>().join(",\n");
    script.run(format!("CREATE TEMPORARY TABLE {table} (\n{lines}\n)"));
    let counts: Vec<_> = counted.iter().map(|(_, query)| format!("    ({query})")).collect();
    script.run(format!("INSERT INTO {table} SELECT\n{}", counts.join(",\n")));
    script.run(format!("DROP {temporary}TABLE {table}"));
}

/// Names of columns, for a comment; `None` where there are none.
fn listed<'c>(columns: impl Iterator<Item = &'c TableColumn>) -> Option<String> {
    let names: Vec<_> = columns.map(|column| format!("`{}`", column.name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The condition under which a row's old value does not fit, `column` being its present name.
fn predicate(dialect: Dialect, table: &str, column: &str, misfit: &Misfit) -> String {
    let column = dialect.identifier(column);
    let conditions: Vec<_> =
        misfit.conditions.iter().map(|condition| condition.sql(dialect, table, &column)).collect();
    match conditions.as_slice() {
        [one] => one.clone(),
        several => several.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" OR "),
    }
}

/// A column's value with its enum's variants renamed; `None` where none is.
fn renamed_value(plan: &Plan, column: &TableColumn, value: &str) -> Option<String> {
    let dialect = plan.diff.new.dialect;
    let names = plan.diff.variants_of(&column.name);
    let cases: String = names
        .iter()
        .map(|(from, to)| format!(" WHEN {} THEN {}", dialect.literal(from), dialect.literal(to)))
        .collect();
    (!names.is_empty()).then(|| format!("CASE {value}{cases} ELSE {value} END"))
}

/// Gives the enums' variants their new names, the columns being called as `name` says.
fn rename_variants(
    script: &mut Script,
    plan: &Plan,
    table: &str,
    name: impl Fn(&TableColumn) -> String,
) {
    if plan.ends_all {
        return;
    }
    let dialect = plan.diff.new.dialect;
    for (_, column) in &plan.diff.kept {
        let now = name(column);
        let value = dialect.identifier(&now).into_owned();
        if let Some(renamed) = renamed_value(plan, column, &value) {
            let old = plan.diff.variants_of(&column.name).iter();
            let old: Vec<_> = old.map(|(from, _)| dialect.literal(from)).collect();
            if !plan.is_way_back {
                script.say(format!(
                    "Variants of `{now}` have new names: releases that know only the old ones end \
                     the sessions that have them."
                ));
            }
            script.run(format!(
                "UPDATE {table} SET {value} = {renamed}\nWHERE {value} IN ({})",
                old.join(", ")
            ));
        }
    }
}

/// The statements that change the rows: those that cannot stay end, by the variants' old names;
/// then the variants get their new names; then come the defaults, which are new names already.
fn change_values(
    script: &mut Script,
    plan: &Plan,
    table: &str,
    name: impl Fn(&TableColumn) -> String,
) {
    convert_misfits(script, plan, Remedy::End, table, &name);
    rename_variants(script, plan, table, &name);
    convert_misfits(script, plan, Remedy::Default, table, &name);
}

/// The statements that end, or give the default to, the rows whose values do not fit.
fn convert_misfits(
    script: &mut Script,
    plan: &Plan,
    remedy: Remedy,
    table: &str,
    name: impl Fn(&TableColumn) -> String,
) {
    let dialect = plan.diff.new.dialect;
    let misfits = plan.misfits.iter().filter(|misfit| misfit.remedy == remedy);
    for misfit in misfits.filter(|misfit| !misfit.is_reset()) {
        let name = name(&misfit.column);
        let predicate = predicate(dialect, table, &name, misfit);
        match remedy {
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
fn name_before(plan: &Plan, column: &TableColumn) -> String {
    let name = &column.name;
    let before = plan.diff.kept.iter().find(|(_, new)| new.name == *name);
    before.map_or_else(|| name.clone(), |(old, _)| old.name.clone())
}

/// The column's default as an expression.
fn default_of(column: &TableColumn) -> String {
    format!("({})", column.default.as_deref().unwrap_or("NULL"))
}

/// Renames in an order in which no target is still taken by another; where they go in a circle,
/// one takes another name meanwhile.
fn in_order(mut renames: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut ordered = Vec::with_capacity(renames.len());
    while !renames.is_empty() {
        let free = |(_, to): &(String, String)| !renames.iter().any(|(from, _)| from == to);
        match renames.iter().position(free) {
            Some(at) => ordered.push(renames.remove(at)),
            None => {
                let meanwhile = format!("anchor_renamed_{}", ordered.len());
                let (from, _) = &mut renames[0];
                ordered.push((std::mem::replace(from, meanwhile.clone()), meanwhile));
            }
        }
    }
    ordered
}

/// The columns whose names change.
fn column_renames(plan: &Plan) -> Vec<(String, String)> {
    let renamed = plan.diff.kept.iter().filter(|(old, new)| old.name != new.name);
    renamed.map(|(old, new)| (old.name.clone(), new.name.clone())).collect()
}

/// The indexes whose names change.
fn index_renames(plan: &Plan) -> Vec<(String, String)> {
    let renamed = plan.diff.kept_indexes.iter().filter(|(old, new)| old.name != new.name);
    renamed.map(|(old, new)| (old.name.clone(), new.name.clone())).collect()
}

fn is_retyped(old: &TableColumn, new: &TableColumn) -> bool {
    !is_same_type(&old.sql_type, &new.sql_type)
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
        let meanwhile = "anchor_renamed_0";
        assert_eq!(circle, [rename("a", meanwhile), rename("b", "a"), rename(meanwhile, "b")]);
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
