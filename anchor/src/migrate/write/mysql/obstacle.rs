//! What is dropped before the table is altered, unless an earlier run has dropped it.

use super::DIALECT;
use crate::migrate::plan::Plan;
use crate::migrate::write::script::Script;

/// A table of the information schema, with two of its columns.
pub(super) struct Catalogue {
    table: &'static str,
    schema: &'static str,
    name: &'static str,
}

pub(super) const COLUMNS: Catalogue =
    Catalogue { table: "columns", schema: "table_schema", name: "column_name" };

const CONSTRAINTS: Catalogue =
    Catalogue { table: "table_constraints", schema: "constraint_schema", name: "constraint_name" };

/// A constraint or a column that prevents the change.
pub(super) struct Obstacle {
    pub(super) catalogue: &'static Catalogue,
    pub(super) name: String,
    pub(super) drop: String,
}

impl Obstacle {
    /// Returns the obstacle that is a `CONSTRAINT` or a `FOREIGN KEY`.
    pub(super) fn constraint(what: &str, name: String) -> Self {
        let drop = format!("DROP {what} {}", DIALECT.identifier(&name));
        Self { catalogue: &CONSTRAINTS, name, drop }
    }
}

/// Drops an obstacle if it exists. Unlike MariaDB, MySQL does not support `IF EXISTS` for it.
pub(super) fn remove(script: &mut Script, plan: &Plan, obstacle: &Obstacle) {
    let table = &plan.diff.old;
    let schema = match table.namespace() {
        Some(namespace) => DIALECT.literal(namespace),
        None => "DATABASE()".to_owned(),
    };
    let drop = format!("ALTER TABLE {} {}", DIALECT.table(&table.name), obstacle.drop);
    let Catalogue { table: catalogue, schema: schema_of, name } = *obstacle.catalogue;
    script.comment(match name == COLUMNS.name {
        true => format!("Drops `{}` if an earlier run has left it behind.", obstacle.name),
        false => format!("Drops `{}`, unless an earlier run has dropped it.", obstacle.name),
    });
    script.run(format!(
        "SET @anchor_step = IF(EXISTS (\n    \
         SELECT 1 FROM information_schema.{catalogue}\n    \
         WHERE {schema_of} = {schema} AND table_name = {} AND {name} = {}\n\
         ), {}, 'DO 0')",
        DIALECT.literal(table.bare_name()),
        DIALECT.literal(&obstacle.name),
        DIALECT.literal(&drop),
    ));
    script.run("PREPARE anchor_step FROM @anchor_step");
    script.run("EXECUTE anchor_step");
    script.run("DEALLOCATE PREPARE anchor_step");
}
