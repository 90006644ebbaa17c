//! [`RedisStore`]: sessions in Redis, Valkey, or Redis Cluster.
//!
//! Each session is one hash, and each verb is one script (`scripts/`), which Redis runs as a whole.
//! `create.rs`, `write.rs`, `end.rs`, `list.rs` and `sweep.rs` call the scripts. `row.rs` converts
//! between a session and the fields of its hash, `codec.rs` between a value and its text.
//! `keys.rs` names the keys, `connection.rs` reaches the server, `reply.rs` reads its answers, and
//! `failure.rs` converts its errors.

mod codec;
mod connection;
mod create;
mod database;
mod durability;
mod end;
mod failure;
mod keys;
mod list;
mod reply;
mod row;
mod script;
mod sweep;
mod verify;
mod write;

use std::fmt;
use std::marker::PhantomData;

use connection::Reached;
pub use connection::RedisConnection;
use create::home_of;
use database::Database;
use durability::Confirmation;
pub use durability::Durability;
use keys::Keys;
use row::name_of_subject;

use super::{
    Change, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Page, Placement,
    Reauthenticated, Record, RecordUses, Rotated, Rotation, SessionStore, StoreFuture, Touch,
    Touched, Updated, Use, Verified, VerifyError,
};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{CutOff, SessionData};
use crate::token::LastingHash;

/// Stores sessions in Redis.
pub struct RedisStore<T> {
    database: Database,
    payload: PhantomData<fn() -> T>,
}

/// What the names of keys begin with unless the application says otherwise.
const PREFIX: &str = "anchor";

impl<T: SessionData> RedisStore<T> {
    /// Connects to one server.
    ///
    /// # Errors
    ///
    /// Fails when the text is not a URL of Redis, or the server does not answer.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        RedisConnection::to_server(url).await.map(Self::reached)
    }

    /// Connects to a cluster, of which these are some servers.
    ///
    /// # Errors
    ///
    /// Fails when a text is not a URL of Redis, or none of the servers answers.
    pub async fn connect_cluster(
        urls: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, StoreError> {
        let urls: Vec<String> = urls.into_iter().map(Into::into).collect();
        RedisConnection::to_cluster(&urls).await.map(Self::reached)
    }

    /// Creates a store that uses this connection.
    pub fn new(connection: impl Into<RedisConnection>) -> Self {
        let (connection, server) = (connection.into(), "Redis".to_owned());
        Self::reached(Reached { connection, server, warnings: Vec::new() })
    }

    fn reached(Reached { connection, server, warnings }: Reached) -> Self {
        let keys = Keys::new(PREFIX, T::schema().table);
        let (server, warnings, keep) = (server.into(), warnings.into(), T::KEEP_ENDED);
        let database = Database { connection, server, warnings, keys, keep, confirmation: None };
        Self { database, payload: PhantomData }
    }

    /// Sets what the names of the store's keys begin with, instead of `anchor`. Applications that
    /// share a server need different prefixes.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.database.keys = Keys::new(prefix, T::schema().table);
        self
    }
}

impl<T: SessionData> RedisStore<T> {
    /// Looks at the server, and at some of the sessions that are there. Call it at start-up.
    ///
    /// It warns, in its result and in the log (target `anchor`), about what a restart of the server
    /// would undo, with the setting that prevents it, and about live sessions that the struct cannot
    /// decode: nothing migrates them. At most 1,000 sessions of each server are looked at.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Settings`] when the server removes keys to save memory (any
    /// `maxmemory-policy` but `noeviction`), or is a replica.
    pub async fn verify(&self) -> Result<Verified, VerifyError> {
        self.database.verify::<T>().await
    }

    /// Sets what has to confirm the end of a session before it is answered.
    ///
    /// # Errors
    ///
    /// Fails when the second connection that this needs cannot be made: the server does not answer,
    /// or the application gave the store its connection.
    pub async fn durability(mut self, durability: Durability) -> Result<Self, StoreError> {
        self.database.confirmation = Confirmation::new(&self.database, durability).await?;
        Ok(self)
    }
}

impl<T> Clone for RedisStore<T> {
    fn clone(&self) -> Self {
        Self { database: self.database.clone(), payload: PhantomData }
    }
}

/// Shows the server and the table, and no password.
impl<T: SessionData> fmt::Debug for RedisStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.database.server)
            .field("table", &T::schema().table)
            .finish_non_exhaustive()
    }
}

impl<T: SessionData> SessionStore<T> for RedisStore<T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        Box::pin(self.database.create(new))
    }

    fn placement(&self, data: &T) -> Option<Placement> {
        let subject = name_of_subject::<T>(data.subject()?).ok()?;
        subject.as_deref().map(home_of)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(self.database.load(id))
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        Box::pin(self.database.update(change))
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(self.database.touch::<T>(touch))
    }

    fn uses_recorder(&self) -> Option<&dyn RecordUses> {
        Some(self)
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(self.database.rotate(rotation))
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(self.database.reauthenticate(rotation))
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        Box::pin(self.database.end(id, proof, None, reason))
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        Box::pin(self.database.end_of::<T>(subject, id, reason))
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(self.database.end_subject::<T>(subject, None, reason, false))
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(self.database.end_subject::<T>(subject, Some(keep), reason, false))
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        Box::pin(self.database.end_everyone(reason))
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        Box::pin(self.database.end_subject::<T>(subject, None, reason, true))
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        Box::pin(self.database.list::<T>(subject, page))
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        Box::pin(self.database.history::<T>(subject, page))
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(self.database.sweep::<T>(batch))
    }
}

impl<T: SessionData> RecordUses for RedisStore<T> {
    fn record_uses(&self, uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(self.database.record_uses::<T>(uses))
    }
}
