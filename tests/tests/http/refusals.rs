//! The 401 cases: which requests are refused, what they cost, and what an outsider learns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anchor::frontend::SessionCookie;
use anchor::manager::Event;
use anchor::prelude::*;
use anchor::store::{OldSecret, Rotated, Rotation, Touch};
use anchor::token::SecretHash;
use anchor_tests::{Backend, Verb, Watched, logs};
use axum::Router;
use axum::routing::post;
use http::StatusCode;
use http::header::{COOKIE, SET_COOKIE};

use crate::application::{Application, KEY, OPTIONAL, REQUIRING, UserSession};
use crate::tokens::{bytes_of, id_of, split, with_bytes};

on_every_store![
    forged_cookies_are_refused_without_a_store_call,
    every_flipped_bit_of_the_token_is_refused_without_a_store_call,
    every_truncation_of_the_token_is_refused_without_a_store_call,
    cookies_of_no_live_session_are_refused,
    every_401_has_the_same_body_and_headers_byte_for_byte,
    every_401_is_told_apart_in_the_log,
    optional_extractors_are_none_in_every_401_case,
    a_refusal_is_reported_once_however_often_its_request_meets_it,
    the_same_cookie_twice_is_accepted,
    a_cookie_header_of_64_kb_is_refused,
    a_superseded_secret_is_accepted_within_its_grace_and_ends_the_session_after,
];

/// A request that is refused with 401.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) cookie: String,
    /// Its [`Rejection::code`](anchor::Rejection::code); empty where the store has a choice.
    pub(crate) code: &'static str,
}

/// Requests that are refused by looking at them.
pub(crate) async fn forgeries(app: &Application) -> Vec<Case> {
    let cookie = app.log_in("ferris").await;
    let other = app.log_in("corro").await;
    let (name, token) = split(&cookie);
    let case = |name, cookie: String| Case { name, cookie, code: "bad_token" };

    // A key of the same id as ours, so that the MAC alone tells them apart.
    let twin = (0_u32..)
        .map(|count| {
            let mut key = [0xa5; 32];
            key[..4].copy_from_slice(&count.to_be_bytes());
            key
        })
        .find(|key| KeyRing::new([KEY, *key]).is_err())
        .unwrap();
    let mut unknown_key = bytes_of(&cookie);
    unknown_key[1] ^= 0xff;
    let mut next_version = bytes_of(&cookie);
    next_version[0] += 1;
    // The last character carries two bits of the token and four that must be zero.
    let loose = (token.as_bytes()[token.len() - 1] + 1) as char;
    let foreign = |frontend: SessionCookie, key: [u8; 32]| async move {
        let elsewhere = Application::configured(&Backend::Memory, |sessions| {
            sessions.frontend(frontend).keys(KeyRing::new([key]).unwrap())
        });
        elsewhere.await.log_in("ferris").await
    };
    let other_name = foreign(SessionCookie::new("__Host-other"), KEY).await;
    let other_key = foreign(SessionCookie::default(), [7; 32]).await;
    let twin_key = foreign(SessionCookie::default(), twin).await;
    assert_ne!(bytes_of(&other_key)[1], bytes_of(&cookie)[1], "another key id");
    assert_eq!(bytes_of(&twin_key)[1], bytes_of(&cookie)[1], "the same key id");
    vec![
        Case { name: "no cookie", cookie: String::new(), code: "no_session" },
        Case { name: "another cookie", cookie: format!("x{cookie}"), code: "no_session" },
        Case { name: "another case", cookie: cookie.to_lowercase(), code: "no_session" },
        case("an empty value", format!("{name}=")),
        case("garbage", format!("{name}=garbage")),
        case("garbage of a token's length", format!("{name}={}", "A".repeat(token.len()))),
        case("a flipped bit", with_bytes(&cookie, &flipped(&bytes_of(&cookie), 40 * 8))),
        case("a truncation", cookie[..cookie.len() - 1].to_owned()),
        case("padding", format!("{cookie}==")),
        case("a quoted value", format!("{name}=\"{token}\"")),
        case("loose bits at the end", format!("{}{loose}", &cookie[..cookie.len() - 1])),
        case("another version", with_bytes(&cookie, &next_version)),
        case("an unknown key id", with_bytes(&cookie, &unknown_key)),
        case("another key", other_key),
        case("another key of the same id", twin_key),
        case("another cookie name's token", format!("{name}={}", split(&other_name).1)),
        case("two different cookies", format!("{cookie}; {other}")),
        case("a good cookie and an empty one", format!("{cookie}; {name}=")),
        case("64 KB of cookies", format!("{cookie}; x={}", "x".repeat(64 * 1024))),
    ]
}

/// Requests whose token is genuine, and whose session does not live.
pub(crate) async fn dead(app: &Application, backend: &Backend) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name, cookie, code| cases.push(Case { name, cookie, code });

    let elsewhere = Application::start(&Backend::Memory).await;
    case("a session of another store", elsewhere.log_in("ferris").await, "unknown_session");

    let cookie = app.log_in("ferris").await;
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    case("a logged out session", cookie, "");

    let cookie = app.log_in("ferris").await;
    app.log_in_over("corro", &cookie).await;
    case("a replaced session", cookie, "");

    let cookie = app.log_in("ferris").await;
    rotate(app, &cookie, Duration::from_secs(60)).await;
    rotate(app, &cookie, Duration::from_secs(60)).await;
    case("a long superseded secret", cookie, "superseded_secret");

    let cookie = app.log_in("undecodable").await;
    let broken = "UPDATE user_sessions SET cart = '{}' WHERE name = 'undecodable'";
    if let Some(rows) = backend.execute(broken).await {
        assert_eq!(rows, 1);
        case("an undecodable row", cookie, "session_undecodable");
    }

    // The last one: a later login may sweep it.
    let brief = Application::assemble(
        app.store.clone(),
        |sessions| sessions.idle(Duration::from_millis(2)).touch_interval(Duration::ZERO),
        Router::new(),
    );
    let cookie = brief.await.log_in("ferris").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let code = if backend.removes_expired_rows() { "" } else { "session_ended" };
    case("an expired session", cookie, code);
    cases
}

/// Gives the cookie's session another secret, which its owner then presents.
async fn rotate(app: &Application, cookie: &str, grace: Duration) {
    use anchor::store::Load;
    let id = id_of(cookie);
    let Load::Live(loaded) = app.store.inner().load(id).await.unwrap() else { panic!("not live") };
    // A secret that was not there before, whose text nobody knows.
    let from = loaded.secrets.current;
    let to = SecretHash::from_bytes(from.as_bytes().map(|byte| byte.wrapping_add(1)));
    let rotation = Rotation {
        id,
        from,
        to,
        grace,
        old: OldSecret::Exchanged,
        idle: Duration::from_secs(3600),
    };
    assert_eq!(app.store.inner().rotate(rotation).await.unwrap(), Rotated::Written);
    let touch = Touch { presented: Some(to), ..Touch::new(id, Duration::from_secs(60)) };
    app.store.inner().touch(touch).await.unwrap();
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

async fn forged_cookies_are_refused_without_a_store_call(backend: Backend) {
    let app = Application::start(&backend).await;
    let cases = forgeries(&app).await;
    app.store.reset();
    for Case { name, cookie, .. } in cases {
        for path in REQUIRING {
            let answer = app.get(path).cookie(&cookie).send().await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} on {path}");
        }
        assert_eq!(app.store.all_calls(), 0, "{name}");
    }
}

async fn every_flipped_bit_of_the_token_is_refused_without_a_store_call(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    let bytes = bytes_of(&cookie);
    for bit in 0..bytes.len() * 8 {
        let forged = with_bytes(&cookie, &flipped(&bytes, bit));
        assert_eq!(app.me(&forged).await.status, StatusCode::UNAUTHORIZED, "bit {bit}");
    }
    let start = cookie.len() - split(&cookie).1.len();
    for bit in start * 8..cookie.len() * 8 {
        let forged = flipped(cookie.as_bytes(), bit);
        // What no header can hold does not reach the application.
        if matches!(forged[bit / 8], b' '..=b'~' | 0x80..) {
            assert_eq!(app.me(&forged).await.status, StatusCode::UNAUTHORIZED, "text bit {bit}");
        }
    }
    assert_eq!(app.store.all_calls(), 0);
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn every_truncation_of_the_token_is_refused_without_a_store_call(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    let (name, token) = split(&cookie);
    for length in 0..token.len() {
        for part in [&token[..length], &token[token.len() - length..]] {
            let answer = app.me(format!("{name}={part}")).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{length} characters");
        }
    }
    assert_eq!(app.store.all_calls(), 0);
}

async fn cookies_of_no_live_session_are_refused(backend: Backend) {
    let app = Application::start(&backend).await;
    for Case { name, cookie, .. } in dead(&app, &backend).await {
        for path in REQUIRING {
            app.store.reset();
            let answer = app.get(path).cookie(&cookie).send().await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} on {path}");
            assert_eq!(app.store.calls(Verb::Load), 1, "{name} on {path}: one look");
            assert_eq!(app.store.all_calls(), 1, "{name} on {path}: and nothing written");
        }
    }
}

async fn every_401_has_the_same_body_and_headers_byte_for_byte(backend: Backend) {
    let app = Application::start(&backend).await;
    let mut cases = forgeries(&app).await;
    cases.extend(dead(&app, &backend).await);
    for Case { name, cookie, .. } in cases {
        for path in REQUIRING {
            let mut answer = app.get(path).cookie(&cookie).send().await;
            answer.headers.remove("date");
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
            assert_eq!(answer.text(), "{\"error\":\"unauthenticated\"}", "{name}");
            assert!(!answer.headers.contains_key(SET_COOKIE), "{name}");
            let mut headers: Vec<String> =
                answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            headers.sort();
            let expected = [
                "cache-control: \"no-store\"",
                "content-length: \"27\"",
                "content-type: \"application/json\"",
                "vary: \"cookie\"",
            ];
            assert_eq!(headers, expected, "{name}");
        }
    }
}

async fn every_401_is_told_apart_in_the_log(backend: Backend) {
    logs::keep();
    let app = Application::start(&backend).await;
    for Case { name, cookie, code } in dead(&app, &backend).await {
        app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
        let lines = logs::lines_with(&id_of(&cookie).to_string());
        let told = lines.iter().any(|line| match code {
            "" => line.contains("\"session_ended\"") || line.contains("\"unknown_session\""),
            code => line.contains(&format!("{code:?}")),
        });
        assert!(told, "{name}: {lines:?}");
        if name == "an undecodable row" {
            assert!(lines.iter().any(|line| line.contains("column `cart`")), "{lines:?}");
        }
    }
}

async fn optional_extractors_are_none_in_every_401_case(backend: Backend) {
    let app = Application::start(&backend).await;
    let mut cases = forgeries(&app).await;
    cases.extend(dead(&app, &backend).await);
    for Case { name, cookie, .. } in cases {
        for path in OPTIONAL {
            let answer = app.get(path).cookie(&cookie).send().await;
            assert_eq!(answer.status, StatusCode::OK, "{name} on {path}");
            assert_eq!(answer.text(), "none", "{name} on {path}");
        }
    }
    let cookie = app.log_in("ferris").await;
    for path in OPTIONAL {
        let answer = app.get(path).cookie(&cookie).send().await.expect(StatusCode::OK);
        assert_eq!(answer.text(), "ferris", "{path}");
    }
}

async fn a_refusal_is_reported_once_however_often_its_request_meets_it(backend: Backend) {
    let reported = Arc::new(AtomicUsize::new(0));
    let hook = {
        let reported = Arc::clone(&reported);
        move |event: &Event<'_, UserSession>| {
            if let Event::Refused { .. } = event {
                reported.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    let meet = async |session: Option<Session<UserSession>>, auth: Auth<UserSession>| {
        if let Some(session) = session {
            session.end_sibling(session.id()).await?;
        }
        for _ in 0..3 {
            assert!(auth.session().await?.is_none());
        }
        Ok::<_, anchor::Error>(())
    };
    let store = Watched::new(backend.store().await);
    let routes = Router::new().route("/meet", post(meet));
    let app = Application::assemble(store, |sessions| sessions.on_event(hook), routes).await;
    for cookie in ["__Host-id=forged".to_owned(), app.log_in("ferris").await] {
        app.post("/meet").cookie(&cookie).send().await.expect(StatusCode::OK);
        assert_eq!(reported.swap(0, Ordering::SeqCst), 1, "{cookie}");
    }
}

async fn the_same_cookie_twice_is_accepted(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.me(format!("{cookie}; {cookie}")).await.expect(StatusCode::OK);
    app.me(format!("a=1; {cookie}; b=2;{cookie};")).await.expect(StatusCode::OK);
    let two_headers = app.get("/me").header(COOKIE, &cookie).header(COOKIE, &cookie);
    two_headers.send().await.expect(StatusCode::OK);
}

async fn a_cookie_header_of_64_kb_is_refused(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    let (name, _) = split(&cookie);
    let huge = [
        format!("{name}={}", "A".repeat(64 * 1024)),
        format!("{cookie}; x={}", "x".repeat(64 * 1024)),
        format!("{}{cookie}", "x=1; ".repeat(13 * 1024)),
        format!("{cookie}{}", ";".repeat(64 * 1024)),
    ];
    for cookies in huge {
        app.me(&cookies).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.store.all_calls(), 0);
    // The server is as well as before.
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn a_superseded_secret_is_accepted_within_its_grace_and_ends_the_session_after(
    backend: Backend,
) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    rotate(&app, &cookie, Duration::from_secs(60)).await;
    app.me(&cookie).await.expect(StatusCode::OK);

    let cookie = app.log_in("ferris").await;
    rotate(&app, &cookie, Duration::ZERO).await;
    // Longer than the store takes to answer: the request has to have arrived after the grace.
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    assert!(!app.is_live(id_of(&cookie)).await, "whoever has the new secret is locked out, too");
}
