//! The guard of a group, as a layer of axum's routers and of tower services, on a real server.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anchor::guard::{Decision, Fresh, Policy};
use anchor::prelude::*;
use anchor_tests::http::{Answer, Served};
use anchor_tests::{Verb, Watched};
use axum::Router;
use axum::extract::{Json, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{ACCEPT, CACHE_CONTROL, LOCATION};
use http::{Method, StatusCode};
use tower::{Service, service_fn};
use tower_http::services::ServeDir;

use crate::application::{BROWSER, Role, UserSession, login, sessions};

/// Serves these routes beside the login.
async fn served(sessions: &SessionManager<UserSession>, routes: Router) -> Served {
    let router = Router::new().route("/login/{role}", post(login)).merge(routes);
    Served::start(router.layer(sessions.layer())).await
}

async fn log_in(app: &Served, role: &str) -> String {
    app.post(&format!("/login/{role}")).send().await.expect(StatusCode::OK).cookie()
}

async fn status(app: &Served, method: Method, path: &str, cookie: &str) -> StatusCode {
    app.call(method, path).cookie(cookie).send().await.status
}

struct Admin;

impl Policy<UserSession> for Admin {
    fn check(session: &Session<UserSession>) -> Decision {
        if session.role == Role::Admin { Decision::Allow } else { Decision::Deny }
    }
}

impl UserSession {
    fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

async fn plain() -> &'static str {
    "inside"
}

/// The guard on each handler, which the guard of the group is compared with.
mod attribute {
    use super::*;

    #[require_session(UserSession)]
    pub(super) async fn bare() -> &'static str {
        "inside"
    }

    #[require_session(UserSession, when = UserSession::is_admin, redirect = "/login?lang=de")]
    pub(super) async fn when() -> &'static str {
        "inside"
    }

    #[require_session(UserSession, role = Role::Admin, fresh = "10m")]
    pub(super) async fn role() -> &'static str {
        "inside"
    }

    #[require_session(UserSession, policy = (Admin, Fresh<0>), redirect = "/login")]
    pub(super) async fn stale() -> &'static str {
        "inside"
    }
}

#[tokio::test]
async fn a_group_is_guarded_as_each_of_its_handlers_would_be() {
    let sessions = sessions();
    let group = |path: &str, guard: anchor::guard::RequireSession<UserSession>| {
        Router::new().route(path, get(plain).post(plain)).route_layer(guard)
    };
    let guard = || sessions.require();
    let routes = Router::new()
        .route("/attribute/bare", get(attribute::bare).post(attribute::bare))
        .route("/attribute/when", get(attribute::when).post(attribute::when))
        .route("/attribute/role", get(attribute::role).post(attribute::role))
        .route("/attribute/stale", get(attribute::stale).post(attribute::stale))
        .merge(group("/group/bare", guard()))
        .merge(group("/group/when", guard().when(UserSession::is_admin).redirect("/login?lang=de")))
        .merge(group("/group/role", guard().role(Role::Admin).fresh(Duration::from_mins(10))))
        .merge(group(
            "/group/stale",
            guard().policy::<Admin>().fresh(Duration::ZERO).redirect("/login"),
        ));
    let app = served(&sessions, routes).await;
    let (member, admin) = (log_in(&app, "member").await, log_in(&app, "admin").await);
    let mut statuses = Vec::new();
    for name in ["bare", "when", "role", "stale"] {
        for cookie in ["", "id=forged", &member, &admin] {
            for (method, accept) in
                [(Method::GET, BROWSER), (Method::GET, "*/*"), (Method::POST, BROWSER)]
            {
                let ask = async |form: &str| {
                    let call = app.call(method.clone(), &format!("/{form}/{name}?page=2"));
                    let answer = call.header(ACCEPT, accept).cookie(cookie).send().await;
                    let location = answer.header(LOCATION).map(|to| to.replace(form, ".."));
                    let cached = answer.header(CACHE_CONTROL).map(str::to_owned);
                    (answer.status, location, cached, answer.text().to_owned())
                };
                let (attribute, group) = (ask("attribute").await, ask("group").await);
                assert_eq!(group, attribute, "{name} {method} {accept} {cookie}");
                statuses.push(group.0.as_u16());
            }
        }
    }
    // Nobody, a forger, a member, an admin; each as a browser, as a script, and with a form.
    let [bare, when, role, stale] =
        [&statuses[..12], &statuses[12..24], &statuses[24..36], &statuses[36..]];
    assert_eq!(bare, [401, 401, 401, 401, 401, 401, 200, 200, 200, 200, 200, 200]);
    assert_eq!(when, [303, 401, 401, 303, 401, 401, 403, 403, 403, 200, 200, 200]);
    assert_eq!(role, [401, 401, 401, 401, 401, 401, 403, 403, 403, 200, 200, 200]);
    assert_eq!(stale, [303, 401, 401, 303, 401, 401, 403, 403, 403, 303, 403, 403]);
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("report.txt"), "secret figures").unwrap();
    folder
}

#[tokio::test]
async fn files_are_served_to_a_session_alone() {
    let folder = folder();
    let sessions = sessions();
    let files = || ServeDir::new(folder.path());
    let routes = Router::new()
        .nest_service("/files", sessions.require().layer(files()))
        .nest_service("/admin", sessions.require().role(Role::Admin).layer(files()))
        .route_service("/one/{*path}", sessions.require().layer(files()));
    let app = served(&sessions, routes).await;
    let (member, admin) = (log_in(&app, "member").await, log_in(&app, "admin").await);
    for path in ["/files/report.txt", "/files/", "/files/none", "/files/../files/report.txt"] {
        assert_eq!(status(&app, Method::GET, path, "").await, StatusCode::UNAUTHORIZED, "{path}");
    }
    let answer = async |path: &str, cookie: &str| app.get(path).cookie(cookie).send().await;
    let read = answer("/files/report.txt", &member).await.expect(StatusCode::OK);
    assert_eq!(read.text(), "secret figures");
    answer("/files/none", &member).await.expect(StatusCode::NOT_FOUND);
    answer("/admin/report.txt", &member).await.expect(StatusCode::FORBIDDEN);
    answer("/admin/report.txt", &admin).await.expect(StatusCode::OK);
    sessions.revoke_subject(&1).await.unwrap();
    let ended: Answer = answer("/files/report.txt", &member).await;
    assert!(!ended.expect(StatusCode::UNAUTHORIZED).text().contains("figures"));
}

#[tokio::test]
async fn a_guard_without_its_session_layer_opens_nothing() {
    let (sessions, other) = (sessions(), sessions());
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let inside = move || {
        let count = Arc::clone(&count);
        Router::new().route(
            "/inside",
            get(move || async move { count.fetch_add(1, Ordering::Relaxed).to_string() }),
        )
    };
    let login = || Router::new().route("/login/{role}", post(login));
    let guard = || sessions.require();
    for (name, router, code) in [
        (
            "no layer",
            login().layer(sessions.layer()).merge(inside().layer(guard())),
            "missing_layer",
        ),
        (
            "a layer inside of the guard",
            login().layer(sessions.layer()).merge(inside().layer(sessions.layer()).layer(guard())),
            "missing_layer",
        ),
        (
            "another manager's layer",
            login().layer(sessions.layer()).merge(inside().layer(guard()).layer(other.layer())),
            "several_managers",
        ),
    ] {
        let app = Served::start(router).await;
        let cookie = log_in(&app, "admin").await;
        for cookie in ["", &cookie] {
            let answer = app.get("/inside").cookie(cookie).send().await;
            let answer = answer.expect(StatusCode::INTERNAL_SERVER_ERROR);
            assert!(
                answer.text().starts_with(&format!("{{\"error\":\"{code}\"")),
                "{name}: {answer:?}"
            );
        }
    }
    let app = Served::start(login().merge(inside().layer(guard())).layer(sessions.layer())).await;
    let cookie = log_in(&app, "admin").await;
    let first = app.get("/inside").cookie(cookie).send().await.expect(StatusCode::OK);
    assert_eq!(first.text(), "0", "none of the others ran the handler");
}

#[tokio::test]
async fn a_group_covers_404_and_405_as_documented() {
    let sessions = sessions();
    let group = || Router::new().route("/inside", get(plain));
    let missing = async || (StatusCode::NOT_FOUND, "missing");
    let routes = Router::new()
        .nest("/layer", group().layer(sessions.require()))
        .nest("/layer-with-fallback", group().fallback(missing).layer(sessions.require()))
        .nest("/route-layer", group().route_layer(sessions.require()))
        .nest(
            "/route-layer-with-fallback",
            group().fallback(missing).route_layer(sessions.require()),
        );
    let app = served(&sessions, routes).await;
    let cookie = log_in(&app, "member").await;
    for (path, not_found) in [
        ("/layer", 404),
        ("/layer-with-fallback", 401),
        ("/route-layer", 404),
        ("/route-layer-with-fallback", 404),
    ] {
        let inside = format!("{path}/inside");
        let statuses = async |cookie: &str| {
            [
                status(&app, Method::GET, &inside, cookie).await.as_u16(),
                status(&app, Method::POST, &inside, cookie).await.as_u16(),
                status(&app, Method::GET, &format!("{path}/none"), cookie).await.as_u16(),
            ]
        };
        assert_eq!(statuses("").await, [401, 401, not_found], "{path}");
        assert_eq!(statuses(&cookie).await, [200, 405, 404], "{path}");
    }
    let whole = group().layer(sessions.require()).layer(sessions.layer());
    let whole = Served::start(whole).await;
    assert_eq!(status(&whole, Method::GET, "/none", "").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&whole, Method::GET, "/none", &cookie).await, StatusCode::NOT_FOUND);
}

#[require_session(UserSession, when = UserSession::is_admin)]
async fn stricter(State(text): State<&'static str>, user: Session<UserSession>) -> String {
    format!("{text} {}", user.user_id)
}

#[tokio::test]
async fn handlers_inside_have_the_session_and_their_own_guards_for_one_lookup() {
    let store = Watched::new(Arc::new(MemoryStore::new()));
    let sessions = SessionManager::<UserSession>::builder(store.clone())
        .keys(KeyRing::generate().unwrap())
        .build()
        .unwrap();
    let name = async |user: Session<UserSession>, State(text): State<&'static str>| {
        format!("{text} {}", user.user_id)
    };
    let optional = async |user: Option<UserSession>| user.is_some().to_string();
    let routes = Router::new()
        .route("/plain", get(name))
        .route("/optional", get(optional))
        .route("/stricter", get(stricter))
        .layer(sessions.require())
        .with_state("hello");
    let app = served(&sessions, routes).await;
    let (member, admin) = (log_in(&app, "member").await, log_in(&app, "admin").await);
    for (path, cookie, status, text) in [
        ("/plain", &member, StatusCode::OK, "hello 1"),
        ("/optional", &member, StatusCode::OK, "true"),
        ("/stricter", &member, StatusCode::FORBIDDEN, r#"{"error":"forbidden"}"#),
        ("/stricter", &admin, StatusCode::OK, "hello 1"),
    ] {
        store.reset();
        let answer = app.get(path).cookie(cookie).send().await.expect(status);
        assert_eq!(answer.text(), text);
        assert_eq!(store.calls(Verb::Load), 1, "{path}");
    }
}

#[tokio::test]
async fn a_group_refuses_before_anything_inside_looks_at_the_request() {
    let sessions = sessions();
    let body = async |Json(body): Json<u8>| body.to_string();
    let routes = Router::new().route("/json", post(body)).layer(sessions.require());
    let app = served(&sessions, routes).await;
    let cookie = log_in(&app, "member").await;
    let send = async |cookie: &str| app.post("/json").json(&"text").cookie(cookie).send().await;
    send("").await.expect(StatusCode::UNAUTHORIZED);
    send(&cookie).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
}

#[derive(Clone, SessionData)]
#[session(cookie = "group-staff", migrations = false)]
struct Staff {
    admin: bool,
}

#[tokio::test]
async fn a_group_takes_no_session_of_another_payload() {
    let users = sessions();
    let staff = SessionManager::<Staff>::builder(MemoryStore::new())
        .keys(KeyRing::generate().unwrap())
        .build()
        .unwrap();
    let enter = async |auth: Auth<Staff>| auth.login(Staff { admin: true }).await.map(drop);
    let routes = Router::new()
        .route("/enter", post(enter))
        .route("/desk", get(plain).layer(staff.require().when(|staff| staff.admin)))
        .layer(staff.layer());
    let app = served(&users, routes).await;
    let user = log_in(&app, "admin").await;
    let staff = app.post("/enter").send().await.expect(StatusCode::OK).cookie();
    let renamed = user.replacen("id=", "group-staff=", 1);
    for cookie in [&user, &renamed] {
        assert_eq!(status(&app, Method::GET, "/desk", cookie).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status(&app, Method::GET, "/desk", &staff).await, StatusCode::OK);
}

/// A service that must be asked whether it is ready before each request.
#[derive(Default)]
struct OnlyWhenReady {
    is_ready: bool,
}

impl Clone for OnlyWhenReady {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request> for OnlyWhenReady {
    type Response = Response;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        let status = if self.is_ready { StatusCode::OK } else { StatusCode::IM_A_TEAPOT };
        std::future::ready(Ok(status.into_response()))
    }
}

#[tokio::test]
async fn a_service_is_asked_whether_it_is_ready() {
    let sessions = sessions();
    let routes = Router::new()
        .route_service("/ready", sessions.require().layer(OnlyWhenReady::default()))
        .route_service(
            "/function",
            sessions
                .require()
                .layer(service_fn(async |_: Request| Ok(StatusCode::OK.into_response()))),
        );
    let app = served(&sessions, routes).await;
    let cookie = log_in(&app, "member").await;
    for path in ["/ready", "/function"] {
        assert_eq!(status(&app, Method::GET, path, &cookie).await, StatusCode::OK, "{path}");
        assert_eq!(status(&app, Method::GET, path, "").await, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[test]
fn a_login_page_elsewhere_fails_at_the_start() {
    let sessions = sessions();
    for page in ["login", "//evil.example", "https://evil.example/login", "/login#form", ""] {
        let redirecting = std::panic::AssertUnwindSafe(|| sessions.require().redirect(page));
        let refused = std::panic::catch_unwind(redirecting).unwrap_err();
        let message = refused.downcast_ref::<String>().unwrap();
        assert!(message.ends_with("write `.redirect(\"/login\")`"), "{page}: {message}");
    }
}
