//! What must be true of the rows before anything is changed: queries that count the violations.

use super::rows::{name_before, predicate};
use super::script::Script;
use crate::column::ColumnType;
use crate::migrate::conversion::Condition;
use crate::migrate::plan::{Assertion, Plan, Remedy};
use crate::schema::{Dialect, Kind, TableColumn};

/// Returns the assertions as messages of at most 64 characters, each with the query that counts its
/// violations.
pub(super) fn assertions(plan: &Plan) -> Vec<(String, String)> {
    let dialect = plan.diff.new.dialect;
    let table = dialect.table(&plan.diff.old.name);
    // Sessions that end do not count.
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
        // Two constraints cannot have the same name.
        if cut.iter().any(|(other, _)| other.to_lowercase() == message.to_lowercase()) {
            message = format!("{} {at}", message.chars().take(56).collect::<String>());
        }
        cut.push((message, query));
    }
    cut
}

/// Returns the unit of a kept column's length.
pub(super) fn units(plan: &Plan, column: &str) -> &'static str {
    let is_bytes = |old: &TableColumn| old.kind == Kind::Plain(ColumnType::Bytes);
    match plan.diff.kept.iter().any(|(old, _)| old.name == column && is_bytes(old)) {
        true => "bytes",
        false => "characters",
    }
}

/// Returns the old value in a form that can be compared with values of the new type: neither
/// PostgreSQL nor MySQL compares every text with a number.
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

/// Asserts that each query returns zero. If one does not, a statement fails with the message, which
/// is the name of a constraint: neither MySQL nor SQLite has another way to report it.
pub(super) fn assert_none(script: &mut Script, dialect: Dialect, counted: &[(String, String)]) {
    if counted.is_empty() {
        return;
    }
    let table = "anchor_asserts";
    let temporary = if dialect == Dialect::MySql { "TEMPORARY " } else { "" };
    // MySQL and MariaDB require the columns first.
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
