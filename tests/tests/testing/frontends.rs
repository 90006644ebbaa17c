//! The header with which a test's session is presented, for each frontend.

use std::time::Duration;

use anchor::frontend::{Bearer, CustomHeader, Frontend, Presented, SessionCookie};
use anchor::token::SessionToken;
use anchor::{MemoryStore, SessionManager};
use anchor_tests::http::Served;
use axum::body::Body;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use tower::ServiceExt;

use crate::application::{UserSession, app, builder, in_memory, message_of_panic};

fn over(frontend: impl Frontend) -> SessionManager<UserSession> {
    builder(MemoryStore::new()).frontend(frontend).build().unwrap()
}

/// Presents a new session, and returns the header.
async fn present(sessions: &SessionManager<UserSession>) -> (HeaderName, HeaderValue, String) {
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let request = ferris.apply(Request::get("/me").body(Body::empty()).unwrap());
    let response = app(sessions).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let (name, value) = ferris.header();
    assert!(value.is_sensitive());
    (name, value, ferris.token().expose().to_owned())
}

#[tokio::test]
async fn a_cookie_a_bearer_and_a_header() {
    let (name, value, token) = present(&in_memory()).await;
    assert_eq!((name, value), (COOKIE, format!("__Host-test-user={token}").parse().unwrap()));
    let cookie = SessionCookie::new("test").domain("example.com").path("/app");
    let (name, value, token) = present(&over(cookie)).await;
    assert_eq!((name, value), (COOKIE, format!("test={token}").parse().unwrap()));
    let (name, value, token) = present(&over(Bearer)).await;
    assert_eq!((name, value), (AUTHORIZATION, format!("Bearer {token}").parse().unwrap()));
    let x_session = HeaderName::from_static("x-session");
    let (name, value, token) = present(&over(CustomHeader::new(x_session.clone()))).await;
    assert_eq!((name, value), (x_session, token.parse().unwrap()));
}

static HEADERS: [HeaderName; 2] = [HeaderName::from_static("x-a"), HeaderName::from_static("x-b")];

/// The token in a header, after a word of its own if it has one.
struct Own {
    word: &'static str,
}

impl Frontend for Own {
    fn channel(&self) -> String {
        format!("own:{}", self.word)
    }

    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r> {
        let values = headers.get_all("x-b").iter();
        Presented::collect(
            values.filter_map(|value| value.as_bytes().strip_prefix(self.word.as_bytes())),
        )
    }

    fn headers(&self) -> &[HeaderName] {
        &HEADERS
    }

    fn issue(&self, token: &SessionToken, lifetime: Option<Duration>, response: &mut HeaderMap) {
        response.insert("x-lifetime", lifetime.map_or(0, |lifetime| lifetime.as_secs()).into());
        if self.word == "Issued " {
            let value = format!("{}{}", self.word, token.expose());
            response.insert("x-b", value.parse().unwrap());
        }
    }
}

#[tokio::test]
async fn a_frontend_of_the_applications_own() {
    let x_b = HeaderName::from_static("x-b");
    for word in ["", "Bearer ", "Issued "] {
        let (name, value, token) = present(&over(Own { word })).await;
        assert_eq!((name, value), (x_b.clone(), format!("{word}{token}").parse().unwrap()));
    }
    // It keeps a word that only its clients know.
    let sessions = over(Own { word: "Token " });
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    assert_eq!(
        message_of_panic(|| drop(ferris.header())),
        "no header that `own:Token ` reads presents its token: build the request by hand, with \
         `.token().expose()`"
    );
    let by_hand = Request::get("/").header("x-b", format!("Token {}", ferris.token().expose()));
    let request = sessions.test_request(by_hand.body(()).unwrap());
    assert!(request.session().await.is_ok());
}

#[tokio::test]
async fn a_header_goes_beside_those_of_the_request_and_over_a_socket() {
    let sessions = in_memory();
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let request = Request::get("/me").header(COOKIE, "theme=dark").body(Body::empty()).unwrap();
    let request = ferris.apply(request);
    assert_eq!(request.headers().get_all(COOKIE).iter().count(), 2);
    let response = app(&sessions).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    let served = Served::start(app(&sessions)).await;
    let (name, value) = ferris.header();
    let answer = served.get("/me").header(name, value).send().await;
    assert_eq!(answer.expect(StatusCode::OK).text(), "ferris");
}

#[tokio::test]
async fn of_several_frontends_the_test_chooses() {
    let x_session = || CustomHeader::new(HeaderName::from_static("x-session"));
    let sessions = builder(MemoryStore::<UserSession>::new()).add_frontend(Bearer);
    let sessions = sessions.add_frontend(x_session()).build().unwrap();
    let ferris = || sessions.test_session(UserSession::of("ferris"));
    for (session, header) in [
        (ferris().await, COOKIE),
        (ferris().via(Bearer).await, AUTHORIZATION),
        (ferris().via(x_session()).await, HeaderName::from_static("x-session")),
    ] {
        assert_eq!(session.header().0, header);
        let again = sessions.session_of_token(session.token().expose()).unwrap();
        assert_eq!((again.id(), again.header()), (session.id(), session.header()));
        assert_eq!(session.session().await.unwrap().name, "ferris");
        let logout = session.apply(Request::post("/logout").body(Body::empty()).unwrap());
        let response = app(&sessions).oneshot(logout).await.unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        if header == AUTHORIZATION {
            assert!(sessions.get(session.id()).await.unwrap().is_none());
        } else {
            sessions.assert_session_removed(&response);
        }
    }
    // A login by one frontend over a session of another one removes that one's token.
    let over = ferris().via(x_session()).await;
    let login = over.apply(Request::post("/login/corro").body(Body::empty()).unwrap());
    let response = app(&sessions).oneshot(login).await.unwrap();
    assert_eq!(sessions.assert_session_set(&response).header().0, COOKIE);
    let message = message_of_panic(|| sessions.assert_session_removed(&response));
    assert!(message.ends_with("sends a token by `cookie:__Host-test-user`"), "{message}");
    let nothing = message_of_panic(|| drop(sessions.assert_session_set(&HeaderMap::new())));
    assert_eq!(
        nothing,
        "no session was set: the response sends nothing by `cookie:__Host-test-user` or `bearer` \
         or `header:x-session`, and no cookie"
    );
}
