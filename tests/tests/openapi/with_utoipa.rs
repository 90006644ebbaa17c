//! Documents of utoipa, with the routes of `anchor::routing`.

use std::time::Duration;

use anchor::guard::{Decision, Policy};
use anchor::prelude::*;
use anchor::routing::{Router, any, delete, get, post, public_service};
use axum::extract::Path;
use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::documents::{access, assert_schemes_exist, json_of, open, operation};
use crate::sessions::{
    DeviceSession, Role, StaffSession, UserSession, devices, staff, users, users_with_own_answers,
};

pub(crate) struct Admin;

impl Policy<UserSession> for Admin {
    fn check(session: &Session<UserSession>) -> Decision {
        if session.is_admin() { Decision::Allow } else { Decision::Deny }
    }
}

/// The same handlers twice: the macro gets their attributes in one order and in the other.
macro_rules! in_both_orders {
    ($($name:ident($method:ident $path:tt): $attribute:meta;)*) => {
        mod anchor_first {
            use super::*;

            $(
                #[$attribute]
                #[utoipa::path(
                    $method,
                    path = $path,
                    responses((status = 200, description = "ok"))
                )]
                pub(super) async fn $name() {}
            )*
        }

        mod utoipa_first {
            use super::*;

            $(
                #[utoipa::path(
                    $method,
                    path = $path,
                    responses((status = 200, description = "ok"))
                )]
                #[$attribute]
                pub(super) async fn $name() {}
            )*
        }
    };
}

in_both_orders! {
    home(get "/"): public;
    login(post "/login"): public;
    me(get "/me"): require_session(UserSession);
    rename(post "/me"): require_session(UserSession);
    admin(get "/admin"): require_session(UserSession, role = Role::Admin);
    stats(get "/stats"): require_session(UserSession, policy = Admin);
    secret(get "/secret"): require_session(UserSession, when = UserSession::is_admin);
    leave(delete "/account"): require_session(UserSession, fresh = "10m", redirect = "/login");
    transfer(get "/transfer"): require_session(UserSession, authoritative);
    logout(post "/logout"): logout(UserSession);
    logout_all(post "/logout/all"): logout(UserSession, all);
    job(post "/job"): require_session(StaffSession);
    reading(post "/reading"): require_session(DeviceSession);
}

macro_rules! document {
    ($order:ident) => {{
        use $order::*;

        #[derive(OpenApi)]
        #[openapi(paths(
            home, login, me, rename, admin, stats, secret, leave, transfer, logout, logout_all,
            job, reading
        ))]
        struct Document;

        let app: Router = Router::new()
            .route("/", get(home))
            .route("/login", post(login))
            .route("/me", get(me).post(rename))
            .route("/admin", get(admin))
            .route("/stats", get(stats))
            .route("/secret", get(secret))
            .route("/account", delete(leave))
            .route("/transfer", get(transfer))
            .route("/logout", post(logout))
            .route("/logout/all", post(logout_all))
            .route("/job", post(job))
            .route("/reading", post(reading))
            .sessions(&users())
            .sessions(&staff())
            .sessions(&devices());
        let mut document = Document::openapi();
        let undocumented = app.describe_in(&mut document).expect("a description");
        assert_eq!(undocumented.to_string(), "");
        (app, document)
    }};
}

pub(crate) fn documented() -> (Router, utoipa::openapi::OpenApi) {
    document!(anchor_first)
}

#[test]
fn each_operation_says_what_its_attribute_says_in_either_order() {
    let (_, first) = document!(anchor_first);
    let (_, second) = document!(utoipa_first);
    let user = json!([{ "UserSession": [] }]);
    let optional = json!([{ "UserSession": [] }, {}]);
    let staff = json!([
        { "StaffSession.cookie.__Host-openapi-staff": [] },
        { "StaffSession.bearer": [] },
        { "StaffSession.header.x-openapi-staff": [] },
    ]);
    let guarded = ["401", "503"];
    let refused = ["401", "403", "503"];
    let expected = [
        ("get", "/", open()),
        ("post", "/login", open()),
        ("get", "/me", json!([user, guarded, [{ "session": "UserSession" }]])),
        // The origin check.
        ("post", "/me", json!([user, refused, [{ "session": "UserSession" }]])),
        (
            "get",
            "/admin",
            json!([user, refused, [{ "session": "UserSession", "roles": ["Role::Admin"] }]]),
        ),
        (
            "get",
            "/stats",
            json!([user, refused, [{ "session": "UserSession", "policies": ["Admin"] }]]),
        ),
        ("get", "/secret", json!([user, refused, [{ "session": "UserSession", "when": true }]])),
        (
            "delete",
            "/account",
            json!([
                user,
                refused,
                [{ "session": "UserSession", "fresh": 600, "redirect": "/login" }]
            ]),
        ),
        ("get", "/transfer", json!([user, guarded, [{ "session": "UserSession" }]])),
        (
            "post",
            "/logout",
            json!([optional, ["403", "503"], [{ "session": "UserSession", "logout": "this" }]]),
        ),
        (
            "post",
            "/logout/all",
            json!([optional, ["403", "503"], [{ "session": "UserSession", "logout": "all" }]]),
        ),
        ("post", "/job", json!([staff, refused, [{ "session": "StaffSession" }]])),
        // No browser sends this header by itself, so the origin is not checked.
        (
            "post",
            "/reading",
            json!([[{ "DeviceSession": [] }], guarded, [{ "session": "DeviceSession" }]]),
        ),
    ];
    for document in [json_of(&first), json_of(&second)] {
        for (method, path, expected) in &expected {
            let found = access(operation(&document, method, path));
            assert_eq!(found, *expected, "{method} {path}");
        }
        assert_schemes_exist(&document);
    }
    assert!(json_of(&first) == json_of(&second));
}

#[test]
fn the_security_schemes_are_those_of_the_frontends() {
    let (_, document) = documented();
    let schemes = &json_of(&document)["components"]["securitySchemes"];
    let header = |name: &str| json!({ "type": "apiKey", "in": "header", "name": name });
    let cookie = |name: &str| json!({ "type": "apiKey", "in": "cookie", "name": name });
    assert_eq!(
        *schemes,
        json!({
            "UserSession": cookie("__Host-openapi"),
            "StaffSession.cookie.__Host-openapi-staff": cookie("__Host-openapi-staff"),
            "StaffSession.bearer": { "type": "http", "scheme": "bearer" },
            "StaffSession.header.x-openapi-staff": header("x-openapi-staff"),
            "DeviceSession": header("x-openapi-device"),
        })
    );
}

#[test]
fn a_description_that_is_repeated_changes_nothing() {
    let (app, mut document) = documented();
    let before = json_of(&document);
    app.describe_in(&mut document).expect("a description");
    assert_eq!(json_of(&document), before);
}

#[require_session(UserSession)]
#[utoipa::path(get, path = "/users/{user}", responses((status = 401, description = "own")),
    security(("api_key" = [])))]
async fn of_user(_: Path<i64>) {}

#[public]
#[utoipa::path(get, path = "/profile")]
async fn takes_a_session(_: Session<UserSession>) {}

#[public]
#[utoipa::path(get, path = "/payload")]
async fn takes_a_payload(_: UserSession) {}

#[public]
#[utoipa::path(get, path = "/greeting")]
async fn may_take_a_session(_: Option<Session<UserSession>>, _: Auth<UserSession>) {}

#[test]
fn what_the_application_wrote_stays_and_the_session_is_needed_as_well() {
    #[derive(OpenApi)]
    #[openapi(paths(of_user))]
    struct Document;

    let app: Router = Router::new().route("/users/{id}", get(of_user)).sessions(&users());
    let mut document = Document::openapi();
    app.describe_in(&mut document).expect("a description");
    let document = json_of(&document);
    let operation = operation(&document, "get", "/users/{user}");
    assert_eq!(operation["security"], json!([{ "UserSession": [], "api_key": [] }]));
    assert_eq!(operation["responses"]["401"]["description"], "own");
    assert!(operation["responses"]["503"].is_object());
}

#[test]
fn a_public_handler_that_takes_a_session_needs_one() {
    #[derive(OpenApi)]
    #[openapi(paths(takes_a_session, takes_a_payload, may_take_a_session))]
    struct Document;

    let app: Router = Router::new()
        .route("/profile", get(takes_a_session))
        .route("/payload", get(takes_a_payload))
        .route("/greeting", get(may_take_a_session))
        .sessions(&users());
    let mut document = Document::openapi();
    app.describe_in(&mut document).expect("a description");
    let document = json_of(&document);
    let guarded = json!([[{ "UserSession": [] }], ["401", "503"], [{ "session": "UserSession" }]]);
    assert_eq!(access(operation(&document, "get", "/profile")), guarded);
    assert_eq!(access(operation(&document, "get", "/payload")), guarded);
    assert_eq!(access(operation(&document, "get", "/greeting")), open());
}

#[utoipa::path(get, path = "/group/plain")]
async fn plain() {}

#[utoipa::path(get, path = "/service/plain")]
async fn plain_service() {}

#[public]
#[utoipa::path(get, path = "/group/public")]
async fn public_in_group() {}

#[require_session(StaffSession)]
#[utoipa::path(get, path = "/group/both")]
async fn both() {}

#[utoipa::path(get, path = "/methods")]
async fn some_method() {}

#[test]
fn the_guard_of_a_group_is_that_of_its_operations() {
    #[derive(OpenApi)]
    #[openapi(paths(plain, plain_service, public_in_group, both, some_method))]
    struct Document;

    let (users, staff) = (users(), staff());
    let guard =
        || users.require().role(Role::Admin).fresh(Duration::from_secs(60)).redirect("/login");
    let group = Router::new().route("/public", get(public_in_group)).route("/both", get(both));
    let axums = axum::Router::new().route("/plain", axum::routing::get(plain_service));
    let app: Router = Router::new()
        .nest("/group", group.layer(guard()))
        .route("/group/plain", guard().layer(axum::routing::get(plain)))
        .nest("/service", users.require().layer(axums))
        .route("/methods", users.require().layer(axum::routing::get(some_method)))
        .sessions(&users)
        .sessions(&staff);
    let mut document = Document::openapi();
    let undocumented = app.describe_in(&mut document).expect("a description");
    assert_eq!(undocumented.to_string(), "");
    let document = json_of(&document);
    let of_guard =
        json!({ "session": "UserSession", "roles": ["admin"], "fresh": 60, "redirect": "/login" });
    let user = json!([{ "UserSession": [] }]);
    let strict = json!([user, ["401", "403", "503"], [of_guard]]);
    assert_eq!(access(operation(&document, "get", "/group/public")), strict);
    assert_eq!(access(operation(&document, "get", "/group/plain")), strict);
    let simple = json!([user, ["401", "503"], [{ "session": "UserSession" }]]);
    assert_eq!(access(operation(&document, "get", "/service/plain")), simple);
    assert_eq!(access(operation(&document, "get", "/methods")), simple);
    let both = operation(&document, "get", "/group/both");
    assert_eq!(both["x-anchor-sessions"], json!([of_guard, { "session": "StaffSession" }]));
    let mut alternatives = both["security"].as_array().expect("alternatives").clone();
    alternatives.sort_by_key(Value::to_string);
    assert_eq!(
        json!(alternatives),
        json!([
            { "StaffSession.bearer": [], "UserSession": [] },
            { "StaffSession.cookie.__Host-openapi-staff": [], "UserSession": [] },
            { "StaffSession.header.x-openapi-staff": [], "UserSession": [] },
        ])
    );
    assert_schemes_exist(&document);
}

#[require_session(UserSession)]
#[utoipa::path(get, path = "/me")]
async fn below_a_server() {}

#[public]
async fn unguarded() {}

#[test]
fn the_path_of_the_server_is_a_part_of_the_route() {
    #[derive(OpenApi)]
    #[openapi(paths(below_a_server), servers((url = "https://app.example/api")))]
    struct Document;

    // Without the path of the server, the operation would be that of the open route.
    let app: Router = Router::new()
        .route("/me", get(unguarded))
        .nest("/api", Router::new().route("/me", get(below_a_server)))
        .sessions(&users());
    let mut document = Document::openapi();
    let undocumented = app.describe_in(&mut document).expect("a description");
    assert_eq!(undocumented.to_string(), "GET  /me  public\n");
    let document = json_of(&document);
    let user = json!([{ "UserSession": [] }]);
    assert_eq!(operation(&document, "get", "/me")["security"], user);
}

#[test]
fn routes_without_an_operation_are_returned_as_a_table() {
    #[derive(OpenApi)]
    #[openapi(paths(below_a_server))]
    struct Document;

    let service = axum::routing::any(|| async {});
    let app: Router = Router::new()
        .route("/me", get(below_a_server).post(unguarded))
        .route("/any", any(unguarded))
        .nest_service("/assets", public_service(service))
        .fallback(unguarded)
        .sessions(&users());
    let mut document = Document::openapi();
    let undocumented = app.describe_in(&mut document).expect("a description");
    assert_eq!(
        undocumented.to_string(),
        "any   /any       public\nany   /assets/*  public service\nPOST  /me        public\n"
    );
}

#[test]
fn a_response_that_the_application_replaces_has_no_known_body() {
    #[derive(OpenApi)]
    #[openapi(paths(below_a_server))]
    struct Document;

    let body_of = |sessions: &SessionManager<UserSession>| {
        let app: Router = Router::new().route("/me", get(below_a_server)).sessions(sessions);
        let mut document = Document::openapi();
        app.describe_in(&mut document).expect("a description");
        let document = json_of(&document);
        operation(&document, "get", "/me")["responses"]["401"]["content"].clone()
    };
    assert_eq!(body_of(&users_with_own_answers()), Value::Null);
    let schema = &body_of(&users())["application/json"]["schema"];
    assert_eq!(schema["properties"]["error"]["enum"], json!(["unauthenticated"]));
}
