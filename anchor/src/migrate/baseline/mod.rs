//! The migration that takes over the table that `store.migrate()` created, with its sessions.
//!
//! The file creates the table if it does not exist, and compares it with the struct, using the
//! database's own catalogue. The comparison therefore takes place in every database to which the
//! file is applied, not only in the developer's. Both the table and the struct are described by
//! facts: lines of text such as `index sessions_user_id_idx on user_id`.

mod declared;
mod live;

use super::write::{bounds, referenced};
use crate::schema::{Dialect, Table};

/// Returns the SQL that takes over the table or creates it.
pub(super) fn up(table: &Table) -> String {
    let takes_over = "-- Takes over the table that `store.migrate()` created, with its sessions. \
                      In a new database,\n-- creates the table.\n";
    let compares = "-- Fails, and changes nothing, if the table differs from the header. Then \
                    change the struct to\n-- match the table, and write this file again:\n\
                    -- ANCHOR_MIGRATE=replace,baseline cargo test anchor_migrations\n";
    let (create, compare) = (table.create_text_if_not_exists(), Comparison { table }.sql());
    match table.dialect {
        // MySQL commits after each statement that defines a table, so the comparison comes first:
        // if it fails, nothing has changed.
        Dialect::MySql => format!("{compares}{compare}\n{takes_over}{create}"),
        Dialect::Postgres | Dialect::Sqlite => {
            let bounds = bounds(table.dialect, referenced(table));
            format!("{bounds}{takes_over}{create}\n{compares}{compare}")
        }
    }
}

/// Returns the SQL that reverts the migration.
pub(super) fn down() -> String {
    "-- The table stays, with its sessions, because this migration did not create it.\nSELECT 1;\n"
        .to_owned()
}

/// The condition for facts that matter if only the database has them: they can make the database
/// refuse rows that the struct allows. The user may add other columns and indexes.
const RESTRICTS: &str = "(fact LIKE 'unique %' OR fact LIKE 'check %' OR fact LIKE 'foreign key %'
        OR fact LIKE 'column % not null')";

/// The comparison of the table in the database with the table that the struct declares.
struct Comparison<'t> {
    table: &'t Table,
}

impl Comparison<'_> {
    fn sql(&self) -> String {
        let dialect = self.table.dialect;
        let declared: Vec<_> = self.declared().iter().map(|fact| dialect.literal(fact)).collect();
        let live = self.live().join("\n    UNION ALL\n        ");
        let name = &self.table.name;
        let differences = differences(dialect);
        match dialect {
            Dialect::Postgres => format!(
                "DO $anchor$
DECLARE
    differences TEXT;
BEGIN
    WITH declared (fact) AS (VALUES
        ({})
    ),
    live (fact) AS (
        {live}
    )
    SELECT string_agg(difference, ', ') INTO differences FROM (
        {differences}
    ) AS differences;
    IF differences IS NOT NULL THEN
        RAISE EXCEPTION '% is not what the struct declares: it %', {}, differences;
    END IF;
END
$anchor$;
",
                declared.join("),\n        ("),
                dialect.literal(name),
            ),
            // On MySQL, only stored programs can raise an error. The text of the differences is not
            // a statement, so preparing it fails, and the error shows the text.
            Dialect::MySql => format!(
                "SET @anchor_differences = (
    WITH declared (fact) AS (
        SELECT {}
    ),
    live (fact) AS (
        {live}
    )
    SELECT GROUP_CONCAT(difference SEPARATOR ', ') FROM (
        {differences}
    ) AS differences WHERE EXISTS (SELECT 1 FROM live)
);
SET @anchor_check = COALESCE(@anchor_differences, 'DO 0');
PREPARE anchor_check FROM @anchor_check;
DEALLOCATE PREPARE anchor_check;
",
                declared.join("\n        UNION ALL SELECT "),
            ),
            // On SQLite, only triggers can raise an error. The constraint's name is the message.
            Dialect::Sqlite => format!(
                "CREATE TEMPORARY TABLE anchor_check (
    difference TEXT
        CONSTRAINT {} CHECK (difference IS NULL)
);
WITH declared (fact) AS (VALUES
        ({})
    ),
    live (fact) AS (
        {live}
    )
INSERT INTO temp.anchor_check
        {differences};
DROP TABLE temp.anchor_check;
",
                dialect.quote(&format!("the table {name} is not what the struct declares")),
                declared.join("),\n        ("),
            ),
        }
    }
}

/// Returns the query for the facts that only one side has.
fn differences(dialect: Dialect) -> String {
    let (lacks, has, collation) = match dialect {
        Dialect::Postgres | Dialect::Sqlite => ("'lacks ' || fact", "'has ' || fact", ""),
        Dialect::MySql => {
            ("CONCAT('lacks ', fact)", "CONCAT('has ', fact)", " COLLATE utf8mb4_bin")
        }
    };
    format!(
        "SELECT {lacks} AS difference FROM declared
        WHERE fact{collation} NOT IN (SELECT fact FROM live)
        UNION ALL
        SELECT {has} FROM live
        WHERE fact{collation} NOT IN (SELECT fact FROM declared)
        AND {RESTRICTS}"
    )
}
