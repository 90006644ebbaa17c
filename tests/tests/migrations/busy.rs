//! A table that is in use while it is migrated: nobody writes between the statements, nobody waits
//! long, and what failed can be run again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anchor::column::ColumnType;
use anchor::migrate;
use anchor::schema::{ColumnSchema, Dialect, OnChange, Schema};

use crate::live::Live;
use crate::scene::{Scene, on, on_every_database, sessions};

fn optional(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, true)
}

fn required(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, false)
}

on_every_database! {
    nobody_writes_between_cleaning_and_altering
    nobody_writes_between_cleaning_and_altering_to_a_default
    a_reader_stops_nobody_for_long
    several_replicas_migrate_at_once
    duplicates_are_found_before_anything_changes
    orphans_are_found_before_anything_changes
}

/// Logs in without an organisation, over and over; how often it was refused for another reason
/// than that the column is required now.
fn writer(live: Live, schema: Schema, stop: Arc<AtomicBool>, broken: Arc<AtomicUsize>) {
    tokio::spawn(async move {
        let dialect = live.dialect();
        while !stop.load(Ordering::Relaxed) {
            static NEXT: AtomicUsize = AtomicUsize::new(1_000);
            let row = NEXT.fetch_add(1, Ordering::Relaxed);
            let row = uuid::Uuid::from_u128(row as u128);
            let id = match dialect {
                Dialect::Postgres => format!("'{row}'"),
                _ => format!("x'{}'", row.simple()),
            };
            let written = live.execute(&insert(dialect, &schema, &id, "NULL")).await;
            if let Err(sqlx::Error::Database(error)) = written {
                let required_now = matches!(
                    error.code().as_deref(),
                    // NOT NULL; and on SQLite a busy file.
                    Some("23502" | "23514" | "23000" | "1299" | "5" | "517")
                );
                if !required_now {
                    broken.fetch_add(1, Ordering::Relaxed);
                    eprintln!("{error:?}");
                }
            }
        }
    });
}

fn insert(dialect: Dialect, schema: &Schema, id: &str, org: &str) -> String {
    let mut names = Vec::new();
    let mut values = Vec::new();
    for system in schema.system_columns() {
        names.push(system.column.name);
        values.push(match system.column.name {
            "id" => id.to_owned(),
            name if name.ends_with("_hash") => match dialect {
                Dialect::Postgres => format!("'\\x{}'", "00".repeat(32)),
                _ => format!("x'{}'", "00".repeat(32)),
            },
            _ => crate::tables::value(dialect, &system.column, 2),
        });
    }
    names.push("org");
    values.push(org.to_owned());
    format!("INSERT INTO sessions ({}) VALUES ({})", names.join(", "), values.join(", "))
}

async fn with_writers(scene: &Scene, new: ColumnSchema) -> Vec<String> {
    let old = sessions(&[optional("org", ColumnType::BigInt)]);
    scene.migrate(&old).await;
    let (stop, broken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..4 {
        writer(scene.live.clone(), old, Arc::clone(&stop), Arc::clone(&broken));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    scene.migrate(&sessions(&[new])).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.store(true, Ordering::Relaxed);
    assert_eq!(broken.load(Ordering::Relaxed), 0, "no login failed for the migration");
    scene.values("org").await
}

async fn nobody_writes_between_cleaning_and_altering(scene: Scene) {
    let new = required("org", ColumnType::BigInt).on_change(OnChange::EndSessions);
    assert!(with_writers(&scene, new).await.is_empty(), "all of them had none");
}

async fn nobody_writes_between_cleaning_and_altering_to_a_default(scene: Scene) {
    let left = with_writers(&scene, required("org", ColumnType::BigInt).default("42")).await;
    assert!(!left.is_empty() && left.iter().all(|org| org == "42"), "{left:?}");
}

async fn a_reader_stops_nobody_for_long(scene: Scene) {
    if scene.dialect() == Dialect::Sqlite {
        // Readers of a file in WAL mode stop no writer.
        return;
    }
    let old = sessions(&[]);
    scene.migrate(&old).await;
    let reader = scene.live.reader().await;
    let new = sessions(&[optional("theme", ColumnType::Text)]);
    migrate::write(&new, &scene.migrations()).expect("a file");
    let folder = scene.scratch.path().to_owned();
    let live = scene.live.clone();
    let migration = tokio::spawn(async move { live.run_alone(&folder).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    scene.live.count("sessions").await.expect("an answer");
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    let error = migration.await.expect("no panic").expect_err("it gave up").to_string();
    assert!(error.contains("timeout"), "{error}");
    drop(reader);

    // As the file says.
    scene.run_what_the_file_says("DELETE FROM _sqlx_migrations WHERE NOT success").await;
    scene.live.run(scene.scratch.path()).await.expect("the second time");
    scene.live.execute("SELECT theme FROM sessions").await.expect("the column");
}

async fn several_replicas_migrate_at_once(scene: Scene) {
    if scene.dialect() != Dialect::Postgres {
        // On MariaDB sqlx's lock holds nobody: its `GET_LOCK(.., -1)` does not wait there.
        return;
    }
    let old = sessions(&[optional("a", ColumnType::BigInt), optional("b", ColumnType::BigInt)]);
    scene.migrate(&old).await;
    let rows: Vec<_> = (1..=3).map(|row| row.to_string()).collect();
    for row in &rows {
        scene.insert(&old, &[&[row, row]]).await;
    }
    let new = sessions(&[
        optional("a", ColumnType::BigInt).index(),
        optional("b", ColumnType::BigInt).unique(),
    ]);
    migrate::write(&new, &scene.migrations()).expect("a file");
    let replicas = (0..4).map(|_| {
        let (live, folder) = (scene.live.clone(), scene.scratch.path().to_owned());
        tokio::spawn(async move { live.run_alone(&folder).await })
    });
    for replica in replicas.collect::<Vec<_>>() {
        replica.await.expect("no panic").expect("every replica starts");
    }
    scene.try_insert(&new, &[&["1", "1"]]).await.expect_err("`b` is unique");
}

async fn duplicates_are_found_before_anything_changes(scene: Scene) {
    let old = sessions(&[optional("a", ColumnType::BigInt), optional("b", ColumnType::BigInt)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["7", "NULL"], &["7", "1"]]).await;
    let new = sessions(&[
        optional("a", ColumnType::BigInt).unique(),
        required("b", ColumnType::BigInt).on_change(OnChange::EndSessions),
        optional("c", ColumnType::BigInt),
    ]);
    scene.insert(&old, &[&["7", "2"]]).await;
    let before = scene.live.catalogue("sessions").await.expect("a table");
    migrate::write(&new, &scene.migrations()).expect("a file");
    let error = scene.live.run_alone(scene.scratch.path()).await.expect_err("two have the same");
    let message = error.to_string();
    assert!(message.contains("two sessions have the same a"), "{message}");
    assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), before);
    assert_eq!(scene.values("b").await, ["NULL", "1", "2"], "nobody was ended");

    // One goes, and the same file runs, without any repair.
    scene.live.execute("DELETE FROM sessions WHERE b = 2").await.expect("one less");
    scene.live.run(scene.scratch.path()).await.expect("the second time");
    assert_eq!(scene.values("b").await, ["1"]);
}

/// The statements of a comment in the file, from the words on.
fn repair(file: &str, words: &str) -> String {
    let text = file.replace("\n-- ", " ");
    let (_, after) = text.split_once(words).unwrap_or_else(|| panic!("{words} in {file}"));
    after.lines().next().expect("statements").to_owned()
}

fn newest(scene: &Scene) -> String {
    let names = scene.scratch.names();
    let name = names.iter().rfind(|name| name.ends_with(".up.sql")).expect("a file");
    std::fs::read_to_string(scene.scratch.path().join(name)).expect("a text")
}

#[tokio::test]
async fn what_is_left_of_a_mysql_rename_is_done_as_the_file_says() {
    crate::scene::on(Dialect::MySql, async |scene: Scene| {
        let of = |name, column: ColumnSchema| Schema::new(name, vec![column].leak());
        let old = of("logins", optional("a", ColumnType::BigInt));
        scene.migrate(&old).await;
        scene.insert(&old, &[&["1"]]).await;
        scene.live.execute("CREATE TABLE sessions (n INT)").await.expect("the name is taken");
        let new = of("sessions", optional("a", ColumnType::BigInt).index()).renamed_from("logins");
        migrate::write(&new, &scene.migrations()).expect("a file");
        scene.live.run_alone(scene.scratch.path()).await.expect_err("the name is taken");
        scene.live.execute("DROP TABLE sessions").await.expect("gone");
        let repair = repair(&newest(&scene), "run the remaining ones by hand, and ");
        scene.live.execute("RENAME TABLE logins TO sessions").await.expect("by hand");
        scene.live.execute(&repair).await.expect("it is done");
        scene.live.run_alone(scene.scratch.path()).await.expect("nothing is left");
        assert_eq!(scene.values("a").await, ["1"]);
        scene.undo().await;
    })
    .await;
}

#[tokio::test]
async fn a_lax_mysql_cuts_no_text() {
    crate::scene::on(Dialect::MySql, async |mut scene: Scene| {
        let old = sessions(&[required("a", ColumnType::Text)]);
        scene.migrate(&old).await;
        scene.insert(&old, &[&["x".repeat(300).as_str()], &["short"]]).await;
        scene.live = scene.live.lax().await;
        let new = sessions(&[required("a", ColumnType::Text).index()]);
        migrate::write(&new, &scene.migrations()).expect("a file");
        let error = scene.live.run(scene.scratch.path()).await.expect_err("too long").to_string();
        assert!(error.contains("longer than 255 characters: a"), "{error}");
        assert_eq!(scene.values("a").await[0].len(), 300);
        scene.live.execute("DELETE FROM sessions WHERE CHAR_LENGTH(a) > 255").await.expect("gone");
        scene.live.run(scene.scratch.path()).await.expect("the second time");
        let mode = scene.live.rows("SELECT CAST(@@SESSION.sql_mode AS CHAR)").await.expect("it");
        assert_eq!(mode, [[""]], "as it was");
        assert_eq!(scene.values("a").await, ["short"]);
    })
    .await;
}

#[tokio::test]
async fn a_lax_mysql_cuts_no_bytes() {
    on(Dialect::MySql, async |mut scene: Scene| {
        let old = sessions(&[required("a", ColumnType::Bytes)]);
        scene.migrate(&old).await;
        scene.insert(&old, &[&["x".repeat(300).as_str()], &["short"]]).await;
        scene.live = scene.live.lax().await;
        let new = sessions(&[required("a", ColumnType::Bytes).unique()]);
        migrate::write(&new, &scene.migrations()).expect("a file");
        let error = scene.live.run(scene.scratch.path()).await.expect_err("too long").to_string();
        assert!(error.contains("longer than 255 bytes: a"), "{error}");
        scene.live.execute("DELETE FROM sessions WHERE LENGTH(a) > 255").await.expect("gone");
        scene.live.run(scene.scratch.path()).await.expect("the second time");
        assert_eq!(scene.live.count("sessions").await.expect("a table"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_mysql_file_that_fails_does_not_keep_its_lock_in_the_pool() {
    on(Dialect::MySql, async |scene: Scene| {
        let old = sessions(&[optional("n", ColumnType::BigInt)]);
        scene.migrate(&old).await;
        scene.insert(&old, &[&["1"]]).await;
        let new = sessions(&[required("n", ColumnType::BigInt).on_change(OnChange::EndSessions)]);
        let written = migrate::write(&new, &scene.migrations()).expect("files");
        let honest = std::fs::read_to_string(&written[0]).expect("a text");
        let (before, _) = honest.split_once("ALTER TABLE").expect("a change");
        assert!(before.contains("LOCK TABLES"), "{before}");
        let broken = format!("{before}SELECT nothing FROM nowhere;\n");
        std::fs::write(&written[0], broken).expect("a file");
        scene.live.run(scene.scratch.path()).await.expect_err("it fails");

        let other = scene.live.again();
        let answered = tokio::time::timeout(Duration::from_secs(30), other.count("sessions")).await;
        assert_eq!(answered.expect("nobody holds the table").expect("an answer"), 1);
        let setting = "SELECT CAST(@@SESSION.lock_wait_timeout AS CHAR)";
        assert_ne!(scene.live.rows(setting).await.expect("a setting"), [["5"]]);

        std::fs::write(&written[0], honest).expect("a file");
        scene.run_what_the_file_says("DELETE FROM _sqlx_migrations WHERE NOT success").await;
        scene.live.run(scene.scratch.path()).await.expect("the second time");
        let timeout = "SELECT CAST(@@SESSION.wait_timeout > 5 AS CHAR)";
        assert_eq!(scene.live.rows(timeout).await.expect("a setting"), [["1"]]);
    })
    .await;
}

#[tokio::test]
async fn nobody_uses_a_mysql_table_while_its_foreign_key_is_made_anew() {
    on(Dialect::MySql, async |scene: Scene| {
        let orgs = "CREATE TABLE orgs (id BIGINT NOT NULL PRIMARY KEY)";
        scene.live.execute(orgs).await.expect("a table");
        let to = anchor::schema::Reference::new("orgs", "id", anchor::schema::OnDelete::Cascade);
        scene.migrate(&sessions(&[required("org", ColumnType::BigInt).references(to)])).await;
        let new = sessions(&[optional("org", ColumnType::BigInt).references(to)]);
        let written = migrate::write(&new, &scene.migrations()).expect("files");
        let text = std::fs::read_to_string(&written[0]).expect("a text");
        let dropped = "DEALLOCATE PREPARE anchor_step;\n";
        assert!(text.contains(dropped), "{text}");
        let slow = text.replace(dropped, &format!("{dropped}DO SLEEP(2);\n"));
        std::fs::write(&written[0], slow).expect("a file");
        let (live, folder) = (scene.live.clone(), scene.scratch.path().to_owned());
        let migration = tokio::spawn(async move { live.run_alone(&folder).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        // It would make the statement after the drop give up.
        let reader = scene.live.reader().await;
        migration.await.expect("no panic").expect("it is done first");
        drop(reader);
        let catalogue = scene.live.catalogue("sessions").await.expect("a table");
        assert!(catalogue.iter().any(|line| line.contains("sessions_org_fkey")), "{catalogue:?}");
    })
    .await;
}

#[tokio::test]
async fn mysql_locks_no_table_that_it_does_not_look_into() {
    on(Dialect::MySql, async |scene: Scene| {
        for sql in [
            "CREATE TABLE orgs (id BIGINT NOT NULL PRIMARY KEY)",
            "CREATE TABLE users (id BIGINT NOT NULL PRIMARY KEY)",
        ] {
            scene.live.execute(sql).await.expect("a table");
        }
        let to =
            |table| anchor::schema::Reference::new(table, "id", anchor::schema::OnDelete::Cascade);
        let user = optional("user", ColumnType::BigInt).references(to("users"));
        let org = optional("org", ColumnType::BigInt);
        scene.migrate(&sessions(&[user, org, optional("n", ColumnType::BigInt)])).await;
        let n = required("n", ColumnType::BigInt).on_change(OnChange::EndSessions);
        let file = scene.migrate(&sessions(&[user, org.references(to("orgs")), n])).await;
        assert!(file.contains("LOCK TABLES sessions WRITE, orgs READ;"), "{file}");
        scene.undo().await;
    })
    .await;
}

#[tokio::test]
async fn sqlite_waits_for_writers_on_other_connections() {
    on(Dialect::Sqlite, async |scene: Scene| {
        let org = optional("org", ColumnType::BigInt);
        let old = sessions(&[org]);
        scene.migrate(&old).await;
        let (stop, broken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let others = scene.live.another_connection().await;
        for _ in 0..4 {
            writer(others.clone(), old, Arc::clone(&stop), Arc::clone(&broken));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Each of these builds the table anew, and asserts before it does.
        for default in ["1", "2", "3", "4", "5", "6", "7", "8"] {
            scene.migrate(&sessions(&[org.default(default)])).await;
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(broken.load(Ordering::Relaxed), 0);
        assert!(scene.live.count("sessions").await.expect("a table") > 0);
    })
    .await;
}

async fn orphans_are_found_before_anything_changes(scene: Scene) {
    scene
        .live
        .execute("CREATE TABLE orgs (id BIGINT NOT NULL PRIMARY KEY)")
        .await
        .expect("a table");
    scene.live.execute("INSERT INTO orgs VALUES (1)").await.expect("a row");
    let old = sessions(&[optional("org", ColumnType::BigInt)]);
    scene.migrate(&old).await;
    scene.insert(&old, &[&["1"], &["2"], &["NULL"]]).await;
    let target = anchor::schema::Reference::new("orgs", "id", anchor::schema::OnDelete::Cascade);
    let new = sessions(&[optional("org", ColumnType::BigInt).references(target)]);
    migrate::write(&new, &scene.migrations()).expect("a file");
    let before = scene.live.catalogue("sessions").await.expect("a table");
    let error =
        scene.live.run_alone(scene.scratch.path()).await.expect_err("an orphan").to_string();
    assert!(error.contains("a session references no row: org"), "{error}");
    assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), before);
    scene.live.execute("INSERT INTO orgs VALUES (2)").await.expect("a row");
    scene.live.run(scene.scratch.path()).await.expect("the second time");
    assert_eq!(scene.values("org").await, ["1", "2", "NULL"]);
    scene.live.execute("DELETE FROM orgs WHERE id = 1").await.expect("one less");
    assert_eq!(scene.values("org").await, ["2", "NULL"], "ended with it");
}

#[tokio::test]
async fn postgres_looks_through_the_rows_in_a_file_of_its_own_and_each_file_goes_back() {
    crate::scene::on(Dialect::Postgres, async |scene: Scene| {
        let old = sessions(&[optional("org", ColumnType::BigInt)]);
        scene.migrate(&old).await;
        scene.insert(&old, &[&["1"], &["NULL"]]).await;
        let before = scene.live.catalogue("sessions").await.expect("a table");
        let new = required("org", ColumnType::BigInt).on_change(OnChange::EndSessions);
        let written = migrate::write(&sessions(&[new]), &scene.migrations()).expect("files");
        let [change, _, validate, _] = written.as_slice() else { panic!("{written:?}") };
        let text = std::fs::read_to_string(change).expect("a text");
        assert!(text.contains("NOT VALID") && !text.contains("SET NOT NULL"), "{text}");
        let text = std::fs::read_to_string(validate).expect("a text");
        let statements: Vec<&str> = text.split(';').collect();
        let at = |words: &str| statements.iter().position(|sql| sql.contains(words));
        let steps = ["VALIDATE CONSTRAINT", "SET NOT NULL", "DROP CONSTRAINT"].map(at);
        assert!(steps.is_sorted() && steps[0].is_some(), "{text}");
        assert!(steps[1] != steps[2], "in one statement the constraint goes first: {text}");

        // The second has not run yet, and the first is taken back.
        std::fs::remove_file(validate).expect("a file");
        let down = validate.to_string_lossy().replace(".up.sql", ".down.sql");
        std::fs::remove_file(down).expect("a file");
        scene.live.run(scene.scratch.path()).await.expect("the first");
        scene.undo().await;
        assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), before);
        assert_eq!(scene.values("org").await, ["1"]);
    })
    .await;
}
