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
const RESTRICTS: &str = "(fact LIKE 'unique %' OR fact LIKE 'check %' OR fact LIKE 'foreign key \
    %'\n        \
                         OR fact LIKE 'column % not null')";

struct Comparison<'t> {
    table: &'t Table,
}

impl Comparison<'_> {
    fn sql(&self) -> String {
        let dialect = self.table.dialect;
        let declared: Vec<_> = self.declared().iter().map(|fact| dialect.literal(fact)).collect();
        let live = self.live().join("\n    UNION ALL\n");
        let name = &self.table.name;
        match dialect {
            Dialect::Postgres => format!(
                "DO $anchor$\nDECLARE\n    differences TEXT;\nBEGIN\n    \
                 WITH declared (fact) AS (VALUES\n        ({})\n    ),\n    \
                 live (fact) AS (\n{live}\n    )\n    \
                 SELECT string_agg(difference, ', ') INTO differences FROM (\n{}\n    \
                 ) AS differences;\n    \
                 IF differences IS NOT NULL THEN\n        \
                 RAISE EXCEPTION '% is not what the struct declares: it %', {}, differences;\n    \
                 END IF;\nEND\n$anchor$;\n",
                declared.join("),\n        ("),
                differences("'lacks ' || fact", "'has ' || fact", ""),
                dialect.literal(name),
            ),
            // In MySQL only stored programs raise errors. What is no statement shows in the error.
            Dialect::MySql => format!(
                "SET @anchor_differences = (\n    \
                 WITH declared (fact) AS (\n        SELECT {}\n    ),\n    \
                 live (fact) AS (\n{live}\n    )\n    \
                 SELECT GROUP_CONCAT(difference SEPARATOR ', ') FROM (\n{}\n    \
                 ) AS differences WHERE EXISTS (SELECT 1 FROM live)\n);\n\
                 SET @anchor_check = COALESCE(@anchor_differences, 'DO 0');\n\
                 PREPARE anchor_check FROM @anchor_check;\nDEALLOCATE PREPARE anchor_check;\n",
                declared.join("\n        UNION ALL SELECT "),
                differences(
                    "CONCAT('lacks ', fact)",
                    "CONCAT('has ', fact)",
                    " COLLATE utf8mb4_bin"
                ),
            ),
            // In SQLite only triggers raise errors.
            Dialect::Sqlite => format!(
                "CREATE TEMPORARY TABLE anchor_check (\n    difference TEXT\n        \
                 CONSTRAINT {} CHECK (difference IS NULL)\n);\n\
                 WITH declared (fact) AS (VALUES\n        ({})\n    ),\n    \
                 live (fact) AS (\n{live}\n    )\n\
                 INSERT INTO temp.anchor_check\n{};\nDROP TABLE temp.anchor_check;\n",
                dialect.quote(&format!("the table {name} is not what the struct declares")),
                declared.join("),\n        ("),
                differences("'lacks ' || fact", "'has ' || fact", ""),
            ),
        }
    }
}

/// The facts on one side alone.
fn differences(lacks: &str, has: &str, collation: &str) -> String {
    format!(
        "        SELECT {lacks} AS difference FROM declared\n        \
         WHERE fact{collation} NOT IN (SELECT fact FROM live)\n        UNION ALL\n        \
         SELECT {has} FROM live\n        \
         WHERE fact{collation} NOT IN (SELECT fact FROM declared)\n        AND {RESTRICTS}"
    )
}
