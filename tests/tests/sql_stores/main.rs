//! What the SQL stores promise beyond the contract: columns, migrate, verify, waiting writes,
//! errors that quote nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::store::{
    Change, ClientInfo, EndReason, EndStatus, Ending, Load, NewSession, Page, Record, Replaced,
    SessionStore, Touch, Touched, Updated, Use, Verified, VerifyError,
};
use anchor::token::{LastingHash, SecretHash};
use anchor::{
    Column, MySqlStore, PostgresStore, SessionData, SessionId, SqliteStore, StoreError,
    StoreErrorKind, Timestamp,
};
use anchor_tests::{databases, logs};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor, MySqlPool, PgPool, SqlitePool};
use tokio::time::timeout;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Column)]
enum Role {
    Admin,
    Member,
}

/// Every type, and names that need quotes.
#[derive(Clone, Debug, PartialEq, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
struct Everything {
    #[session(subject)]
    name: String,
    #[session(default = "'member'")]
    role: Role,
    #[session(column = "Größe")]
    large: Option<u32>,
    #[session(column = "camelCase", index)]
    small: i16,
    #[session(unique)]
    device: Option<Uuid>,
    single: f32,
    #[session(column = "\"double\"")]
    double: f64,
    address: Option<IpAddr>,
    bytes: Option<Vec<u8>>,
    active: Option<bool>,
    #[session(json)]
    numbers: Vec<u64>,
}

fn everything() -> Everything {
    Everything {
        name: "ferris".into(),
        role: Role::Member,
        large: Some(u32::MAX),
        small: i16::MIN,
        device: None,
        single: 0.1,
        double: 0.1,
        address: Some(IpAddr::from([127, 0, 0, 1])),
        bytes: Some(vec![0, 1, 255]),
        active: Some(true),
        numbers: vec![u64::MAX, 0],
    }
}

/// A database of one test, and its stores.
trait Database {
    type Store<T: SessionData>: TableStore<T>;

    /// What three days are called behind a minus.
    const THREE_DAYS: &str;

    /// The column `camelCase`, in quotes.
    const SMALL: &str;

    /// The type of the column `id`.
    const ID: &str;

    /// Makes the database refuse what happens (`INSERT` or `DELETE`) to a row whose `camelCase`
    /// is 20.
    async fn refuse(&self, event: &str);

    /// Makes the database leave out a new row whose `camelCase` is 20. MySQL cannot.
    async fn leave_out(&self) -> bool;

    fn store<T: SessionData>(&self) -> Self::Store<T>;

    /// Runs a statement that no store would.
    async fn run(&self, sql: &str);

    /// Runs `meanwhile` while a transaction that has run this statement is open. SQLite locks no
    /// rows.
    async fn while_locked(&self, sql: &str, meanwhile: impl Future<Output = ()>);

    /// Closes the pool.
    async fn end(&self);
}

/// What a SQL store can do beyond the contract.
trait TableStore<T: SessionData>: SessionStore<T> + Clone {
    async fn migrate(&self) -> Result<(), StoreError>;
    async fn verify(&self) -> Result<Verified, VerifyError>;
}

macro_rules! databases {
    ($(
        $pool:ty => $store:ident, $three_days:literal, $small:literal, $id:literal,
        $refuse:expr, $leave_out:expr;
    )*) => {$(
        impl Database for $pool {
            type Store<T: SessionData> = $store<T>;

            const THREE_DAYS: &str = $three_days;

            const SMALL: &str = $small;

            const ID: &str = $id;

            async fn refuse(&self, event: &str) {
                let row = if event == "INSERT" { "NEW" } else { "OLD" };
                self.run(&$refuse.replace("EVENT", event).replace("ROW_", row)).await;
            }

            async fn leave_out(&self) -> bool {
                let leave_out: Option<&str> = $leave_out;
                if let Some(leave_out) = leave_out {
                    self.run(leave_out).await;
                }
                leave_out.is_some()
            }

            fn store<T: SessionData>(&self) -> $store<T> {
                $store::new(self.clone())
            }

            async fn run(&self, sql: &str) {
                self.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql);
            }

            async fn while_locked(&self, sql: &str, meanwhile: impl Future<Output = ()>) {
                if stringify!($store) != "SqliteStore" {
                    let mut transaction = self.begin().await.unwrap();
                    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await.unwrap();
                    meanwhile.await;
                    transaction.rollback().await.unwrap();
                }
            }

            async fn end(&self) {
                self.close().await;
            }
        }

        impl<T: SessionData> TableStore<T> for $store<T> {
            async fn migrate(&self) -> Result<(), StoreError> {
                self.migrate().await
            }

            async fn verify(&self) -> Result<Verified, VerifyError> {
                self.verify().await
            }
        }
    )*};
}

databases! {
    SqlitePool => SqliteStore, "259200000000", "`camelCase`", "BLOB",
        "CREATE TRIGGER refuse BEFORE EVENT ON sessions WHEN ROW_.camelCase = 20 \
         BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        Some(
            "CREATE TRIGGER leave_out BEFORE INSERT ON sessions WHEN NEW.camelCase = 20 \
             BEGIN SELECT RAISE(IGNORE); END"
        );
    PgPool => PostgresStore, "INTERVAL '3 days'", "\"camelCase\"", "UUID",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RAISE EXCEPTION ''not this one''; END'; \
         CREATE TRIGGER refuse BEFORE EVENT ON sessions FOR EACH ROW \
         WHEN (ROW_.\"camelCase\" = 20) EXECUTE FUNCTION refuse()",
        Some(
            "CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER leave_out BEFORE INSERT ON sessions FOR EACH ROW \
             WHEN (NEW.\"camelCase\" = 20) EXECUTE FUNCTION leave_out()"
        );
    MySqlPool => MySqlStore, "INTERVAL 3 DAY", "`camelCase`", "BINARY(16)",
        "CREATE TRIGGER refuse BEFORE EVENT ON sessions FOR EACH ROW BEGIN \
         IF ROW_.camelCase = 20 THEN SIGNAL SQLSTATE '45000'; END IF; END",
        None;
}

/// One test a database for each function.
macro_rules! on_every_database {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::databases::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                let Some(pool) = super::databases::postgres().await else { return };
                super::$case(pool).await;
            })*
        }
        mod mysql {
            $(#[tokio::test]
            async fn $case() {
                let Some(pool) = super::databases::mysql().await else { return };
                super::$case(pool).await;
            })*
        }
    };
}

on_every_database! {
    every_type_comes_back_as_it_was_written
    several_nodes_migrate_at_once
    verify_lists_every_difference
    a_missing_table_says_what_to_do
    a_refused_row_names_the_constraint_and_no_value
    a_live_row_that_does_not_decode_is_no_session
    a_subject_is_compared_exactly
    an_own_sql_type_is_never_cut
    a_pool_that_is_closed_too_early_says_when_to_close_it
    many_logins_over_sessions_that_are_gone_all_succeed
    a_column_that_is_missing_is_not_read_as_its_name
    a_subject_is_cut_off_exactly
    an_old_cut_off_is_forgotten
    verify_lists_what_the_extras_lack
    a_missing_companion_is_called_by_its_name
    a_reason_of_another_version_is_no_reason
    an_end_with_a_proof_says_what_it_has_done_whatever_its_reason_is
    of_logins_that_share_a_statement_one_that_does_not_fit_fails_alone
}

mod durability;
mod shared;
mod uses;

/// A store whose table is there.
async fn ready<T: SessionData, D: Database>(database: &D) -> D::Store<T> {
    let store = database.store::<T>();
    store.migrate().await.unwrap();
    store.verify().await.unwrap();
    store
}

fn session<T: SessionData>(data: T) -> NewSession<T> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = Uuid::from_u64_pair(7, COUNT.fetch_add(1, Ordering::Relaxed));
    let (lasting, secret) = (LastingHash::from_bytes([2; 32]), SecretHash::from_bytes([1; 32]));
    NewSession::new(SessionId::from_uuid(id), lasting, secret, Arc::new(data))
}

async fn loaded<T: SessionData>(store: &impl SessionStore<T>, id: SessionId) -> Record<T> {
    match store.load(id).await.unwrap() {
        Load::Live(loaded) => Record::clone(&loaded.record),
        _ => panic!("the session is not live"),
    }
}

async fn every_type_comes_back_as_it_was_written(database: impl Database) {
    let store = ready::<Everything, _>(&database).await;
    let mut payloads = vec![
        everything(),
        Everything { large: None, address: None, bytes: None, active: None, ..everything() },
        Everything { role: Role::Admin, small: i16::MAX, large: Some(0), ..everything() },
        Everything { device: Some(Uuid::nil()), bytes: Some(vec![]), ..everything() },
        Everything { active: Some(false), numbers: vec![], ..everything() },
    ];
    for single in [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, 16_777_217.0, 123_456.79] {
        payloads.push(Everything { single, ..everything() });
    }
    for double in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 1e15, 123_456_789.123_456_79] {
        payloads.push(Everything { double, ..everything() });
    }
    for address in ["0.0.0.0", "255.255.255.255", "::", "2001:db8::ff", "::ffff:1.2.3.4"] {
        payloads.push(Everything { address: Some(address.parse().unwrap()), ..everything() });
    }
    for data in payloads {
        let new = session(data);
        let created = store.create(new.clone()).await.unwrap().into_record().unwrap();
        let loaded = loaded(&store, new.id).await;
        assert_eq!(loaded.data, new.data);
        assert_eq!(format!("{created:?}"), format!("{loaded:?}"), "create returns what it stored");
    }
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let new = session(Everything { double: odd, single: odd as f32, ..everything() });
        match store.create(new.clone()).await {
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Encode, "{error}"),
            Ok(_) => {
                let data = loaded(&store, new.id).await.data;
                assert_eq!(data.double.to_bits(), odd.to_bits());
                assert_eq!(data.single.to_bits(), (odd as f32).to_bits());
            }
        }
    }
}

async fn several_nodes_migrate_at_once(database: impl Database) {
    // SQLite's first connection turns the file to WAL mode, for which no other can wait.
    database.run("SELECT 1").await;
    let [a, b, c] = [(); 3].map(|()| database.store::<Everything>());
    let (a, b, c) = tokio::join!(a.migrate(), b.migrate(), c.migrate());
    a.and(b).and(c).unwrap();
    database.store::<Everything>().verify().await.unwrap();
}

async fn verify_lists_every_difference(database: impl Database) {
    #[derive(Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Narrower {
        #[session(subject)]
        name: i64,
        role: Option<String>,
        legacy: String,
    }

    ready::<Narrower, _>(&database).await;
    let Err(VerifyError::Table { table, differences }) =
        database.store::<Everything>().verify().await
    else {
        panic!("the table is not that of the struct")
    };
    assert_eq!(table, "sessions");
    let all = differences.join("\n");
    for part in [
        "column `name` is ",
        "column `role` may be NULL and should be NOT NULL",
        "column `Größe` (",
        "column `camelCase` (",
        "column `device` (",
        "column `numbers` (",
        "column `legacy` is not in the struct and refuses every new row",
        "column `camelCase` has no index",
        "column `device` has no unique index",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
}

async fn a_missing_table_says_what_to_do(database: impl Database) {
    let store = database.store::<Everything>();
    let error = store.create(session(everything())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotMigrated);
    assert_eq!(
        error.to_string(),
        "the session table is not as declared: the table `sessions` does not exist: \
         run your migrations, or call `store.migrate()` for a quick start"
    );
    assert!(store.verify().await.unwrap_err().to_string().contains("store.migrate()"));
}

async fn a_refused_row_names_the_constraint_and_no_value(database: impl Database) {
    let store = ready::<Everything, _>(&database).await;
    let device = Some(Uuid::from_u128(0xdead_beef_dead_beef));
    let first = session(Everything { device, ..everything() });
    store.create(first.clone()).await.unwrap();
    let mut second = session(Everything { device, name: "hunter2".into(), ..everything() });
    let first = store.create(session(everything())).await.unwrap().into_record().unwrap();
    let proof = LastingHash::from_bytes([2; 32]);
    second.replaces = Some(Replaced { id: first.id, proof });
    let error = store.create(second.clone()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Constraint);
    let text = format!("{error} {error:?}");
    assert!(text.contains("device"), "{text}");
    assert!(error.to_string().ends_with("or handle the error as a conflict"), "{text}");
    assert!(!text.contains("hunter2") && !text.to_lowercase().contains("deadbeef"), "{text}");
    // Nothing was written, and nothing was ended.
    assert!(matches!(store.load(second.id).await.unwrap(), Load::Absent));
    loaded(&store, first.id).await;
}

async fn a_live_row_that_does_not_decode_is_no_session(database: impl Database) {
    #[derive(Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Written {
        #[session(subject)]
        name: String,
        #[session(json)]
        level: Vec<String>,
    }
    #[derive(Clone, Debug, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Declared {
        #[session(subject)]
        name: String,
        #[session(json)]
        level: Vec<u8>,
    }

    let writer = ready::<Written, _>(&database).await;
    let bad = session(Written { name: "ferris".into(), level: vec!["high".into()] });
    let good = session(Written { name: "ferris".into(), level: vec![] });
    writer.create(bad.clone()).await.unwrap();
    writer.create(good.clone()).await.unwrap();
    let store = database.store::<Declared>();
    match store.load(bad.id).await.unwrap() {
        Load::Undecodable(error) => assert_eq!(error.column(), "level"),
        other => panic!("{other:?}"),
    }
    let listed = store.list(&"ferris".to_owned(), Page::default()).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.id).collect::<Vec<_>>(), [good.id]);
    assert_eq!(store.revoke(bad.id, None, EndReason::Logout).await.unwrap(), Ending::Ended);
}

async fn a_subject_is_compared_exactly(database: impl Database) {
    let store = ready::<Everything, _>(&database).await;
    for name in ["ann", "ANN", "ann ", " ann", "änn", "a\u{308}nn"] {
        store.create(session(Everything { name: name.into(), ..everything() })).await.unwrap();
    }
    let ann = "ann".to_owned();
    assert_eq!(store.list(&ann, Page::default()).await.unwrap().len(), 1);
    assert_eq!(store.revoke_subject(&ann, EndReason::Revoked).await.unwrap(), 1);
    assert_eq!(store.list(&"ann ".to_owned(), Page::default()).await.unwrap().len(), 1);
    let longer_than_any = "a".repeat(100_000);
    assert!(store.list(&longer_than_any, Page::default()).await.unwrap().is_empty());
}

/// Every extra, and columns that are called as those of the companion table.
#[derive(Clone, Debug, PartialEq, SessionData)]
#[session(table = "sessions", keep_ended = "30d", track, fingerprint, cut_off, max_per_subject = 2)]
#[session(migrations = false)]
struct Extended {
    #[session(subject)]
    subject: String,
    cut_off_at: Option<i64>,
}

fn login_of(subject: &str) -> NewSession<Extended> {
    let mut new = session(Extended { subject: subject.into(), cut_off_at: None });
    new.began = Some(tokio::time::Instant::now());
    new
}

async fn a_subject_is_cut_off_exactly(database: impl Database) {
    let store = ready::<Extended, _>(&database).await;
    let others = ["ANN", "ann ", " ann", "änn", "a\u{308}nn"];
    let ann = login_of("ann");
    let later_ann = login_of("ann");
    let late = others.map(login_of);
    assert_eq!(store.cut_off(&"ann".to_owned(), EndReason::CutOff).await.unwrap(), 0);
    for new in late.iter().chain([&ann]) {
        store.create(new.clone()).await.unwrap();
    }
    assert!(matches!(store.load(ann.id).await.unwrap(), Load::Ended));
    for new in &late {
        assert_eq!(loaded(&store, new.id).await.data, new.data);
    }
    // One who differs by a space does not take over the row.
    assert_eq!(store.cut_off(&"ann ".to_owned(), EndReason::CutOff).await.unwrap(), 1);
    store.create(later_ann.clone()).await.unwrap();
    assert!(matches!(store.load(later_ann.id).await.unwrap(), Load::Ended));
    assert_eq!(store.sweep(100).await.unwrap(), 2, "two were dead on arrival");
    assert_eq!(store.history(&"ann".to_owned(), Page::default()).await.unwrap().len(), 2);
    assert_eq!(store.history(&"ann ".to_owned(), Page::default()).await.unwrap().len(), 1);
    assert!(store.history(&"ANN".to_owned(), Page::default()).await.unwrap().is_empty());
}

async fn an_old_cut_off_is_forgotten<D: Database>(database: D) {
    let store = ready::<Extended, _>(&database).await;
    let record = "INSERT INTO sessions_cut_offs (subject, cut_off_at) \
                  SELECT subject, created_at FROM sessions";
    store.create(login_of("ann")).await.unwrap();
    store.cut_off(&"ann".to_owned(), EndReason::CutOff).await.unwrap();
    let earlier =
        format!("UPDATE sessions_cut_offs SET cut_off_at = cut_off_at - {}", D::THREE_DAYS);
    database.run(&earlier).await;
    store.sweep(100).await.unwrap();
    // It fails where the subject's row is still there.
    database.run(record).await;
}

async fn a_missing_companion_is_called_by_its_name(database: impl Database) {
    let store = ready::<Extended, _>(&database).await;
    database.run("DROP TABLE sessions_cut_offs").await;
    let error = store.cut_off(&"ann".to_owned(), EndReason::CutOff).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("the table `sessions_cut_offs` does not exist: run your"),
        "{message}"
    );
}

async fn verify_lists_what_the_extras_lack(database: impl Database) {
    let store = ready::<Extended, _>(&database).await;
    database.run("DROP TABLE sessions_cut_offs").await;
    database.run("ALTER TABLE sessions DROP COLUMN user_agent").await;
    database.run("ALTER TABLE sessions DROP COLUMN fingerprint").await;
    let Err(VerifyError::Table { differences, .. }) = store.verify().await else {
        panic!("the table is not that of the struct")
    };
    let all = differences.join("\n");
    for part in [
        "column `user_agent` (",
        "column `fingerprint` (",
        "the table `sessions_cut_offs` does not exist",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
    assert_eq!(differences.len(), 3, "{all}");
}

async fn a_reason_of_another_version_is_no_reason(database: impl Database) {
    let store = ready::<Extended, _>(&database).await;
    let new = login_of("ann");
    store.create(new.clone()).await.unwrap();
    store.revoke(new.id, None, EndReason::Theft).await.unwrap();
    database.run("UPDATE sessions SET end_reason = 'abducted'").await;
    let history = store.history(&"ann".to_owned(), Page::default()).await.unwrap();
    assert_eq!((history[0].status, history[0].reason), (EndStatus::Revoked, None));
}

/// A logout shares its statement, and every other end has its own.
async fn an_end_with_a_proof_says_what_it_has_done_whatever_its_reason_is(database: impl Database) {
    let store = ready::<Everything, _>(&database).await;
    for reason in [EndReason::Logout, EndReason::Revoked] {
        let new = session(everything());
        store.create(new.clone()).await.unwrap();
        let end = async |proof| store.revoke(new.id, Some(proof), reason).await.unwrap();
        assert_eq!(end(LastingHash::from_bytes([9; 32])).await, Ending::Unproven, "{reason:?}");
        assert!(matches!(store.load(new.id).await.unwrap(), Load::Live(_)), "{reason:?}");
        assert_eq!(end(new.lasting).await, Ending::Ended, "{reason:?}");
        assert_eq!(end(new.lasting).await, Ending::NotLive, "{reason:?}");
    }
}

async fn an_own_sql_type_is_never_cut(database: impl Database) {
    #[derive(Clone, Debug, PartialEq, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Sized {
        #[session(subject, sql_type = "varchar(5)")]
        name: String,
        #[session(sql_type = "char(5)")]
        code: String,
        #[session(sql_type = "varchar(5)")]
        note: Option<String>,
    }

    let store = ready::<Sized, _>(&database).await;
    let fits = Sized { name: "fünf5".into(), code: "12345".into(), note: None };
    let new = session(fits.clone());
    store.create(new.clone()).await.unwrap();
    assert_eq!(*loaded(&store, new.id).await.data, fits);
    assert_eq!(store.list(&fits.name, Page::default()).await.unwrap().len(), 1);

    let from = Arc::new(fits.clone());
    let longer = Arc::new(Sized { note: Some("123456".into()), ..fits });
    let (id, secret, idle, to) = (new.id, new.secret, Sized::IDLE, longer.clone());
    let change = Change { id, secret, version: 1, from, to, idle };
    match store.update(change).await {
        Ok(_) => assert_eq!(loaded(&store, new.id).await.data, longer, "SQLite has no lengths"),
        Err(error) => {
            assert_eq!(error.kind(), StoreErrorKind::Encode, "{error}");
            assert!(!error.to_string().contains("123456"), "{error}");
            assert_eq!(loaded(&store, new.id).await.data, new.data);
        }
    }
}

async fn a_pool_that_is_closed_too_early_says_when_to_close_it(database: impl Database) {
    let store = ready::<Everything, _>(&database).await;
    database.end().await;
    let error = store.create(session(everything())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the session store did not answer: its pool was closed while requests were running: \
         close the pool after the server has stopped"
    );
}

/// Sixty logins at once, of which one has a name that is too long.
async fn of_logins_that_share_a_statement_one_that_does_not_fit_fails_alone<D: Database>(
    database: D,
) {
    #[derive(Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Short {
        #[session(sql_type = "VARCHAR(8)")]
        name: String,
    }

    let store = ready::<Short, D>(&database).await;
    let logins: Vec<_> = (1..=60)
        .map(|number| {
            let store = store.clone();
            let name = if number == 30 { "123456789" } else { "12345678" };
            let new = session(Short { name: name.into() });
            tokio::spawn(async move { (number, store.create(new).await.map(drop)) })
        })
        .collect();
    for login in logins {
        match login.await.unwrap() {
            (30, Ok(())) => assert_eq!(D::ID, "BLOB", "only SQLite has no lengths"),
            (30, Err(error)) => assert_eq!(error.kind(), StoreErrorKind::Encode, "{error}"),
            (number, created) => created.unwrap_or_else(|error| panic!("{number}: {error}")),
        }
    }
}

/// A DELETE that finds no row locks the gap where it would be, on MySQL's own isolation level:
/// these would deadlock.
async fn many_logins_over_sessions_that_are_gone_all_succeed(database: impl Database) {
    let store = ready::<Everything, _>(&database).await;
    let logins: Vec<_> = (0..32)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut new = session(everything());
                let gone = session(everything());
                new.replaces = Some(Replaced { id: gone.id, proof: gone.lasting });
                store.create(new).await.map(|created| created.into_record().unwrap().id)
            })
        })
        .collect();
    for login in logins {
        loaded(&store, login.await.unwrap().unwrap()).await;
    }
}

async fn a_column_that_is_missing_is_not_read_as_its_name(database: impl Database) {
    #[derive(Clone, Debug, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Before {
        name: String,
    }
    #[derive(Clone, Debug, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct After {
        name: String,
        #[session(column = "\"Order\"")]
        order: String,
    }

    let store = ready::<Before, _>(&database).await;
    let new = session(Before { name: "ferris".into() });
    store.create(new.clone()).await.unwrap();
    let error = database.store::<After>().load(new.id).await.unwrap_err();
    assert!(error.to_string().contains("`store.verify()` lists every difference"), "{error}");
}

/// A write that began while the session was live, and waited for another's lock past its end, must
/// not bring it back.
macro_rules! a_write_that_waits_past_the_end_does_not_revive {
    ($pool:ident) => {{
        let store = ready::<Everything, _>(&$pool).await;
        let mut new = session(everything());
        new.idle = Duration::from_millis(400);
        store.create(new.clone()).await.unwrap();
        let mut holder = $pool.begin().await.unwrap();
        holder.execute("SELECT id FROM sessions FOR UPDATE").await.unwrap();
        let waiting = [store.clone(), store.clone(), store.clone()];
        let to = Arc::new(Everything { double: 2.0, ..everything() });
        let (secret, from, idle) = (new.secret, new.data.clone(), Everything::IDLE);
        let change = Change { id: new.id, secret, version: 1, from, to, idle };
        let [toucher, updater, recorder] = waiting;
        let late = [new.id, session(everything()).id]
            .map(|id| Use::new(id, Timestamp::now(), Everything::IDLE));
        let touch =
            tokio::spawn(async move { toucher.touch(Touch::new(new.id, Everything::IDLE)).await });
        let update = tokio::spawn(async move { updater.update(change).await });
        let record = tokio::spawn(async move {
            recorder.uses_recorder().unwrap().record_uses(late.into()).await
        });
        tokio::time::sleep(Duration::from_millis(600)).await;
        holder.commit().await.unwrap();
        assert_eq!(touch.await.unwrap().unwrap(), Touched::Gone);
        assert_eq!(update.await.unwrap().unwrap(), Updated::Gone);
        assert_eq!(record.await.unwrap().unwrap(), []);
        assert!(matches!(store.load(new.id).await.unwrap(), Load::Ended));
    }};
}

#[tokio::test]
async fn on_postgres_a_write_that_waits_past_the_end_does_not_revive() {
    let Some(pool) = databases::postgres().await else { return };
    a_write_that_waits_past_the_end_does_not_revive!(pool);
}

#[tokio::test]
async fn on_mysql_a_write_that_waits_past_the_end_does_not_revive() {
    let Some(pool) = databases::mysql().await else { return };
    a_write_that_waits_past_the_end_does_not_revive!(pool);
}

/// It waits for a row under its subject's lock, which a login on another node then needs.
async fn a_login_whose_caller_leaves_gives_its_lock_back<D: Database>(database: D, other: D) {
    let (store, elsewhere) = (ready::<Everything, D>(&database).await, other.store::<Everything>());
    let login = || {
        let mut new = session(everything());
        new.limit = Some(SubjectLimit::new(1, LimitExceeded::EndOldest));
        new
    };
    store.create(login()).await.unwrap();
    let left = async {
        let waits = timeout(Duration::from_millis(500), store.create(login())).await;
        assert!(waits.is_err(), "the row is locked");
    };
    database.while_locked("SELECT id FROM sessions FOR UPDATE", left).await;
    let created = timeout(Duration::from_secs(10), elsewhere.create(login())).await;
    let id = created.expect("the lock is free").unwrap().into_record().unwrap().id;
    let live = elsewhere.list(&"ferris".to_owned(), Page::default()).await.unwrap();
    assert_eq!(live.iter().map(|record| record.id).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn on_postgres_a_login_whose_caller_leaves_gives_its_lock_back() {
    let Some(pool) = databases::postgres().await else { return };
    let other = PgPoolOptions::new().connect_lazy_with((*pool.connect_options()).clone());
    a_login_whose_caller_leaves_gives_its_lock_back(pool, other).await;
}

#[tokio::test]
async fn on_mysql_a_login_whose_caller_leaves_gives_its_lock_back() {
    let Some(pool) = databases::mysql().await else { return };
    let other = MySqlPoolOptions::new().connect_lazy_with((*pool.connect_options()).clone());
    a_login_whose_caller_leaves_gives_its_lock_back(pool, other).await;
}

/// Both wait for the row that they would end, and the second one has to end the first one instead.
async fn logins_on_two_nodes_that_wait_for_one_row_keep_to_the_limit<D: Database>(
    database: D,
    other: D,
) where
    D::Store<Everything>: 'static,
{
    let stores = [ready::<Everything, D>(&database).await, other.store::<Everything>()];
    let login = || {
        let mut new = session(everything());
        new.limit = Some(SubjectLimit::new(1, LimitExceeded::EndOldest));
        new
    };
    stores[0].create(login()).await.unwrap();
    let mut logins = Vec::new();
    let begin = async {
        for store in &stores {
            let (store, new) = (store.clone(), login());
            logins.push(tokio::spawn(async move { store.create(new).await }));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(logins.iter().all(|login| !login.is_finished()), "the row is locked");
    };
    database.while_locked("SELECT id FROM sessions FOR UPDATE", begin).await;
    for login in logins {
        login.await.unwrap().unwrap();
    }
    assert_eq!(stores[0].list(&"ferris".to_owned(), Page::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn on_postgres_logins_on_two_nodes_that_wait_for_one_row_keep_to_the_limit() {
    let Some(pool) = databases::postgres().await else { return };
    let other = PgPoolOptions::new().connect_lazy_with((*pool.connect_options()).clone());
    logins_on_two_nodes_that_wait_for_one_row_keep_to_the_limit(pool, other).await;
}

#[tokio::test]
async fn on_mysql_logins_on_two_nodes_that_wait_for_one_row_keep_to_the_limit() {
    let Some(pool) = databases::mysql().await else { return };
    let other = MySqlPoolOptions::new().connect_lazy_with((*pool.connect_options()).clone());
    logins_on_two_nodes_that_wait_for_one_row_keep_to_the_limit(pool, other).await;
}

/// A server refuses a statement of more than 16 MB, and ends its connection.
#[tokio::test]
async fn on_mysql_large_logins_at_once_do_not_share_a_statement() {
    let Some(pool) = databases::mysql().await else { return };
    let store = ready::<Everything, _>(&pool).await;
    let large = [
        Everything { bytes: Some(vec![7; 600_000]), ..everything() },
        Everything { numbers: vec![u64::MAX; 30_000], ..everything() },
    ];
    for data in large {
        let logins: Vec<_> = (0..40)
            .map(|_| {
                let (store, new) = (store.clone(), session(data.clone()));
                tokio::spawn(async move { store.create(new).await })
            })
            .collect();
        for login in logins {
            login.await.unwrap().unwrap();
        }
    }
}

/// A sequence goes on when what has asked it is undone.
#[tokio::test]
async fn on_postgres_what_was_aborted_in_favor_of_another_statement_is_run_again() {
    let Some(pool) = databases::postgres().await else { return };
    let store = ready::<Everything, _>(&pool).await;
    pool.run(
        "CREATE SEQUENCE attempts; \
         CREATE FUNCTION abort() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('attempts') <= 2 THEN RAISE EXCEPTION 'another' USING ERRCODE = '40P01'; \
         END IF; RETURN COALESCE(NEW, OLD); END $$; \
         CREATE TRIGGER abort BEFORE INSERT OR UPDATE OR DELETE ON sessions FOR EACH ROW \
         EXECUTE FUNCTION abort()",
    )
    .await;
    // Two attempts of each verb.
    let abort_again = async || pool.run("ALTER SEQUENCE attempts RESTART").await;
    let shared = session(everything());
    store.create(shared.clone()).await.unwrap();
    let idle = Duration::from_secs(60);
    abort_again().await;
    let touch = Touch { id: shared.id, idle, presented: None, client: None };
    assert!(matches!(store.touch(touch).await.unwrap(), Touched::Written { .. }));
    abort_again().await;
    let change = Change {
        id: shared.id,
        secret: shared.secret,
        version: 1,
        from: Arc::clone(&shared.data),
        to: Arc::new(Everything { small: 7, ..everything() }),
        idle,
    };
    assert!(matches!(store.update(change).await.unwrap(), Updated::Written { version: 2 }));
    assert_eq!(loaded(&store, shared.id).await.data.small, 7);
    abort_again().await;
    let mut replacing = session(everything());
    replacing.replaces = Some(Replaced { id: shared.id, proof: shared.lasting });
    store.create(replacing.clone()).await.unwrap();
    loaded(&store, replacing.id).await;
    assert!(matches!(store.load(shared.id).await.unwrap(), Load::Absent));
    abort_again().await;
    let ended = store.revoke(replacing.id, None, EndReason::Revoked).await.unwrap();
    assert_eq!(ended, Ending::Ended);
}

#[tokio::test]
async fn on_mysql_the_sessions_time_zone_and_a_lax_mode_do_not_matter() {
    let Some(pool) = databases::mysql().await else { return };
    let options = MySqlConnectOptions::clone(&pool.connect_options());
    let elsewhere = MySqlPoolOptions::new()
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute("SET time_zone = '-09:30', sql_mode = ''").await.map(|_| ())
            })
        })
        .connect_lazy_with(options);
    let here = ready::<Everything, _>(&pool).await;
    let there = elsewhere.store::<Everything>();
    let new = session(everything());
    let created = there.create(new.clone()).await.unwrap().into_record().unwrap();
    assert_eq!(format!("{created:?}"), format!("{:?}", loaded(&here, new.id).await));
    let Touched::Written { expires_at } =
        there.touch(Touch::new(new.id, Everything::IDLE)).await.unwrap()
    else {
        panic!("the session is live")
    };
    assert_eq!(loaded(&here, new.id).await.expires_at, expires_at);
    assert!(
        expires_at.saturating_since(created.created_at)
            < Everything::IDLE + Duration::from_secs(60)
    );
    let long = Everything { name: "x".repeat(256), ..everything() };
    assert_eq!(there.create(session(long)).await.unwrap_err().kind(), StoreErrorKind::Encode);
}

#[tokio::test]
async fn on_postgres_types_of_the_users_own_are_written_and_read() {
    #[derive(Clone, Debug, PartialEq, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Own {
        #[session(subject, sql_type = "handle")]
        name: String,
        #[session(sql_type = "mood", default = "'calm'")]
        mood: String,
        #[session(sql_type = "mood")]
        earlier: Option<String>,
        #[session(sql_type = "numeric(12, 4)")]
        price: f64,
        #[session(sql_type = "json", json)]
        tags: Vec<String>,
    }

    let Some(pool) = databases::postgres().await else { return };
    pool.run("CREATE TYPE mood AS ENUM ('calm', 'storm')").await;
    pool.run("CREATE DOMAIN handle AS text CHECK (value <> '')").await;
    let store = ready::<Own, _>(&pool).await;
    let data = Own {
        name: "ferris".into(),
        mood: "storm".into(),
        earlier: None,
        price: 12.25,
        tags: vec!["a".into()],
    };
    let new = session(data.clone());
    store.create(new.clone()).await.unwrap();
    assert_eq!(*loaded(&store, new.id).await.data, data);
    assert_eq!(store.list(&data.name, Page::default()).await.unwrap().len(), 1);
    let error = store.create(session(Own { mood: "hunter2".into(), ..data })).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Encode);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

/// Through `near` and through `far`, the same database: warned of is the second alone.
async fn assert_warned<T: SessionData>(
    near: impl TableStore<T>,
    far: impl TableStore<T>,
    demand: &str,
) {
    near.migrate().await.unwrap();
    assert_eq!(warnings(&near, "does not require TLS").await, [""; 0]);
    let warnings = warnings(&far, "does not require TLS").await;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains("at 0.0.0.0:") && warning.contains(demand), "{warning}");
}

/// The warnings of `verify` that contain these words. The same ones are in the log.
async fn warnings<T: SessionData>(store: &impl TableStore<T>, words: &str) -> Vec<String> {
    let (verified, logged) = logs::logged(store.verify()).await;
    let mut warnings = verified.unwrap().warnings;
    warnings.retain(|warning| warning.contains(words));
    assert_eq!(logged.matches(words).count(), warnings.len(), "{logged}");
    for warning in &warnings {
        assert!(logged.contains(warning), "{logged}");
    }
    warnings
}

// To connect to 0.0.0.0 is to stay on this machine, and nothing says so of the address.

#[tokio::test]
async fn verify_warns_of_postgres_without_tls_beyond_loopback() {
    let Some(near) = databases::postgres().await else { return };
    let options = near.connect_options().as_ref().clone().host("0.0.0.0");
    let far = PgPoolOptions::new().connect_with(options).await.unwrap();
    let (near, far) =
        (PostgresStore::<Everything>::new(near), PostgresStore::<Everything>::new(far));
    assert_warned(near, far, "Add `?sslmode=verify-full`").await;
}

#[tokio::test]
async fn verify_warns_of_mysql_without_tls_beyond_loopback() {
    let Some(near) = databases::mysql().await else { return };
    let options = near.connect_options().as_ref().clone().host("0.0.0.0");
    let far = MySqlPoolOptions::new().connect_with(options).await.unwrap();
    let (near, far) = (MySqlStore::<Everything>::new(near), MySqlStore::<Everything>::new(far));
    assert_warned(near, far, "Add `?ssl-mode=VERIFY_IDENTITY`").await;
}

#[tokio::test]
async fn on_mysql_connections_that_do_not_commit_are_refused() {
    let Some(pool) = databases::mysql().await else { return };
    ready::<Everything, _>(&pool).await;
    for (setting, remedy) in [
        ("autocommit = 0", "set `autocommit = 1`"),
        ("completion_type = 'CHAIN'", "set `completion_type = NO_CHAIN`"),
    ] {
        let options = MySqlConnectOptions::clone(&pool.connect_options());
        let open = MySqlPoolOptions::new()
            .after_connect(move |connection, _| {
                let set = sqlx::AssertSqlSafe(format!("SET {setting}"));
                Box::pin(async move { connection.execute(set).await.map(|_| ()) })
            })
            .connect_lazy_with(options);
        let store = open.store::<Everything>();
        let refused = store.create(session(everything())).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
        assert!(refused.to_string().contains(remedy), "{refused}");
        assert!(store.verify().await.unwrap_err().to_string().contains(remedy));
    }
}
