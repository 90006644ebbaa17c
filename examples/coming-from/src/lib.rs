//! An application that takes over the live sessions of another library, so that nobody is logged
//! out by the move. Each guide in `docs/coming-from` shows one of the modules.
//!
//! | from | module | its sessions are in |
//! | --- | --- | --- |
//! | tower-sessions with axum-login | [`tower_sessions`] | PostgreSQL |
//! | axum_session | [`axum_session`] | PostgreSQL |
//! | actix-session | [`actix_session`] | Redis |
//! | fastapi-anchor, fastapi-sessions | [`fastapi_sessions`] | PostgreSQL |
//!
//! [`app`] is the new application, and [`take_over`] is what all four have in common.

pub mod actix_session;
pub mod app;
pub mod axum_session;
pub mod fastapi_sessions;
pub mod itsdangerous;
pub mod take_over;
pub mod tower_sessions;
pub mod users;

pub use app::UserSession;
