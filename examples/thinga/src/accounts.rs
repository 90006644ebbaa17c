//! Changes of a user that concern their sessions as well: both are changed, or neither.

use anchor::{Error, Session};
use uuid::Uuid;

use crate::database::{Database, on};
use crate::error::AppError;
use crate::sessions::{Role, Sessions, UserSession, UserStore};

/// Locks a row. It is written, because SQLite has no other way.
const LOCK: &str = "UPDATE users SET role = role WHERE id = $1";
const IS_ADMIN: &str = "SELECT 1 FROM users WHERE id = $1 AND role = 'admin'";

/// A change of a user.
#[derive(Debug)]
pub(crate) enum UserChange {
    /// Another password, by its hash, in the place of the one that was checked. It ends every
    /// session of the user, and those of logins that have checked the old password a moment ago.
    Password { checked: String, new: String },
    /// Another name, of which every session has a copy: see also [`Sessions::refresh`].
    Name(String),
    /// Another role, of which every session has a copy. With a lower one, the sessions end: so do
    /// those of logins that have read the higher one a moment ago, which no update would find.
    Role {
        role: Role,
        /// The administrator who changes it, or `None` for the configuration.
        by: Option<Uuid>,
    },
}

impl UserChange {
    /// The statement. Its parameters are the value, the user's id, and the hash of the password
    /// that was checked, if one was: of two new passwords at once, only one is set.
    fn statement(&self) -> &'static str {
        macro_rules! update {
            ($column:literal) => {
                concat!(
                    "UPDATE users SET ",
                    $column,
                    " = $1 WHERE id = $2 AND password_hash = coalesce($3, password_hash)"
                )
            };
        }
        match self {
            Self::Password { .. } => update!("password_hash"),
            Self::Name(_) => update!("name"),
            Self::Role { .. } => update!("role"),
        }
    }

    fn value(&self) -> &str {
        match self {
            Self::Password { new, .. } => new,
            Self::Name(name) => name,
            Self::Role { role, .. } => role.as_str(),
        }
    }

    fn checked(&self) -> Option<&str> {
        match self {
            Self::Password { checked, .. } => Some(checked),
            Self::Name(_) | Self::Role { .. } => None,
        }
    }

    fn administrator(&self) -> Option<Uuid> {
        match self {
            Self::Role { by, .. } => *by,
            Self::Password { .. } | Self::Name(_) => None,
        }
    }
}

/// Does to the sessions what the change of the user asks for. A transaction and a manager have the
/// same verbs, and no trait.
macro_rules! change_sessions {
    ($sessions:expr, $user:expr, $change:expr) => {
        match $change {
            UserChange::Password { .. } | UserChange::Role { role: Role::Member, .. } => {
                $sessions.cut_off($user).await
            }
            UserChange::Name(name) => {
                let name = name.clone();
                $sessions.update_subject($user, move |session| session.name.clone_from(&name)).await
            }
            UserChange::Role { role: Role::Admin, .. } => {
                $sessions.update_subject($user, |session| session.role = Role::Admin).await
            }
        }
    };
}

impl Sessions {
    /// Brings the copies in a session that has just begun up to date. They were read before the
    /// password was checked, and a change since then has not found the session. A later one has.
    pub(crate) async fn refresh(
        &self,
        database: &Database,
        session: &mut Session<UserSession>,
    ) -> Result<(), AppError> {
        let (name, role) = (session.name.clone(), session.role);
        let user = database.settled_user(session.user_id).await?.ok_or(AppError::Outdated)?;
        if user.name == name && user.role == role {
            return Ok(());
        }
        let update = session.update(|session| {
            if session.name == name {
                session.name.clone_from(&user.name);
            }
            if session.role == role {
                session.role = user.role;
            }
        });
        Ok(update.await?)
    }

    /// Carries out a change, and returns how many sessions it has ended or changed. If the user is
    /// gone, or has another password than the one that was checked, nothing changes, and the
    /// answer is [`AppError::Outdated`].
    ///
    /// An administrator must still be one while the change is made, and does not change themselves:
    /// so there is always one left, also if two of them demote each other at the same moment.
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
        let by = change.administrator();
        if by == Some(user) {
            return Err(AppError::Unprocessable);
        }
        macro_rules! change_row {
            ($executor:expr) => {{
                if let Some(by) = by {
                    // Locks both rows, always in the same order: of two administrators who change
                    // each other, one waits here, and then is not an administrator any more.
                    for id in [by.min(user), by.max(user)] {
                        sqlx::query(LOCK).bind(id).execute($executor).await?;
                    }
                    let is_admin = sqlx::query(IS_ADMIN).bind(by).fetch_optional($executor);
                    if is_admin.await?.is_none() {
                        return Err(AppError::NotAdministrator);
                    }
                }
                let changed = sqlx::query(change.statement())
                    .bind(change.value())
                    .bind(user)
                    .bind(change.checked())
                    .execute($executor)
                    .await?;
                if changed.rows_affected() == 0 {
                    return Err(AppError::Outdated);
                }
            }};
        }
        macro_rules! in_transaction {
            ($store:expr) => {{
                let mut transaction = self.users.begin($store).await?;
                change_row!(&mut *transaction);
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
                on!(database, pool => {
                    let mut transaction = pool.begin().await?;
                    change_row!(&mut *transaction);
                    transaction.commit().await?;
                });
                Ok(change_sessions!(self.users, &user, change)?)
            }
        }
    }
}
