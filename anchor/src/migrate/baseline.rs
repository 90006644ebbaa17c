//! Taking over the table that `store.migrate()` made, with its sessions.
//!
//! The file creates what is not there, and compares what is with the struct, by the database's own
//! catalogue: each database that runs it is compared, not the developer's alone. Both sides are
//! lines of text, such as `index sessions_user_id_idx on user_id`.

use super::write::{bounds, referenced};
use crate::column::ColumnType;
use crate::schema::{CutOffsTable, Dialect, OnDelete, Table, TableColumn};

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

    /// What the struct declares.
    fn declared(&self) -> Vec<String> {
        let table = self.table;
        let mut facts: Vec<_> = table.columns.iter().map(|column| self.column(column)).collect();
        facts.extend(table.indexes.iter().map(|index| {
            let unique = if index.unique { "unique " } else { "" };
            format!("{unique}index {} on {}", index.name, index.column)
        }));
        facts.extend(table.columns.iter().filter_map(|column| self.check(column)));
        facts.extend(table.columns.iter().filter_map(|column| self.foreign_key(column)));
        if table.dialect == Dialect::Sqlite {
            let checks = table.columns.iter().filter_map(TableColumn::checked_values).count();
            facts.push(format!("{checks} checks"));
        }
        if let Some(companion) = &table.cut_offs {
            let prefix = &companion.name;
            let ty = match self.has_custom_subject(companion) {
                true => "custom".to_owned(),
                false => catalogued(table.dialect, &companion.subject_type),
            };
            let time = table.dialect.spell(ColumnType::Timestamp);
            let time = catalogued(table.dialect, time);
            facts.push(format!("column {prefix}.subject {ty} not null primary key"));
            facts.push(format!("column {prefix}.cut_off_at {time} not null"));
        }
        facts
    }

    /// Whether the companion's subject has the type of the user's own that the session table's has.
    fn has_custom_subject(&self, companion: &CutOffsTable) -> bool {
        let subject = self.table.column(&companion.subject);
        subject.is_some_and(|column| column.custom && column.sql_type == companion.subject_type)
    }

    fn column(&self, column: &TableColumn) -> String {
        let ty = match column.custom {
            true => "custom".to_owned(),
            false => catalogued(self.table.dialect, &column.sql_type),
        };
        let mut fact = format!("column {} {ty}", column.name);
        let has_default =
            column.default.as_deref().is_some_and(|default| !default.eq_ignore_ascii_case("null"));
        for (holds, words) in [
            (!column.nullable, " not null"),
            (column.primary_key, " primary key"),
            (has_default, " default"),
        ] {
            fact.push_str(if holds { words } else { "" });
        }
        fact
    }

    fn check(&self, column: &TableColumn) -> Option<String> {
        let values = column.checked_values()?;
        let name = self.table.check_name(&column.name);
        if self.is_shown_otherwise(column) {
            return Some(format!("check {name}"));
        }
        let values: Vec<_> = values.iter().map(|value| self.table.dialect.literal(value)).collect();
        let values = values.join(", ");
        Some(match self.table.dialect {
            // As `live` takes PostgreSQL's casts away.
            Dialect::Postgres => format!("check {name} {}", values.replace("'::text", "'")),
            _ => format!("check {name} {values}"),
        })
    }

    /// Whether MySQL and MariaDB show the values of the column's check each in its own way: odd
    /// ones, or `= 'x'` for a single one. Then it is compared by its name.
    fn is_shown_otherwise(&self, column: &TableColumn) -> bool {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
        let Some(values) = column.checked_values() else { return false };
        let are_plain = values.iter().all(|value| value.chars().all(is_plain));
        self.table.dialect == Dialect::MySql && !(are_plain && values.len() > 1)
    }

    /// The names of the checks of such columns, as a list.
    fn shown_otherwise(&self) -> String {
        let columns = self.table.columns.iter().filter(|column| self.is_shown_otherwise(column));
        let names = columns.map(|column| self.table.check_name(&column.name));
        // An empty list is no list.
        let names = names.chain([String::new()]).map(|name| self.table.dialect.literal(&name));
        names.collect::<Vec<_>>().join(", ")
    }

    fn foreign_key(&self, column: &TableColumn) -> Option<String> {
        let target = column.references.as_ref()?;
        let name = match self.table.dialect {
            // SQLite has no names for them.
            Dialect::Sqlite => column.name.clone(),
            _ => self.table.foreign_key_name(&column.name),
        };
        let bare = target.table.rsplit('.').next().unwrap_or(&target.table);
        let rule = match target.on_delete {
            OnDelete::Cascade => "cascade",
            OnDelete::Restrict => "restrict",
            OnDelete::SetNull => "set null",
        };
        Some(format!("foreign key {name} references {bare} {rule}"))
    }

    /// The queries for what there is.
    fn live(&self) -> Vec<String> {
        let custom = self.table.columns.iter().filter(|column| column.custom);
        let custom: Vec<_> = custom.map(|column| column.name.as_str()).collect();
        let mut queries = vec![self.live_columns(&self.table.name, "", &custom)];
        if let Some(companion) = &self.table.cut_offs {
            let custom: &[_] = if self.has_custom_subject(companion) { &["subject"] } else { &[] };
            let prefix = format!("{}.", companion.name);
            queries.push(self.live_columns(&companion.name, &prefix, custom));
        }
        let table = Place::of(self.table, &self.table.name);
        match self.table.dialect {
            Dialect::Postgres => queries.extend([
                format!(
                    "        SELECT CASE WHEN indisunique THEN 'unique ' ELSE '' END\n            \
                     || 'index ' || relname || ' on ' || attname\n        \
                     FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid\n        \
                     JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]\n        \
                     WHERE indrelid = {} AND indnatts = 1 AND indpred IS NULL\n        \
                     AND indisvalid AND NOT indisprimary",
                    table.regclass
                ),
                // `CHECK ((role = ANY (ARRAY['admin'::text, 'member'::text])))`
                format!(
                    "        SELECT 'check ' || conname || ' ' || rtrim(replace(replace(substr(\
                     definition,\n            position(' = ' IN definition) + 3), \
                     'ANY (ARRAY[', ''), '''::text', ''''), '])')\n        \
                     FROM pg_constraint, pg_get_constraintdef(oid) AS definition\n        \
                     WHERE conrelid = {} AND contype = 'c'",
                    table.regclass
                ),
                format!(
                    "        SELECT 'foreign key ' || conname || ' references ' || relname || \
                     CASE confdeltype\n            \
                     WHEN 'c' THEN ' cascade' WHEN 'r' THEN ' restrict' WHEN 'n' THEN ' set null' \
                     ELSE '' END\n        \
                     FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid\n        \
                     WHERE conrelid = {} AND contype = 'f'",
                    table.regclass
                ),
            ]),
            Dialect::MySql => queries.extend([
                format!(
                    "        SELECT CONVERT(CONCAT(IF(non_unique, '', 'unique '), 'index ', \
                     index_name,\n            ' on ', column_name) USING utf8mb4)\n        \
                     FROM information_schema.statistics\n        \
                     WHERE {} AND index_name <> 'PRIMARY'",
                    table.is_here("")
                ),
                // (`role` in (_utf8mb4\'admin\',_utf8mb4\'member\')) on MySQL, and on MariaDB
                // `role` in ('admin','member')
                format!(
                    "        SELECT CONVERT(CONCAT('check ', c.constraint_name, \
                     IF(c.constraint_name IN ({0}), '', CONCAT(' ',\n            \
                     TRIM(TRAILING ')' FROM REPLACE(REPLACE(REPLACE(\n            \
                     SUBSTRING_INDEX(c.check_clause, ' in (', -1), '_utf8mb4', ''), CHAR(92), ''),\
                     \n            ''',''', ''', '''))))) USING utf8mb4)\n        \
                     FROM information_schema.table_constraints AS t\n        \
                     JOIN information_schema.check_constraints AS c\n            \
                     ON c.constraint_schema = t.constraint_schema \
                     AND c.constraint_name = t.constraint_name\n        \
                     WHERE {1} AND (c.check_clause LIKE '% in (%' \
                     OR c.constraint_name IN ({0}))",
                    self.shown_otherwise(),
                    table.is_here("t.")
                ),
                format!(
                    "        SELECT CONVERT(CONCAT('foreign key ', constraint_name, ' references ',\
                     \n            referenced_table_name, ' ', LOWER(delete_rule)) USING utf8mb4)\
                     \n        FROM information_schema.referential_constraints\n        \
                     WHERE constraint_schema = {} AND table_name = {}",
                    table.schema, table.name
                ),
            ]),
            Dialect::Sqlite => {
                queries.extend([
                    format!(
                        "        SELECT iif(list.\"unique\", 'unique ', '') || 'index ' || \
                         list.name || ' on ' || info.name\n        \
                         FROM pragma_index_list({0}, {1}) AS list\n        \
                         JOIN pragma_index_info(list.name, {1}) AS info\n        \
                         WHERE list.origin = 'c' AND NOT list.partial",
                        table.name, table.schema
                    ),
                    format!(
                        "        SELECT 'foreign key ' || \"from\" || ' references ' || \"table\" \
                         || ' ' || lower(on_delete)\n        FROM pragma_foreign_key_list({}, {})",
                        table.name, table.schema
                    ),
                    format!(
                        "        SELECT ((length(sql) - length(replace(sql, ' CHECK (', ''))) / 8) \
                         || ' checks'\n        FROM {} WHERE name = {}",
                        table.definitions, table.name
                    ),
                ]);
                queries.extend(self.table.columns.iter().filter_map(|column| {
                    Some(format!(
                        "        SELECT {} FROM {} WHERE name = {}\n        AND instr(sql, {})",
                        self.table.dialect.literal(&self.check(column)?),
                        table.definitions,
                        table.name,
                        self.table.dialect.literal(&self.table.bare_check(column)?),
                    ))
                }));
            }
        }
        queries
    }

    /// The query for a table's columns, each name after `prefix`. The types of the custom ones are
    /// not compared: the database has its own names for them.
    fn live_columns(&self, name: &str, prefix: &str, custom: &[&str]) -> String {
        let dialect = self.table.dialect;
        let table = Place::of(self.table, name);
        let start = dialect.literal(&format!("column {prefix}"));
        // No column has the empty name, and an empty list is no list.
        let custom = custom.iter().chain(&[""]).map(|name| dialect.literal(name));
        let custom: Vec<_> = custom.collect();
        let custom = custom.join(", ");
        match dialect {
            Dialect::Postgres => format!(
                "        SELECT {start} || attname || ' '\n            \
                 || CASE WHEN attname IN ({custom}) THEN 'custom'\n            ELSE \
                 format_type(atttypid, atttypmod) END\n            \
                 || CASE WHEN attnotnull THEN ' not null' ELSE '' END\n            \
                 || CASE WHEN EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = \
                 attrelid\n                \
                 AND contype = 'p' AND conkey = ARRAY[attnum]) THEN ' primary key' ELSE '' \
                 END\n            \
                 || CASE WHEN atthasdef THEN ' default' ELSE '' END\n        \
                 FROM pg_attribute\n        \
                 WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped",
                table.regclass
            ),
            // A display width says nothing about an integer's range, and MariaDB's JSON is a text.
            Dialect::MySql => format!(
                "        SELECT CONVERT(CONCAT({start}, column_name, ' ', CASE\n            \
                 WHEN column_name IN ({custom}) THEN 'custom'\n            \
                 WHEN column_type LIKE '%int(%' AND column_type <> 'tinyint(1)'\n                \
                 THEN SUBSTRING_INDEX(column_type, '(', 1)\n            \
                 WHEN column_type = 'json' THEN 'longtext'\n            \
                 WHEN collation_name <> 'utf8mb4_bin' THEN CONCAT(column_type, ' ', collation_name)\
                 \n            ELSE column_type END,\n            \
                 IF(is_nullable = 'NO', ' not null', ''), \
                 IF(column_key = 'PRI', ' primary key', ''),\n            \
                 IF(column_default <> 'NULL' OR extra LIKE '%DEFAULT%', ' default', '')) \
                 USING utf8mb4)\n        \
                 FROM information_schema.columns\n        WHERE {}",
                table.is_here("")
            ),
            Dialect::Sqlite => format!(
                "        SELECT {start} || name || ' ' || iif(name IN ({custom}), 'custom', \
                 lower(type))\n            || iif(\"notnull\", ' not null', '') \
                 || iif(pk, ' primary key', '')\n            \
                 || iif(dflt_value IS NULL, '', ' default')\n        \
                 FROM pragma_table_info({}, {})",
                table.name, table.schema
            ),
        }
    }
}

/// Where a catalogue has a table, as SQL.
struct Place {
    name: String,
    schema: String,
    /// PostgreSQL's.
    regclass: String,
    /// SQLite's, of the texts that tables were defined with.
    definitions: String,
}

impl Place {
    fn of(table: &Table, name: &str) -> Self {
        let dialect = table.dialect;
        let (namespace, bare) = match name.rsplit_once('.') {
            Some((namespace, bare)) => (Some(namespace), bare),
            None => (None, name),
        };
        let schema = match (namespace, dialect) {
            (None, Dialect::MySql) => "DATABASE()".to_owned(),
            (namespace, _) => dialect.literal(namespace.unwrap_or("main")),
        };
        let namespace = dialect.identifier(namespace.unwrap_or("main"));
        Self {
            name: dialect.literal(bare),
            schema,
            regclass: format!("to_regclass({})", dialect.literal(&dialect.table(name))),
            definitions: format!("{namespace}.sqlite_schema"),
        }
    }

    /// The row is of the table, in MySQL's catalogue.
    fn is_here(&self, alias: &str) -> String {
        let Self { name, schema, .. } = self;
        format!("{alias}table_schema = {schema} AND {alias}table_name = {name}")
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

/// A type of anchor's own as the catalogue spells it.
fn catalogued(dialect: Dialect, ty: &str) -> String {
    match (dialect, ty) {
        (Dialect::Postgres, "TIMESTAMPTZ") => "timestamp with time zone".to_owned(),
        (Dialect::MySql, "BOOLEAN") => "tinyint(1)".to_owned(),
        (Dialect::MySql, "INTEGER") => "int".to_owned(),
        (Dialect::MySql, "JSON") => "longtext".to_owned(),
        (_, ty) => ty.to_ascii_lowercase(),
    }
}
