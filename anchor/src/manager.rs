//! [`SessionManager`]: the sessions of one payload type, for the code outside requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::data::{CutOff, SessionData};
use crate::error::Error;
use crate::id::SessionId;
use crate::layer::SessionLayer;
use crate::sessions::Sessions;
use crate::store::{EndReason, EndedRecord, Ending, Load, Record};
use crate::sweeper::Sweeper;

/// Everything that one payload type's sessions need: store, frontend, keys, verifier and lifetimes. Cheap to clone.
///
/// In a request the extractors do the work; the manager serves the code outside requests: an administrator's list, a revocation from a
/// job, the sweep.
pub struct SessionManager<T: SessionData> {
    pub(crate) inner: Arc<Sessions<T>>,
}

impl<T: SessionData> SessionManager<T> {
    /// The tower layer that gives a router's routes their sessions. Add it after the routes.
    pub fn layer(&self) -> SessionLayer<T> {
        SessionLayer::new(Arc::clone(&self.inner))
    }

    /// The live sessions of a subject, newest first. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn list(&self, subject: &T::Subject) -> Result<Vec<Record<T>>, Error> {
        Ok(self.inner.store.list(subject).await?)
    }

    /// The live session of this id; `None` when there is none. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn get(&self, id: SessionId) -> Result<Option<Record<T>>, Error> {
        Ok(match self.inner.store.load(id).await? {
            Load::Live(loaded) => Some(Record::clone(&loaded.record)),
            Load::Ended | Load::Absent | Load::Undecodable(_) => None,
        })
    }

    /// Ends a session and says whether it was live. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the session may live on.
    pub async fn revoke(&self, id: SessionId) -> Result<bool, Error> {
        Ok(self.inner.revoke(id, None, EndReason::Revoked).await? == Ending::Ended)
    }

    /// Ends every session of a subject and says how many there were. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn revoke_subject(&self, subject: &T::Subject) -> Result<u64, Error> {
        Ok(self.inner.revoke_subject(subject, None, EndReason::Revoked).await?)
    }

    /// Ends every session of a subject but one and says how many it ended. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn revoke_others(&self, subject: &T::Subject, keep: SessionId) -> Result<u64, Error> {
        Ok(self.inner.revoke_subject(subject, Some(keep), EndReason::Revoked).await?)
    }

    /// Ends every session of every subject and says how many there were. One statement.
    ///
    /// A login that is under way stands; for that, retire the signing keys as well.
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn revoke_everyone(&self) -> Result<u64, Error> {
        Ok(self.inner.revoke_everyone().await?)
    }

    /// Ends every session of a subject, and beats its logins that have begun and are still under way, on every node: for a new password. Says how many
    /// sessions it ended. Two statements. A payload takes part with `#[session(cut_off)]`; for another this does not compile.
    ///
    /// A login that checked the old password before this call, and creates its session after it, gets one that is dead on arrival: a login begins
    /// when its request reaches the session layer. Within the request that cut the subject off, log in with
    /// [`Login::begins_now`](crate::Login::begins_now).
    ///
    /// # Errors
    ///
    /// When the store cannot answer: the sessions may live on.
    pub async fn cut_off(&self, subject: &T::Subject) -> Result<u64, Error>
    where
        T: CutOff,
    {
        Ok(self.inner.cut_off(subject).await?)
    }

    /// A subject's ended sessions with how, when and why, the one that ended last first; as long as
    /// `#[session(keep_ended = "..")]` keeps them, else none. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn history(&self, subject: &T::Subject) -> Result<Vec<EndedRecord<T>>, Error> {
        Ok(self.inner.store.history(subject).await?)
    }

    /// Removes at most `batch` ended rows and says how many. One statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub async fn sweep(&self, batch: u32) -> Result<u64, Error> {
        Ok(self.inner.sweep(batch).await?)
    }

    /// Starts a task that removes ended rows, about every `interval`, in batches of 1,000. It survives errors, spreads its runs by a quarter of the interval
    /// so that nodes do not sweep together, and stops when the [`Sweeper`] or the last clone of the manager is dropped.
    ///
    /// Ended rows are never accepted, swept or not; the sweep only gives their space back.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn run_sweeper(&self, interval: Duration) -> Sweeper {
        Sweeper::start(&self.inner, interval)
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
