//! A login in a transaction of the application's.

use std::sync::{Arc, Mutex};

use anchor::frontend::CustomHeader;
use anchor::prelude::*;
use anchor::{Error, SessionData};
use anchor_tests::http::Served;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use http::{HeaderName, StatusCode};

use crate::application::Application;
use crate::engine::{A_MOMENT, Engine, Transaction, on_every_database};

on_every_database![
    a_registration_logs_in_when_it_commits,
    a_registration_that_is_rolled_back_logs_nobody_in,
    a_limit_holds_for_logins_in_transactions,
    a_limit_holds_for_logins_that_do_not_see_each_other,
    the_token_goes_to_the_frontend_that_the_login_names,
    a_login_that_is_refused_commits_nothing,
    a_login_whose_response_was_sent_says_so_even_if_it_cannot_be_ended,
];

async fn a_registration_logs_in_when_it_commits<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let before = app.log_in(8).await;
    app.events();
    let answer = app.post("/register/9/commit").cookie(&before).send().await;
    let answer = answer.expect(StatusCode::OK);
    // Before the commit, the request still has its old session.
    assert_eq!(answer.text(), "Some(8) Some(9) true");
    let cookie = answer.cookie();
    assert!(app.is_live(&cookie).await);
    assert!(!app.is_live(&before).await, "it was replaced");
    assert_eq!(app.pool.number("SELECT COUNT(*) FROM users WHERE id = 9").await, 1);
    assert_eq!(app.events(), ["created"]);
}

async fn a_registration_that_is_rolled_back_logs_nobody_in<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let before = app.log_in(8).await;
    app.events();
    for end in ["rollback", "drop"] {
        let answer = app.post(&format!("/register/9/{end}")).cookie(&before).send().await;
        let answer = answer.expect(StatusCode::OK);
        assert_eq!(answer.text(), "Some(8) Some(8) false");
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
        assert!(app.is_live(&before).await);
        assert_eq!(app.pool.number("SELECT COUNT(*) FROM users WHERE id = 9").await, 0);
        assert_eq!(app.sessions.list(&9).await.unwrap().len(), 0);
    }
    assert_eq!(app.events(), [""; 0]);
}

#[derive(Clone, SessionData)]
#[session(table = "tx_few", cookie = "__Host-tx-few", max_per_subject = 2)]
struct Few {
    #[session(subject)]
    user_id: i64,
}

type Shared<E> = (E, SessionManager<Few>, <E as Engine>::Store<Few>);

/// Every other one by a transaction.
async fn login<E: Engine>(
    auth: Auth<Few>,
    State((_, sessions, store)): State<Shared<E>>,
    Path(number): Path<u32>,
) -> Result<(), anchor::Error> {
    let session = Few { user_id: 7 };
    if number % 2 == 0 {
        return auth.login(session).await.map(drop);
    }
    let mut transaction: Transaction<E, Few> = sessions.begin(&store).await?;
    auth.login(session).within(&mut transaction).await?;
    match number % 3 {
        0 => transaction.rollback().await,
        1 => transaction.commit().await,
        _ => {
            drop(transaction);
            Ok(())
        }
    }
}

async fn a_limit_holds_for_logins_in_transactions<E: Engine>(pool: E) {
    let store = pool.store::<Few>().await;
    let keys = KeyRing::new([[7; 32]]).unwrap();
    let sessions = SessionManager::builder(store.clone()).keys(keys).build().unwrap();
    let shared = (pool, sessions.clone(), store);
    let routes = Router::new().route("/login/{number}", post(login::<E>)).with_state(shared);
    let app = Arc::new(Served::start(routes.layer(sessions.layer())).await);
    let logins: Vec<_> = (0..24)
        .map(|number| {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                let login = app.post(&format!("/login/{number}")).send().await;
                login.expect(StatusCode::OK);
            })
        })
        .collect();
    for login in logins {
        login.await.unwrap();
    }
    assert_eq!(sessions.list(&7).await.unwrap().len(), 2);
    // No lock is left.
    app.post("/login/0").send().await.expect(StatusCode::OK);
    app.post("/login/1").send().await.expect(StatusCode::OK);
    assert_eq!(sessions.list(&7).await.unwrap().len(), 2);
}

/// The transaction stays open for a moment after its login.
async fn log_in_slowly<E: Engine>(
    auth: Auth<Few>,
    State((_, sessions, store)): State<Shared<E>>,
) -> Result<(), anchor::Error> {
    let mut transaction: Transaction<E, Few> = sessions.begin(&store).await?;
    auth.login(Few { user_id: 7 }).within(&mut transaction).await?;
    tokio::time::sleep(A_MOMENT).await;
    transaction.commit().await
}

async fn a_limit_holds_for_logins_that_do_not_see_each_other<E: Engine>(pool: E) {
    let store = pool.store::<Few>().await;
    let keys = KeyRing::new([[7; 32]]).unwrap();
    let sessions = SessionManager::builder(store.clone()).keys(keys).build().unwrap();
    let shared = (pool, sessions.clone(), store);
    let routes = Router::new().route("/login", post(log_in_slowly::<E>)).with_state(shared);
    let app = Served::start(routes.layer(sessions.layer())).await;
    let login = async || app.post("/login").send().await.expect(StatusCode::OK);
    tokio::join!(login(), login(), login(), login());
    assert_eq!(sessions.list(&7).await.unwrap().len(), 2);
}

const X_FEW: HeaderName = HeaderName::from_static("x-few");

/// Logs in on the frontend that the path names.
async fn login_via<E: Engine>(
    auth: Auth<Few>,
    State((_, sessions, store)): State<Shared<E>>,
    Path(frontend): Path<String>,
) -> Result<String, anchor::Error> {
    let mut transaction: Transaction<E, Few> = sessions.begin(&store).await?;
    let frontend = CustomHeader::new(frontend.parse().unwrap());
    let login = auth.login(Few { user_id: 7 }).via(frontend);
    let login = login.within(&mut transaction).await?;
    transaction.commit().await?;
    Ok(login.token().expose().to_owned())
}

async fn the_token_goes_to_the_frontend_that_the_login_names<E: Engine>(pool: E) {
    let store = pool.store::<Few>().await;
    let sessions = SessionManager::builder(store.clone()).keys(KeyRing::new([[7; 32]]).unwrap());
    let sessions = sessions.add_frontend(CustomHeader::new(X_FEW)).build().unwrap();
    let shared = (pool, sessions.clone(), store);
    let routes = Router::new()
        .route("/login/{frontend}", post(login_via::<E>))
        .route("/me", get(async |few: Few| few.user_id.to_string()))
        .with_state(shared);
    let app = Served::start(routes.layer(sessions.layer())).await;
    let login = app.post("/login/x-few").send().await.expect(StatusCode::OK);
    assert!(login.set_cookies().is_empty(), "{login:?}");
    let token = login.header(X_FEW).unwrap();
    assert_eq!(token, login.text());
    app.get("/me").header(X_FEW, token).send().await.expect(StatusCode::OK);
    let unknown = app.post("/login/x-unknown").send().await;
    unknown.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(sessions.list(&7).await.unwrap().len(), 1);
}

/// What a handler leaves for after its response.
struct Left<E: Engine> {
    sessions: SessionManager<Few>,
    store: E::Store<Few>,
    auth: Mutex<Option<Auth<Few>>>,
    transaction: Mutex<Option<Transaction<E, Few>>>,
}

impl<E: Engine> Left<E> {
    async fn start(pool: &E) -> (Arc<Self>, Served) {
        let store = pool.store::<Few>().await;
        let keys = KeyRing::new([[7; 32]]).unwrap();
        let sessions = SessionManager::builder(store.clone()).keys(keys).build().unwrap();
        let layer = sessions.layer();
        let (auth, transaction) = (Mutex::default(), Mutex::default());
        let left = Arc::new(Self { sessions, store, auth, transaction });
        let routes = Router::new()
            .route("/leave", post(leave::<E>))
            .route("/log-in-and-leave", post(log_in_and_leave::<E>))
            .with_state(Arc::clone(&left));
        (left, Served::start(routes.layer(layer)).await)
    }
}

async fn leave<E: Engine>(auth: Auth<Few>, State(left): State<Arc<Left<E>>>) {
    *left.auth.lock().unwrap() = Some(auth);
}

async fn log_in_and_leave<E: Engine>(
    auth: Auth<Few>,
    State(left): State<Arc<Left<E>>>,
) -> Result<(), Error> {
    let mut transaction: Transaction<E, Few> = left.sessions.begin(&left.store).await?;
    auth.login(Few { user_id: 7 }).within(&mut transaction).await?;
    *left.transaction.lock().unwrap() = Some(transaction);
    Ok(())
}

async fn a_login_that_is_refused_commits_nothing<E: Engine>(pool: E) {
    let (left, app) = Left::start(&pool).await;
    app.post("/leave").send().await.expect(StatusCode::OK);
    let auth = left.auth.lock().unwrap().take().unwrap();
    let too_late = || auth.login(Few { user_id: 7 });
    let nowhere = || auth.login(Few { user_id: 7 }).via(CustomHeader::new(X_FEW));
    for login in [too_late(), nowhere()] {
        let mut transaction: Transaction<E, Few> = left.sessions.begin(&left.store).await.unwrap();
        let refused = login.within(&mut transaction).await.unwrap_err();
        assert!(matches!(refused, Error::ResponseBegun | Error::UnknownFrontend { .. }));
        let refused = transaction.commit().await.unwrap_err();
        assert!(refused.to_string().contains("begin another one"), "{refused}");
    }
}

async fn a_login_whose_response_was_sent_says_so_even_if_it_cannot_be_ended<E: Engine>(pool: E) {
    let (left, app) = Left::start(&pool).await;
    for (live, can_be_ended) in [(0, true), (1, false)] {
        if !can_be_ended {
            pool.refuse("not_ended", "BEFORE DELETE", "tx_few", "1 = 1").await;
        }
        let answer = app.post("/log-in-and-leave").send().await.expect(StatusCode::OK);
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
        let transaction = left.transaction.lock().unwrap().take().unwrap();
        let refused = transaction.commit().await.unwrap_err();
        assert!(matches!(refused, Error::ResponseBegun), "{refused}");
        assert_eq!(left.sessions.list(&7).await.unwrap().len(), live);
    }
}
