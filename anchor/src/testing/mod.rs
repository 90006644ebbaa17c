//! The test kit: sessions, guards, clocks and faults for the tests of an application.
//!
//! It needs the feature `testing`, which belongs under `[dev-dependencies]`. The release build of a
//! manager with this feature logs a warning.
//!
//! ```toml
//! [dev-dependencies]
//! axum-anchor = { version = "0.1", features = ["testing"] }
//! ```
//!
//! | to | write |
//! | --- | --- |
//! | have a session | [`sessions.test_session(payload).await`](crate::SessionManager::test_session) |
//! | send it with a request | [`session.apply(request)`](TestSession::apply), [`session.header()`](TestSession::header) |
//! | call a guarded handler | `ban(`[`session.guard().await?`](TestSession::guard)`, Path(7)).await` |
//! | see what a guard refuses | [`session.check(ban).await`](TestSession::check) |
//! | have the arguments `Session<T>` and `Auth<T>` | [`session.session().await?`](TestSession::session), [`session.auth().await?`](TestSession::auth) |
//! | have those of a visitor | [`sessions.test_request(Request::new(()))`](crate::SessionManager::test_request) |
//! | let time pass | [`clock.advance(duration)`](Clock::advance), on a [`MemoryStore`](crate::MemoryStore::with_clock) |
//! | have a session that is old, unused or stale | [`test_session(payload).age(..)`](TestLogin::age), on any store |
//! | let the store fail or stall | [`store.fail(Verb::Load)`](Faulty::fail), [`store.stall(..)`](Faulty::stall) |
//! | see what a response does to the cookie | [`sessions.assert_session_set(&response)`](crate::SessionManager::assert_session_set), [`assert_session_removed`](crate::SessionManager::assert_session_removed) |
//!
//! Nothing is pretended. A test's session is created by the store's own `create`, and a guard that
//! a test runs is the code that a request to a router runs. There is no way past the guard of an
//! attribute: to test a handler's body alone, move the body into a function of its own. The guard
//! of a group is a layer ([`RequireSession`](crate::guard::RequireSession)): test it through the
//! router.
//!
//! ```
//! use anchor::prelude::*;
//! use axum::body::Body;
//! use axum::http::{Request, StatusCode};
//! use axum::routing::delete;
//! use axum::{Router, extract::Path};
//! # use tower_service::Service;
//!
//! #[derive(Clone, SessionData)]
//! struct UserSession { user_id: i64, admin: bool }
//!
//! #[require_session(UserSession, when = |user| user.admin)]
//! async fn ban(Path(user): Path<i64>) -> String {
//!     format!("banned {user}")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = SessionManager::builder(MemoryStore::new())
//!     .keys(KeyRing::generate()?)
//!     .build()?;
//! let admin = sessions.test_session(UserSession { user_id: 1, admin: true }).await;
//! let member = sessions.test_session(UserSession { user_id: 2, admin: false }).await;
//!
//! // The handler, called like a function.
//! assert_eq!(ban(admin.guard().await?, Path(7)).await, "banned 7");
//! assert_eq!(member.check(ban).await.unwrap_err().code(), Some("forbidden"));
//!
//! // The whole application. With `tower::ServiceExt`, `app.oneshot(request)`.
//! let mut app = Router::new().route("/users/{id}", delete(ban)).layer(sessions.layer());
//! let request = Request::delete("/users/7").body(Body::empty())?;
//! let response = app.call(member.apply(request)).await?;
//! assert_eq!(response.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```
//!
//! Give each payload of a test binary its own cookie name: the tests of one process share the rule
//! that two payloads cannot share a cookie. For the same reason, name the type in each guard.

mod client;
mod faulty;
mod guard;
mod hold;
mod login;
mod request;
mod response;
mod session;
mod verb;

pub use faulty::Faulty;
pub use guard::{Guard, GuardedHandler};
pub use hold::Hold;
pub use login::TestLogin;
pub use request::{Checking, Refused, TestRequest};
pub use response::ResponseHead;
pub use session::TestSession;
pub use verb::Verb;

#[cfg(feature = "memory")]
pub use crate::store::memory::test_clock::TestClock as Clock;
