//! The same handler in three ways, in process: without sessions, under a layer that it does not
//! use, and guarded, with the rows in memory.

use std::hint::black_box;

use anchor::prelude::*;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::{get, post};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

#[derive(Clone, SessionData)]
struct UserSession {
    #[session(subject)]
    user_id: i64,
}

async fn open() -> &'static str {
    "hello"
}

#[require_session(UserSession)]
async fn guarded() -> &'static str {
    "hello"
}

async fn login(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    auth.login(UserSession { user_id: 1 }).await.map(drop)
}

fn benchmark(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bare = Router::new().route("/open", get(open));
    let (app, cookie) = runtime.block_on(application());

    let mut group = criterion.benchmark_group("guarded_request");
    for (name, app, path) in [
        ("without a layer", &bare, "/open"),
        ("with a layer, unused", &app, "/open"),
        ("guarded", &app, "/guarded"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| call(&runtime, black_box(app), path, &cookie));
        });
    }
    group.finish();
}

fn call(runtime: &Runtime, app: &Router, path: &str, cookie: &str) {
    let request =
        Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).expect("a request");
    let response = runtime.block_on(app.clone().oneshot(request)).expect("infallible");
    assert_eq!(response.status(), 200);
}

async fn application() -> (Router, String) {
    let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
        .keys(KeyRing::generate().expect("randomness"))
        .build()
        .expect("settings that work");
    let app = Router::new()
        .route("/open", get(open))
        .route("/guarded", get(guarded))
        .route("/login", post(login))
        .layer(sessions.layer());
    let request = Request::post("/login").body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request).await.expect("infallible");
    let cookie = response.headers()[header::SET_COOKIE].to_str().expect("ASCII");
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    (app, cookie)
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
