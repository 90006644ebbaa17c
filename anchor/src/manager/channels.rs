//! [`Channels`]: the channels of one manager. A channel is a frontend with the keys that sign its
//! tokens, so that a token of one channel is not valid on another.

use std::ops::Index;
use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use crate::error::ConfigError;
#[cfg(feature = "_openapi")]
use crate::frontend::TokenScheme;
use crate::frontend::{Frontend, Presented, conceal};
use crate::manager::registry::Registration;
use crate::payload::SessionData;
use crate::token::Verified;
use crate::token::keys::{KeyRing, TokenKeys};

/// The maximum number of channels of one manager: the bits of a [`ChannelSet`].
const MOST: usize = 8;

/// The channels of one manager, in the order in which they were given. There is at least one.
pub(crate) struct Channels(Vec<Channel>);

pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) frontend: Box<dyn Frontend>,
    pub(crate) keys: TokenKeys,
    _registration: Registration,
}

/// The position of a channel among those of its manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelId(u8);

impl ChannelId {
    /// The channel of a login that does not ask for another one.
    pub(crate) const FIRST: Self = Self(0);
}

/// Some of a manager's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChannelSet(u8);

impl ChannelSet {
    pub(crate) fn insert(&mut self, channel: ChannelId) {
        self.0 |= 1 << channel.0;
    }

    pub(crate) fn without(self, channel: ChannelId) -> Self {
        Self(self.0 & !(1 << channel.0))
    }

    pub(crate) fn contains(self, channel: ChannelId) -> bool {
        self.0 & (1 << channel.0) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Channels {
    /// Checks the frontends, alone and together, and registers their channels. `longest` is the
    /// longest time that a token is to live.
    ///
    /// # Errors
    ///
    /// Returns an error if a frontend refuses its settings, if two of them cannot be told apart, if
    /// there are too many, or if a live manager of another payload has one of the channels.
    pub(crate) fn new<T: SessionData>(
        frontends: Vec<Box<dyn Frontend>>,
        keys: &KeyRing,
        longest: Duration,
    ) -> Result<Self, ConfigError> {
        if frontends.len() > MOST {
            return Err(ConfigError::new(format_args!(
                "{} frontends, where a manager has at most {MOST}: remove some of \
                 `.add_frontend(..)`",
                frontends.len()
            )));
        }
        let mut channels = Vec::<Channel>::with_capacity(frontends.len());
        for frontend in frontends {
            frontend.check(longest)?;
            let name = frontend.channel();
            channels.iter().try_for_each(|other| check_apart(other, &name, &*frontend))?;
            let keys = keys.derive(&name, T::schema().table);
            let _registration = Registration::new::<T>(&name)?;
            channels.push(Channel { name, frontend, keys, _registration });
        }
        Ok(Self(channels))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ChannelId, &Channel)> {
        (0..).map(ChannelId).zip(&self.0)
    }

    /// Returns the channels of this set.
    pub(crate) fn of(&self, set: ChannelSet) -> impl Iterator<Item = &Channel> {
        self.iter().filter(move |(id, _)| set.contains(*id)).map(|(_, channel)| channel)
    }

    /// Returns the channel with this name.
    pub(crate) fn find(&self, name: &str) -> Option<ChannelId> {
        self.iter().find(|(_, channel)| channel.name == name).map(|(id, _)| id)
    }

    /// Returns the channels' names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|channel| &*channel.name).collect()
    }

    /// Returns the channels' names, and where a request carries their tokens.
    #[cfg(feature = "_openapi")]
    pub(crate) fn schemes(&self) -> Vec<(String, Option<TokenScheme>)> {
        let scheme = |channel: &Channel| (channel.name.clone(), channel.frontend.scheme());
        self.0.iter().map(scheme).collect()
    }

    /// Marks the headers that carry tokens as sensitive.
    pub(crate) fn conceal(&self, headers: &mut HeaderMap) {
        self.0.iter().for_each(|channel| conceal(&*channel.frontend, headers));
    }

    /// Returns whether a browser may send a token of one of the channels by itself.
    pub(crate) fn are_sent_by_browsers(&self) -> bool {
        self.0.iter().any(|channel| channel.frontend.is_sent_by_browsers())
    }

    /// Returns whether the request carries a genuine token that only a script can have set, and
    /// nothing that a browser sends by itself. Another site cannot have made a browser send such a
    /// request: a browser asks first, by CORS, before it sends a header of a script to another
    /// origin.
    ///
    /// A request without a genuine token is not such a request: it may be a login, and a proxy may
    /// have added the header.
    pub(crate) fn are_set_by_a_script(&self, headers: &HeaderMap) -> bool {
        let (browsers, scripts): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|channel| channel.frontend.is_sent_by_browsers());
        let is_genuine = |channel: &Channel| match channel.frontend.presented(headers) {
            Presented::Token(text) => Verified::parse(text, &channel.keys).is_ok(),
            _ => false,
        };
        let carried = |channel: &Channel| channel.frontend.presented(headers) != Presented::Nothing;
        scripts.into_iter().any(is_genuine) && !browsers.into_iter().any(carried)
    }

    /// Returns the request headers in which a token may be.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().flat_map(|channel| channel.frontend.headers())
    }
}

impl Index<ChannelId> for Channels {
    type Output = Channel;

    fn index(&self, channel: ChannelId) -> &Channel {
        &self.0[usize::from(channel.0)]
    }
}

/// Checks that two frontends cannot take one token for different ones. The `Cookie` header holds
/// many cookies; every other header belongs to one frontend.
fn check_apart(one: &Channel, name: &str, frontend: &dyn Frontend) -> Result<(), ConfigError> {
    if one.name == name {
        return Err(ConfigError::new(format_args!(
            "two frontends travel by `{name}`: remove one of them, or give it a name of its own, \
             such as `.add_frontend(SessionCookie::new(\"__Host-app\"))`"
        )));
    }
    let shared = one
        .frontend
        .headers()
        .iter()
        .find(|header| **header != header::COOKIE && frontend.headers().contains(header));
    match shared {
        None => Ok(()),
        Some(header) => Err(ConfigError::new(format_args!(
            "the frontends `{}` and `{name}` both read the header `{header}`, so each of them \
             would refuse the other's token: let one of them read another header",
            one.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use http::HeaderValue;

    use super::*;
    use crate::frontend::{Bearer, CustomHeader, SessionCookie};
    use crate::token::{Secret, SessionToken, new_session_id};

    #[derive(Clone, crate::SessionData)]
    #[session(migrations = false)]
    struct Traveller {
        name: String,
    }

    fn channels<const N: usize>(
        frontends: [Box<dyn Frontend>; N],
    ) -> Result<Channels, ConfigError> {
        let keys = KeyRing::new([[7; 32]]).unwrap();
        Channels::new::<Traveller>(frontends.into(), &keys, Duration::from_secs(60))
    }

    fn cookie(name: &'static str) -> Box<dyn Frontend> {
        Box::new(SessionCookie::new(name))
    }

    fn custom(name: &'static str) -> Box<dyn Frontend> {
        Box::new(CustomHeader::new(HeaderName::from_static(name)))
    }

    /// Another scheme of the header that `Bearer` reads.
    struct Digest;

    impl Frontend for Digest {
        fn channel(&self) -> String {
            "digest".into()
        }

        fn presented<'r>(&self, _: &'r HeaderMap) -> Presented<'r> {
            Presented::Nothing
        }

        fn headers(&self) -> &[HeaderName] {
            Bearer.headers()
        }
    }

    #[test]
    fn frontends_that_cannot_be_told_apart_are_refused() {
        let refusal = |channels: Result<Channels, ConfigError>| {
            channels.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let same = refusal(channels([cookie("__Host-way"), custom("x-way"), cookie("__Host-way")]));
        assert!(same.starts_with("two frontends travel by `cookie:__Host-way`: "), "{same}");
        let same = refusal(channels([custom("x-way"), custom("x-way")]));
        assert!(same.starts_with("two frontends travel by `header:x-way`: "), "{same}");
        let shared = refusal(channels([Box::new(Bearer), Box::new(Digest)]));
        assert!(
            shared.starts_with(
                "the frontends `bearer` and `digest` both read the header `authorization`"
            ),
            "{shared}"
        );
        let many = ["x-1", "x-2", "x-3", "x-4", "x-5", "x-6", "x-7", "x-8", "x-9"].map(custom);
        let many = refusal(channels(many));
        assert!(many.starts_with("9 frontends, where a manager has at most 8"), "{many}");
        let all = channels([cookie("__Host-way"), cookie("__Host-old"), custom("x-way")]).unwrap();
        assert_eq!(all.names(), ["cookie:__Host-way", "cookie:__Host-old", "header:x-way"]);
        assert_eq!(all.find("header:x-way"), Some(ChannelId(2)));
        assert_eq!(all.find("bearer"), None);
        assert_eq!(all[ChannelId(1)].name, "cookie:__Host-old");
    }

    #[test]
    fn only_a_genuine_token_without_a_cookie_is_beyond_what_another_site_can_send() {
        let channels = channels([cookie("__Host-on"), custom("x-on"), cookie("on")]).unwrap();
        let asked = |headers: &[(HeaderName, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name.clone(), HeaderValue::from_str(value).unwrap());
            }
            channels.are_set_by_a_script(&map)
        };
        let sign = |channel: u8| {
            let keys = &channels[ChannelId(channel)].keys;
            SessionToken::sign(new_session_id().unwrap(), &Secret::generate().unwrap(), keys)
        };
        let (genuine, another, of_cookie) = (sign(1), sign(1), sign(0));
        let in_header = |text| (HeaderName::from_static("x-on"), text);
        let token = in_header(genuine.expose());
        let other = (header::COOKIE, "theme=dark");
        for text in ["", "added by a proxy", of_cookie.expose()] {
            assert!(!asked(&[in_header(text)]), "{text}");
        }
        assert!(!asked(&[token.clone(), in_header(another.expose())]));
        assert!(asked(from_ref(&token)) && asked(&[token.clone(), other.clone()]));
        assert!(!asked(&[]) && !asked(&[other]));
        for cookie in ["__Host-on=x", "on=", "theme=dark; on=x"] {
            let cookie = (header::COOKIE, cookie);
            assert!(!asked(from_ref(&cookie)), "{cookie:?}");
            assert!(!asked(&[token.clone(), cookie.clone()]), "{cookie:?}");
        }
        assert!(channels.are_sent_by_browsers());
    }

    #[test]
    fn a_set_holds_what_was_inserted() {
        let (first, last) = (ChannelId::FIRST, ChannelId(7));
        let mut set = ChannelSet::default();
        assert!(set.is_empty());
        set.insert(last);
        assert!(!set.is_empty() && set.contains(last) && !set.contains(first));
        set.insert(first);
        assert!(set.contains(first) && !set.without(first).contains(first));
        assert!(set.without(first).contains(last) && set.without(first).without(last).is_empty());
    }
}
