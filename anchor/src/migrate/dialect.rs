//! The names of the dialects in headers, folders and the environment, and the dialects that this
//! build supports.

use crate::schema::Dialect;

impl Dialect {
    /// Returns the dialect's name in headers, folders and the environment.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Dialect::Postgres => "postgres",
            Dialect::MySql => "mysql",
            Dialect::Sqlite => "sqlite",
        }
    }

    /// Returns the dialect with this name. `postgresql` and `mariadb` are accepted, too.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "postgres" | "postgresql" => Some(Dialect::Postgres),
            "mysql" | "mariadb" => Some(Dialect::MySql),
            "sqlite" => Some(Dialect::Sqlite),
            _ => None,
        }
    }

    /// Returns the dialects whose features are enabled.
    pub(super) fn enabled() -> impl Iterator<Item = Self> {
        [
            (cfg!(feature = "postgres"), Dialect::Postgres),
            (cfg!(feature = "mysql"), Dialect::MySql),
            (cfg!(feature = "sqlite"), Dialect::Sqlite),
        ]
        .into_iter()
        .filter_map(|(on, dialect)| on.then_some(dialect))
    }

    /// Returns the one dialect whose feature is enabled.
    pub(super) fn only_enabled() -> Option<Self> {
        let mut enabled = Self::enabled();
        enabled.next().filter(|_| enabled.next().is_none())
    }
}
