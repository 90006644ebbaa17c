//! Handlers that a test calls like functions, guard and all.

use std::sync::Arc;

use anchor::guard::Fresh;
use anchor::manager::{BoxError, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::Record;
use anchor::testing::TestSession;
use anchor_tests::Backend;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::header::{ACCEPT, LOCATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};

use crate::application::{
    AdminSession, HOUR, Shop, UserSession, ban, builder, home, impersonate, in_memory, login,
    logout, logout_all, me, order, page,
};

on_every_store![
    a_guarded_handler_is_called_like_a_function,
    a_logouts_guard_ends_the_session_before_the_body_runs,
    the_argument_of_a_handler_is_the_stores_session,
];

const SHOP: State<Shop> = State(Shop { name: "the shop" });

async fn on<T: SessionData>(backend: &Backend) -> SessionManager<T> {
    builder(backend.store().await).build().unwrap()
}

async fn a_guarded_handler_is_called_like_a_function(backend: Backend) {
    let sessions = on(&backend).await;
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let (guard, session) = (ferris.guard().await.unwrap(), ferris.session().await.unwrap());
    let answer = order(guard, SHOP, Path(7), session, Json(2)).await.unwrap();
    assert_eq!(answer, "2 of 7 from the shop for ferris");
    assert_eq!(ferris.session().await.unwrap().visits, 2, "the store has the change");
}

async fn a_logouts_guard_ends_the_session_before_the_body_runs(backend: Backend) {
    let sessions = on(&backend).await;
    let here = sessions.test_session(UserSession::of("ferris")).await;
    let there = sessions.test_session(UserSession::of("ferris")).await;
    let guard = here.guard().await.unwrap();
    assert!(sessions.get(here.id()).await.unwrap().is_none());
    assert_eq!(logout(guard).await.into_response().status(), StatusCode::SEE_OTHER);
    assert_eq!(me(there.guard().await.unwrap(), there.session().await.unwrap()).await, "ferris");
    let here = sessions.test_session(UserSession::of("ferris")).await;
    let answer = logout_all(here.guard().await.unwrap()).await.into_response();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    for ended in [here, there] {
        let refused = ended.check(me).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
}

async fn the_argument_of_a_handler_is_the_stores_session(backend: Backend) {
    let sessions = on::<UserSession>(&backend).await;
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let mut session = ferris.session().await.unwrap();
    assert_eq!((session.id(), session.data()), (ferris.id(), &UserSession::of("ferris")));
    sessions.revoke(ferris.id()).await.unwrap();
    let late = session.update(|user| user.visits += 1).await.unwrap_err();
    assert!(matches!(late, anchor::Error::Ended { .. }), "{late}");
    assert!(ferris.session().await.unwrap_err().rejection().unwrap().is_unauthenticated());
    assert!(ferris.auth().await.unwrap().session().await.unwrap().is_none());
}

#[tokio::test]
async fn a_guard_decides_as_it_does_behind_a_router() {
    let sessions = in_memory();
    let unverified = UserSession { verified: false, ..UserSession::of("ferris") };
    let unverified = sessions.test_session(unverified).await;
    let refused = unverified.check(order).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (StatusCode::FORBIDDEN, Some("forbidden")));
    let expected = format!(
        "Refused(403 Forbidden: the policy `when |user| user.verified, fresh 10m` refused session \
         {})",
        unverified.id()
    );
    assert_eq!(format!("{refused:?}"), expected);
    unverified.check(me).await.unwrap();

    let stale = sessions.test_session(UserSession::of("ferris")).authenticated_for(HOUR).await;
    let refused = stale.check(order).await.unwrap_err();
    assert_eq!(refused.code(), Some("reauthentication_required"));
    assert!(sessions.test_session(UserSession::of("ferris")).await.check(order).await.is_ok());
}

#[tokio::test]
async fn a_test_says_what_its_request_looks_like() {
    let sessions = in_memory();
    let browser = || Request::get("/orders?page=2").header(ACCEPT, "text/html").body(()).unwrap();
    let sent = sessions.test_request(browser()).check(page).await.unwrap_err();
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    assert_eq!(sent.response().headers()[LOCATION], "/login?next=/orders%3Fpage%3D2");
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let request = sessions.test_request(ferris.apply(browser()));
    assert_eq!(page(request.guard().await.unwrap()).await, "page");
    // A script gets no page.
    let refused = sessions.test_request(Request::new(())).check(page).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    // The guard of a logout refuses a `GET`, and ends nothing.
    let by_link = sessions.test_request(ferris.apply(Request::new(())));
    let refused = by_link.check(logout).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(ferris.session().await.is_ok());
    // The layer would not let another site's request reach a handler.
    let forged = Request::post("/").header("host", "shop.example");
    let forged = forged.header(ORIGIN, "https://evil.example").body(()).unwrap();
    let forged = sessions.test_request(ferris.apply(forged));
    assert_eq!(forged.check(logout).await.unwrap_err().code(), Some("cross_origin"));
    assert_eq!(forged.auth().await.unwrap_err().code(), Some("cross_origin"));
    assert!(ferris.session().await.is_ok());
}

#[tokio::test]
async fn a_visitor_has_no_session() {
    let sessions = in_memory();
    let visitor = sessions.test_request(Request::new(()));
    assert_eq!(visitor.check(me).await.unwrap_err().code(), Some("no_session"));
    let nobody = home(visitor.guard().await.unwrap(), visitor.extract().await.unwrap()).await;
    assert_eq!(nobody, "nobody");
    let user: Option<UserSession> = visitor.extract().await.unwrap();
    assert_eq!(user, None);
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let ferris = home(ferris.guard().await.unwrap(), ferris.session().await.ok()).await;
    assert_eq!(ferris, "ferris");
}

#[tokio::test]
async fn a_response_has_the_headers_of_the_layer() {
    let sessions = in_memory();
    let request = sessions.test_request(Request::new(()));
    let answer = login(request.auth().await.unwrap(), Path("ferris".into())).await;
    let session = sessions.assert_session_set(&request.respond(answer).await);
    assert_eq!(session.session().await.unwrap().name, "ferris");

    // A handler that fails after its login leaves no session.
    let request = sessions.test_request(Request::new(()));
    let auth = request.auth().await.unwrap();
    let corro = auth.login(UserSession::of("corro")).await.unwrap();
    let failed = request.respond(StatusCode::CONFLICT).await;
    assert!(sessions.session_set_by(&failed).is_none());
    assert!(sessions.get(corro.id()).await.unwrap().is_none());

    let request = session.request();
    let answer = logout(request.guard().await.unwrap()).await;
    sessions.assert_session_removed(&request.respond(answer).await);

    // A request that asked for no session is answered as it is.
    let untouched = sessions.test_request(Request::new(())).respond("open").await;
    assert_eq!(untouched.headers().get("cache-control"), None);
}

/// Lets in whoever is on the list of a header.
struct Listed;

impl Verifier<UserSession> for Listed {
    async fn verify(
        &self,
        session: &Record<UserSession>,
        request: &Parts,
    ) -> Result<Verdict, BoxError> {
        let listed = request.headers.get("x-list").is_some_and(|name| *name == session.data.name);
        Ok(if listed { Verdict::Accept } else { Verdict::Refuse })
    }
}

#[tokio::test]
async fn the_verifier_and_the_applications_answer_are_asked() {
    let sessions = builder(MemoryStore::new())
        .verifier(Listed)
        .on_reject(|rejection, _| (StatusCode::GONE, rejection.code()).into_response())
        .build()
        .unwrap();
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let refused = ferris.check(me).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (StatusCode::GONE, Some("refused_by_verifier")));
    let listed = Request::post("/").header("x-list", "ferris").body(()).unwrap();
    let request = sessions.test_request(ferris.apply(listed.clone()));
    assert_eq!(
        me(request.guard().await.unwrap(), request.session().await.unwrap()).await,
        "ferris"
    );
    // The requests of a session look like that of its login.
    let corro = sessions.test_session(UserSession::of("ferris")).login_request(listed).await;
    assert!(corro.check(me).await.is_ok());
}

#[tokio::test]
async fn sessions_of_two_payloads_go_into_one_handler() {
    let (users, admins) = (in_memory(), builder(MemoryStore::new()).build().unwrap());
    let user = users.test_session(UserSession::of("ferris")).await;
    let admin = admins.test_session(AdminSession { name: "corro".into() }).await;
    let (admin_session, user_session) = (admin.session().await, user.session().await);
    let guard = admin.guard().await.unwrap();
    let page = impersonate(guard, admin_session.unwrap(), user_session.unwrap()).await;
    assert_eq!(page, "corro as ferris");
    assert_eq!(ban(admin.guard().await.unwrap(), "ferris").await, "ferris");
    admin.check(ban::<String>).await.unwrap();
    // The cookie of one is nothing to the other.
    let request = admins.test_request(user.apply(Request::new(())));
    assert_eq!(request.check(impersonate).await.unwrap_err().code(), Some("no_session"));
}

#[require_session(UserSession, policy = (Fresh<60>, anchor::guard::CurrentSecret))]
#[expect(clippy::too_many_arguments, reason = "as many as axum accepts")]
async fn fifteen(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
    m: u8,
    headers: HeaderMap,
    session: Session<UserSession>,
) -> (u32, String) {
    let sum = [a, b, c, d, e, f, g, h, i, j, k, l, m].map(u32::from).iter().sum();
    (sum, format!("{}{}", session.name, headers.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_and_closures_call_handlers_of_any_number_of_arguments() {
    let sessions = in_memory();
    let ferris = Arc::new(sessions.test_session(UserSession::of("ferris")).await);
    let call = async |ferris: &TestSession<UserSession>| {
        let (guard, session) = (ferris.guard().await.unwrap(), ferris.session().await.unwrap());
        fifteen(guard, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, HeaderMap::new(), session).await
    };
    assert_eq!(call(&ferris).await, (91, "ferris0".to_owned()));
    ferris.check(fifteen).await.unwrap();
    let calls = (0..8).map(|_| {
        let ferris = Arc::clone(&ferris);
        tokio::spawn(async move {
            me(ferris.guard().await.unwrap(), ferris.session().await.unwrap()).await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), "ferris");
    }
    // An async closure is a handler, too.
    let closure = async |session: Session<UserSession>| session.visits;
    assert_eq!(closure(ferris.session().await.unwrap()).await, 0);
}
