//! [`Verifier`]: the application's own check of a session.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;

use http::request::Parts;

use crate::payload::SessionData;
use crate::store::Record;

/// Any error, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The application's own check of a session that is otherwise valid. It is asked once per request,
/// after the session was loaded, and again for a handle that is kept: see
/// [`verify_interval`](crate::manager::SessionManagerBuilder::verify_interval). For this, a
/// handler's [`Session`](crate::Session) keeps a copy of the request's head.
///
/// It is given the session. Do not extract the session from the request again: that would wait for
/// the verifier.
///
/// ```
/// use anchor::SessionData;
/// use anchor::manager::{BoxError, Verdict, Verifier};
/// use anchor::store::Record;
/// use http::request::Parts;
///
/// /// Accepts no session while the application is under maintenance.
/// struct Open(std::sync::atomic::AtomicBool);
///
/// impl<T: SessionData> Verifier<T> for Open {
///     async fn verify(&self, _: &Record<T>, request: &Parts) -> Result<Verdict, BoxError> {
///         let open = self.0.load(std::sync::atomic::Ordering::Relaxed);
///         Ok(if open || request.uri.path() == "/status" {
///             Verdict::Accept
///         } else {
///             Verdict::Refuse
///         })
///     }
/// }
/// ```
pub trait Verifier<T: SessionData>: Send + Sync + 'static {
    /// Decides whether this session may be used for this request. [`Verdict::Refuse`] is answered
    /// 401 and leaves the session unchanged.
    ///
    /// # Errors
    ///
    /// Returns an error if the question cannot be answered. The request is then answered 503: it is
    /// never accepted, and never answered 401.
    fn verify(
        &self,
        session: &Record<T>,
        request: &Parts,
    ) -> impl Future<Output = Result<Verdict, BoxError>> + Send;
}

/// The decision of a [`Verifier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The session may be used.
    Accept,
    /// The session may not be used.
    Refuse,
}

type VerdictFuture<'a> = Pin<Box<dyn Future<Output = Result<Verdict, BoxError>> + Send + 'a>>;

/// A [`Verifier`] as the manager keeps it.
pub(crate) trait AnyVerifier<T>: Send + Sync {
    fn verify<'a>(&'a self, session: &'a Record<T>, request: &'a Parts) -> VerdictFuture<'a>;
}

impl<T: SessionData, V: Verifier<T>> AnyVerifier<T> for V {
    fn verify<'a>(&'a self, session: &'a Record<T>, request: &'a Parts) -> VerdictFuture<'a> {
        Box::pin(Verifier::verify(self, session, request))
    }
}
