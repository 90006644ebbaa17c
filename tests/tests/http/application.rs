//! The application under test: one payload, a login, a logout, and a route for each way to ask for
//! the session.

use std::ops::Deref;

use anchor::manager::SessionManagerBuilder;
use anchor::prelude::*;
use anchor::{Error, SessionId};
use anchor_tests::http::{Answer, Served};
use anchor_tests::{Backend, Watched};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// The signing key of every application here, unless a test says otherwise.
pub(crate) const KEY: [u8; 32] = *b"the signing key of these tests!!";

type Builder = SessionManagerBuilder<UserSession>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, SessionData)]
#[session(table = "user_sessions", idle = "2h", absolute = "14d")]
pub(crate) struct UserSession {
    #[session(subject)]
    pub(crate) name: String,
    pub(crate) role: Role,
    #[session(json)]
    pub(crate) cart: Vec<String>,
    pub(crate) visits: i64,
    pub(crate) theme: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Column)]
pub(crate) enum Role {
    Member,
    Admin,
}

impl UserSession {
    pub(crate) fn of(name: &str) -> Self {
        Self {
            name: name.into(),
            role: Role::Member,
            cart: vec!["anchor".into(), "rope".into()],
            visits: 7,
            theme: None,
        }
    }
}

/// The application, being served, and what it is made of.
pub(crate) struct Application {
    pub(crate) store: Watched<UserSession>,
    pub(crate) sessions: SessionManager<UserSession>,
    served: Served,
}

impl Application {
    pub(crate) async fn start(backend: &Backend) -> Self {
        Self::configured(backend, |sessions| sessions).await
    }

    pub(crate) async fn configured(
        backend: &Backend,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let store = Watched::new(backend.store().await);
        Self::assemble(store, configure, Router::new()).await
    }

    pub(crate) async fn with_routes(backend: &Backend, more: Router) -> Self {
        let store = Watched::new(backend.store().await);
        Self::assemble(store, |sessions| sessions, more).await
    }

    /// An application over rows that another one may use as well.
    pub(crate) async fn assemble(
        store: Watched<UserSession>,
        configure: impl FnOnce(Builder) -> Builder,
        more: Router,
    ) -> Self {
        let builder = SessionManager::builder(store.clone()).keys(KeyRing::new([KEY]).unwrap());
        let sessions = configure(builder).build().unwrap();
        let router = routes().merge(more).layer(sessions.layer());
        Self { store, sessions, served: Served::start(router).await }
    }

    /// Logs a user in and returns the cookie as a browser sends it back.
    pub(crate) async fn log_in(&self, user: &str) -> String {
        self.log_in_over(user, "").await
    }

    /// Logs a user in with a request that carries this cookie.
    pub(crate) async fn log_in_over(&self, user: &str, cookie: &str) -> String {
        let login = self.post("/login").cookie(cookie).json(&UserSession::of(user)).send().await;
        login.expect(StatusCode::OK).cookie()
    }

    pub(crate) async fn me(&self, cookie: impl AsRef<[u8]>) -> Answer {
        self.get("/me").cookie(cookie).send().await
    }

    pub(crate) async fn log_out(&self, cookie: impl AsRef<[u8]>) -> Answer {
        self.post("/logout").cookie(cookie).send().await
    }

    /// Whether the session is live, asked of the store itself.
    pub(crate) async fn is_live(&self, id: SessionId) -> bool {
        matches!(self.store.inner().load(id).await.unwrap(), anchor::store::Load::Live(_))
    }
}

impl Deref for Application {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/open", get(async || "open"))
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/payload", get(payload))
        .route("/auth", get(auth))
        .route("/guarded", get(guarded))
        .route("/optional", get(optional))
        .route("/optional-payload", get(optional_payload))
        .route("/update", post(update))
        .route("/logout", post(logout))
        .route("/logout-by-auth", post(logout_by_auth))
}

/// Every route that needs a session.
pub(crate) const REQUIRING: [&str; 3] = ["/me", "/payload", "/guarded"];

/// Every route that answers `none` to whoever has no session.
pub(crate) const OPTIONAL: [&str; 3] = ["/optional", "/optional-payload", "/auth"];

async fn login(
    auth: Auth<UserSession>,
    Json(user): Json<UserSession>,
) -> Result<Json<SessionId>, Error> {
    Ok(Json(auth.login(user).await?.id()))
}

async fn me(session: Session<UserSession>) -> Json<UserSession> {
    Json(UserSession::clone(&session))
}

async fn payload(user: UserSession) -> Json<UserSession> {
    Json(user)
}

async fn auth(auth: Auth<UserSession>) -> Result<String, Error> {
    Ok(name_of(auth.session().await?.as_deref()))
}

#[require_session(UserSession)]
async fn guarded() -> &'static str {
    "guarded"
}

async fn optional(session: Option<Session<UserSession>>) -> String {
    name_of(session.as_deref())
}

async fn optional_payload(user: Option<UserSession>) -> String {
    name_of(user.as_ref())
}

/// Sets the fields that the body names.
async fn update(
    mut session: Session<UserSession>,
    Json(change): Json<Changes>,
) -> Result<Json<UserSession>, Error> {
    session
        .update(|user| {
            if let Some(theme) = &change.theme {
                user.theme = Some(theme.clone());
            }
            if let Some(cart) = &change.cart {
                user.cart = cart.clone();
            }
            user.visits += change.visits;
        })
        .await?;
    Ok(Json(session.data().clone()))
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Changes {
    pub(crate) theme: Option<String>,
    pub(crate) cart: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) visits: i64,
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn logout_by_auth(auth: Auth<UserSession>) -> Result<Json<bool>, Error> {
    auth.logout().await.map(Json)
}

fn name_of(user: Option<&UserSession>) -> String {
    user.map_or_else(|| "none".into(), |user| user.name.clone())
}
