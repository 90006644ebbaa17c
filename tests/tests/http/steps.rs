//! A login in two steps: what waits for the second factor is a session of its own type, which no
//! handler of users accepts, and which is consumed once.

use anchor::prelude::*;
use anchor::store::EndReason;
use anchor::{Error, Rejection};
use anchor_tests::http::{Answer, Served};
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;

use crate::application::KEY;
use crate::tokens::id_of;

on_every_store![
    a_pending_login_reaches_no_handler_of_users_and_becomes_a_session_with_the_code,
    of_parallel_second_steps_one_logs_in,
    a_pending_login_lives_for_its_own_short_time,
    guesses_at_the_code_are_counted_however_many_at_once,
    a_new_password_ends_the_logins_that_wait_for_their_code,
    a_consumption_after_the_response_is_refused_and_ends_nothing,
    a_consumption_that_the_store_refuses_is_503_and_logs_nobody_in,
    a_second_consumption_in_one_request_gets_nothing,
];

const GUESSES: i64 = 5;

#[derive(Debug, Clone, SessionData)]
#[session(table = "pending_logins", cookie = "__Host-pending", absolute = "10m", cut_off)]
#[session(keep_ended = "1d")]
struct PendingLogin {
    #[session(subject)]
    name: String,
    guesses: i64,
}

#[derive(Debug, Clone, SessionData)]
#[session(table = "members", cookie = "__Host-member", cut_off)]
struct Member {
    #[session(subject)]
    name: String,
}

async fn password(pending: Auth<PendingLogin>, name: String) -> Result<(), Error> {
    pending.login(PendingLogin { name, guesses: 0 }).await.map(drop)
}

/// The recipe of docs/guests.md: count the guess, check the code, consume, log in.
#[require_session(PendingLogin)]
async fn code(
    mut pending: Session<PendingLogin>,
    auth: Auth<Member>,
    code: String,
) -> Result<Response, Error> {
    pending.update(|pending| pending.guesses += 1).await?;
    if pending.guesses > GUESSES {
        pending.consume().await?;
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    if code != "123456" {
        return Ok(StatusCode::UNPROCESSABLE_ENTITY.into_response());
    }
    let name = pending.consume().await?.name;
    auth.login(Member { name }).await?;
    Ok(StatusCode::OK.into_response())
}

#[require_session(PendingLogin)]
async fn twice(pending: Session<PendingLogin>) -> Result<(), Error> {
    let (one, other) = tokio::join!(pending.clone().consume(), pending.clone().consume());
    assert_eq!([&one, &other].map(Result::is_ok).iter().filter(|won| **won).count(), 1);
    assert!(matches!(pending.consume().await, Err(Error::Ended { .. })));
    one.or(other).map(drop)
}

#[require_session(Member)]
async fn me(member: Member) -> String {
    member.name
}

struct Site {
    pending: Watched<PendingLogin>,
    logins: SessionManager<PendingLogin>,
    members: SessionManager<Member>,
    served: Served,
}

impl Site {
    async fn open(backend: &Backend) -> Self {
        Self::with(backend, Router::new()).await
    }

    async fn with(backend: &Backend, more: Router) -> Self {
        let pending = Watched::new(backend.store::<PendingLogin>().await);
        let keys = KeyRing::new([KEY]).unwrap();
        let logins = SessionManager::builder(pending.clone()).keys(keys.clone()).build().unwrap();
        let members = Watched::new(backend.store::<Member>().await);
        let members = SessionManager::builder(members).keys(keys).build().unwrap();
        let router = Router::new()
            .route("/password", post(password))
            .route("/code", post(code))
            .route("/twice", post(twice))
            .route("/me", get(me))
            .merge(more)
            .layer(logins.layer())
            .layer(members.layer());
        Self { pending, logins, members, served: Served::start(router).await }
    }

    async fn password(&self, name: &str) -> String {
        let pending = self.served.post("/password").body(name.to_owned()).send().await;
        pending.expect(StatusCode::OK).cookie()
    }

    async fn code(&self, cookie: &str, code: &str) -> Answer {
        self.served.post("/code").cookie(cookie).body(code.to_owned()).send().await
    }
}

async fn a_pending_login_reaches_no_handler_of_users_and_becomes_a_session_with_the_code(
    backend: Backend,
) {
    let site = Site::open(&backend).await;
    let pending = site.password("ferris").await;
    let disguised = pending.replacen("__Host-pending", "__Host-member", 1);
    for cookie in [&pending, &disguised] {
        let refused = site.served.get("/me").cookie(cookie).send().await;
        refused.expect(StatusCode::UNAUTHORIZED);
    }
    site.code(&pending, "000000").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    let login = site.code(&pending, "123456").await.expect(StatusCode::OK);
    let member = login.set_cookies().into_iter().find(|cookie| cookie.contains("__Host-member"));
    let member = member.unwrap().split(';').next().unwrap();
    assert!(login.set_cookies().iter().any(|it| it.starts_with("__Host-pending=;")), "{login:?}");
    let me = site.served.get("/me").cookie(member).send().await.expect(StatusCode::OK);
    assert_eq!(me.text(), "ferris");
    site.code(&pending, "123456").await.expect(StatusCode::UNAUTHORIZED);
    let history = site.logins.history(&"ferris".to_owned()).await.unwrap();
    assert_eq!(history[0].reason, Some(EndReason::Consumed));
}

async fn of_parallel_second_steps_one_logs_in(backend: Backend) {
    let site = Site::open(&backend).await;
    for round in 0..6 {
        let name = format!("ferris {round}");
        let pending = site.password(&name).await;
        let answers = tokio::join!(
            site.code(&pending, "123456"),
            site.code(&pending, "123456"),
            site.code(&pending, "123456"),
            site.code(&pending, "123456"),
        );
        let answers = [answers.0, answers.1, answers.2, answers.3];
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        let refused = count(StatusCode::UNAUTHORIZED) + count(StatusCode::CONFLICT);
        assert_eq!((count(StatusCode::OK), refused), (1, 3), "{answers:?}");
        assert_eq!(site.members.list(&name).await.unwrap().len(), 1);
    }
    // All of them have read it as live, and only then the first one consumes it.
    let pending = site.password("corro").await;
    let hold = site.pending.hold(Verb::Consume);
    let one = site.code(&pending, "123456");
    let other = site.code(&pending, "123456");
    let meeting = async {
        hold.reached().await;
        hold.reached().await;
        hold.release();
    };
    let (one, other, ()) = tokio::join!(one, other, meeting);
    let won = [one, other].iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!((won, site.members.list(&"corro".to_owned()).await.unwrap().len()), (1, 1));
}

async fn a_pending_login_lives_for_its_own_short_time(backend: Backend) {
    let site = Site::open(&backend).await;
    let login = site.served.post("/password").body("ferris").send().await.expect(StatusCode::OK);
    assert!(login.set_cookie().ends_with("; Max-Age=600"), "{login:?}");
    let pending = site.logins.get(id_of(&login.cookie())).await.unwrap().unwrap();
    assert_eq!(pending.deadline.as_micros() - pending.created_at.as_micros(), 600_000_000);
    assert_eq!(pending.expires_at, pending.deadline, "`idle` is no longer than `absolute`");
}

async fn guesses_at_the_code_are_counted_however_many_at_once(backend: Backend) {
    let site = Site::open(&backend).await;
    let pending = site.password("ferris").await;
    let guesses = (0..12).map(|guess| {
        let (served, pending) = (&site.served, &pending);
        async move {
            served.post("/code").cookie(pending).body(format!("{guess:06}")).send().await.status
        }
    });
    let mut statuses = Vec::new();
    let mut guesses: Vec<_> = guesses.map(Box::pin).collect();
    while !guesses.is_empty() {
        let (first, second) = (guesses.pop().unwrap(), guesses.pop().unwrap());
        let (first, second) = tokio::join!(first, second);
        statuses.extend([first, second]);
    }
    let tried = statuses.iter().filter(|it| **it == StatusCode::UNPROCESSABLE_ENTITY).count();
    assert_eq!(tried, usize::try_from(GUESSES).unwrap(), "{statuses:?}");
    // The right code comes too late.
    site.code(&pending, "123456").await.expect(StatusCode::UNAUTHORIZED);
    assert!(site.members.list(&"ferris".to_owned()).await.unwrap().is_empty());
}

async fn a_new_password_ends_the_logins_that_wait_for_their_code(backend: Backend) {
    let site = Site::open(&backend).await;
    let pending = site.password("ferris").await;
    let ferris = "ferris".to_owned();
    // The order matters: a login that is consumed before the first line is cut off by the second.
    assert_eq!(site.logins.cut_off(&ferris).await.unwrap(), 1);
    site.members.cut_off(&ferris).await.unwrap();
    site.code(&pending, "123456").await.expect(StatusCode::UNAUTHORIZED);

    // The right code is on its way to the store when the password changes.
    let pending = site.password("ferris").await;
    let hold = site.pending.hold(Verb::Consume);
    let code = site.code(&pending, "123456");
    let change = async {
        hold.reached().await;
        assert_eq!(site.logins.cut_off(&ferris).await.unwrap(), 1);
        hold.release();
    };
    let (refused, ()) = tokio::join!(code, change);
    refused.expect(StatusCode::UNAUTHORIZED);
    assert!(site.members.list(&ferris).await.unwrap().is_empty());

    // Consumed just before, on its way to the login when the password changes.
    let pending = site.password("ferris").await;
    let hold = site.pending.hold(Verb::Consume);
    let code = site.code(&pending, "123456");
    let change = async {
        hold.reached().await;
        site.members.cut_off(&ferris).await.unwrap();
        hold.release();
    };
    let (login, ()) = tokio::join!(code, change);
    let member = login.set_cookies().into_iter().find(|it| it.contains("__Host-member"));
    if let Some(member) = member {
        let member = member.split(';').next().unwrap();
        let refused = site.served.get("/me").cookie(member).send().await;
        refused.expect(StatusCode::UNAUTHORIZED);
    }
    assert!(site.members.list(&ferris).await.unwrap().is_empty());
}

async fn a_consumption_after_the_response_is_refused_and_ends_nothing(backend: Backend) {
    let (kept, handles) = std::sync::mpsc::channel();
    let keep = async move |pending: Session<PendingLogin>| {
        kept.send(pending).unwrap();
    };
    let site = Site::with(&backend, Router::new().route("/keep", post(keep))).await;
    let pending = site.password("ferris").await;
    site.served.post("/keep").cookie(&pending).send().await.expect(StatusCode::OK);
    let late = handles.recv().unwrap().consume().await;
    assert!(matches!(late, Err(Error::ResponseBegun)), "{late:?}");
    site.code(&pending, "123456").await.expect(StatusCode::OK);
}

async fn a_consumption_that_the_store_refuses_is_503_and_logs_nobody_in(backend: Backend) {
    let site = Site::open(&backend).await;
    let pending = site.password("ferris").await;
    site.pending.fail(Verb::Consume, true);
    let failed = site.code(&pending, "123456").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    site.pending.fail(Verb::Consume, false);
    assert!(failed.set_cookies().is_empty(), "{failed:?}");
    assert!(site.members.list(&"ferris".to_owned()).await.unwrap().is_empty());
    // It did not reach the store, so the same code can be sent again.
    site.code(&pending, "123456").await.expect(StatusCode::OK);
}

async fn a_second_consumption_in_one_request_gets_nothing(backend: Backend) {
    let site = Site::open(&backend).await;
    let pending = site.password("ferris").await;
    // Both have been admitted before the first one is carried out.
    let hold = site.pending.hold(Verb::Consume);
    let once = site.served.post("/twice").cookie(&pending).send();
    let half_way = async {
        hold.reached().await;
        hold.reached().await;
        hold.release();
    };
    let (once, ()) = tokio::join!(once, half_way);
    let once = once.expect(StatusCode::OK);
    assert!(once.set_cookie().starts_with("__Host-pending=;"), "{once:?}");
    let gone = site.served.post("/twice").cookie(&pending).send().await;
    gone.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(Rejection::from(Error::Ended { id: id_of(&pending) }).status().as_u16(), 401);
}
