//! Changes of a user that concern their sessions as well: both are changed, or neither.

use anchor::Error;
use uuid::Uuid;

use crate::database::{Database, on};
use crate::error::AppError;
use crate::sessions::{Role, Sessions, UserStore};

/// A change of a user.
#[derive(Debug)]
pub(crate) enum UserChange {
    /// Another password, by its hash. It ends every session of the user, and those of logins that
    /// have checked the old password a moment ago.
    Password(String),
    /// Another name, of which every session has a copy.
    Name(String),
    /// Another role, of which every session has a copy.
    Role(Role),
}

impl UserChange {
    /// The statement, with the value and the user's id as its parameters.
    fn statement(&self) -> &'static str {
        match self {
            Self::Password(_) => "UPDATE users SET password_hash = $1 WHERE id = $2",
            Self::Name(_) => "UPDATE users SET name = $1 WHERE id = $2",
            Self::Role(_) => "UPDATE users SET role = $1 WHERE id = $2",
        }
    }

    fn value(&self) -> &str {
        match self {
            Self::Password(text) | Self::Name(text) => text,
            Self::Role(role) => role.as_str(),
        }
    }
}

/// Does to the sessions what the change of the user asks for. A transaction and a manager have the
/// same verbs, and no trait.
macro_rules! change_sessions {
    ($sessions:expr, $user:expr, $change:expr) => {
        match $change {
            UserChange::Password(_) => $sessions.cut_off($user).await,
            UserChange::Name(name) => {
                let name = name.clone();
                $sessions.update_subject($user, move |session| session.name.clone_from(&name)).await
            }
            UserChange::Role(role) => {
                let role = *role;
                $sessions.update_subject($user, move |session| session.role = role).await
            }
        }
    };
}

impl Sessions {
    /// Carries out a change, and returns how many sessions it has ended or changed.
    ///
    /// On SQLite and PostgreSQL, this is one transaction. With sessions on Redis, there is none:
    /// the user is changed first, and the sessions after it. If the second part fails, the answer
    /// is an error, and the call can be repeated.
    pub(crate) async fn change_user(
        &self,
        database: &Database,
        user: Uuid,
        change: &UserChange,
    ) -> Result<u64, AppError> {
        macro_rules! in_transaction {
            ($store:expr) => {{
                let mut transaction = self.users.begin($store).await?;
                sqlx::query(change.statement())
                    .bind(change.value())
                    .bind(user)
                    .execute(&mut *transaction)
                    .await?;
                let sessions: Result<u64, Error> = change_sessions!(transaction, &user, change);
                let sessions = sessions?;
                transaction.commit().await?;
                Ok(sessions)
            }};
        }
        match &self.user_store {
            UserStore::Sqlite(store) => in_transaction!(store),
            UserStore::Postgres(store) => in_transaction!(store),
            UserStore::Redis(_) => {
                on!(database, pool => sqlx::query(change.statement())
                    .bind(change.value())
                    .bind(user)
                    .execute(pool)
                    .await
                    .map(drop)?);
                Ok(change_sessions!(self.users, &user, change)?)
            }
        }
    }
}
