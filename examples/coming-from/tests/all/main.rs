//! Starts each old application, logs in there, and sends its live cookie to the new one.

mod from_actix_session;
mod from_axum_session;
mod from_fastapi_sessions;
mod from_tower_sessions;
mod guides;
mod itsdangerous;
mod moves;
mod old;
mod scene;
