//! [`Login`]: what a login that ends other sessions writes, in one transaction.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::driver::Driver;
use super::statement::Arguments;
use super::statement::Query;
use super::statements::Statements;
use crate::column::ColumnType;
use crate::column::Value;
use crate::id::SessionId;
use crate::payload::{Overflow, SubjectLimit};
use crate::store::EndReason;
use crate::store::turns::Turn;
use crate::timestamp::Timestamp;

/// The statements of a login.
pub struct Login {
    pub(crate) end_replaced: Option<EndReplaced>,
    pub(crate) room: Option<Room>,
    pub(crate) insert: Query,
}

/// Ends the session that a login replaces, if it is live, or else whatever is left of it.
pub(crate) struct EndReplaced {
    pub(crate) live: Query,
    pub(crate) rest: Query,
}

/// How a login makes room for itself.
pub(crate) struct Room {
    /// Names what the logins of this subject wait for.
    #[cfg_attr(
        not(any(feature = "mysql", feature = "postgres")),
        expect(dead_code, reason = "SQLite locks the whole file")
    )]
    pub(crate) lock: SubjectLock,
    /// Held while the login has a connection: the subject's other logins on this node wait without
    /// one.
    pub(crate) _turn: Turn<SubjectLock>,
    /// The ids of the subject's live sessions, oldest first.
    pub(crate) live_ids: Query,
    pub(crate) limit: SubjectLimit,
    pub(crate) statements: Arc<Statements>,
}

/// What became of a [`Login`].
pub enum Entered {
    Written { created_at: Option<Timestamp>, ended: Vec<SessionId> },
    Full,
}

/// Runs a login on a connection that is in a transaction, and holds the subject's lock.
pub(crate) async fn enter<D: Driver>(
    connection: &mut D::Connection,
    login: &Login,
) -> Result<Entered, sqlx::Error> {
    if let Some(EndReplaced { live, rest }) = &login.end_replaced
        && D::execute_on(connection, live).await? == 0
    {
        D::execute_on(connection, rest).await?;
    }
    let mut ended = Vec::new();
    if let Some(room) = &login.room {
        let live = D::rows_on(connection, &room.live_ids).await?;
        let max = usize::try_from(room.limit.max.get()).unwrap_or(usize::MAX);
        let overflowing = (live.len() + 1).saturating_sub(max);
        if overflowing > 0 && room.limit.overflow == Overflow::Refuse {
            return Ok(Entered::Full);
        }
        for row in &live[..overflowing] {
            let Ok(Value::Uuid(id)) = D::cell(row, 0, ColumnType::Uuid) else {
                return Err(sqlx::Error::Protocol("an id is no UUID".into()));
            };
            let id = SessionId::from_uuid(id);
            let end = room.statements.revoke.live.with(Arguments {
                id: Some(id),
                reason: Some(EndReason::Overflow),
                ..Arguments::default()
            });
            if D::execute_on(connection, &end).await? > 0 {
                ended.push(id);
            }
        }
    }
    let created_at = D::instant_on(connection, &login.insert).await?;
    Ok(Entered::Written { created_at, ended })
}

/// A name for one subject of one table, the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SubjectLock([u8; 32]);

impl SubjectLock {
    pub(crate) fn of(table: &str, subject: &Value) -> Self {
        let mut hash = Sha256::new();
        hash.update(table);
        hash.update([0]);
        match subject {
            Value::Null => {}
            Value::Bool(value) => hash.update([u8::from(*value)]),
            Value::Int(value) => hash.update(value.to_be_bytes()),
            Value::Float(value) => hash.update(value.to_be_bytes()),
            Value::Text(value) | Value::Json(value) => hash.update(value),
            Value::Bytes(value) => hash.update(value),
            Value::Uuid(value) => hash.update(value.as_bytes()),
            Value::Ip(value) => hash.update(value.to_string()),
            Value::Timestamp(value) => hash.update(value.as_micros().to_be_bytes()),
        }
        Self(hash.finalize().into())
    }

    /// As PostgreSQL numbers its advisory locks.
    #[cfg(feature = "postgres")]
    pub(crate) fn number(&self) -> i64 {
        let mut number = [0; 8];
        number.copy_from_slice(&self.0[..8]);
        i64::from_be_bytes(number)
    }

    /// As MySQL names its locks, in at most 64 characters.
    #[cfg(feature = "mysql")]
    pub(crate) fn name(&self) -> String {
        self.0[..16].iter().fold("anchor:".to_owned(), |name, byte| format!("{name}{byte:02x}"))
    }
}
