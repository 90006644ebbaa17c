//! Sessions of browsers and long-lived API tokens in one application, as docs/frontends.md shows:
//! two payloads, one handler for both, and a page on which a user makes, sees and ends their
//! tokens.

use std::time::Duration;

use anchor::frontend::Bearer;
use anchor::prelude::*;
use anchor::{Error, Rejection, SessionId};
use anchor_tests::http::{Answer, Served};
use axum::extract::{FromRequestParts, Path, State};
use axum::routing::{get, post};
use axum::{Json, RequestPartsExt, Router};
use http::StatusCode;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;

#[derive(Clone, SessionData)]
#[session(migrations = false)]
struct UserSession {
    #[session(subject)]
    user_id: i64,
}

#[derive(Clone, SessionData)]
#[session(idle = "90d", absolute = "365d", max_per_subject = 3, on_limit = "refuse")]
#[session(migrations = false)]
struct ApiToken {
    #[session(subject)]
    user_id: i64,
    label: String,
}

/// Who is asking: a browser or a program, never both.
enum Caller {
    Browser(Session<UserSession>),
    Program(Session<ApiToken>),
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let browser: Option<Session<UserSession>> = request.extract().await?;
        let program: Option<Session<ApiToken>> = request.extract().await?;
        match (browser, program) {
            (Some(browser), None) => Ok(Caller::Browser(browser)),
            (None, Some(program)) => Ok(Caller::Program(program)),
            _ => Err(Rejection::NoSession),
        }
    }
}

async fn whoami(caller: Caller) -> String {
    match caller {
        Caller::Browser(session) => format!("user {}", session.user_id),
        Caller::Program(token) => format!("user {} by {}", token.user_id, token.label),
    }
}

type Tokens = State<SessionManager<ApiToken>>;

#[require_session(UserSession, fresh = "10m")]
async fn make(
    Path(label): Path<String>,
    session: Session<UserSession>,
    auth: Auth<ApiToken>,
) -> Result<String, Error> {
    let made = auth.login(ApiToken { user_id: session.user_id, label }).await?;
    Ok(made.token().expose().to_owned())
}

#[require_session(UserSession)]
async fn list(
    session: Session<UserSession>,
    State(tokens): Tokens,
) -> Result<Json<Vec<(SessionId, String)>>, Error> {
    let tokens = tokens.list(&session.user_id).await?;
    Ok(Json(tokens.iter().map(|token| (token.id, token.data.label.clone())).collect()))
}

#[require_session(UserSession)]
async fn end(
    Path(id): Path<SessionId>,
    session: Session<UserSession>,
    State(tokens): Tokens,
) -> Result<Json<bool>, Error> {
    Ok(Json(tokens.revoke_of(&session.user_id, id).await?))
}

async fn login(Path(user_id): Path<i64>, auth: Auth<UserSession>) -> Result<StatusCode, Error> {
    auth.login(UserSession { user_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[logout(UserSession, all)]
async fn logout() {}

async fn start() -> Served {
    let keys = || KeyRing::new([*b"the signing key of these tests!!"]).unwrap();
    let users = SessionManager::<UserSession>::builder(MemoryStore::new());
    let users = users.keys(keys()).build().unwrap();
    let tokens = SessionManager::<ApiToken>::builder(MemoryStore::new())
        .keys(keys())
        .frontend(Bearer)
        .touch_interval(Duration::from_secs(3600))
        .build()
        .unwrap();
    let app = Router::new()
        .route("/login/{user_id}", post(login))
        .route("/logout", post(logout))
        .route("/whoami", get(whoami).post(whoami))
        .route("/tokens", get(list))
        .route("/tokens/make/{label}", post(make))
        .route("/tokens/end/{id}", post(end))
        .layer(users.layer())
        .layer(tokens.layer())
        .with_state(tokens);
    Served::start(app).await
}

async fn tokens_of(app: &Served, cookie: &str) -> Vec<(SessionId, String)> {
    let list = app.get("/tokens").cookie(cookie).send().await.expect(StatusCode::OK);
    serde_json::from_slice(&list.body).unwrap()
}

async fn make_token(app: &Served, cookie: &str, label: &str) -> Answer {
    app.post(&format!("/tokens/make/{label}")).cookie(cookie).send().await
}

/// One test, because the payloads of a process share its channels.
#[tokio::test]
async fn a_user_makes_sees_and_ends_api_tokens_beside_their_browser_sessions() {
    let app = start().await;
    let log_in = async |user: i64| {
        app.post(&format!("/login/{user}")).send().await.expect(StatusCode::NO_CONTENT).cookie()
    };
    let (ferris, corro) = (log_in(1).await, log_in(2).await);
    let made = make_token(&app, &ferris, "deploy").await.expect(StatusCode::OK);
    assert!(made.set_cookies().is_empty(), "the browser stays logged in as it is");
    let deploy = format!("Bearer {}", made.text());
    make_token(&app, &corro, "backup").await.expect(StatusCode::OK);

    // One handler, both kinds of callers, and neither kind by the other's way.
    let whoami = async |cookie: &str, bearer: &str| {
        let call = app.get("/whoami").cookie(cookie);
        let call = if bearer.is_empty() { call } else { call.header(AUTHORIZATION, bearer) };
        let answer = call.send().await;
        (answer.status, answer.text().to_owned())
    };
    assert_eq!(whoami(&ferris, "").await, (StatusCode::OK, "user 1".into()));
    assert_eq!(whoami("", &deploy).await, (StatusCode::OK, "user 1 by deploy".into()));
    let of_cookie = ferris.split_once('=').unwrap().1;
    let token = made.text();
    for (cookie, bearer) in [
        ("", ""),
        (&*ferris, &*deploy),
        (&*corro, &*deploy),
        ("", &*format!("Bearer {of_cookie}")),
        (&*format!("__Host-id={token}"), ""),
    ] {
        assert_eq!(whoami(cookie, bearer).await.0, StatusCode::UNAUTHORIZED, "{cookie} {bearer}");
    }

    // The token opens no page for browsers, so it cannot make another token.
    for path in ["/tokens/make/more", "/logout"] {
        let refused = app.post(path).header(AUTHORIZATION, &deploy).send().await;
        assert_ne!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(tokens_of(&app, &ferris).await.len(), 1, "{path}");
    }
    let refused = app.get("/tokens").header(AUTHORIZATION, &deploy).send().await;
    refused.expect(StatusCode::UNAUTHORIZED);
    // Another site's page has no token to send, and the layer of the cookie refuses it.
    let evil = app.post("/whoami").header(ORIGIN, "https://evil.example");
    let evil = evil.header(HOST, "app.example").cookie(&ferris).send().await;
    evil.expect(StatusCode::FORBIDDEN);

    // They are listed apart, each user sees their own, and nobody ends another user's.
    make_token(&app, &ferris, "laptop").await.expect(StatusCode::OK);
    make_token(&app, &ferris, "ci").await.expect(StatusCode::OK);
    make_token(&app, &ferris, "one-too-many").await.expect(StatusCode::CONFLICT);
    let listed = tokens_of(&app, &ferris).await;
    let labels: Vec<_> = listed.iter().map(|(_, label)| label.as_str()).collect();
    assert_eq!(labels, ["ci", "laptop", "deploy"]);
    let end = async |cookie: &str, id: SessionId| {
        let call = app.post(&format!("/tokens/end/{id}")).cookie(cookie);
        call.send().await.expect(StatusCode::OK).text() == "true"
    };
    let deployed = listed[2].0;
    assert!(!end(&corro, deployed).await, "another user's");
    assert_eq!(whoami("", &deploy).await.0, StatusCode::OK);
    assert!(end(&ferris, deployed).await);
    assert!(!end(&ferris, deployed).await, "it has ended already");
    assert_eq!(whoami("", &deploy).await.0, StatusCode::UNAUTHORIZED);

    // A logout everywhere is one of the browsers.
    app.post("/logout").cookie(&ferris).send().await.expect(StatusCode::OK);
    assert_eq!(whoami(&ferris, "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(tokens_of(&app, &log_in(1).await).await.len(), 2);
}
