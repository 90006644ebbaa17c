//! What is measured: an application and where its rows are.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Where the sessions are. To add a store, add it here, in [`databases`](crate::databases), and in
/// the applications that can use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
pub enum Store {
    Memory,
    Sqlite,
    Postgres,
    Mysql,
    Redis,
}

/// An application with the routes of [`apps`](crate::apps).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
pub enum Mode {
    /// Only axum, without sessions. Every ratio is relative to this one.
    Bare,
    /// axum under a tower layer that does nothing.
    Layer,
    Anchor,
    /// anchor with `.cache(..)`, with a lease of five seconds.
    AnchorCached,
    /// tower-sessions with a signed cookie and its own stores.
    TowerSessions,
    /// axum-login over tower-sessions, with its users in memory.
    AxumLogin,
    /// axum_session, which reads and saves the session in each request.
    AxumSession,
    /// axum_session with its memory cache in front of the database.
    AxumSessionCached,
    /// Written by hand: a signed cookie, and one SELECT through a sqlx pool, or one GET.
    Select,
    /// Written by hand: the lookups, logins and logouts of concurrent requests share statements.
    Gathered,
}

impl Mode {
    /// Returns whether this application can run on that store.
    pub fn runs_on(self, store: Store) -> bool {
        match self {
            Mode::AxumLogin => store == Store::Memory,
            // Not measured there.
            Mode::AxumSession => store != Store::Redis,
            Mode::AxumSessionCached => !matches!(store, Store::Memory | Store::Redis),
            Mode::Gathered => store != Store::Memory,
            _ => true,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Store::Memory => "memory",
            Store::Sqlite => "SQLite",
            Store::Postgres => "PostgreSQL",
            Store::Mysql => "MariaDB",
            Store::Redis => "Redis",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mode::Bare => "bare axum",
            Mode::Layer => "empty layer",
            Mode::Anchor => "anchor",
            Mode::AnchorCached => "anchor, cached",
            Mode::TowerSessions => "tower-sessions",
            Mode::AxumLogin => "axum-login",
            Mode::AxumSession => "axum_session",
            Mode::AxumSessionCached => "axum_session, cached",
            Mode::Select => "by hand",
            Mode::Gathered => "by hand, gathered",
        })
    }
}
