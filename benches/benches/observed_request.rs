//! What it costs a guarded request that metrics and a log are kept, in process. The same
//! application serves the same requests in turns: while nobody looks, while a recorder and a
//! subscriber are there, and while that subscriber also keeps the spans of the store's calls.
//!
//! The unit is the processors' time, SQLite's included. Where Linux does not report it, it is the
//! time on the clock.

use std::io;
use std::time::{Duration, Instant};

use anchor::prelude::*;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::routing::{get, post};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use sqlx::sqlite::SqlitePoolOptions;
use tokio::task::JoinSet;
use tower::ServiceExt;
use tracing::Dispatch;

const ROUNDS: usize = 31;
const TURN: Duration = Duration::from_millis(60);
const SESSIONS: usize = 1_000;

#[derive(Clone, SessionData)]
struct UserSession {
    #[session(subject)]
    user_id: i64,
}

#[require_session(UserSession)]
async fn guarded() -> &'static str {
    "hello"
}

async fn login(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    auth.login(UserSession { user_id: 1 }).await.map(drop)
}

struct Application {
    router: Router<()>,
    cookies: Vec<HeaderValue>,
}

impl Application {
    async fn new(store: impl SessionStore<UserSession>) -> Self {
        let sessions = SessionManager::<UserSession>::builder(store)
            .keys(KeyRing::generate().expect("randomness"))
            .build()
            .expect("settings that work");
        let router = Router::new()
            .route("/guarded", get(guarded))
            .route("/login", post(login))
            .layer(sessions.layer())
            .with_state(());
        let mut cookies = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            let request = Request::post("/login").body(Body::empty()).expect("a request");
            let response = router.clone().oneshot(request).await.expect("infallible");
            let cookie = response.headers()[header::SET_COOKIE].to_str().expect("ASCII");
            let cookie = cookie.split(';').next().unwrap_or_default();
            cookies.push(HeaderValue::from_str(cookie).expect("a header's value"));
        }
        Self { router, cookies }
    }

    async fn call(router: &Router<()>, cookie: HeaderValue) {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = axum::http::Uri::from_static("/guarded");
        request.headers_mut().insert(header::COOKIE, cookie);
        let response = router.clone().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), 200);
    }

    /// Sends requests for a while, this many at the same time, and returns the nanoseconds per
    /// request.
    async fn turn(&self, at_once: usize, span: Duration) -> f64 {
        let (begins, busy) = (Instant::now(), busy());
        let mut clients = JoinSet::new();
        for client in 0..at_once {
            let (router, cookies) = (self.router.clone(), self.cookies.clone());
            clients.spawn(async move {
                let mut requests = 0_u32;
                let turns = cookies.iter().cycle().skip(client * SESSIONS / at_once);
                for cookie in turns {
                    Self::call(&router, cookie.clone()).await;
                    requests += 1;
                    if requests.is_multiple_of(8) {
                        if begins.elapsed() >= span {
                            break;
                        }
                        // A request whose row is in memory never waits.
                        tokio::task::yield_now().await;
                    }
                }
                requests
            });
        }
        let requests: u32 = clients.join_all().await.into_iter().sum();
        let spent = match (busy, self::busy()) {
            (Some(before), Some(after)) => (after - before) as f64,
            _ => begins.elapsed().as_nanos() as f64,
        };
        spent / f64::from(requests)
    }
}

/// Returns how many nanoseconds this process has run on a processor.
fn busy() -> Option<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let ran = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        sum += ran.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(sum)
}

/// Who looks.
struct Observers {
    name: &'static str,
    recorder: Option<PrometheusRecorder>,
    /// What the log keeps.
    filter: Option<&'static str>,
}

impl Observers {
    fn all() -> [Self; 3] {
        let recorder = || Some(PrometheusBuilder::new().build_recorder());
        [
            Self { name: "nobody", recorder: None, filter: None },
            Self { name: "metrics, log", recorder: recorder(), filter: Some("info") },
            Self {
                name: "metrics, log, spans",
                recorder: recorder(),
                filter: Some("info,anchor::store=debug"),
            },
        ]
    }

    async fn watch(&self, application: &Application, at_once: usize) -> f64 {
        let _recorded = self.recorder.as_ref().map(|it| metrics::set_default_local_recorder(it));
        // A subscriber that exists costs every place that could log something, so there is only
        // the one of this turn.
        let log = |filter| tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::sink);
        let subscriber = self.filter.map(|filter| Dispatch::new(log(filter).finish()));
        tracing::callsite::rebuild_interest_cache();
        let _logged = subscriber.as_ref().map(tracing::dispatcher::set_default);
        application.turn(at_once, TURN / 4).await;
        let time = application.turn(at_once, TURN).await;
        if let Some(recorder) = &self.recorder {
            // As a server does every few seconds.
            recorder.handle().run_upkeep();
        }
        time
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn compare(name: &str, application: &Application, at_once: usize) {
    let observers = Observers::all();
    let mut times = observers.each_ref().map(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        for (one, times) in observers.iter().zip(&mut times) {
            times.push(one.watch(application, at_once).await);
        }
    }
    for (one, own) in observers.iter().zip(&times) {
        let ratio = median(own.iter().zip(&times[0]).map(|(own, nobody)| own / nobody));
        let time = median(own.iter().copied());
        println!("| {name} | {at_once} | {} | {time:.0} | {ratio:.3} |", one.name);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("| store | at once | who looks | CPU ns per request | to nobody |");
    println!("| --- | ---: | --- | ---: | ---: |");
    compare("memory", &Application::new(MemoryStore::new()).await, 1).await;
    // A database in memory has one connection, which stays open.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect("sqlite::memory:")
        .await
        .expect("SQLite opens");
    let store = SqliteStore::new(pool);
    store.migrate().await.expect("SQLite makes the table");
    let application = Application::new(store).await;
    for at_once in [1, 64] {
        compare("SQLite", &application, at_once).await;
    }
}
