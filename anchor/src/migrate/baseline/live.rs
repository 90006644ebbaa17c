//! What the database has, as queries for facts.

use super::Comparison;
use crate::schema::{Dialect, Table};

impl Comparison<'_> {
    /// The queries for what there is.
    pub(super) fn live(&self) -> Vec<String> {
        let custom = self.table.columns.iter().filter(|column| column.custom);
        let custom: Vec<_> = custom.map(|column| column.name.as_str()).collect();
        let mut queries = vec![self.live_columns(&self.table.name, "", &custom)];
        if let Some(companion) = &self.table.cut_offs {
            let custom: &[_] = if self.has_custom_subject(companion) { &["subject"] } else { &[] };
            let prefix = format!("{}.", companion.name);
            queries.push(self.live_columns(&companion.name, &prefix, custom));
        }
        let table = Place::of(self.table, &self.table.name);
        queries.extend(match self.table.dialect {
            Dialect::Postgres => table.postgres_constraints(),
            Dialect::MySql => table.mysql_constraints(&self.shown_otherwise()),
            Dialect::Sqlite => self.sqlite_constraints(&table),
        });
        queries
    }

    /// SQLite's indexes, foreign keys and checks.
    fn sqlite_constraints(&self, table: &Place) -> Vec<String> {
        let mut queries = vec![
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
        ];
        queries.extend(self.table.columns.iter().filter_map(|column| {
            Some(format!(
                "        SELECT {} FROM {} WHERE name = {}\n        AND instr(sql, {})",
                self.table.dialect.literal(&self.check(column)?),
                table.definitions,
                table.name,
                self.table.dialect.literal(&self.table.bare_check(column)?),
            ))
        }));
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

    /// PostgreSQL's indexes, checks and foreign keys.
    fn postgres_constraints(&self) -> Vec<String> {
        vec![
            format!(
                "        SELECT CASE WHEN indisunique THEN 'unique ' ELSE '' END\n            \
                     || 'index ' || relname || ' on ' || attname\n        \
                     FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid\n        \
                     JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]\n        \
                     WHERE indrelid = {} AND indnatts = 1 AND indpred IS NULL\n        \
                     AND indisvalid AND NOT indisprimary",
                self.regclass
            ),
            // `CHECK ((role = ANY (ARRAY['admin'::text, 'member'::text])))`
            format!(
                "        SELECT 'check ' || conname || ' ' || rtrim(replace(replace(substr(\
                     definition,\n            position(' = ' IN definition) + 3), \
                     'ANY (ARRAY[', ''), '''::text', ''''), '])')\n        \
                     FROM pg_constraint, pg_get_constraintdef(oid) AS definition\n        \
                     WHERE conrelid = {} AND contype = 'c'",
                self.regclass
            ),
            format!(
                "        SELECT 'foreign key ' || conname || ' references ' || relname || \
                     CASE confdeltype\n            \
                     WHEN 'c' THEN ' cascade' WHEN 'r' THEN ' restrict' WHEN 'n' THEN ' set null' \
                     ELSE '' END\n        \
                     FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid\n        \
                     WHERE conrelid = {} AND contype = 'f'",
                self.regclass
            ),
        ]
    }

    /// MySQL's indexes, checks and foreign keys; those of these checks by their names.
    fn mysql_constraints(&self, shown_otherwise: &str) -> Vec<String> {
        vec![
            format!(
                "        SELECT CONVERT(CONCAT(IF(non_unique, '', 'unique '), 'index ', \
                     index_name,\n            ' on ', column_name) USING utf8mb4)\n        \
                     FROM information_schema.statistics\n        \
                     WHERE {} AND index_name <> 'PRIMARY'",
                self.is_here("")
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
                shown_otherwise,
                self.is_here("t.")
            ),
            format!(
                "        SELECT CONVERT(CONCAT('foreign key ', constraint_name, ' references ',\
                     \n            referenced_table_name, ' ', LOWER(delete_rule)) USING utf8mb4)\
                     \n        FROM information_schema.referential_constraints\n        \
                     WHERE constraint_schema = {} AND table_name = {}",
                self.schema, self.name
            ),
        ]
    }

    /// The row is of the table, in MySQL's catalogue.
    fn is_here(&self, alias: &str) -> String {
        let Self { name, schema, .. } = self;
        format!("{alias}table_schema = {schema} AND {alias}table_name = {name}")
    }
}
