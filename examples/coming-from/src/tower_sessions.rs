//! Takes over the sessions of tower-sessions and axum-login on PostgreSQL.

use std::collections::HashMap;

use anchor::manager::BoxError;
use axum::http::request::Parts;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use sqlx::PgConnection;
use subtle::ConstantTimeEq;

use crate::take_over::{OldSession, OldSessions};
use crate::users;

/// The table of `tower_sessions_sqlx_store::PostgresStore`.
#[derive(Clone)]
pub struct TowerSessions;

/// What axum-login keeps in a session.
#[derive(Deserialize)]
struct Login {
    user_id: Option<i64>,
    auth_hash: Option<Vec<u8>>,
}

impl OldSessions for TowerSessions {
    const COOKIE: &'static str = "id";
    type Key = String;

    fn read(&self, cookie: &str, _: &Parts) -> Option<String> {
        // The id is all there is: 128 random bits, without a signature.
        let mut id = [0; 16];
        let id = Base64UrlUnpadded::decode(cookie, &mut id).ok()?;
        (id.len() == 16).then(|| cookie.to_owned())
    }

    async fn use_up(
        &self,
        id: String,
        connection: &mut PgConnection,
    ) -> Result<Option<OldSession>, BoxError> {
        let delete = "DELETE FROM tower_sessions.session WHERE id = $1 AND expiry_date > now() \
                      RETURNING data";
        let data: Option<Vec<u8>> =
            sqlx::query_scalar(delete).bind(id).fetch_optional(&mut *connection).await?;
        let Some((user_id, auth_hash)) = data.and_then(|data| logged_in(&data)) else {
            return Ok(None);
        };
        let user = users::of_old_session(connection, user_id).await?;
        // `AuthUser::session_auth_hash` of the old application. A new password changes it, which
        // ends the sessions from before.
        let user = user.filter(|user| user.password_hash.as_bytes().ct_eq(&auth_hash).into());
        Ok(user.map(|user| OldSession { user_id: user.id, at_most: None }))
    }
}

/// Returns whose session this is, and the hash that axum-login compares. `None` if nobody was
/// logged in, or it cannot be read.
fn logged_in(data: &[u8]) -> Option<(i64, Vec<u8>)> {
    type Record = (IgnoredAny, HashMap<String, Value>, IgnoredAny);
    let (_, mut values, _): Record = rmp_serde::from_slice(data).ok()?;
    let login: Login = serde_json::from_value(values.remove("axum-login.data")?).ok()?;
    Some((login.user_id?, login.auth_hash?))
}
