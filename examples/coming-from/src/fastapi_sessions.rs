//! Takes over the sessions of fastapi-anchor on PostgreSQL. The cookie is that of fastapi-sessions
//! as well, which has no table of its own.

use std::time::{Duration, SystemTime};

use anchor::manager::BoxError;
use axum::http::request::Parts;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::itsdangerous::UrlSafeTimedSerializer;
use crate::take_over::{OldSession, OldSessions};
use crate::users;

/// The table of `anchor_sessions_table`, and the cookies of `SessionCookie`.
#[derive(Clone)]
pub struct FastapiSessions {
    /// Has the `secret_key` of `SessionCookie`, its `cookie_name` as the salt, and the `max_age` of
    /// its `CookieParameters`.
    pub signer: UrlSafeTimedSerializer,
}

impl OldSessions for FastapiSessions {
    const COOKIE: &'static str = "session";
    type Key = Uuid;

    fn read(&self, cookie: &str, _: &Parts) -> Option<Uuid> {
        let hex: String = self.signer.loads(cookie, SystemTime::now())?;
        Uuid::try_parse(&hex).ok()
    }

    async fn use_up(
        &self,
        id: Uuid,
        connection: &mut PgConnection,
    ) -> Result<Option<OldSession>, BoxError> {
        let delete = "DELETE FROM anchor_sessions WHERE id = $1 AND expires_at > now() \
                      RETURNING user_id, CASE WHEN isfinite(expires_at) \
                      THEN extract(epoch FROM expires_at - now())::float8 END";
        let old: Option<(String, Option<f64>)> =
            sqlx::query_as(delete).bind(id).fetch_optional(&mut *connection).await?;
        let Some((user_id, left)) = old else { return Ok(None) };
        let Ok(user_id) = user_id.parse() else { return Ok(None) };
        let user = users::of_old_session(connection, user_id).await?;
        // No use extends such a session, so the new one ends when it would have ended, if ever.
        let at_most = left.and_then(|left| Duration::try_from_secs_f64(left).ok());
        Ok(user.map(|user| OldSession { user_id: user.id, at_most }))
    }
}
