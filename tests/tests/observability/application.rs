//! The application that is observed, and a recorder for the thread that it runs on.

use std::any::Any;

use anchor::manager::SessionManagerBuilder;
use anchor::prelude::*;
use anchor::{Error, SessionId};
use anchor_tests::Backend;
use anchor_tests::exposition::Exposition;
use anchor_tests::http::{Answer, Served};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde::{Deserialize, Serialize};

pub(crate) const TABLE: &str = "observed_sessions";

#[derive(Debug, Clone, Serialize, Deserialize, SessionData)]
#[session(table = "observed_sessions", idle = "2h", absolute = "14d")]
pub(crate) struct UserSession {
    #[session(subject)]
    pub(crate) name: String,
}

impl UserSession {
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

pub(crate) fn builder<T: SessionData>(store: impl SessionStore<T>) -> SessionManagerBuilder<T> {
    SessionManager::builder(store).keys(KeyRing::new([[7; 32]]).unwrap())
}

/// What is recorded on one thread: a test with a runtime of one thread has its server there, too.
pub(crate) struct Recording(PrometheusRecorder);

impl Recording {
    pub(crate) fn new() -> Self {
        Self(PrometheusBuilder::new().build_recorder())
    }

    /// Records until the result is dropped.
    pub(crate) fn begin(&self) -> LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(&self.0)
    }

    pub(crate) fn text(&self) -> String {
        self.0.handle().render()
    }

    pub(crate) fn exposition(&self) -> Exposition {
        Exposition::parse(&self.text())
    }

    /// How often a verb was called with this outcome.
    pub(crate) fn calls(&self, verb: &str, outcome: &str) -> Option<f64> {
        let name = format!("{}_count", anchor::metrics::STORE_CALL_DURATION);
        self.exposition().sum(&name, &[("table", TABLE), ("verb", verb), ("outcome", outcome)])
    }

    /// A counter that has a reason.
    pub(crate) fn reason(&self, name: &str, reason: &str) -> Option<f64> {
        self.exposition().sum(name, &[("table", TABLE), ("reason", reason)])
    }
}

/// Gives the connections of a pool back when everybody waits who is polled before: the first of
/// several calls is then under way when the others come.
pub(crate) async fn give_back(connections: Vec<Box<dyn Any + Send>>) {
    tokio::task::yield_now().await;
    drop(connections);
}

/// The application, being served.
pub(crate) struct Application {
    pub(crate) sessions: SessionManager<UserSession>,
    served: Served,
}

impl Application {
    pub(crate) async fn start(backend: &Backend) -> Self {
        Self::on(builder(backend.store().await)).await
    }

    pub(crate) async fn on(builder: SessionManagerBuilder<UserSession>) -> Self {
        let sessions = builder.build().unwrap();
        let router = Router::new()
            .route("/login", post(login))
            .route("/me", get(me))
            .route("/admin", get(admin))
            .route("/logout", post(logout))
            .route("/logout/all", post(logout_all))
            .route("/logout/others", post(logout_others))
            .layer(sessions.layer());
        Self { sessions, served: Served::start(router).await }
    }

    /// Logs in over what the cookie presents, and returns the new cookie and the session's id.
    pub(crate) async fn log_in(&self, name: &str, over: &str) -> (String, SessionId) {
        let login = self.try_log_in(name, over).await.expect(StatusCode::OK);
        (login.cookie(), serde_json::from_slice(&login.body).unwrap())
    }

    pub(crate) async fn try_log_in(&self, name: &str, over: &str) -> Answer {
        self.served.post("/login").cookie(over).json(&UserSession::of(name)).send().await
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> StatusCode {
        self.served.get(path).cookie(cookie).send().await.status
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str) -> StatusCode {
        self.served.post(path).cookie(cookie).send().await.status
    }
}

async fn login(
    auth: Auth<UserSession>,
    Json(user): Json<UserSession>,
) -> Result<Json<SessionId>, Error> {
    Ok(Json(auth.login(user).await?.id()))
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.name.clone()
}

#[require_session(UserSession, when = |user| user.name == "admin")]
async fn admin() {}

#[logout(UserSession)]
async fn logout() {}

#[logout(UserSession, all)]
async fn logout_all() {}

#[logout(UserSession, others)]
async fn logout_others() {}
