//! From axum_session.

use axum::Router;
use axum::http::StatusCode;
use coming_from_example::axum_session::AxumSession;
use cookie::Key;
use sqlx::PgPool;

use crate::moves::moves;
use crate::old::axum_session;
use crate::scene::{Old, send, set_cookie};

struct App {
    app: Router,
    pool: PgPool,
    key: Key,
}

impl Old for App {
    type Sessions = AxumSession;

    async fn start(pool: &PgPool) -> Option<Self> {
        let key = Key::generate();
        let app = axum_session::app(pool.clone(), key.clone()).await.unwrap();
        Some(Self { app, pool: pool.clone(), key })
    }

    fn sessions(&self) -> AxumSession {
        AxumSession { key: self.key.clone() }
    }

    async fn log_in(&self) -> String {
        let form = "name=ferris&password=rustacean";
        let response = send(&self.app, "POST", "/login", "", form).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        set_cookie(&response, "session").expect("a cookie")
    }

    /// Asks it after a restart: it keeps sessions in memory for an hour.
    async fn accepts(&self, cookie: &str) -> bool {
        let app = axum_session::app(self.pool.clone(), self.key.clone()).await.unwrap();
        send(&app, "GET", "/me", cookie, "").await.status() == StatusCode::OK
    }

    async fn expire(&self, _: &str) {
        let expire = "UPDATE sessions SET expires = extract(epoch FROM now())::bigint";
        let done = sqlx::query(expire).execute(&self.pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }
}

moves! {
    App:
    a_live_session_is_taken_over_once,
    parallel_requests_take_it_over_once,
    after_a_logout_the_old_cookie_logs_nobody_in,
    beside_a_session_the_old_one_is_used_up,
    an_expired_session_is_refused,
    a_forged_cookie_is_refused,
    a_logout_everywhere_ends_what_was_not_taken_over,
    a_takeover_proves_nothing,
    a_failure_of_the_database_loses_nothing,
}
