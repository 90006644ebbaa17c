//! The guards in an OpenAPI document: what `#[require_session]` and `#[logout]` say of a handler,
//! its operation in the document says as well. With the feature `utoipa` or `aide`.
//!
//! | the route | its operation |
//! | --- | --- |
//! | needs a session | the security scheme, 401 and 503; 403 if a policy, or the origin check, may refuse the request |
//! | `#[logout]` | the security scheme as optional, 503; 403 if the origin check may refuse the request |
//! | `#[public]` | none of this |
//!
//! The security schemes are those of the manager's frontends: the cookie with its name, a bearer
//! token, a header. With several frontends, each is an alternative. The scheme has the name of the
//! payload, such as `UserSession`; several are called `UserSession.bearer` and so on.
//!
//! What OpenAPI has no word for is in the extension [`EXTENSION`]: one entry per session that the
//! operation uses, with `session` and, where they apply, `roles`, `fresh` (in seconds), `policies`,
//! `when`, `redirect` and `logout`. A role is written as in the attribute, or, in the guard of a
//! group, as its column stores it. A predicate is `"when": true`: its text is the application's.
//!
//! # With utoipa
//!
//! `Router::describe_in` of [`anchor::routing`](crate::routing) completes the document. It knows
//! the routes with their guards, so the order of the attributes does not matter, and the guards of
//! groups are included.
//!
//! # With aide
//!
//! The attributes insert an argument, and aide asks each argument of a handler for its part of the
//! operation. `SessionManager::describe_in` adds what the argument cannot know: the security
//! schemes, and the responses. `RequireSession::layer_api` guards a group.

#[cfg(feature = "aide")]
mod aide;
mod document;
mod response;
mod schemes;
mod session_use;
#[cfg(feature = "utoipa")]
mod utoipa;

#[cfg(feature = "aide")]
#[doc(hidden)]
pub use aide::describe_extractor;
pub use document::OpenApiDocument;
pub(crate) use document::{Document, Located, Operation};
pub(crate) use schemes::{mistakes_of, resolve, result_of, schemes_of};
pub(crate) use session_use::{SessionUse, add_use};

/// The name of the extension of an operation, which lists the sessions that it uses.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use aide::axum::ApiRouter;
/// use aide::axum::routing::get;
/// use aide::openapi::OpenApi;
/// use anchor::openapi::EXTENSION;
///
/// #[require_session(UserSession, fresh = "10m")]
/// async fn me() -> &'static str { "me" }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
/// #     .keys(KeyRing::generate()?)
/// #     .build()?;
/// let mut document = OpenApi::default();
/// let app: axum::Router =
///     ApiRouter::new().api_route("/me", get(me)).finish_api(&mut document);
/// sessions.describe_in(&mut document)?;
///
/// let me = document.operations().next().unwrap().2;
/// assert_eq!(me.extensions[EXTENSION][0]["fresh"], 600);
/// # Ok(())
/// # }
/// ```
pub const EXTENSION: &str = "x-anchor-sessions";
