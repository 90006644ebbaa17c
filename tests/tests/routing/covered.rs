//! What a guard covers, and the table says so: also handlers of `any(..)` and fallbacks, the answer
//! to other methods, and services within services.

use anchor::prelude::*;
use anchor::routing::{DeclaredHandlers, Router, any, get, public_service};
use axum::Router as AxumRouter;
use http::StatusCode;
use tower_http::services::ServeDir;

use crate::application::{UserSession, body, send, sessions};

#[public]
async fn declared() -> &'static str {
    "handler"
}

#[public]
async fn teapot() -> StatusCode {
    StatusCode::IM_A_TEAPOT
}

async fn plain() -> &'static str {
    "handler"
}

fn table(app: &Router) -> String {
    app.policies().to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_route_layer_guards_the_handlers_of_any_and_of_a_fallback() {
    let sessions = sessions();
    for (handlers, policies) in [
        (any(declared).get(declared), "GET /x session UserSession any /x session UserSession"),
        (
            get(declared).fallback(declared),
            "GET /x session UserSession other /x session UserSession",
        ),
    ] {
        let app = Router::new().route("/x", handlers.route_layer(sessions.require()));
        assert_eq!(table(&app), policies);
        let app = app.sessions(&sessions).build().unwrap();
        for method in ["GET", "POST", "DELETE"] {
            let answer = send(&app, method, "/x", &[]).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method}: {policies}");
        }
    }
    // Without such a handler, other methods are 405 as in axum.
    let app = Router::new().route("/x", get(declared).route_layer(sessions.require()));
    let app = app.sessions(&sessions).build().unwrap();
    let answer = send(&app, "POST", "/x", &[]).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn a_method_fallback_in_place_of_a_merged_groups_answer_is_found_at_the_start() {
    let sessions = sessions();
    let plain_group = || AxumRouter::new().route("/x", axum::routing::get(plain));
    let merged: Router = Router::new().merge(sessions.require().layer(plain_group()));
    let app = merged.method_not_allowed_fallback(teapot).sessions(&sessions);
    let refused = app.build().unwrap_err().to_string();
    assert!(refused.contains("`other /*` (`routing::covered::teapot`)"), "{refused}");
    assert!(refused.contains("outside of the guard"), "{refused}");

    // What answers all methods is not replaced.
    let group = Router::new().route("/x", any(declared));
    let nested: Router = Router::new().nest("/admin", sessions.require().layer(group));
    let app = nested.method_not_allowed_fallback(teapot).sessions(&sessions);
    let policies = "any /admin/* session UserSession any /admin/x session UserSession";
    assert_eq!(table(&app), policies);
    assert!(app.build().is_ok());

    // What the handler needs is known as well.
    let unchecked: Router = Router::new().merge_unchecked(plain_group());
    let app = unchecked.method_not_allowed_fallback(guarded);
    assert!(app.build().unwrap_err().to_string().contains("`other /*`"));
}

#[require_session(UserSession)]
async fn guarded() -> &'static str {
    "handler"
}

#[tokio::test]
async fn a_service_nested_at_a_slash_leaves_the_path_without_it_to_the_group() {
    let sessions = sessions();
    let service = || public_service(axum::routing::any(plain));
    let nested = || Router::new().route("/x", get(declared));
    for group in [
        Router::new().nest_service("/{id}/", service()).nest_service("/a/", service()),
        Router::new().nest("/{id}/", sessions.require().layer(nested())),
        Router::new().nest_service("//", service()),
    ] {
        let app: Router = Router::new()
            .nest("/admin", sessions.require().layer(group))
            .route("/{*page}", any(declared))
            .fallback(declared);
        let policies = table(&app);
        let app = app.sessions(&sessions).build().unwrap();
        for path in ["", "/", "/5", "/5/", "/5/6", "/5//", "/a", "/a/", "/a/x", "//", "//5"] {
            let answer = send(&app, "GET", &format!("/admin{path}"), &[]).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}: {policies}");
        }
        assert_eq!(body(send(&app, "GET", "/other", &[]).await).await, "handler");
    }
}

#[test]
fn the_table_shows_the_guard_around_a_service_and_not_those_inside_it() {
    let (users, inner) = (sessions(), sessions());
    let guarded = || inner.require().when(|_| false).layer(axum::routing::any(plain));
    // Asks the guard for what the folder does not have.
    let public = || ServeDir::new("src").fallback(guarded());
    let app: Router = Router::new()
        .nest_service("/files", public_service(public()))
        .nest_service("/own", users.require().layer(public()));
    assert_eq!(table(&app), "any /files/* public service any /own/* session UserSession");
    // The sessions that the inner guard needs are missing all the same.
    let refused = app.sessions(&users).build().unwrap_err().to_string();
    assert!(refused.contains("`any /files/*`") && refused.contains("two managers"), "{refused}");
}

#[test]
fn a_fallback_beside_guarded_handlers_of_axum_leaves_them_in_the_table() {
    let sessions = sessions();
    let handlers = sessions.require().layer(axum::routing::get(plain));
    let handlers = DeclaredHandlers::<()>::into_method_router(handlers).fallback(declared);
    let app = Router::new().route("/x", handlers);
    assert_eq!(table(&app), "other /x public any /x session UserSession");
    assert!(app.build().is_err(), "the guard has no sessions");
}
