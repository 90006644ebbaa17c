//! The payloads of these tests, and their managers.

use anchor::frontend::{Bearer, CustomHeader, SessionCookie};
use anchor::manager::SessionManagerBuilder;
use anchor::prelude::*;
use http::HeaderName;

#[derive(Debug, Clone, PartialEq, Column)]
pub(crate) enum Role {
    Member,
    Admin,
}

#[derive(Clone, SessionData)]
#[session(cookie = "__Host-openapi")]
pub(crate) struct UserSession {
    #[session(subject)]
    pub(crate) user_id: i64,
    #[session(role)]
    pub(crate) role: Role,
}

impl UserSession {
    pub(crate) fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

/// Sessions that travel in a cookie, as a bearer token and in a header.
#[derive(Clone, SessionData)]
#[session(cookie = "__Host-openapi-staff")]
pub(crate) struct StaffSession {
    #[session(subject)]
    pub(crate) user_id: i64,
}

/// Sessions of which browsers send nothing by themselves.
#[derive(Clone, SessionData)]
pub(crate) struct DeviceSession {
    #[session(subject)]
    pub(crate) user_id: i64,
}

fn builder<T: SessionData>() -> SessionManagerBuilder<T>
where
    MemoryStore<T>: SessionStore<T>,
{
    SessionManager::builder(MemoryStore::new()).keys(KeyRing::generate().expect("keys"))
}

pub(crate) fn users() -> SessionManager<UserSession> {
    builder().build().expect("a manager")
}

pub(crate) fn staff() -> SessionManager<StaffSession> {
    builder()
        .frontend(SessionCookie::new("__Host-openapi-staff"))
        .add_frontend(Bearer)
        .add_frontend(CustomHeader::new(HeaderName::from_static("x-openapi-staff")))
        .build()
        .expect("a manager")
}

pub(crate) fn devices() -> SessionManager<DeviceSession> {
    let header = CustomHeader::new(HeaderName::from_static("x-openapi-device"));
    builder().frontend(header).build().expect("a manager")
}

/// A manager whose refusals the application answers itself.
pub(crate) fn users_with_own_answers() -> SessionManager<UserSession> {
    let answer = |_: &anchor::Rejection, _: &http::request::Parts| {
        axum::response::IntoResponse::into_response("own")
    };
    builder().on_reject(answer).build().expect("a manager")
}
