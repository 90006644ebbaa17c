//! [`Stale`]: what a call of the store may have changed, whatever it has answered.

use sha2::{Digest, Sha256};

use crate::column::{Column, Value};
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::NewSession;

/// What a cache must not serve any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// A session that has ended, or has another payload or secret.
    Session(SessionId),
    /// A session that was used. Other nodes are not told.
    Use(SessionId),
    /// The sessions of a subject.
    Subject(SubjectTag),
    /// All sessions.
    Everyone,
}

/// A part of a hash of a subject, the same on every node. Several subjects have the same tag. Who
/// can guess a subject can compute its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubjectTag(pub(super) u32);

impl Stale {
    pub(crate) fn session(id: SessionId) -> Vec<Self> {
        vec![Stale::Session(id)]
    }

    pub(crate) fn used(id: SessionId) -> Vec<Self> {
        vec![Stale::Use(id)]
    }

    pub(crate) fn everyone() -> Vec<Self> {
        vec![Stale::Everyone]
    }

    pub(crate) fn nothing() -> Vec<Self> {
        Vec::new()
    }

    pub(crate) fn subject<T: SessionData>(subject: &T::Subject) -> Vec<Self> {
        vec![tag::<T>(subject).map_or(Stale::Everyone, Stale::Subject)]
    }

    /// A login ends the session that it replaces, and may end others of its subject.
    pub(crate) fn login<T: SessionData>(new: &NewSession<T>) -> Vec<Self> {
        let mut stale = Vec::new();
        stale.extend(new.replaces.map(|replaced| Stale::Session(replaced.id)));
        if new.limit.is_some()
            && let Some(subject) = new.data.subject()
        {
            stale.extend(Self::subject::<T>(subject));
        }
        stale
    }
}

impl SubjectTag {
    /// Returns the tag of a payload. Without a subject, any tag will do.
    pub(super) fn of<T: SessionData>(data: &T) -> Self {
        data.subject().and_then(tag::<T>).unwrap_or(Self(0))
    }
}

/// Returns `None` if equal subjects may have different tags, because the database has its own
/// opinion about which values are equal: a change of one subject is then a change of everyone.
fn tag<T: SessionData>(subject: &T::Subject) -> Option<SubjectTag> {
    if T::schema().subject().is_some_and(|(_, column)| column.sql_type.is_some()) {
        return None;
    }
    let hash = Sha256::new();
    let hash = match subject.to_value().ok()? {
        Value::Null | Value::Float(_) | Value::Json(_) => return None,
        Value::Bool(value) => hash.chain_update([u8::from(value)]),
        Value::Int(value) => hash.chain_update(value.to_be_bytes()),
        Value::Text(value) => hash.chain_update(value),
        Value::Bytes(value) => hash.chain_update(value),
        Value::Uuid(value) => hash.chain_update(value.as_bytes()),
        Value::Ip(value) => hash.chain_update(value.to_string()),
        Value::Timestamp(value) => hash.chain_update(value.as_micros().to_be_bytes()),
    };
    let mut tag = [0; 4];
    tag.copy_from_slice(&hash.finalize()[..4]);
    Some(SubjectTag(u32::from_be_bytes(tag)))
}
