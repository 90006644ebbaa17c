//! What a response does to the session of its client, and the assertions about it.

use std::fmt;

use http::{Extensions, HeaderMap, Response, StatusCode};

use super::{TestSession, client};
use crate::frontend::Presented;
use crate::manager::SessionManager;
use crate::manager::channels::Channel;
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::token::{BadToken, Secret, SessionToken, Verified, new_session_id};

/// The head of a response, of any crate's: an `http::Response`, its `Parts`, or its `HeaderMap`
/// alone, such as `response.headers()` of `reqwest`.
pub trait ResponseHead {
    /// Returns the headers.
    fn headers(&self) -> &HeaderMap;

    /// Returns the status, if it is known.
    fn status(&self) -> Option<StatusCode> {
        None
    }

    /// Returns the extensions, if there are any.
    fn extensions(&self) -> Option<&Extensions> {
        None
    }
}

impl<B> ResponseHead for Response<B> {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn status(&self) -> Option<StatusCode> {
        Some(self.status())
    }

    fn extensions(&self) -> Option<&Extensions> {
        Some(self.extensions())
    }
}

impl ResponseHead for http::response::Parts {
    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn status(&self) -> Option<StatusCode> {
        Some(self.status)
    }

    fn extensions(&self) -> Option<&Extensions> {
        Some(&self.extensions)
    }
}

impl ResponseHead for HeaderMap {
    fn headers(&self) -> &HeaderMap {
        self
    }
}

/// What a response does to the session of its client, on the channel with this name.
enum Effect<'m> {
    Nothing,
    Removed(&'m str),
    Foreign(&'m str, BadToken),
    Several(&'m str),
    Set(&'m str, SessionToken),
}

impl<'m> Effect<'m> {
    /// Reads the response as a client of this channel does. `sent_back` is what the client keeps of
    /// it.
    fn on(channel: &'m Channel, response: &HeaderMap, sent_back: &HeaderMap) -> Self {
        let Channel { name, frontend, keys, .. } = channel;
        let removal = removal(channel);
        let removes = |(name, value)| response.get_all(name).iter().any(|sent| sent == value);
        let is_removal = !removal.is_empty() && removal.iter().all(removes);
        match frontend.presented(sent_back) {
            Presented::Conflicting(_) | Presented::Oversized => Effect::Several(name),
            _ if is_removal => Effect::Removed(name),
            Presented::Nothing => Effect::Nothing,
            Presented::Token(text) => match Verified::parse(text, keys) {
                Ok(_) => {
                    SessionToken::of(text).map_or(Effect::Nothing, |token| Effect::Set(name, token))
                }
                Err(reason) => Effect::Foreign(name, reason),
            },
        }
    }

    /// Combines the effects on two channels. A login may remove the token of another channel.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Effect::Set(name, _), Effect::Set(..)) => Effect::Several(name),
            (one, other) if other.rank() > one.rank() => other,
            (one, _) => one,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Effect::Nothing => 0,
            Effect::Removed(_) => 1,
            Effect::Foreign(..) => 2,
            Effect::Several(_) => 3,
            Effect::Set(..) => 4,
        }
    }
}

/// Returns the headers with which a channel removes a session.
fn removal(channel: &Channel) -> HeaderMap {
    let mut removal = HeaderMap::new();
    channel.frontend.remove(&mut removal);
    removal
}

impl<T: SessionData> SessionManager<T> {
    /// Returns the session whose token a response sends to its client, in a cookie or in the header
    /// of the manager's frontend, or `None` if it sends none. With [`Bearer`], the token is in the
    /// body: see [`session_of_token`](Self::session_of_token). Needs the feature `testing`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(
    /// #     sessions: SessionManager<T>, response: axum::response::Response,
    /// # ) {
    /// // A login that failed.
    /// assert!(sessions.session_set_by(&response).is_none());
    /// # }
    /// ```
    ///
    /// [`Bearer`]: crate::frontend::Bearer
    pub fn session_set_by(&self, response: &impl ResponseHead) -> Option<TestSession<T>> {
        match self.effect(response.headers()) {
            Effect::Set(_, token) => Some(self.session_with(token)),
            _ => None,
        }
    }

    /// Asserts that a response sends a session's token to its client, and returns that session.
    /// Needs the feature `testing`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// use axum::http::Request;
    ///
    /// let request = sessions.test_request(Request::new(()));
    /// request.auth().await?.login(UserSession { user_id: 1 }).await?;
    /// let response = request.respond("welcome").await;
    /// let session = sessions.assert_session_set(&response);
    /// assert_eq!(session.session().await?.user_id, 1);
    /// // The headers alone are enough, such as those of another HTTP client.
    /// sessions.assert_session_set(response.headers());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the response sends none. The message says what the response does instead, without
    /// the value of any header.
    #[track_caller]
    pub fn assert_session_set(&self, response: &impl ResponseHead) -> TestSession<T> {
        match self.effect(response.headers()) {
            Effect::Set(_, token) => self.session_with(token),
            Effect::Nothing if !self.issues() => panic!(
                "no session was set: the frontend {} writes no header; give the token from the \
                 response's body to `session_of_token`",
                self.names()
            ),
            other => panic!("no session was set: {}", self.described(response, &other)),
        }
    }

    /// Asserts that a response removes the session's cookie, or empties the header of the manager's
    /// frontend. Needs the feature `testing`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// let request = sessions.test_session(UserSession { user_id: 1 }).await.request();
    /// request.auth().await?.logout().await?;
    /// sessions.assert_session_removed(&request.respond("goodbye").await);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the response does not. The message says what the response does instead, without
    /// the value of any header.
    #[track_caller]
    pub fn assert_session_removed(&self, response: &impl ResponseHead) {
        match self.effect(response.headers()) {
            Effect::Removed(_) => {}
            Effect::Nothing if !self.removes() => panic!(
                "the session was not removed: the frontend {} writes no header; ask \
                 `sessions.get(id)`, which is `None` for a session that has ended",
                self.names()
            ),
            other => panic!("the session was not removed: {}", self.described(response, &other)),
        }
    }

    /// Reads the response as its client does.
    fn effect(&self, response: &HeaderMap) -> Effect<'_> {
        let sent_back = HeaderMap::from_iter(client::sent_back(response));
        let channels = self.inner.channels.iter();
        let effects = channels.map(|(_, channel)| Effect::on(channel, response, &sent_back));
        effects.fold(Effect::Nothing, Effect::and)
    }

    /// Says what a response does, for the message of an assertion.
    fn described(&self, response: &impl ResponseHead, effect: &Effect<'_>) -> String {
        let head = Head { status: response.status(), rejection: rejection(response) };
        match effect {
            Effect::Set(name, _) => format!("{head} sends a token by `{name}`"),
            Effect::Removed(name) => format!("{head} removes the session of `{name}`"),
            Effect::Several(name) => {
                format!("{head} sends several different tokens by `{name}`; one is expected")
            }
            Effect::Foreign(name, reason) => {
                format!("what {head} sends by `{name}` is not a token of this manager: {reason}")
            }
            Effect::Nothing => {
                let cookies = client::cookie_names(response.headers());
                let others = match cookies.is_empty() {
                    true => "no cookie".to_owned(),
                    false => format!("only the cookies `{}`", cookies.join("`, `")),
                };
                format!("{head} sends nothing by {}, and {others}", self.names())
            }
        }
    }

    /// Returns the names of the channels, quoted.
    fn names(&self) -> String {
        format!("`{}`", self.inner.channels.names().join("` or `"))
    }

    /// Returns whether a frontend sends a token by itself.
    fn issues(&self) -> bool {
        let (Ok(id), Ok(secret)) = (new_session_id(), Secret::generate()) else { return true };
        self.inner.channels.iter().any(|(_, Channel { frontend, keys, .. })| {
            let mut issued = HeaderMap::new();
            frontend.issue(&SessionToken::sign(id, &secret, keys), None, &mut issued);
            !issued.is_empty()
        })
    }

    /// Returns whether a frontend removes a token by itself.
    fn removes(&self) -> bool {
        self.inner.channels.iter().any(|(_, channel)| !removal(channel).is_empty())
    }
}

fn rejection(response: &impl ResponseHead) -> Option<&Rejection> {
    response.extensions()?.get()
}

/// The response, as it is named in a message.
struct Head<'r> {
    status: Option<StatusCode>,
    rejection: Option<&'r Rejection>,
}

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response")?;
        match (self.status, self.rejection) {
            (Some(status), Some(reason)) => write!(f, " ({status}: {reason})"),
            (Some(status), None) => write!(f, " ({status})"),
            (None, _) => Ok(()),
        }
    }
}
