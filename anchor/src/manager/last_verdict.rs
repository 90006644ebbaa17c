//! [`LastVerdict`]: the verifier's last decision on a handle that may outlive its request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use tokio::time::Instant;

use crate::manager::Event;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::rejection::{Error, Rejection};
use crate::store::Record;

/// A request as the verifier sees it, and when the verifier last accepted it. Kept with a handle if
/// there is a verifier: a WebSocket keeps its handle for hours.
pub(crate) struct LastVerdict {
    request: Parts,
    /// `None` after a refusal, until the next acceptance.
    accepted_at: Mutex<Option<Instant>>,
}

impl LastVerdict {
    /// Copies a request that the verifier accepts now. Returns `None` if there is no verifier.
    pub(crate) fn of<T>(sessions: &Sessions<T>, request: &Parts) -> Option<Arc<Self>> {
        sessions.verifier.as_ref()?;
        let accepted_at = Mutex::new(Some(Instant::now()));
        Some(Arc::new(Self { request: request.clone(), accepted_at }))
    }

    pub(crate) fn request(&self) -> &Parts {
        &self.request
    }

    /// Returns whether the verifier's last acceptance is too old to allow a write.
    pub(crate) fn is_due<T>(&self, sessions: &Sessions<T>) -> bool {
        self.accepted_at().is_none_or(|accepted| accepted.elapsed() >= sessions.verify_interval)
    }

    /// Asks the verifier again.
    pub(crate) async fn ask<T: SessionData>(
        &self,
        sessions: &Sessions<T>,
        record: &Record<T>,
    ) -> Result<(), Error> {
        let verdict = sessions.verify(record, Some(&self.request)).await;
        match &verdict {
            Ok(()) => *self.accepted_at() = Some(Instant::now()),
            Err(error @ Error::RefusedByVerifier { .. }) => {
                *self.accepted_at() = None;
                sessions.emit(&Event::Refused { rejection: &Rejection::from(error.clone()) });
            }
            Err(_) => {}
        }
        verdict
    }

    fn accepted_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.accepted_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
