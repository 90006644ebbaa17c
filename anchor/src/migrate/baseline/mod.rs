//! Taking over the table that `store.migrate()` made, with its sessions.
//!
//! The file creates what is not there, and compares what is with the struct, by the database's own
//! catalogue: each database that runs it is compared, not the developer's alone. Both sides are
//! lines of text, such as `index sessions_user_id_idx on user_id`.

mod declared;
mod live;

use super::write::{bounds, referenced};
use crate::schema::{Dialect, Table};

/// The SQL that takes the table over, or creates it.
pub(super) fn up(table: &Table) -> String {
    let takes_over = "-- Takes over the table that `store.migrate()` made, with its sessions. \
                      A new database gets\n-- the table.\n";
    let compares = "-- Fails, and changes nothing, where the table is not what the header says. \
                    Give the struct\n-- the table's form then, and write this file anew:\n\
                    -- ANCHOR_MIGRATE=replace,baseline cargo test anchor_migrations\n";
    let (create, compare) = (table.create_text_if_not_exists(), Comparison { table }.sql());
    match table.dialect {
        // MySQL commits what it defines, and sqlx would be left with a migration that has half run.
        Dialect::MySql => format!("{compares}{compare}\n{takes_over}{create}"),
        Dialect::Postgres | Dialect::Sqlite => {
            let bounds = bounds(table.dialect, referenced(table));
            format!("{bounds}{takes_over}{create}\n{compares}{compare}")
        }
    }
}

/// The way back.
pub(super) fn down() -> String {
    "-- The table stays, with its sessions: it was there before.\nSELECT 1;\n".to_owned()
}

/// What keeps rows out that the struct allows, where the struct does not declare it. Other columns
/// and indexes are the user's.
const RESTRICTS: &str = "(fact LIKE 'unique %' OR fact LIKE 'check %' OR fact LIKE 'foreign key %'
        OR fact LIKE 'column % not null')";

struct Comparison<'t> {
    table: &'t Table,
}

impl Comparison<'_> {
    fn sql(&self) -> String {
        let dialect = self.table.dialect;
        let declared: Vec<_> = self.declared().iter().map(|fact| dialect.literal(fact)).collect();
        let live = self.live().join("\n    UNION ALL\n        ");
        let name = &self.table.name;
        let (lacks, has, collation) = match dialect {
            Dialect::Postgres | Dialect::Sqlite => ("'lacks ' || fact", "'has ' || fact", ""),
            Dialect::MySql => {
                ("CONCAT('lacks ', fact)", "CONCAT('has ', fact)", " COLLATE utf8mb4_bin")
            }
        };
        let differences = format!(
            "SELECT {lacks} AS difference FROM declared
        WHERE fact{collation} NOT IN (SELECT fact FROM live)
        UNION ALL
        SELECT {has} FROM live
        WHERE fact{collation} NOT IN (SELECT fact FROM declared)
        AND {RESTRICTS}"
        );
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
            // In MySQL only stored programs raise errors. What is no statement shows in the error.
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
            // In SQLite only triggers raise errors.
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
