//! The application under test, and handlers that are careless on purpose.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anchor::manager::SessionManagerBuilder;
use anchor::prelude::*;
use anchor::store::SessionStore;
use anchor::{Error, SessionId, Timestamp};
use anchor_tests::http::{Answer, Served};
use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// The signing key of every node.
const KEY: [u8; 32] = *b"the signing key of these tests!!";

/// How late a hasty logout is.
const HASTE: Duration = Duration::from_millis(50);

pub(crate) type Builder = SessionManagerBuilder<UserSession>;

pub(crate) const TABLE: &str = "faulty_sessions";

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "faulty_sessions", idle = "2h", absolute = "14d", migrations = false)]
pub(crate) struct UserSession {
    #[session(subject)]
    pub(crate) name: String,
}

/// A session, as its user and its store know it.
#[derive(Debug, Clone)]
pub(crate) struct LoggedIn {
    pub(crate) cookie: String,
    pub(crate) id: SessionId,
}

/// What a handler sees of its session's times, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) expires_at: i64,
    /// The clock of the node.
    pub(crate) node: i64,
}

/// The application, being served.
pub(crate) struct Application {
    pub(crate) sessions: SessionManager<UserSession>,
    pub(crate) router: Router,
    served: Arc<Served>,
}

impl Application {
    pub(crate) async fn over(
        store: Arc<dyn SessionStore<UserSession>>,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let builder = SessionManager::builder(store).keys(KeyRing::new([KEY]).unwrap());
        let sessions = configure(builder).build().unwrap();
        let router = routes(&sessions).layer(sessions.layer());
        let served = Arc::new(Served::start(router.clone()).await);
        Self { sessions, router, served }
    }

    /// The same, for a task.
    pub(crate) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served)
    }
}

impl Deref for Application {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

/// Logs a user in; the answer where that failed.
pub(crate) async fn try_log_in(
    served: &Served,
    name: &str,
) -> Result<LoggedIn, Option<Box<Answer>>> {
    match served.post(&format!("/login/{name}")).try_send().await {
        Some(answer) => logged_in(answer).map_err(Some),
        None => Err(None),
    }
}

/// The session that an answer to a login has begun, if it has.
pub(crate) fn logged_in(answer: Answer) -> Result<LoggedIn, Box<Answer>> {
    match answer.status {
        StatusCode::OK => {
            Ok(LoggedIn { cookie: answer.cookie(), id: answer.text().parse().unwrap() })
        }
        _ => Err(Box::new(answer)),
    }
}

pub(crate) async fn log_in(served: &Served, name: &str) -> LoggedIn {
    try_log_in(served, name).await.unwrap()
}

/// The status of a request that needs a session.
pub(crate) async fn me(served: &Served, session: &LoggedIn) -> StatusCode {
    served.get("/me").cookie(&session.cookie).send().await.status
}

fn routes(sessions: &SessionManager<UserSession>) -> Router {
    let sessions = sessions.clone();
    let hasty_logout = async move |session: Session<UserSession>| {
        let id = session.id();
        tokio::spawn(async move {
            tokio::time::sleep(HASTE).await;
            let _ = sessions.revoke(id).await;
        });
        StatusCode::NO_CONTENT
    };
    Router::new()
        .route("/open", get(async || "open"))
        .route("/login/{name}", post(login))
        .route("/impatient-login/{name}", post(impatient_login))
        .route("/me", get(me_handler))
        .route("/times", get(times))
        .route("/by-the-nodes-clock", get(by_the_nodes_clock))
        .route("/needless", get(async |_: Option<Session<UserSession>>| "open"))
        .route("/logout", post(logout))
        .route("/logout-by-auth", post(logout_by_auth))
        .route("/careless-logout", post(careless_logout))
        .route("/hasty-logout", post(hasty_logout))
}

async fn login(auth: Auth<UserSession>, Path(name): Path<String>) -> Result<String, Error> {
    Ok(auth.login(UserSession { name }).await?.id().to_string())
}

#[require_session(UserSession)]
async fn me_handler(session: Session<UserSession>) -> String {
    session.name.clone()
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn logout_by_auth(auth: Auth<UserSession>) -> Result<Json<bool>, Error> {
    auth.logout().await.map(Json)
}

async fn times(session: Session<UserSession>) -> Json<Times> {
    let expires_at = session.record().expires_at.as_micros();
    Json(Times { expires_at, node: Timestamp::now().as_micros() })
}

/// Does not look at the answer.
async fn careless_logout(auth: Auth<UserSession>) -> StatusCode {
    let _ = auth.logout().await;
    StatusCode::NO_CONTENT
}

/// Takes an error for a login that has not happened.
async fn impatient_login(
    auth: Auth<UserSession>,
    Path(name): Path<String>,
) -> Result<String, Error> {
    let user = UserSession { name };
    let session = match auth.login(user.clone()).await {
        Ok(session) => session,
        Err(_) => auth.login(user).await?,
    };
    Ok(session.id().to_string())
}

/// Decides by itself, and by its own clock, whether the session has expired.
async fn by_the_nodes_clock(session: Session<UserSession>) -> StatusCode {
    match session.record().expires_at > Timestamp::now() {
        true => StatusCode::OK,
        false => StatusCode::UNAUTHORIZED,
    }
}
