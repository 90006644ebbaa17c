//! Deny by default: axum's routing, for handlers that declare a policy. [`Declared`] says what
//! counts as one; [`RoutePolicies`] is the table of what was declared.
//!
//! Import these in place of axum's, and a handler without `#[require_session(UserSession)]`,
//! `#[logout(UserSession)]` or `#[public]` does not compile:
//!
//! ```
//! use anchor::prelude::*;
//! use anchor::routing::{Router, get};
//!
//! #[derive(Clone, SessionData)]
//! struct UserSession { admin: bool }
//!
//! #[public]
//! async fn home() -> &'static str { "welcome" }
//!
//! #[require_session(UserSession, when = |user: &UserSession| user.admin)]
//! async fn stats() -> &'static str { "42" }
//!
//! let app = Router::new()
//!     .route("/", get(home))
//!     .nest("/admin", Router::new().route("/stats", get(stats)));
//!
//! assert_eq!(app.policies().to_string(), "\
//! GET  /             public
//! GET  /admin/stats  session UserSession, when |user: &UserSession| user.admin
//! ");
//! # let _: Router = app;
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
//! A guard without a type, such as `#[require_session]` alone, does not compile either: it takes
//! any session that the route has a layer for, so a lost layer could open an administrator's page
//! to a user. (An argument `Session<UserSession>` gives it its type.)
//!
//! Nor does a `#[logout]` under [`get`], [`head`], [`options`] or [`trace`]: a link on another site
//! could ask for it. [`any`], [`on`] and fallbacks take it, and there it answers these methods with
//! 405.
//!
//! A tower service has no arguments to declare a policy with: [`public_service`] says that it is
//! open. A router of axum's comes in through [`Router::merge_unchecked`]. Both stand in the table.

mod declared;
mod method_router;
mod policies;
mod public_service;
mod router;

pub use axum::routing::MethodFilter;
pub use declared::{
    AllMethods, Declaration, Declared, DeclaredPolicy, FirstArgument, IncludeSafe, NoArgument,
    UnsafeMethods,
};
pub use method_router::{
    DeclaredHandlers, MethodRouter, any, connect, delete, get, head, on, options, patch, post, put,
    trace,
};
pub use policies::{RouteMethod, RoutePolicies, RoutePolicy};
pub use public_service::{PublicService, public_service};
pub use router::Router;

pub use crate::request::scope::LogoutScope;
