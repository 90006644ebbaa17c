//! A change of payloads by compare-and-set: the attempts that
//! [`Session::update`](crate::Session::update) and
//! [`SessionManager::update_subject`](crate::SessionManager::update_subject) have in common, and
//! the latter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Event;
use super::callback;
use super::sessions::Sessions;
use crate::column::{Column, Value};
use crate::error::{StoreError, StoreErrorKind};
use crate::payload::{Encoder, SessionData};
use crate::rejection::Error;
use crate::store::{Change, Loaded, Page, Record, Updated};
use crate::token::SecretHash;

/// How many times a change is tried before it is given up. Each conflict means that another request
/// succeeded.
const ATTEMPTS: u32 = 64;

/// How errors and the log call the change of all sessions of a subject.
const UPDATE_SUBJECT: &str = "update_subject";

/// What a change starts from: the session as it was loaded, and a secret that it accepts.
pub(crate) struct Start<T> {
    pub(crate) record: Arc<Record<T>>,
    pub(crate) secret: SecretHash,
}

/// The outcome of a change.
pub(crate) enum Changed<T> {
    /// The session as it is now.
    Written(Arc<Record<T>>),
    /// There was nothing to write.
    Unchanged,
    /// The session has ended; nothing was written.
    Gone,
}

impl<T: SessionData> Sessions<T> {
    /// Writes the payload that `change` returns, if it returns one. After a conflict, it starts
    /// again from what `again` makes of the session as it is then.
    pub(crate) async fn change(
        &self,
        mut from: Start<T>,
        mut change: impl FnMut(&T) -> Option<T>,
        mut again: impl FnMut(Loaded<T>) -> Result<Start<T>, Error>,
    ) -> Result<Changed<T>, Error> {
        let id = from.record.id;
        let mut turn = None;
        for _ in 0..ATTEMPTS {
            let Start { record, secret } = from;
            let Some(to) = change(&record.data) else { return Ok(Changed::Unchanged) };
            check_subject(&record, &to)?;
            let (version, to) = (record.version, Arc::new(to));
            let (before, after) = (Arc::clone(&record.data), Arc::clone(&to));
            let write = Change { id, secret, version, from: before, to: after, idle: self.idle };
            match self.store.update(write).await? {
                Updated::Written { version } => {
                    let written = Record { version, data: to, ..Record::clone(&record) };
                    return Ok(Changed::Written(Arc::new(written)));
                }
                Updated::Gone => return Ok(Changed::Gone),
                Updated::Conflict => {}
            }
            // A request that met a conflict waits for the others on this node that did. Otherwise
            // all would load the same version, and all but one would fail again.
            if turn.is_none() {
                turn = Some(self.updates.lock(id).await);
            }
            from = match self.load_live(id).await? {
                Some(loaded) => again(loaded)?,
                None => return Ok(Changed::Gone),
            };
        }
        Err(Error::Contended { id, attempts: ATTEMPTS })
    }

    /// Changes the payload in each of a subject's sessions, and returns how many were written.
    ///
    /// Runs in a separate task: if the client disconnected half way, the other sessions would keep
    /// the old payload, and nobody would know.
    pub(crate) async fn update_subject(
        self: &Arc<Self>,
        subject: &T::Subject,
        change: impl FnMut(&mut T) + Send + 'static,
    ) -> Result<u64, Error> {
        let subject = subject.to_value().and_then(T::Subject::from_value);
        let subject = subject.map_err(|reason| StoreError::new(StoreErrorKind::Encode, reason))?;
        let sessions = Arc::clone(self);
        let update = async move { sessions.update_each_of(&subject, change).await };
        self.tasks.complete(update).await?
    }

    async fn update_each_of(
        &self,
        subject: &T::Subject,
        mut change: impl FnMut(&mut T) + Send,
    ) -> Result<u64, Error> {
        let panicked = AtomicBool::new(false);
        let mut change = |data: &T| {
            let changed = callback::call(UPDATE_SUBJECT, || differing(data, &mut change));
            changed.unwrap_or_else(|_| {
                panicked.store(true, Ordering::Relaxed);
                None
            })
        };
        let mut updated = 0;
        let mut refused = None;
        let mut undecodable = 0;
        let mut page = Page::default();
        loop {
            let listed = match self.store.list(subject, page).await {
                Ok(listed) => listed,
                Err(error) => return Err(partly(updated, error.into())),
            };
            undecodable += listed.undecodable;
            for record in &listed {
                let outcome = self.update_listed(record, &mut change).await;
                if panicked.load(Ordering::Relaxed) {
                    let error = Error::Callback { callback: UPDATE_SUBJECT };
                    return Err(partly(updated, error));
                }
                match outcome {
                    Ok(Changed::Written(session)) => {
                        updated += 1;
                        self.emit(&Event::Updated { session: &session });
                    }
                    Ok(Changed::Unchanged | Changed::Gone) => {}
                    Err(error) if concerns_one_session(&error) => {
                        refused.get_or_insert(error);
                    }
                    Err(error) => return Err(partly(updated, error)),
                }
            }
            match listed.next {
                Some(next) => page = page.after(next),
                None => break,
            }
        }
        if undecodable > 0 {
            refused.get_or_insert(Error::UndecodableSessions { count: undecodable });
        }
        refused.map_or(Ok(updated), |error| Err(partly(updated, error)))
    }

    /// Changes a session that was listed: in the list, it has no secret.
    async fn update_listed(
        &self,
        listed: &Record<T>,
        mut change: impl FnMut(&T) -> Option<T>,
    ) -> Result<Changed<T>, Error> {
        let Some(to) = change(&*listed.data) else { return Ok(Changed::Unchanged) };
        check_subject(listed, &to)?;
        let Some(loaded) = self.load_live(listed.id).await? else { return Ok(Changed::Gone) };
        let from =
            |loaded: Loaded<T>| Start { record: loaded.record, secret: loaded.secrets.current };
        self.change(from(loaded), change, |loaded| Ok(from(loaded))).await
    }
}

/// Returns the changed payload, or `None` if the same would be stored.
pub(crate) fn differing<T: SessionData>(data: &T, change: &mut impl FnMut(&mut T)) -> Option<T> {
    let mut to = data.clone();
    change(&mut to);
    // What cannot be stored is refused by the store, with its reason.
    let is_same = match (Encoder::values_of(data), Encoder::values_of(&to)) {
        (Ok(from), Ok(to)) => from == to,
        _ => false,
    };
    (!is_same).then_some(to)
}

/// Returns an error if a session would belong to another subject, or have another impersonator.
pub(crate) fn check_subject<T: SessionData>(from: &Record<T>, to: &T) -> Result<(), Error> {
    match whose(&*from.data) == whose(to) {
        true => Ok(()),
        false => Err(Error::SubjectChanged { id: from.id }),
    }
}

/// Returns an error if a login of this payload would hide that the session is an impersonator's.
pub(crate) fn check_impersonator<T: SessionData>(from: &Record<T>, to: &T) -> Result<(), Error> {
    let ((before, impersonator), (after, other)) = (whose(&*from.data), whose(to));
    match impersonator.is_some() && before == after && impersonator != other {
        true => Err(Error::Impersonated { id: from.id }),
        false => Ok(()),
    }
}

/// Returns whose session it is, or `None` if it is nobody's, and who acts as them, in a form that
/// can be compared.
fn whose<T: SessionData>(data: &T) -> (Option<Value>, Option<Value>) {
    (data.subject().and_then(|subject| subject.to_value().ok()), data.impersonator())
}

/// Returns whether another session may be changed all the same.
fn concerns_one_session(error: &Error) -> bool {
    match error {
        Error::Store(error) => {
            matches!(error.kind(), StoreErrorKind::Constraint | StoreErrorKind::Encode)
        }
        _ => true,
    }
}

fn partly(updated: u64, error: Error) -> Error {
    Error::SubjectPartlyUpdated { updated, error: Box::new(error) }
}
