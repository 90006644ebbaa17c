//! A dialect's name in headers, folders and the environment, and the dialects of this build.

use crate::schema::Dialect;

impl Dialect {
    /// The dialect's name in headers, folders and the environment.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Dialect::Postgres => "postgres",
            Dialect::MySql => "mysql",
            Dialect::Sqlite => "sqlite",
        }
    }

    /// The dialect of this name; `postgresql` and `mariadb` are understood too.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "postgres" | "postgresql" => Some(Dialect::Postgres),
            "mysql" | "mariadb" => Some(Dialect::MySql),
            "sqlite" => Some(Dialect::Sqlite),
            _ => None,
        }
    }
}

/// The dialects whose features are on.
pub(super) fn features() -> impl Iterator<Item = Dialect> {
    [
        (cfg!(feature = "postgres"), Dialect::Postgres),
        (cfg!(feature = "mysql"), Dialect::MySql),
        (cfg!(feature = "sqlite"), Dialect::Sqlite),
    ]
    .into_iter()
    .filter_map(|(on, dialect)| on.then_some(dialect))
}

pub(super) fn only_feature() -> Option<Dialect> {
    let mut features = features();
    features.next().filter(|_| features.next().is_none())
}
