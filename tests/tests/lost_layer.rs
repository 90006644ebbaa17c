//! An application of users and administrators whose administrators' router loses its layer in a
//! refactoring, while the root keeps the users' one: a user's cookie must not open an
//! administrator's page.
//!
//! A binary of its own, for a guard without a type knows what the process has built.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anchor::prelude::*;
use anchor_tests::http::Served;
use anchor_tests::{Backend, Verb, Watched, on_every_store};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::StatusCode;

on_every_store![
    a_bare_guard_refuses_a_user_where_the_administrators_layer_is_lost,
    a_bare_guard_refuses_a_user_where_the_administrators_manager_is_gone_as_well,
    a_guard_with_a_type_says_that_its_layer_is_missing,
    a_bare_guard_refuses_everybody_where_both_layers_are_there,
];

#[derive(Clone, SessionData)]
#[session(table = "user_sessions")]
struct UserSession {
    #[session(subject)]
    name: String,
}

#[derive(Clone, SessionData)]
#[session(table = "admin_sessions", cookie = "__Host-admin")]
struct AdminSession {
    #[session(subject)]
    name: String,
}

/// Whether a handler that is for administrators ran.
type Ran = Arc<AtomicBool>;

#[require_session]
async fn delete_all_users(State(ran): State<Ran>) {
    ran.store(true, Ordering::SeqCst);
}

#[require_session(AdminSession)]
async fn delete_all_users_typed(State(ran): State<Ran>) {
    ran.store(true, Ordering::SeqCst);
}

#[logout]
async fn logout(State(ran): State<Ran>) {
    ran.store(true, Ordering::SeqCst);
}

async fn login(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    auth.login(UserSession { name: "ferris".into() }).await.map(drop)
}

struct Application {
    users: Watched<UserSession>,
    user_sessions: SessionManager<UserSession>,
    admin_sessions: Option<SessionManager<AdminSession>>,
    /// The administrators' routes, without a layer.
    admin: Router,
    ran: Ran,
}

impl Application {
    async fn new(backend: &Backend) -> Self {
        let users = Watched::new(backend.store().await);
        let keys = KeyRing::new([[7; 32]]).unwrap();
        let user_sessions =
            SessionManager::builder(users.clone()).keys(keys.clone()).build().unwrap();
        let admins = Watched::new(backend.store().await);
        let admin_sessions = Some(SessionManager::builder(admins).keys(keys).build().unwrap());
        let ran = Ran::default();
        let admin = Router::new()
            .route("/delete-all-users", post(delete_all_users))
            .route("/typed", post(delete_all_users_typed))
            .route("/logout", post(logout))
            .with_state(Arc::clone(&ran));
        Self { users, user_sessions, admin_sessions, admin, ran }
    }

    /// The whole application, with these routes for administrators.
    async fn serve(&self, admin: Router) -> Served {
        let router = Router::new()
            .route("/login", post(login))
            .route("/me", get(async |_: Session<UserSession>| ()))
            .nest("/admin", admin)
            .layer(self.user_sessions.layer());
        Served::start(router).await
    }

    /// Sends a user's request to each bare guard.
    async fn assert_refused(&self, served: &Served) {
        let cookie = served.post("/login").send().await.expect(StatusCode::OK).cookie();
        for path in ["/admin/delete-all-users", "/admin/logout"] {
            let answer = served.post(path).cookie(&cookie).send().await;
            let answer = answer.expect(StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(
                answer.text(),
                "{\"error\":\"untyped_guard\",\"message\":\"this application has several kinds of \
                 sessions, and the handler's guard does not say which one it means: name the \
                 type, as in `#[require_session(UserSession)]` or `#[logout(UserSession)]`\"}"
            );
            assert!(answer.set_cookies().is_empty(), "{answer:?}");
        }
        assert!(!self.ran.load(Ordering::SeqCst));
        assert_eq!(self.users.calls(Verb::Revoke), 0);
        served.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
    }
}

async fn a_bare_guard_refuses_a_user_where_the_administrators_layer_is_lost(backend: Backend) {
    let app = Application::new(&backend).await;
    let served = app.serve(app.admin.clone()).await;
    app.assert_refused(&served).await;
}

/// Nothing but the layer kept the manager, as in a function that builds it and returns the router.
async fn a_bare_guard_refuses_a_user_where_the_administrators_manager_is_gone_as_well(
    backend: Backend,
) {
    let mut app = Application::new(&backend).await;
    app.admin_sessions = None;
    let served = app.serve(app.admin.clone()).await;
    app.assert_refused(&served).await;
}

async fn a_guard_with_a_type_says_that_its_layer_is_missing(backend: Backend) {
    let app = Application::new(&backend).await;
    let served = app.serve(app.admin.clone()).await;
    let cookie = served.post("/login").send().await.expect(StatusCode::OK).cookie();
    let answer = served.post("/admin/typed").cookie(&cookie).send().await;
    let answer = answer.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.text().starts_with("{\"error\":\"missing_layer\","), "{answer:?}");
    assert!(answer.text().contains("SessionManager<AdminSession>"), "{answer:?}");
    assert!(!app.ran.load(Ordering::SeqCst));
}

async fn a_bare_guard_refuses_everybody_where_both_layers_are_there(backend: Backend) {
    let app = Application::new(&backend).await;
    let layer = app.admin_sessions.as_ref().unwrap().layer();
    let served = app.serve(app.admin.clone().layer(layer)).await;
    app.assert_refused(&served).await;
}
