//! Taking over the table that `store.migrate()` made, with its sessions.
//!
//! The file creates what is not there and then compares what is with the struct, by the database's
//! own catalogue: each database that runs it is compared, not the developer's alone. It compares
//! what later migrations build on: columns, indexes, checks and foreign keys, with their names
//! where the database has names for them.

use crate::column::ColumnType;
use crate::schema::{Dialect, OnDelete, Table, TableColumn, TableIndex};

/// Something that must hold of the live table, and the SQL that says whether it does.
struct Fact {
    name: String,
    holds: String,
}

/// The SQL that takes the table over, or creates it.
pub(super) fn up(table: &Table) -> String {
    let takes_over = "-- Takes over the table that `store.migrate()` made, with its sessions. A new \
                      database gets\n-- the table.\n";
    let compares = "-- Fails, and changes nothing, where the table is not what the header says. Give \
                    the struct\n-- the table's form then, and write this file anew:\n\
                    -- ANCHOR_MIGRATE=replace,baseline cargo test anchor_migrations\n";
    let (create, compare) = (table.create_text_if_not_exists(), comparison(table));
    match table.dialect {
        // MySQL commits what it defines, and sqlx would be left with a migration that has half run.
        Dialect::MySql => format!("{compares}{compare}\n{takes_over}{create}"),
        Dialect::Postgres | Dialect::Sqlite => {
            format!("{takes_over}{create}\n{compares}{compare}")
        }
    }
}

/// The way back.
pub(super) fn down() -> String {
    "-- The table stays, with its sessions: it was there before.\nSELECT 1;\n".to_owned()
}

fn comparison(table: &Table) -> String {
    let rows: Vec<_> = facts(table)
        .iter()
        .map(|Fact { name, holds }| {
            format!("    SELECT {} AS fact, {holds} AS holds", table.dialect.literal(name))
        })
        .collect();
    let rows = rows.join("\n    UNION ALL\n");
    let name = &table.name;
    match table.dialect {
        Dialect::Postgres => format!(
            "DO $anchor$\nDECLARE\n    differences TEXT;\nBEGIN\n    \
             SELECT string_agg(fact, ', ') INTO differences FROM (\n{rows}\n    \
             ) AS facts WHERE NOT holds;\n    \
             IF differences IS NOT NULL THEN\n        \
             RAISE EXCEPTION '% is not what the struct declares: %', {}, differences;\n    \
             END IF;\nEND\n$anchor$;\n",
            table.dialect.literal(name),
        ),
        // In MySQL only stored programs raise errors. What is no statement shows in the error.
        Dialect::MySql => format!(
            "SET @anchor_differences = (\n    SELECT GROUP_CONCAT(fact SEPARATOR ', ') FROM (\n\
             {rows}\n    ) AS facts WHERE NOT holds AND {}\n);\n\
             SET @anchor_check = \
             COALESCE(CONCAT('differs from the struct: ', @anchor_differences), 'DO 0');\n\
             PREPARE anchor_check FROM @anchor_check;\nDEALLOCATE PREPARE anchor_check;\n",
            Catalogue { table, name }.exists_on_mysql(),
        ),
        // In SQLite only triggers raise errors.
        Dialect::Sqlite => format!(
            "CREATE TEMPORARY TABLE anchor_check (\n    fact   TEXT,\n    \
             holds  BOOLEAN CONSTRAINT {} CHECK (holds)\n);\n\
             INSERT INTO temp.anchor_check\n{rows};\nDROP TABLE temp.anchor_check;\n",
            table.dialect.quote(&format!("the table {name} is not what the struct declares")),
        ),
    }
}

fn facts(table: &Table) -> Vec<Fact> {
    let catalogue = Catalogue { table, name: &table.name };
    let columns = table.columns.iter().map(|column| Fact {
        name: format!("column {}", column.name),
        holds: catalogue.column(column),
    });
    let others = [
        ("a required column that the struct does not have", catalogue.no_required_column_besides()),
        ("a unique index that the struct does not have", catalogue.no_unique_index_besides()),
        ("a check that the struct does not have", catalogue.no_check_besides()),
        ("a foreign key that the struct does not have", catalogue.no_foreign_key_besides()),
    ]
    .map(|(name, holds)| Fact { name: name.to_owned(), holds });
    let indexes = table
        .indexes
        .iter()
        .map(|index| Fact { name: format!("index {}", index.name), holds: catalogue.index(index) });
    let checks = table.columns.iter().filter_map(|column| {
        let name = format!("check of {}", column.name);
        Some(Fact { name, holds: catalogue.check(column, column.checked_values()?) })
    });
    let keys = table.columns.iter().filter_map(|column| {
        let name = format!("foreign key of {}", column.name);
        Some(Fact { name, holds: catalogue.foreign_key(column)? })
    });
    let companion = table.cut_offs.iter().flat_map(|companion| {
        let catalogue = Catalogue { table, name: &companion.name };
        let time = table.dialect.spell(ColumnType::Timestamp);
        [("subject", companion.subject_type.as_str()), ("cut_off_at", time)].map(|(column, ty)| {
            let name = format!("column {column} of {}", companion.name);
            let mut holds = catalogue.has_column(column, ty, false, "");
            if table.dialect == Dialect::MySql {
                holds = format!("(NOT {} OR {holds})", catalogue.exists_on_mysql());
            }
            Fact { name, holds }
        })
    });
    columns.chain(others).chain(indexes).chain(checks).chain(keys).chain(companion).collect()
}

/// What a database's catalogue is asked about a table.
struct Catalogue<'t> {
    table: &'t Table,
    /// The session table's name, or its companion's.
    name: &'t str,
}

impl Catalogue<'_> {
    fn literal(&self, text: &str) -> String {
        self.table.dialect.literal(text)
    }

    /// The table, for PostgreSQL.
    fn regclass(&self) -> String {
        format!("to_regclass({})", self.literal(&self.table.dialect.table(self.name)))
    }

    /// The row is of the table, for a catalogue of MySQL's under this alias.
    fn is_of_table(&self, alias: &str) -> String {
        let (namespace, bare) = (self.mysql_namespace(), self.literal(self.split().1));
        format!("{alias}.table_schema = {namespace} AND {alias}.table_name = {bare}")
    }

    fn exists_on_mysql(&self) -> String {
        let is_it = self.is_of_table("e");
        format!("EXISTS (SELECT 1 FROM information_schema.tables AS e WHERE {is_it})")
    }

    fn mysql_namespace(&self) -> String {
        self.split().0.map_or("DATABASE()".to_owned(), |name| self.literal(name))
    }

    /// The table, as SQLite's functions take it.
    fn arguments(&self) -> String {
        let (namespace, bare) = self.split();
        format!("{}, {}", self.literal(bare), self.literal(namespace.unwrap_or("main")))
    }

    fn split(&self) -> (Option<&str>, &str) {
        match self.name.rsplit_once('.') {
            Some((namespace, bare)) => (Some(namespace), bare),
            None => (None, self.name),
        }
    }

    fn column(&self, column: &TableColumn) -> String {
        let dialect = self.table.dialect;
        let key = match dialect {
            _ if !column.primary_key => "",
            Dialect::Postgres => {
                " AND EXISTS (SELECT 1 FROM pg_catalog.pg_constraint \
                 WHERE conrelid = attrelid AND contype = 'p' AND conkey = ARRAY[attnum])"
            }
            Dialect::MySql => " AND c.column_key = 'PRI'",
            Dialect::Sqlite => " AND pk = 1",
        };
        let has_default =
            column.default.as_deref().is_some_and(|default| !default.eq_ignore_ascii_case("null"));
        let default = match dialect {
            _ if !has_default => "",
            Dialect::Postgres => " AND atthasdef",
            // Of a default that is an expression, MySQL says so in `extra` alone.
            Dialect::MySql => " AND (c.column_default IS NOT NULL OR c.extra LIKE '%DEFAULT%')",
            Dialect::Sqlite => " AND dflt_value IS NOT NULL",
        };
        // MySQL has its own names for a type of the user's.
        let ty = match column.custom && dialect == Dialect::MySql {
            true => "",
            false => column.sql_type.as_str(),
        };
        self.has_column(&column.name, ty, column.nullable, &format!("{key}{default}"))
    }

    /// Whether the table has a column of this name, type and nullability; of any type where none is
    /// given.
    fn has_column(&self, column: &str, ty: &str, nullable: bool, more: &str) -> String {
        let name = self.literal(column);
        let not = if nullable { "NOT " } else { "" };
        match self.table.dialect {
            Dialect::Postgres => format!(
                "EXISTS (SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = {} \
                 AND attname = {name} AND atttypid = to_regtype({}) AND {not}attnotnull{more})",
                self.regclass(),
                self.literal(ty),
            ),
            Dialect::MySql => format!(
                "EXISTS (SELECT 1 FROM information_schema.columns AS c WHERE {} \
                 AND c.column_name = {name}{} AND c.is_nullable = '{}'{more})",
                self.is_of_table("c"),
                mysql_type(ty),
                if nullable { "YES" } else { "NO" },
            ),
            Dialect::Sqlite => format!(
                "EXISTS (SELECT 1 FROM pragma_table_info({}) WHERE name = {name} \
                 AND upper(type) = upper({}) AND {not}\"notnull\"{more})",
                self.arguments(),
                self.literal(ty),
            ),
        }
    }

    fn no_required_column_besides(&self) -> String {
        let names: Vec<_> =
            self.table.columns.iter().map(|column| self.literal(&column.name)).collect();
        let names = names.join(", ");
        match self.table.dialect {
            Dialect::Postgres => format!(
                "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = {} \
                 AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef \
                 AND attname NOT IN ({names}))",
                self.regclass(),
            ),
            Dialect::MySql => format!(
                "NOT EXISTS (SELECT 1 FROM information_schema.columns AS c WHERE {} \
                 AND c.is_nullable = 'NO' AND c.column_default IS NULL \
                 AND c.extra NOT LIKE '%DEFAULT%' AND c.column_name NOT IN ({names}))",
                self.is_of_table("c"),
            ),
            Dialect::Sqlite => format!(
                "NOT EXISTS (SELECT 1 FROM pragma_table_info({}) WHERE \"notnull\" \
                 AND dflt_value IS NULL AND name NOT IN ({names}))",
                self.arguments(),
            ),
        }
    }

    /// The texts as a list for `IN`.
    fn list(&self, texts: impl Iterator<Item = String>) -> String {
        let mut literals: Vec<_> = texts.map(|text| self.literal(&text)).collect();
        // No database has such a name, and PostgreSQL and MySQL take no empty list.
        literals.push("''".to_owned());
        literals.join(", ")
    }

    fn no_unique_index_besides(&self) -> String {
        let is_unique = |column: &&TableColumn| {
            let mut indexes = self.table.indexes.iter();
            indexes.any(|index| index.unique && index.column == column.name)
        };
        let others = self.table.columns.iter().filter(|column| !is_unique(column));
        let names = self.list(others.map(|column| self.table.unique_name(&column.name)));
        match self.table.dialect {
            Dialect::Postgres => format!(
                "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index \
                 JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid \
                 WHERE indrelid = {} AND indisunique AND relname IN ({names}))",
                self.regclass(),
            ),
            Dialect::MySql => format!(
                "NOT EXISTS (SELECT 1 FROM information_schema.statistics AS s WHERE {} \
                 AND s.non_unique = 0 AND s.index_name IN ({names}))",
                self.is_of_table("s"),
            ),
            Dialect::Sqlite => format!(
                "NOT EXISTS (SELECT 1 FROM pragma_index_list({}) WHERE name IN ({names}))",
                self.arguments(),
            ),
        }
    }

    fn no_check_besides(&self) -> String {
        let others = self.table.columns.iter().filter(|column| column.checked_values().is_none());
        if self.table.dialect == Dialect::Sqlite {
            let checks = others.map(|column| {
                let start = format!("CHECK ({} IN (", self.table.dialect.identifier(&column.name));
                format!("instr(sql, {})", self.literal(&start))
            });
            let checks = checks.collect::<Vec<_>>().join(" OR ");
            return format!(
                "NOT EXISTS (SELECT 1 FROM {} WHERE name = {} AND ({checks}))",
                self.sqlite_schema(),
                self.literal(self.split().1),
            );
        }
        self.no_constraint(others.map(|column| self.table.check_name(&column.name)))
    }

    fn no_foreign_key_besides(&self) -> String {
        let others = self.table.columns.iter().filter(|column| column.references.is_none());
        if self.table.dialect == Dialect::Sqlite {
            return format!(
                "NOT EXISTS (SELECT 1 FROM pragma_foreign_key_list({}) WHERE \"from\" IN ({}))",
                self.arguments(),
                self.list(others.map(|column| column.name.clone())),
            );
        }
        self.no_constraint(others.map(|column| self.table.foreign_key_name(&column.name)))
    }

    /// Whether the table has no constraint of these names, on PostgreSQL and MySQL.
    fn no_constraint(&self, names: impl Iterator<Item = String>) -> String {
        let names = self.list(names);
        match self.table.dialect {
            Dialect::MySql => format!(
                "NOT EXISTS (SELECT 1 FROM information_schema.table_constraints AS t \
                 WHERE {} AND t.constraint_name IN ({names}))",
                self.is_of_table("t"),
            ),
            _ => format!(
                "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint WHERE conrelid = {} \
                 AND conname IN ({names}))",
                self.regclass(),
            ),
        }
    }

    /// The catalogue that keeps a table's definition as a text.
    fn sqlite_schema(&self) -> String {
        let namespace = self.split().0.unwrap_or("main");
        format!("{}.sqlite_schema", self.table.dialect.identifier(namespace))
    }

    fn index(&self, index: &TableIndex) -> String {
        let (name, column) = (self.literal(&index.name), self.literal(&index.column));
        let not = if index.unique { "" } else { "NOT " };
        match self.table.dialect {
            Dialect::Postgres => format!(
                "EXISTS (SELECT 1 FROM pg_catalog.pg_index \
                 JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid \
                 JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = indkey[0] \
                 WHERE indrelid = {} AND relname = {name} AND attname = {column} \
                 AND indnatts = 1 AND indisvalid AND {not}indisunique AND indpred IS NULL)",
                self.regclass(),
            ),
            Dialect::MySql => format!(
                "EXISTS (SELECT 1 FROM information_schema.statistics AS s WHERE {} \
                 AND s.index_name = {name} AND s.column_name = {column} AND s.non_unique = {})",
                self.is_of_table("s"),
                i32::from(!index.unique),
            ),
            Dialect::Sqlite => format!(
                "EXISTS (SELECT 1 FROM pragma_index_list({}) AS l \
                 JOIN pragma_index_info(l.name) AS i ON i.name = {column} \
                 WHERE l.name = {name} AND {not}l.\"unique\" AND NOT l.partial)",
                self.arguments(),
            ),
        }
    }

    fn check(&self, column: &TableColumn, values: &[String]) -> String {
        let name = self.literal(&self.table.check_name(&column.name));
        match self.table.dialect {
            Dialect::Postgres => format!(
                "EXISTS (SELECT 1 FROM pg_catalog.pg_constraint WHERE conrelid = {} \
                 AND conname = {name} AND contype = 'c' \
                 AND position({} IN pg_get_constraintdef(oid)) > 0)",
                self.regclass(),
                self.literal(&postgres_set(values)),
            ),
            Dialect::MySql => format!(
                "EXISTS (SELECT 1 FROM information_schema.table_constraints AS t \
                 JOIN information_schema.check_constraints AS c \
                 ON c.constraint_schema = t.constraint_schema \
                 AND c.constraint_name = t.constraint_name \
                 WHERE {} AND t.constraint_name = {name}{})",
                self.is_of_table("t"),
                mysql_set(values),
            ),
            Dialect::Sqlite => format!(
                "EXISTS (SELECT 1 FROM {} WHERE name = {} AND instr(sql, {}))",
                self.sqlite_schema(),
                self.literal(self.split().1),
                self.literal(&self.table.bare_check(column).unwrap_or_default()),
            ),
        }
    }

    fn foreign_key(&self, column: &TableColumn) -> Option<String> {
        let target = column.references.as_ref()?;
        let dialect = self.table.dialect;
        let name = self.literal(&self.table.foreign_key_name(&column.name));
        let bare = self.literal(target.table.rsplit('.').next().unwrap_or(&target.table));
        let (rule, letter) = match target.on_delete {
            OnDelete::Cascade => ("CASCADE", 'c'),
            OnDelete::Restrict => ("RESTRICT", 'r'),
            OnDelete::SetNull => ("SET NULL", 'n'),
        };
        Some(match dialect {
            Dialect::Postgres => format!(
                "EXISTS (SELECT 1 FROM pg_catalog.pg_constraint WHERE conrelid = {} \
                 AND conname = {name} AND confrelid = to_regclass({}) AND confdeltype = '{letter}')",
                self.regclass(),
                self.literal(&dialect.table(&target.table)),
            ),
            Dialect::MySql => format!(
                "EXISTS (SELECT 1 FROM information_schema.referential_constraints AS r \
                 WHERE r.constraint_schema = {} AND r.table_name = {} \
                 AND r.constraint_name = {name} AND r.referenced_table_name = {bare} \
                 AND r.delete_rule = '{rule}')",
                self.mysql_namespace(),
                self.literal(self.split().1),
            ),
            Dialect::Sqlite => format!(
                "EXISTS (SELECT 1 FROM pragma_foreign_key_list({}) WHERE \"from\" = {} \
                 AND \"table\" = {bare} AND on_delete = '{rule}')",
                self.arguments(),
                self.literal(&column.name),
            ),
        })
    }
}

/// The values of a `CHECK`, as PostgreSQL shows them.
fn postgres_set(values: &[String]) -> String {
    let value = |value: &String| format!("{}::text", Dialect::Postgres.literal(value));
    match values {
        [one] => format!("= {}", value(one)),
        many => {
            format!("= ANY (ARRAY[{}])", many.iter().map(value).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The condition that a `CHECK` of MySQL's, or MariaDB's, has these values.
fn mysql_set(values: &[String]) -> String {
    // The two show other characters in their own ways; the check's name has to do.
    let is_plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    if !values.iter().all(|value| value.chars().all(is_plain)) {
        return String::new();
    }
    let values: Vec<_> = values.iter().map(|value| format!("''{value}''")).collect();
    // MySQL puts the character set before each value, and a backslash before each quote.
    format!(
        " AND INSTR(REPLACE(REPLACE(c.check_clause, '_utf8mb4', ''), CHAR(92), ''), \
         'in ({})') > 0",
        values.join(",")
    )
}

/// The condition that a column is of a type, as MySQL's catalogue spells it and MariaDB's.
fn mysql_type(ty: &str) -> String {
    let ty = ty.to_ascii_lowercase();
    let pattern = match ty.as_str() {
        "" => return String::new(),
        "boolean" => "tinyint[(]1[)]".to_owned(),
        // A display width says nothing about an integer's range.
        "smallint" | "bigint" => format!("{ty}([(][0-9]+[)])?"),
        "integer" => "int([(][0-9]+[)])?".to_owned(),
        // MariaDB's JSON is a text.
        "json" => "(json|longtext)".to_owned(),
        _ => ty.replace('(', "[(]").replace(')', "[)]"),
    };
    format!(
        " AND c.column_type REGEXP '^{pattern}$' \
         AND COALESCE(c.collation_name, 'utf8mb4_bin') = 'utf8mb4_bin'"
    )
}
