//! A session's whole life with everything that a struct can ask for: remembered or not, limited,
//! tracked, bound, cut off, kept for audit, told of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::manager::{Event, FingerprintMismatch, RevokedSessions, SessionManagerBuilder};
use anchor::prelude::*;
use anchor::store::{EndReason, EndStatus};
use anchor::{Error, Rejection};
use anchor_tests::http::{Answer, Served};
use anchor_tests::{Backend, Hold, Verb, Watched};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::USER_AGENT;
use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};

use crate::application::KEY;
use crate::tokens::id_of;

on_every_store![
    a_login_that_is_not_remembered_sets_a_browser_session_cookie_and_stays_one,
    the_oldest_session_makes_room_for_one_too_many_and_who_waits_for_it_is_told,
    a_full_subject_is_refused_with_409_and_keeps_its_sessions,
    of_64_logins_at_once_as_many_sessions_live_as_may,
    the_origin_of_the_login_is_recorded_and_that_of_a_later_use_replaces_it,
    a_bound_session_is_refused_to_another_client_and_lives_on,
    a_bound_session_ends_when_another_client_uses_it,
    a_session_without_a_fingerprint_is_bound_to_nothing,
    a_cut_off_beats_a_login_that_began_before_it,
    a_login_in_the_request_that_cut_off_stands_when_it_begins_now,
    ended_sessions_are_kept_with_their_reason_and_never_accepted,
    a_re_authentication_makes_a_session_fresh_and_gives_it_a_new_secret,
    a_re_authentication_does_not_make_the_old_secret_fresh,
    a_re_authentication_of_an_ended_session_is_401,
    a_re_authentication_with_a_replaced_secret_is_refused_and_freshens_nobody,
    a_re_authentication_is_one_statement,
    a_re_authentication_after_the_response_writes_nothing,
    a_refused_user_may_end_their_other_sessions_with_the_same_password,
    everyone_is_logged_out_at_once,
    every_event_is_told_in_order,
];

#[derive(Debug, Clone, Serialize, Deserialize, SessionData)]
#[session(
    table = "lives",
    cookie = "__Host-life",
    max_per_subject = 3,
    on_limit = "end_oldest",
    keep_ended = "30d",
    track,
    fingerprint,
    cut_off
)]
struct Life {
    #[session(subject)]
    name: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, SessionData)]
#[session(
    table = "few_lives",
    cookie = "__Host-few-lives",
    max_per_subject = 2,
    on_limit = "refuse"
)]
struct FewLives {
    #[session(subject)]
    name: String,
}

const CLIENT: HeaderName = HeaderName::from_static("x-client");
const ADDRESS: HeaderName = HeaderName::from_static("x-real-ip");

struct Application<T: SessionData> {
    store: Watched<T>,
    sessions: SessionManager<T>,
    served: Served,
}

impl<T: SessionData> Application<T> {
    async fn start(
        backend: &Backend,
        configure: impl FnOnce(SessionManagerBuilder<T>) -> SessionManagerBuilder<T>,
        routes: impl FnOnce(SessionManager<T>) -> Router,
    ) -> Self {
        let store = Watched::new(backend.store().await);
        let builder = SessionManager::builder(store.clone()).keys(KeyRing::new([KEY]).unwrap());
        let sessions = configure(builder).build().unwrap();
        let router = routes(sessions.clone()).layer(sessions.layer());
        Self { store, sessions, served: Served::start(router).await }
    }

    async fn login(&self, path: &str) -> Answer {
        self.served.post(path).send().await
    }
}

type Builder = SessionManagerBuilder<Life>;

async fn application(
    backend: &Backend,
    configure: impl FnOnce(Builder) -> Builder,
) -> Application<Life> {
    bound(backend, FingerprintMismatch::Refuse, configure).await
}

async fn bound(
    backend: &Backend,
    on_mismatch: FingerprintMismatch,
    configure: impl FnOnce(Builder) -> Builder,
) -> Application<Life> {
    let configure = |sessions: Builder| {
        let sessions = sessions
            .client_ip(|request| request.headers.get(ADDRESS)?.to_str().ok()?.parse().ok())
            .fingerprint(on_mismatch, |request| {
                Some(request.headers.get(CLIENT)?.as_bytes().into())
            });
        configure(sessions)
    };
    let routes = |sessions| {
        Router::new()
            .route("/login", post(login))
            .route("/login/forgetful", post(login_forgetful))
            .route("/me", get(me))
            .route("/wait", get(wait))
            .route("/rotate", post(rotate))
            .route("/password", post(password))
            .route("/sensitive", post(sensitive))
            .route("/reauthenticate", post(reauthenticate))
            .route("/logout", post(logout))
            .with_state(sessions)
    };
    Application::start(backend, configure, routes).await
}

fn ferris() -> Life {
    Life { name: "ferris".into() }
}

async fn login(auth: Auth<Life>) -> Result<(), Error> {
    auth.login(ferris()).await.map(drop)
}

async fn login_forgetful(auth: Auth<Life>) -> Result<(), Error> {
    auth.login(ferris()).remember(false).await.map(drop)
}

async fn me(session: Session<Life>) -> Json<Life> {
    Json(session.data().clone())
}

async fn wait(session: Session<Life>) {
    session.wait_until_ended().await;
}

async fn rotate(session: Session<Life>) -> Result<(), Error> {
    session.rotate().await.map(drop)
}

/// A change of password: everyone out, and this browser in again.
async fn password(
    auth: Auth<Life>,
    State(sessions): State<SessionManager<Life>>,
) -> Result<(), Error> {
    sessions.cut_off(&ferris().name).await?;
    auth.login(ferris()).starting_now().await.map(drop)
}

#[require_session(Life, fresh = "2s")]
async fn sensitive() {}

async fn reauthenticate(mut session: Session<Life>) -> Result<(), Error> {
    session.reauthenticated().await?;
    assert!(session.authenticated_for() < Duration::from_millis(1));
    Ok(())
}

#[logout(Life)]
async fn logout() {}

impl Application<Life> {
    async fn log_in(&self) -> String {
        self.login("/login").await.expect(StatusCode::OK).cookie()
    }

    async fn me(&self, cookie: &str) -> Answer {
        self.served.get("/me").cookie(cookie).send().await
    }
}

async fn a_login_that_is_not_remembered_sets_a_browser_session_cookie_and_stays_one(
    backend: Backend,
) {
    let app = application(&backend, |sessions| sessions).await;
    let login = app.login("/login/forgetful").await;
    assert!(!login.set_cookie().contains("Max-Age"), "{login:?}");
    let rotated = app.served.post("/rotate").cookie(login.cookie()).send().await;
    assert!(!rotated.set_cookie().contains("Max-Age"), "{rotated:?}");
    app.me(&rotated.cookie()).await.expect(StatusCode::OK);
    assert!(app.login("/login").await.set_cookie().contains("Max-Age=1209600"));
}

async fn the_oldest_session_makes_room_for_one_too_many_and_who_waits_for_it_is_told(
    backend: Backend,
) {
    let app =
        application(&backend, |sessions| sessions.revocation_poll(Duration::from_secs(3600))).await;
    let mut cookies = Vec::new();
    for _ in 0..3 {
        cookies.push(app.log_in().await);
        // SQLite's clock has milliseconds.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waiting = app.served.get("/wait").cookie(&cookies[0]).send();
    let overflow = async {
        while app.store.calls(Verb::Load) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        app.log_in().await
    };
    let both = async { tokio::join!(waiting, overflow) };
    let (told, fourth) =
        tokio::time::timeout(Duration::from_secs(30), both).await.expect("it is told");
    told.expect(StatusCode::OK);
    app.me(&cookies[0]).await.expect(StatusCode::UNAUTHORIZED);
    for alive in [&cookies[1], &cookies[2], &fourth] {
        app.me(alive).await.expect(StatusCode::OK);
    }
}

async fn few(backend: &Backend) -> Application<FewLives> {
    async fn login(auth: Auth<FewLives>) -> Result<(), Error> {
        auth.login(FewLives { name: "ferris".into() }).await.map(drop)
    }
    async fn me(_: Session<FewLives>) {}
    let routes = |_| Router::new().route("/login", post(login)).route("/me", get(me));
    Application::start(backend, |sessions| sessions, routes).await
}

async fn a_full_subject_is_refused_with_409_and_keeps_its_sessions(backend: Backend) {
    let app = few(&backend).await;
    let own = [app.login("/login").await.cookie(), app.login("/login").await.cookie()];
    let refused = app.login("/login").await.expect(StatusCode::CONFLICT);
    assert_eq!(
        (refused.text(), refused.set_cookies().len()),
        (r#"{"error":"too_many_sessions"}"#, 0)
    );
    for cookie in &own {
        app.served.get("/me").cookie(cookie).send().await.expect(StatusCode::OK);
    }
    // A login in place of one's own session takes its place.
    app.served.post("/login").cookie(&own[0]).send().await.expect(StatusCode::OK);
}

async fn of_64_logins_at_once_as_many_sessions_live_as_may(backend: Backend) {
    let (ending, refusing) =
        (application(&backend, |sessions| sessions).await, few(&backend).await);
    let logins = (0..64).map(|_| ending.login("/login"));
    for login in at_once(logins).await {
        login.expect(StatusCode::OK);
    }
    assert_eq!(ending.sessions.list(&ferris().name).await.unwrap().len(), 3);
    let logins = (0..64).map(|_| refusing.login("/login"));
    let let_in = at_once(logins).await.into_iter().filter(|login| login.status == StatusCode::OK);
    assert_eq!(let_in.count(), 2);
    assert_eq!(refusing.sessions.list(&ferris().name).await.unwrap().len(), 2);
}

/// Polls all of them until each is done.
async fn at_once<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in all.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(ready) = future.as_mut().poll(context) {
                *output = Some(ready);
            }
        }
        if all.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, output)| output).collect()
}

async fn the_origin_of_the_login_is_recorded_and_that_of_a_later_use_replaces_it(backend: Backend) {
    let app = application(&backend, |sessions| sessions.touch_interval(Duration::ZERO)).await;
    let login = app.served.post("/login").header(ADDRESS, "192.0.2.7").header(USER_AGENT, "desk");
    let cookie = login.send().await.cookie();
    let origin = async || {
        let record = app.sessions.get(id_of(&cookie)).await.unwrap().unwrap();
        let origin = record.client.expect("tracked");
        (origin.ip().map(|ip| ip.to_string()), origin.user_agent().map(str::to_owned))
    };
    assert_eq!(origin().await, (Some("192.0.2.7".into()), Some("desk".into())));
    let moved = app.served.get("/me").cookie(&cookie);
    moved.header(ADDRESS, "2001:db8::1").header(USER_AGENT, "phone").send().await;
    assert_eq!(app.sessions.shutdown().await, 0);
    assert_eq!(origin().await, (Some("2001:db8::1".into()), Some("phone".into())));
}

async fn a_bound_session_is_refused_to_another_client_and_lives_on(backend: Backend) {
    let app = bound(&backend, FingerprintMismatch::Refuse, |sessions| sessions).await;
    let cookie = app.served.post("/login").header(CLIENT, "mine").send().await.cookie();
    let me = || app.served.get("/me").cookie(&cookie);
    me().header(CLIENT, "mine").send().await.expect(StatusCode::OK);
    me().header(CLIENT, "theirs").send().await.expect(StatusCode::UNAUTHORIZED);
    me().send().await.expect(StatusCode::UNAUTHORIZED);
    me().header(CLIENT, "mine").send().await.expect(StatusCode::OK);
}

async fn a_bound_session_ends_when_another_client_uses_it(backend: Backend) {
    let app = bound(&backend, FingerprintMismatch::End, |sessions| sessions).await;
    let cookie = app.served.post("/login").header(CLIENT, "mine").send().await.cookie();
    let me = || app.served.get("/me").cookie(&cookie);
    me().header(CLIENT, "theirs").send().await.expect(StatusCode::UNAUTHORIZED);
    me().header(CLIENT, "mine").send().await.expect(StatusCode::UNAUTHORIZED);
    let ended = app.sessions.history(&ferris().name).await.unwrap();
    assert_eq!(ended[0].reason, Some(EndReason::Fingerprint));
}

async fn a_session_without_a_fingerprint_is_bound_to_nothing(backend: Backend) {
    let app = bound(&backend, FingerprintMismatch::End, |sessions| sessions).await;
    let cookie = app.log_in().await;
    let me = app.served.get("/me").cookie(&cookie).header(CLIENT, "anyone").send().await;
    me.expect(StatusCode::OK);
}

/// The login's request has arrived and its password was checked; the cut-off is answered before the
/// session is created.
async fn a_cut_off_beats_a_login_that_began_before_it(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let earlier = app.log_in().await;
    let hold: Hold = app.store.hold(Verb::Create);
    let late = app.login("/login");
    let cut_off = async {
        hold.reached().await;
        assert_eq!(app.sessions.cut_off(&ferris().name).await.unwrap(), 1);
        hold.release();
    };
    let (late, ()) = tokio::join!(late, cut_off);
    for cookie in [&earlier, &late.cookie()] {
        app.me(cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert!(app.sessions.list(&ferris().name).await.unwrap().is_empty());
    app.me(&app.log_in().await).await.expect(StatusCode::OK);
}

async fn a_login_in_the_request_that_cut_off_stands_when_it_begins_now(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let old = app.log_in().await;
    // The request has arrived before its own cut-off.
    let new =
        app.served.post("/password").cookie(&old).send().await.expect(StatusCode::OK).cookie();
    app.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    app.me(&new).await.expect(StatusCode::OK);
}

async fn ended_sessions_are_kept_with_their_reason_and_never_accepted(backend: Backend) {
    let app = application(&backend, |sessions| sessions.idle(Duration::from_millis(300))).await;
    let (logged_out, revoked) = (app.log_in().await, app.log_in().await);
    app.served.post("/logout").cookie(&logged_out).send().await.expect(StatusCode::OK);
    assert!(app.sessions.revoke(id_of(&revoked)).await.unwrap());
    let expired = app.log_in().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    app.sessions.sweep(100).await.unwrap();
    for cookie in [&logged_out, &revoked, &expired] {
        app.me(cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert!(app.sessions.list(&ferris().name).await.unwrap().is_empty());
    let history = app.sessions.history(&ferris().name).await.unwrap();
    let history: Vec<_> =
        history.iter().map(|ended| (ended.record.id, ended.status, ended.reason)).collect();
    assert_eq!(
        history,
        [
            (id_of(&expired), EndStatus::Expired, None),
            (id_of(&revoked), EndStatus::Revoked, Some(EndReason::Revoked)),
            (id_of(&logged_out), EndStatus::Revoked, Some(EndReason::Logout)),
        ]
    );
}

async fn a_re_authentication_makes_a_session_fresh_and_gives_it_a_new_secret(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let stale = app.log_in().await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let sensitive = async |cookie: &str| app.served.post("/sensitive").cookie(cookie).send().await;
    let refused = sensitive(&stale).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused.text(), r#"{"error":"reauthentication_required"}"#);
    let proven = app.served.post("/reauthenticate").cookie(&stale).send().await;
    let fresh = proven.expect(StatusCode::OK).cookie();
    assert_ne!(fresh, stale);
    assert_eq!(id_of(&fresh), id_of(&stale));
    sensitive(&fresh).await.expect(StatusCode::OK);
}

/// Whoever copied the token before the password was asked for is not let into what it protects.
async fn a_re_authentication_does_not_make_the_old_secret_fresh(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let copied = app.log_in().await;
    let proven = app.served.post("/reauthenticate").cookie(&copied).send().await.cookie();
    let sensitive = async |cookie: &str| app.served.post("/sensitive").cookie(cookie).send().await;
    sensitive(&proven).await.expect(StatusCode::OK);
    app.me(&copied).await.expect(StatusCode::OK);
    sensitive(&copied).await.expect(StatusCode::FORBIDDEN);
}

async fn a_re_authentication_of_an_ended_session_is_401(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let cookie = app.log_in().await;
    let hold = app.store.hold(Verb::Reauthenticate);
    let proof = app.served.post("/reauthenticate").cookie(&cookie).send();
    let end = async {
        hold.reached().await;
        app.sessions.revoke(id_of(&cookie)).await.unwrap();
        hold.release();
    };
    let (proof, ()) = tokio::join!(proof, end);
    assert!(proof.expect(StatusCode::UNAUTHORIZED).set_cookies().is_empty());
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

/// A thief rotated with a copy of the token; then the owner proves with the old one who they are.
async fn a_re_authentication_with_a_replaced_secret_is_refused_and_freshens_nobody(
    backend: Backend,
) {
    let app = application(&backend, |sessions| sessions).await;
    let owners = app.log_in().await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let thiefs = app.served.post("/rotate").cookie(&owners).send().await.cookie();
    let proof = app.served.post("/reauthenticate").cookie(&owners).send().await;
    let proof = proof.expect(StatusCode::CONFLICT);
    assert_eq!((proof.text(), proof.set_cookies().len()), (r#"{"error":"secret_replaced"}"#, 0));
    for cookie in [&thiefs, &owners] {
        let sensitive = app.served.post("/sensitive").cookie(cookie).send().await;
        sensitive.expect(StatusCode::FORBIDDEN);
    }
}

/// So that no client that leaves half way gets one part of it.
async fn a_re_authentication_is_one_statement(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let cookie = app.log_in().await;
    app.store.reset();
    app.served.post("/reauthenticate").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!((app.store.calls(Verb::Reauthenticate), app.store.all_calls()), (1, 2));
}

async fn a_re_authentication_after_the_response_writes_nothing(backend: Backend) {
    let kept: Arc<Mutex<Option<Session<Life>>>> = Arc::default();
    let keeper = Arc::clone(&kept);
    let keep = move |session: Session<Life>| async move {
        *keeper.lock().unwrap() = Some(session);
    };
    let configure = |sessions: Builder| sessions.fingerprint(FingerprintMismatch::Refuse, |_| None);
    let routes = |_| Router::new().route("/login", post(login)).route("/keep", post(keep));
    let app: Application<Life> = Application::start(&backend, configure, routes).await;
    let cookie = app.log_in().await;
    app.served.post("/keep").cookie(&cookie).send().await.expect(StatusCode::OK);
    let mut session = kept.lock().unwrap().take().unwrap();
    app.store.reset();
    let late = session.reauthenticated().await;
    assert!(matches!(late, Err(Error::ResponseBegun)), "{late:?}");
    assert_eq!(app.store.all_calls(), 0);
}

async fn a_refused_user_may_end_their_other_sessions_with_the_same_password(backend: Backend) {
    async fn login(auth: Auth<FewLives>) -> Result<(), Error> {
        auth.login(FewLives { name: "ferris".into() }).await.map(drop)
    }
    async fn login_alone(auth: Auth<FewLives>) -> Result<(), Error> {
        auth.login(FewLives { name: "ferris".into() }).revoke_others().await.map(drop)
    }
    async fn me(_: Session<FewLives>) {}
    let routes = |_| {
        Router::new()
            .route("/login", post(login))
            .route("/login/alone", post(login_alone))
            .route("/me", get(me))
    };
    let app: Application<FewLives> =
        Application::start(&backend, |sessions| sessions, routes).await;
    // The responses of these logins were lost.
    let lost = [app.login("/login").await.cookie(), app.login("/login").await.cookie()];
    app.login("/login").await.expect(StatusCode::CONFLICT);
    let own = app.login("/login/alone").await.expect(StatusCode::OK).cookie();
    app.served.get("/me").cookie(&own).send().await.expect(StatusCode::OK);
    for cookie in &lost {
        app.served.get("/me").cookie(cookie).send().await.expect(StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.sessions.list(&"ferris".to_owned()).await.unwrap().len(), 1);
}

async fn everyone_is_logged_out_at_once(backend: Backend) {
    let app = few(&backend).await;
    let one = app.login("/login").await.cookie();
    let other = app.login("/login").await.cookie();
    assert_eq!(app.sessions.revoke_everyone().await.unwrap(), 2);
    for cookie in [one, other] {
        app.served.get("/me").cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED);
    }
}

async fn every_event_is_told_in_order(backend: Backend) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let app = application(&backend, |sessions| {
        sessions.touch_interval(Duration::ZERO).on_event(move |event| {
            heard.lock().unwrap().push(match event {
                Event::Created { session, replaced } => {
                    format!("created for {}, {}", session.data.name, replaced.is_some())
                }
                Event::Touched { .. } => "touched".into(),
                Event::Updated { .. } => "updated".into(),
                Event::Rotated { .. } => "rotated".into(),
                Event::Reauthenticated { .. } => "reauthenticated".into(),
                Event::Revoked { which: RevokedSessions::One(_), count, reason } => {
                    format!("revoked {count}: {}", reason.as_str())
                }
                Event::Revoked { count, reason, .. } => {
                    format!("revoked all {count}: {}", reason.as_str())
                }
                Event::Expired { count } => format!("expired {count}"),
                Event::Refused { rejection } => format!("refused: {}", Rejection::code(rejection)),
                Event::TheftSuspected { .. } => "theft".into(),
            });
        })
    })
    .await;
    let first = app.log_in().await;
    let second = app.served.post("/login").cookie(&first).send().await.cookie();
    app.me(&second).await;
    let third = app.served.post("/reauthenticate").cookie(&second).send().await.cookie();
    assert_eq!(app.sessions.shutdown().await, 0);
    app.served.post("/logout").cookie(&third).send().await;
    app.me("").await;
    app.log_in().await;
    app.sessions.cut_off(&ferris().name).await.unwrap();
    app.sessions.revoke_everyone().await.unwrap();
    // Uses may be recorded after what their requests did, and those of several requests at once.
    let (touched, told): (Vec<_>, Vec<_>) =
        told.lock().unwrap().drain(..).partition(|event: &String| event == "touched");
    assert!((1..=2).contains(&touched.len()), "{touched:?}");
    assert_eq!(
        told,
        [
            "created for ferris, false",
            "created for ferris, true",
            "reauthenticated",
            "rotated",
            "revoked 1: logout",
            "refused: no_session",
            "created for ferris, false",
            "revoked all 1: cut_off",
            "revoked all 0: everyone",
        ]
    );
}
