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
