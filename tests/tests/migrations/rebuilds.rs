//! SQLite's rebuild: all or nothing, in a transaction that leaves its connection as it was, and
//! nothing of the user's is lost.

use anchor::column::ColumnType;
use anchor::migrate;
use anchor::schema::{ColumnSchema, Dialect, Schema};

use crate::scene::{Scene, on, on_every_database, sessions};

fn optional(name: &'static str) -> ColumnSchema {
    ColumnSchema::new(name, ColumnType::Text, true)
}

/// The struct's next form needs the table anew.
async fn before(scene: &Scene) -> Schema {
    let old = sessions(&[optional("order"), optional("a")]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["first", "1"], &["second", "2"]]).await;
    sessions(&[optional("order").default("'none'"), optional("a")])
}

/// Runs the newest file, which fails for this reason and changes nothing.
async fn fails(scene: &Scene, new: &Schema, reason: &str) {
    let foreign_keys =
        scene.live.rows("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys");
    let foreign_keys = foreign_keys.await.expect("a setting");
    let table = scene.live.catalogue("sessions").await.expect("a table");
    migrate::write(new, &scene.migrations()).expect("a file");
    let error = scene.live.run(scene.scratch.path()).await.expect_err("a failure").to_string();
    assert!(error.contains(reason), "{error}");
    assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), table);
    let after = scene.live.rows("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys");
    assert_eq!(after.await.expect("a setting"), foreign_keys);
    // The pool's one connection is in no transaction: what it writes, another one reads.
    scene.live.execute("CREATE TABLE later (n INTEGER)").await.expect("a table");
    let other = scene.live.another_connection().await;
    other.execute("SELECT n FROM later").await.expect("it was committed");
    assert_eq!(scene.values("order").await, ["first", "second"]);
}

async fn finishes(scene: &Scene) {
    scene.live.run(scene.scratch.path()).await.expect("the second time");
    assert_eq!(scene.values("order").await, ["first", "second"]);
}

#[tokio::test]
async fn a_column_of_the_users_own_is_not_lost() {
    on(Dialect::Sqlite, async |scene: Scene| {
        let new = before(&scene).await;
        scene.live.execute("ALTER TABLE sessions ADD COLUMN mine TEXT").await.expect("a column");
        fails(&scene, &new, "the table has a column that the struct does not know").await;
        scene.live.execute("ALTER TABLE sessions DROP COLUMN mine").await.expect("gone");
        finishes(&scene).await;
    })
    .await;
}

#[tokio::test]
async fn an_index_of_the_users_own_is_not_lost() {
    on(Dialect::Sqlite, async |scene: Scene| {
        let new = before(&scene).await;
        scene.live.execute("CREATE INDEX mine ON sessions (a)").await.expect("an index");
        fails(&scene, &new, "the table has an index that the struct does not know").await;
        scene.live.execute("DROP INDEX mine").await.expect("gone");
        finishes(&scene).await;
    })
    .await;
}

#[tokio::test]
async fn a_trigger_is_not_lost() {
    on(Dialect::Sqlite, async |scene: Scene| {
        let new = before(&scene).await;
        let trigger =
            "CREATE TRIGGER mine AFTER DELETE ON sessions BEGIN DELETE FROM sessions; END";
        scene.live.execute(trigger).await.expect("a trigger");
        fails(&scene, &new, "the table has a trigger").await;
        scene.live.execute("DROP TRIGGER mine").await.expect("gone");
        finishes(&scene).await;
    })
    .await;
}

/// Puts something into the table's definition, which no statement but a rebuild can.
async fn redefine(scene: &Scene, what: &str, by: &str) {
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'sessions'";
    let sql = scene.live.rows(sql).await.expect("a table").remove(0).remove(0);
    assert!(sql.contains(what), "{sql}");
    let indexes = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
    let indexes = scene.live.rows(indexes).await.expect("indexes").concat().join(";");
    let sql = sql.replacen(what, by, 1).replacen("sessions", "anew", 1);
    for statement in [
        "CREATE TABLE users (id TEXT PRIMARY KEY); INSERT INTO users VALUES ('1'), ('2')",
        &sql,
        "INSERT INTO anew SELECT * FROM sessions",
        "DROP TABLE sessions",
        "ALTER TABLE anew RENAME TO sessions",
        &indexes,
    ] {
        scene.live.execute(statement).await.unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
}

#[tokio::test]
async fn what_the_user_wrote_into_the_definition_is_not_lost() {
    let cases = [
        ("a TEXT", "a TEXT CHECK (LENGTH(a) < 9)", "the table has a CHECK"),
        ("CHECK (rotation_state IN (", "CHECK (rotation_state IN ('', ", "the table has a CHECK"),
        ("\n)", ",\n    CONSTRAINT mine UNIQUE (a, version))", "the table has a UNIQUE"),
        ("a TEXT", "a TEXT UNIQUE", "the table has a UNIQUE"),
        ("a TEXT", "a TEXT COLLATE NOCASE", "the table has a COLLATE"),
        ("a TEXT", "a TEXT REFERENCES users (id)", "the table has a foreign key"),
        ("\n)", ",\n    FOREIGN KEY (a) REFERENCES users (id))", "the table has a foreign key"),
        ("\n)", "\n) WITHOUT ROWID", "the table has STRICT or WITHOUT ROWID"),
        ("BOOLEAN", "INTEGER", "the table has something"),
        ("a TEXT", "a TEXT DEFAULT 'mine'", "the table has something"),
        (
            "\n)",
            ",\n    twice TEXT AS (a || a) STORED)",
            "the table has a column that the struct does not know",
        ),
    ];
    for (what, by, reason) in cases {
        on(Dialect::Sqlite, async |scene: Scene| {
            let old = sessions(&[optional("order"), optional("a")]);
            scene.migrate(&old).await;
            scene.insert(&old, &[&["first", "1"], &["second", "2"]]).await;
            let what = what.replace("a TEXT", "a                      TEXT");
            redefine(&scene, &what, &by.replace("a TEXT", "a                      TEXT")).await;
            let new = sessions(&[optional("order").default("'none'"), optional("a")]);
            fails(&scene, &new, reason).await;
        })
        .await;
    }
    on(Dialect::Sqlite, async |scene: Scene| {
        let new = before(&scene).await;
        let strict = "SELECT REPLACE(sql, 'BOOLEAN', 'INTEGER') || ' STRICT' FROM sqlite_schema \
                      WHERE name = 'sessions'";
        let strict = scene.live.rows(strict).await.expect("a table").remove(0).remove(0);
        scene.live.execute("ALTER TABLE sessions RENAME TO lax").await.expect("another name");
        scene.live.execute(&strict).await.expect("a table");
        scene.live.execute("INSERT INTO sessions SELECT * FROM lax").await.expect("rows");
        scene.live.execute("DROP TABLE lax").await.expect("gone");
        fails(&scene, &new, "the table has STRICT or WITHOUT ROWID").await;
    })
    .await;
}

/// What anchor's own migrations leave, in every way that they change a definition's text, is known.
#[tokio::test]
async fn what_anchor_wrote_into_the_definition_is_known() {
    on(Dialect::Sqlite, async |scene: Scene| {
        const ROLE: ColumnType = ColumnType::Enum(&["boss", "it's, a CHECK ("]);
        let of = |table, columns: &[ColumnSchema]| Schema::new(table, columns.to_vec().leak());
        let role = ColumnSchema::new("a role", ROLE, true);
        let known = |name| ColumnSchema::new(name, ColumnType::Bytes, true).index();
        let json = ColumnSchema::new("j", ColumnType::Json, true);
        for schema in [
            of("sessions", &[optional("order"), role, json, known("x")]),
            of("sessions", &[optional("order"), role, known("x"), optional("-- JSON")]),
            of(
                "user sessions",
                &[optional("order"), role.renamed_from("a role"), optional("-- JSON"), known("z")],
            )
            .renamed_from("sessions"),
            of("user sessions", &[optional("Order by").renamed_from("order"), role, known("z")]),
            of("user sessions", &[optional("Order by").default("'1'"), role, known("z")]),
        ] {
            scene.drop(&schema).await;
        }
        for _ in 0..4 {
            scene.undo().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_index_of_the_users_own_under_a_name_of_anchors_is_not_lost() {
    on(Dialect::Sqlite, async |scene: Scene| {
        let new = before(&scene).await;
        for sql in [
            "DROP INDEX sessions_expires_at_idx",
            "CREATE INDEX sessions_expires_at_idx ON sessions (expires_at) WHERE remembered",
        ] {
            scene.live.execute(sql).await.expect("an index");
        }
        fails(&scene, &new, "the table has an index that the struct does not know").await;
    })
    .await;
}

#[tokio::test]
async fn views_and_triggers_elsewhere_follow_the_columns_or_stop_the_rebuild() {
    on(Dialect::Sqlite, async |scene: Scene| {
        before(&scene).await;
        for sql in [
            "CREATE TABLE other_sessions (a TEXT)",
            "CREATE VIEW seen AS SELECT a FROM Sessions",
            "CREATE VIEW others AS SELECT a FROM other_sessions",
            "CREATE TRIGGER mine AFTER DELETE ON other_sessions BEGIN \
             UPDATE \"sessions\" SET a = 'x'; END",
        ] {
            scene.live.execute(sql).await.expect("it is made");
        }
        // Columns that keep their names are what they read.
        scene.migrate(&sessions(&[optional("order").default("'none'"), optional("a")])).await;
        let seen = "SELECT a FROM seen ORDER BY a";
        assert_eq!(scene.live.rows(seen).await.expect("a view"), [["1"], ["2"]]);
        let new = sessions(&[optional("order"), optional("b").renamed_from("a")]);
        fails(&scene, &new, "a view reads the table, and its columns change").await;
        scene.live.execute("DROP VIEW seen; DROP TABLE later").await.expect("gone");
        let error = scene.live.run(scene.scratch.path()).await.expect_err("a failure").to_string();
        assert!(error.contains("a trigger reads or writes the table"), "{error}");
        scene.live.execute("DROP TRIGGER mine").await.expect("gone");
        finishes(&scene).await;
        let others = scene.live.rows("SELECT a FROM others").await.expect("another's view");
        assert!(others.is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_references_the_sessions_in_another_way_is_not_lost() {
    on(Dialect::Sqlite, async |scene: Scene| {
        let new = before(&scene).await;
        scene
            .live
            .execute(
                "CREATE TABLE devices (id BLOB REFERENCES sessions (id) \
                 ON UPDATE CASCADE ON DELETE CASCADE); \
                 INSERT INTO devices SELECT id FROM sessions",
            )
            .await
            .expect("a table");
        fails(&scene, &new, "a table references this one ON UPDATE, or not its id").await;
        assert_eq!(scene.live.count("devices").await.expect("a table"), 2);
    })
    .await;
}

#[tokio::test]
async fn foreign_keys_stay_off_where_they_are_off_and_on_where_they_are_on() {
    for state in ["OFF", "ON"] {
        on(Dialect::Sqlite, async |scene: Scene| {
            let new = before(&scene).await;
            scene
                .live
                .execute(
                    "CREATE TABLE devices (id BLOB REFERENCES sessions (id) ON DELETE CASCADE); \
                     INSERT INTO devices SELECT id FROM sessions",
                )
                .await
                .expect("a table");
            let set = format!("PRAGMA foreign_keys = {state}");
            scene.live.execute(&set).await.expect("a setting");
            scene.migrate(&new).await;
            let is = scene.live.rows("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys");
            assert_eq!(is.await.expect("a setting"), [[u8::from(state == "ON").to_string()]]);
            assert_eq!(scene.live.count("devices").await.expect("a table"), 2);
            let orphans = scene.live.rows("SELECT \"table\" FROM pragma_foreign_key_check");
            assert!(orphans.await.expect("a check").is_empty());
        })
        .await;
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_nothing_behind_and_the_file_runs_again() {
    on(Dialect::Sqlite, async |scene: Scene| {
        let new = before(&scene).await;
        migrate::write(&new, &scene.migrations()).expect("a file");
        let names = scene.scratch.names();
        let newest = names.iter().rfind(|name| name.ends_with(".up.sql")).expect("a file");
        let path = scene.scratch.path().join(newest);
        let honest = std::fs::read_to_string(&path).expect("a text");
        let statements: Vec<_> = honest.split(";\n").collect();
        let table = scene.live.catalogue("sessions").await.expect("a table");
        // After each of its statements.
        for at in 1..statements.len() {
            let broken =
                format!("{};\nSELECT nothing FROM nowhere;\n", statements[..at].join(";\n"));
            std::fs::write(&path, broken).expect("a file");
            scene.live.run(scene.scratch.path()).await.expect_err("it is broken");
            assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), table);
            assert_eq!(scene.values("order").await, ["first", "second"]);
        }
        std::fs::write(&path, honest).expect("a file");
        finishes(&scene).await;
    })
    .await;
}

on_every_database! {
    the_tables_name_changes_in_case_alone
}

async fn the_tables_name_changes_in_case_alone(scene: Scene) {
    let of = |name, column: ColumnSchema| Schema::new(name, vec![column].leak());
    let old = of("Sessions", optional("a"));
    scene.migrate(&old).await;
    scene.insert(&old, &[&["1"]]).await;
    scene.migrate(&of("sessions", optional("a")).renamed_from("Sessions")).await;
    assert_eq!(scene.values("a").await, ["1"]);
    scene.undo().await;
    // With more in the same step.
    let more = of("sessions", optional("a").default("'x'")).renamed_from("Sessions");
    scene.migrate(&more).await;
    assert_eq!(scene.values("a").await, ["1"]);
}
