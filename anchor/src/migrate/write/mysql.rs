//! MySQL and MariaDB: every `ALTER TABLE` commits, so that there is one of it, with all clauses.
//! What has to be done before it can be done again, and what is left to do after it stands below a
//! comment that says so: whatever statement fails, the file says how to go on. What can fail is
//! asserted before anything changes.

use super::{
    ENDS_ALL, Script, assert_none, assertions, change_values, column_renames, cut_offs, default_of,
    index_renames, is_retyped, name_before, predicate, rename_variants, say_what_to_know,
};
use crate::column::ColumnType;
use crate::migrate::conversion::{Condition, Family};
use crate::migrate::diff::RenamedVariants;
use crate::migrate::plan::{Misfit, Plan, Remedy};
use crate::schema::{Dialect, Kind, TableColumn, default_clause, is_literal};

const DIALECT: Dialect = Dialect::MySql;

/// What sqlx keeps of a migration that failed, and what lets it run again.
struct Bookkeeping {
    again: &'static str,
    done: &'static str,
}

const UP: Bookkeeping = Bookkeeping {
    again: "DELETE FROM _sqlx_migrations WHERE NOT success;",
    done: "UPDATE _sqlx_migrations SET success = TRUE WHERE NOT success;",
};

const DOWN: Bookkeeping = Bookkeeping { again: UP.done, done: UP.again };

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.old.name);
    let Bookkeeping { again, done } = if plan.is_way_back { DOWN } else { UP };
    say_what_to_know(&mut script, plan);
    let asserted = assertions(plan);
    if !asserted.is_empty() {
        script.run("DROP TEMPORARY TABLE IF EXISTS anchor_asserts");
    }
    assert_none(&mut script, DIALECT, "TEMPORARY ", &asserted);
    let comments = std::mem::take(&mut script.comments);
    script.say(format!(
        "Waits at most five seconds for its locks, so that nobody waits longer behind it. Text \
         that is too long is refused, and never cut. The server ends the connection when it is \
         idle for five seconds. If it fails: end the connection that ran it, {again} and run it \
         again; but not once the change is done, which a comment below says.",
    ));
    // What an earlier run has put there, and could not take away, is not what was there.
    script.prepare(
        "SET @anchor_sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), @anchor_wait_timeout \
         = IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout)",
    );
    // Of a file that fails, the connection goes back to the pool with its locks and settings. The
    // server ends it when it is idle.
    script.prepare(
        "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), \
         'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5, SESSION wait_timeout = 5",
    );
    script.comments = comments;

    let locks = lock(&mut script, plan);
    cut_offs::before(&mut script, plan);
    if plan.ends_all {
        script.say(ENDS_ALL);
        script.run(format!("DELETE FROM {table}"));
    }
    let Steps { drops, mut adds, mut clauses, checks_of_moved } = steps(plan);
    for thing in &drops {
        drop_where_it_is(&mut script, plan, thing);
    }
    let (mut first, moved) = without_moved(plan);
    let copied: Vec<_> =
        first.misfits.extract_if(.., |misfit| is_copied(plan, &misfit.column)).collect();
    change_values(&mut script, &first, &table, |column| name_before(plan, column));
    for misfit in &copied {
        copy(&mut script, plan, misfit);
    }
    clauses.append(&mut adds);
    script.alter(&table, &clauses);

    let mut last = Script::default();
    // A second time would move them once more.
    rename_variants(&mut last, &moved, &table, |column| column.name.clone());
    last.alter(&table, &checks_of_moved);
    if locks {
        last.run("UNLOCK TABLES");
    }
    cut_offs::after(&mut last, plan);
    if diff.old.name != diff.new.name {
        // For itself: MariaDB 10.11 leaves the old name behind when an ALTER TABLE does this beside
        // other things.
        last.run(format!("RENAME TABLE {table} TO {}", DIALECT.table(&diff.new.name)));
    }
    last.prepare(
        "SET SESSION sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), SESSION \
         lock_wait_timeout = DEFAULT, SESSION wait_timeout = CAST(IFNULL(@anchor_wait_timeout, \
         @@SESSION.wait_timeout) AS SIGNED)",
    );
    last.prepare("SET @anchor_sql_mode = NULL, @anchor_wait_timeout = NULL");
    let mut last = last.statements.into_iter();
    if clauses.is_empty() {
        script.statements.extend(last.next());
    }
    script.say(format!(
        "The change is done here. If it fails from here on, run what is left by hand, and {done}"
    ));
    if let Some(mut statement) = last.next() {
        statement.comments.splice(..0, std::mem::take(&mut script.comments));
        script.statements.push(statement);
    }
    script.comments.clear();
    script.statements.extend(last);
    script
}

/// Whether a variant gets a name that another one had.
fn is_moved(variants: &RenamedVariants) -> bool {
    variants.names.iter().any(|(_, to)| variants.names.iter().any(|(from, _)| from == to))
}

/// The plan without the variants that take each other's names, and the plan of these alone. A
/// default that comes before them is the name that they make it of.
fn without_moved(plan: &Plan) -> (Plan, Plan) {
    let (mut first, mut moved) = (plan.clone(), plan.clone());
    first.diff.variants.retain(|variants| !is_moved(variants));
    moved.diff.variants.retain(is_moved);
    for misfit in &mut first.misfits {
        // The deletion runs again when the renames below it have run, and what follows has failed.
        for (_, to) in first.diff.variants_of(&misfit.column.name) {
            for condition in &mut misfit.conditions {
                if let Condition::NotAmong(fit) = condition
                    && !fit.contains(to)
                {
                    fit.push(to.clone());
                }
            }
        }
        let names = moved.diff.variants_of(&misfit.column.name);
        if !names.is_empty() && misfit.column.default.is_some() {
            let default = default_of(&misfit.column);
            let cases = names.iter().map(|(from, to)| {
                format!(" WHEN {} THEN {}", DIALECT.literal(to), DIALECT.literal(from))
            });
            let cases: String = cases.collect();
            misfit.column.default = Some(format!("CASE {default}{cases} ELSE {default} END"));
        }
    }
    (first, moved)
}

/// Whether the values get their new type in a column beside the old one, which cannot hold the
/// default.
fn is_copied(plan: &Plan, new: &TableColumn) -> bool {
    let kept = plan.diff.kept.iter().find(|(_, column)| column.name == new.name);
    let gets_default = plan
        .misfit(new)
        .is_some_and(|misfit| misfit.remedy == Remedy::Default && !misfit.is_reset());
    gets_default && kept.is_some_and(|(old, new)| is_retyped(old, new) && !holds_default(old, new))
}

/// Whether the old type holds the new default, and gives it back unchanged, for certain.
fn holds_default(old: &TableColumn, new: &TableColumn) -> bool {
    let default = new.default.as_deref().unwrap_or("NULL");
    let is_text = default.starts_with('\'') && is_literal(default) && default.len() <= 255;
    !old.custom
        && match Family::of(&old.kind) {
            Family::Integer | Family::Float => default.parse::<i16>().is_ok(),
            Family::Text => is_text || default.parse::<i16>().is_ok(),
            Family::Other(_) => false,
        }
}

/// The column of the new type, before it takes the old one's place.
fn copy_name(plan: &Plan, new: &TableColumn) -> String {
    let at = plan.diff.new.columns.iter().position(|column| column.name == new.name);
    format!("anchor_new_{}", at.unwrap_or_default())
}

/// Fills a column of the new type: with the values that fit, and the default for the others.
fn copy(script: &mut Script, plan: &Plan, misfit: &Misfit) {
    let table = DIALECT.table(&plan.diff.old.name);
    let (name, ty) = (copy_name(plan, &misfit.column), &misfit.column.sql_type);
    let before = name_before(plan, &misfit.column);
    let there =
        InTheWay { catalogue: &COLUMNS, drop: format!("DROP COLUMN {name}"), name: name.clone() };
    drop_where_it_is(script, plan, &there);
    script.run(format!("ALTER TABLE {table} ADD COLUMN {name} {ty} NULL"));
    let predicate = predicate(DIALECT, &table, &before, misfit);
    let (value, default) = (DIALECT.identifier(&before), default_of(&misfit.column));
    script.say(format!(
        "Values of `{before}` that do not fit become the default, which the old type may not hold."
    ));
    script.run(format!("UPDATE {table} SET {name} = {value} WHERE ({predicate}) IS NOT TRUE"));
    script.run(format!("UPDATE {table} SET {name} = {default} WHERE {predicate}"));
}

/// A table of the information schema, and two of its columns.
struct Catalogue {
    table: &'static str,
    schema: &'static str,
    name: &'static str,
}

const COLUMNS: Catalogue =
    Catalogue { table: "columns", schema: "table_schema", name: "column_name" };

const CONSTRAINTS: Catalogue =
    Catalogue { table: "table_constraints", schema: "constraint_schema", name: "constraint_name" };

/// What goes, so that what it holds can change.
struct InTheWay {
    catalogue: &'static Catalogue,
    name: String,
    drop: String,
}

/// Drops it, unless an earlier run has. MySQL, other than MariaDB, has no `IF EXISTS` for it.
fn drop_where_it_is(script: &mut Script, plan: &Plan, thing: &InTheWay) {
    let table = &plan.diff.old;
    let schema = match table.namespace() {
        Some(namespace) => DIALECT.literal(namespace),
        None => "DATABASE()".to_owned(),
    };
    let drop = format!("ALTER TABLE {} {}", DIALECT.table(&table.name), thing.drop);
    let Catalogue { table: catalogue, schema: schema_of, name } = *thing.catalogue;
    script.say(match name == COLUMNS.name {
        true => format!("Drops `{}`, where an earlier run has left it.", thing.name),
        false => format!("Drops `{}`, unless an earlier run has.", thing.name),
    });
    script.run(format!(
        "SET @anchor_step = IF(EXISTS (\n    \
         SELECT 1 FROM information_schema.{catalogue}\n    \
         WHERE {schema_of} = {schema} AND table_name = {} AND {name} = {}\n\
         ), {}, 'DO 0')",
        DIALECT.literal(table.bare_name()),
        DIALECT.literal(&thing.name),
        DIALECT.literal(&drop),
    ));
    script.run("PREPARE anchor_step FROM @anchor_step");
    script.run("EXECUTE anchor_step");
    script.run("DEALLOCATE PREPARE anchor_step");
}

/// Locks the table where something is to be written before it is altered, or a foreign key to be
/// dropped, so that nobody writes in between.
fn lock(script: &mut Script, plan: &Plan) -> bool {
    let diff = &plan.diff;
    let replaced = cut_offs::is_replaced(plan);
    let writes = plan.ends_all || !plan.misfits.is_empty() || !diff.variants.is_empty() || replaced;
    // Between the statements that drop its foreign key and make it again.
    let remakes_key = diff.kept.iter().any(|(old, new)| {
        old.references.is_some() && new.references.is_some() && gets_key(plan, old, new)
    });
    if !writes && !remakes_key {
        return false;
    }
    let table = DIALECT.table(&diff.old.name);
    let mut locks = vec![format!("{table} WRITE")];
    if plan.misfits.iter().any(|misfit| misfit.conditions.contains(&Condition::Shared)) {
        locks.push(format!("{table} AS again WRITE"));
    }
    if let Some(companion) = diff.old.cut_offs.as_ref().filter(|_| replaced) {
        locks.push(format!("{} AS c READ", DIALECT.table(&companion.name)));
    }
    // MySQL wants them locked where it looks for the rows that a new key references.
    let keys = diff.kept.iter().filter(|(old, new)| gets_key(plan, old, new)).map(|(_, new)| new);
    for target in keys.chain(&diff.added).filter_map(|column| column.references.as_ref()) {
        let parent = DIALECT.table(present_name(plan, &target.table));
        let lock = format!("{parent} READ");
        if parent != table && !locks.contains(&lock) {
            locks.push(lock);
        }
    }
    script.say("Now, so that nobody writes between the statements below.");
    script.run(format!("LOCK TABLES {}", locks.join(", ")));
    true
}

/// The clauses of the change, by the statement that they are in.
struct Steps {
    /// What has to be gone before the table is altered.
    drops: Vec<InTheWay>,
    /// Constraints.
    adds: Vec<String>,
    clauses: Vec<String>,
    /// The checks of the columns whose variants take each other's names, which comes last.
    checks_of_moved: Vec<String>,
}

/// The name that a table has until it is renamed, which is done last.
fn present_name<'p>(plan: &'p Plan, table: &'p str) -> &'p str {
    if table == plan.diff.new.name { &plan.diff.old.name } else { table }
}

/// The clause that adds a column's foreign key. If it references the table itself, MySQL renames
/// its target with the table.
fn new_key(plan: &Plan, column: &TableColumn) -> Option<String> {
    let mut column = column.clone();
    let target = column.references.as_mut()?;
    target.table = present_name(plan, &target.table).to_owned();
    plan.diff.new.foreign_key(&column).map(|key| format!("ADD {key}"))
}

/// Whether a kept column's foreign key is made, perhaps anew.
fn gets_key(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    is_in_the_way(plan, old, new) || old.references != new.references
}

/// Whether the column's constraints hold it as it is.
fn is_in_the_way(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    plan.diff.old.name != plan.diff.new.name
        || old.name != new.name
        || is_redefined(plan, old, new)
        || plan.misfit(new).is_some()
        || !plan.diff.variants_of(&new.name).is_empty()
}

fn steps(plan: &Plan) -> Steps {
    let diff = &plan.diff;
    // A constraint holds its column as it is, and its name is not free before the statement's end.
    let mut drops = Vec::new();
    let mut adds = Vec::new();
    let mut checks_of_moved = Vec::new();
    let foreign_key = |column: &TableColumn| {
        column.references.as_ref()?;
        let name = diff.old.foreign_key_name(&column.name);
        let drop = format!("DROP FOREIGN KEY {}", DIALECT.identifier(&name));
        Some(InTheWay { catalogue: &CONSTRAINTS, name, drop })
    };
    let check = |column: &TableColumn| {
        column.checked_values()?;
        let name = diff.old.check_name(&column.name);
        let drop = format!("DROP CONSTRAINT {}", DIALECT.identifier(&name));
        Some(InTheWay { catalogue: &CONSTRAINTS, name, drop })
    };
    for column in &diff.dropped {
        drops.extend(foreign_key(column));
        drops.extend(check(column));
    }
    for (old, new) in &diff.kept {
        let in_the_way = is_in_the_way(plan, old, new);
        if gets_key(plan, old, new) {
            drops.extend(foreign_key(old));
            adds.extend(new_key(plan, new));
        }
        if in_the_way || old.checked_values() != new.checked_values() {
            match in_the_way {
                true => drops.extend(check(old)),
                false => adds.extend(check(old).map(|check| check.drop)),
            }
            let moved = diff.variants.iter().any(|of| of.column == new.name && is_moved(of));
            let checks = if moved { &mut checks_of_moved } else { &mut adds };
            checks.extend(diff.new.check(new).map(|check| format!("ADD {check}")));
        }
    }

    let mut clauses = Vec::new();
    for index in &diff.dropped_indexes {
        clauses.push(format!("DROP INDEX {}", DIALECT.identifier(&index.name)));
    }
    for column in &diff.dropped {
        clauses.push(format!("DROP COLUMN {}", DIALECT.identifier(&column.name)));
    }
    let redefined = |name: &str| {
        diff.kept.iter().any(|(old, new)| old.name == name && is_redefined(plan, old, new))
    };
    for (from, to) in column_renames(plan) {
        if !redefined(&from) {
            let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
            clauses.push(format!("RENAME COLUMN {from} TO {to}"));
        }
    }
    let mut rebuilt_indexes = Vec::new();
    for (old, new) in diff.kept.iter().filter(|(old, new)| is_redefined(plan, old, new)) {
        let definition = diff.new.column_definition(new);
        let before = DIALECT.identifier(&old.name);
        if is_reset(plan, new) || is_copied(plan, new) {
            clauses.push(format!("DROP COLUMN {before}"));
            clauses.push(match is_copied(plan, new) {
                true => format!("CHANGE COLUMN {} {definition}", copy_name(plan, new)),
                false => format!("ADD COLUMN {definition}"),
            });
            for (old, new) in diff.kept_indexes.iter().filter(|(_, index)| index.column == new.name)
            {
                clauses.push(format!("DROP INDEX {}", DIALECT.identifier(&old.name)));
                clauses.push(format!("ADD {}", diff.new.mysql_index(new)));
                rebuilt_indexes.push(old.name.clone());
            }
        } else if old.name == new.name {
            clauses.push(format!("MODIFY COLUMN {definition}"));
        } else {
            clauses.push(format!("CHANGE COLUMN {before} {definition}"));
        }
    }
    for column in &diff.added {
        clauses.push(format!("ADD COLUMN {}", diff.new.column_definition(column)));
    }
    for (from, to) in index_renames(plan) {
        if !rebuilt_indexes.contains(&from) {
            let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
            clauses.push(format!("RENAME INDEX {from} TO {to}"));
        }
    }
    clauses.extend(
        diff.added_indexes.iter().map(|index| format!("ADD {}", diff.new.mysql_index(index))),
    );
    for column in &diff.added {
        adds.extend(diff.new.check(column).map(|check| format!("ADD {check}")));
        adds.extend(new_key(plan, column));
    }
    Steps { drops, adds, clauses, checks_of_moved }
}

/// Whether the column's definition has to be said anew.
fn is_redefined(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    is_retyped(old, new)
        || old.nullable != new.nullable
        || default_clause(DIALECT, old) != default_clause(DIALECT, new)
        || is_reset(plan, new)
        // MariaDB keeps a check of a JSON column under the name that the column is defined with.
        || (old.name != new.name && new.kind == Kind::Plain(ColumnType::Json))
}

fn is_reset(plan: &Plan, new: &TableColumn) -> bool {
    plan.misfit(new).is_some_and(Misfit::is_reset)
}
