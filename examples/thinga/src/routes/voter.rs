//! [`Voter`]: who votes, a user or a guest.

use anchor::prelude::*;
use anchor::{Error, Session};
use axum::RequestPartsExt;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::App;
use crate::database::votes::{Choice, Voted};
use crate::error::AppError;
use crate::flash::{self, Message};
use crate::sessions::{Guest, UserSession};

/// Who votes. As an argument, it refuses nobody, and begins no session.
pub(super) enum Voter {
    User(Session<UserSession>),
    Guest(Session<Guest>),
    /// Without a session: `begin` makes a guest of them.
    Visitor(Auth<Guest>),
}

impl Voter {
    /// Returns whose votes are this voter's, if there is a session.
    pub(super) fn id(&self) -> Option<Uuid> {
        match self {
            Self::User(user) => Some(user.user_id),
            Self::Guest(guest) => Some(guest.voter),
            Self::Visitor(_) => None,
        }
    }

    /// Returns whose votes are this voter's, and begins a guest's session if there is none. For the
    /// page with the form: so the vote itself has a session, and sending the form twice is one
    /// vote.
    pub(super) async fn begin(&self) -> Result<Uuid, Error> {
        match self {
            Self::User(user) => Ok(user.user_id),
            Self::Guest(guest) => Ok(guest.voter),
            Self::Visitor(auth) => {
                let voter = Uuid::new_v4();
                auth.login(Guest { voter, messages: Vec::new() }).await?;
                Ok(voter)
            }
        }
    }

    /// Counts a vote, or returns `None` if there is no session.
    ///
    /// A guest may log in at the same moment. Their session ends first, and then their votes are
    /// given to the user. So if the session is still live once the vote is counted, the vote will
    /// be found there. If it is not, either the vote was found already, or nobody would look for it
    /// any more: then it is taken back, and was not accepted.
    pub(super) async fn vote(&self, app: &App, choice: Choice) -> Result<Option<Voted>, AppError> {
        let Some(id) = self.id() else { return Ok(None) };
        let voted = app.database.vote(id, choice).await?;
        if let (Self::Guest(guest), Voted::Counted) = (self, voted)
            && app.sessions.guests.get(guest.id()).await?.is_none()
            && app.database.take_back(id, choice).await?
        {
            return Ok(None);
        }
        Ok(Some(voted))
    }

    /// Keeps a message for the next page.
    pub(super) async fn tell(&mut self, message: Message) -> Result<(), Error> {
        match self {
            Self::User(user) => {
                user.update(|user| flash::add(&mut user.messages, message.clone())).await
            }
            Self::Guest(guest) => {
                guest.update(|guest| flash::add(&mut guest.messages, message.clone())).await
            }
            Self::Visitor(_) => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Voter {
    type Rejection = AppError;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, AppError> {
        if let Some(user) = request.extract().await? {
            return Ok(Self::User(user));
        }
        if let Some(guest) = request.extract().await? {
            return Ok(Self::Guest(guest));
        }
        Ok(Self::Visitor(request.extract().await?))
    }
}
