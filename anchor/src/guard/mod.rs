//! What a handler requires of a request before it runs: the guards that `#[require_session]`,
//! `#[logout]` and `#[public]` insert, the guard of a [group](RequireSession), the
//! [policies](Policy) that the guards enforce, and the page to which a browser without a session is
//! sent.

mod demands;
pub(crate) mod group;
pub(crate) mod login_page;
pub(crate) mod next;
pub(crate) mod policy;
#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod properties;
pub(crate) mod required;

pub use group::{Guarded, RequireSession};
pub use next::{Next, safe_next};
pub use policy::{Authoritative, CurrentSecret, Decision, Fresh, HasRole, Policy};
pub use required::{Public, Require, RequireAny, Revoke, RevokeAny};

pub use crate::request::requirement::Requirement;
