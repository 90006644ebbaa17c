//! A store to which every statement comes two seconds late: who needs no session does not notice,
//! everyone else is told within `store_timeout`, and nothing is left behind when it is over.

use std::time::Duration;

use anchor_tests::Backend;
use axum::Router;
use axum::body::Body;
use http::header::COOKIE;
use http::{Method, Request, StatusCode};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use crate::application::{Application, LoggedIn, log_in, me};

on_every_server![
    a_slow_store_is_503_in_time_and_nothing_is_left_behind,
    of_a_slow_store_the_answer_comes_late_if_store_timeout_permits,
];

const LATE: Duration = Duration::from_secs(2);
const BOUND: Duration = Duration::from_secs(1);
const POOL: u32 = 5;

/// How many requests of each kind.
const OPEN: usize = 100;
const READS: usize = 200;
const LOGINS: usize = 100;
const LOGOUTS: usize = 80;
const NEEDLESS: usize = 20;

/// The longest time that a request without a session may take, on a machine that is busy.
const AT_ONCE: Duration = Duration::from_millis(400);

/// How late an answer may be that is due at a certain time.
const SLACK: Duration = Duration::from_millis(700);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Needs no session.
    Open,
    /// Needs no session, and asks for it.
    Needless,
    Read,
    Login,
    Logout,
}

/// A request, its answer, and how long that took.
struct Asked {
    kind: Kind,
    status: StatusCode,
    took: Duration,
}

/// Sends a request to the router itself, so that no connection is counted among the tasks.
async fn ask(router: Router, kind: Kind, cookie: String) -> Asked {
    let (method, path) = match kind {
        Kind::Open => (Method::GET, "/open"),
        Kind::Needless => (Method::GET, "/needless"),
        Kind::Read => (Method::GET, "/me"),
        Kind::Login => (Method::POST, "/login/corro"),
        Kind::Logout => (Method::POST, "/logout"),
    };
    let request = Request::builder().method(method).uri(path).header(COOKIE, cookie);
    let request = request.body(Body::empty()).unwrap();
    let began = Instant::now();
    let status = router.oneshot(request).await.unwrap().status();
    Asked { kind, status, took: began.elapsed() }
}

/// Five hundred requests. Those that need no session are spread over a second, the others come at
/// once.
async fn ask_all(router: &Router, sessions: &[LoggedIn]) -> Vec<Asked> {
    let mut asking = JoinSet::new();
    let kinds = [
        (Kind::Needless, NEEDLESS),
        (Kind::Read, READS),
        (Kind::Login, LOGINS),
        (Kind::Logout, LOGOUTS),
        (Kind::Open, OPEN),
    ];
    for (kind, count) in kinds {
        for number in 0..count {
            let cookie = match kind {
                Kind::Login => String::new(),
                _ => sessions[number % sessions.len()].cookie.clone(),
            };
            let router = router.clone();
            asking.spawn(async move {
                if kind == Kind::Open {
                    sleep(BOUND * number as u32 / OPEN as u32).await;
                }
                ask(router, kind, cookie).await
            });
        }
    }
    asking.join_all().await
}

fn slowest(asked: &[Asked], kind: Kind) -> Duration {
    let took = asked.iter().filter(|asked| asked.kind == kind).map(|asked| asked.took);
    took.max().expect("some were asked")
}

/// Waits until no more tasks are alive than before.
async fn until_tasks_are_gone(before: usize) {
    let began = Instant::now();
    loop {
        let alive = Handle::current().metrics().num_alive_tasks();
        if alive <= before {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{alive} tasks, {before} before");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn a_slow_store_is_503_in_time_and_nothing_is_left_behind(backend: Backend) {
    let direct = Application::over(backend.store().await, |sessions| sessions).await;
    let (behind, proxy) = backend.behind_a_proxy(POOL).expect("a connection to delay");
    let store = behind.store().await;
    let app = Application::over(store, |sessions| sessions.store_timeout(BOUND)).await;
    let mut sessions = Vec::new();
    for _ in 0..LOGOUTS {
        sessions.push(log_in(&direct, "ferris").await);
    }
    // The pool has all its connections, and what it prepares, it has prepared.
    drop(behind.take_every_connection().await);
    for session in &sessions[..8] {
        ask(app.router.clone(), Kind::Read, session.cookie.clone()).await;
    }
    sleep(Duration::from_millis(200)).await;
    let tasks = Handle::current().metrics().num_alive_tasks();

    proxy.delay(LATE);
    let asked = ask_all(&app.router, &sessions).await;
    proxy.heal();

    assert!(slowest(&asked, Kind::Open) < AT_ONCE, "{:?}", slowest(&asked, Kind::Open));
    for Asked { kind, status, took } in &asked {
        if *kind == Kind::Open {
            assert_eq!(*status, StatusCode::OK);
            continue;
        }
        assert_eq!(*status, StatusCode::SERVICE_UNAVAILABLE, "{kind:?} after {took:?}");
        assert!(*took >= BOUND && *took < BOUND + SLACK, "{kind:?}: {took:?}");
    }
    // The same bound finds a request that only asks for the session.
    assert!(slowest(&asked, Kind::Needless) > AT_ONCE);

    until_tasks_are_gone(tasks).await;
    let session = log_in(&direct, "ferris").await;
    let next = ask(app.router.clone(), Kind::Read, session.cookie.clone()).await;
    assert_eq!(next.status, StatusCode::OK);
    assert!(next.took < AT_ONCE, "{:?}", next.took);
    let every = timeout(BOUND, behind.take_every_connection()).await;
    drop(every.expect("the pool has every connection"));
    assert_eq!(app.sessions.shutdown().await, 0);
    // What was 503 is done or not; repeated, it is done.
    for session in &sessions {
        let logout = ask(app.router.clone(), Kind::Logout, session.cookie.clone()).await;
        assert_eq!(logout.status, StatusCode::NO_CONTENT);
        assert_eq!(me(&direct, session).await, StatusCode::UNAUTHORIZED);
    }
}

/// A setting of 10 seconds, the default, waits for the same store.
async fn of_a_slow_store_the_answer_comes_late_if_store_timeout_permits(backend: Backend) {
    let direct = Application::over(backend.store().await, |sessions| sessions).await;
    let (behind, proxy) = backend.behind_a_proxy(POOL).expect("a connection to delay");
    let app = Application::over(behind.store().await, |sessions| sessions).await;
    let session = log_in(&direct, "hopper").await;
    ask(app.router.clone(), Kind::Read, session.cookie.clone()).await;
    proxy.delay(LATE);
    let read = ask(app.router.clone(), Kind::Read, session.cookie.clone()).await;
    assert_eq!(read.status, StatusCode::OK);
    assert!(read.took >= LATE, "{:?}", read.took);
}
