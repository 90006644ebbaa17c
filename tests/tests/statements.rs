//! What a request costs on PostgreSQL: the statements that the server was told to execute, read off
//! the wire.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anchor::SessionId;
use anchor::prelude::*;
use anchor::store::{EndReason, Ending, Load, NewSession, StoreFuture, Use};
use anchor::token::{LastingHash, SecretHash};
use anchor_tests::http::Served;
use anchor_tests::{Tap, databases};
use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use uuid::Uuid;

#[derive(Clone, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
struct UserSession {
    #[session(subject)]
    name: String,
    visits: i64,
}

async fn login(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    auth.login(UserSession { name: "ferris".into(), visits: 0 }).await?;
    Ok(())
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.name.clone()
}

#[require_session(UserSession)]
async fn greedy(
    session: Session<UserSession>,
    user: UserSession,
    auth: Auth<UserSession>,
) -> Result<String, anchor::Rejection> {
    assert!(auth.session().await?.is_some());
    Ok(format!("{} {}", session.name, user.name))
}

async fn visit(mut session: Session<UserSession>) -> Result<(), anchor::Error> {
    session.update(|user| user.visits += 1).await
}

#[logout(UserSession)]
async fn logout() {}

/// An application whose every statement is seen.
struct Application {
    tap: Tap,
    store: PostgresStore<UserSession>,
    plain: Served,
    /// Records every use.
    touching: Served,
}

impl Application {
    async fn start() -> Option<Self> {
        let pool = databases::postgres().await?;
        PostgresStore::<UserSession>::new(pool.clone()).migrate().await.unwrap();
        let direct = PgConnectOptions::clone(&pool.connect_options());
        let tap = Tap::start(format!("{}:{}", direct.get_host(), direct.get_port())).await;
        let tapped = direct
            .host(&tap.address().ip().to_string())
            .port(tap.address().port())
            .ssl_mode(PgSslMode::Disable);
        // One connection: what it prepares, it has prepared.
        let pool = PgPoolOptions::new().max_connections(1).connect_with(tapped).await.unwrap();
        let serve = async |touch_interval: Duration| {
            let sessions = SessionManager::<UserSession>::builder(PostgresStore::new(pool.clone()))
                .keys(KeyRing::new([[7; 32]]).unwrap())
                .touch_interval(touch_interval)
                .build()
                .unwrap();
            let router = Router::new()
                .route("/open", get(async || "open"))
                .route("/login", post(login))
                .route("/me", get(me))
                .route("/greedy", get(greedy))
                .route("/visit", post(visit))
                .route("/logout", post(logout))
                .layer(sessions.layer());
            Served::start(router).await
        };
        let plain = serve(Duration::from_secs(60)).await;
        let touching = serve(Duration::ZERO).await;
        let app = Self { tap, store: PostgresStore::new(pool), plain, touching };
        let old = app.plain.post("/login").send().await.cookie();
        let cookie = app.plain.post("/login").cookie(&old).send().await.cookie();
        app.touching.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        app.executed_later().await;
        app.plain.post("/visit").cookie(&cookie).send().await.expect(StatusCode::OK);
        app.plain.post("/logout").cookie(&cookie).send().await.expect(StatusCode::OK);
        app.tap.take();
        Some(app)
    }

    /// What the server is made to execute after a response.
    async fn executed_later(&self) -> Vec<String> {
        // Twice as long as a use waits.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.tap.take()
    }

    /// What one request made the server execute.
    async fn executed(
        &self,
        call: anchor_tests::http::Call<'_>,
    ) -> (Vec<String>, anchor_tests::http::Answer) {
        self.tap.take();
        let answer = call.send().await.expect(StatusCode::OK);
        (self.tap.take(), answer)
    }
}

#[tokio::test]
async fn each_request_costs_the_statements_that_were_promised() {
    let Some(app) = Application::start().await else { return };
    let (login, answer) = app.executed(app.plain.post("/login")).await;
    assert_statements(&login, &["INSERT"]);
    let old = answer.cookie();

    let (again, answer) = app.executed(app.plain.post("/login").cookie(&old)).await;
    assert_replacing_login(&again);
    let cookie = answer.cookie();

    assert_statements(&app.executed(app.plain.get("/open").cookie(&cookie)).await.0, &[]);
    assert_statements(&app.executed(app.plain.get("/me").cookie(&cookie)).await.0, &["SELECT"]);
    assert_statements(&app.executed(app.plain.get("/greedy").cookie(&cookie)).await.0, &["SELECT"]);
    // No response waits for the statement that records a use.
    let me = app.executed(app.touching.get("/me").cookie(&cookie)).await.0;
    assert_statements(&me, &["SELECT"]);
    assert_statements(&app.executed_later().await, &["UPDATE"]);
    assert_statements(&app.executed_later().await, &[]);
    assert_statements(
        &app.executed(app.plain.post("/visit").cookie(&cookie)).await.0,
        &["SELECT", "UPDATE"],
    );
    let (logout, _) = app.executed(app.plain.post("/logout").cookie(&cookie)).await;
    assert_eq!(logout.len(), 1, "{logout:?}");
    // Nothing to look up: there is no token, or a forged one.
    assert_statements(&app.executed(app.plain.post("/logout")).await.0, &[]);
    let forged = app.plain.post("/logout").cookie("__Host-id=forged").send().await;
    forged.expect(StatusCode::UNAUTHORIZED);
    assert_statements(&app.tap.take(), &[]);
}

/// Thirty callers at once, all of which have begun before the first statement is answered.
#[tokio::test]
async fn callers_at_once_share_their_statements() {
    let Some(app) = Application::start().await else { return };
    let (proof, secret) = (LastingHash::from_bytes([2; 32]), SecretHash::from_bytes([1; 32]));
    let ids: Vec<_> =
        (0..30).map(|number| SessionId::from_uuid(Uuid::from_u64_pair(7, number))).collect();
    let data = Arc::new(UserSession { name: "ferris".into(), visits: 0 });
    let creates = ids
        .iter()
        .map(|id| app.store.create(NewSession::new(*id, proof, secret, Arc::clone(&data))));
    at_once(creates).await;
    app.tap.take();

    let found = at_once(ids.iter().map(|id| app.store.load(*id))).await;
    let Load::Live(loaded) = &found[0] else { panic!("it is live") };
    assert_statements(&app.tap.take(), &["SELECT", "SELECT"]);

    let uses = ids.iter().map(|id| Use::new(*id, loaded.now, UserSession::IDLE)).collect();
    let recorded = app.store.uses_recorder().unwrap().record_uses(uses).await.unwrap();
    assert_eq!(recorded.len(), 30);
    assert_statements(&app.tap.take(), &["UPDATE"]);

    let logouts = ids.iter().map(|id| app.store.revoke(*id, Some(proof), EndReason::Logout));
    let endings = at_once(logouts).await;
    assert!(endings.iter().all(|ending| *ending == Ending::Ended), "{endings:?}");
    assert_statements(&app.tap.take(), &["DELETE", "DELETE"]);
}

async fn at_once<'a, R: 'a>(calls: impl Iterator<Item = StoreFuture<'a, R>>) -> Vec<R> {
    let mut calls: Vec<_> = calls.map(|call| (call, None)).collect();
    poll_fn(|context| {
        for (call, answer) in calls.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(answered) = call.as_mut().poll(context) {
                *answer = Some(answered.unwrap());
            }
        }
        match calls.iter().all(|(_, answer)| answer.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    calls.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// As many statements as words, each of which names what its statement does.
#[track_caller]
fn assert_statements(executed: &[String], verbs: &[&str]) {
    assert_eq!(executed.len(), verbs.len(), "{verbs:?}: {executed:#?}");
    for (statement, verb) in executed.iter().zip(verbs) {
        assert!(statement.contains(verb), "{verb}: {statement}");
    }
}

/// At most two statements on data, and where there are two, one transaction around them.
#[track_caller]
fn assert_replacing_login(executed: &[String]) {
    let is_control = |statement: &String| {
        ["BEGIN", "COMMIT"].iter().any(|word| statement.trim().starts_with(word))
    };
    let data: Vec<&String> = executed.iter().filter(|statement| !is_control(statement)).collect();
    match data.len() {
        1 => assert_eq!(executed.len(), 1, "{executed:#?}"),
        2 => {
            assert_eq!(executed.len(), 4, "{executed:#?}");
            assert!(
                executed[0].starts_with("BEGIN") && executed[3].starts_with("COMMIT"),
                "{executed:#?}"
            );
        }
        _ => panic!("more than two statements: {executed:#?}"),
    }
}
