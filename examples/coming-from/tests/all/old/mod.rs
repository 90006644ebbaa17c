//! The old applications. The guides show their code.

pub(crate) mod actix_session;
pub(crate) mod axum_session;
pub(crate) mod tower_sessions;
mod tower_sessions_store;
