//! What PostgreSQL's files do to a table in use: which rows they look through, which index is there
//! between them, and which index that is there they accept.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anchor::SessionData;
use anchor::column::ColumnType;
use anchor::migrate;
use anchor::schema::{ColumnSchema, Dialect, OnDelete, Reference, Schema, SchemaOptions};
use anchor::store::EndReason;

use crate::live::Live;
use crate::scene::{Scene, sessions};
use crate::sessions::{session, store};

const ROLES: ColumnType = ColumnType::Enum(&["admin", "member"]);

fn optional(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, true)
}

fn required(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, false)
}

/// Writes the files that lead to this struct: the version of each, with its text.
fn write(scene: &Scene, schema: &Schema) -> Vec<(i64, String)> {
    let written = migrate::write(schema, &scene.migrations()).expect("files");
    let is_up = |file: &&PathBuf| file.to_string_lossy().ends_with(".up.sql");
    let version = |file: &PathBuf| {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let (version, _) = name.split_once('_').expect("a version");
        version.parse().expect("a number")
    };
    let text = |file: &PathBuf| std::fs::read_to_string(file).expect("a text");
    written.iter().filter(is_up).map(|file| (version(file), text(file))).collect()
}

async fn lines(scene: &Scene, sql: &str) -> Vec<String> {
    let rows = scene.live.rows(sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    rows.into_iter().map(|row| row.join(" ")).collect()
}

/// The constraints that hold new rows alone.
async fn not_validated(scene: &Scene) -> Vec<String> {
    let sql = "SELECT CAST(conname AS text) FROM pg_constraint \
               WHERE conrelid = to_regclass('sessions') AND NOT convalidated ORDER BY 1";
    lines(scene, sql).await
}

/// The indexes on a column: each's name, and whether it is unique and valid.
async fn indexes_on(scene: &Scene, column: &str) -> Vec<String> {
    let sql = format!(
        "SELECT CAST(relname AS text), CASE WHEN indisunique THEN 'unique' ELSE 'plain' END, \
         CASE WHEN indisvalid THEN 'valid' ELSE 'INVALID' END \
         FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
         JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] \
         WHERE indrelid = to_regclass('sessions') AND attname = '{column}' ORDER BY 1"
    );
    lines(scene, &sql).await
}

#[tokio::test]
async fn the_checks_of_new_columns_are_validated_in_the_next_file() {
    crate::scene::on(Dialect::Postgres, async |scene: Scene| {
        scene.live.execute("CREATE TABLE orgs (id BIGINT PRIMARY KEY)").await.expect("a table");
        let old = sessions(&[optional("n", ColumnType::BigInt)]);
        scene.migrate(&old).await;
        scene.insert(&old, &[&["1"], &["2"]]).await;
        let before = scene.live.catalogue("sessions").await.expect("a table");
        let orgs = Reference::new("orgs", "id", OnDelete::Cascade);
        let new = sessions(&[
            optional("n", ColumnType::BigInt),
            required("role", ROLES).default("'member'"),
            required("org", ColumnType::BigInt).default("7").references(orgs),
            optional("parent", ColumnType::BigInt).references(orgs),
        ])
        .options(SchemaOptions::NONE.keep_ended());
        let files = write(&scene, &new);
        let (change, _) = files[0];
        let error = scene.live.run_alone(scene.scratch.path()).await.expect_err("there is no org");
        let message = error.to_string();
        assert!(message.contains("the default of org references no row of orgs"), "{message}");
        assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), before);
        scene.live.execute("INSERT INTO orgs VALUES (7)").await.expect("a row");
        scene.live.run_to(scene.scratch.path(), change).await.expect("the change");
        // A reference that is NULL in every row has no row to look at.
        let checks = ["sessions_org_fkey", "sessions_role_check", "sessions_status_check"];
        assert_eq!(not_validated(&scene).await, checks, "no row is looked at under the lock");
        let wrong = scene.live.execute("UPDATE sessions SET role = 'guest' WHERE n = 1").await;
        assert!(wrong.is_err(), "what is written from here on is held to it");

        scene.live.run(scene.scratch.path()).await.expect("the others");
        assert_eq!(not_validated(&scene).await, [""; 0]);
        assert_eq!(scene.values("role").await, ["member", "member"]);
        assert_eq!(scene.values("status").await, ["active", "active"]);
        scene.undo().await;
        assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), before);
    })
    .await;
}

#[tokio::test]
async fn a_default_that_the_check_refuses_fails_before_anything_is_committed() {
    for default in ["'guest'", "lower('GUEST')"] {
        crate::scene::on(Dialect::Postgres, async |scene: Scene| {
            let old = sessions(&[optional("n", ColumnType::BigInt)]);
            scene.migrate(&old).await;
            scene.insert(&old, &[&["1"]]).await;
            let before = scene.live.catalogue("sessions").await.expect("a table");
            let role = required("role", ROLES).default(default);
            write(&scene, &sessions(&[optional("n", ColumnType::BigInt), role]));
            let ran = scene.live.run_alone(scene.scratch.path()).await;
            let message = ran.expect_err("it is no role").to_string();
            assert!(message.contains("sessions_role_check"), "{message}");
            assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), before);
        })
        .await;
    }
}

#[tokio::test]
async fn a_default_that_may_differ_from_row_to_row_says_that_it_writes_the_table_anew() {
    crate::scene::on(Dialect::Postgres, async |scene: Scene| {
        let old = sessions(&[optional("n", ColumnType::BigInt)]);
        scene.migrate(&old).await;
        scene.insert(&old, &[&["1"], &["2"]]).await;
        let literal = required("kind", ColumnType::Text).default("'x'");
        let device = required("device", ColumnType::Uuid).default("gen_random_uuid()");
        let filenode = "SELECT CAST(pg_relation_filenode('sessions') AS text)";
        let first = lines(&scene, filenode).await;
        let text = scene.migrate(&sessions(&[optional("n", ColumnType::BigInt), literal])).await;
        assert!(!text.contains("rewritten"), "{text}");
        assert_eq!(lines(&scene, filenode).await, first, "no row was written");
        let text =
            scene.migrate(&sessions(&[optional("n", ColumnType::BigInt), literal, device])).await;
        let text = text.replace("\n-- ", " ");
        assert!(text.contains("default of `device` is an expression"), "{text}");
        assert!(text.contains("every row is rewritten"), "{text}");
        assert!(text.contains("neither read nor written"), "{text}");
        assert_ne!(lines(&scene, filenode).await, first, "as the file says");
    })
    .await;
}

#[tokio::test]
async fn the_first_file_waits_only_so_long_for_the_table_that_it_references() {
    crate::scene::on(Dialect::Postgres, async |scene: Scene| {
        scene.live.execute("CREATE TABLE users (id BIGINT PRIMARY KEY)").await.expect("a table");
        let Live::Postgres(pool) = &scene.live else { panic!("it is PostgreSQL") };
        let mut registration = pool.begin().await.expect("a transaction");
        let insert = sqlx::raw_sql("INSERT INTO users VALUES (1)");
        insert.execute(&mut *registration).await.expect("a user");
        let users = Reference::new("users", "id", OnDelete::Cascade);
        let user = required("user_id", ColumnType::BigInt).subject().references(users);
        write(&scene, &sessions(&[user]));
        let ran = scene.live.run_alone(scene.scratch.path());
        let ran = tokio::time::timeout(Duration::from_secs(30), ran).await.expect("it gives up");
        let error = ran.expect_err("somebody registers").to_string();
        assert!(error.contains("lock timeout"), "{error}");
        registration.commit().await.expect("the user stays");
        scene.live.run(scene.scratch.path()).await.expect("the second time");
    })
    .await;
}

/// The application holds the users, and wants the sessions, while the migration gets the sessions
/// and wants the users.
async fn the_application_wins(
    scene: &Scene,
    migration: impl AsyncFn() -> Result<(), sqlx::migrate::MigrateError>,
) {
    let Live::Postgres(pool) = &scene.live else { panic!("it is PostgreSQL") };
    let begin = async |sql: &'static str| {
        let mut transaction = pool.begin().await.expect("a transaction");
        sqlx::raw_sql(sql).execute(&mut *transaction).await.expect(sql);
        transaction
    };
    let mut request = begin("UPDATE users SET id = id").await;
    let reader = begin("SELECT * FROM sessions").await;
    let waiting = async |many: usize, at_most: u64| {
        let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM pg_locks WHERE NOT granted AND database = \
                   (SELECT oid FROM pg_database WHERE datname = current_database())";
        let wait = async {
            while scene.live.rows(sql).await.expect("the locks")[0][0] != many.to_string() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(at_most), wait).await;
    };
    let application = async {
        waiting(1, 10_000).await;
        let deletes = async { sqlx::raw_sql("DELETE FROM sessions").execute(&mut *request).await };
        let reads = async {
            waiting(2, 300).await;
            reader.commit().await
        };
        let (deleted, read) = tokio::join!(deletes, reads);
        read.expect("the reader has what it wants");
        deleted.expect("the application is not the one that fails");
    };
    let (ran, ()) = tokio::join!(migration(), application);
    request.rollback().await.expect("nothing is deleted");
    let error = ran.expect_err("it gave up").to_string();
    assert!(error.contains("lock timeout"), "{error}");
    migration().await.expect("the second time");
}

#[tokio::test]
async fn a_migration_gives_up_before_the_application_is_in_a_deadlock() {
    crate::scene::on(Dialect::Postgres, async |scene: Scene| {
        scene.live.execute("CREATE TABLE users (id BIGINT PRIMARY KEY)").await.expect("a table");
        scene.live.execute("INSERT INTO users VALUES (1)").await.expect("a user");
        let user = optional("user_id", ColumnType::BigInt);
        let to_users = |action| user.references(Reference::new("users", "id", action));
        scene.migrate(&sessions(&[])).await;
        let cascade = sessions(&[to_users(OnDelete::Cascade)]);
        let changes = [
            // A new reference, another, none, one on a column that is there, and that column goes.
            cascade,
            sessions(&[to_users(OnDelete::SetNull)]),
            sessions(&[user]),
            cascade,
            sessions(&[]),
        ];
        for (at, new) in changes.iter().enumerate() {
            migrate::write(new, &scene.migrations().allow_drops()).expect("written");
            let migration = async || scene.live.run_alone(scene.scratch.path()).await;
            the_application_wins(&scene, migration).await;
            if at == 0 {
                scene.insert(&cascade, &[&["1"]]).await;
            }
        }
        let names = scene.scratch.names();
        let first = names[0].split('_').next().expect("a version").parse().expect("a number");
        let back = async || scene.live.undo_alone(scene.scratch.path(), first).await;
        the_application_wins(&scene, back).await;
    })
    .await;
}

/// Replaces the index on `from` by another on `to`, and back; after each file one is there.
async fn replaces(scene: &Scene, old: &Schema, new: &Schema, from: &str, to: &str) {
    scene.migrate(old).await;
    let rows: &[&[&str]] = &[&["1", "1"], &["2", "2"]];
    scene.insert(old, rows).await;
    let before = scene.live.catalogue("sessions").await.expect("a table");
    let files = write(scene, new);
    let mut versions = vec![0];
    let mut states = Vec::new();
    for (version, text) in &files {
        let ran = scene.live.run_to(scene.scratch.path(), *version).await;
        ran.unwrap_or_else(|error| panic!("{error}\n{text}"));
        versions.push(*version);
        let column = if scene.live.texts("sessions", to).await.is_ok() { to } else { from };
        states.push(indexes_on(scene, column).await);
    }
    let has_two = |states: &[Vec<String>]| states.iter().any(|indexes| indexes.len() == 2);
    assert!(states.iter().all(|indexes| !indexes.is_empty()), "{states:?}");
    assert!(has_two(&states), "the new one is there before the old one goes: {states:?}");
    assert_eq!(states.last().expect("a file").len(), 1, "{states:?}");

    // The files before, of which the last is what it goes back to.
    let names = scene.scratch.names();
    let first = names[0].split('_').next().expect("a version").parse().expect("a number");
    versions[0] = first;
    let mut states = Vec::new();
    for target in versions.iter().rev().skip(1) {
        scene.live.undo(scene.scratch.path(), *target).await.expect("the way back");
        let column = if *target == first { from } else { to };
        states.push(indexes_on(scene, column).await);
    }
    assert!(states.iter().all(|indexes| !indexes.is_empty()), "{states:?}");
    assert!(has_two(&states), "{states:?}");
    assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), before);
    // And once more, with nothing in the way.
    scene.live.run(scene.scratch.path()).await.expect("forward again");
}

#[tokio::test]
async fn an_index_goes_when_the_one_in_its_place_is_built() {
    let (a, c) = (optional("a", ColumnType::BigInt), optional("c", ColumnType::BigInt));
    let b = optional("b", ColumnType::BigInt).renamed_from("a");
    for (old, new, to) in [
        (vec![a.index(), c], vec![a.unique(), c], "a"),
        (vec![a.unique(), c], vec![a.index(), c], "a"),
        // Something else changes, too.
        (vec![a.index(), c], vec![a.unique(), required("c", ColumnType::BigInt).default("7")], "a"),
        (vec![a.index(), c], vec![b.unique(), c], "b"),
        // The old one's name is wanted for another column.
        (vec![a.index(), c], vec![b.unique(), c, a.index()], "b"),
        (vec![a.unique(), c], vec![b.index(), c, a.unique()], "b"),
    ] {
        crate::scene::on(Dialect::Postgres, async |scene: Scene| {
            replaces(&scene, &sessions(&old), &sessions(&new), "a", to).await;
        })
        .await;
    }
}

#[tokio::test]
async fn the_way_back_to_a_unique_index_ends_who_has_what_another_has() {
    crate::scene::on(Dialect::Postgres, async |scene: Scene| {
        let a = optional("a", ColumnType::BigInt);
        let (old, new) = (sessions(&[a.unique()]), sessions(&[a.index()]));
        scene.migrate(&old).await;
        scene.insert(&old, &[&["1"], &["2"]]).await;
        scene.migrate(&new).await;
        scene.insert(&new, &[&["2"]]).await;
        scene.undo().await;
        assert_eq!(scene.values("a").await, ["1"]);
        assert_eq!(indexes_on(&scene, "a").await, ["sessions_a_key unique valid"]);
    })
    .await;
}

#[tokio::test]
async fn an_index_of_another_shape_is_not_what_the_file_builds() {
    const KEY: &str = "sessions_a_key";
    for (other, words) in [
        ("CREATE INDEX sessions_a_key ON sessions (a)", "not unique"),
        ("CREATE UNIQUE INDEX sessions_a_key ON sessions (b)", "on another column"),
        ("CREATE UNIQUE INDEX sessions_a_key ON sessions (a, b)", "on two columns"),
        ("CREATE UNIQUE INDEX sessions_a_key ON sessions (a) WHERE b > 1", "partial"),
        ("CREATE UNIQUE INDEX sessions_a_key ON sessions ((a + 1))", "on an expression"),
        ("CREATE UNIQUE INDEX sessions_a_key ON others (a)", "on another table"),
        ("INVALID", "left by a build that failed"),
    ] {
        crate::scene::on(Dialect::Postgres, async |scene: Scene| {
            let columns = [optional("a", ColumnType::BigInt), optional("b", ColumnType::BigInt)];
            let old = sessions(&columns);
            scene.migrate(&old).await;
            scene.insert(&old, &[&["1", "1"], &["2", "2"]]).await;
            scene.live.execute("CREATE TABLE others (a BIGINT)").await.expect("a table");
            if other == "INVALID" {
                scene.live.execute("UPDATE sessions SET a = 1").await.expect("two have the same");
                let build = "CREATE UNIQUE INDEX CONCURRENTLY sessions_a_key ON sessions (a)";
                scene.live.execute(build).await.expect_err("two have the same");
                let one = "DELETE FROM sessions WHERE id = (SELECT id FROM sessions LIMIT 1)";
                scene.live.execute(one).await.expect("one less");
            } else {
                scene.live.execute(other).await.expect("an index");
            }
            let before = scene.live.catalogue("sessions").await.expect("a table");
            let new = sessions(&[columns[0].unique(), columns[1]]);
            write(&scene, &new);
            let ran = scene.live.run_alone(scene.scratch.path()).await;
            let error = ran.err().unwrap_or_else(|| panic!("{words}: it was accepted"));
            let message = error.to_string();
            assert!(message.contains(KEY), "{words}: {message}");
            assert_eq!(scene.live.catalogue("sessions").await.expect("a table"), before);

            // As it says.
            let (_, rest) = message.split_once("`DROP").unwrap_or_else(|| panic!("{message}"));
            let (statement, _) = rest.split_once('`').expect("a statement");
            let statement = format!("DROP{statement}");
            scene.live.execute(&statement).await.unwrap_or_else(|error| panic!("{error}: {rest}"));
            scene.live.run(scene.scratch.path()).await.expect("the second time");
            assert_eq!(indexes_on(&scene, "a").await, ["sessions_a_key unique valid"]);
        })
        .await;
    }
}

#[tokio::test]
async fn an_index_that_is_built_before_is_found() {
    crate::scene::on(Dialect::Postgres, async |scene: Scene| {
        // A column that PostgreSQL quotes.
        let columns = [optional("order", ColumnType::BigInt), optional("b", ColumnType::BigInt)];
        scene.migrate(&sessions(&columns)).await;
        let files = write(&scene, &sessions(&[columns[0].unique(), columns[1].index()]));
        let text = files[0].1.replace("\n-- ", " ");
        let statements: Vec<_> = text.split("this statement finds it: ").skip(1).collect();
        assert_eq!(statements.len(), 2, "{text}");
        for statement in statements {
            let (statement, _) = statement.split_once(". ").expect("its end");
            scene.live.execute(statement).await.unwrap_or_else(|e| panic!("{e}: {statement}"));
        }
        let oids = "SELECT CAST(indexrelid AS text) FROM pg_index \
                    WHERE indrelid = to_regclass('sessions') ORDER BY 1";
        let before = lines(&scene, oids).await;
        scene.live.run(scene.scratch.path()).await.expect("it finds them");
        assert_eq!(lines(&scene, oids).await, before);
    })
    .await;
}

mod before {
    #[derive(Clone, Debug, anchor::SessionData)]
    #[session(table = "sessions", migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        #[session(index)]
        pub(super) device: Option<i64>,
    }
}

mod after {
    #[derive(Clone, Debug, PartialEq, anchor::Column)]
    pub(super) enum Role {
        Member,
        Admin,
    }

    #[derive(Clone, Debug, anchor::SessionData)]
    #[session(table = "sessions", keep_ended = "30d", migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        #[session(unique)]
        pub(super) device: Option<i64>,
        #[session(default = "'member'")]
        pub(super) role: Role,
    }
}

/// Logs in and out, over and over, until it is told to stop.
async fn logs_in(scene: &Scene, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let store = store::<before::Life>(&scene.live.again());
    while !stop.load(Ordering::Relaxed) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let life = before::Life { user_id: number as i64, device: Some(number as i64) };
        store.create(session(number as u128, life)).await.expect("a login");
        if number.is_multiple_of(2) {
            store.revoke_subject(&(number as i64), EndReason::Revoked).await.expect("a logout");
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn replicas_that_migrate_at_start_while_users_log_in_all_start() {
    crate::scene::on(Dialect::Postgres, async |scene: Scene| {
        scene.migrate(before::Life::schema()).await;
        let scene = Arc::new(scene);
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let users: Vec<_> = (0..4)
            .map(|_| {
                let (scene, stop, done) =
                    (Arc::clone(&scene), Arc::clone(&stop), Arc::clone(&done));
                tokio::spawn(async move { logs_in(&scene, stop, done).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let files = write(&scene, after::Life::schema());
        assert!(files.len() > 2, "with an index, and rows to look through");
        let before = done.load(Ordering::Relaxed);
        // A replica has a pool of its own, and waits for nobody but by sqlx's lock.
        let replicas: Vec<_> = (0..3)
            .map(|_| {
                let (live, folder) = (scene.live.again(), scene.scratch.path().to_owned());
                tokio::spawn(async move { live.run_alone(&folder).await })
            })
            .collect();
        for replica in replicas {
            replica.await.expect("no panic").expect("every replica starts");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.store(true, Ordering::Relaxed);
        for user in users {
            user.await.expect("no login and no logout failed");
        }
        assert!(before > 0 && done.load(Ordering::Relaxed) > before, "they went on");

        let sql = "SELECT CAST(relname AS text) FROM pg_index \
                   JOIN pg_class ON pg_class.oid = indexrelid \
                   WHERE indrelid = to_regclass('sessions') AND NOT indisvalid";
        assert_eq!(lines(&scene, sql).await, [""; 0], "no index is INVALID");
        assert_eq!(not_validated(&scene).await, [""; 0]);
        assert_eq!(indexes_on(&scene, "device").await, ["sessions_device_key unique valid"]);
    })
    .await;
}
