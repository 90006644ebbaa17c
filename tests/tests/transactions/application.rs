//! The application under test: users with a password in a table of its own, and their sessions.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::manager::{Event, SessionManagerBuilder};
use anchor::prelude::*;
use anchor::{Error, SessionId};
use anchor_tests::http::{Answer, Served};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use http::StatusCode;

use crate::engine::{Engine, Transaction};

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "tx_sessions", cookie = "__Host-tx", idle = "2h", absolute = "14d", cut_off)]
pub(crate) struct UserSession {
    #[session(subject)]
    pub(crate) user_id: i64,
    pub(crate) role: Role,
    pub(crate) visits: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Column)]
pub(crate) enum Role {
    Member,
    Admin,
}

type Builder = SessionManagerBuilder<UserSession>;

/// An application on a database, and what it was told.
pub(crate) struct Application<E: Engine> {
    pub(crate) pool: E,
    pub(crate) store: E::Store<UserSession>,
    pub(crate) sessions: SessionManager<UserSession>,
    events: Arc<Mutex<Vec<String>>>,
    served: Served,
}

impl<E: Engine> Deref for Application<E> {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

pub(crate) const FERRIS: i64 = 7;

impl<E: Engine> Application<E> {
    pub(crate) async fn start(pool: E) -> Self {
        Self::configured(pool, |sessions| sessions).await
    }

    pub(crate) async fn configured(pool: E, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let store = pool.store().await;
        pool.execute("CREATE TABLE users (id BIGINT PRIMARY KEY, password BIGINT)").await;
        pool.execute("INSERT INTO users VALUES (7, 1), (8, 1)").await;
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let builder = SessionManager::builder(store.clone())
            .keys(KeyRing::new([[7; 32]]).unwrap())
            .revocation_poll(Duration::from_secs(3600))
            .on_event(move |event| told.lock().unwrap().extend(word_of(event)));
        let sessions = configure(builder).build().unwrap();
        let shared = (sessions.clone(), store.clone());
        let routes = Router::new()
            .route("/login/{user}", post(login))
            .route("/login-now/{user}", post(login_now))
            .route("/me", get(async |user: UserSession| format!("{:?} {}", user.role, user.visits)))
            .route("/id", get(async |session: Session<UserSession>| session.id().to_string()))
            .route("/visit", post(visit))
            .route("/wait", get(async |it: Session<UserSession>| it.wait_until_ended().await))
            .route("/logout", post(logout))
            .route("/register/{user}/{end}", post(register::<E>))
            .route("/change-password", post(change_password::<E>))
            .with_state(shared)
            .layer(sessions.layer());
        Self { pool, store, sessions, events, served: Served::start(routes).await }
    }

    pub(crate) async fn begin(&self) -> Transaction<E, UserSession> {
        self.sessions.begin(&self.store).await.unwrap()
    }

    pub(crate) async fn log_in(&self, user: i64) -> String {
        let login = self.post(&format!("/login/{user}")).send().await;
        login.expect(StatusCode::OK).cookie()
    }

    pub(crate) async fn id(&self, cookie: &str) -> SessionId {
        let id = self.get("/id").cookie(cookie).send().await.expect(StatusCode::OK);
        id.text().parse().unwrap()
    }

    pub(crate) async fn me(&self, cookie: &str) -> Answer {
        self.get("/me").cookie(cookie).send().await
    }

    pub(crate) async fn is_live(&self, cookie: &str) -> bool {
        match self.me(cookie).await.status {
            StatusCode::OK => true,
            StatusCode::UNAUTHORIZED => false,
            other => panic!("{other}"),
        }
    }

    pub(crate) async fn password(&self) -> i64 {
        self.pool.number("SELECT password FROM users WHERE id = 7").await
    }

    /// What was told since the last call, without logins.
    pub(crate) fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

/// The application's own statement.
pub(crate) async fn set_password<E: Engine>(transaction: &mut Transaction<E, UserSession>) {
    E::execute_in(transaction, "UPDATE users SET password = 2 WHERE id = 7").await.unwrap();
}

pub(crate) fn word_of(event: &Event<'_, UserSession>) -> Option<String> {
    match event {
        Event::Revoked { which, count, reason } => {
            let which = format!("{which:?}");
            let which = which.split('(').next().unwrap();
            Some(format!("{which} {count} {}", reason.as_str()))
        }
        Event::Updated { session } => Some(format!("updated {:?}", session.data.role)),
        Event::Created { .. } => Some("created".to_owned()),
        _ => None,
    }
}

fn session_of(user_id: i64) -> UserSession {
    UserSession { user_id, role: Role::Admin, visits: 0 }
}

async fn login(auth: Auth<UserSession>, Path(user): Path<i64>) -> Result<(), Error> {
    auth.login(session_of(user)).await.map(drop)
}

async fn login_now(auth: Auth<UserSession>, Path(user): Path<i64>) -> Result<(), Error> {
    auth.login(session_of(user)).starting_now().await.map(drop)
}

async fn visit(mut session: Session<UserSession>) -> Result<(), Error> {
    session.update(|user| user.visits += 1).await
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

type Shared<E> = (SessionManager<UserSession>, <E as Engine>::Store<UserSession>);

/// Creates a user and logs them in, together. The body says whether the session was usable before
/// the commit.
async fn register<E: Engine>(
    auth: Auth<UserSession>,
    State((sessions, store)): State<Shared<E>>,
    Path((user, end)): Path<(i64, String)>,
) -> Result<String, Error> {
    let mut transaction = sessions.begin(&store).await?;
    let insert = format!("INSERT INTO users VALUES ({user}, 1)");
    E::execute_in(&mut transaction, &insert).await.unwrap();
    let pending = auth.login(session_of(user)).within(&mut transaction).await?;
    let id = pending.id();
    let before = auth.session().await?.map(|session| session.user_id);
    match end.as_str() {
        "commit" => transaction.commit().await?,
        "rollback" => transaction.rollback().await?,
        _ => drop(transaction),
    }
    let after = auth.session().await?;
    let is_new = after.as_ref().is_some_and(|session| session.id() == id);
    Ok(format!("{before:?} {:?} {is_new}", after.map(|session| session.user_id)))
}

/// Logs in too early.
async fn change_password<E: Engine>(
    auth: Auth<UserSession>,
    State((sessions, store)): State<Shared<E>>,
) -> Result<(), Error> {
    let mut transaction = sessions.begin(&store).await?;
    set_password::<E>(&mut transaction).await;
    transaction.cut_off(&FERRIS).await?;
    auth.login(session_of(FERRIS)).starting_now().within(&mut transaction).await?;
    transaction.commit().await
}
