//! The sessions: of users, of guests, and the links in e-mails that confirm an address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anchor::RedisStore;
use anchor::manager::{OneTimeTokens, Sweeper};
use anchor::prelude::*;
use axum::extract::ConnectInfo;
use axum::http::HeaderName;
use axum::http::request::Parts;
use serde::Serialize;
use uuid::Uuid;

use crate::config::Config;
use crate::database::Database;
use crate::error;
use crate::flash::Message;

/// The session of a user.
#[derive(Clone, SessionData)]
#[session(table = "sessions", idle = "14d", absolute = "30d")]
#[session(max_per_subject = 20, track, cut_off)]
pub(crate) struct UserSession {
    #[session(subject, references = "users(id)")]
    pub(crate) user_id: Uuid,
    /// A copy, like the role. Whoever changes the user changes both: [`crate::accounts`].
    pub(crate) name: String,
    #[session(role)]
    pub(crate) role: Role,
    /// The name that the user gave this device.
    pub(crate) device_name: Option<String>,
    /// What the next page shows, once.
    #[session(json)]
    pub(crate) messages: Vec<Message>,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Column)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything that concerns their own account.
    Member,
    /// Everything.
    Admin,
}

/// The session of a visitor who votes without an account.
#[derive(Clone, SessionData)]
#[session(table = "guests", cookie = "__Host-guest", idle = "7d", absolute = "30d")]
pub(crate) struct Guest {
    /// Whose votes are this guest's, until they log in.
    pub(crate) voter: Uuid,
    #[session(json)]
    pub(crate) messages: Vec<Message>,
}

/// A registration that waits for its address to be confirmed. It holds the whole account, so that
/// nothing is in the table of users before, and a link confirms only what it was sent for.
///
/// An address may have any number of them, because anybody can register with it: a limit that ends
/// the oldest link would let others end that of the owner, and one that refuses the newest would
/// let them keep the owner out. How many there are is a matter of the form's limit for each
/// address, and of the day after which they end.
#[derive(Clone, SessionData)]
#[session(table = "registrations", absolute = "24h")]
pub(crate) struct Registration {
    #[session(subject)]
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) password_hash: String,
}

/// Where the sessions are. The users' store has its type, because a change of a user and the end of
/// their sessions are one transaction on SQL.
#[derive(Clone)]
pub(crate) enum UserStore {
    Sqlite(SqliteStore<UserSession>),
    Postgres(PostgresStore<UserSession>),
    Redis(RedisStore<UserSession>),
}

/// The managers of all sessions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) users: SessionManager<UserSession>,
    pub(crate) guests: SessionManager<Guest>,
    pub(crate) registrations: OneTimeTokens<Registration>,
    pub(crate) user_store: UserStore,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Sessions {
    /// Connects to the stores, and checks them.
    pub(crate) async fn start(config: &Config, database: &Database) -> Result<Self, AnyError> {
        let user_store = match (&config.redis_url, database) {
            (Some(url), _) => {
                let store = RedisStore::connect(url).await?.prefix("thinga");
                store.verify().await?;
                UserStore::Redis(store)
            }
            (None, Database::Sqlite(pool)) => {
                let store = SqliteStore::new(pool.clone());
                store.verify().await?;
                UserStore::Sqlite(store)
            }
            (None, Database::Postgres(pool)) => {
                let store = PostgresStore::new(pool.clone());
                store.verify().await?;
                UserStore::Postgres(store)
            }
        };
        let users = match &user_store {
            UserStore::Sqlite(store) => SessionManager::builder(store.clone()),
            UserStore::Postgres(store) => SessionManager::builder(store.clone()),
            UserStore::Redis(store) => SessionManager::builder(store.clone()),
        };
        let ip_header = config.client_ip_header.clone();
        let mut users = users
            .keys(config.keys.clone())
            .environment(config.cookies())
            .client_ip(move |request| client_ip(request, ip_header.as_ref()))
            .on_reject(error::refuse);
        let mut guests = SessionManager::builder(store(config, database).await?)
            .keys(config.keys.clone())
            .environment(config.cookies())
            .on_reject(error::refuse);
        // On every route that they surround. Outside `/api`, `routes` takes it back.
        if let Some(origin) = &config.front_end {
            users = users.trusted_origin(origin);
            guests = guests.trusted_origin(origin);
        }
        let registrations = SessionManager::builder(store(config, database).await?)
            .keys(config.keys.clone())
            .build_one_time_tokens()?;
        Ok(Self { users: users.build()?, guests: guests.build()?, registrations, user_store })
    }

    /// Removes ended rows from time to time, as long as the result lives.
    pub(crate) fn sweep(&self) -> [Sweeper; 3] {
        let interval = Duration::from_mins(5);
        [
            self.users.run_sweeper(interval),
            self.guests.run_sweeper(interval),
            self.registrations.manager().run_sweeper(interval),
        ]
    }

    /// Waits for what clients no longer wait for, and ends the live pages.
    pub(crate) async fn shutdown(&self) {
        self.users.shutdown().await;
        self.guests.shutdown().await;
        self.registrations.manager().shutdown().await;
    }
}

/// A store that needs no transactions with the application's tables.
async fn store<T: SessionData>(
    config: &Config,
    database: &Database,
) -> Result<Arc<dyn SessionStore<T>>, AnyError> {
    Ok(match (&config.redis_url, database) {
        (Some(url), _) => Arc::new(RedisStore::connect(url).await?.prefix("thinga")),
        (None, Database::Sqlite(pool)) => {
            let store = SqliteStore::new(pool.clone());
            store.verify().await?;
            Arc::new(store)
        }
        (None, Database::Postgres(pool)) => {
            let store = PostgresStore::new(pool.clone());
            store.verify().await?;
            Arc::new(store)
        }
    })
}

/// Returns where a request comes from: what the proxy says, if there is one, and else the address
/// of the connection. `None` if the proxy does not say.
pub(crate) fn client_ip(request: &Parts, header: Option<&HeaderName>) -> Option<IpAddr> {
    match header {
        // Only the proxy's own entry, which is the last one.
        Some(name) => {
            let value = request.headers.get_all(name).iter().next_back()?.to_str().ok()?;
            ip_of(value.rsplit(',').next()?.trim())
        }
        None => connection_ip(request),
    }
}

/// Returns the address of the connection, which is that of a proxy, if there is one.
pub(crate) fn connection_ip(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<ConnectInfo<SocketAddr>>().map(|from| from.ip())
}

/// Reads an address, also with a port or in brackets: proxies write all of these.
fn ip_of(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entry_says_where_a_request_comes_from() {
        let name = HeaderName::from_static("x-forwarded-for");
        let read = |value: &str| {
            let request = axum::http::Request::builder().header(&name, value).body(()).unwrap();
            client_ip(&request.into_parts().0, Some(&name))
        };
        let (v4, v6) = (IpAddr::from([192, 0, 2, 1]), "2001:db8::1".parse().unwrap());
        for entry in ["192.0.2.1", "192.0.2.1:5555", "10.0.0.1, 192.0.2.1:80", "unknown,192.0.2.1"]
        {
            assert_eq!(read(entry), Some(v4), "{entry}");
        }
        for entry in ["2001:db8::1", "[2001:db8::1]:80", "[2001:db8::1]", "::2,2001:db8::1"] {
            assert_eq!(read(entry), Some(v6), "{entry}");
        }
        for entry in ["", "unknown", "192.0.2.1, unknown", "192.0.2.1,", "192.0.2.1:x", "_hidden"] {
            assert_eq!(read(entry), None, "{entry}");
        }
    }
}
