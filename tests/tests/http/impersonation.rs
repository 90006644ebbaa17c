//! An administrator acts as a user: the session says so, `fresh` refuses it, it ends with the
//! administrator's own session, and that one is still there afterwards.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::manager::{BoxError, Event, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::Record;
use anchor::{Error, SessionId};
use anchor_tests::http::{Answer, Served};
use anchor_tests::{Backend, Watched, logs};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::{ACCEPT, LOCATION};
use http::request::Parts;
use uuid::Uuid;

use crate::application::KEY;
use crate::tokens::id_of;

on_every_store![
    an_impersonation_says_so_to_the_handler_the_device_list_and_the_audit,
    fresh_never_passes_for_an_impersonator,
    a_login_in_an_impersonation_does_not_hide_the_impersonator,
    a_logout_returns_to_the_administrators_own_session,
    an_administrator_whose_session_ended_meanwhile_is_sent_to_the_login,
    the_impersonation_ends_with_the_administrators_session_however_that_ends,
    the_impersonation_has_its_own_deadline_which_no_use_extends,
    a_user_and_a_stranger_cannot_impersonate,
];

#[derive(Debug, Clone, SessionData)]
#[session(table = "staff_sessions", cookie = "__Host-staff", idle = "30m", absolute = "12h")]
struct AdminSession {
    #[session(subject)]
    admin_id: i64,
}

#[derive(Debug, Clone, SessionData)]
#[session(table = "client_sessions", cookie = "__Host-client")]
struct ClientSession {
    #[session(subject)]
    user_id: i64,
    #[session(impersonator)]
    impersonated_by: Option<i64>,
    /// The session of the administrator, with which this one ends.
    admin_session: Option<Uuid>,
}

/// Refuses an impersonation without its administrator's session.
struct WithItsAdministrator(SessionManager<AdminSession>);

impl Verifier<ClientSession> for WithItsAdministrator {
    async fn verify(&self, user: &Record<ClientSession>, _: &Parts) -> Result<Verdict, BoxError> {
        let (by, id) = match (user.data.impersonated_by, user.data.admin_session) {
            (None, None) => return Ok(Verdict::Accept),
            (Some(by), Some(id)) => (by, SessionId::from_uuid(id)),
            _ => return Ok(Verdict::Refuse),
        };
        let is_its = self.0.get(id).await?.is_some_and(|admin| admin.data.admin_id == by);
        Ok(if is_its { Verdict::Accept } else { Verdict::Refuse })
    }
}

#[require_session(AdminSession, fresh = "10m")]
async fn impersonate(
    admin: Session<AdminSession>,
    auth: Auth<ClientSession>,
    user_id: String,
) -> Result<Redirect, Error> {
    let user = ClientSession {
        user_id: user_id.parse().unwrap(),
        impersonated_by: Some(admin.admin_id),
        admin_session: Some(*admin.id().as_uuid()),
    };
    auth.login(user).at_most(Duration::from_secs(3600)).await?;
    Ok(Redirect::to("/"))
}

/// Ends the user's session, and returns to the page that only an administrator sees.
async fn logout(
    session: Option<Session<ClientSession>>,
    auth: Auth<ClientSession>,
) -> Result<Redirect, Error> {
    auth.logout().await?;
    let impersonated = session.is_some_and(|session| session.impersonated_by.is_some());
    Ok(Redirect::to(if impersonated { "/admin" } else { "/" }))
}

#[require_session(AdminSession, redirect = "/admin/login")]
async fn admin(admin: AdminSession) -> String {
    format!("administrator {}", admin.admin_id)
}

#[require_session(ClientSession)]
async fn me(session: Session<ClientSession>) -> String {
    match session.impersonated_by {
        Some(admin) => format!("{}, by {admin}", session.user_id),
        None => session.user_id.to_string(),
    }
}

#[require_session(ClientSession)]
async fn devices(session: Session<ClientSession>) -> Result<Json<Vec<Option<i64>>>, Error> {
    let devices = session.siblings().await?;
    Ok(Json(devices.iter().map(|device| device.data.impersonated_by).collect()))
}

#[require_session(ClientSession, fresh = "10m")]
async fn change_password() {}

/// What an application might do wrongly: no password of the user was checked.
#[require_session(ClientSession)]
async fn reauthenticate(mut session: Session<ClientSession>) -> Result<(), Error> {
    session.reauthenticated().await.map(drop)
}

/// A handler that logs the same user in again, such as after a change of their settings.
#[require_session(ClientSession)]
async fn log_in_again(
    session: Session<ClientSession>,
    auth: Auth<ClientSession>,
    by: String,
) -> Result<(), Error> {
    let data = ClientSession {
        impersonated_by: by.parse().ok(),
        user_id: if by == "another user" { 8 } else { session.user_id },
        ..session.data().clone()
    };
    let mine = ClientSession { admin_session: None, ..data.clone() };
    if by == "after the logout" {
        auth.logout().await?;
    }
    auth.login(if data.impersonated_by.is_some() { data } else { mine }).await.map(drop)
}

#[require_session(ClientSession)]
async fn age(session: Session<ClientSession>) -> String {
    format!("{:?}", session.authenticated_for() == Duration::MAX)
}

#[require_session(ClientSession)]
async fn keep(session: Session<ClientSession>) -> Result<(), Error> {
    session.touch().await.map(drop)
}

#[require_session(ClientSession)]
async fn launder(mut session: Session<ClientSession>) -> Result<(), Error> {
    session.update(|user| user.impersonated_by = None).await
}

async fn user_login(auth: Auth<ClientSession>, id: String) -> Result<(), Error> {
    let user_id = id.parse().unwrap();
    let user = ClientSession { user_id, impersonated_by: None, admin_session: None };
    auth.login(user).await.map(drop)
}

async fn admin_login(auth: Auth<AdminSession>, id: String) -> Result<(), Error> {
    auth.login(AdminSession { admin_id: id.parse().unwrap() }).await.map(drop)
}

#[logout(AdminSession)]
async fn admin_logout() {}

struct Office {
    admins: SessionManager<AdminSession>,
    users: SessionManager<ClientSession>,
    audit: Arc<Mutex<Vec<(i64, i64)>>>,
    served: Served,
}

impl Office {
    async fn open(backend: &Backend) -> Self {
        let audit = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&audit);
        let keys = KeyRing::new([KEY]).unwrap();
        let admins = SessionManager::builder(Watched::new(backend.store().await))
            .keys(keys.clone())
            .build()
            .unwrap();
        let users = SessionManager::builder(Watched::new(backend.store().await))
            .keys(keys)
            .verifier(WithItsAdministrator(admins.clone()))
            .on_event(move |event: &Event<'_, ClientSession>| {
                if let Event::Created { session, .. } = event
                    && let Some(admin) = session.data.impersonated_by
                {
                    written.lock().unwrap().push((admin, session.data.user_id));
                }
            })
            .build()
            .unwrap();
        let router = Router::new()
            .route("/impersonate", post(impersonate))
            .route("/logout", post(logout))
            .route("/admin", get(admin))
            .route("/me", get(me))
            .route("/devices", get(devices))
            .route("/password", post(change_password))
            .route("/reauthenticate", post(reauthenticate))
            .route("/launder", post(launder))
            .route("/login/again", post(log_in_again))
            .route("/age", get(age))
            .route("/keep", post(keep))
            .route("/login", post(user_login))
            .route("/admin/login", post(admin_login))
            .route("/admin/logout", post(admin_logout))
            .layer(users.layer())
            .layer(admins.layer());
        Self { admins, users, audit, served: Served::start(router).await }
    }

    async fn post(&self, path: &str, cookie: &str, body: &str) -> Answer {
        self.served.post(path).cookie(cookie).body(body.to_owned()).send().await
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.served.get(path).cookie(cookie).header(ACCEPT, "text/html").send().await
    }

    /// The cookies of administrator 1 and of user 7, as whom they act.
    async fn impersonation(&self) -> (String, String) {
        let admin = self.post("/admin/login", "", "1").await.expect(StatusCode::OK).cookie();
        let user = self.post("/impersonate", &admin, "7").await.expect(StatusCode::SEE_OTHER);
        (admin, user.cookie())
    }
}

async fn an_impersonation_says_so_to_the_handler_the_device_list_and_the_audit(backend: Backend) {
    let office = Office::open(&backend).await;
    let own = office.post("/login", "", "7").await.expect(StatusCode::OK).cookie();
    let (admin, user) = office.impersonation().await;
    let both = format!("{admin}; {user}");
    assert_eq!(office.get("/me", &both).await.text(), "7, by 1");
    assert_eq!(office.get("/me", &own).await.text(), "7");
    // The user sees it among their devices.
    assert_eq!(office.get("/devices", &own).await.text(), "[1,null]");
    assert_eq!(*office.audit.lock().unwrap(), [(1, 7)]);
    assert_eq!(office.get("/admin", &both).await.text(), "administrator 1");
}

async fn fresh_never_passes_for_an_impersonator(backend: Backend) {
    let office = Office::open(&backend).await;
    let own = office.post("/login", "", "7").await.cookie();
    office.post("/password", &own, "").await.expect(StatusCode::OK);
    let (_, user) = office.impersonation().await;
    let refused = office.post("/password", &user, "").await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused.text(), "{\"error\":\"forbidden\"}", "a password would not help");
    assert_eq!(office.get("/age", &user).await.text(), "true", "its subject proved nothing");
    let refused = office.post("/reauthenticate", &user, "").await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused.text(), "{\"error\":\"impersonated\"}");
    assert!(refused.set_cookies().is_empty(), "{refused:?}");
    office.post("/password", &user, "").await.expect(StatusCode::FORBIDDEN);
    let own = office.post("/reauthenticate", &own, "").await.expect(StatusCode::OK).cookie();
    assert_eq!(office.get("/age", &own).await.text(), "false");
    // Nor does an update make it the user's own session.
    let laundered = office.post("/launder", &user, "").await;
    laundered.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(office.get("/me", &user).await.text(), "7, by 1");
}

async fn a_login_in_an_impersonation_does_not_hide_the_impersonator(backend: Backend) {
    let office = Office::open(&backend).await;
    let (_, user) = office.impersonation().await;
    for by in ["nobody", "2"] {
        let refused = office.post("/login/again", &user, by).await.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused.text(), "{\"error\":\"impersonated\"}");
        assert!(refused.set_cookies().is_empty(), "{refused:?}");
        assert_eq!(office.get("/me", &user).await.text(), "7, by 1", "nothing has changed");
    }
    assert_eq!(office.users.list(&7).await.unwrap().len(), 1);
    let user = office.post("/login/again", &user, "1").await.expect(StatusCode::OK).cookie();
    assert_eq!(office.get("/me", &user).await.text(), "7, by 1");
    // Who ends the impersonation, or logs in as somebody else, is no longer in it.
    let own = office.post("/login/again", &user, "after the logout").await.expect(StatusCode::OK);
    assert_eq!(office.get("/me", &own.cookie()).await.text(), "7");
    let (_, user) = office.impersonation().await;
    let other = office.post("/login/again", &user, "another user").await.expect(StatusCode::OK);
    assert_eq!(office.get("/me", &other.cookie()).await.text(), "8");
    // A user's own session is replaced as ever.
    let own = office.post("/login", "", "7").await.cookie();
    let again = office.post("/login/again", &own, "nobody").await.expect(StatusCode::OK);
    assert_eq!(office.get("/me", &again.cookie()).await.text(), "7");
    let id = id_of(&user);
    let error = Error::Impersonated { id }.to_string();
    assert!(error.contains("end it first with `auth.logout()`"), "{error}");
}

async fn a_logout_returns_to_the_administrators_own_session(backend: Backend) {
    let office = Office::open(&backend).await;
    let (admin, user) = office.impersonation().await;
    let logout = office.post("/logout", &format!("{admin}; {user}"), "").await;
    let logout = logout.expect(StatusCode::SEE_OTHER);
    assert_eq!(logout.header(LOCATION), Some("/admin"));
    assert!(logout.set_cookie().starts_with("__Host-client=;"), "{logout:?}");
    office.get("/me", &user).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(office.get("/admin", &admin).await.text(), "administrator 1", "its session is live");
    assert!(office.users.get(id_of(&user)).await.unwrap().is_none());
    // Whoever is not impersonated goes elsewhere.
    let own = office.post("/login", "", "7").await.cookie();
    assert_eq!(office.post("/logout", &own, "").await.header(LOCATION), Some("/"));
}

async fn an_administrator_whose_session_ended_meanwhile_is_sent_to_the_login(backend: Backend) {
    let office = Office::open(&backend).await;
    let (admin, user) = office.impersonation().await;
    office.admins.revoke_subject(&1).await.unwrap();
    let both = format!("{admin}; {user}");
    office.post("/logout", &both, "").await.expect(StatusCode::SEE_OTHER);
    assert!(office.users.get(id_of(&user)).await.unwrap().is_none());
    let admin = office.get("/admin", &both).await.expect(StatusCode::SEE_OTHER);
    assert_eq!(admin.header(LOCATION), Some("/admin/login?next=/admin"));
}

async fn the_impersonation_ends_with_the_administrators_session_however_that_ends(
    backend: Backend,
) {
    let office = Office::open(&backend).await;
    for end in ["logout", "revoked", "new login"] {
        let (admin, user) = office.impersonation().await;
        office.get("/me", &user).await.expect(StatusCode::OK);
        match end {
            "logout" => drop(office.post("/admin/logout", &admin, "").await),
            "revoked" => drop(office.admins.revoke(id_of(&admin)).await.unwrap()),
            _ => drop(office.post("/admin/login", &admin, "2").await),
        }
        // On its own, and beside the dead cookie.
        office.get("/me", &user).await.expect(StatusCode::UNAUTHORIZED);
        office.get("/me", &format!("{admin}; {user}")).await.expect(StatusCode::UNAUTHORIZED);
    }
}

async fn the_impersonation_has_its_own_deadline_which_no_use_extends(backend: Backend) {
    let office = Office::open(&backend).await;
    let (_, user) = office.impersonation().await;
    let hour = |record: &Record<ClientSession>| {
        let until = [record.expires_at, record.deadline].map(anchor::Timestamp::as_micros);
        until.map(|until| until - record.created_at.as_micros()) == [3_600_000_000; 2]
    };
    let record = office.users.get(id_of(&user)).await.unwrap().unwrap();
    assert!(hour(&record), "{record:?}");
    // It would extend any other session to two hours.
    office.post("/keep", &user, "").await.expect(StatusCode::OK);
    let record = office.users.get(id_of(&user)).await.unwrap().unwrap();
    assert!(hour(&record), "{record:?}");
    let own = office.post("/login", "", "7").await.cookie();
    assert!(!hour(&office.users.get(id_of(&own)).await.unwrap().unwrap()));
}

async fn a_user_and_a_stranger_cannot_impersonate(backend: Backend) {
    let office = Office::open(&backend).await;
    let (_, user) = office.impersonation().await;
    let own = office.post("/login", "", "8").await.cookie();
    for cookie in ["", &own, &user, &own.replacen("__Host-client", "__Host-staff", 1)] {
        let refused = office.post("/impersonate", cookie, "7").await;
        refused.expect(StatusCode::UNAUTHORIZED);
    }
    assert_eq!(office.audit.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_log_names_the_administrator_and_the_user_and_of_other_logins_nobody() {
    logs::keep();
    let office = Office::open(&Backend::Memory).await;
    let (_, user) = office.impersonation().await;
    let own = office.post("/login", "", "8").await.expect(StatusCode::OK).cookie();
    let line = |cookie: &str| {
        let lines = logs::lines_with(&id_of(cookie).to_string());
        lines.into_iter().find(|line| line.contains("session created")).unwrap()
    };
    let (acting, own) = (line(&user), line(&own));
    assert!(acting.contains("subject=\"7\" impersonator=\"1\""), "{acting}");
    let named = ["subject=", "impersonator="].map(|name| own.contains(name));
    assert_eq!(named, [false, false], "{own}");
}
