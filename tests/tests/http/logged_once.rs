//! Every error that becomes a response is one line of the log, under the target `anchor`, with the
//! error's full text.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::manager::{BoxError, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::{Record, SessionStore};
use anchor::{Error, Rejection, SessionId, StoreError};
use anchor_tests::http::Served;
use anchor_tests::{Backend, Verb, Watched, logs};
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;

use crate::application::{Application, OPTIONAL, REQUIRING, Role, UserSession};
use crate::tokens::id_of;

/// The lines that the library logs, without sqlx's statements, while `doing` is done.
async fn logged<R>(doing: impl Future<Output = R>) -> (R, Vec<String>) {
    let (result, text) = logs::logged(doing).await;
    let ours = text.lines().filter(|line| line.contains("anchor") && !line.contains(" sqlx"));
    let lines: Vec<String> = ours.map(|line| line.trim().to_owned()).collect();
    for line in &lines {
        let level_and_target = line.trim_start().split(' ').nth(1);
        assert_eq!(level_and_target, Some("anchor:"), "another target: {line}");
    }
    (result, lines)
}

/// The one line of `lines` that is not about an event that went well.
#[track_caller]
fn only_line(lines: &[String]) -> &str {
    let failures: Vec<&String> = lines.iter().filter(|line| !line.contains("event=")).collect();
    let [line] = failures.as_slice() else { panic!("one line: {lines:#?}") };
    line
}

/// An error of the application's own, which answers with the library's.
struct AppError(Error);

impl From<Error> for AppError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

type Answer<E> = Result<(), E>;

async fn login_as<E: From<Error>>(auth: Auth<UserSession>) -> Answer<E> {
    auth.login(UserSession::of("ferris")).await?;
    Ok(())
}

async fn operate(Path(what): Path<String>, mut session: Session<UserSession>) -> Answer<Error> {
    let other = SessionId::from_uuid(uuid::Uuid::from_u128(1));
    match what.as_str() {
        "update" => session.update(|user| user.visits += 1).await,
        "touch" => session.touch().await.map(drop),
        "rotate" => session.rotate().await.map(drop),
        "rotate-now" => session.rotate_now().await.map(drop),
        "reauthenticate" => session.reauthenticated().await.map(drop),
        "siblings" => session.siblings().await.map(drop),
        "revoke-others" => session.revoke_others().await.map(drop),
        "end-sibling" => session.end_sibling(other).await.map(drop),
        "end-itself" => session.end_sibling(session.id()).await.map(drop),
        other => unreachable!("{other}"),
    }
}

#[require_session(UserSession, when = |user| user.role == Role::Admin)]
async fn administer() {}

fn routes() -> Router {
    Router::new()
        .route("/login-error", post(login_as::<Error>))
        .route("/login-rejection", post(login_as::<Rejection>))
        .route("/login-app-error", post(login_as::<AppError>))
        .route("/operate/{what}", post(operate))
        .route("/administer", get(administer))
        .route("/ended", post(ended))
}

/// The refusal of the second extractor is nothing that the store was asked about.
async fn ended(session: Session<UserSession>, auth: Auth<UserSession>) -> Answer<Error> {
    session.end_sibling(session.id()).await?;
    auth.session().await?.map(drop).ok_or_else(|| Rejection::Ended { id: session.id() }.into())
}

async fn application() -> Application {
    Application::with_routes(&Backend::Memory, routes()).await
}

#[tokio::test]
async fn a_login_that_fails_is_one_line_whatever_the_handler_returns() {
    let app = application().await;
    app.store.fail(Verb::Create, true);
    for path in ["/login-error", "/login-rejection", "/login-app-error"] {
        let (answer, lines) = logged(app.post(path).send()).await;
        answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        let line = only_line(&lines);
        assert!(line.starts_with("ERROR anchor:"), "{line}");
        assert!(line.contains("lets `create` fail"), "{path}: {line}");
        assert!(line.contains("code=\"store_unavailable\""), "{path}: {line}");
    }
}

#[tokio::test]
async fn an_operation_that_fails_is_one_line() {
    let app = application().await;
    for (what, verb) in [
        ("update", Verb::Update),
        ("touch", Verb::Touch),
        ("rotate", Verb::Rotate),
        ("rotate-now", Verb::Rotate),
        ("reauthenticate", Verb::Reauthenticate),
        ("siblings", Verb::List),
        ("revoke-others", Verb::RevokeOthers),
        ("end-sibling", Verb::RevokeOf),
        ("end-itself", Verb::Revoke),
    ] {
        let cookie = app.log_in("ferris").await;
        app.store.fail(verb, true);
        let call = app.post(&format!("/operate/{what}")).cookie(&cookie);
        let (answer, lines) = logged(call.send()).await;
        answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        let line = only_line(&lines);
        assert!(line.contains(&format!("lets `{}` fail", verb.name())), "{what}: {line}");
        app.store.fail(verb, false);
    }
}

#[tokio::test]
async fn a_refused_request_is_one_line() {
    let app = application().await;
    let cookie = app.log_in("ferris").await;
    app.store.fail(Verb::Load, true);
    for path in REQUIRING.into_iter().chain(OPTIONAL) {
        let (answer, lines) = logged(app.get(path).cookie(&cookie).send()).await;
        answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(only_line(&lines).contains("lets `load` fail"), "{path}: {lines:?}");
    }
    app.store.fail(Verb::Load, false);
    app.store.fail(Verb::Revoke, true);
    for path in ["/logout", "/logout-by-auth"] {
        let (answer, lines) = logged(app.post(path).cookie(&cookie).send()).await;
        answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(only_line(&lines).contains("lets `revoke` fail"), "{path}: {lines:?}");
    }
    app.store.fail(Verb::Revoke, false);
    for path in REQUIRING {
        let (answer, lines) = logged(app.get(path).send()).await;
        answer.expect(StatusCode::UNAUTHORIZED);
        assert!(only_line(&lines).contains("code=\"no_session\""), "{path}: {lines:?}");
    }
    let (answer, lines) = logged(app.post("/ended").cookie(&cookie).send()).await;
    answer.expect(StatusCode::UNAUTHORIZED);
    assert!(only_line(&lines).contains("code=\"session_ended\""), "{lines:?}");
}

#[tokio::test]
async fn a_verb_of_the_manager_that_fails_is_one_line_also_without_a_layer() {
    let app = application().await;
    let sessions = app.sessions.clone();
    let list = async move || sessions.list(&"ferris".to_owned()).await.map(drop);
    let served = Served::start(Router::new().route("/list", get(list))).await;
    app.store.fail(Verb::List, true);
    let (answer, lines) = logged(served.get("/list").send()).await;
    answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(only_line(&lines).contains("lets `list` fail"), "{lines:?}");
}

#[tokio::test]
async fn a_client_that_leaves_during_its_login_is_not_an_error_of_the_application() {
    let app = application().await;
    let ((), lines) = logged(async {
        let hold = app.store.hold(Verb::Create);
        tokio::select! {
            _ = app.post("/login-error").try_send() => panic!("the login is held"),
            () = hold.reached() => {}
        }
        // The server notices that its client is gone.
        tokio::time::sleep(Duration::from_millis(300)).await;
        hold.release();
        assert_eq!(app.sessions.shutdown().await, 0);
    })
    .await;
    let line = only_line(&lines);
    assert!(line.starts_with("INFO anchor: the client left during its login"), "{line}");
}

#[tokio::test]
async fn a_login_after_the_response_is_an_error_of_the_application() {
    let kept: Arc<Mutex<Option<Auth<UserSession>>>> = Arc::default();
    let keeper = Arc::clone(&kept);
    let keep = async move |auth: Auth<UserSession>| *keeper.lock().unwrap() = Some(auth);
    let routes = Router::new().route("/keep", post(keep));
    let app = Application::with_routes(&Backend::Memory, routes).await;
    app.post("/keep").send().await.expect(StatusCode::OK);
    let auth = kept.lock().unwrap().take().unwrap();
    let (late, lines) = logged(auth.login(UserSession::of("late")).into_future()).await;
    assert!(matches!(late, Err(Error::ResponseBegun)), "{late:?}");
    assert!(only_line(&lines).starts_with("ERROR anchor: the response has begun"), "{lines:?}");
}

/// Asks the store itself, without a manager.
async fn sweep<E: From<StoreError>>(store: Watched<UserSession>) -> Answer<E> {
    store.sweep(10).await?;
    Ok(())
}

#[tokio::test]
async fn a_store_that_the_handler_calls_itself_and_that_fails_is_one_line() {
    let store = Watched::new(Backend::Memory.store().await);
    let own = |store: &Watched<UserSession>| store.clone();
    let (first, second, third) = (own(&store), own(&store), own(&store));
    let fails_again = own(&store);
    let routes = Router::new()
        .route("/error", get(move || sweep::<Error>(first)))
        .route("/rejection", get(move || sweep::<Rejection>(second)))
        .route("/app-error", get(async move || sweep::<Error>(third).await.map_err(AppError)))
        .route(
            "/response",
            get(async move || Rejection::from(fails_again.sweep(10).await.unwrap_err())),
        );
    let app = Application::assemble(store, |it| it, routes).await;
    app.store.fail(Verb::Sweep, true);
    for path in ["/error", "/rejection", "/app-error", "/response"] {
        let (answer, lines) = logged(app.get(path).send()).await;
        answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        let line = only_line(&lines);
        assert!(line.starts_with("ERROR anchor:"), "{path}: {line}");
        assert!(line.contains("lets `sweep` fail"), "{path}: {line}");
        assert!(line.contains("code=\"store_unavailable\""), "{path}: {line}");
    }
}

#[tokio::test]
async fn a_refused_policy_is_named_as_the_author_wrote_it() {
    let app = application().await;
    let cookie = app.log_in("ferris").await;
    let (answer, lines) = logged(app.get("/administer").cookie(&cookie).send()).await;
    answer.expect(StatusCode::FORBIDDEN);
    let line = only_line(&lines);
    assert!(line.contains("`when |user| user.role == Role::Admin`"), "{line}");
    assert!(!line.contains("__anchor"), "{line}");
}

/// The verifier's own error says little; what it stands on says the rest.
#[derive(Debug)]
struct Layered(&'static str, Option<Box<Layered>>);

impl fmt::Display for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Layered {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_ref().map(|source| &**source as _)
    }
}

struct Failing;

impl Verifier<UserSession> for Failing {
    async fn verify(&self, _: &Record<UserSession>, _: &Parts) -> Result<Verdict, BoxError> {
        let refused = Layered("connection refused", None);
        let host = Layered("users.internal", Some(Box::new(refused)));
        Err(Layered("the users' service did not answer", Some(Box::new(host))).into())
    }
}

#[tokio::test]
async fn the_line_has_every_source() {
    let app = Application::configured(&Backend::Memory, |it| it.verifier(Failing)).await;
    let cookie = app.log_in("ferris").await;
    let (answer, lines) = logged(app.me(&cookie)).await;
    answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    let text = "the users' service did not answer: users.internal: connection refused";
    assert!(only_line(&lines).contains(text), "{lines:?}");
}

#[tokio::test]
async fn a_table_or_column_that_is_missing_has_its_own_code_and_says_what_to_do() {
    for (broken, missing) in [
        ("DROP TABLE user_sessions", "the table `user_sessions` does not exist"),
        ("ALTER TABLE user_sessions DROP COLUMN cart", "the table `user_sessions` lacks a column"),
    ] {
        let backend = Backend::sqlite().await.unwrap();
        let app = Application::with_routes(&backend, routes()).await;
        let cookie = app.log_in("ferris").await;
        backend.execute(broken).await;
        for call in [app.post("/login-error"), app.get("/me").cookie(&cookie)] {
            let (answer, lines) = logged(call.send()).await;
            let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.text(), "{\"error\":\"store_not_migrated\"}");
            let line = only_line(&lines);
            assert!(line.contains(missing) && line.contains("run your migrations"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_decoded_is_one_line() {
    let backend = Backend::sqlite().await.unwrap();
    let app = Application::assemble(Watched::new(backend.store().await), |it| it, routes()).await;
    let cookie = app.log_in("ferris").await;
    backend.execute("UPDATE user_sessions SET cart = '{}'").await;
    let (answer, lines) = logged(app.me(&cookie)).await;
    answer.expect(StatusCode::UNAUTHORIZED);
    let line = only_line(&lines);
    assert!(line.contains("column `cart`") && line.contains("WARN"), "{line}");
    assert!(line.contains("code=\"session_undecodable\""), "{line}");

    let (none, lines) = logged(async { app.sessions.get(id_of(&cookie)).await.unwrap() }).await;
    assert!(none.is_none());
    assert!(only_line(&lines).contains("column `cart`"), "{lines:?}");
    let ferris = "ferris".to_owned();
    let (listed, lines) = logged(async { app.sessions.list(&ferris).await.unwrap() }).await;
    assert!(listed.is_empty());
    assert!(only_line(&lines).contains("column `cart`"), "{lines:?}");
}

/// What no test drives has the target as well.
#[test]
fn every_call_of_tracing_in_the_library_names_the_target() {
    let mut folders = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/../anchor/src").into()];
    let mut calls = 0;
    while let Some(folder) = folders.pop() {
        let folder: std::path::PathBuf = folder;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for level in ["error", "warn", "info", "debug", "trace", "event"] {
                for call in text.split(&format!("tracing::{level}!(")).skip(1) {
                    calls += 1;
                    let first = call.trim_start();
                    let shown: String = first.chars().take(80).collect();
                    assert!(first.starts_with("target: \"anchor\""), "{}: {shown}", path.display());
                }
            }
        }
    }
    assert!(calls > 20, "{calls}");
}
