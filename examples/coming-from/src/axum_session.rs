//! Takes over the sessions of axum_session on PostgreSQL.

use std::collections::HashMap;
use std::net::SocketAddr;

use anchor::manager::BoxError;
use axum::extract::ConnectInfo;
use axum::http::header;
use axum::http::request::Parts;
use base64ct::{Base64, Encoding};
use cookie::Key;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use sqlx::PgConnection;

use crate::take_over::{OldSession, OldSessions};
use crate::users;

/// The table of `axum_session_sqlx::SessionPgPool`, and `SessionConfig::with_key`.
#[derive(Clone)]
pub struct AxumSession {
    /// The key that signs the cookies.
    pub key: Key,
}

/// The column `session`: each value is JSON in a string.
#[derive(Deserialize)]
struct Stored {
    data: HashMap<String, String>,
}

impl OldSessions for AxumSession {
    const COOKIE: &'static str = "session";
    type Key = String;

    fn read(&self, cookie: &str, request: &Parts) -> Option<String> {
        let (signature, id) = cookie.split_at_checked(44)?;
        let mut bytes = [0; 33];
        let signature = Base64::decode(signature, &mut bytes).ok()?;
        Hmac::<Sha256>::new_from_slice(self.key.signing())
            .ok()?
            .chain_update(id)
            .chain_update(client(request))
            .verify_slice(signature)
            .ok()?;
        Some(id.to_owned())
    }

    async fn use_up(
        &self,
        id: String,
        connection: &mut PgConnection,
    ) -> Result<Option<OldSession>, BoxError> {
        let delete = "DELETE FROM sessions WHERE id = $1 \
                      AND expires > extract(epoch FROM now())::bigint RETURNING session";
        let stored: Option<String> =
            sqlx::query_scalar(delete).bind(id).fetch_optional(&mut *connection).await?;
        let Some(user_id) = stored.and_then(|stored| logged_in(&stored)) else { return Ok(None) };
        let user = users::of_old_session(connection, user_id).await?;
        Ok(user.map(|user| OldSession { user_id: user.id, at_most: None }))
    }
}

/// Returns what the signature covers besides the id: the address of the client and its user agent,
/// by default. Empty after `with_ip_and_user_agent(false)`.
fn client(request: &Parts) -> String {
    let address = request.extensions.get::<ConnectInfo<SocketAddr>>();
    let address = address.map(|info| info.0.ip().to_string()).unwrap_or_default();
    let agent = request.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    // Between the semicolons: `with_hashed_xforward`, `with_hashed_forward`, `with_hashed_real_ip`.
    format!("{address};;;;{}", agent.unwrap_or_default())
}

/// Returns whose session this is. `None` if nobody was logged in, or it cannot be read.
fn logged_in(stored: &str) -> Option<i64> {
    let stored: Stored = serde_json::from_str(stored).ok()?;
    // The key of axum_session_auth.
    serde_json::from_str(stored.data.get("user_auth_session_id")?).ok()
}
