//! PgBouncer in transaction mode: clients share a few connections to the server, each for one
//! transaction at a time.
//!
//! `ANCHOR_TEST_PGBOUNCER=/path/to/pgbouncer` names another program than the installed one, such as
//! a newer version. From 1.21 on, PgBouncer keeps prepared statements for its clients
//! (`max_prepared_statements`), and more is tested. The server behind it is the one that all tests
//! share, or that of `ANCHOR_TEST_POSTGRES_URL`.

mod transactions;

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anchor::store::{EndReason, Ending, Load, NewSession, Page, SessionStore, VerifyError};
use anchor::token::{LastingHash, SecretHash};
use anchor::{PostgresStore, SessionData, SessionId};
use anchor_tests::servers::{Killable, announce, pgbouncer_version};
use anchor_tests::{Verb, Watched, databases, logs};
use http::StatusCode;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::application::{Application, LoggedIn, UserSession, log_in, me};

/// sqlx's default.
const KEPT: usize = 100;

/// `?statement-cache-capacity=0`.
const NOT_KEPT: usize = 0;

/// It does not keep prepared statements for its clients, as no version before 1.21 does.
static FORGETFUL: LazyLock<Option<Killable>> = LazyLock::new(|| {
    let settings: &[_] = if is_newer() { &["max_prepared_statements = 0"] } else { &[] };
    Killable::pgbouncer(settings)
});

/// It keeps prepared statements for its clients.
static KEEPING: LazyLock<Option<Killable>> = LazyLock::new(|| match is_newer() {
    true => Killable::pgbouncer(&["max_prepared_statements = 200"]),
    false => {
        announce(
            "the tests of PgBouncer 1.21 or newer pass without testing anything: set \
             ANCHOR_TEST_PGBOUNCER to its program",
        );
        None
    }
});

fn is_newer() -> bool {
    pgbouncer_version() >= Some((1, 21))
}

/// How clients of an empty schema connect through PgBouncer.
async fn options(bouncer: &Killable, capacity: usize) -> Option<PgConnectOptions> {
    let database = databases::postgres_schema_of_pgbouncer().await?;
    let options = PgConnectOptions::from_str(bouncer.url()).unwrap();
    Some(options.database(&database).statement_cache_capacity(capacity))
}

fn connected<T: SessionData>(options: &PgConnectOptions) -> PostgresStore<T> {
    let pool = PgPoolOptions::new().max_connections(8);
    PostgresStore::new(pool.connect_lazy_with(options.clone()))
}

async fn store<T: SessionData>(
    bouncer: &LazyLock<Option<Killable>>,
    capacity: usize,
) -> Option<PostgresStore<T>> {
    let store = connected(&options(bouncer.as_ref()?, capacity).await?);
    store.migrate().await.expect("the table is made through PgBouncer");
    Some(store)
}

mod without_kept_statements {
    anchor::conformance!(async || super::store(&super::FORGETFUL, super::NOT_KEPT).await);
}

mod with_kept_statements {
    anchor::conformance!(async || super::store(&super::KEEPING, super::KEPT).await);
}

fn session(name: &str) -> NewSession<UserSession> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = Uuid::from_u64_pair(7, COUNT.fetch_add(1, Ordering::Relaxed));
    let (lasting, secret) = (LastingHash::from_bytes([2; 32]), SecretHash::from_bytes([1; 32]));
    let data = UserSession { name: name.to_owned() };
    NewSession::new(SessionId::from_uuid(id), lasting, secret, data.into())
}

/// Everyone gets their own session, and nobody else's, however few connections there are.
async fn come_and_go(options: &PgConnectOptions) {
    let nodes = [connected::<UserSession>(options), connected(options)];
    let mut users = JoinSet::new();
    for number in 0..64 {
        let [here, there] = [&nodes[number % 2], &nodes[(number + 1) % 2]].map(Clone::clone);
        users.spawn(async move {
            for round in 0..8 {
                let new = session(&format!("user {number} {round}"));
                let proof = new.lasting;
                here.create(new.clone()).await.unwrap().into_record().unwrap();
                let Load::Live(loaded) = there.load(new.id).await.unwrap() else {
                    panic!("{:?} is not live", new.data)
                };
                assert_eq!((loaded.record.id, &*loaded.record.data), (new.id, &*new.data));
                let ending = there.revoke(new.id, Some(proof), EndReason::Logout).await.unwrap();
                assert_eq!(ending, Ending::Ended);
                assert!(matches!(here.load(new.id).await.unwrap(), Load::Absent));
            }
        });
    }
    users.join_all().await;
}

/// Two nodes make the table at the same time, and then [`come_and_go`].
async fn start_and_serve(options: &PgConnectOptions) {
    let (one, other) = (connected::<UserSession>(options), connected::<UserSession>(options));
    tokio::try_join!(one.migrate(), other.migrate()).unwrap();
    one.verify().await.unwrap();
    come_and_go(options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_gets_their_own_session_without_kept_statements() {
    let Some(bouncer) = &*FORGETFUL else { return };
    let Some(options) = options(bouncer, NOT_KEPT).await else { return };
    start_and_serve(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_gets_their_own_session_with_kept_statements() {
    let Some(bouncer) = &*KEEPING else { return };
    let Some(options) = options(bouncer, KEPT).await else { return };
    start_and_serve(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_mode_needs_nothing() {
    let settings = ["pool_mode = session", "default_pool_size = 20"];
    let Some(bouncer) = Killable::pgbouncer(&settings) else { return };
    // PgBouncer resets what a connection has set, so the schema could not be chosen.
    let Some(database) = databases::postgres_database().await else { return };
    let options = PgConnectOptions::from_str(bouncer.url()).unwrap().database(&database);
    start_and_serve(&options).await;
}

/// Whether a message says what to set.
fn says_what_to_set(message: &str) -> bool {
    let settings = [
        "`max_prepared_statements = 200`",
        "`?statement-cache-capacity=0`",
        "`pool_mode = session`",
    ];
    settings.iter().all(|setting| message.contains(setting))
}

#[tokio::test]
async fn verify_refuses_a_pooler_that_loses_prepared_statements() {
    let Some(bouncer) = &*FORGETFUL else { return };
    let Some(options) = options(bouncer, KEPT).await else { return };
    let unkept = options.clone().statement_cache_capacity(NOT_KEPT);
    connected::<UserSession>(&unkept).migrate().await.unwrap();
    let refused = connected::<UserSession>(&options).verify().await;
    let Err(VerifyError::Settings { settings }) = refused else { panic!("{refused:?}") };
    let [setting] = &settings[..] else { panic!("{settings:?}") };
    assert!(says_what_to_set(setting), "{setting}");
}

#[tokio::test]
async fn a_lost_prepared_statement_is_an_error_that_says_what_to_set() {
    let Some(bouncer) = &*FORGETFUL else { return };
    let Some(options) = options(bouncer, KEPT).await else { return };
    let unkept = options.clone().statement_cache_capacity(NOT_KEPT);
    connected::<UserSession>(&unkept).migrate().await.unwrap();
    let (one, other) = (connected::<UserSession>(&options), connected::<UserSession>(&options));
    let id = session("ferris").id;
    assert!(matches!(one.load(id).await, Ok(Load::Absent)));
    let error = other.load(id).await;
    let Err(error) = error else { panic!("both prepare `sqlx_s_1` on one connection") };
    assert!(says_what_to_set(&error.to_string()), "{error}");
    assert!(error.to_string().contains("\"sqlx_s_1\" already exists"), "{error}");
}

#[tokio::test]
async fn a_startup_parameter_that_is_not_supported_is_an_error_that_says_what_to_set() {
    let Some(bouncer) = Killable::pgbouncer(&["ignore_startup_parameters ="]) else { return };
    let Some(options) = options(&bouncer, NOT_KEPT).await else { return };
    let error = connected::<UserSession>(&options).migrate().await.unwrap_err().to_string();
    assert!(error.contains("`ignore_startup_parameters = extra_float_digits`"), "{error}");
    let options = options.extra_float_digits(None);
    connected::<UserSession>(&options).migrate().await.unwrap();
    let options = options.options([("search_path", "public")]);
    let error = connected::<UserSession>(&options).migrate().await.unwrap_err().to_string();
    assert!(error.contains("`ALTER ROLE shop SET search_path = shop`"), "{error}");
}

#[tokio::test]
async fn statements_that_are_not_kept_leave_nothing_on_the_server() {
    let Some(direct) = databases::postgres().await else { return };
    let options = (*direct.connect_options()).clone();
    for (capacity, is_kept) in [(KEPT, true), (NOT_KEPT, false)] {
        let options = options.clone().statement_cache_capacity(capacity);
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let store = PostgresStore::<UserSession>::new(pool.clone());
        store.migrate().await.unwrap();
        let new = session("ferris");
        store.create(new.clone()).await.unwrap();
        store.load(new.id).await.unwrap();
        store.revoke_subject(&new.data.name, EndReason::Revoked).await.unwrap();
        let left = "SELECT FROM pg_prepared_statements";
        let left = sqlx::raw_sql(left).fetch_all(&pool).await.unwrap().len();
        assert_eq!(left > 0, is_kept, "{left} with capacity {capacity}");
    }
}

/// Its transaction begins when nobody waits for it any longer.
#[tokio::test]
async fn a_caller_that_leaves_keeps_no_connection_from_others() {
    let settings = ["default_pool_size = 1", "max_prepared_statements = 0"];
    let settings = if is_newer() { &settings[..] } else { &settings[..1] };
    let Some(bouncer) = Killable::pgbouncer(settings) else { return };
    let Some(options) = options(&bouncer, NOT_KEPT).await else { return };
    // So that the first thing that has to wait is the beginning of the transaction.
    let pool = PgPoolOptions::new().test_before_acquire(false).connect_lazy_with(options.clone());
    let (leaving, other) =
        (PostgresStore::<UserSession>::new(pool), connected::<UserSession>(&options));
    leaving.migrate().await.unwrap();
    let name = "ferris".to_owned();
    let mut client = options.connect().await.unwrap();
    client.execute("BEGIN").await.unwrap();
    let left = timeout(Duration::from_millis(500), leaving.list(&name, Page::default())).await;
    assert!(left.is_err(), "the client has the only connection");
    client.execute("COMMIT").await.unwrap();
    let listed = timeout(Duration::from_secs(10), other.list(&name, Page::default())).await;
    listed.expect("the only connection is in a transaction that nobody ends").unwrap();
}

/// What a connection has locked or set stays on the server's connection, for whoever gets it next.
#[tokio::test]
async fn a_lock_of_a_connection_outlives_it() {
    let Some(bouncer) = Killable::pgbouncer(&["default_pool_size = 1"]) else { return };
    let Some(options) = options(&bouncer, NOT_KEPT).await else { return };
    let mut client = options.connect().await.unwrap();
    client.execute("SELECT pg_advisory_lock(7)").await.unwrap();
    client.execute("SET statement_timeout = '7min'").await.unwrap();
    client.close().await.unwrap();
    let mut next = options.connect().await.unwrap();
    let held = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7";
    assert_eq!(sqlx::raw_sql(held).fetch_all(&mut next).await.unwrap().len(), 1);
    let set = "SELECT FROM pg_settings WHERE name = 'statement_timeout' AND setting = '420000'";
    assert_eq!(sqlx::raw_sql(set).fetch_all(&mut next).await.unwrap().len(), 1);
}

/// A node with a cache.
struct Cached {
    store: Watched<UserSession>,
    app: Application,
}

impl Cached {
    async fn start(options: &PgConnectOptions) -> Self {
        let store = connected::<UserSession>(options);
        store.migrate().await.unwrap();
        let (store, lease) = (Watched::new(Arc::new(store)), Duration::from_secs(60));
        let app =
            Application::over(Arc::new(store.clone()), |sessions| sessions.cache(lease)).await;
        Self { store, app }
    }

    /// Whether a request was served without the store.
    async fn serves(&self, session: &LoggedIn) -> bool {
        let before = self.store.calls(Verb::Load);
        assert_eq!(me(&self.app, session).await, StatusCode::OK);
        self.store.calls(Verb::Load) == before
    }
}

#[tokio::test]
async fn in_session_mode_the_cache_is_on() {
    let settings = ["pool_mode = session", "default_pool_size = 20"];
    let Some(bouncer) = Killable::pgbouncer(&settings) else { return };
    let Some(database) = databases::postgres_database().await else { return };
    let options = PgConnectOptions::from_str(bouncer.url()).unwrap().database(&database);
    let node = Cached::start(&options).await;
    let session = log_in(&node.app, "ferris").await;
    let began = Instant::now();
    while !node.serves(&session).await {
        assert!(began.elapsed() < Duration::from_secs(30), "the cache stays off");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn no_notification_arrives_and_the_cache_stays_off() {
    let Some(bouncer) = &*FORGETFUL else { return };
    let Some(options) = options(bouncer, NOT_KEPT).await else { return };
    let (here, there) = (Cached::start(&options).await, Cached::start(&options).await);
    let ((), logged) = logs::logged(async {
        let began = Instant::now();
        let session = log_in(&here.app, "ferris").await;
        // If it listened all the same, its own messages would reach others, whose requests fail.
        while began.elapsed() < Duration::from_secs(6) {
            assert!(!there.serves(&session).await, "the cache is on");
            sleep(Duration::from_millis(50)).await;
        }
        here.app
            .post("/logout")
            .cookie(&session.cookie)
            .send()
            .await
            .expect(StatusCode::NO_CONTENT);
        assert_eq!(me(&there.app, &session).await, StatusCode::UNAUTHORIZED);
    })
    .await;
    assert!(logged.contains("connect to the database directly"), "{logged}");
}
