//! [`SessionManager`]: the sessions of one payload type, for code that runs outside requests.

pub(crate) mod builder;
mod callback;
pub(crate) mod channels;
pub(crate) mod client;
pub(crate) mod creation;
mod cross_origin;
pub(crate) mod environment;
pub(crate) mod event;
pub(crate) mod last_verdict;
#[cfg(feature = "cache")]
pub(crate) mod listener;
pub(crate) mod listing;
#[cfg(feature = "metrics")]
mod live_count;
mod one_time;
pub(crate) mod payload_change;
mod plain_http;
pub(crate) mod registry;
pub(crate) mod sessions;
mod sweeper;
mod tasks;
mod touch_writer;
mod touches;
#[cfg(feature = "_sql")]
pub(crate) mod transaction;
mod verifier;
pub(crate) mod watch;

pub use builder::SessionManagerBuilder;
pub use client::FingerprintMismatch;
pub use environment::Environment;
pub use event::{Event, RevokedSessions};
pub use listing::Listing;
pub use one_time::OneTimeTokens;
pub use sweeper::Sweeper;
#[cfg(feature = "_sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))))]
pub use transaction::{PendingLogin, SessionTransaction};
pub use verifier::{BoxError, Verdict, Verifier};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::StoreError;
use crate::id::SessionId;
use crate::manager::sessions::Sessions;
use crate::payload::{CutOff, SessionData};
use crate::rejection::Error;
use crate::store::{EndReason, EndedRecord, Ending, Record};

/// Holds everything that the sessions of one payload type need: the store, the frontends, the
/// keys, the verifier and the lifetimes. Cheap to clone.
///
/// Within a request, use the extractors. The manager is for code outside requests: an
/// administrator's list, a revocation from a job, the sweep.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64, name: String }
/// # fn example() -> Result<(), anchor::ConfigError> {
/// let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
///     .keys(KeyRing::generate()?)
///     .build()?;
/// let app: axum::Router = axum::Router::new().layer(sessions.layer());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionManager<T: SessionData> {
    pub(crate) inner: Arc<Sessions<T>>,
}

impl<T: SessionData> SessionManager<T> {
    /// Passes on the answer of an operation, and logs its error first.
    fn logged<R>(&self, answer: Result<R, StoreError>) -> Result<R, Error> {
        answer.map_err(|error| self.inner.failed(error))
    }

    /// Returns the live sessions of a subject, newest first, one page at a time. Await it to run
    /// it. Costs one statement.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// #     user_id: i64,
    /// # ) -> Result<(), anchor::Error> {
    /// for session in sessions.list(&user_id).await? {
    ///     println!("{}, last seen {}", session.id, session.last_seen_at);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer.
    pub fn list<'a>(&'a self, subject: &'a T::Subject) -> Listing<'a, Record<T>> {
        Listing::new(move |page| {
            Box::pin(async move { self.logged(self.inner.store.list(subject, page).await) })
        })
    }

    /// Returns the live session with this id, or `None` if there is none. Costs one statement.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// #     id: anchor::SessionId,
    /// # ) -> Result<(), anchor::Error> {
    /// if let Some(session) = sessions.get(id).await? {
    ///     println!("{} is logged in until {}", session.data.name, session.expires_at);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer.
    pub async fn get(&self, id: SessionId) -> Result<Option<Record<T>>, Error> {
        let loaded = self.logged(self.inner.load_live(id).await)?;
        Ok(loaded.map(|loaded| Record::clone(&loaded.record)))
    }

    /// Ends a session, whoever its subject is, and returns whether it was live. For administrators,
    /// and for the application's own decisions. Costs one statement, or two if the session was not
    /// live.
    ///
    /// To let users end their own sessions by id, use
    /// [`Session::end_sibling`](crate::Session::end_sibling) or [`revoke_of`](Self::revoke_of):
    /// this method ends the session of any id that a client sends.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// #     id: anchor::SessionId,
    /// # ) -> Result<(), anchor::Error> {
    /// if !sessions.revoke(id).await? {
    ///     println!("it had ended already");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer. The session may then still be live.
    pub async fn revoke(&self, id: SessionId) -> Result<bool, Error> {
        let ending = self.inner.revoke(id, None, EndReason::Revoked).await;
        Ok(self.logged(ending)? == Ending::Ended)
    }

    /// Ends a session if it is one of this subject's, and returns whether it was live. The id may
    /// come from a client: the statement compares it together with the subject, so the id of
    /// another subject's session ends nothing.
    ///
    /// It is for a page of one payload that shows sessions of another one, such as API tokens.
    /// Within one payload, use [`Session::end_sibling`](crate::Session::end_sibling). Costs one
    /// statement, or two if no such session was live.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// #     user_id: i64,
    /// #     id: anchor::SessionId,
    /// # ) -> Result<(), anchor::Error> {
    /// // The id comes from a form, the user from the session of the request.
    /// let was_live = sessions.revoke_of(&user_id, id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer. The session may then still be live.
    pub async fn revoke_of(&self, subject: &T::Subject, id: SessionId) -> Result<bool, Error> {
        let ending = self.inner.revoke_of(subject, id, EndReason::Revoked).await;
        Ok(self.logged(ending)? == Ending::Ended)
    }

    /// Ends every session of a subject and returns how many there were. Costs two statements.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// #     user_id: i64,
    /// # ) -> Result<(), anchor::Error> {
    /// let ended = sessions.revoke_subject(&user_id).await?;
    /// println!("logged out on {ended} devices");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer. The sessions may then still be live.
    pub async fn revoke_subject(&self, subject: &T::Subject) -> Result<u64, Error> {
        self.logged(self.inner.revoke_subject(subject, None, EndReason::Revoked).await)
    }

    /// Ends every session of a subject except one and returns how many it ended. Costs two
    /// statements.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// #     user_id: i64,
    /// #     keep: anchor::SessionId,
    /// # ) -> Result<(), anchor::Error> {
    /// let ended = sessions.revoke_others(&user_id, keep).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer. The sessions may then still be live.
    pub async fn revoke_others(&self, subject: &T::Subject, keep: SessionId) -> Result<u64, Error> {
        self.logged(self.inner.revoke_subject(subject, Some(keep), EndReason::Revoked).await)
    }

    /// Ends every session of every subject and returns how many there were. Costs two statements.
    ///
    /// A login that is in progress stays valid. To invalidate those as well, also retire the
    /// signing keys.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// # ) -> Result<(), anchor::Error> {
    /// // After an incident: everyone logs in again.
    /// let ended = sessions.revoke_everyone().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer. The sessions may then still be live.
    pub async fn revoke_everyone(&self) -> Result<u64, Error> {
        self.logged(self.inner.revoke_everyone().await)
    }

    /// Ends every session of a subject, and invalidates its logins that have begun and are still in
    /// progress, on every node. Call it for a new password. Returns how many sessions it ended.
    /// Costs two statements. A payload takes part with `#[session(cut_off)]`; for any other
    /// payload, this does not compile.
    ///
    /// A login that checked the old password before this call, and creates its session after it,
    /// gets a session that is already ended: a login begins when its request reaches the session
    /// layer. To log in within the same request that cut the subject off, use
    /// [`Login::starting_now`](crate::request::Login::starting_now).
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// #[derive(Clone, SessionData)]
    /// #[session(cut_off)]
    /// struct UserSession {
    ///     #[session(subject)]
    ///     user_id: i64,
    /// }
    ///
    /// async fn after_new_password(
    ///     sessions: &SessionManager<UserSession>,
    ///     user_id: i64,
    /// ) -> Result<u64, anchor::Error> {
    ///     sessions.cut_off(&user_id).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer. The sessions may then still be live.
    pub async fn cut_off(&self, subject: &T::Subject) -> Result<u64, Error>
    where
        T: CutOff,
    {
        self.logged(self.inner.cut_off(subject).await)
    }

    /// Changes the payload in every live session of a subject, and returns how many sessions it has
    /// changed. For what the sessions of a user keep a copy of, such as the role of an
    /// administrator who was demoted.
    ///
    /// Each session is changed by compare-and-set, as by
    /// [`Session::update`](crate::Session::update): concurrent changes of other fields are kept, a
    /// session that has ended meanwhile is skipped, and only the columns that differ are written. A
    /// session in which `change` changes nothing is not written. For the others, the change counts
    /// as a use. `change` may run several times for one session, so it must depend only on its
    /// argument, and must do nothing else. The [`Verifier`] is not asked. The call goes on if the
    /// client closes the connection meanwhile.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, PartialEq, Column)]
    /// # enum Role { Member, Admin }
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, role: Role }
    /// # async fn demote(
    /// #     sessions: SessionManager<UserSession>, user_id: i64,
    /// # ) -> Result<(), anchor::Error> {
    /// // First the user's row in the application's own table, and then:
    /// sessions.update_subject(&user_id, |user| user.role = Role::Member).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Logins at the same time
    ///
    /// A login that read the old role before the user's row was changed, and inserts its session
    /// after this call has listed the sessions, keeps the old role. If that must not happen, call
    /// [`cut_off`](Self::cut_off) instead, which ends the sessions and also reaches such a login.
    /// Or let the user's row have a number that each change of rights increases, keep that number
    /// in the payload, and let the [`Verifier`] refuse a session whose number is lower.
    ///
    /// # Cost
    ///
    /// One statement for each 100 sessions, and for each session that differs two more, plus two
    /// for each conflict.
    ///
    /// # Errors
    ///
    /// [`Error::SubjectPartlyUpdated`] says how many sessions were changed, and why another one was
    /// not. If the store cannot answer, the call stops there. If only one session is concerned,
    /// because its new payload is refused, `change` changes its subject
    /// ([`Error::SubjectChanged`]), there were 64 conflicts, or this release cannot decode it
    /// ([`Error::UndecodableSessions`]: it may be live on a node that can), the other sessions are
    /// still changed, and the first such error is returned. The call can be repeated: a `change`
    /// that sets a value finds nothing to do in the sessions that have it already.
    pub async fn update_subject(
        &self,
        subject: &T::Subject,
        change: impl FnMut(&mut T) + Send + 'static,
    ) -> Result<u64, Error> {
        self.inner.update_subject(subject, change).await.map_err(|error| self.inner.failed(error))
    }

    /// Returns a subject's ended sessions, with how, when and why each one ended, the most recently
    /// ended first, one page at a time. They are kept as long as `#[session(keep_ended = "..")]`
    /// says; without it, there are none. Await it to run it. Costs one statement.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// #[derive(Clone, SessionData)]
    /// #[session(keep_ended = "30d")]
    /// struct UserSession {
    ///     #[session(subject)]
    ///     user_id: i64,
    /// }
    ///
    /// async fn show(
    ///     sessions: &SessionManager<UserSession>,
    ///     user_id: i64,
    /// ) -> Result<(), anchor::Error> {
    ///     for ended in sessions.history(&user_id).limit(20).await? {
    ///         println!("{} ended at {}: {:?}", ended.record.id, ended.ended_at, ended.reason);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer.
    pub fn history<'a>(&'a self, subject: &'a T::Subject) -> Listing<'a, EndedRecord<T>> {
        Listing::new(move |page| {
            Box::pin(async move { self.logged(self.inner.store.history(subject, page).await) })
        })
    }

    /// Removes at most `batch` ended rows and returns how many it removed. Costs one statement.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// # ) -> Result<(), anchor::Error> {
    /// // In a job of your own, instead of `run_sweeper`.
    /// while sessions.sweep(1_000).await? > 0 {}
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer.
    pub async fn sweep(&self, batch: u32) -> Result<u64, Error> {
        self.logged(self.inner.sweep(batch).await)
    }

    /// Starts a task that removes ended rows, about every `interval`, in batches of 32. After each
    /// batch it rests four times as long as the batch took, at most 20 milliseconds, so that
    /// requests hardly notice it: it removes some 5,000 rows a second from a local database, and
    /// 800 where a batch takes 20 milliseconds. [`sweep`](Self::sweep) does not rest. The task
    /// continues after errors. It spreads its runs by a quarter of the interval, so that nodes do
    /// not sweep at the same time. It stops when the [`Sweeper`] or the last clone of the manager
    /// is dropped, or at [`shutdown`](Self::shutdown).
    ///
    /// An ended row is never accepted, whether it was swept or not. The sweep only frees its space.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>,
    /// # ) -> Result<(), anchor::Error> {
    /// use std::time::Duration;
    ///
    /// // Keep it: the sweeper stops when it is dropped.
    /// let _sweeper = sessions.run_sweeper(Duration::from_secs(600));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if called outside of a tokio runtime.
    pub fn run_sweeper(&self, interval: Duration) -> Sweeper {
        Sweeper::start(&self.inner, interval)
    }

    /// Ends what the manager runs besides requests, and returns how many tasks are still running
    /// after [`shutdown_timeout`](crate::manager::SessionManagerBuilder::shutdown_timeout): 0 if
    /// all are done; any other number is also logged. Call it after `axum::serve`, before the
    /// runtime and the pool are dropped.
    ///
    /// A logout continues after its client has disconnected, so a graceful shutdown of the server
    /// does not wait for it. This method does; otherwise that session would stay live. Uses of
    /// sessions that wait to be recorded are written at once. The sweeper stops, and
    /// [`Session::wait_until_ended`](crate::Session::wait_until_ended) resolves for everyone who
    /// waits, so that WebSockets close.
    ///
    /// ```no_run
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(
    /// #     sessions: SessionManager<T>, listener: tokio::net::TcpListener, app: axum::Router,
    /// # ) -> std::io::Result<()> {
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async {
    ///         let _ = tokio::signal::ctrl_c().await;
    ///     })
    ///     .await?;
    /// sessions.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// An event stream is a response, and a graceful shutdown waits for its end. An application
    /// that has event streams also calls this method at the signal, before the server begins to
    /// wait. It can be called on any clone, and more than once. Requests are served as before. A
    /// logout that arrives later is carried out, and the next call waits for it.
    pub async fn shutdown(&self) -> usize {
        let unfinished = self.inner.tasks.shut_down().await;
        if unfinished > 0 {
            tracing::error!(
                target: "anchor", unfinished, payload = std::any::type_name::<T>(),
                "the shutdown timed out: a logout that was not answered may not be carried out, \
                 and a use may not be recorded"
            );
        }
        unfinished
    }
}

impl<T: SessionData> fmt::Debug for SessionManager<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("table", &T::schema().table)
            .field("channels", &self.inner.channels.names())
            .field("idle", &self.inner.idle)
            .field("absolute", &self.inner.absolute)
            .finish_non_exhaustive()
    }
}
