//! The application under test: nodes with and without a cache, over the same rows.

use std::ops::Deref;
use std::time::Duration;

use anchor::guard::{CurrentSecret, RequireSession};
use anchor::manager::{Event, SessionManagerBuilder};
use anchor::prelude::*;
use anchor::{Error, SessionId};
use anchor_tests::http::{Answer, Served};
use anchor_tests::{Backend, Verb, Watched};
use axum::extract::Path;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use uuid::Uuid;

/// A lease that no test outlives.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// For what is to happen soon, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

type Builder = SessionManagerBuilder<UserSession>;

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "cached_sessions", cookie = "__Host-cached", idle = "2h", absolute = "14d")]
#[session(cut_off)]
pub(crate) struct UserSession {
    #[session(subject)]
    name: String,
    pub(crate) admin: bool,
    visits: i64,
}

impl UserSession {
    pub(crate) fn is_admin(&self) -> bool {
        self.admin
    }
}

/// A node, and the store that it asks.
pub(crate) struct Node {
    pub(crate) store: Watched<UserSession>,
    pub(crate) sessions: SessionManager<UserSession>,
    served: Served,
}

impl Node {
    pub(crate) async fn over(
        store: Watched<UserSession>,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let keys = KeyRing::new([*b"the signing key of these tests!!"]).unwrap();
        let builder = SessionManager::builder(store.clone()).keys(keys).on_event(|event| {
            assert!(!matches!(event, Event::TheftSuspected { .. }), "nobody has stolen anything");
        });
        let sessions = configure(builder).build().unwrap();
        let group = |guard: RequireSession<UserSession>, path| {
            Router::new().route(path, get(async || {})).route_layer(guard)
        };
        let groups = group(sessions.require().authoritative(), "/group/authoritative")
            .merge(group(sessions.require(), "/group"));
        let served = Served::start(routes().merge(groups).layer(sessions.layer())).await;
        Self { store, sessions, served }
    }

    /// A node that keeps sessions for a minute.
    pub(crate) async fn cached(backend: &Backend) -> Self {
        let store = Watched::new(backend.store().await);
        Self::over(store, |sessions| sessions.cache(LONG)).await.ready().await
    }

    /// Another node over the same rows, which has no cache, and tells nobody what it does.
    pub(crate) async fn silent_neighbour(&self) -> Self {
        Self::over(Watched::new(self.store.shared()), |sessions| sessions).await
    }

    /// Waits until the cache is on.
    pub(crate) async fn ready(self) -> Self {
        let cookie = self.log_in("somebody").await;
        self.warm(&cookie).await;
        self
    }

    /// Waits until this session is served without the store.
    pub(crate) async fn warm(&self, cookie: &str) {
        let warm = async {
            while self.loads_for("/me", cookie, StatusCode::OK).await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, warm).await.expect("the cache serves the session");
    }

    /// Logs in, and waits until the session is served without the store.
    pub(crate) async fn log_in_warm(&self, name: &str) -> String {
        let cookie = self.log_in(name).await;
        self.warm(&cookie).await;
        cookie
    }

    pub(crate) async fn log_in(&self, name: &str) -> String {
        self.log_in_over(name, "").await
    }

    pub(crate) async fn log_in_over(&self, name: &str, cookie: &str) -> String {
        let login = self.post(&format!("/login/{name}")).cookie(cookie).send().await;
        login.expect(StatusCode::OK).cookie()
    }

    pub(crate) async fn me(&self, cookie: &str) -> Answer {
        self.get("/me").cookie(cookie).send().await
    }

    pub(crate) async fn log_out(&self, cookie: &str) {
        let logout = self.post("/logout").cookie(cookie).send().await;
        logout.expect(StatusCode::NO_CONTENT);
    }

    /// `GET path`, which has this answer. Returns how often the store was asked for a session.
    pub(crate) async fn loads_for(&self, path: &str, cookie: &str, expected: StatusCode) -> usize {
        let before = self.store.calls(Verb::Load);
        self.get(path).cookie(cookie).send().await.expect(expected);
        self.store.calls(Verb::Load) - before
    }

    pub(crate) async fn id(&self, cookie: &str) -> SessionId {
        self.me(cookie).await.expect(StatusCode::OK).text().parse().unwrap()
    }
}

impl Deref for Node {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

fn routes() -> Router {
    let inside = Router::new()
        .route("/authoritative-inside", get(authoritative))
        .route("/current-secret-inside", get(current_secret))
        .route("/logout-all-inside", post(logout_all))
        .route("/rotated-inside", get(authoritative).layer(from_fn(rotate_now_outside)))
        .route("/exchanged-inside", get(authoritative).layer(from_fn(rotate_outside)))
        .layer(from_fn(ask_outside));
    Router::new()
        .route("/login/{name}", post(login))
        .route("/me", get(me))
        .route("/visit", post(visit))
        .route("/visits", get(async |user: UserSession| user.visits.to_string()))
        .route("/promote", post(promote))
        .route("/admin", get(admin))
        .route("/authoritative", get(authoritative))
        .route("/rotate", post(async |it: Session<UserSession>| it.rotate().await.map(drop)))
        .route(
            "/rotate-now",
            post(async |it: Session<UserSession>| it.rotate_now().await.map(drop)),
        )
        .route("/end/{id}", post(end_sibling))
        .route("/logout", post(logout))
        .route("/logout-all", post(logout_all))
        .route("/logout-others", post(logout_others))
        .merge(inside)
}

async fn login(auth: Auth<UserSession>, Path(name): Path<String>) -> Result<(), Error> {
    auth.login(UserSession { name, admin: false, visits: 0 }).await.map(drop)
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.id().to_string()
}

#[require_session(UserSession, authoritative)]
async fn authoritative() {}

#[require_session(UserSession, authoritative, policy = CurrentSecret)]
async fn current_secret() {}

#[require_session(UserSession, when = UserSession::is_admin)]
async fn admin() {}

async fn visit(mut session: Session<UserSession>) -> Result<Json<i64>, Error> {
    session.update(|user| user.visits += 1).await?;
    Ok(Json(session.visits))
}

async fn promote(mut session: Session<UserSession>) -> Result<(), Error> {
    session.update(|user| user.admin = true).await
}

async fn end_sibling(session: Session<UserSession>, Path(id): Path<Uuid>) -> Result<(), Error> {
    session.end_sibling(SessionId::from_uuid(id)).await.map(drop)
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

#[logout(UserSession, all)]
async fn logout_all() {}

#[logout(UserSession, others)]
async fn logout_others() {}

/// Asks for the session before the guard does.
async fn ask_outside(
    _: Session<UserSession>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    next.run(request).await
}

async fn rotate_now_outside(
    session: Session<UserSession>,
    request: axum::extract::Request,
    next: Next,
) -> Result<Response, Error> {
    session.rotate_now().await?;
    Ok(next.run(request).await)
}

async fn rotate_outside(
    session: Session<UserSession>,
    request: axum::extract::Request,
    next: Next,
) -> Result<Response, Error> {
    session.rotate().await?;
    Ok(next.run(request).await)
}
