//! What creates tokens: a login, a rotation, a re-authentication.

use std::any::type_name;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "testing")]
use super::Past;
use super::{Admitted, Current, Issue, Live, Outgoing, Scope, Stage};
use crate::id::SessionId;
use crate::manager::Event;
#[cfg(feature = "_sql")]
use crate::manager::RevokedSessions;
use crate::manager::channels::{ChannelId, ChannelSet};
use crate::manager::payload_change::check_impersonator;
use crate::manager::sessions::Sessions;
#[cfg(feature = "_sql")]
use crate::manager::transaction::{Effect, PendingLogin, SessionTransaction};
use crate::payload::{LimitExceeded, SessionData, SubjectLimit};
use crate::rejection::Error;
#[cfg(feature = "_sql")]
use crate::store::sql::Transactions;
use crate::store::{
    Created, EndReason, NewSession, OldSecret, Reauthenticated, Record, Replaced, Rotated, Rotation,
};
use crate::timestamp::Timestamp;
use crate::token::{Secret, SessionToken};

/// The options of a login, besides its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoginOptions {
    /// Whether the client keeps the token when it is closed.
    pub(crate) remembered: bool,
    /// Whether what it relies on was checked just now, not at some time since the request arrived.
    pub(crate) starting_now: bool,
    /// Whether it ends the subject's other sessions.
    pub(crate) revokes_others: bool,
    /// The longest time that the session may live, if that is less than for other sessions.
    pub(crate) longest: Option<Duration>,
    /// The channel that the token is for.
    pub(crate) channel: ChannelId,
    #[cfg(feature = "testing")]
    pub(crate) past: Past,
}

impl Default for LoginOptions {
    fn default() -> Self {
        Self {
            remembered: true,
            starting_now: false,
            revokes_others: false,
            longest: None,
            channel: ChannelId::FIRST,
            #[cfg(feature = "testing")]
            past: Past::default(),
        }
    }
}

/// A login whose session has not been inserted.
struct Begun<T> {
    new: NewSession<T>,
    secret: Secret,
    /// What it ends besides the session that it replaces: a request may present several.
    others: Vec<Replaced>,
}

impl<T: SessionData> Scope<T> {
    /// Creates a session and ends the presented one, or the one that this request logged in before.
    ///
    /// Runs in a separate task: if the client disconnected half way, nobody else would end the
    /// session that the store still creates.
    pub(crate) async fn login(
        self: &Arc<Self>,
        data: T,
        options: LoginOptions,
    ) -> Result<(Admitted<T>, SessionToken), Error> {
        let scope = Arc::clone(self);
        let login = async move {
            scope.create(data, options).await.map_err(|error| scope.not_logged_in(error))
        };
        self.sessions
            .tasks
            .complete(login)
            .await
            .unwrap_or_else(|error| Err(self.sessions.failed(error)))
    }

    /// Returns the channel with this name.
    ///
    /// # Errors
    ///
    /// Returns an error if the manager does not have it, and logs the error.
    pub(crate) fn channel(&self, name: &str) -> Result<ChannelId, Error> {
        let unknown = || Error::UnknownFrontend { channel: name.to_owned() };
        self.sessions.channels.find(name).ok_or_else(|| self.sessions.failed(unknown()))
    }

    /// Logs why a login failed. If nobody waits for the login any more, this is not an error of the
    /// application.
    fn not_logged_in(&self, error: Error) -> Error {
        if matches!(error, Error::ResponseBegun) && self.state().stage == Stage::Dropped {
            tracing::info!(
                target: "anchor", payload = type_name::<T>(),
                "the client left during its login, or the handler panicked: no session remains"
            );
            return error;
        }
        self.sessions.failed(error)
    }

    async fn create(
        &self,
        data: T,
        options: LoginOptions,
    ) -> Result<(Admitted<T>, SessionToken), Error> {
        let Begun { new, secret, others } = self.begin(data, options)?;
        let sessions = &self.sessions;
        // These end first. Otherwise a failure here would leave a new session whose token nobody
        // has.
        for other in others {
            sessions.revoke(other.id, Some(other.proof), EndReason::Replaced).await?;
        }
        let replaced = new.replaces.map(|replaced| replaced.id);
        let (record, ended) = match sessions.store.create(new).await? {
            Created::Session { record, ended } => (record, ended),
            Created::SubjectFull => return Err(Error::TooManySessions),
        };
        self.created(record, secret, options.channel, ended, replaced).await
    }

    /// Creates a session in a transaction of the application's. Its request learns of it after the
    /// commit.
    #[cfg(feature = "_sql")]
    pub(crate) async fn login_within<D: Transactions>(
        self: &Arc<Self>,
        data: T,
        options: LoginOptions,
        transaction: &mut SessionTransaction<T, D>,
    ) -> Result<PendingLogin, Error> {
        let begun =
            transaction.check_login(&self.sessions).and_then(|()| self.begin(data, options));
        let begun = begun.map_err(|error| self.sessions.failed(error));
        let Begun { new, secret, others } = begun.inspect_err(|_| transaction.refuse())?;
        let (id, replaced) = (new.id, new.replaces.map(|replaced| replaced.id));
        let channel = options.channel;
        let token = SessionToken::sign(id, &secret, &self.sessions.channels[channel].keys);
        let (record, ended) = transaction.create(new, &others).await?;
        let scope = Arc::clone(self);
        transaction.after_commit(Effect::LoggedIn(Box::new(move || {
            Box::pin(async move {
                for other in others {
                    scope.sessions.watches.ended(other.id);
                    let which = RevokedSessions::One(other.id);
                    let reason = EndReason::Replaced;
                    scope.sessions.emit(&Event::Revoked { which, count: 1, reason });
                }
                scope.created(record, secret, channel, ended, replaced).await.map(drop)
            })
        })));
        Ok(PendingLogin { id, token })
    }

    /// Makes the session that a login inserts.
    fn begin(&self, data: T, options: LoginOptions) -> Result<Begun<T>, Error> {
        let (replaces, others, client) = {
            let state = self.state();
            if state.is_closed() {
                return Err(Error::ResponseBegun);
            }
            if let Current::Live(live) = &state.current {
                check_impersonator(&live.record, &data)?;
            }
            let mut presented = self.presented(&state).into_iter();
            (presented.next(), presented.collect(), state.client.clone())
        };
        // A session that should be bound to a client must not begin without its fingerprint.
        let fingerprint = client.fingerprint?;
        let sessions = &self.sessions;
        let (mut new, secret) = sessions.new_session(data)?;
        let is_measured = T::schema().options.cut_off && !options.starting_now;
        new.replaces = replaces;
        new.remembered = options.remembered;
        new.began = is_measured.then_some(self.arrived);
        new.client = client.info;
        new.fingerprint = fingerprint;
        if options.revokes_others {
            new.limit = Some(SubjectLimit::new(1, LimitExceeded::EndOldest));
        }
        if let Some(longest) = options.longest {
            new.idle = new.idle.min(longest);
            new.absolute = new.absolute.min(longest);
        }
        #[cfg(feature = "testing")]
        let new = options.past.given_to(new);
        Ok(Begun { new, secret, others })
    }

    /// Records that the session exists, and that `replaced` and `ended` have ended.
    async fn created(
        &self,
        record: Record<T>,
        secret: Secret,
        channel: ChannelId,
        ended: Vec<SessionId>,
        replaced: Option<SessionId>,
    ) -> Result<(Admitted<T>, SessionToken), Error> {
        let (sessions, id, record) = (&self.sessions, record.id, Arc::new(record));
        sessions.made_room(ended);
        if let Some(replaced) = replaced {
            sessions.watches.ended(replaced);
        }
        let token = SessionToken::sign(id, &secret, &sessions.channels[channel].keys);
        let earlier = match self.found_created(&record, secret, &token, channel) {
            Ok(earlier) => earlier,
            Err(error) => {
                self.end_unsent(id, EndReason::Abandoned).await;
                return Err(error);
            }
        };
        if let Some(earlier) = earlier.filter(|earlier| Some(*earlier) != replaced) {
            self.end_unsent(earlier, EndReason::Replaced).await;
        }
        sessions.emit(&Event::Created { session: &record, replaced });
        let plain_http = self.state().plain_http.take();
        if let Some(origin) = plain_http {
            sessions.plain_http.warn::<T>(&origin, &sessions.channels[channel]);
        }
        let now = record.created_at;
        Ok((Admitted { record, now, current_secret: true }, token))
    }

    /// Ends a session whose token nobody gets.
    async fn end_unsent(&self, id: SessionId, reason: EndReason) {
        if let Err(error) = self.sessions.revoke(id, None, reason).await {
            tracing::warn!(
                target: "anchor", payload = type_name::<T>(), %id,
                "a session whose token nobody has lives on until it expires: {error}"
            );
        }
    }

    /// Records that the session was created. Returns the session of another login of this request,
    /// if there is one, whose token nobody gets any more.
    ///
    /// # Errors
    ///
    /// Returns an error if the token can no longer be sent.
    fn found_created(
        &self,
        record: &Arc<Record<T>>,
        secret: Secret,
        token: &SessionToken,
        channel: ChannelId,
    ) -> Result<Option<SessionId>, Error> {
        let mut state = self.state();
        if state.is_closed() {
            return Err(Error::ResponseBegun);
        }
        let earlier = match &state.current {
            Current::Live(live) if live.is_new => Some(live.record.id),
            _ => None,
        };
        let live = Live {
            now: record.created_at,
            record: Arc::clone(record),
            secret,
            channel,
            is_current: true,
            is_new: true,
            is_due: false,
            is_cached: false,
        };
        let lifetime = live.lifetime();
        let forgets = state.carried.without(channel);
        state.carried.insert(channel);
        let issue = Issue { token: token.clone(), channel, lifetime, forgets, rotated: None };
        state.outgoing = Outgoing::Issue(Box::new(issue));
        state.current = Current::Live(live);
        Ok(earlier)
    }

    /// Gives the session a new secret, and the response its token. Returns `None` if another
    /// request has already done so.
    pub(crate) async fn rotate(
        &self,
        id: SessionId,
        old: OldSecret,
    ) -> Result<Option<SessionToken>, Error> {
        let channel = self.open_channel(id)?;
        let rotated = self.rotate_from_here(id, old).await?;
        self.check_sent(channel)?;
        Ok(rotated)
    }

    /// Returns the channel of the request's session.
    ///
    /// # Errors
    ///
    /// Returns an error if the response can no longer carry a token, or the session is no longer
    /// the request's.
    fn open_channel(&self, id: SessionId) -> Result<ChannelId, Error> {
        let mut state = self.state();
        if state.is_closed() {
            return Err(Error::ResponseBegun);
        }
        state.live(id).map(|live| live.channel).ok_or(Error::Ended { id })
    }

    /// Returns an error if the response was sent without its new token, which nothing else can
    /// carry.
    fn check_sent(&self, channel: ChannelId) -> Result<(), Error> {
        if self.state().is_closed() && self.sessions.channels[channel].frontend.reissues() {
            return Err(Error::ResponseBegun);
        }
        Ok(())
    }

    /// Does what [`rotate`](Self::rotate) does, and also works after the handler has answered.
    pub(super) async fn rotate_from_here(
        &self,
        id: SessionId,
        old: OldSecret,
    ) -> Result<Option<SessionToken>, Error> {
        let (rotation, secret, channel) = self.rotation(id, old)?;
        match self.sessions.store.rotate(rotation).await? {
            Rotated::Written => {}
            Rotated::Conflict => return Ok(None),
            Rotated::Gone => {
                self.found_ended(id);
                return Err(Error::Ended { id });
            }
        }
        let token = self.found_rotated(id, secret, channel);
        self.sessions.emit(&Event::Rotated { id });
        Ok(Some(token))
    }

    /// Records that the session's subject has proved who they are, and rotates: both or neither.
    pub(crate) async fn reauthenticate(
        &self,
        id: SessionId,
    ) -> Result<(Timestamp, SessionToken), Error> {
        self.open_channel(id)?;
        let (rotation, secret, channel) = self.rotation(id, OldSecret::Kept)?;
        let authenticated_at = match self.sessions.store.reauthenticate(rotation).await? {
            Reauthenticated::Written { authenticated_at } => authenticated_at,
            Reauthenticated::Conflict => return Err(Error::SecretReplaced { id }),
            Reauthenticated::Gone => {
                self.found_ended(id);
                return Err(Error::Ended { id });
            }
        };
        let token = self.found_rotated(id, secret, channel);
        self.sessions.emit(&Event::Reauthenticated { id });
        self.sessions.emit(&Event::Rotated { id });
        self.check_sent(channel)?;
        Ok((authenticated_at, token))
    }

    /// Makes a rotation from the secret that this request has to a new one. Returns it with the
    /// new secret and the channel on which that travels.
    pub(super) fn rotation(
        &self,
        id: SessionId,
        old: OldSecret,
    ) -> Result<(Rotation, Secret, ChannelId), Error> {
        let mut state = self.state();
        let live = state.live(id).ok_or(Error::Ended { id })?;
        let secret = live.secret.rotated().map_err(Error::Randomness)?;
        let (from, to, channel) = (live.secret.hash(), secret.hash(), live.channel);
        let Sessions { idle, rotation_grace: grace, .. } = *self.sessions;
        Ok((Rotation { id, from, to, grace, old, idle }, secret, channel))
    }

    /// Records that the session has a new secret, whose token the response carries. Returns the
    /// token.
    pub(super) fn found_rotated(
        &self,
        id: SessionId,
        secret: Secret,
        channel: ChannelId,
    ) -> SessionToken {
        let token = SessionToken::sign(id, &secret, &self.sessions.channels[channel].keys);
        let mut state = self.state();
        let forgets = match &state.outgoing {
            Outgoing::Issue(issue) => issue.forgets,
            Outgoing::Nothing | Outgoing::Remove(_) => ChannelSet::default(),
        };
        // A logout that was carried out meanwhile stays in effect.
        if let Some(live) = state.live(id) {
            live.secret = secret;
            live.is_current = true;
            let lifetime = live.lifetime();
            let rotated = Some(Instant::now());
            let issue = Issue { token: token.clone(), channel, lifetime, forgets, rotated };
            state.outgoing = Outgoing::Issue(Box::new(issue));
        }
        token
    }
}
