//! Tests that the committed migrations are those that the generator writes, and that sessions
//! survive them from the first release to the third and back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anchor::SessionId;
use anchor::migrate::{self, Migrations};
use anchor::prelude::*;
use anchor::schema::Dialect;
use anchor::store::{Load, NewSession, Page, Record};
use anchor::token::{LastingHash, SecretHash};
use anchor_tests::databases;
use migrations_example::{UserSession, release1, release2};
use sqlx::migrate::Migrator;
use uuid::Uuid;

/// The last migration version of each release.
const RELEASE_1: i64 = 20260102000000;
const RELEASE_2: i64 = 20260201000000;
const RELEASE_3: i64 = 20260301000000;

fn committed(dialect: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect)
}

/// Returns the files by their names without the versions, because the versions are times.
fn files(folder: &Path) -> BTreeSet<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let entries = entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "sql"));
    let file = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        (name.split_once('_').unwrap().1.to_owned(), text)
    };
    entries.map(file).filter(|(name, _)| !name.starts_with("create_users")).collect()
}

/// With `ANCHOR_BLESS=1`, the files that the generator writes replace the committed files.
#[test]
fn the_committed_files_are_those_that_the_generator_writes() {
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        let name = format!("{dialect:?}").to_lowercase();
        let folder = tempfile::tempdir().unwrap();
        let migrations = Migrations::in_folder(folder.path()).dialect(dialect);
        let first = migrate::write(release1::UserSession::schema(), &migrations).unwrap();
        let second = migrate::write(release2::UserSession::schema(), &migrations).unwrap();
        let migrations = migrations.allow_drops().allow_downtime();
        let third = migrate::write(UserSession::schema(), &migrations).unwrap();
        if std::env::var_os("ANCHOR_BLESS").is_some() {
            bless(&committed(&name), [(RELEASE_1, first), (RELEASE_2, second), (RELEASE_3, third)]);
        }
        assert_eq!(files(folder.path()), files(&committed(&name)), "{name}");
    }
}

fn bless(folder: &Path, releases: [(i64, Vec<PathBuf>); 3]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap();
        if name.ends_with(".sql") && !name.contains("create_users") {
            fs::remove_file(path).unwrap();
        }
    }
    for (version, files) in releases {
        // Each migration has an up file and a down file.
        let is_sql = |file: &&PathBuf| file.to_str().unwrap().ends_with(".sql");
        for (at, file) in files.iter().filter(is_sql).enumerate() {
            let version = version + at as i64 / 2;
            let name = file.file_name().unwrap().to_str().unwrap();
            let (_, description) = name.split_once('_').unwrap();
            fs::copy(file, folder.join(format!("{version}_{description}"))).unwrap();
        }
    }
}

/// Logs in with the first release, and follows the session through the other releases and back.
macro_rules! a_session_survives {
    ($name:ident, $dialect:literal, $pool:expr, $store:ident) => {
        #[tokio::test]
        async fn $name() {
            let Some(pool) = $pool else { return };
            let migrator = Migrator::new(committed($dialect)).await.unwrap();
            migrator.run_to(RELEASE_1, &pool).await.unwrap();
            sqlx::raw_sql("INSERT INTO users (id, email) VALUES (7, 'ferris@example.org')")
                .execute(&pool)
                .await
                .unwrap();
            let id = SessionId::from_uuid(Uuid::from_u128(1));
            let first = anchor::$store::<release1::UserSession>::new(pool.clone());
            let session =
                release1::UserSession { user_id: 7, role: release1::Role::Admin, visits: 41 };
            first.create(new(id, session)).await.unwrap();

            migrator.run_to(RELEASE_2, &pool).await.unwrap();
            let second = anchor::$store::<release2::UserSession>::new(pool.clone());
            second.verify().await.unwrap();
            let session = live(second.load(id).await.unwrap());
            assert_eq!((session.data.visits, session.data.address.as_str()), (41, "unknown"));
            // The first release is still running somewhere, and can log in.
            let late = SessionId::from_uuid(Uuid::from_u128(2));
            let session =
                release1::UserSession { user_id: 7, role: release1::Role::Member, visits: 1 };
            first.create(new(late, session)).await.unwrap();

            migrator.run(&pool).await.unwrap();
            let third = anchor::$store::<UserSession>::new(pool.clone());
            third.verify().await.unwrap();
            let session = live(third.load(id).await.unwrap());
            assert_eq!(
                (session.data.visits, session.data.role),
                (41, migrations_example::Role::Admin)
            );
            assert_eq!(third.list(&7, Page::default()).await.unwrap().len(), 2);

            migrator.undo(&pool, RELEASE_1).await.unwrap();
            first.verify().await.unwrap();
            let session = live(first.load(id).await.unwrap());
            assert_eq!((session.data.visits, session.data.role), (41, release1::Role::Admin));
        }
    };
}

a_session_survives!(
    a_session_survives_on_sqlite,
    "sqlite",
    Some(databases::sqlite().await),
    SqliteStore
);
a_session_survives!(
    a_session_survives_on_postgres,
    "postgres",
    databases::postgres().await,
    PostgresStore
);
a_session_survives!(a_session_survives_on_mysql, "mysql", databases::mysql().await, MySqlStore);

fn live<T>(load: Load<T>) -> Arc<Record<T>> {
    match load {
        Load::Live(loaded) => loaded.record,
        _ => panic!("the session has ended"),
    }
}

fn new<T: SessionData>(id: SessionId, data: T) -> NewSession<T> {
    let (lasting, secret) = (LastingHash::from_bytes([6; 32]), SecretHash::from_bytes([7; 32]));
    NewSession::new(id, lasting, secret, Arc::new(data))
}
