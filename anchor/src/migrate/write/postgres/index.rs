//! New indexes, which are built unless they exist already.

use super::lock::{A_MINUTE, set_timeouts};
use super::{DIALECT, raise_if};
use crate::migrate::plan::Plan;
use crate::migrate::write::renames::in_namespace;
use crate::migrate::write::script::Script;
use crate::schema::{Table, TableIndex};

/// Creates an index in the transaction, unless it exists already. Several processes may run
/// migrations at once, and `CONCURRENTLY` in one of them would wait for the transactions of the
/// others, which wait for its lock.
pub(super) fn create(script: &mut Script, plan: &Plan, index: &TableIndex) {
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
    script.comment(format!(
        "Writes wait while the index is built, about a second for a million sessions. If that is \
         too long, build it before the deployment, and this statement finds it: {create}. Anything \
         else with its name is refused."
    ));
    script.run(assert_shape(table, index));
    script.run(table.create_index(index, "IF NOT EXISTS "));
}

/// Returns a statement that fails if the index's name belongs to anything but the same index, valid
/// and complete. `IF NOT EXISTS` compares only the name.
fn assert_shape(table: &Table, index: &TableIndex) -> String {
    let of_table = format!("{}::regclass", DIALECT.literal(&DIALECT.table(&table.name)));
    let unique = if index.unique { "indisunique" } else { "NOT indisunique" };
    let message = format!(
        "{name} exists, and is INVALID or not the {kind} on {table} ({column}): run `DROP INDEX \
         CONCURRENTLY {qualified}`, then this migration again",
        name = index.name,
        kind = if index.unique { "unique index" } else { "index" },
        table = table.name,
        column = index.column,
        qualified = in_namespace(table, &index.name),
    );
    let differs = format!(
        "EXISTS (\n        \
         SELECT FROM pg_class AS found LEFT JOIN pg_index ON indexrelid = found.oid\n        \
         WHERE relname = {name}\n        \
         AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = {of_table})\n        \
         AND (\n            \
         indrelid = {of_table} AND {unique} AND indisvalid\n            \
         AND split_part(pg_get_indexdef(indexrelid), ' USING ', 2)\n                \
         = 'btree (' || quote_ident({column}) || ')'\n        \
         ) IS NOT TRUE\n    )",
        name = DIALECT.literal(&index.name),
        column = DIALECT.literal(&index.column),
    );
    raise_if(&differs, &message)
}

/// Returns the new indexes in a file of their own: in the transaction of the change, the table
/// could not even be read while they are built.
pub(in crate::migrate::write) fn indexes(plan: &Plan) -> Option<(Script, Script)> {
    let diff = &plan.diff;
    let alone = diff.without_new_indexes().is_empty();
    if plan.ends_all || diff.added_indexes.is_empty() || alone {
        return None;
    }
    let (mut up, mut down) = (Script::default(), Script::default());
    set_timeouts(&mut up, A_MINUTE, "60s", 1);
    set_timeouts(&mut down, "Dropping an index reads no row.", "60s", 1);
    for index in &diff.added_indexes {
        if index.unique {
            up.comment(format!(
                "Fails without changes if two rows have the same `{}`.",
                index.column
            ));
        }
        create(&mut up, plan, index);
        down.run(format!("DROP INDEX {}", in_namespace(&diff.new, &index.name)));
    }
    Some((up, down))
}
