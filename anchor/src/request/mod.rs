//! How a request uses its session: the [layer](SessionLayer) opens the request's scope, the
//! extractors [`Session`] and [`Auth`] use it, and the layer writes `Set-Cookie` into the response.

pub(crate) mod applied;
pub(crate) mod auth;
pub(crate) mod extract;
pub(crate) mod layer;
pub(crate) mod requirement;
pub(crate) mod scope;
pub(crate) mod session;

pub use auth::{Auth, LoggedIn, Login};
pub use layer::{SessionFuture, SessionLayer, SessionService};
pub use session::Session;
