//! `verify` says what a crash would undo, and refuses a database that cannot be written to.

use anchor_tests::servers::Killable;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::*;

/// What each warning about a setting ends with.
const FINAL: &str = "For logouts that are final, set ";

/// The settings that the store asks for.
async fn asked_for(store: &impl TableStore<Everything>) -> Vec<String> {
    let warnings = warnings(store, FINAL).await;
    warnings.iter().map(|warning| warning.split(FINAL).last().unwrap().to_owned()).collect()
}

async fn refusal(store: &impl TableStore<Everything>) -> String {
    let refused = store.verify().await;
    let Err(VerifyError::Settings { settings }) = refused else { panic!("{refused:?}") };
    let [setting] = &settings[..] else { panic!("{settings:?}") };
    setting.clone()
}

/// A store on connections with another setting.
fn on_postgres_with(pool: &PgPool, name: &str, value: &str) -> PostgresStore<Everything> {
    let options = PgConnectOptions::clone(&pool.connect_options()).options([(name, value)]);
    PostgresStore::new(PgPoolOptions::new().max_connections(1).connect_lazy_with(options))
}

#[tokio::test]
async fn verify_warns_of_postgres_that_does_not_wait_for_its_log() {
    let Some(pool) = databases::postgres().await else { return };
    pool.store::<Everything>().migrate().await.unwrap();
    let remedy = "`synchronous_commit = on`".to_owned();
    for (setting, is_bad) in [("off", true), ("on", false), ("local", false), ("off", true)] {
        let store = on_postgres_with(&pool, "synchronous_commit", setting);
        assert_eq!(asked_for(&store).await.contains(&remedy), is_bad, "{setting}");
    }
}

#[tokio::test]
async fn verify_refuses_postgres_that_cannot_be_written_to() {
    let Some(pool) = databases::postgres().await else { return };
    pool.store::<Everything>().migrate().await.unwrap();
    let read_only = on_postgres_with(&pool, "default_transaction_read_only", "on");
    let refusal = refusal(&read_only).await;
    assert!(
        refusal.contains("accepts no writes (`default_transaction_read_only = on`)"),
        "{refusal}"
    );
    on_postgres_with(&pool, "default_transaction_read_only", "off").verify().await.unwrap();
}

#[tokio::test]
async fn verify_refuses_a_standby_of_postgres() {
    let Some(standby) = databases::postgres_standby() else { return };
    let refusal = refusal(&PostgresStore::<Everything>::new(standby)).await;
    assert!(refusal.starts_with("PostgreSQL at 127.0.0.1:"), "{refusal}");
    assert!(refusal.contains("is a replica") && refusal.contains("the primary"), "{refusal}");
}

#[tokio::test]
async fn verify_warns_of_mysql_that_does_not_wait_for_the_disk_and_refuses_a_read_only_one() {
    let Some(pool) = databases::own_mysql().await else { return };
    let store = pool.store::<Everything>();
    store.migrate().await.unwrap();
    let flush = "`innodb_flush_log_at_trx_commit = 1`";
    for (setting, remedies) in [
        ("sync_binlog = 0", &[flush, "`sync_binlog = 1`"][..]),
        ("sync_binlog = 1", &[flush]),
        ("innodb_flush_log_at_trx_commit = 2", &[flush]),
        ("innodb_flush_log_at_trx_commit = 1", &[]),
        ("sync_binlog = 100", &["`sync_binlog = 1`"]),
        ("sync_binlog = 1", &[]),
    ] {
        pool.run(&format!("SET GLOBAL {setting}")).await;
        assert_eq!(asked_for(&store).await, remedies, "{setting}");
    }
    pool.run("SET GLOBAL read_only = ON").await;
    let refusal = refusal(&store).await;
    assert!(refusal.contains("accepts no writes (`read_only = ON`)"), "{refusal}");
}

#[tokio::test]
async fn verify_warns_of_sqlite_that_does_not_wait_for_the_disk() {
    let pool = databases::sqlite().await;
    pool.store::<Everything>().migrate().await.unwrap();
    for (synchronous, remedies) in [
        (SqliteSynchronous::Off, &["`synchronous = FULL`"][..]),
        (SqliteSynchronous::Normal, &["`synchronous = FULL`"]),
        (SqliteSynchronous::Full, &[]),
    ] {
        let options = SqliteConnectOptions::clone(&pool.connect_options()).synchronous(synchronous);
        let store = SqlitePoolOptions::new().connect_lazy_with(options).store::<Everything>();
        assert_eq!(asked_for(&store).await, remedies);
    }
}

#[tokio::test]
async fn sqlite_without_a_write_ahead_log_may_wait_less() {
    let pool = databases::sqlite().await;
    pool.store::<Everything>().migrate().await.unwrap();
    pool.end().await;
    let options = SqliteConnectOptions::clone(&pool.connect_options())
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Normal);
    let store = SqlitePoolOptions::new().connect_lazy_with(options).store::<Everything>();
    assert_eq!(asked_for(&store).await, [""; 0]);
}

#[tokio::test]
async fn verify_refuses_sqlite_that_cannot_be_written_to() {
    let pool = databases::sqlite().await;
    pool.store::<Everything>().migrate().await.unwrap();
    let options = SqliteConnectOptions::clone(&pool.connect_options());
    for read_only in [options.clone().read_only(true), options.pragma("query_only", "ON")] {
        let store = SqlitePoolOptions::new().connect_lazy_with(read_only).store::<Everything>();
        let refusal = refusal(&store).await;
        assert!(refusal.starts_with("SQLite accepts no writes"), "{refusal}");
        assert!(refusal.contains("`mode=rwc`"), "{refusal}");
    }
}

/// As a reader of an Aurora cluster is, and no other server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_refuses_mysql_whose_engine_is_read_only() {
    let Some(server) = Killable::mariadb(&["--innodb-read-only"]) else { return };
    let pool = MySqlPoolOptions::new().connect_lazy(server.url()).unwrap();
    let refusal = refusal(&pool.store::<Everything>()).await;
    assert!(refusal.contains("accepts no writes (`innodb_read_only = ON`)"), "{refusal}");
}
