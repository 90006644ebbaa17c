//! `when`, `fresh`, `policy` and `role`, together on one handler.

use std::time::Duration;

use anchor::guard::{CurrentSecret, Decision, Fresh, Policy};
use anchor::prelude::*;
use anchor::routing::{Router, get, post};

use crate::application::{Role, UserSession, body, log_in, login, send, sessions};

struct Admin;

impl Policy<UserSession> for Admin {
    fn check(session: &Session<UserSession>) -> Decision {
        if session.role == Role::Admin { Decision::Allow } else { Decision::Deny }
    }
}

#[require_session(UserSession, role = Role::Admin)]
async fn by_role() {}

#[require_session(
    UserSession,
    policy = (Admin, Fresh<600>),
    when = |user| user.user_id == 1,
    fresh = "10m",
    role = Role::Admin
)]
async fn by_everything() {}

#[require_session(UserSession, policy = Admin, when = |user| user.user_id == 2)]
async fn by_another_id() {}

/// Nobody is as fresh as this.
#[require_session(UserSession, role = Role::Admin, policy = Fresh<0>)]
async fn admin_then_fresh() {}

#[require_session(UserSession, policy = (Fresh<0>, Admin))]
async fn fresh_then_admin() {}

#[require_session(UserSession, policy = CurrentSecret, authoritative)]
async fn by_current_secret() {}

fn application() -> Router {
    Router::new()
        .route("/login/{role}", post(login))
        .route("/role", get(by_role))
        .route("/everything", get(by_everything))
        .route("/another-id", get(by_another_id))
        .route("/current-secret", get(by_current_secret))
        .route("/admin-then-fresh", get(admin_then_fresh))
        .route("/fresh-then-admin", get(fresh_then_admin))
        .sessions(&sessions())
}

#[tokio::test]
async fn all_of_a_handlers_policies_must_allow_it_in_their_order() {
    let app = application().build().unwrap();
    let member = log_in(&app, "member").await;
    let admin = log_in(&app, "admin").await;
    const FORBIDDEN: &str = r#"{"error":"forbidden"}"#;
    const STALE: &str = r#"{"error":"reauthentication_required"}"#;
    for (path, as_member, as_admin) in [
        ("/role", FORBIDDEN, ""),
        ("/everything", FORBIDDEN, ""),
        ("/another-id", FORBIDDEN, FORBIDDEN),
        ("/current-secret", "", ""),
        ("/admin-then-fresh", FORBIDDEN, STALE),
        ("/fresh-then-admin", STALE, STALE),
    ] {
        assert_eq!(send(&app, "GET", path, &[]).await.status(), 401, "{path}");
        for (cookie, expected) in [(&member, as_member), (&admin, as_admin)] {
            let response = send(&app, "GET", path, &[("cookie", cookie)]).await;
            assert_eq!(response.status(), if expected.is_empty() { 200 } else { 403 }, "{path}");
            assert_eq!(body(response).await, expected, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_authentication_is_fresh_until_it_is_as_old_as_allowed() {
    let app = application().build().unwrap();
    let admin = log_in(&app, "admin").await;
    for (passed, status) in [(599_999, 200), (1, 403)] {
        tokio::time::advance(Duration::from_millis(passed)).await;
        let response = send(&app, "GET", "/everything", &[("cookie", &admin)]).await;
        assert_eq!(response.status(), status);
    }
}

#[test]
fn the_table_names_each_policy() {
    assert_eq!(
        application().policies().to_string(),
        "\
GET   /admin-then-fresh  session UserSession, role Role::Admin, fresh 0s
GET   /another-id        session UserSession, Admin, when |user| user.user_id == 2
GET   /current-secret    session UserSession, current secret, authoritative
GET   /everything        session UserSession, Admin, fresh 10m, when |user| user.user_id == 1, \
fresh 10m, role Role::Admin
GET   /fresh-then-admin  session UserSession, fresh 0s, Admin
POST  /login/{role}      public
GET   /role              session UserSession, role Role::Admin
"
    );
}
