//! From tower-sessions with axum-login.

use axum::Router;
use axum::http::StatusCode;
use coming_from_example::tower_sessions::TowerSessions;
use sqlx::PgPool;

use crate::moves::moves;
use crate::old::tower_sessions;
use crate::scene::{Old, Scene, send, set_cookie};

struct App {
    app: Router,
    pool: PgPool,
}

impl Old for App {
    type Sessions = TowerSessions;

    async fn start(pool: &PgPool) -> Option<Self> {
        Some(Self { app: tower_sessions::app(pool.clone()).await.unwrap(), pool: pool.clone() })
    }

    fn sessions(&self) -> TowerSessions {
        TowerSessions
    }

    async fn log_in(&self) -> String {
        let form = "name=ferris&password=rustacean";
        let response = send(&self.app, "POST", "/login", "", form).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        set_cookie(&response, "id").expect("a cookie")
    }

    async fn accepts(&self, cookie: &str) -> bool {
        send(&self.app, "GET", "/me", cookie, "").await.status() == StatusCode::OK
    }

    async fn expire(&self, cookie: &str) {
        let expire = "UPDATE tower_sessions.session SET expiry_date = now() WHERE id = $1";
        let id = cookie.strip_prefix("id=").unwrap();
        let done = sqlx::query(expire).bind(id).execute(&self.pool).await.unwrap();
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

/// axum-login ends the sessions from before a new password. So does the takeover.
#[tokio::test]
async fn a_session_from_before_a_new_password_is_refused() {
    let Some(scene) = Scene::<App>::start().await else { return };
    let old = scene.old.log_in().await;
    scene.execute("UPDATE users SET password_hash = 'another'").await;
    scene.assert_refused(&old).await;
}

/// A session in which nobody has logged in.
#[tokio::test]
async fn a_visitor_is_not_logged_in() {
    let Some(scene) = Scene::<App>::start().await else { return };
    let response = send(&scene.old.app, "POST", "/visit", "", "").await;
    let old = set_cookie(&response, "id").expect("a cookie");
    scene.assert_refused(&old).await;
}
