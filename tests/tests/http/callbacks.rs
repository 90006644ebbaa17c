//! Callbacks of the application's own that panic: nobody is let in by it, and nothing that was
//! carried out is denied.

use anchor::Error;
use anchor::manager::{Event, FingerprintMismatch, SessionManagerBuilder};
use anchor::prelude::*;
use anchor_tests::http::Served;
use anchor_tests::{Backend, Watched, logs};
use axum::Router;
use axum::routing::{get, post};
use http::{HeaderName, StatusCode};

use crate::application::{Application, KEY, REQUIRING};
use crate::tokens::id_of;

on_every_store![
    an_event_hook_that_panics_changes_no_answer,
    an_event_hook_that_panics_does_not_stop_the_sweeper,
    a_refusal_stands_when_its_own_response_panics,
    a_panic_over_the_address_records_none,
    a_panic_over_the_fingerprint_is_500_and_ends_no_session,
];

#[logout(crate::application::UserSession, all)]
async fn logout_all() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn an_event_hook_that_panics_changes_no_answer(backend: Backend) {
    logs::keep();
    let app = Application::assemble(
        Watched::new(backend.store().await),
        |sessions| {
            let sessions = sessions.touch_interval(std::time::Duration::ZERO);
            sessions.on_event(|_| panic!("the hook gives up"))
        },
        Router::new().route("/logout-all", post(logout_all)),
    )
    .await;
    for path in ["/logout", "/logout-by-auth", "/logout-all"] {
        let cookie = app.log_in("ferris").await;
        app.me(&cookie).await.expect(StatusCode::OK);
        let logout = app.post(path).cookie(&cookie).send().await;
        assert!(logout.status.is_success(), "{path}: {logout:?}");
        assert!(logout.set_cookie().contains("Max-Age=0"), "{path}: {logout:?}");
        app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
    let cookie = app.log_in("ferris").await;
    app.log_in_over("ferris", &cookie).await;
    assert!(!app.is_live(id_of(&cookie)).await);
    let lines = logs::lines_with("callback `on_event` panicked");
    assert!(lines.iter().all(|line| line.contains("ERROR anchor:")), "{lines:?}");
    assert!(!lines.is_empty());
}

async fn an_event_hook_that_panics_does_not_stop_the_sweeper(backend: Backend) {
    let second = std::time::Duration::from_secs(1);
    let app = Application::configured(&backend, |sessions| {
        sessions.idle(second / 10).on_event(|event| {
            if let Event::Expired { .. } = event {
                panic!("the hook gives up");
            }
        })
    })
    .await;
    let _sweeper = app.sessions.run_sweeper(second / 100);
    for _ in 0..2 {
        let id = id_of(&app.log_in("ferris").await);
        let swept = async {
            while !matches!(app.store.inner().load(id).await, Ok(anchor::store::Load::Absent)) {
                tokio::time::sleep(second / 100).await;
            }
        };
        tokio::time::timeout(second * 10, swept).await.expect("it goes on sweeping");
    }
}

async fn a_refusal_stands_when_its_own_response_panics(backend: Backend) {
    let app = Application::configured(&backend, |sessions| {
        sessions.on_reject(|_, _| panic!("no response"))
    })
    .await;
    for path in REQUIRING {
        let refused = app.get(path).send().await.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(refused.text(), "{\"error\":\"unauthenticated\"}", "{path}");
    }
    let site = HeaderName::from_static("sec-fetch-site");
    let forged = app.post("/logout").header(site, "cross-site").send().await;
    assert_eq!(forged.expect(StatusCode::FORBIDDEN).text(), "{\"error\":\"cross_origin\"}");
}

#[derive(Debug, Clone, SessionData)]
#[session(table = "bound_sessions", cookie = "__Host-bound", track, fingerprint)]
struct Bound {
    #[session(subject)]
    name: String,
}

/// Makes the callback panic that it names.
const PANICS: HeaderName = HeaderName::from_static("x-panics");

fn panics(request: &http::request::Parts, callback: &str) {
    let named = request.headers.get(PANICS).map(|value| value.as_bytes());
    assert_ne!(named, Some(callback.as_bytes()), "the request asks for it");
}

async fn login(auth: Auth<Bound>) -> Result<(), Error> {
    auth.login(Bound { name: "ferris".into() }).await.map(drop)
}

async fn me(_: Session<Bound>) {}

#[logout(Bound)]
async fn logout() {}

async fn bound(backend: &Backend) -> (SessionManager<Bound>, Served) {
    let builder: SessionManagerBuilder<Bound> = SessionManager::builder(backend.store().await)
        .keys(KeyRing::new([KEY]).unwrap())
        .client_ip(|request| {
            panics(request, "client_ip");
            Some([192, 0, 2, 7].into())
        })
        .fingerprint(FingerprintMismatch::End, |request| {
            panics(request, "fingerprint");
            Some(b"this client".into())
        });
    let sessions = builder.build().unwrap();
    let router = Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .layer(sessions.layer());
    (sessions, Served::start(router).await)
}

async fn a_panic_over_the_address_records_none(backend: Backend) {
    let (sessions, app) = bound(&backend).await;
    let login = app.post("/login").header(PANICS, "client_ip").send().await;
    let cookie = login.expect(StatusCode::OK).cookie();
    let record = sessions.get(id_of(&cookie)).await.unwrap().unwrap();
    assert_eq!(record.client.and_then(|origin| origin.ip()), None);
    app.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
}

async fn a_panic_over_the_fingerprint_is_500_and_ends_no_session(backend: Backend) {
    let (sessions, app) = bound(&backend).await;
    let login = app.post("/login").header(PANICS, "fingerprint").send().await;
    let login = login.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert!(login.set_cookies().is_empty(), "{login:?}");
    assert!(sessions.list(&"ferris".to_owned()).await.unwrap().is_empty(), "none is unbound");

    let cookie = app.post("/login").send().await.expect(StatusCode::OK).cookie();
    let me = app.get("/me").cookie(&cookie).header(PANICS, "fingerprint").send().await;
    me.expect(StatusCode::INTERNAL_SERVER_ERROR);
    app.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
    let logout = app.post("/logout").cookie(&cookie).header(PANICS, "fingerprint").send().await;
    logout.expect(StatusCode::OK);
    app.get("/me").cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED);
}
