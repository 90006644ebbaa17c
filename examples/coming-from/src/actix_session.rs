//! Takes over the sessions of actix-session on Redis.

use std::collections::HashMap;

use anchor::manager::BoxError;
use axum::http::request::Parts;
use cookie::{Cookie, CookieJar, Key};
use redis::aio::ConnectionManager;
use sqlx::PgConnection;

use crate::take_over::{OldSession, OldSessions};
use crate::users;

/// The keys of `actix_session::storage::RedisSessionStore`, and the key of `SessionMiddleware`.
#[derive(Clone)]
pub struct ActixSession {
    /// The key that encrypts the cookies.
    pub key: Key,
    /// The server.
    pub redis: ConnectionManager,
}

impl OldSessions for ActixSession {
    const COOKIE: &'static str = "id";
    type Key = String;

    fn read(&self, cookie: &str, _: &Parts) -> Option<String> {
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::new(Self::COOKIE, cookie.to_owned()));
        // With `CookieContentSecurity::Signed`: `jar.signed(&self.key)`.
        Some(jar.private(&self.key).get(Self::COOKIE)?.value().to_owned())
    }

    async fn use_up(
        &self,
        id: String,
        connection: &mut PgConnection,
    ) -> Result<Option<OldSession>, BoxError> {
        // With `cache_keygen`: the key that it returns.
        let mut redis = self.redis.clone();
        let state: Option<String> = redis::cmd("GETDEL").arg(id).query_async(&mut redis).await?;
        let Some(user_id) = state.and_then(|state| logged_in(&state)) else { return Ok(None) };
        let user = users::of_old_session(connection, user_id).await?;
        Ok(user.map(|user| OldSession { user_id: user.id, at_most: None }))
    }
}

/// Returns whose session this is. `None` if nobody was logged in, or it cannot be read.
fn logged_in(state: &str) -> Option<i64> {
    let state: HashMap<String, String> = serde_json::from_str(state).ok()?;
    // What the old application inserted. actix-identity inserts `actix_identity.user_id`, a string.
    serde_json::from_str(state.get("user_id")?).ok()
}
