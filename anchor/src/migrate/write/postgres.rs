//! PostgreSQL: statements in the one transaction that sqlx opens. The lock comes first, and is not
//! waited for long: what waits for a lock stops all who come after it.

use super::{
    ENDS_ALL, Misfit, Script, assertions, change_values, column_renames, cut_offs, default_of,
    in_order, index_renames, is_retyped, listed, predicate, say_what_to_know,
};
use crate::migrate::diff::Diff;
use crate::migrate::plan::{Assertion, Plan, Remedy};
use crate::schema::{Dialect, Table, TableColumn, TableIndex, default_clause, is_literal};

const DIALECT: Dialect = Dialect::Postgres;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    let diff = &plan.diff;
    assert_first(&mut script, plan);
    lock(&mut script, plan);
    say_what_to_know(&mut script, plan);
    cut_offs::before(&mut script, plan);
    if plan.ends_all {
        script.say(ENDS_ALL);
        script.run(format!("DELETE FROM {}", DIALECT.table(&diff.old.name)));
    }
    rename_table(&mut script, diff);
    let table = DIALECT.table(&diff.new.name);

    for index in &diff.dropped_indexes {
        script.say("Dropping an index reads no row.");
        script.run(format!("DROP INDEX {}", index_in(&diff.new, &index.name)));
    }
    let mut drops = Vec::new();
    for (old, new) in &diff.kept {
        if constraint_changes(old.checked_values(), new.checked_values()) {
            drops.push(drop_constraint(&diff.old.check_name(&old.name)));
        }
        if constraint_changes(old.references.as_ref(), new.references.as_ref()) {
            drops.push(drop_constraint(&diff.old.foreign_key_name(&old.name)));
        }
    }
    let renames = in_order(column_renames(plan));
    let drop_column =
        |column: &TableColumn| format!("DROP COLUMN {}", DIALECT.identifier(&column.name));
    // What takes the name of a dropped column comes after it.
    let (taken, left): (Vec<_>, Vec<_>) =
        diff.dropped.iter().partition(|column| renames.iter().any(|(_, to)| *to == column.name));
    if !drops.is_empty() {
        script.say("The struct does not ask for this constraint any more, or for another, below.");
    }
    drops.extend(taken.into_iter().map(drop_column));
    script.alter(&table, &drops);

    for (from, to) in renames {
        let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
        script.run(format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"));
    }
    for (from, to) in constraint_renames(diff) {
        let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
        script.run(format!("ALTER TABLE {table} RENAME CONSTRAINT {from} TO {to}"));
    }
    for (from, to) in in_order(index_renames(plan)) {
        let (from, to) = (index_in(&diff.new, &from), DIALECT.identifier(&to));
        script.run(format!("ALTER INDEX {from} RENAME TO {to}"));
    }
    // Where the type changes, the cast gives the default.
    let kept_types = plan.misfits.iter().filter(|misfit| !is_cast(plan, misfit));
    let tended = Plan { misfits: kept_types.cloned().collect(), ..plan.clone() };
    change_values(&mut script, &tended, &table, |column| column.name.clone());

    let mut clauses: Vec<_> = left.into_iter().map(drop_column).collect();
    for (old, new) in &diff.kept {
        alter_column(&mut clauses, plan, old, new);
    }
    for column in &diff.added {
        let later = constraints_for_later(plan, column);
        let definition = match later.is_empty() {
            true => diff.new.column_definition(column),
            false => diff.new.unconstrained_definition(column),
        };
        clauses.push(format!("ADD COLUMN {definition}"));
        clauses.extend(later.iter().map(|(_, constraint)| format!("ADD {constraint} NOT VALID")));
    }
    for (old, new) in &diff.kept {
        if old.checked_values() != new.checked_values() {
            let not_valid = if is_deferred(plan, old, new) { " NOT VALID" } else { "" };
            clauses.extend(diff.new.check(new).map(|check| format!("ADD {check}{not_valid}")));
        }
        if old.references != new.references {
            let not_valid = if is_deferred(plan, old, new) { " NOT VALID" } else { "" };
            clauses.extend(diff.new.foreign_key(new).map(|key| format!("ADD {key}{not_valid}")));
        }
    }
    if !plan.ends_all && diff.kept.iter().any(|(old, new)| is_retyped(old, new)) {
        script
            .say("Writes every row anew for the column's new type; the table is locked meanwhile.");
    }
    if clauses.iter().any(|clause| clause.ends_with(" DROP DEFAULT")) {
        let gone = |(old, new): &&(TableColumn, TableColumn)| {
            old.default.is_some() && new.default.is_none() && !new.nullable
        };
        let gone = diff.kept.iter().filter(gone).map(|(_, new)| new);
        match listed(gone).filter(|_| !plan.is_way_back) {
            Some(columns) => script.say(format!(
                "{columns} has no default any more: what leaves the column out fails."
            )),
            None => script.say("The default goes, or is set anew for the new type."),
        }
    }
    if clauses.iter().any(|clause| clause.ends_with(" DROP NOT NULL")) && !plan.is_way_back {
        script.say(
            "What may be NULL from here on, the release before this one cannot read: it \
            refuses such sessions, and ends none.",
        );
    }
    if diff.added.iter().any(|column| column.references.is_some()) {
        script.say("The table that a new column references is locked for this moment as well.");
    }
    let computed = diff.added.iter().filter(|column| !has_literal_default(column));
    if let Some(columns) = listed(computed).filter(|_| !plan.ends_all) {
        script.say(format!(
            "The default of {columns} is an expression. If it is VOLATILE, such as \
             gen_random_uuid(), every row is written anew, and the table can be neither read nor \
             written meanwhile: about eight seconds for a million sessions, and after a minute it \
             gives up."
        ));
    }
    script.alter(&table, &clauses);
    for index in &diff.added_indexes {
        create_index(&mut script, plan, index);
    }
    cut_offs::after(&mut script, plan);
    script
}

/// Whether the rows are held to a new constraint at once, and looked through only in the next
/// file, which stops nobody. A column whose type changes is written anew in any case.
fn is_deferred(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    !plan.is_way_back && !plan.ends_all && !is_retyped(old, new)
}

/// A new column's constraints that the rows are held to at once, and looked through for only in
/// the next file: the name of each, and its definition.
fn constraints_for_later(plan: &Plan, column: &TableColumn) -> Vec<(String, String)> {
    // A `NULL` references nothing, and of an expression nobody knows the values beforehand.
    let is_free = column.checked_values().is_none() && column.default.is_none();
    let is_known = has_literal_default(column) && is_default_allowed(column);
    if plan.is_way_back || plan.ends_all || is_free || !is_known {
        return Vec::new();
    }
    let table = &plan.diff.new;
    let check = table.check(column).map(|check| (table.check_name(&column.name), check));
    let key = table.foreign_key(column).map(|key| (table.foreign_key_name(&column.name), key));
    check.into_iter().chain(key).collect()
}

fn has_literal_default(column: &TableColumn) -> bool {
    column.default.as_deref().is_none_or(is_literal)
}

/// Whether the column's `CHECK` allows its default, if that is a literal.
fn is_default_allowed(column: &TableColumn) -> bool {
    match (column.checked_values(), column.default.as_deref()) {
        (Some(values), Some(default)) => {
            default.eq_ignore_ascii_case("null")
                || values.iter().any(|value| DIALECT.literal(value) == default)
        }
        _ => true,
    }
}

/// What is still to be validated: the names of constraints, and the columns that are to be
/// `NOT NULL`.
pub(super) fn validate(plan: &Plan) -> Option<Script> {
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.new.name);
    let mut names = Vec::new();
    let (mut sets, mut drops) = (Vec::new(), Vec::new());
    for column in &diff.added {
        names.extend(constraints_for_later(plan, column).into_iter().map(|(name, _)| name));
    }
    for (old, new) in diff.kept.iter().filter(|(old, new)| is_deferred(plan, old, new)) {
        if old.nullable && !new.nullable {
            let name = diff.new.not_null_name(&new.name);
            let column = DIALECT.identifier(&new.name);
            sets.push(format!("ALTER COLUMN {column} SET NOT NULL"));
            drops.push(drop_constraint(&name));
            names.push(name);
        }
        if old.checked_values() != new.checked_values() && new.checked_values().is_some() {
            names.push(diff.new.check_name(&new.name));
        }
        if old.references != new.references && new.references.is_some() {
            names.push(diff.new.foreign_key_name(&new.name));
        }
    }
    if names.is_empty() {
        return None;
    }
    let mut script = Script::default();
    say_timeout(&mut script, "However long it runs then, nobody waits for it.", "0", 1);
    script.say(
        "Looks through the rows that were there before the constraint, while they are read and \
         written.",
    );
    for name in names {
        let name = DIALECT.identifier(&name);
        script.run(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"));
    }
    if !sets.is_empty() {
        script.say("Looks at no row: the constraint has shown it.");
        script.alter(&table, &sets);
        // Apart: of one statement PostgreSQL carries out what drops first, and would look after
        // all.
        script.alter(&table, &drops);
    }
    Some(script)
}

/// What would fail only in the next file.
fn assert_first(script: &mut Script, plan: &Plan) {
    let is_deferred = |assertion: &&Assertion| match assertion {
        Assertion::Distinct(_) => !plan.is_way_back,
        Assertion::Referenced(name, _) => {
            plan.diff.kept.iter().any(|(old, new)| old.name == *name && is_deferred(plan, old, new))
        }
        Assertion::NotLonger(..) => false,
    };
    let asserted = plan.assertions.iter().filter(is_deferred).cloned().collect();
    for (message, query) in assertions(&Plan { assertions: asserted, ..plan.clone() }) {
        script.run(format!(
            "DO $anchor$ BEGIN\n    IF ({query}) > 0 THEN\n        RAISE EXCEPTION {};\n    END \
             IF;\nEND $anchor$",
            DIALECT.literal(&message.replace('%', "%%"))
        ));
    }
    let table = DIALECT.table(&plan.diff.old.name);
    let is_for_later = |column: &&TableColumn| !constraints_for_later(plan, column).is_empty();
    for column in plan.diff.added.iter().filter(is_for_later) {
        let (Some(target), Some(default)) = (&column.references, &column.default) else { continue };
        let (parent, key) = (DIALECT.table(&target.table), DIALECT.identifier(&target.column));
        let message = format!(
            "the default of {} references no row of {}; nothing has changed",
            column.name, target.table
        );
        script.run(format!(
            "DO $anchor$ BEGIN\n    \
             IF EXISTS (SELECT FROM {table}) AND ({default}) IS NOT NULL\n        \
             AND NOT EXISTS (SELECT FROM {parent} WHERE {key} = ({default})) THEN\n        \
             RAISE EXCEPTION {};\n    END IF;\nEND $anchor$",
            DIALECT.literal(&message.replace('%', "%%"))
        ));
    }
}

/// How long a file waits for the lock of a table, of the tables that it holds in the end. A file
/// that holds one and waits for another may wait for an application that waits for it. PostgreSQL
/// fails whoever finds that out, after a second of waiting: the file gives up before.
fn say_timeout(script: &mut Script, then: &str, longest: &str, tables: usize) {
    let (wait, why) = match tables {
        0 | 1 => (
            "5s".to_owned(),
            "Waits at most five seconds for its locks, so that nobody waits longer behind it."
                .to_owned(),
        ),
        tables => {
            let wait = 900 / tables;
            let why = format!(
                "Waits at most {wait} milliseconds for each of {tables} tables: together less than \
                 the second after which PostgreSQL finds a deadlock, so that this gives up and not \
                 the application."
            );
            (format!("{wait}ms"), why)
        }
    };
    script.say(format!(
        "{why} {then} If it gives up (\"canceling statement due to lock timeout\"), nothing has \
         changed: run it again.",
    ));
    script.prepare(format!("SET LOCAL lock_timeout = '{wait}'"));
    script.prepare(format!("SET LOCAL statement_timeout = '{longest}'"));
}

const A_MINUTE: &str = "Each statement runs for a minute at most.";

/// How long a file that locks so many tables may wait, and keep others waiting.
pub(super) fn bounds(tables: usize) -> Script {
    let mut script = Script::default();
    say_timeout(&mut script, A_MINUTE, "60s", tables);
    script
}

/// The locks that the change needs, before anything that another transaction could come between.
fn lock(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let writes = plan.ends_all
        || !plan.misfits.is_empty()
        || !diff.variants.is_empty()
        || cut_offs::is_replaced(plan);
    let mut exclusive = vec![diff.old.name.as_str()];
    if cut_offs::is_replaced(plan) {
        exclusive.extend(diff.old.cut_offs.iter().map(|old| old.name.as_str()));
    }
    let (left, joined) = referenced(diff);
    exclusive.extend(left);
    say_timeout(script, A_MINUTE, "60s", exclusive.len() + joined.len());
    if !writes && exclusive.len() + joined.len() == 1 {
        return;
    }
    script.say("Now, so that nobody writes between the statements below.");
    let listed = |tables: Vec<&str>| {
        tables.into_iter().map(|table| DIALECT.table(table)).collect::<Vec<_>>().join(", ")
    };
    script.run(format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", listed(exclusive)));
    if !joined.is_empty() {
        script.run(format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", listed(joined)));
    }
}

/// The other tables that PostgreSQL locks with this one, once each: those to which a foreign key
/// goes, which nobody reads meanwhile, and those to which one is made, which nobody writes.
fn referenced<'d>(diff: &'d Diff) -> (Vec<&'d str>, Vec<&'d str>) {
    let changed = diff
        .kept
        .iter()
        .filter(|(old, new)| old.references != new.references || is_retyped(old, new));
    let (before, after): (Vec<_>, Vec<_>) = changed.map(|(old, new)| (old, new)).unzip();
    let tables = |columns: Vec<&'d TableColumn>| {
        let targets = columns.into_iter().filter_map(|column| column.references.as_ref());
        let mut tables: Vec<_> = targets.map(|target| target.table.as_str()).collect();
        tables.retain(|table| *table != diff.old.name && *table != diff.new.name);
        tables.sort_unstable();
        tables.dedup();
        tables
    };
    let left = tables(diff.dropped.iter().chain(before).collect());
    let mut joined = tables(diff.added.iter().chain(after).collect());
    joined.retain(|table| !left.contains(table));
    (left, joined)
}

/// Several processes may run migrations at once, and a `CONCURRENTLY` of one waits for the lock
/// that the others wait for: the index is built in the transaction, unless it is there already.
fn create_index(script: &mut Script, plan: &Plan, index: &TableIndex) {
    let table = &plan.diff.new;
    if plan.ends_all || plan.is_way_back {
        return script.run(table.create_index(index, ""));
    }
    let unique = if index.unique { "UNIQUE " } else { "" };
    let create = format!(
        "CREATE {unique}INDEX CONCURRENTLY {} ON {} ({})",
        DIALECT.identifier(&index.name),
        DIALECT.table(&table.name),
        DIALECT.identifier(&index.column)
    );
    script.say(format!(
        "Writes wait while it is built, about a second for a million sessions. For more, build it \
         before the deployment, and this finds it: {create}. What else has its name is refused."
    ));
    script.run(assert_shape(table, index));
    script.run(table.create_index(index, "IF NOT EXISTS "));
}

/// `IF NOT EXISTS` asks for the name alone: a relation that has it must be the index that the
/// migration would build, whole and valid.
fn assert_shape(table: &Table, index: &TableIndex) -> String {
    let of_table = format!("{}::regclass", DIALECT.literal(&DIALECT.table(&table.name)));
    let unique = if index.unique { "indisunique" } else { "NOT indisunique" };
    let message = format!(
        "{name} is there, and is INVALID or not the {kind} on {table} ({column}): run \
         `DROP INDEX CONCURRENTLY {qualified}`, then this migration again",
        name = index.name,
        kind = if index.unique { "unique index" } else { "index" },
        table = table.name,
        column = index.column,
        qualified = index_in(table, &index.name),
    );
    format!(
        "DO $anchor$ BEGIN\n    IF EXISTS (\n        \
         SELECT FROM pg_class AS found LEFT JOIN pg_index ON indexrelid = found.oid\n        \
         WHERE relname = {name}\n        \
         AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = {of_table})\n        \
         AND (\n            \
         indrelid = {of_table} AND {unique} AND indisvalid\n            \
         AND split_part(pg_get_indexdef(indexrelid), ' USING ', 2)\n                \
         = 'btree (' || quote_ident({column}) || ')'\n        \
         ) IS NOT TRUE\n    ) THEN\n        \
         RAISE EXCEPTION {message};\n    END IF;\nEND $anchor$",
        name = DIALECT.literal(&index.name),
        column = DIALECT.literal(&index.column),
        message = DIALECT.literal(&message.replace('%', "%%")),
    )
}

/// The new indexes in a file of their own: what is altered in the same transaction could not even
/// be read meanwhile.
pub(super) fn indexes(plan: &Plan) -> Option<(Script, Script)> {
    let diff = &plan.diff;
    let alone = diff.without_new_indexes().is_empty();
    if plan.ends_all || diff.added_indexes.is_empty() || alone {
        return None;
    }
    let (mut up, mut down) = (Script::default(), Script::default());
    say_timeout(&mut up, A_MINUTE, "60s", 1);
    say_timeout(&mut down, "Dropping an index reads no row.", "60s", 1);
    for index in &diff.added_indexes {
        if index.unique {
            up.say(format!(
                "Fails, and changes nothing, if two rows have the same `{}`.",
                index.column
            ));
        }
        create_index(&mut up, plan, index);
        down.run(format!("DROP INDEX {}", index_in(&diff.new, &index.name)));
    }
    Some((up, down))
}

/// Whether the column's new type takes its values by a cast.
fn is_cast(plan: &Plan, misfit: &Misfit) -> bool {
    misfit.remedy == Remedy::Default
        && plan
            .diff
            .kept
            .iter()
            .any(|(old, new)| new.name == misfit.column.name && is_retyped(old, new))
}

fn rename_table(script: &mut Script, diff: &Diff) {
    if diff.old.name == diff.new.name {
        return;
    }
    let mut old = diff.old.name.clone();
    if diff.old.namespace() != diff.new.namespace() {
        // A table that names no schema is in the first of the search path, `public` unless the user
        // says otherwise.
        let namespace = DIALECT.identifier(diff.new.namespace().unwrap_or("public"));
        script.run(format!("ALTER TABLE {} SET SCHEMA {namespace}", DIALECT.table(&old)));
        old = match diff.new.namespace() {
            Some(namespace) => format!("{namespace}.{}", diff.old.bare_name()),
            None => diff.old.bare_name().to_owned(),
        };
    }
    if diff.old.bare_name() != diff.new.bare_name() {
        let to = DIALECT.identifier(diff.new.bare_name());
        script.run(format!("ALTER TABLE {} RENAME TO {to}", DIALECT.table(&old)));
    }
}

/// Whether a constraint that was there goes, for good or for another.
fn constraint_changes<C: PartialEq>(old: Option<C>, new: Option<C>) -> bool {
    old.is_some() && old != new
}

fn drop_constraint(name: &str) -> String {
    format!("DROP CONSTRAINT {}", DIALECT.identifier(name))
}

/// An index lives in its table's schema.
fn index_in(table: &Table, index: &str) -> String {
    match table.namespace() {
        Some(namespace) => {
            format!("{}.{}", DIALECT.identifier(namespace), DIALECT.identifier(index))
        }
        None => DIALECT.identifier(index).into_owned(),
    }
}

/// PostgreSQL renames no constraint with its table or column.
fn constraint_renames(diff: &Diff) -> Vec<(String, String)> {
    let mut renames = Vec::new();
    if diff.old.bare_name() != diff.new.bare_name() {
        renames.push((diff.old.primary_key_name(), diff.new.primary_key_name()));
    }
    for (old, new) in &diff.kept {
        if old.checked_values().is_some() && old.checked_values() == new.checked_values() {
            renames.push((diff.old.check_name(&old.name), diff.new.check_name(&new.name)));
        }
        if old.references.is_some() && old.references == new.references {
            let before = diff.old.foreign_key_name(&old.name);
            renames.push((before, diff.new.foreign_key_name(&new.name)));
        }
    }
    renames.retain(|(from, to)| from != to);
    in_order(renames)
}

fn alter_column(clauses: &mut Vec<String>, plan: &Plan, old: &TableColumn, new: &TableColumn) {
    let name = DIALECT.identifier(&new.name);
    let retyped = is_retyped(old, new);
    let default_changes = old.default != new.default || (retyped && old.default.is_some());
    if default_changes && old.default.is_some() && (retyped || new.default.is_none()) {
        clauses.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
    }
    if !old.nullable && new.nullable {
        clauses.push(format!("ALTER COLUMN {name} DROP NOT NULL"));
        if plan.is_way_back && !retyped {
            // Where the file that validates it has not run.
            let check = plan.diff.old.not_null_name(&old.name);
            clauses.push(format!("DROP CONSTRAINT IF EXISTS {}", DIALECT.identifier(&check)));
        }
    }
    if retyped {
        let ty = &new.sql_type;
        let using = match plan.misfit(new) {
            Some(misfit) if misfit.is_reset() => format!("{}::{ty}", default_of(new)),
            Some(misfit) if misfit.remedy == Remedy::Default => {
                let table = DIALECT.table(&plan.diff.new.name);
                let predicate = predicate(DIALECT, &table, &new.name, misfit);
                format!(
                    "CASE WHEN {predicate} THEN {}::{ty} ELSE {name}::{ty} END",
                    default_of(new)
                )
            }
            _ if plan.ends_all => format!("NULL::{ty}"),
            _ => format!("{name}::{ty}"),
        };
        clauses.push(format!("ALTER COLUMN {name} TYPE {ty} USING {using}"));
    }
    if default_changes {
        clauses.extend(
            default_clause(DIALECT, new).map(|clause| format!("ALTER COLUMN {name} SET {clause}")),
        );
    }
    if old.nullable && !new.nullable {
        clauses.push(match is_deferred(plan, old, new) {
            true => {
                let check = plan.diff.new.not_null_name(&new.name);
                let check = DIALECT.identifier(&check);
                format!("ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID")
            }
            false => format!("ALTER COLUMN {name} SET NOT NULL"),
        });
    }
}
