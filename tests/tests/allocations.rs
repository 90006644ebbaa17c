//! What a guard costs in allocations, counted: at most five more than the same handler has without
//! guard and layer, two of them axum's own for any layer.
//!
//! A binary of its own, with one test, because the counting allocator counts for the whole process.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use anchor::prelude::*;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::routing::get;
use http::{Request, StatusCode, header};
use tower::ServiceExt;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Clone, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
struct UserSession {
    #[session(subject)]
    name: String,
}

async fn plain() -> &'static str {
    "hello"
}

#[require_session(UserSession)]
async fn guarded() -> &'static str {
    "hello"
}

#[require_session]
async fn guarded_bare() -> &'static str {
    "hello"
}

#[require_session]
async fn greeted(session: Session<UserSession>) -> &'static str {
    if session.name.is_empty() { "nobody" } else { "hello" }
}

async fn login(auth: Auth<UserSession>) {
    auth.login(UserSession { name: "ferris".into() }).await.unwrap();
}

/// The allocations of one request to a warmed router: the least of several, for the first may fill
/// caches.
async fn allocations(router: &Router, path: &str, cookie: &str) -> usize {
    // What `axum::serve` does with a router, once.
    let router = router.clone().with_state(());
    let mut least = usize::MAX;
    for _ in 0..32 {
        let request =
            Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        let router = router.clone();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let response = router.oneshot(request).await.unwrap();
        let after = ALLOCATIONS.load(Ordering::Relaxed);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body().size_hint().exact(), Some(5), "hello");
        least = least.min(after - before);
    }
    least
}

#[tokio::test(flavor = "current_thread")]
async fn a_guarded_request_allocates_at_most_five_times_more_than_an_open_one() {
    let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
        .keys(KeyRing::new([[7; 32]]).unwrap())
        .build()
        .unwrap();
    let open = Router::new().route("/plain", get(plain));
    let layered = Router::new()
        .route("/plain", get(plain))
        .route("/guarded", get(guarded))
        .route("/bare", get(guarded_bare))
        .route("/greeted", get(greeted))
        .route("/login", get(login))
        .layer(sessions.layer());
    let login = Request::get("/login").body(Body::empty()).unwrap();
    let login = layered.clone().oneshot(login).await.unwrap();
    let cookie = login.headers()[header::SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();

    let base = allocations(&open, "/plain", cookie).await;
    println!("without a layer: {base} allocations");
    let identity = open.clone().layer(tower::layer::layer_fn(|route: axum::routing::Route| route));
    let identity = allocations(&identity, "/plain", cookie).await;
    println!("under a layer that does nothing: {identity} ({} more)", identity - base);
    let unasked = allocations(&layered, "/plain", cookie).await;
    println!("under a layer that is not asked: {unasked} ({} more)", unasked - base);
    // A bare guard boxes one future more, for it does not know the payload's type.
    for (path, most) in [("/guarded", 5), ("/greeted", 5), ("/bare", 6)] {
        let guarded = allocations(&layered, path, cookie).await;
        println!(
            "{path}: {guarded} ({} more, {} of them by the guard)",
            guarded - base,
            guarded - unasked
        );
        assert!(
            guarded - base <= most,
            "{path}: {} more than without guard and layer",
            guarded - base
        );
        assert!(guarded - unasked <= 1, "{path}: {} more than without a guard", guarded - unasked);
    }
}
