//! A guarded router that is nested answers everything below its path: no route and no fallback of
//! the routers around it does, whatever parameters and wildcards they have.

use anchor::prelude::*;
use anchor::routing::{Router, any, get, post, public_service};
use axum::Router as AxumRouter;
use axum::extract::Path;
use http::StatusCode;

use crate::application::{Role, UserSession, body, log_in, login, send, sessions};

async fn inside() -> &'static str {
    "inside"
}

#[public]
async fn declared() -> &'static str {
    "inside"
}

#[public]
async fn outside() -> &'static str {
    "outside"
}

#[public]
async fn missing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "missing")
}

/// The routes of a group: none, all kinds of them, and those beside which axum accepts no wildcard.
const GROUPS: &[&[&str]] = &[
    &[],
    &["/"],
    &["/stats", "/stats/{day}"],
    &["/{id}"],
    &["/", "/{id}", "/{id}/"],
    &["/{id}/edit", "/{user}/stats"],
    &["/{id}/{part}", "/stats/edit"],
    &["/{id}/{part}/edit"],
    &["/stats/{day}/edit", "/{id}/edit"],
    &["/{id}/{*rest}"],
    &["/{*rest}"],
    &["/id-{id}", "/{{id}}"],
];

/// What the outer router has, that matches paths of the group as well.
const AROUND: &[&[&str]] = &[
    &["/{*rest}"],
    &["/{page}", "/{page}/", "/{page}/{part}", "/{page}/{part}/{rest}"],
    &["/{page}/stats", "/{page}/{*rest}"],
    &["/{tenant}/{part}/edit", "/admin/login"],
];

/// `/admin`, paths of up to two segments below it, and some longer ones.
fn paths() -> Vec<String> {
    let mut paths = vec!["/admin".to_owned()];
    let mut last = 0;
    for _ in 0..2 {
        let level = paths.split_off(last);
        let next = level.iter().flat_map(|path| {
            ["", "stats", "edit", "5", "%61"].map(|segment| format!("{path}/{segment}"))
        });
        let next: Vec<_> = next.collect();
        last += level.len();
        paths.extend(level);
        paths.extend(next);
    }
    paths.extend(
        ["/5/edit/5", "/5//", "///", "/stats/5/edit/5"].map(|path| format!("/admin{path}")),
    );
    paths
}

/// A way to put a group under the guard, below `/admin`.
type Nest = fn(Router, &[&str], &SessionManager<UserSession>) -> Router;

fn group(paths: &[&str]) -> Router {
    paths.iter().fold(Router::new(), |group, path| group.route(path, get(declared)))
}

const NESTS: &[(&str, Nest)] = &[
    ("declared", |app, paths, sessions| {
        app.nest("/admin", sessions.require().role(Role::Admin).layer(group(paths)))
    }),
    ("with a fallback", |app, paths, sessions| {
        let group = group(paths).fallback(missing);
        app.nest("/admin", sessions.require().role(Role::Admin).layer(group))
    }),
    ("with a fallback under a layer", |app, paths, sessions| {
        let guard = sessions.require().role(Role::Admin);
        app.nest("/admin", group(paths).fallback_service(public_service(any_of(&[]))).layer(guard))
    }),
    ("axum's", |app, paths, sessions| {
        app.nest("/admin", sessions.require().role(Role::Admin).layer(any_of(paths)))
    }),
];

fn any_of(paths: &[&str]) -> AxumRouter {
    let route = |group: AxumRouter, path: &&str| group.route(path, axum::routing::get(inside));
    paths.iter().fold(AxumRouter::new(), route)
}

#[tokio::test]
async fn no_route_and_no_fallback_around_a_group_answers_below_it() {
    let sessions = sessions();
    for (name, nest) in NESTS {
        for routes in GROUPS {
            for around in AROUND {
                let around = *around;
                let outer = around
                    .iter()
                    .fold(Router::new(), |app, path| app.route(path, get(outside).post(outside)));
                let outer = outer.route("/login/{role}", post(login)).fallback(outside);
                let app = nest(outer, routes, &sessions).sessions(&sessions).build().unwrap();
                let (member, admin) = (log_in(&app, "member").await, log_in(&app, "admin").await);
                for path in paths() {
                    let what = format!("{path}: {routes:?} {name}, beside {around:?}");
                    let call =
                        async |cookie: &str| send(&app, "GET", &path, &[("cookie", cookie)]).await;
                    assert_eq!(call("").await.status(), StatusCode::UNAUTHORIZED, "{what}");
                    assert_eq!(call(&member).await.status(), StatusCode::FORBIDDEN, "{what}");
                    let answer = call(&admin).await;
                    let status = answer.status();
                    let text = body(answer).await;
                    let found = status == StatusCode::OK && text == "inside";
                    assert!(found || status == StatusCode::NOT_FOUND, "{what}: {status}");
                    assert_ne!(text, "outside", "{what}");
                }
                for path in ["/", "/administration", "/other", "/admi/n"] {
                    assert_eq!(body(send(&app, "GET", path, &[]).await).await, "outside", "{path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_group_answers_below_its_path_however_deep_it_is_nested() {
    let sessions = sessions();
    for (name, nest) in NESTS {
        let two = Router::new().nest("/a", nest(Router::new(), &["/stats"], &sessions));
        let three = Router::new().nest("/b/{tenant}", two.clone());
        for (app, prefix) in [(two, "/a/admin"), (three, "/b/c/a/admin")] {
            let app = app.fallback(outside).sessions(&sessions).build().unwrap();
            for path in ["", "/", "/stats", "/none", "/none/at/all"] {
                let path = format!("{prefix}{path}");
                let status = send(&app, "GET", &path, &[]).await.status();
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{name} {path}");
            }
            assert_eq!(body(send(&app, "GET", "/a/none", &[]).await).await, "outside");
        }
    }
}

#[tokio::test]
async fn what_is_declared_below_a_group_from_outside_is_served_as_declared() {
    let sessions = sessions();
    let group = || sessions.require().layer(Router::new().route("/stats", get(declared)));
    let before = Router::new()
        .route("/login/{role}", post(login))
        .route("/admin", get(outside))
        .route("/admin/", get(outside))
        .route("/admin/login", get(outside))
        .route("/admin/reset/{token}", get(outside))
        .nest("/admin", group());
    let after = Router::new()
        .route("/login/{role}", post(login))
        .nest("/admin", group())
        .route("/admin/reset/{token}", get(outside))
        .route("/admin/login", get(outside))
        .route("/admin/", get(outside))
        .route("/admin", get(outside));
    for app in [before, after] {
        let app = app.fallback(outside).sessions(&sessions).build().unwrap();
        for path in ["/admin", "/admin/", "/admin/login", "/admin/reset/x"] {
            assert_eq!(body(send(&app, "GET", path, &[]).await).await, "outside", "{path}");
        }
        for path in ["/admin/stats", "/admin/logins", "/admin/reset", "/admin/reset/x/y"] {
            assert_eq!(send(&app, "GET", path, &[]).await.status(), 401, "{path}");
        }
        let admin = log_in(&app, "admin").await;
        let stats = send(&app, "GET", "/admin/stats", &[("cookie", &admin)]).await;
        assert_eq!(body(stats).await, "inside");
    }
}

#[public]
async fn of_tenant(Path(path): Path<Vec<(String, String)>>) -> (StatusCode, String) {
    let tenant = path.into_iter().find(|(name, _)| name == "tenant").map(|(_, value)| value);
    (StatusCode::NOT_FOUND, format!("nothing of {}", tenant.unwrap_or_default()))
}

#[tokio::test]
async fn fallbacks_inside_a_group_stay_those_of_their_routers() {
    let sessions = sessions();
    let inner = Router::new().route("/{id}", get(declared)).fallback(of_tenant);
    let group = Router::new().nest("/inner", inner).fallback(missing);
    let app = Router::new()
        .route("/login/{role}", post(login))
        .route("/{tenant}/{page}", any(outside))
        .route("/{tenant}/{page}/{*rest}", any(outside))
        .nest("/{tenant}/admin", sessions.require().layer(group))
        .sessions(&sessions);
    let app = app.build().unwrap();
    let admin = log_in(&app, "admin").await;
    for (path, text) in [
        ("/t/admin/inner/5", "inside"),
        ("/t/admin/inner/5/6", "nothing of t"),
        ("/t/admin/inner", "nothing of t"),
        ("/t/admin/inner/", "nothing of t"),
        ("/t/admin/other", "missing"),
        ("/t/admin", "missing"),
    ] {
        assert_eq!(send(&app, "GET", path, &[]).await.status(), 401, "{path}");
        let answer = send(&app, "GET", path, &[("cookie", &admin)]).await;
        assert_eq!(body(answer).await, text, "{path}");
    }
}

#[tokio::test]
async fn an_open_router_that_is_nested_does_what_axums_does() {
    let inner = || Router::new().route("/page", get(declared)).fallback(missing);
    let app: Router = Router::new()
        .nest("/open", inner())
        .nest("/deep", Router::new().nest("/open", inner()))
        .route("/{one}/{two}", get(outside));
    let app = app.build().unwrap();
    for (path, text) in [
        ("/open/page", "inside"),
        ("/open/none", "outside"),
        ("/open/none/at/all", "missing"),
        ("/open/", ""),
        ("/deep/open/none", ""),
    ] {
        assert_eq!(body(send(&app, "GET", path, &[]).await).await, text, "{path}");
    }
}

#[test]
fn the_table_shows_the_group_once_and_keeps_it() {
    let sessions = sessions();
    let group = Router::new().route("/{id}", get(declared)).fallback(missing);
    let app: Router = Router::new()
        .nest("/admin", sessions.require().layer(group))
        .fallback(outside)
        .reset_fallback();
    assert_eq!(
        app.policies().to_string(),
        "any  /admin/*     session UserSession\nGET  /admin/{id}  session UserSession\n"
    );
    // The layer is around the routes of the group, of which its fallback is one.
    let _ = app.route_layer(sessions.layer()).build().unwrap();
}

#[test]
#[should_panic(expected = "conflict with previously registered route: /admin/{*guarded}")]
fn a_wildcard_beside_everything_below_a_group_is_refused() {
    let sessions = sessions();
    let _: Router = Router::new()
        .nest("/admin", sessions.require().layer(Router::new().route("/stats", get(declared))))
        .route("/admin/{*rest}", get(outside));
}

#[test]
#[should_panic(expected = "with `.nest(\"/admin\", sessions.require().layer(router))`")]
fn unknown_routes_inside_a_declared_group_are_refused() {
    let sessions = sessions();
    let group = Router::new().route("/stats", get(declared)).merge_unchecked(any_of(&["/{id}"]));
    let _: Router = Router::new().nest("/admin", sessions.require().layer(group));
}
