//! PostgreSQL with a standby, which is promoted when the primary is killed in a storm of logins and
//! logouts. The application reaches both through one address, as through a virtual IP or a DNS
//! name, and keeps its pool.
//!
//! With `synchronous_commit = remote_apply`, nothing that was answered is undone. With a standby
//! that lags behind, the documentation's warning comes true.
//!
//! `ANCHOR_FAILOVERS=100 cargo test -p anchor-tests --test clusters postgres_standby` fails over
//! 100 times instead of once. The servers are always the test's own, because it kills them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anchor::PostgresStore;
use anchor::store::VerifyError;
use anchor_tests::http::Served;
use anchor_tests::servers::Killable;
use anchor_tests::{Backend, Proxy};
use http::StatusCode;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep};

use crate::application::{Application, LoggedIn, UserSession, log_in, logged_in};
use crate::storm::{Told, Verdict, is_live};

const STANDBY: &str = "anchor_standby";

const SMALL: [&str; 2] = ["shared_buffers=16MB", "max_wal_senders=4"];

const SYNCHRONOUS: [&str; 2] =
    ["synchronous_standby_names=anchor_standby", "synchronous_commit=remote_apply"];

const USERS: usize = 8;

/// How long an application waits for its store.
const BOUND: Duration = Duration::from_secs(2);

/// For what happens soon, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A primary and a standby, which follows it over `link`. Applications use `front`.
struct Pair {
    primary: Killable,
    standby: Killable,
    link: Proxy,
    front: Proxy,
}

impl Pair {
    async fn start(settings: &[&str]) -> Option<Self> {
        let primary = Killable::postgres(&[&SMALL[..], settings].concat())?;
        let link = Proxy::before(place(&primary));
        let standby = Killable::postgres_standby(link.address().port(), STANDBY, &SMALL)?;
        let front = Proxy::before(place(&primary));
        let pair = Self { primary, standby, link, front };
        let expected = if settings.is_empty() { "async" } else { "sync" };
        let connected = "SELECT count(*) FROM pg_stat_replication \
                         WHERE application_name = $1 AND state = 'streaming' AND sync_state = $2";
        let direct = pool(pair.primary.url());
        wait_for("the standby follows", async || {
            let query = sqlx::query_scalar::<_, i64>(connected).bind(STANDBY).bind(expected);
            query.fetch_one(&direct).await.unwrap() == 1
        })
        .await;
        Some(pair)
    }

    /// A node with a manager and a pool of its own.
    async fn node(&self) -> Application {
        let url = format!("postgres://anchor@{}/postgres", self.front.address());
        let store = Backend::at(&url).store().await;
        Application::over(store, |sessions| sessions.store_timeout(BOUND)).await
    }

    /// Waits until the standby has everything.
    async fn catch_up(&self) {
        let direct = pool(self.primary.url());
        wait_for("the standby catches up", async || {
            let behind = "SELECT count(*) FROM pg_stat_replication \
                          WHERE replay_lsn = pg_current_wal_lsn()";
            sqlx::query_scalar::<_, i64>(behind).fetch_one(&direct).await.unwrap() == 1
        })
        .await;
    }

    /// Kills the primary, and lets the standby take its place.
    async fn fail_over(&self) {
        block_in_place(|| self.primary.kill());
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote(true, 60)")
            .fetch_one(&pool(self.standby.url()))
            .await
            .unwrap();
        assert!(promoted);
        self.front.redirect(place(&self.standby));
    }
}

/// `host:port`.
fn place(server: &Killable) -> String {
    let place = server.url().split('@').next_back().unwrap();
    place.split('/').next().unwrap().to_owned()
}

fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(1).connect_lazy(url).unwrap()
}

async fn wait_for(what: &str, happens: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !happens().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Users who log in and out on two nodes, and do not accept any answer that is wrong.
struct Users {
    stop: Arc<AtomicBool>,
    /// How many logouts were answered.
    answered: Arc<AtomicUsize>,
    users: JoinSet<Told>,
}

impl Users {
    fn begin(nodes: &[Application; 2]) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut users = JoinSet::new();
        for number in 0..USERS {
            let mut nodes = nodes.each_ref().map(Application::served);
            nodes.rotate_left(number % 2);
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            users.spawn(async move {
                let mut told = Told::default();
                while !stop.load(Ordering::SeqCst) {
                    come_and_go(&nodes, &format!("user{number}"), &mut told, &answered).await;
                }
                told
            });
        }
        Self { stop, answered, users }
    }

    /// Waits until so many more logouts have been answered.
    async fn log_out(&self, more: usize) {
        let enough = self.answered.load(Ordering::SeqCst) + more;
        let is_enough = async || self.answered.load(Ordering::SeqCst) >= enough;
        wait_for("users log out", is_enough).await;
    }

    async fn end(self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        let mut told = Told::default();
        self.users.join_all().await.into_iter().for_each(|user| told.extend(user));
        told
    }
}

/// Logs in on one node and out on it; on the other one, looks at what should be so.
async fn come_and_go(
    [here, there]: &[Arc<Served>; 2],
    name: &str,
    told: &mut Told,
    answered: &AtomicUsize,
) {
    let Some(leaving) = try_log_in(here, name).await else { return };
    expect(there, &leaving, StatusCode::OK).await;
    let answer = here.post("/logout").cookie(&leaving.cookie).send().await;
    match answer.status {
        StatusCode::NO_CONTENT => {
            expect(there, &leaving, StatusCode::UNAUTHORIZED).await;
            told.ended.push(leaving);
            answered.fetch_add(1, Ordering::SeqCst);
        }
        StatusCode::SERVICE_UNAVAILABLE => told.unanswered.push(leaving),
        _ => panic!("{answer:?}"),
    }
    told.live.extend(try_log_in(here, name).await);
    // The oldest ones are from before the failover.
    if let (Some(live), Some(ended)) = (told.live.first(), told.ended.first()) {
        expect(there, live, StatusCode::OK).await;
        expect(there, ended, StatusCode::UNAUTHORIZED).await;
    }
}

async fn try_log_in(served: &Served, name: &str) -> Option<LoggedIn> {
    let answer = served.post(&format!("/login/{name}")).send().await;
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        sleep(Duration::from_millis(5)).await;
        return None;
    }
    Some(logged_in(answer).expect("a session, or 503"))
}

/// This answer, or 503.
async fn expect(served: &Served, session: &LoggedIn, expected: StatusCode) {
    let answer = served.get("/me").cookie(&session.cookie).send().await;
    let is_expected = [expected, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status);
    assert!(is_expected, "{expected}, or 503: {answer:?}");
}

fn failovers() -> usize {
    let failovers = std::env::var("ANCHOR_FAILOVERS").ok();
    failovers.map_or(1, |failovers| failovers.parse().expect("a number of failovers"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_remote_apply_nothing_that_was_answered_is_undone_by_a_failover() {
    let began = Instant::now();
    let mut verdict = Verdict::default();
    for _ in 0..failovers() {
        let Some(pair) = Pair::start(&SYNCHRONOUS).await else { return };
        let nodes = [pair.node().await, pair.node().await];
        let users = Users::begin(&nodes);
        users.log_out(50).await;
        pair.fail_over().await;
        users.log_out(50).await;
        let told = users.end().await;
        verdict.judge(&nodes[0].served(), &told).await;
    }
    println!("failovers of PostgreSQL in {:?}: {verdict:?}", began.elapsed());
    assert_eq!((verdict.undone, verdict.lost), (0, 0), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_remote_apply_a_logout_that_the_standby_has_not_confirmed_is_503() {
    let Some(pair) = Pair::start(&SYNCHRONOUS).await else { return };
    let nodes = [pair.node().await, pair.node().await];
    let mut unanswered = Vec::new();
    for number in 0..USERS {
        unanswered.push(log_in(&nodes[0], &format!("user{number}")).await);
    }
    pair.link.silence();
    let mut logouts = JoinSet::new();
    for session in unanswered.clone() {
        let served = nodes[0].served();
        logouts.spawn(
            async move { served.post("/logout").cookie(&session.cookie).send().await.status },
        );
    }
    for status in logouts.join_all().await {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    // Nor is a repeated one answered.
    let again = nodes[1].post("/logout").cookie(&unanswered[0].cookie).send().await;
    again.expect(StatusCode::SERVICE_UNAVAILABLE);
    pair.fail_over().await;
    let mut verdict = Verdict::default();
    let told = Told { unanswered, ..Told::default() };
    verdict.judge(&nodes[1].served(), &told).await;
    assert!(verdict.not_done > 0, "the standby has heard of them: {verdict:?}");
}

/// A primary that restarts shows what it has committed before, whether a standby has it or not. A
/// logout that finds its session gone is then not to be answered yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_remote_apply_a_logout_repeated_after_a_restart_is_503_until_the_standby_has_it() {
    let Some(mut pair) = Pair::start(&SYNCHRONOUS).await else { return };
    let node = pair.node().await;
    let session = log_in(&node, "ferris").await;
    pair.link.silence();
    let logout = async || node.post("/logout").cookie(&session.cookie).send().await.status;
    assert_eq!(logout().await, StatusCode::SERVICE_UNAVAILABLE);
    block_in_place(|| {
        pair.primary.kill();
        pair.primary.restart();
    });
    assert!(!is_live(&node, &session).await, "the primary has not kept what it had committed");
    assert_eq!(logout().await, StatusCode::SERVICE_UNAVAILABLE);
    pair.fail_over().await;
    assert!(is_live(&node, &session).await, "the standby has heard of it");
    assert_eq!(logout().await, StatusCode::NO_CONTENT);
    assert!(!is_live(&node, &session).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_lags_behind_undoes_logouts_when_it_is_promoted() {
    let Some(pair) = Pair::start(&[]).await else { return };
    let node = pair.node().await;
    let mut ended = Vec::new();
    for number in 0..USERS {
        ended.push(log_in(&node, &format!("user{number}")).await);
    }
    pair.catch_up().await;
    pair.link.silence();
    for session in &ended {
        let logout = node.post("/logout").cookie(&session.cookie).send().await;
        logout.expect(StatusCode::NO_CONTENT);
        expect(&node, session, StatusCode::UNAUTHORIZED).await;
    }
    pair.fail_over().await;
    for session in &ended {
        assert!(is_live(&node, session).await, "the failover did not undo the logout");
        node.post("/logout").cookie(&session.cookie).send().await.expect(StatusCode::NO_CONTENT);
        assert!(!is_live(&node, session).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_refuses_a_standby_until_it_is_promoted() {
    let Some(pair) = Pair::start(&SYNCHRONOUS).await else { return };
    let primary = PostgresStore::<UserSession>::new(pool(pair.primary.url()));
    primary.migrate().await.unwrap();
    assert_eq!(primary.verify().await.unwrap().warnings, [""; 0]);
    // With `remote_apply`, the standby shows the table as soon as it was made.
    let standby = PostgresStore::<UserSession>::new(pool(pair.standby.url()));
    let refused = standby.verify().await;
    let Err(VerifyError::Settings { settings }) = refused else { panic!("{refused:?}") };
    assert!(settings[0].contains("is a replica"), "{settings:?}");
    pair.fail_over().await;
    assert_eq!(standby.verify().await.unwrap().warnings, [""; 0]);
}
