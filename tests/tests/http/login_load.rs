//! Many logins of one account at once, under `max_per_subject`: they wait for each other, and keep
//! nobody else waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchor::Error;
use anchor::prelude::*;
use anchor_tests::http::Served;
use anchor_tests::{Backend, TableLock, Waiting};
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::application::KEY;

on_every_store![
    logins_of_one_account_hold_one_connection_while_they_wait,
    a_login_that_gives_up_waiting_lets_the_next_go,
];

const CONNECTIONS: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, SessionData)]
#[session(table = "limited_sessions", cookie = "__Host-limited", max_per_subject = 3, cut_off)]
struct Limited {
    #[session(subject)]
    name: String,
}

async fn login(auth: Auth<Limited>, Path(name): Path<String>) -> Result<(), Error> {
    auth.login(Limited { name }).await.map(drop)
}

#[require_session(Limited)]
async fn me() {}

/// An application with a small pool.
struct Application {
    backend: Backend,
    sessions: SessionManager<Limited>,
    served: Arc<Served>,
}

impl Application {
    async fn start(backend: &Backend) -> Self {
        let backend = backend.reconnected(CONNECTIONS);
        let sessions = SessionManager::<Limited>::builder(backend.store().await)
            .keys(KeyRing::new([KEY]).unwrap())
            .build()
            .unwrap();
        let router = Router::new()
            .route("/login/{name}", post(login))
            .route("/me", get(me))
            .layer(sessions.layer());
        Self { backend, sessions, served: Arc::new(Served::start(router).await) }
    }

    /// Begins so many logins of one account.
    fn begin_logins(&self, count: usize) -> JoinSet<StatusCode> {
        let mut logins = JoinSet::new();
        for _ in 0..count {
            let served = Arc::clone(&self.served);
            logins.spawn(async move { served.post("/login/ferris").send().await.status });
        }
        logins
    }

    async fn other_user(&self) -> String {
        self.served.post("/login/corro").send().await.expect(StatusCode::OK).cookie()
    }
}

async fn logins_of_one_account_hold_one_connection_while_they_wait(backend: Backend) {
    let app = Application::start(&backend).await;
    let other = app.other_user().await;
    let Some(lock) = TableLock::of(&backend, "limited_sessions", Waiting::Writers).await else {
        return;
    };
    // The first login waits for the table, the others for the first.
    let logins = app.begin_logins(20);
    let settled = async {
        let mut samples = 0;
        while samples < 60 {
            // One that is being given back to the pool is in use, too, for a moment.
            samples = if app.backend.connections_in_use() == 1 { samples + 1 } else { 0 };
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, settled).await.expect("a login that waits its turn holds no connection");
    for _ in 0..20 {
        let me = timeout(PATIENCE / 5, app.served.get("/me").cookie(&other).send()).await;
        me.expect("there are connections for others").expect(StatusCode::OK);
    }
    lock.release().await;
    let answers = timeout(PATIENCE, logins.join_all()).await.expect("all go on");
    assert!(answers.iter().all(|status| *status == StatusCode::OK), "{answers:?}");
    assert_eq!(app.sessions.list(&"ferris".to_owned()).await.unwrap().len(), 3);
}

async fn a_login_that_gives_up_waiting_lets_the_next_go(backend: Backend) {
    let app = Application::start(&backend).await;
    let Some(lock) = TableLock::of(&backend, "limited_sessions", Waiting::Writers).await else {
        return;
    };
    let mut leaving = app.begin_logins(5);
    sleep(Duration::from_millis(200)).await;
    leaving.shutdown().await;
    lock.release().await;
    let answers = timeout(PATIENCE, app.begin_logins(5).join_all()).await.expect("they go on");
    assert!(answers.iter().all(|status| *status == StatusCode::OK), "{answers:?}");
}

/// The slowest but for one in a hundred.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Reads as another user until told to stop, and says how long each read took.
async fn reads(served: Arc<Served>, cookie: String, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut times = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let asked = Instant::now();
        served.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        times.push(asked.elapsed());
    }
    times
}

/// The slowest reads alone and beside 200 logins of one account, over the same span of time.
async fn slowest_reads(app: &Application) -> (Duration, Duration) {
    let cookie = app.other_user().await;
    let read = || {
        let stop = Arc::new(AtomicBool::new(false));
        let reads = reads(Arc::clone(&app.served), cookie.clone(), Arc::clone(&stop));
        (tokio::spawn(reads), stop)
    };
    let (beside, stop) = read();
    let began = Instant::now();
    let answers = app.begin_logins(200).join_all().await;
    let span = began.elapsed();
    stop.store(true, Ordering::SeqCst);
    let beside = p99(beside.await.unwrap());
    assert!(answers.iter().all(|status| *status == StatusCode::OK), "{answers:?}");
    let (alone, stop) = read();
    sleep(span).await;
    stop.store(true, Ordering::SeqCst);
    (p99(alone.await.unwrap()), beside)
}

async fn two_hundred_logins_of_one_account_leave_others_their_time(backend: Option<Backend>) {
    let Some(backend) = backend else { return };
    let app = Application::start(&backend).await;
    // Connections and statements are made before anything is measured.
    app.begin_logins(20).join_all().await;
    let mut measured = Vec::new();
    for _ in 0..3 {
        let (alone, beside) = slowest_reads(&app).await;
        measured.push((alone, beside));
        if beside <= 3 * alone {
            return;
        }
    }
    panic!("p99 alone and beside 200 logins, three times: {measured:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_logins_of_one_account_leave_others_their_time_on_postgres() {
    two_hundred_logins_of_one_account_leave_others_their_time(Backend::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_logins_of_one_account_leave_others_their_time_on_mysql() {
    two_hundred_logins_of_one_account_leave_others_their_time(Backend::mysql().await).await;
}
