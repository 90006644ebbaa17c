//! Deny by default: axum's routing for handlers that declare a policy. [`Declared`] says what
//! counts as a declaration. [`RoutePolicies`] is the table of what was declared.
//!
//! Import these items instead of axum's. A handler without `#[require_session(UserSession)]`,
//! `#[logout(UserSession)]` or `#[public]` then does not compile:
//!
//! ```
//! use anchor::prelude::*;
//! use anchor::routing::{Router, get};
//!
//! #[derive(Clone, SessionData)]
//! # #[session(cookie = "__Host-deny")]
//! struct UserSession { admin: bool }
//!
//! #[public]
//! async fn home() -> &'static str { "welcome" }
//!
//! #[require_session(UserSession, when = |user: &UserSession| user.admin)]
//! async fn stats() -> &'static str { "42" }
//!
//! # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
//! #     .keys(KeyRing::generate()?).build()?;
//! let app = Router::new()
//!     .route("/", get(home))
//!     .nest("/admin", Router::new().route("/stats", get(stats)))
//!     .sessions(&sessions);
//!
//! assert_eq!(app.policies().to_string(), "\
//! GET  /             public
//! GET  /admin/stats  session UserSession, when |user: &UserSession| user.admin
//! ");
//!
//! // Fails if a route has not the sessions that it needs.
//! let app: axum::Router = app.build()?;
//! # Ok::<_, anchor::ConfigError>(())
//! ```
//!
//! ```compile_fail
//! use anchor::routing::{Router, get};
//!
//! async fn stats() -> &'static str { "42" }
//!
//! // error: this handler does not say who may call it: write `#[require_session(UserSession)]`,
//! // `#[logout(UserSession)]` or `#[public]`
//! let app: Router = Router::new().route("/stats", get(stats));
//! ```
//!
//! A guard without a type, such as `#[require_session]` alone, does not compile either: it accepts
//! any session that the route has a layer for, so a lost layer could open an administrator's page
//! to a user. (An argument `Session<UserSession>` gives the guard its type.)
//!
//! A `#[logout]` under [`get`], [`head`], [`options`] or [`trace`] does not compile either, because
//! a link on another site could request it. [`any`], [`on`] and fallbacks accept it; it then
//! answers these methods with 405.
//!
//! A tower service has no arguments that could declare a policy: [`public_service`] declares it
//! open. [`Router::merge_unchecked`] adds an axum router. Both are listed in the table.
//!
//! What is under a [guard](crate::guard::RequireSession) may be plain: the guard declares the
//! policy of a whole router of axum, of the handlers of a path, or of a service.
//!
//! ```
//! use anchor::prelude::*;
//! use anchor::routing::{Router, get};
//! # #[derive(Clone, SessionData)]
//! # #[session(cookie = "__Host-routing")]
//! # struct UserSession { admin: bool }
//! # impl UserSession { fn is_admin(&self) -> bool { self.admin } }
//! # #[public]
//! # async fn home() {}
//! # async fn stats() {}
//! # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
//! #     .keys(KeyRing::generate()?).build()?;
//! # let files = axum::routing::any(|| async {});
//!
//! let admin = axum::Router::new().route("/stats", axum::routing::get(stats));
//! let app: Router = Router::new()
//!     .route("/", get(home))
//!     .nest("/admin", sessions.require().when(UserSession::is_admin).layer(admin))
//!     .nest_service("/files", sessions.require().layer(files))
//!     .sessions(&sessions);
//!
//! assert_eq!(app.policies().to_string(), "\
//! GET  /         public
//! any  /admin/*  session UserSession, when UserSession::is_admin
//! any  /files/*  session UserSession
//! ");
//! # Ok::<_, anchor::ConfigError>(())
//! ```

mod check;
mod closing;
mod declared;
#[cfg(feature = "_openapi")]
mod describe;
mod group;
#[cfg(feature = "_openapi")]
mod matching;
mod method_router;
mod public_service;
mod route;
mod route_table;
mod router;

pub use axum::routing::MethodFilter;
pub use declared::{
    AllMethods, Declaration, Declared, DeclaredPolicy, FirstArgument, IncludeSafe, NoArgument,
    UnsafeMethods,
};
pub use group::DeclaredRoutes;
pub use method_router::{
    DeclaredHandlers, MethodRouter, any, connect, delete, get, head, on, options, patch, post, put,
    trace,
};
pub use public_service::{DeclaredService, PublicService, public_service};
pub use route_table::{RouteMethod, RoutePolicies, RoutePolicy};
pub use router::Router;

pub use crate::request::scope::LogoutReach;
