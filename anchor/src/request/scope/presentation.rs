//! [`Presentation`]: what a request presents, decoded and verified.

use std::time::Duration;

use http::HeaderMap;

use crate::frontend::Presented;
use crate::manager::channels::{Channel, ChannelId, ChannelSet, Channels};
use crate::timestamp::Timestamp;
use crate::token::keys::TokenKeys;
use crate::token::{BadToken, Verified};

/// How many different genuine tokens a request may present. Each one costs a logout one or more
/// statements, and no browser that received its tokens from anchor has more than a few.
const MOST_GENUINE: usize = 8;

/// How wrong a node's clock may be when the node concludes from a token's age that its session is
/// over.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// What the request presents, decoded and verified.
pub(super) enum Presentation {
    Nothing,
    /// One token, and the channel that counts as the one that it came on.
    Token(Verified, ChannelId),
    Refused(Refused),
}

/// Several tokens, or one that is not ours.
pub(super) struct Refused {
    pub(super) reason: BadToken,
    /// Those of them that are ours.
    genuine: Vec<Verified>,
    /// Whether there is one that cannot be judged here.
    foreign: bool,
}

impl Presentation {
    /// Decodes and verifies what a request presents on any channel, and returns it with the
    /// channels on which there is something.
    ///
    /// Tokens on several channels are accepted only if all of them are genuine and have the same
    /// secret of the same session. The request then counts as one of the first channel on which
    /// browsers send tokens by themselves, if there is one.
    pub(super) fn of(
        channels: &Channels,
        headers: &HeaderMap,
        absolute: Duration,
    ) -> (Self, ChannelSet) {
        let mut found = Presentation::Nothing;
        let mut carried = ChannelSet::default();
        for (id, Channel { frontend, keys, .. }) in channels.iter() {
            let presented = frontend.presented(headers);
            if presented == Presented::Nothing {
                continue;
            }
            carried.insert(id);
            let other = Self::on(id, presented, keys, absolute);
            found = match (found, other) {
                (Presentation::Nothing, other) => other,
                (Presentation::Token(one, first), Presentation::Token(other, _))
                    if one.is_same_as(&other) =>
                {
                    let from_a_browser = |id| channels[id].frontend.is_sent_by_browsers();
                    let later = !from_a_browser(first) && from_a_browser(id);
                    Presentation::Token(one, if later { id } else { first })
                }
                (one, other) => Presentation::Refused(one.refused(absolute).and(other, absolute)),
            };
        }
        (found, carried)
    }

    /// Decodes and verifies what a request presents on one channel. Of several tokens, those whose
    /// sessions began longer ago than `absolute` are not looked up, so that nobody can make the
    /// store search for sessions that ended long ago. They count as unjudged, because a session
    /// that began under a longer `absolute` may still be live.
    fn on(
        channel: ChannelId,
        presented: Presented<'_>,
        keys: &TokenKeys,
        absolute: Duration,
    ) -> Self {
        Presentation::Refused(match presented {
            Presented::Nothing => return Presentation::Nothing,
            Presented::Token(text) => match Verified::parse(text, keys) {
                Ok(token) => return Presentation::Token(token, channel),
                Err(reason) => Refused::foreign(reason),
            },
            Presented::Conflicting(texts) => {
                let parsed = texts.into_iter().map(|text| Verified::parse(text, keys));
                parsed.fold(Refused::several(), |several, token| several.with(token, absolute))
            }
            Presented::Oversized => Refused::foreign(BadToken::Oversized),
        })
    }

    /// Returns these tokens as some of several.
    fn refused(self, absolute: Duration) -> Refused {
        Refused::several().and(self, absolute)
    }

    /// Returns the tokens that are ours, even if the request as a whole is refused.
    pub(super) fn genuine(&self) -> &[Verified] {
        match self {
            Presentation::Nothing => &[],
            Presentation::Token(token, _) => std::slice::from_ref(token),
            Presentation::Refused(Refused { genuine, .. }) => genuine,
        }
    }

    /// Returns why something that the request presents cannot be judged here. It may be the token
    /// of a live session: one from a node with a newer key, or one in another format.
    pub(super) fn unjudged(&self) -> Option<BadToken> {
        match self {
            Presentation::Refused(Refused { reason, foreign: true, .. }) => Some(*reason),
            _ => None,
        }
    }
}

impl Refused {
    /// Something that cannot be judged here.
    fn foreign(reason: BadToken) -> Self {
        Self { reason, genuine: Vec::new(), foreign: true }
    }

    /// Several tokens, of which none has been added yet.
    fn several() -> Self {
        Self { reason: BadToken::Conflicting, genuine: Vec::new(), foreign: false }
    }

    /// Adds what another channel carries.
    fn and(mut self, other: Presentation, absolute: Duration) -> Self {
        match other {
            Presentation::Nothing => self,
            Presentation::Token(token, _) => self.with(Ok(token), absolute),
            Presentation::Refused(other) if other.reason == BadToken::Oversized => {
                Refused::foreign(BadToken::Oversized)
            }
            Presentation::Refused(other) => {
                self.foreign |= other.foreign;
                other.genuine.into_iter().fold(self, |all, token| all.with(Ok(token), absolute))
            }
        }
    }

    /// Adds one token. If they are too many, none of them is looked up.
    fn with(mut self, token: Result<Verified, BadToken>, absolute: Duration) -> Self {
        let began_after = Timestamp::now().saturating_sub(absolute).saturating_sub(CLOCK_SKEW);
        match token {
            _ if self.reason == BadToken::Oversized => {}
            Ok(token) if token.id.began_at() < began_after => self.foreign = true,
            Ok(_) if self.genuine.len() == MOST_GENUINE => {
                return Refused::foreign(BadToken::Oversized);
            }
            Ok(token) => self.genuine.push(token),
            Err(_) => self.foreign = true,
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use uuid::Uuid;

    use super::*;
    use crate::frontend::{CustomHeader, Frontend, SessionCookie};
    use crate::id::SessionId;
    use crate::token::keys::KeyRing;
    use crate::token::{Secret, SessionToken, new_session_id};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[derive(Clone, crate::SessionData)]
    #[session(migrations = false)]
    struct Sender {
        name: String,
    }

    /// A header, and then a cookie: the channel that counts is not the first one. The cookie's name
    /// is the test's own, because tests share a process.
    fn channels(cookie: &'static str) -> Channels {
        let header = CustomHeader::new(HeaderName::from_static("x-sender"));
        let frontends: Vec<Box<dyn Frontend>> =
            vec![Box::new(header), Box::new(SessionCookie::new(cookie))];
        let keys = KeyRing::new([[7; 32]]).unwrap();
        Channels::new::<Sender>(frontends, &keys, DAY).unwrap()
    }

    fn token(id: SessionId, keys: &TokenKeys) -> SessionToken {
        SessionToken::sign(id, &Secret::generate().unwrap(), keys)
    }

    #[test]
    fn of_several_tokens_those_of_sessions_long_over_are_left_out() {
        let keys = KeyRing::new([[7; 32]]).unwrap().derive("cookie:id", "sessions");
        let young = new_session_id().unwrap();
        let aged = |days: u32| {
            let micros = Timestamp::now().saturating_sub(days * DAY).as_micros();
            let bits = (micros as u128 / 1_000) << 80 | (7 << 76) | (2 << 62);
            SessionId::from_uuid(Uuid::from_u128(bits))
        };
        let ids = [young, aged(14), aged(16), aged(300)];
        let tokens = ids.map(|id| token(id, &keys));
        let texts = tokens.iter().map(|token| token.expose().as_bytes()).collect();
        let first = ChannelId::FIRST;
        let several = Presentation::on(first, Presented::Conflicting(texts), &keys, 14 * DAY);
        let mut genuine: Vec<_> = several.genuine().iter().map(|token| token.id).collect();
        genuine.sort_unstable();
        assert_eq!(genuine, [ids[1], ids[0]], "a clock may be wrong by a day");
        assert!(several.unjudged().is_some(), "it may have begun under a longer lifetime");
        // A token that is presented alone is looked up whatever its age: its session may have a
        // longer lifetime.
        let alone = Presented::Token(tokens[3].expose().as_bytes());
        assert_eq!(Presentation::on(first, alone, &keys, DAY).genuine().len(), 1);
    }

    /// A request with these values of the header and the cookie.
    fn both(cookie: &str, in_header: &str, in_cookie: &str) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-sender", value(in_header));
        headers.insert("cookie", value(&format!("{cookie}={in_cookie}")));
        headers
    }

    #[test]
    fn one_session_on_two_channels_is_that_of_the_cookie_and_two_sessions_are_refused() {
        let channels = channels("__Host-both");
        let [(header, of_header), (cookie, of_cookie)] =
            channels.iter().collect::<Vec<_>>().try_into().ok().unwrap();
        let (id, secret) = (new_session_id().unwrap(), Secret::generate().unwrap());
        let in_header = SessionToken::sign(id, &secret, &of_header.keys);
        let in_cookie = SessionToken::sign(id, &secret, &of_cookie.keys);
        let present = |in_header: &str, in_cookie: &str| {
            Presentation::of(&channels, &both("__Host-both", in_header, in_cookie), DAY)
        };

        let (same, carried) = present(in_header.expose(), in_cookie.expose());
        assert!(
            matches!(same, Presentation::Token(token, used) if token.id == id && used == cookie)
        );
        assert!(carried.contains(header) && carried.contains(cookie));

        let other = token(new_session_id().unwrap(), &of_cookie.keys);
        let rotated = SessionToken::sign(id, &secret.rotated().unwrap(), &of_cookie.keys);
        for (in_cookie, genuine) in [(&other, 2), (&rotated, 2), (&in_header, 1)] {
            let (refused, carried) = present(in_header.expose(), in_cookie.expose());
            assert!(matches!(
                &refused,
                Presentation::Refused(Refused { reason: BadToken::Conflicting, .. })
            ));
            assert_eq!(refused.genuine().len(), genuine);
            assert_eq!(refused.unjudged().is_some(), genuine == 1, "a header's token in a cookie");
            assert!(carried.contains(header) && carried.contains(cookie));
        }
        let (alone, carried) = present("", in_cookie.expose());
        assert!(alone.unjudged().is_some(), "an empty header is a token, too");
        assert!(carried.contains(header));
    }

    #[test]
    fn too_many_tokens_are_too_many_on_two_channels_as_well() {
        let channels = channels("__Host-many");
        let (_, of_header) = channels.iter().next().unwrap();
        let mut headers = HeaderMap::new();
        for _ in 0..MOST_GENUINE {
            let token = token(new_session_id().unwrap(), &of_header.keys);
            headers.append("x-sender", HeaderValue::from_str(token.expose()).unwrap());
        }
        let (several, _) = Presentation::of(&channels, &headers, DAY);
        assert_eq!(several.genuine().len(), MOST_GENUINE);
        assert!(several.unjudged().is_none());
        headers.append("cookie", HeaderValue::from_static("__Host-many=x"));
        let (several, _) = Presentation::of(&channels, &headers, DAY);
        assert_eq!((several.genuine().len(), several.unjudged().is_some()), (MOST_GENUINE, true));
        let (_, of_cookie) = channels.iter().nth(1).unwrap();
        let ninth = token(new_session_id().unwrap(), &of_cookie.keys);
        let ninth = format!("__Host-many={}", ninth.expose());
        headers.insert("cookie", HeaderValue::from_str(&ninth).unwrap());
        let (many, _) = Presentation::of(&channels, &headers, DAY);
        assert_eq!((many.genuine().len(), many.unjudged()), (0, Some(BadToken::Oversized)));

        // However many there are, and whichever channel has them.
        let tokens = |keys: &TokenKeys| {
            (0..MOST_GENUINE + 3).map(|_| token(new_session_id().unwrap(), keys)).collect()
        };
        let [in_header, in_cookie]: [Vec<SessionToken>; 2] =
            [tokens(&of_header.keys), tokens(&of_cookie.keys)];
        let mut headers = HeaderMap::new();
        for token in &in_header {
            headers.append("x-sender", HeaderValue::from_str(token.expose()).unwrap());
        }
        let (many, _) = Presentation::of(&channels, &headers, DAY);
        assert_eq!((many.genuine().len(), many.unjudged()), (0, Some(BadToken::Oversized)));
        let pairs = in_cookie.iter().map(|token| format!("__Host-many={}", token.expose()));
        let pairs = pairs.collect::<Vec<_>>().join("; ");
        headers.insert("x-sender", HeaderValue::from_str(in_header[0].expose()).unwrap());
        headers.insert("cookie", HeaderValue::from_str(&pairs).unwrap());
        let (many, _) = Presentation::of(&channels, &headers, DAY);
        assert_eq!((many.genuine().len(), many.unjudged()), (0, Some(BadToken::Oversized)));
    }
}
