//! The users.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Database, on};
use crate::sessions::Role;

/// A user, without their password.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) name: String,
    #[sqlx(try_from = "String")]
    pub(crate) role: Role,
    /// The day, such as `2026-01-31`.
    pub(crate) joined: String,
}

/// A user and the hash of their password.
#[derive(FromRow)]
pub(crate) struct WithPassword {
    #[sqlx(flatten)]
    pub(crate) user: User,
    pub(crate) password_hash: String,
}

/// A user on the administrator's page.
#[derive(Debug, FromRow)]
pub(crate) struct Listed {
    #[sqlx(flatten)]
    pub(crate) user: User,
    pub(crate) votes: i64,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
        }
    }
}

/// An unknown role is an error, and never one of the others.
impl TryFrom<String> for Role {
    type Error = String;

    fn try_from(role: String) -> Result<Self, String> {
        match role.as_str() {
            "member" => Ok(Role::Member),
            "admin" => Ok(Role::Admin),
            _ => Err(format!("`{role}` is not a role")),
        }
    }
}

impl Database {
    /// Returns the user with this address, and the hash of their password. The text may be anything
    /// that somebody has typed.
    pub(crate) async fn user_with_email(
        &self,
        email: &str,
    ) -> Result<Option<WithPassword>, sqlx::Error> {
        // No address has one, and to PostgreSQL it is an error to ask for it.
        if email.contains('\0') {
            return Ok(None);
        }
        let sql = "SELECT id, email, name, role, joined, password_hash FROM users WHERE email = $1";
        on!(self, pool => sqlx::query_as(sql).bind(email).fetch_optional(pool).await)
    }

    /// Returns a user.
    pub(crate) async fn user(&self, id: Uuid) -> Result<Option<WithPassword>, sqlx::Error> {
        let sql = "SELECT id, email, name, role, joined, password_hash FROM users WHERE id = $1";
        on!(self, pool => sqlx::query_as(sql).bind(id).fetch_optional(pool).await)
    }

    /// Returns a user as they are once the changes of them that have begun are done: it waits for
    /// the row, by writing it.
    pub(crate) async fn settled_user(&self, id: Uuid) -> Result<Option<User>, sqlx::Error> {
        let sql = "UPDATE users SET role = role WHERE id = $1 \
                   RETURNING id, email, name, role, joined";
        on!(self, pool => sqlx::query_as(sql).bind(id).fetch_optional(pool).await)
    }

    /// Inserts a user, unless the address has one. Returns whether it was inserted.
    pub(crate) async fn create_user(
        &self,
        id: Uuid,
        email: &str,
        name: &str,
        password_hash: &str,
        role: Role,
    ) -> Result<bool, sqlx::Error> {
        let sql = "INSERT INTO users (id, email, name, password_hash, role) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING";
        let rows = on!(self, pool => sqlx::query(sql)
            .bind(id)
            .bind(email)
            .bind(name)
            .bind(password_hash)
            .bind(role.as_str())
            .execute(pool)
            .await?
            .rows_affected());
        Ok(rows == 1)
    }

    /// Returns the newest users, with how often each has voted.
    pub(crate) async fn newest_users(&self, limit: i64) -> Result<Vec<Listed>, sqlx::Error> {
        let sql = "SELECT id, email, name, role, joined, \
                   (SELECT count(*) FROM votes WHERE voter = users.id) AS votes \
                   FROM users ORDER BY joined DESC, email LIMIT $1";
        on!(self, pool => sqlx::query_as(sql).bind(limit).fetch_all(pool).await)
    }
}
