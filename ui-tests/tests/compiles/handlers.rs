//! Handlers of every shape: the macros add an argument and leave the rest as written.

use anchor::guard::{Decision, Policy};
use anchor::prelude::*;
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};

use crate::payloads::UserSession;

struct Admin;

impl Policy<UserSession> for Admin {
    fn check(session: &Session<UserSession>) -> Decision {
        if session.is_admin() { Decision::Allow } else { Decision::Deny }
    }
}

#[require_session]
async fn bare() {}

#[require_session()]
async fn empty_parentheses() {}

#[require_session]
async fn type_from_an_argument(session: Session<UserSession>) -> String {
    session.cart.len().to_string()
}

#[require_session(UserSession)]
async fn named() -> &'static str {
    "named"
}

#[require_session(UserSession, when = UserSession::is_admin)]
async fn path() {}

#[require_session(UserSession, authoritative)]
async fn authoritative() {}

#[require_session(UserSession, when = |session| session.cart.is_empty() && session.is_as_read())]
async fn closure() {}

#[require_session(when = |session| session.email.is_some())]
async fn closure_with_the_type_from_an_argument(_: Session<UserSession>) {}

#[require_session(UserSession, policy = Admin)]
async fn policy() {}

#[require_session(
    UserSession, policy = (Admin, anchor::guard::Fresh<60>), fresh = "10m", when = |_| true,
)]
async fn everything() {}

/// Documented, public, and with the payload itself.
#[require_session(UserSession, when = UserSession::is_admin)]
pub async fn public(user: UserSession, optional: Option<UserSession>) -> impl IntoResponse {
    drop(optional);
    user.cart.len().to_string()
}

#[require_session]
#[axum::debug_handler]
async fn above_debug_handler(session: Session<UserSession>, body: String) -> String {
    drop(session);
    body
}

#[require_session]
async fn generic<T>(State(state): State<T>) -> String
where
    T: Clone + Send + Sync + ToString + 'static,
{
    state.to_string()
}

#[require_session]
fn returns_a_future() -> impl Future<Output = &'static str> + Send {
    std::future::ready("done")
}

#[require_session(UserSession, when = |_| true)]
#[cfg(target_family = "unix")]
async fn for_one_platform() {}

#[require_session(UserSession, when = |_| true)]
#[cfg(not(target_family = "unix"))]
async fn for_one_platform() {}

#[logout(all)]
async fn logout_everywhere() {}

#[logout(UserSession, others)]
async fn logout_elsewhere() {}

#[logout]
async fn logout_of_whichever() {}

#[logout(UserSession)]
async fn logout_of_one() -> impl IntoResponse {
    "bye"
}

#[logout]
async fn logout_with_the_type_from_an_argument(auth: Auth<UserSession>) {
    drop(auth);
}

struct Handlers;

impl Handlers {
    #[require_session(UserSession)]
    async fn associated() {}
}

#[test]
fn whoever_declares_a_policy_is_routed_by_anchor() {
    use anchor::routing::{MethodFilter, Router, any, get, on, patch, post};
    let _: Router<String> = Router::new()
        .route("/", get(named).head(path).options(everything).trace(public).post(closure))
        .route("/argument", get(type_from_an_argument))
        .route("/logout", post(logout_of_one).put(logout_elsewhere).delete(logout_of_one))
        .route("/logout/argument", patch(logout_with_the_type_from_an_argument))
        .route("/logout/any", any(logout_of_one))
        .route("/logout/on", on(MethodFilter::POST, logout_of_one).fallback(logout_of_one));
}

#[test]
fn every_one_of_them_is_a_handler() {
    let _: Router = Router::new()
        .route("/", get(bare).post(empty_parentheses).put(type_from_an_argument).patch(named))
        .route(
            "/when",
            get(path)
                .post(closure)
                .delete(authoritative)
                .put(closure_with_the_type_from_an_argument),
        )
        .route("/policies", get(policy).post(everything).put(public))
        .route("/shapes", get(generic::<String>).post(above_debug_handler).put(returns_a_future))
        .route("/places", get(for_one_platform).post(Handlers::associated))
        .route("/logout", get(logout_of_whichever).put(logout_of_one))
        .route("/logout/others", post(logout_everywhere).put(logout_elsewhere))
        .route("/logout/argument", post(logout_with_the_type_from_an_argument))
        .with_state("state".to_owned());
}
