//! A table with rows on a real database, and the migrations that change it.

use anchor::migrate::{self, MigrateError, Migrations};
use anchor::schema::{ColumnSchema, Dialect, Schema};

use crate::live::Live;
use crate::scratch::Scratch;
use crate::tables::value;

/// A database, and a folder of migrations for it.
pub(crate) struct Scene {
    pub(crate) live: Live,
    pub(crate) scratch: Scratch,
}

/// Runs the test on every database that there is.
macro_rules! on_every_database {
    ($($test:ident)+) => {
        mod on_sqlite {$(
            #[tokio::test]
            async fn $test() {
                crate::scene::on(anchor::schema::Dialect::Sqlite, super::$test).await;
            }
        )+}
        mod on_postgres {$(
            #[tokio::test]
            async fn $test() {
                crate::scene::on(anchor::schema::Dialect::Postgres, super::$test).await;
            }
        )+}
        mod on_mysql {$(
            #[tokio::test]
            async fn $test() {
                crate::scene::on(anchor::schema::Dialect::MySql, super::$test).await;
            }
        )+}
    };
}
pub(crate) use on_every_database;

pub(crate) async fn on(dialect: Dialect, test: impl AsyncFnOnce(Scene)) {
    if let Some(live) = Live::new(dialect).await {
        test(Scene { live, scratch: Scratch::new() }).await;
    }
}

/// A table `sessions` of these columns.
pub(crate) fn sessions(columns: &[ColumnSchema]) -> Schema {
    Schema::new("sessions", Vec::leak(columns.to_vec()))
}

impl Scene {
    pub(crate) fn dialect(&self) -> Dialect {
        self.live.dialect()
    }

    pub(crate) fn migrations(&self) -> Migrations {
        self.without_downtime().allow_downtime()
    }

    /// Those that old and new release can both live with.
    pub(crate) fn without_downtime(&self) -> Migrations {
        Migrations::in_folder(self.scratch.path()).dialect(self.dialect())
    }

    /// Writes the next migration and applies it; its text.
    pub(crate) async fn migrate(&self, schema: &Schema) -> String {
        self.write(schema, self.migrations()).await
    }

    /// The same, and values may be lost.
    pub(crate) async fn drop(&self, schema: &Schema) -> String {
        self.write(schema, self.migrations().allow_drops()).await
    }

    async fn write(&self, schema: &Schema, migrations: Migrations) -> String {
        let written = migrate::write(schema, &migrations).unwrap_or_else(|error| panic!("{error}"));
        let read = |file: &std::path::PathBuf| std::fs::read_to_string(file).expect("a file");
        let text = written.first().map_or_else(String::new, read);
        migrate::check(schema, &migrations).expect("struct and migrations agree");
        let ran = self.live.run(self.scratch.path()).await;
        ran.unwrap_or_else(|error| panic!("{error}\n{text}"));
        text
    }

    /// The message of the refusal.
    pub(crate) fn refused(&self, schema: &Schema) -> String {
        self.refusal(schema, &self.migrations())
    }

    /// The message of what is refused though values may be lost.
    pub(crate) fn refused_drop(&self, schema: &Schema) -> String {
        self.refusal(schema, &self.migrations().allow_drops())
    }

    fn refusal(&self, schema: &Schema, migrations: &Migrations) -> String {
        let before = self.scratch.names();
        let error = migrate::write(schema, migrations).expect_err("a refusal");
        assert!(matches!(error, MigrateError::Refused { .. }), "{error}");
        assert_eq!(self.scratch.names(), before);
        self.scratch.message(&error)
    }

    /// Runs a repair that the newest file offers, where it does.
    pub(crate) async fn run_what_the_file_says(&self, repair: &str) {
        let names = self.scratch.names();
        let newest = names.iter().rfind(|name| name.ends_with(".up.sql")).expect("a file");
        let text = std::fs::read_to_string(self.scratch.path().join(newest)).expect("a text");
        if text.replace("\n-- ", " ").contains(repair) {
            self.live.execute(repair).await.expect("the repair");
        }
    }

    /// Takes the latest migration back, with the files that go with it.
    pub(crate) async fn undo(&self) {
        let names = self.scratch.names();
        let goes_with = |name: &&String| {
            let (_, description) = name.split_once('_').expect("a description");
            let follows = ["validate_", "index_", "unindex_"];
            follows.iter().any(|word| description.starts_with(word))
                || description.ends_with("_after_deploy.up.sql")
        };
        let ups = names.iter().filter(|name| name.ends_with(".up.sql")).rev();
        let before = ups.skip_while(goes_with).nth(1).expect("a file before it");
        let target: i64 = before.split('_').next().and_then(|v| v.parse().ok()).expect("a version");
        self.live.undo(self.scratch.path(), target).await.expect("the way back");
        for name in names.iter().filter(|name| !name.starts_with(&target.to_string())) {
            if *name > format!("{target}_z") {
                std::fs::remove_file(self.scratch.path().join(name)).expect("a file");
            }
        }
    }

    /// A row of each of these texts, in the payload's columns in their order; `NULL` is `NULL`.
    pub(crate) async fn insert(&self, schema: &Schema, rows: &[&[&str]]) {
        self.try_insert(schema, rows).await.expect("rows");
    }

    pub(crate) async fn try_insert(
        &self,
        schema: &Schema,
        rows: &[&[&str]],
    ) -> Result<(), sqlx::Error> {
        let dialect = self.dialect();
        let table = dialect.table(schema.table);
        let first = self.live.count(schema.table).await?;
        for (row, cells) in rows.iter().enumerate() {
            let mut names = Vec::new();
            let mut values = Vec::new();
            for system in schema.system_columns() {
                names.push(dialect.identifier(system.column.name).into_owned());
                values.push(match system.column.name {
                    name if name.ends_with("_hash") => match dialect {
                        Dialect::Postgres => format!("'\\x{}'", "00".repeat(32)),
                        _ => format!("x'{}'", "00".repeat(32)),
                    },
                    "status" => "'active'".to_owned(),
                    _ => value(dialect, &system.column, first + row),
                });
            }
            for (column, cell) in schema.columns.iter().zip(*cells) {
                names.push(dialect.identifier(column.name).into_owned());
                values.push(match *cell {
                    "NULL" => "NULL".to_owned(),
                    cell => format!("'{}'", cell.replace('\'', "''")),
                });
            }
            self.live
                .execute(&format!(
                    "INSERT INTO {table} ({}) VALUES ({})",
                    names.join(", "),
                    values.join(", ")
                ))
                .await?;
        }
        Ok(())
    }

    /// A column's values as text, in the order in which the rows were inserted.
    pub(crate) async fn values(&self, column: &str) -> Vec<String> {
        self.live.texts("sessions", column).await.expect("the column is there")
    }
}
