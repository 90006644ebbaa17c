//! [`Effects`]: what the commit of a transaction makes true, and nobody may be told before.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::column::Value;
use crate::id::SessionId;
use crate::manager::sessions::Sessions;
use crate::manager::{Event, RevokedSessions};
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::{EndReason, Record};

type Completion = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// What one verb has done, if its transaction commits.
pub(crate) enum Effect<T> {
    Revoked {
        which: RevokedSessions,
        /// Whose sessions they were, unless it is one session.
        subject: Option<Value>,
        count: u64,
        reason: EndReason,
    },
    Updated(Record<T>),
    /// A request learns that it is logged in.
    LoggedIn(Box<dyn FnOnce() -> Completion + Send>),
}

/// In the order of the verbs.
pub(super) struct Effects<T>(Vec<Effect<T>>);

impl<T: SessionData> Effects<T> {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn push(&mut self, effect: Effect<T>) {
        self.0.push(effect);
    }

    pub(super) fn has_login(&self) -> bool {
        self.0.iter().any(|effect| matches!(effect, Effect::LoggedIn(_)))
    }

    /// Lets those who wait for the end of a session look whether it has ended.
    pub(super) fn wake(&self, sessions: &Sessions<T>) {
        for effect in &self.0 {
            let Effect::Revoked { which, subject, .. } = effect else { continue };
            match which {
                RevokedSessions::One(id) => sessions.watches.ended(*id),
                RevokedSessions::Others(keep) => {
                    sessions.watches.ended_all(subject.as_ref(), Some(*keep));
                }
                RevokedSessions::Subject | RevokedSessions::Everyone => {
                    sessions.watches.ended_all(subject.as_ref(), None);
                }
            }
        }
    }

    /// Reports what is true since the commit. Returns an error if a login can no longer be
    /// answered.
    pub(super) async fn publish(self, sessions: &Arc<Sessions<T>>) -> Result<(), Error> {
        self.wake(sessions);
        let mut outcome = Ok(());
        for effect in self.0 {
            match effect {
                Effect::Revoked { which, count, reason, .. } => {
                    sessions.emit(&Event::Revoked { which, count, reason });
                }
                Effect::Updated(session) => sessions.emit(&Event::Updated { session: &session }),
                Effect::LoggedIn(complete) => outcome = outcome.and(complete().await),
            }
        }
        outcome
    }
}

/// A login in a transaction: the session begins when the transaction commits. Returned by
/// [`Login::within`](crate::request::Login::within).
///
/// With a cookie frontend, the response carries the token if the transaction has committed before
/// the handler answers. With [`Bearer`](crate::frontend::Bearer), the handler sends it after the
/// commit. Until then, and after a rollback, the token is refused like any other unknown one.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # async fn handler(
/// #     sessions: SessionManager<UserSession>, store: SqliteStore<UserSession>,
/// #     auth: Auth<UserSession>,
/// # ) -> Result<String, anchor::Error> {
/// let mut transaction = sessions.begin(&store).await?;
/// let login = auth.login(UserSession { user_id: 1 }).within(&mut transaction).await?;
/// transaction.commit().await?;
/// // With `Bearer`, the token is the response.
/// println!("session {}", login.id());
/// Ok(login.token().expose().to_owned())
/// # }
/// ```
#[derive(Debug)]
pub struct PendingLogin {
    pub(crate) id: SessionId,
    pub(crate) token: crate::token::SessionToken,
}

impl PendingLogin {
    /// Returns the id that the session will have.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the credential. Send it only after the commit, and only to its owner.
    pub fn token(&self) -> &crate::token::SessionToken {
        &self.token
    }
}
