//! `.sessions(..)` and `.build()`: what would be 500 at a request is an error at the start, and
//! names route, handler and what to write.

use anchor::prelude::*;
use anchor::routing::{Router, any, get, post, public_service};
use anchor_tests::http::Served;
use axum::extract::State;
use http::StatusCode;
use tower::Layer;

use crate::application::{Role, UserSession, login, sessions};

#[derive(Clone, SessionData)]
#[session(cookie = "startup-staff", migrations = false)]
struct Staff {
    name: String,
}

fn staff() -> SessionManager<Staff> {
    let builder = SessionManager::builder(MemoryStore::new()).keys(KeyRing::generate().unwrap());
    builder.build().unwrap()
}

#[public]
async fn home() -> &'static str {
    "home"
}

#[require_session(UserSession)]
async fn me(user: Session<UserSession>, State(text): State<&'static str>) -> String {
    format!("{text} {}", user.user_id)
}

#[require_session(UserSession, role = Role::Admin)]
async fn ban() {}

#[logout(UserSession)]
async fn logout() {}

#[public]
async fn enter(auth: Auth<Staff>) -> Result<(), anchor::Error> {
    auth.login(Staff { name: "Corro".into() }).await.map(drop)
}

#[require_session(Staff)]
async fn desk(staff: Session<Staff>) -> String {
    staff.name.clone()
}

/// Guarded by one payload, and reads the other.
#[require_session(Staff)]
async fn both(_: Option<UserSession>) {}

#[public]
async fn shows_the_user(_: Option<Session<UserSession>>) {}

#[public]
async fn has_the_rejection(_: Result<Session<UserSession>, anchor::Rejection>) {}

async fn plain() {}

#[track_caller]
fn mistakes<S: Clone + Send + Sync + 'static>(router: Router<S>) -> String {
    router.build().expect_err("a mistake").to_string()
}

const USERS: &str = "the sessions of `routing::application::UserSession` are missing: add \
                     `.sessions(&sessions)` after the route, where `sessions` is a \
                     `SessionManager<UserSession>`";
const STAFF: &str = "the sessions of `routing::startup::Staff` are missing: add \
                     `.sessions(&sessions)` after the route, where `sessions` is a \
                     `SessionManager<Staff>`";

#[test]
fn every_handler_without_its_sessions_is_named_at_once() {
    let inner = Router::new().route("/ban", post(ban)).route("/out", post(logout)).fallback(ban);
    let app: Router<&str> = Router::new()
        .route("/", get(home).post(me))
        .nest("/admin", inner)
        .route("/desk", get(desk))
        .route("/open", any(me));
    assert_eq!(
        mistakes(app),
        format!(
            "6 mistakes in the routes:\n\
             - `POST /` (`routing::startup::me`): {USERS}\n\
             - `POST /admin/ban` (`routing::startup::ban`): {USERS}\n\
             - `POST /admin/out` (`routing::startup::logout`): {USERS}\n\
             - `any /admin/*` (`routing::startup::ban`): {USERS}\n\
             - `GET /desk` (`routing::startup::desk`): {STAFF}\n\
             - `any /open` (`routing::startup::me`): {USERS}"
        )
    );
}

#[test]
fn a_route_after_the_sessions_is_named_also_for_its_arguments() {
    let before = || Router::new().route("/", get(home));
    for (late, handler) in [
        (Router::new().route("/late", get(shows_the_user)), "shows_the_user"),
        (Router::new().route("/late", get(has_the_rejection)), "has_the_rejection"),
        (Router::new().route("/late", get(ban)), "ban"),
    ] {
        let app: Router = before().sessions(&sessions()).merge(late.clone());
        let expected = format!("`GET /late` (`routing::startup::{handler}`): {USERS}");
        assert_eq!(mistakes(app), expected);
        let app = before().merge(late).sessions(&sessions());
        let _ = app.build().unwrap();
    }
    // The login is public, and needs the layer all the same.
    let app: Router = Router::new()
        .route("/enter", post(enter))
        .nest("/staff", Router::new().route("/desk", get(desk)).sessions(&staff()));
    assert_eq!(mistakes(app), format!("`POST /enter` (`routing::startup::enter`): {STAFF}"));
    // Even if nothing was there yet to give sessions to.
    let app: Router = Router::new().sessions(&staff()).route("/enter", post(enter));
    assert_eq!(mistakes(app), format!("`POST /enter` (`routing::startup::enter`): {STAFF}"));
}

#[test]
fn a_route_layer_does_not_cover_the_fallback() {
    let app: Router =
        Router::new().route("/", get(ban)).fallback(ban).route_layer(sessions().layer());
    assert_eq!(mistakes(app), format!("`any /*` (`routing::startup::ban`): {USERS}"));
    let handlers = get(ban).layer(sessions().layer()).post(ban);
    let app: Router = Router::new().route("/", handlers);
    assert_eq!(mistakes(app), format!("`POST /` (`routing::startup::ban`): {USERS}"));
}

#[test]
fn the_sessions_of_one_route_are_known_to_the_others() {
    let of_handlers = get(home).layer(sessions().layer());
    let of_service = sessions().require().layer(axum::routing::get(plain));
    let of_service = public_service(sessions().layer().layer(of_service));
    for app in [
        Router::<()>::new().route("/a", of_handlers),
        Router::new().route_service("/a", of_service),
    ] {
        let app = app.route("/late", get(shows_the_user));
        let expected = format!("`GET /late` (`routing::startup::shows_the_user`): {USERS}");
        assert!(mistakes(app).ends_with(&expected));
    }
}

#[public]
async fn other_method() -> StatusCode {
    StatusCode::IM_A_TEAPOT
}

#[tokio::test]
async fn a_guarded_answer_to_other_methods_is_not_replaced() {
    let sessions = sessions();
    let guard = || sessions.require();
    let plain = || axum::routing::get(plain);
    let replaced = "it replaces the answer that the guard of this path gives to other methods, \
                    and is outside of the guard: call `.method_not_allowed_fallback(..)` before \
                    the guarded routes are added, or before `.layer(guard)`";
    for routes in [
        Router::<()>::new().route("/x", get(home)).layer(guard()),
        Router::new().merge(guard().layer(Router::new().route("/x", get(home)))),
        Router::new().route("/x", guard().layer(plain())),
        Router::new().route("/x", get(home).layer(guard())),
    ] {
        let app = routes.clone().method_not_allowed_fallback(other_method).sessions(&sessions);
        let route = "`other /x` (`routing::startup::other_method`)";
        assert_eq!(mistakes(app), format!("{route}: {replaced}"));

        let open = Router::new().route("/", get(home)).method_not_allowed_fallback(other_method);
        let app = open.merge(routes).sessions(&sessions).build().unwrap();
        let app = Served::start(app).await;
        app.post("/").send().await.expect(StatusCode::IM_A_TEAPOT);
        app.post("/x").send().await.expect(StatusCode::UNAUTHORIZED);
    }
    // What is nested under a guard as a whole, or answers all methods, is not replaced.
    let app: Router = Router::new()
        .nest("/admin", guard().layer(axum::Router::new().route("/x", plain())))
        .nest_service("/files", guard().layer(plain()))
        .route_service("/file", guard().layer(plain()))
        .route("/any", any(home).layer(guard()))
        .method_not_allowed_fallback(other_method)
        .sessions(&sessions);
    let app = Served::start(app.build().unwrap()).await;
    for path in ["/admin/x", "/files", "/file", "/any"] {
        app.post(path).send().await.expect(StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn a_guard_without_its_sessions_around_it_is_named() {
    let (users, other) = (sessions(), sessions());
    let group = || axum::Router::new().route("/plain", axum::routing::get(plain));
    let guarded = || Router::<()>::new().nest("/group", users.require().layer(group()));
    assert_eq!(mistakes(guarded()), format!("`any /group/*`: {USERS}"));

    let outside = "the guard of `routing::application::UserSession` is outside of the sessions \
                   that it needs: add `.sessions(&sessions)` after the guard, because what is \
                   added last runs first";
    let reversed: Router =
        Router::new().route("/ban", get(ban)).sessions(&users).layer(users.require());
    assert_eq!(mistakes(reversed), format!("`GET /ban` (`routing::startup::ban`): {outside}"));

    let of_another = "the guard and the sessions are those of two managers of \
                      `routing::application::UserSession`: build one \
                      `SessionManager<UserSession>`, and clone it";
    assert_eq!(mistakes(guarded().sessions(&other)), format!("`any /group/*`: {of_another}"));

    let service = users.require().layer(axum::routing::get(plain));
    let service: Router = Router::new().nest_service("/files", service);
    assert_eq!(mistakes(service), format!("`any /files/*`: {USERS}"));

    let _ = guarded().sessions(&users.clone()).build().unwrap();
}

#[test]
fn two_managers_of_one_payload_around_a_route_are_named() {
    let (inner, outer) = (sessions(), sessions());
    let app: Router =
        Router::new().nest("/in", Router::new().route("/ban", get(ban)).sessions(&inner));
    let app = app.route("/out", get(ban)).sessions(&outer);
    assert_eq!(
        mistakes(app),
        "`GET /in/ban` (`routing::startup::ban`): it has the sessions of two managers of \
         `routing::application::UserSession`: build one `SessionManager<UserSession>` and clone \
         it, or add each one's `.sessions(..)` to a router that is not nested in the other's"
    );
    let beside =
        |path: &str, sessions| Router::<()>::new().route(path, get(ban)).sessions(sessions);
    let _ = beside("/a", &inner).merge(beside("/b", &outer)).build().unwrap();
    let twice = beside("/a", &inner).sessions(&inner.clone());
    let _ = twice.build().unwrap();
}

#[test]
fn what_needs_no_sessions_and_what_is_not_known_is_built() {
    let app: Router = Router::new()
        .route("/", get(home))
        .nest_service("/assets", public_service(axum::routing::any(plain)))
        .merge_unchecked(axum::Router::new().route("/ban", axum::routing::get(ban)));
    let _ = app.build().unwrap();
    let late: Router = Router::new().route("/ban", get(ban));
    let _: axum::Router = late.into_axum_unchecked().layer(sessions().layer());
}

#[tokio::test]
async fn two_payloads_nested_merged_and_with_state_are_served() {
    let (users, staff) = (sessions(), staff());
    let desks = Router::new().route("/", get(desk)).route("/enter", post(enter)).sessions(&staff);
    let account = Router::new().route("/me", get(me)).sessions(&users).with_state("hello");
    let shared = Router::new().route("/both", get(both)).sessions(&staff);
    let app = Router::new()
        .route("/", get(home))
        .route("/login/{role}", post(login))
        .nest("/desk", desks)
        .merge(account)
        .merge(shared)
        .nest("/group", users.require().layer(Router::new().route("/", get(home))))
        .sessions(&users)
        .build()
        .unwrap();
    let app = Served::start(app).await;
    let user = app.post("/login/member").send().await.expect(StatusCode::OK).cookie();
    let staff = app.post("/desk/enter").send().await.expect(StatusCode::OK).cookie();
    for (path, as_user, as_staff) in [
        ("/", 200, 200),
        ("/desk", 401, 200),
        ("/me", 200, 401),
        ("/both", 401, 200),
        ("/group", 200, 401),
    ] {
        let status = async |cookie: &str| app.get(path).cookie(cookie).send().await.status.as_u16();
        assert_eq!([status(&user).await, status(&staff).await], [as_user, as_staff], "{path}");
    }
    let me = app.get("/me").cookie(&user).send().await;
    assert_eq!(me.text(), "hello 1");
}

#[test]
fn two_payloads_on_one_cookie_fail_before_there_is_a_router() {
    #[derive(Clone, SessionData)]
    #[session(cookie = "startup-staff", migrations = false)]
    struct Guest {
        name: String,
    }

    let _staff = staff();
    let guests = SessionManager::<Guest>::builder(MemoryStore::new());
    let error = guests.keys(KeyRing::generate().unwrap()).build().unwrap_err().to_string();
    assert!(error.contains("Staff` already travel by `cookie:startup-staff`"), "{error}");
}
