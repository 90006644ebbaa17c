//! Documents that cannot be completed, and what their author reads.

use anchor::frontend::{Frontend, Presented};
use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use http::{HeaderMap, HeaderName, header};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::sessions::{UserSession, users};

#[require_session(UserSession)]
#[utoipa::path(get, path = "/me")]
async fn me() {}

#[public]
#[utoipa::path(get, path = "/open", security(("UserSession" = [])))]
async fn open() {}

#[utoipa::path(get, path = "/axum")]
async fn of_axum() {}

#[derive(OpenApi)]
#[openapi(paths(me))]
struct Document;

fn refusal(app: &Router, mut document: utoipa::openapi::OpenApi) -> String {
    app.describe_in(&mut document).expect_err("a mistake").to_string()
}

#[test]
fn an_operation_without_a_route_is_refused_and_near_ones_are_named() {
    let elsewhere: Router =
        Router::new().nest("/api", Router::new().route("/me", get(me))).sessions(&users());
    assert_eq!(
        refusal(&elsewhere, Document::openapi()),
        "`GET /me`: there is no such route: the document needs the path from the outermost router, \
         as in `GET /api/me`"
    );
    let other_method: Router = Router::new().route("/me", post(me)).sessions(&users());
    assert_eq!(
        refusal(&other_method, Document::openapi()),
        "`GET /me`: the path has other routes: `POST /me`"
    );
    assert_eq!(
        refusal(&Router::new(), Document::openapi()),
        "`GET /me`: there is no such route: correct the operation's path, or add the route"
    );
    // What a fallback answers is not an operation, whether it is guarded or not.
    #[public]
    async fn fallback() {}
    let fallback: Router = Router::new().fallback(fallback);
    assert!(refusal(&fallback, Document::openapi()).contains("there is no such route"));
}

#[test]
fn the_remainder_of_a_closed_group_is_not_a_route() {
    #[utoipa::path(get, path = "/group/typo")]
    #[allow(dead_code, reason = "only its description is used")]
    async fn typo() {}

    #[derive(OpenApi)]
    #[openapi(paths(typo))]
    struct Typo;

    let users = users();
    let group = users.require().layer(Router::new().route("/me", get(me)));
    let app: Router = Router::new().nest("/group", group).sessions(&users);
    assert!(refusal(&app, Typo::openapi()).contains("there is no such route"));
}

#[test]
fn an_open_route_is_not_described_as_guarded() {
    #[derive(OpenApi)]
    #[openapi(paths(open))]
    struct Open;

    let app: Router = Router::new().route("/open", get(open)).sessions(&users());
    assert_eq!(
        refusal(&app, Open::openapi()),
        "`GET /open`: it has the security requirement `UserSession`, and its route is `public`: \
         remove the requirement, or guard the handler"
    );
}

#[test]
fn a_route_whose_guard_is_unknown_is_not_described_as_open() {
    #[derive(OpenApi)]
    #[openapi(paths(of_axum))]
    struct OfAxum;

    let axums = axum::Router::new().route("/axum", axum::routing::get(of_axum));
    let app: Router = Router::new().merge_unchecked(axums);
    assert_eq!(
        refusal(&app, OfAxum::openapi()),
        "`GET /axum`: its route is `UNCHECKED`, so it is not known who may call it: give the \
         operation a security requirement of its own, or an empty one if it is open"
    );
}

#[utoipa::path(post, path = "/methods")]
async fn of_methods() {}

#[test]
fn guards_that_may_both_be_that_of_an_operation_are_not_guessed() {
    #[derive(OpenApi)]
    #[openapi(paths(of_methods))]
    struct Methods;

    #[derive(OpenApi)]
    #[openapi(paths(of_axum))]
    struct OfAxum;

    let users = users();
    let strict = users.require().when(UserSession::is_admin);
    // It is not known which of the two has the method.
    let app: Router = Router::new()
        .route("/methods", users.require().layer(axum::routing::get(of_methods)))
        .route("/methods", strict.layer(axum::routing::post(of_methods)))
        .sessions(&users);
    let refused = refusal(&app, Methods::openapi());
    assert_eq!(
        refused,
        "`POST /methods`: its route is `session UserSession` or `session UserSession, when \
         UserSession::is_admin`, so it is not known who may call it: give the operation a security \
         requirement of its own, or an empty one if it is open"
    );
    // The unchecked router may have a route at a path of the guarded service.
    let service = axum::routing::any(of_axum);
    let app: Router = Router::new()
        .nest_service("/axum", users.require().layer(service))
        .merge_unchecked(axum::Router::new())
        .sessions(&users);
    let refused = refusal(&app, OfAxum::openapi());
    assert!(refused.contains("`UNCHECKED` or `session UserSession`"), "{refused}");
}

#[test]
fn a_requirement_for_all_operations_and_references_are_refused() {
    #[derive(OpenApi)]
    #[openapi(paths(me), security(("UserSession" = [])))]
    struct Everywhere;

    let app: Router = Router::new().route("/me", get(me)).sessions(&users());
    let refused = refusal(&app, Everywhere::openapi());
    assert!(refused.contains("remove `security(..)` from the document itself"), "{refused}");

    let mut document = Document::openapi();
    let reference = document.paths.paths.get_mut("/me").expect("the path");
    reference.ref_path = Some("#/components/pathItems/me".to_owned());
    let refused = refusal(&app, document);
    assert!(refused.starts_with("`/me` is a reference"), "{refused}");
}

#[test]
fn another_scheme_with_the_payloads_name_is_not_overwritten() {
    let app: Router = Router::new().route("/me", get(me)).sessions(&users());
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("UserSession", SecurityScheme::Http(bearer));
    let refused = refusal(&app, document);
    assert!(refused.contains("another security scheme `UserSession`"), "{refused}");
}

#[test]
fn the_mistakes_of_the_routes_come_first() {
    let app: Router = Router::new().route("/me", get(me));
    assert!(refusal(&app, Document::openapi()).contains("add `.sessions(&sessions)`"));
}

mod one {
    use super::*;

    #[derive(Clone, SessionData)]
    #[session(cookie = "__Host-openapi-one", migrations = false)]
    pub(super) struct Twin {
        #[session(subject)]
        pub(super) user_id: i64,
    }
}

mod two {
    use super::*;

    #[derive(Clone, SessionData)]
    #[session(cookie = "__Host-openapi-two", migrations = false)]
    pub(super) struct Twin {
        #[session(subject)]
        pub(super) user_id: i64,
    }
}

fn manager<T: SessionData>() -> SessionManager<T>
where
    MemoryStore<T>: SessionStore<T>,
{
    let builder = SessionManager::builder(MemoryStore::new());
    builder.keys(KeyRing::generate().expect("keys")).build().expect("a manager")
}

#[test]
fn two_payloads_with_one_name_are_not_mixed_up() {
    #[require_session(one::Twin)]
    #[utoipa::path(get, path = "/one")]
    async fn of_one() {}

    #[require_session(two::Twin)]
    async fn of_two() {}

    #[derive(OpenApi)]
    #[openapi(paths(of_one))]
    struct Twins;

    let app: Router = Router::new()
        .route("/one", get(of_one))
        .route("/two", get(of_two))
        .sessions(&manager::<one::Twin>())
        .sessions(&manager::<two::Twin>());
    let refused = refusal(&app, Twins::openapi());
    assert!(refused.contains("rename one of the structs"), "{refused}");
    assert!(one::Twin { user_id: 1 }.user_id == two::Twin { user_id: 1 }.user_id);
}

/// A second cookie beside the session's, which has no name of its own in OpenAPI.
struct InACookieOfItsOwn;

static COOKIE: [HeaderName; 1] = [header::COOKIE];

impl Frontend for InACookieOfItsOwn {
    fn channel(&self) -> String {
        "own-cookie".into()
    }

    fn presented<'r>(&self, _: &'r HeaderMap) -> Presented<'r> {
        Presented::Nothing
    }

    fn headers(&self) -> &[HeaderName] {
        &COOKIE
    }
}

#[test]
fn a_frontend_that_does_not_say_where_its_token_is_is_refused() {
    let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
        .keys(KeyRing::generate().expect("keys"))
        .frontend(InACookieOfItsOwn)
        .build()
        .expect("a manager");
    let app: Router = Router::new().route("/me", get(me)).sessions(&sessions);
    assert_eq!(
        refusal(&app, Document::openapi()),
        "the frontend `own-cookie` does not say where a request has its token: implement \
         `Frontend::scheme`"
    );
}
