//! [`SubjectLock`]: the lock that the logins of one subject wait for when they count its sessions.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::column::Value;
use crate::id::SessionId;

/// The name of the lock for one subject of one table of one database. It is the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectLock([u8; 32]);

impl SubjectLock {
    /// `space` distinguishes databases whose locks are in one place.
    pub(crate) fn of(space: &str, table: &str, subject: &Value) -> Self {
        let mut hash = Sha256::new();
        for name in [space, table] {
            hash.update(name);
            hash.update([0]);
        }
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

    /// Returns the number of PostgreSQL's advisory lock.
    #[cfg(feature = "postgres")]
    pub(crate) fn number(&self) -> i64 {
        let mut number = [0; 8];
        number.copy_from_slice(&self.0[..8]);
        i64::from_be_bytes(number)
    }

    /// Returns the id of the row that stands for the lock where a name does not lock all servers.
    /// No session has it: it has no random part.
    pub(crate) fn row(&self) -> SessionId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        SessionId::from_uuid(Uuid::from_bytes(id))
    }

    /// Returns the name of MySQL's lock, which has at most 64 characters.
    #[cfg(feature = "mysql")]
    pub(crate) fn name(&self) -> String {
        self.0[..16].iter().fold("anchor:".to_owned(), |name, byte| format!("{name}{byte:02x}"))
    }
}

#[cfg(all(test, feature = "mysql", feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn each_subject_of_each_table_of_each_database_has_its_own_lock() {
        let lock = |space, table, subject: &str| {
            let lock = SubjectLock::of(space, table, &Value::Text(subject.into()));
            (lock.number(), lock.row(), lock.name())
        };
        let (number, row, name) = lock("shop", "sessions", "ferris");
        assert_eq!(lock("shop", "sessions", "ferris"), (number, row, name.clone()));
        assert!(name.len() <= 64, "{name}");
        for (space, table, subject) in [
            ("shop", "sessions", "corro"),
            ("shop", "carts", "ferris"),
            ("blog", "sessions", "ferris"),
            ("shops", "essions", "ferris"),
        ] {
            let other = lock(space, table, subject);
            assert_ne!(other.0, number, "{space} {table} {subject}");
            assert_ne!(other.1, row, "{space} {table} {subject}");
            assert_ne!(other.2, name, "{space} {table} {subject}");
        }
    }
}
