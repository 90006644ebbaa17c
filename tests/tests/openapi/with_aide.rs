//! Documents of aide: the inserted arguments say what the attributes say.

use aide::axum::ApiRouter;
use aide::axum::routing::{get, post};
use aide::openapi::OpenApi;
use anchor::prelude::*;
use serde_json::{Value, json};

use crate::documents::{access, assert_schemes_exist, json_of, open, operation};
use crate::sessions::{Role, StaffSession, UserSession, staff, users};

#[public]
async fn home() -> &'static str {
    "home"
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> Result<String, anchor::Error> {
    Ok(session.user_id.to_string())
}

#[require_session(UserSession, role = Role::Admin, fresh = "10m")]
async fn admin() {}

#[logout(UserSession)]
async fn logout() {}

#[require_session(StaffSession, redirect = "/login")]
async fn job() {}

async fn takes_a_session(session: Session<UserSession>) -> String {
    session.user_id.to_string()
}

async fn takes_a_payload(user: UserSession) -> String {
    user.user_id.to_string()
}

async fn may_take_a_session(_: Option<Session<UserSession>>, _: Auth<UserSession>) {}

async fn plain() {}

fn router(users: &SessionManager<UserSession>) -> ApiRouter {
    let group = ApiRouter::new().api_route("/plain", get(plain)).api_route("/job", get(job));
    let group = users.require().when(UserSession::is_admin).layer_api(group);
    ApiRouter::new()
        .api_route("/", get(home))
        .api_route("/me", get(me).post(me))
        .api_route("/admin", get(admin))
        .api_route("/logout", post(logout))
        .api_route("/job", get(job))
        .api_route("/session", get(takes_a_session))
        .api_route("/payload", get(takes_a_payload))
        .api_route("/optional", get(may_take_a_session))
        .nest("/group", group)
}

pub(crate) fn documented_app() -> (axum::Router, OpenApi) {
    let (users, staff) = (users(), staff());
    let mut document = OpenApi::default();
    document.info.title = "A test".to_owned();
    document.info.version = "1".to_owned();
    let app = router(&users).finish_api(&mut document);
    users.describe_in(&mut document).expect("a description");
    staff.describe_in(&mut document).expect("a description");
    (app.layer(users.layer()).layer(staff.layer()), document)
}

fn documented() -> OpenApi {
    documented_app().1
}

#[test]
fn each_operation_says_what_its_attribute_says() {
    let document = json_of(&documented());
    let user = json!([{ "UserSession": [] }]);
    let staff = json!([
        { "StaffSession.cookie.__Host-openapi-staff": [] },
        { "StaffSession.bearer": [] },
        { "StaffSession.header.x-openapi-staff": [] },
    ]);
    let simple = json!([user, ["401", "503"], [{ "session": "UserSession" }]]);
    let of = |method, path| access(operation(&document, method, path));
    assert_eq!(of("get", "/"), open());
    assert_eq!(of("get", "/me"), simple);
    let checked = json!([user, ["401", "403", "503"], [{ "session": "UserSession" }]]);
    assert_eq!(of("post", "/me"), checked);
    assert_eq!(
        of("get", "/admin"),
        json!([
            user,
            ["401", "403", "503"],
            [{ "session": "UserSession", "roles": ["Role::Admin"], "fresh": 600 }]
        ])
    );
    assert_eq!(
        of("post", "/logout"),
        json!([
            [{ "UserSession": [] }, {}],
            ["403", "503"],
            [{ "session": "UserSession", "logout": "this" }]
        ])
    );
    assert_eq!(
        of("get", "/job"),
        json!([staff, ["401", "503"], [{ "session": "StaffSession", "redirect": "/login" }]])
    );
    assert_eq!(of("get", "/session"), simple);
    assert_eq!(of("get", "/payload"), simple);
    assert_eq!(of("get", "/optional"), open());
    assert_schemes_exist(&document);
}

#[test]
fn the_guard_of_a_group_is_that_of_its_operations() {
    let document = json_of(&documented());
    assert_eq!(
        access(operation(&document, "get", "/group/plain")),
        json!([
            [{ "UserSession": [] }],
            ["401", "403", "503"],
            [{ "session": "UserSession", "when": true }]
        ])
    );
    let job = operation(&document, "get", "/group/job");
    let mut alternatives = job["security"].as_array().expect("alternatives").iter();
    let needs_both = |one: &Value| one.as_object().is_some_and(|one| one.len() == 2);
    assert!(alternatives.len() == 3 && alternatives.all(needs_both), "{job:#}");
}

#[test]
fn an_operation_does_not_look_open_before_the_schemes_are_there() {
    let mut document = OpenApi::default();
    let _ = router(&users()).finish_api(&mut document);
    let document = json_of(&document);
    for path in ["/me", "/admin", "/session", "/payload", "/group/plain"] {
        let security = &operation(&document, "get", path)["security"];
        assert_eq!(*security, json!([{ "UserSession": [] }]), "{path}");
    }
    assert_eq!(access(operation(&document, "get", "/")), open());
}

#[test]
fn a_description_that_is_repeated_changes_nothing() {
    let mut document = documented();
    let before = json_of(&document);
    staff().describe_in(&mut document).expect("a description");
    users().describe_in(&mut document).expect("a description");
    assert_eq!(json_of(&document), before);
}

#[require_session]
async fn untyped() {}

#[logout]
async fn untyped_logout() {}

#[test]
fn a_guard_without_a_type_needs_the_sessions_of_the_first_manager() {
    let mut document = OpenApi::default();
    let router: ApiRouter = ApiRouter::new()
        .api_route("/untyped", get(untyped))
        .api_route("/logout", post(untyped_logout));
    let _ = router.finish_api(&mut document);
    let security = |document: &Value| operation(document, "get", "/untyped")["security"].clone();
    assert_eq!(security(&json_of(&document)), json!([{ "anchor-session": [] }]));
    users().describe_in(&mut document).expect("a description");
    let document = json_of(&document);
    assert_eq!(security(&document), json!([{ "UserSession": [] }]));
    let logout = &operation(&document, "post", "/logout")["security"];
    assert_eq!(*logout, json!([{ "UserSession": [] }, {}]));
}

/// A router of aide can be a guarded group of `anchor::routing`, whose table completes its
/// document.
#[test]
fn the_routes_of_anchor_complete_a_document_of_aide() {
    let mut document = OpenApi::default();
    let group: ApiRouter =
        ApiRouter::new().api_route("/plain", get(plain)).api_route("/admin", get(admin));
    let group: ApiRouter = ApiRouter::new().nest("/group", group);
    // The paths of the document are those of the outermost router.
    let axums = group.finish_api(&mut document);
    let users = users();
    let app: anchor::routing::Router =
        anchor::routing::Router::new().merge(users.require().layer(axums)).sessions(&users);
    app.describe_in(&mut document).expect("a description");
    let document = json_of(&document);
    let user = json!([{ "UserSession": [] }]);
    assert_eq!(
        access(operation(&document, "get", "/group/plain")),
        json!([user, ["401", "503"], [{ "session": "UserSession" }]])
    );
    let admin = operation(&document, "get", "/group/admin");
    assert_eq!(admin["security"], user);
    assert!(admin["x-anchor-sessions"].to_string().contains("Role::Admin"), "{admin:#}");
}
