//! `Session::wait_until_ended`, and a handle that outlives its request: a task with a handle stands
//! for a WebSocket.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::manager::{BoxError, Event, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::Record;
use anchor::{Error, Rejection};
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::routing::get;
use http::request::Parts;
use http::{HeaderName, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::application::{Application, KEY, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_thousand_who_wait_share_one_poll_and_all_are_told,
    an_end_on_another_node_is_noticed_by_the_shared_poll,
    nobody_polls_for_a_session_that_nobody_waits_for,
    whoever_waits_is_told_when_the_verifier_refuses,
    whoever_waits_goes_on_while_the_verifier_fails,
    a_kept_handle_does_not_write_for_whom_the_verifier_refuses_by_now,
    a_refusal_that_was_learned_while_waiting_holds_at_once,
    an_interval_of_zero_is_refused_at_build,
];

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(3600);

/// The handles that requests have left behind.
type Kept = Arc<Mutex<Vec<Session<UserSession>>>>;

type Builder = anchor::manager::SessionManagerBuilder<UserSession>;

async fn application(
    backend: &Backend,
    configure: impl FnOnce(Builder) -> Builder,
) -> (Application, Kept) {
    let kept = Kept::default();
    let keep = {
        let kept = Arc::clone(&kept);
        get(async move |session: Session<UserSession>| kept.lock().unwrap().push(session))
    };
    let store = Watched::new(backend.store().await);
    let routes = Router::new().route("/socket", keep);
    (Application::assemble(store, configure, routes).await, kept)
}

async fn open_socket(app: &Application, kept: &Kept, cookie: &str) -> Session<UserSession> {
    app.get("/socket").cookie(cookie).send().await.expect(StatusCode::OK);
    kept.lock().unwrap().pop().expect("the handler has run")
}

async fn a_thousand_who_wait_share_one_poll_and_all_are_told(backend: Backend) {
    let (app, kept) = application(&backend, |sessions| sessions.revocation_poll(POLL)).await;
    let cookie = app.log_in("ferris").await;
    let mut waiting = JoinSet::new();
    for _ in 0..10 {
        let session = open_socket(&app, &kept, &cookie).await;
        (0..100).for_each(|_| drop(waiting.spawn(session.wait_until_ended())));
    }
    app.store.reset();
    let polls = 10;
    sleep(polls * POLL).await;
    let loads = app.store.calls(Verb::Load);
    // Each pause is between three quarters of the interval and the whole; a busy machine is late.
    assert!((2..=16).contains(&loads), "{loads} loads in {polls} intervals");
    assert!(waiting.try_join_next().is_none(), "the session lives");
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    timeout(PATIENCE, waiting.join_all()).await.expect("all are told");
}

async fn an_end_on_another_node_is_noticed_by_the_shared_poll(backend: Backend) {
    let (app, kept) = application(&backend, |sessions| sessions.revocation_poll(POLL)).await;
    let elsewhere = SessionManager::<UserSession>::builder(app.store.clone())
        .keys(KeyRing::new([KEY]).unwrap())
        .build()
        .unwrap();
    let cookie = app.log_in("ferris").await;
    let session = open_socket(&app, &kept, &cookie).await;
    let mut waiting = JoinSet::new();
    (0..10).for_each(|_| drop(waiting.spawn(session.wait_until_ended())));
    sleep(POLL).await;
    assert!(elsewhere.revoke(id_of(&cookie)).await.unwrap());
    timeout(PATIENCE, waiting.join_all()).await.expect("all are told");
    // Whoever comes too late is told as well.
    timeout(PATIENCE, session.wait_until_ended()).await.expect("at once");
}

async fn nobody_polls_for_a_session_that_nobody_waits_for(backend: Backend) {
    let (app, kept) = application(&backend, |sessions| sessions.revocation_poll(POLL)).await;
    let cookie = app.log_in("ferris").await;
    let session = open_socket(&app, &kept, &cookie).await;
    let mut waiting = JoinSet::new();
    (0..10).for_each(|_| drop(waiting.spawn(session.wait_until_ended())));
    sleep(2 * POLL).await;
    waiting.shutdown().await;
    // A load may be under way.
    sleep(POLL).await;
    app.store.reset();
    sleep(3 * POLL).await;
    assert_eq!(app.store.all_calls(), 0);
    let again = tokio::spawn(session.wait_until_ended());
    while app.store.calls(Verb::Load) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    timeout(PATIENCE, again).await.expect("it is told").unwrap();
}

const ACCEPT: u8 = 0;
const REFUSE: u8 = 1;
const FAIL: u8 = 2;

/// Says what the test wants, and counts how often it is asked.
#[derive(Clone, Default)]
struct Switch {
    verdict: Arc<AtomicU8>,
    asked: Arc<AtomicUsize>,
}

impl Switch {
    fn set(&self, verdict: u8) {
        self.verdict.store(verdict, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Verifier<UserSession> for Switch {
    async fn verify(&self, _: &Record<UserSession>, request: &Parts) -> Result<Verdict, BoxError> {
        let cookie = request.headers.get(HeaderName::from_static("cookie"));
        assert!(cookie.is_some(), "it sees the request that the handle is of");
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.verdict.load(Ordering::SeqCst) {
            ACCEPT => Ok(Verdict::Accept),
            REFUSE => Ok(Verdict::Refuse),
            _ => Err("the directory is down".into()),
        }
    }
}

async fn whoever_waits_is_told_when_the_verifier_refuses(backend: Backend) {
    let switch = Switch::default();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (app, kept) = application(&backend, |sessions| {
        let (switch, told) = (switch.clone(), Arc::clone(&told));
        sessions.revocation_poll(NEVER).verify_interval(POLL).verifier(switch).on_event(
            move |event| {
                if let Event::Refused { rejection } = event {
                    told.lock().unwrap().push(rejection.code());
                }
            },
        )
    })
    .await;
    let cookie = app.log_in("ferris").await;
    let session = open_socket(&app, &kept, &cookie).await;
    let waiting = tokio::spawn(session.wait_until_ended());
    while switch.asked() < 4 {
        sleep(Duration::from_millis(5)).await;
    }
    assert!(!waiting.is_finished());
    let loads = app.store.calls(Verb::Load);
    assert_eq!(loads, 2, "the guard's, and the first of the poll: the verifier costs none");
    switch.set(REFUSE);
    timeout(PATIENCE, waiting).await.expect("it is told").unwrap();
    assert_eq!(*told.lock().unwrap(), ["refused_by_verifier"]);
    assert!(app.is_live(id_of(&cookie)).await, "a refusal ends no session");
}

async fn whoever_waits_goes_on_while_the_verifier_fails(backend: Backend) {
    let switch = Switch::default();
    let (app, kept) = application(&backend, |sessions| {
        sessions.revocation_poll(NEVER).verify_interval(POLL).verifier(switch.clone())
    })
    .await;
    let cookie = app.log_in("ferris").await;
    let session = open_socket(&app, &kept, &cookie).await;
    switch.set(FAIL);
    let waiting = tokio::spawn(session.wait_until_ended());
    let asked = switch.asked();
    sleep(4 * POLL).await;
    assert!((1..=6).contains(&(switch.asked() - asked)), "{} questions", switch.asked() - asked);
    assert!(!waiting.is_finished());
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    timeout(PATIENCE, waiting).await.expect("it is told").unwrap();
}

async fn a_kept_handle_does_not_write_for_whom_the_verifier_refuses_by_now(backend: Backend) {
    let switch = Switch::default();
    let (app, kept) = application(&backend, |sessions| {
        sessions.verify_interval(5 * POLL).verifier(switch.clone())
    })
    .await;
    let cookie = app.log_in("ferris").await;
    let mut session = open_socket(&app, &kept, &cookie).await;
    // A short request's update costs what it did.
    session.update(|user| user.visits = 8).await.unwrap();
    assert_eq!((switch.asked(), app.store.calls(Verb::Load)), (1, 1));

    sleep(5 * POLL).await;
    session.update(|user| user.visits = 9).await.unwrap();
    session.update(|user| user.visits = 10).await.unwrap();
    assert_eq!(switch.asked(), 2, "the second yes holds for a while, too");

    sleep(5 * POLL).await;
    switch.set(REFUSE);
    let refused = session.update(|user| user.visits = 11).await.unwrap_err();
    assert!(matches!(refused, Error::RefusedByVerifier { .. }), "{refused:?}");
    assert_eq!(Rejection::from(refused).status(), StatusCode::UNAUTHORIZED);
    switch.set(FAIL);
    let failed = session.update(|user| user.visits = 12).await.unwrap_err();
    assert!(matches!(failed, Error::Verifier(_)), "{failed:?}");
    assert_eq!(Rejection::from(failed).status(), StatusCode::SERVICE_UNAVAILABLE);
    let record = app.sessions.get(id_of(&cookie)).await.unwrap().unwrap();
    assert_eq!(record.data.visits, 10, "nothing was written");

    switch.set(ACCEPT);
    session.update(|user| user.visits = 13).await.unwrap();
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    sleep(5 * POLL).await;
    let ended = session.update(|user| user.visits = 14).await.unwrap_err();
    assert!(matches!(ended, Error::Ended { .. }), "{ended:?}");
}

async fn a_refusal_that_was_learned_while_waiting_holds_at_once(backend: Backend) {
    let switch = Switch::default();
    let (app, kept) =
        application(&backend, |sessions| sessions.verify_interval(POLL).verifier(switch.clone()))
            .await;
    let cookie = app.log_in("ferris").await;
    let mut session = open_socket(&app, &kept, &cookie).await;
    switch.set(REFUSE);
    timeout(PATIENCE, session.wait_until_ended()).await.expect("it is told");
    let asked = switch.asked();
    let refused = session.update(|user| user.visits = 8).await.unwrap_err();
    assert!(matches!(refused, Error::RefusedByVerifier { .. }), "{refused:?}");
    assert_eq!(switch.asked(), asked + 1);
}

async fn an_interval_of_zero_is_refused_at_build(backend: Backend) {
    let refused = SessionManager::<UserSession>::builder(backend.store().await)
        .keys(KeyRing::generate().unwrap())
        .verify_interval(Duration::ZERO)
        .build()
        .unwrap_err();
    assert!(refused.to_string().contains("`verify_interval` is zero"), "{refused}");
}
