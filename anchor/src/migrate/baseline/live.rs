//! The queries for the facts in the database.

use super::Comparison;
use crate::schema::{Dialect, Table};

impl Comparison<'_> {
    /// Returns the queries.
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
        match self.table.dialect {
            Dialect::Postgres => queries.extend(table.postgres_constraints()),
            Dialect::MySql => queries.extend(table.mysql_constraints(&self.checks_by_name())),
            Dialect::Sqlite => {
                queries.extend(table.sqlite_constraints());
                queries.extend(self.sqlite_checks(&table));
            }
        }
        queries
    }

    /// Returns the query for a table's columns, with `prefix` before each name. The types of the
    /// custom columns are not compared, because the database has its own names for them.
    fn live_columns(&self, name: &str, prefix: &str, custom: &[&str]) -> String {
        let dialect = self.table.dialect;
        let start = dialect.literal(&format!("column {prefix}"));
        // SQL has no empty list, and no column has the empty name.
        let custom = custom.iter().chain(&[""]).map(|name| dialect.literal(name));
        let custom = custom.collect::<Vec<_>>().join(", ");
        let table = Place::of(self.table, name);
        let Place { regclass, schema, name, .. } = &table;
        match dialect {
            Dialect::Postgres => format!(
                "SELECT {start} || attname || ' '
            || CASE WHEN attname IN ({custom}) THEN 'custom'
            ELSE format_type(atttypid, atttypmod) END
            || CASE WHEN attnotnull THEN ' not null' ELSE '' END
            || CASE WHEN EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = attrelid
                AND contype = 'p' AND conkey = ARRAY[attnum]) THEN ' primary key' ELSE '' END
            || CASE WHEN atthasdef THEN ' default' ELSE '' END
        FROM pg_attribute
        WHERE attrelid = {regclass} AND attnum > 0 AND NOT attisdropped"
            ),
            // The display width does not change an integer's range. MariaDB stores JSON as text.
            Dialect::MySql => format!(
                "SELECT CONVERT(CONCAT({start}, column_name, ' ', CASE
            WHEN column_name IN ({custom}) THEN 'custom'
            WHEN column_type LIKE '%int(%' AND column_type <> 'tinyint(1)'
                THEN SUBSTRING_INDEX(column_type, '(', 1)
            WHEN column_type = 'json' THEN 'longtext'
            WHEN collation_name <> 'utf8mb4_bin' THEN CONCAT(column_type, ' ', collation_name)
            ELSE column_type END,
            IF(is_nullable = 'NO', ' not null', ''), IF(column_key = 'PRI', ' primary key', ''),
            IF(column_default <> 'NULL' OR extra LIKE '%DEFAULT%', ' default', '')) USING utf8mb4)
        FROM information_schema.columns
        WHERE {}",
                table.is_here("")
            ),
            Dialect::Sqlite => format!(
                "SELECT {start} || name || ' ' || iif(name IN ({custom}), 'custom', lower(type))
            || iif(\"notnull\", ' not null', '') || iif(pk, ' primary key', '')
            || iif(dflt_value IS NULL, '', ' default')
        FROM pragma_table_info({name}, {schema})"
            ),
        }
    }

    /// Returns the queries for the struct's checks in SQLite's definition of the table.
    fn sqlite_checks(&self, Place { name, definitions, .. }: &Place) -> Vec<String> {
        let columns = self.table.columns.iter();
        let checks = columns
            .filter_map(|column| Some((self.check(column)?, self.table.bare_check(column)?)));
        let literal = |text: &str| self.table.dialect.literal(text);
        let queries = checks.map(|(fact, check)| {
            format!(
                "SELECT {} FROM {definitions} WHERE name = {name}
        AND instr(sql, {})",
                literal(&fact),
                literal(&check)
            )
        });
        queries.collect()
    }
}

/// SQL expressions that identify a table in a catalogue.
struct Place {
    name: String,
    schema: String,
    /// For PostgreSQL: the table.
    regclass: String,
    /// For SQLite: the catalogue of the definitions.
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

    /// Returns the queries for PostgreSQL's indexes, checks and foreign keys.
    fn postgres_constraints(&self) -> [String; 3] {
        let Self { regclass, .. } = self;
        [
            format!(
                "SELECT CASE WHEN indisunique THEN 'unique ' ELSE '' END
            || 'index ' || relname || ' on ' || attname
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE indrelid = {regclass} AND indnatts = 1 AND indpred IS NULL
        AND indisvalid AND NOT indisprimary"
            ),
            // `CHECK ((role = ANY (ARRAY['admin'::text, 'member'::text])))`
            format!(
                "SELECT 'check ' || conname || ' ' || rtrim(replace(replace(substr(definition,
            position(' = ' IN definition) + 3), 'ANY (ARRAY[', ''), '''::text', ''''), '])')
        FROM pg_constraint, pg_get_constraintdef(oid) AS definition
        WHERE conrelid = {regclass} AND contype = 'c'"
            ),
            format!(
                "SELECT 'foreign key ' || conname || ' references ' || relname || CASE confdeltype
            WHEN 'c' THEN ' cascade' WHEN 'r' THEN ' restrict' WHEN 'n' THEN ' set null' \
                 ELSE '' END
        FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid
        WHERE conrelid = {regclass} AND contype = 'f'"
            ),
        ]
    }

    /// Returns the queries for MySQL's indexes, checks and foreign keys. The checks in the list are
    /// compared only by their names.
    fn mysql_constraints(&self, checks_by_name: &str) -> [String; 3] {
        let Self { schema, name, .. } = self;
        [
            format!(
                "SELECT CONVERT(CONCAT(IF(non_unique, '', 'unique '), 'index ', index_name,
            ' on ', column_name) USING utf8mb4)
        FROM information_schema.statistics
        WHERE {} AND index_name <> 'PRIMARY'",
                self.is_here("")
            ),
            // MySQL:   (`role` in (_utf8mb4\'admin\',_utf8mb4\'member\'))
            // MariaDB: `role` in ('admin','member')
            format!(
                "SELECT CONVERT(CONCAT('check ', c.constraint_name, \
                 IF(c.constraint_name IN ({checks_by_name}), '', CONCAT(' ',
            TRIM(TRAILING ')' FROM REPLACE(REPLACE(REPLACE(
            SUBSTRING_INDEX(c.check_clause, ' in (', -1), '_utf8mb4', ''), CHAR(92), ''),
            ''',''', ''', '''))))) USING utf8mb4)
        FROM information_schema.table_constraints AS t
        JOIN information_schema.check_constraints AS c
            ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name
        WHERE {} AND (c.check_clause LIKE '% in (%' OR c.constraint_name IN ({checks_by_name}))",
                self.is_here("t.")
            ),
            format!(
                "SELECT CONVERT(CONCAT('foreign key ', constraint_name, ' references ',
            referenced_table_name, ' ', LOWER(delete_rule)) USING utf8mb4)
        FROM information_schema.referential_constraints
        WHERE constraint_schema = {schema} AND table_name = {name}"
            ),
        ]
    }

    /// Returns the queries for SQLite's indexes and foreign keys, and for the number of checks.
    fn sqlite_constraints(&self) -> [String; 3] {
        let Self { schema, name, definitions, .. } = self;
        [
            format!(
                "SELECT iif(list.\"unique\", 'unique ', '') || 'index ' || list.name || ' on ' || \
                 info.name
        FROM pragma_index_list({name}, {schema}) AS list
        JOIN pragma_index_info(list.name, {schema}) AS info
        WHERE list.origin = 'c' AND NOT list.partial"
            ),
            format!(
                "SELECT 'foreign key ' || \"from\" || ' references ' || \"table\" || ' ' || \
                 lower(on_delete)
        FROM pragma_foreign_key_list({name}, {schema})"
            ),
            format!(
                "SELECT ((length(sql) - length(replace(sql, ' CHECK (', ''))) / 8) || ' checks'
        FROM {definitions} WHERE name = {name}"
            ),
        ]
    }

    /// Returns the condition that a row of MySQL's catalogue is about the table.
    fn is_here(&self, alias: &str) -> String {
        let Self { name, schema, .. } = self;
        format!("{alias}table_schema = {schema} AND {alias}table_name = {name}")
    }
}
