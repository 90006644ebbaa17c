//! [`SessionManager`]: the sessions of one payload type, for the code outside requests.

pub(crate) mod builder;
mod callback;
pub(crate) mod client;
mod cross_origin;
mod environment;
pub(crate) mod event;
pub(crate) mod listing;
pub(crate) mod registry;
pub(crate) mod sessions;
mod sweeper;
mod tasks;
pub(crate) mod verification;
mod verifier;
pub(crate) mod watch;

pub use builder::SessionManagerBuilder;
pub use client::FingerprintMismatch;
pub use environment::Environment;
pub use event::{Event, RevokedSessions};
pub use listing::Listing;
pub use sweeper::Sweeper;
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

/// Everything that one payload type's sessions need: store, frontend, keys, verifier and lifetimes.
/// Cheap to clone.
///
/// In a request the extractors do the work; the manager serves the code outside requests: an
/// administrator's list, a revocation from a job, the sweep.
pub struct SessionManager<T: SessionData> {
    pub(crate) inner: Arc<Sessions<T>>,
}

impl<T: SessionData> SessionManager<T> {
    /// What a verb answers the application with: an error is logged first.
    fn logged<R>(&self, answer: Result<R, StoreError>) -> Result<R, Error> {
        answer.map_err(|error| self.inner.failed(error))
    }

    /// The live sessions of a subject, newest first, a page at a time. Await it: one statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub fn list<'a>(&'a self, subject: &'a T::Subject) -> Listing<'a, Record<T>> {
        Listing::new(move |page| {
            Box::pin(async move { self.logged(self.inner.store.list(subject, page).await) })
        })
    }

    /// The live session of this id; `None` when there is none. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn get(&self, id: SessionId) -> Result<Option<Record<T>>, Error> {
        let loaded = self.logged(self.inner.load_live(id).await)?;
        Ok(loaded.map(|loaded| Record::clone(&loaded.record)))
    }

    /// Ends a session, whoever its subject is, and says whether it was live: for administrators,
    /// and for the application's own decisions. One statement; two where it was not.
    ///
    /// Where a user ends a session of theirs by its id, use
    /// [`Session::end_sibling`](crate::Session::end_sibling): this ends the session of any id that
    /// a client sends.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the session may live on.
    pub async fn revoke(&self, id: SessionId) -> Result<bool, Error> {
        let ending = self.inner.revoke(id, None, EndReason::Revoked).await;
        Ok(self.logged(ending)? == Ending::Ended)
    }

    /// Ends every session of a subject and says how many there were. Two statements.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn revoke_subject(&self, subject: &T::Subject) -> Result<u64, Error> {
        self.logged(self.inner.revoke_subject(subject, None, EndReason::Revoked).await)
    }

    /// Ends every session of a subject but one and says how many it ended. Two statements.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn revoke_others(&self, subject: &T::Subject, keep: SessionId) -> Result<u64, Error> {
        self.logged(self.inner.revoke_subject(subject, Some(keep), EndReason::Revoked).await)
    }

    /// Ends every session of every subject and says how many there were. Two statements.
    ///
    /// A login that is under way stands; for that, retire the signing keys as well.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn revoke_everyone(&self) -> Result<u64, Error> {
        self.logged(self.inner.revoke_everyone().await)
    }

    /// Ends every session of a subject, and beats its logins that have begun and are still under
    /// way, on every node: for a new password. Says how many sessions it ended. Two statements. A
    /// payload takes part with `#[session(cut_off)]`; for another this does not compile.
    ///
    /// A login that checked the old password before this call, and creates its session after it,
    /// gets one that is dead on arrival: a login begins when its request reaches the session layer.
    /// Within the request that cut the subject off, log in with
    /// [`Login::starting_now`](crate::request::Login::starting_now).
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn cut_off(&self, subject: &T::Subject) -> Result<u64, Error>
    where
        T: CutOff,
    {
        self.logged(self.inner.cut_off(subject).await)
    }

    /// A subject's ended sessions with how, when and why, the one that ended last first, a page at
    /// a time; as long as `#[session(keep_ended = "..")]` keeps them, else none. Await it: one
    /// statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub fn history<'a>(&'a self, subject: &'a T::Subject) -> Listing<'a, EndedRecord<T>> {
        Listing::new(move |page| {
            Box::pin(async move { self.logged(self.inner.store.history(subject, page).await) })
        })
    }

    /// Removes at most `batch` ended rows and says how many. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn sweep(&self, batch: u32) -> Result<u64, Error> {
        self.logged(self.inner.sweep(batch).await)
    }

    /// Starts a task that removes ended rows, about every `interval`, in batches of 1,000. It
    /// survives errors, spreads its runs by a quarter of the interval so that nodes do not sweep
    /// together, and stops when the [`Sweeper`] or the last clone of the manager is dropped, or at
    /// [`shutdown`](Self::shutdown).
    ///
    /// Ended rows are never accepted, swept or not; the sweep only gives their space back.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn run_sweeper(&self, interval: Duration) -> Sweeper {
        Sweeper::start(&self.inner, interval)
    }

    /// Ends what the manager has running besides requests, and says how many tasks are still at
    /// work after [`shutdown_timeout`](crate::manager::SessionManagerBuilder::shutdown_timeout): 0
    /// when all is done, else it is logged too. Call it after `axum::serve`, before the runtime and
    /// the pool go.
    ///
    /// A logout goes on when its client has left, so a graceful shutdown of the server does not
    /// wait for it: this does, or that session would live on. The sweeper stops, and
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
    /// An event stream is a response, and a graceful shutdown waits for its end: an application
    /// that has some calls this at the signal as well, before the server begins to wait. Any clone
    /// will do, as often as wanted; requests are served as before, and a logout that comes later is
    /// carried out, and waited for by the next call.
    pub async fn shutdown(&self) -> usize {
        let unfinished = self.inner.tasks.shut_down().await;
        if unfinished > 0 {
            tracing::error!(
                target: "anchor", unfinished, payload = std::any::type_name::<T>(),
                "the shutdown did not wait any longer: a logout that was not answered may not be \
                 carried out"
            );
        }
        unfinished
    }
}

impl<T: SessionData> Clone for SessionManager<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: SessionData> fmt::Debug for SessionManager<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("table", &T::schema().table)
            .field("channel", &self.inner.channel)
            .field("idle", &self.inner.idle)
            .field("absolute", &self.inner.absolute)
            .finish_non_exhaustive()
    }
}
