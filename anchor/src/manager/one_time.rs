//! [`OneTimeTokens`]: tokens for links, each of which can be redeemed once.

use std::fmt;

use http::{HeaderMap, HeaderName};

use crate::frontend::{Frontend, Presented};
use crate::manager::channels::ChannelId;
use crate::manager::registry::ONE_TIME;
use crate::manager::{Event, SessionManager};
use crate::payload::SessionData;
use crate::rejection::{Error, Rejection};
use crate::store::{Consumed, Created, Load, Loaded, Standing};
use crate::token::keys::TokenKeys;
use crate::token::{SessionToken, Verified};

/// Tokens for links in e-mails, each of which can be redeemed once: to confirm an address, to reset
/// a password, to log in. Made by
/// [`build_one_time_tokens`](crate::manager::SessionManagerBuilder::build_one_time_tokens). Cheap
/// to clone.
///
/// A token is like that of a session: signed, with 256 bits of randomness, and the store holds only
/// a hash. The payload's type is its purpose. The signing key is derived for the payload's table,
/// so a token of one purpose is refused for every other, and is never accepted as a session. It
/// lives for the struct's `absolute`, by the store's clock.
///
/// ```
/// use anchor::manager::OneTimeTokens;
/// use anchor::prelude::*;
///
/// #[derive(Clone, SessionData)]
/// #[session(table = "password_resets", absolute = "30m", max_per_subject = 1)]
/// struct PasswordReset {
///     #[session(subject)]
///     user_id: i64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let resets: OneTimeTokens<PasswordReset> = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::generate()?)
///     .build_one_time_tokens()?;
///
/// let token = resets.issue(PasswordReset { user_id: 1 }).await?;
/// let link = format!("https://shop.example/reset/{}", token.expose());
///
/// let reset = resets.redeem(token.expose()).await?;
/// assert_eq!(reset.map(|reset| reset.user_id), Some(1));
/// assert!(resets.redeem(token.expose()).await?.is_none(), "it was redeemed before");
/// # Ok(())
/// # }
/// ```
///
/// Programs that scan e-mails open the links in them. So let `GET` only show a page with a button
/// ([`peek`](Self::peek) says whether the token is still valid), and redeem in the `POST` of the
/// button. Check everything else in the form first, because the token is used up afterwards.
#[derive(Clone)]
pub struct OneTimeTokens<T: SessionData> {
    manager: SessionManager<T>,
}

impl<T: SessionData> OneTimeTokens<T> {
    pub(super) fn of(manager: SessionManager<T>) -> Self {
        Self { manager }
    }

    /// Issues a token. Whoever has it can redeem it: send it only to the one whom it is for.
    ///
    /// With `max_per_subject = 1`, a new token ends the older ones of the same subject. Costs one
    /// statement, or one transaction with a limit.
    ///
    /// ```
    /// # use anchor::manager::OneTimeTokens;
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(absolute = "30m")]
    /// # struct PasswordReset { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resets: OneTimeTokens<PasswordReset> = SessionManager::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build_one_time_tokens()?;
    /// let token = resets.issue(PasswordReset { user_id: 1 }).await?;
    /// // Only the e-mail has it: neither the log nor the response.
    /// let link = format!("https://shop.example/reset/{}", token.expose());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Error::Store`] if the store cannot answer, refuses the row, or cannot hold the
    /// payload, and [`Error::TooManySessions`] if the subject already has as many tokens as
    /// `on_limit = "refuse"` allows.
    pub async fn issue(&self, data: T) -> Result<SessionToken, Error> {
        let issued = self.try_issue(data).await;
        issued.map_err(|error| self.manager.inner.failed(error))
    }

    async fn try_issue(&self, data: T) -> Result<SessionToken, Error> {
        let sessions = &self.manager.inner;
        let (new, secret) = sessions.new_session(data)?;
        let (record, ended) = match sessions.store.create(new).await? {
            Created::Session { record, ended } => (record, ended),
            Created::SubjectFull => return Err(Error::TooManySessions),
        };
        sessions.made_room(ended);
        sessions.emit(&Event::Created { session: &record, replaced: None });
        Ok(SessionToken::sign(record.id, &secret, self.keys()))
    }

    /// Redeems a token, and returns its payload. Exactly one call returns it, on whatever node.
    /// Every other call returns `None`, and so does a call with a token that has expired, was
    /// revoked, is for another purpose, or was never issued. The log says which. Costs two
    /// statements (on MySQL and MariaDB, one and a transaction of two), and none for a token that
    /// was not issued here.
    ///
    /// ```
    /// # use anchor::manager::OneTimeTokens;
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(absolute = "30m")]
    /// # struct PasswordReset { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resets: OneTimeTokens<PasswordReset> = SessionManager::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build_one_time_tokens()?;
    /// let token = resets.issue(PasswordReset { user_id: 1 }).await?;
    /// let Some(reset) = resets.redeem(token.expose()).await? else {
    ///     panic!("the link has expired, or was used before");
    /// };
    /// assert_eq!(reset.user_id, 1);
    /// assert!(resets.redeem("forged").await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer. The token may then be used up.
    pub async fn redeem(&self, token: &str) -> Result<Option<T>, Error> {
        let Some((token, _)) = self.find(token).await? else { return Ok(None) };
        let sessions = &self.manager.inner;
        let consumed = sessions.consume(token.id, token.secret.hash()).await;
        match consumed.map_err(|error| sessions.failed(error))? {
            Consumed::Ended(last) => Ok(Some(T::clone(&last))),
            Consumed::Conflict | Consumed::Gone => {
                self.refused(Rejection::Ended { id: token.id });
                Ok(None)
            }
        }
    }

    /// Returns the payload of a token that could be redeemed now, and leaves the token as it is.
    /// For the page that the link opens. Costs one statement.
    ///
    /// ```
    /// # use anchor::manager::OneTimeTokens;
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(absolute = "30m")]
    /// # struct PasswordReset { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resets: OneTimeTokens<PasswordReset> = SessionManager::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build_one_time_tokens()?;
    /// let token = resets.issue(PasswordReset { user_id: 1 }).await?;
    /// assert!(resets.peek(token.expose()).await?.is_some(), "show the form");
    /// assert!(resets.redeem(token.expose()).await?.is_some());
    /// assert!(resets.peek(token.expose()).await?.is_none(), "the link was used");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer.
    pub async fn peek(&self, token: &str) -> Result<Option<T>, Error> {
        let found = self.find(token).await?;
        Ok(found.map(|(_, loaded)| T::clone(&loaded.record.data)))
    }

    /// Returns the manager of the table, to revoke a subject's tokens, and to sweep.
    ///
    /// ```
    /// # use anchor::manager::OneTimeTokens;
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(absolute = "30m")]
    /// # struct PasswordReset { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let resets: OneTimeTokens<PasswordReset> = SessionManager::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build_one_time_tokens()?;
    /// let token = resets.issue(PasswordReset { user_id: 1 }).await?;
    /// assert_eq!(resets.manager().revoke_subject(&1).await?, 1);
    /// assert!(resets.redeem(token.expose()).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn manager(&self) -> &SessionManager<T> {
        &self.manager
    }

    /// Returns the token, verified, and what the store has for it, if it is live.
    async fn find(&self, token: &str) -> Result<Option<(Verified, Loaded<T>)>, Error> {
        let sessions = &self.manager.inner;
        let rejection = match Verified::parse(token.as_bytes(), self.keys()) {
            Err(reason) => Rejection::BadToken(reason),
            Ok(token) => {
                let id = token.id;
                let found = sessions.store.load(id).await;
                match found.map_err(|error| sessions.failed(error))? {
                    Load::Live(loaded) => {
                        match loaded.secrets.standing(&token.secret, loaded.now) {
                            Standing::Current { .. } => return Ok(Some((token, loaded))),
                            _ => Rejection::WrongSecret { id },
                        }
                    }
                    Load::Ended => Rejection::Ended { id },
                    Load::Absent => Rejection::Unknown { id },
                    Load::Undecodable(error) => Rejection::Undecodable { id, error },
                }
            }
        };
        self.refused(rejection);
        Ok(None)
    }

    fn keys(&self) -> &TokenKeys {
        &self.manager.inner.channels[ChannelId::FIRST].keys
    }

    fn refused(&self, rejection: Rejection) {
        self.manager.inner.emit(&Event::Refused { rejection: &rejection });
    }
}

impl<T: SessionData> fmt::Debug for OneTimeTokens<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OneTimeTokens").field(&self.manager).finish()
    }
}

/// The channel of one-time tokens: no request presents one to a session layer.
pub(super) struct Link {
    channel: String,
}

impl Link {
    /// The table's name is the purpose.
    pub(super) fn of<T: SessionData>() -> Self {
        Self { channel: format!("{ONE_TIME}{}", T::schema().table) }
    }
}

impl Frontend for Link {
    fn channel(&self) -> String {
        self.channel.clone()
    }

    fn presented<'r>(&self, _: &'r HeaderMap) -> Presented<'r> {
        Presented::Nothing
    }

    fn headers(&self) -> &[HeaderName] {
        &[]
    }

    fn is_sent_by_browsers(&self) -> bool {
        false
    }
}
