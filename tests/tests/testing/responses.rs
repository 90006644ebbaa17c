//! What a response does to the session's cookie or header, and the messages of the assertions.

use anchor::frontend::{Bearer, CustomHeader, Frontend};
use anchor::prelude::*;
use axum::body::Body;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderName, Request, StatusCode};
use tower::ServiceExt;

use crate::application::{
    AdminSession, UserSession, app, builder, in_memory, message_of_panic as message,
};

fn over(frontend: impl Frontend) -> SessionManager<UserSession> {
    builder(MemoryStore::new()).frontend(frontend).build().unwrap()
}

async fn post(sessions: &SessionManager<UserSession>, path: &str) -> Response {
    let request = Request::post(path).body(Body::empty()).unwrap();
    app(sessions).oneshot(request).await.unwrap()
}

fn not_set(sessions: &SessionManager<UserSession>, response: &Response) -> String {
    assert!(sessions.session_set_by(response).is_none());
    message(|| drop(sessions.assert_session_set(response)))
}

fn not_removed(sessions: &SessionManager<UserSession>, response: &Response) -> String {
    message(|| sessions.assert_session_removed(response))
}

#[tokio::test]
async fn a_login_sets_the_session_and_a_logout_removes_it() {
    let x_session = || CustomHeader::new(HeaderName::from_static("x-session"));
    for sessions in [in_memory(), over(x_session())] {
        let response = post(&sessions, "/login/ferris").await;
        let ferris = sessions.assert_session_set(&response);
        assert_eq!(sessions.session_set_by(response.headers()).unwrap().id(), ferris.id());
        assert_eq!(ferris.session().await.unwrap().name, "ferris");
        let channel = if response.headers().contains_key(SET_COOKIE) {
            "cookie:__Host-test-user"
        } else {
            "header:x-session"
        };
        assert_eq!(
            not_removed(&sessions, &response),
            format!(
                "the session was not removed: the response (303 See Other) sends a token by \
                 `{channel}`"
            )
        );
        let request = ferris.apply(Request::post("/logout").body(Body::empty()).unwrap());
        let response = app(&sessions).oneshot(request).await.unwrap();
        sessions.assert_session_removed(&response);
        sessions.assert_session_removed(&response.into_parts().0);
    }
}

#[tokio::test]
async fn a_message_says_what_was_there_instead() {
    let sessions = in_memory();
    let refused = post(&sessions, "/login/mallory").await;
    assert_eq!(
        not_set(&sessions, &refused),
        "no session was set: the response (401 Unauthorized) sends nothing by \
         `cookie:__Host-test-user`, and no cookie"
    );
    let me = app(&sessions).oneshot(Request::get("/me").body(Body::empty()).unwrap()).await;
    assert_eq!(
        not_removed(&sessions, &me.unwrap()),
        "the session was not removed: the response (401 Unauthorized: the request carries no \
         session token) sends nothing by `cookie:__Host-test-user`, and no cookie"
    );
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let logout = ferris.apply(Request::post("/logout").body(Body::empty()).unwrap());
    let removed = app(&sessions).oneshot(logout).await.unwrap();
    assert_eq!(
        not_set(&sessions, &removed),
        "no session was set: the response (303 See Other) removes the session of \
         `cookie:__Host-test-user`"
    );
}

#[tokio::test]
async fn a_message_names_other_cookies_and_shows_no_value() {
    let sessions = in_memory();
    let cookies = |cookies: &[&str]| {
        let response = cookies
            .iter()
            .fold(Response::builder(), |response, cookie| response.header(SET_COOKIE, *cookie));
        response.body(Body::empty()).unwrap()
    };
    let response = cookies(&["theme=hidden; Path=/", "csrf=hidden"]);
    assert_eq!(
        not_set(&sessions, &response),
        "no session was set: the response (200 OK) sends nothing by `cookie:__Host-test-user`, \
         and only the cookies `theme`, `csrf`"
    );
    let response = cookies(&["__Host-test-user=hidden; Path=/"]);
    assert_eq!(
        not_set(&sessions, &response),
        "no session was set: what the response (200 OK) sends by `cookie:__Host-test-user` is \
         not a token of this manager: it does not have the length of a token"
    );
    // The token of a manager with other keys.
    let keys = KeyRing::new([[8; 32]]).unwrap();
    let other = builder::<UserSession>(MemoryStore::new()).keys(keys).build().unwrap();
    let token = other.test_session(UserSession::of("ferris")).await;
    let set = format!("__Host-test-user={}; Path=/", token.token().expose());
    let foreign = not_set(&sessions, &cookies(&[&set]));
    assert!(foreign.ends_with("not a token of this manager: its key is not in the key ring"));
    assert!(!foreign.contains(token.token().expose()));
    let several = cookies(&[&set, "__Host-test-user=; Max-Age=0"]);
    assert_eq!(
        not_removed(&sessions, &several),
        "the session was not removed: the response (200 OK) sends several different tokens by \
         `cookie:__Host-test-user`; one is expected"
    );
    // A handler that removes a cookie of that name in its own way has not removed this one: a
    // browser keeps a cookie of another path.
    let by_hand = cookies(&["__Host-test-user=; Path=/app; Max-Age=0"]);
    assert!(not_removed(&sessions, &by_hand).contains("is not a token of this manager"));
}

#[tokio::test]
async fn with_bearer_the_token_is_in_the_body() {
    let sessions = over(Bearer);
    let response = post(&sessions, "/login/ferris").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        not_set(&sessions, &response),
        "no session was set: the frontend `bearer` writes no header; give the token from the \
         response's body to `session_of_token`"
    );
    assert_eq!(
        not_removed(&sessions, &response),
        "the session was not removed: the frontend `bearer` writes no header; ask \
         `sessions.get(id)`, which is `None` for a session that has ended"
    );
    let request = sessions.test_request(Request::new(()));
    let login = request.auth().await.unwrap().login(UserSession::of("ferris")).await.unwrap();
    let text = login.token().expose().to_owned();
    let ferris = sessions.session_of_token(&text).unwrap();
    assert_eq!(ferris.session().await.unwrap().name, "ferris");
}

#[tokio::test]
async fn a_response_is_read_for_one_payload_alone() {
    let (users, admins) = (in_memory(), builder(MemoryStore::new()).build().unwrap());
    let request = admins.test_request(Request::new(()));
    let auth: Auth<AdminSession> = request.auth().await.unwrap();
    auth.login(AdminSession { name: "corro".into() }).await.unwrap();
    let response = request.respond(()).await;
    admins.assert_session_set(&response);
    assert!(not_set(&users, &response).ends_with("and only the cookies `__Host-test-admin`"));
}
