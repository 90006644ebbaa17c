//! The items that an application needs: `use anchor::prelude::*;`.

#[cfg(feature = "memory")]
pub use crate::MemoryStore;
#[cfg(feature = "mysql")]
pub use crate::MySqlStore;
#[cfg(feature = "postgres")]
pub use crate::PostgresStore;
#[cfg(feature = "sqlite")]
pub use crate::SqliteStore;
pub use crate::store::SessionStore;
pub use crate::{
    Auth, Column, KeyRing, Session, SessionData, SessionManager, logout, public, require_session,
};
