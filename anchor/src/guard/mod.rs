//! What a handler demands of a request before it runs: the guards that `#[require_session]`,
//! `#[logout]` and `#[public]` insert, the [policies](Policy) that they enforce, and where a
//! browser without a session is sent.

pub(crate) mod login_page;
pub(crate) mod next;
pub(crate) mod policy;
pub(crate) mod required;

pub use next::{Next, safe_next};
pub use policy::{CurrentSecret, Decision, Fresh, HasRole, Policy};
