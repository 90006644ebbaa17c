//! How long things last: sessions, secrets, the calls of the store.

use std::time::Duration;

use super::SessionManagerBuilder;
use crate::payload::SessionData;

impl<T: SessionData> SessionManagerBuilder<T> {
    /// Sets how long the secret from before a [`rotate`](crate::Session::rotate) is still accepted,
    /// for requests in flight. Default: 30 seconds.
    ///
    /// Within this time, a copied token still works. After it, presenting the old secret ends the
    /// session.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use std::time::Duration;
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .rotation_grace(Duration::from_secs(10))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rotation_grace(self, grace: Duration) -> Self {
        Self { rotation_grace: grace, ..self }
    }

    /// Sets how soon [`Session::wait_until_ended`](crate::Session::wait_until_ended) notices an end
    /// that another node, or the database itself, caused. Default: 5 seconds. Costs one load in
    /// that time for each session that is waited for, however many wait for it on this node.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use std::time::Duration;
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .revocation_poll(Duration::from_secs(1))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn revocation_poll(self, interval: Duration) -> Self {
        Self { revocation_poll: interval, ..self }
    }

    /// Sets how long an acceptance by the [`Verifier`] stays valid for a session whose handle is
    /// kept, such as by a WebSocket. Default: 60 seconds.
    ///
    /// Each [`Session::wait_until_ended`](crate::Session::wait_until_ended) that waits asks the
    /// verifier about its own request at this interval, and resolves when the verifier refuses.
    /// [`Session::update`](crate::Session::update) asks the verifier first if its last acceptance
    /// is older than this. For a request that is shorter, the verifier is asked once.
    ///
    /// [`Verifier`]: crate::manager::Verifier
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use std::time::Duration;
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .verify_interval(Duration::from_secs(15))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify_interval(self, interval: Duration) -> Self {
        Self { verify_interval: interval, ..self }
    }

    /// Sets how long a call of the store may take, including the wait for a connection of its pool,
    /// before it counts as failed. The request is then answered 503, and a logout is not claimed.
    /// Default: 10 seconds. [`Duration::MAX`] waits forever.
    ///
    /// A call that timed out may still be carried out, because a database does not always notice.
    /// The pool has its own limit, only for the wait for a connection: with sqlx,
    /// `acquire_timeout`, 30 seconds by default. Set that limit to less than this one, so that the
    /// log distinguishes a busy pool from a database that hangs.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use std::time::Duration;
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .store_timeout(Duration::from_secs(3))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn store_timeout(self, timeout: Duration) -> Self {
        Self { store_timeout: timeout, ..self }
    }

    /// Sets how long [`SessionManager::shutdown`] waits for what is still running. Default: 10
    /// seconds, as long as one call of the store may take.
    ///
    /// [`SessionManager::shutdown`]: crate::SessionManager::shutdown
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use std::time::Duration;
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .shutdown_timeout(Duration::from_secs(5))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown_timeout: timeout, ..self }
    }

    /// Sets how long a session lives after its last use, instead of the struct's `idle`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use std::time::Duration;
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .idle(Duration::from_secs(30 * 60))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    /// Sets how long a session lives at most after its login, instead of the struct's `absolute`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use std::time::Duration;
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .absolute(Duration::from_secs(12 * 3600))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn absolute(self, absolute: Duration) -> Self {
        Self { absolute, ..self }
    }

    /// Sets the least time between two writes that mark a session as used. Default: a tenth of the
    /// idle timeout.
    ///
    /// A use within this interval after the last recorded one is not recorded. A session may
    /// therefore expire by as much earlier than the idle timeout after its last use.
    /// [`Duration::ZERO`] records every use, at the cost of one touch per request, or of what
    /// follows.
    ///
    /// **Uses are written together, after the response**, if the store can do that, as the SQL
    /// stores can ([`SessionStore::uses_recorder`]). A use waits for at most half a second. Then
    /// the uses of all sessions that wait are written, 64 with one statement, each with the time
    /// of its own request. So waiting changes neither the idle timeout nor the deadline, and of two
    /// nodes, the later use counts. Other requests see the new `last_seen_at` by as much later.
    /// [`Event::Touched`](crate::manager::Event::Touched) is emitted when it is written.
    ///
    /// A use is written in the request itself if the session would expire within 30 seconds or
    /// three times [`store_timeout`](Self::store_timeout), if the use settles a rotation, if 4,096
    /// uses wait already, or if the store is so slow that one of them has waited for two seconds.
    /// So is [`Session::touch`]. [`SessionManager::shutdown`] writes the uses that wait. A process
    /// that is killed loses them: that is as if these uses were within the interval.
    ///
    /// [`Session::touch`]: crate::Session::touch
    /// [`SessionManager::shutdown`]: crate::SessionManager::shutdown
    /// [`SessionStore::uses_recorder`]: crate::store::SessionStore::uses_recorder
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use std::time::Duration;
    ///
    /// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<UserSession>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .touch_interval(Duration::from_secs(60))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn touch_interval(self, interval: Duration) -> Self {
        Self { touch_interval: Some(interval), ..self }
    }
}
