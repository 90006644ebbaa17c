//! What a request costs on PostgreSQL: the statements that the server was told to execute, read off
//! the wire.

use std::time::Duration;

use anchor::prelude::*;
use anchor_tests::http::Served;
use anchor_tests::{Tap, databases};
use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};

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
        let app = Self { tap, plain, touching };
        let old = app.plain.post("/login").send().await.cookie();
        let cookie = app.plain.post("/login").cookie(&old).send().await.cookie();
        app.touching.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        app.plain.post("/visit").cookie(&cookie).send().await.expect(StatusCode::OK);
        app.plain.post("/logout").cookie(&cookie).send().await.expect(StatusCode::OK);
        app.tap.take();
        Some(app)
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
    assert_statements(
        &app.executed(app.touching.get("/me").cookie(&cookie)).await.0,
        &["SELECT", "UPDATE"],
    );
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
