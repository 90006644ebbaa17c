//! [`Presentation`]: what a request presents, decoded and verified.

use std::time::Duration;

use crate::frontend::Presented;
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
    Token(Verified),
    /// Several tokens, or one that is not ours. `genuine` holds those of them that are ours.
    Refused {
        reason: BadToken,
        genuine: Vec<Verified>,
        foreign: bool,
    },
}

impl Presentation {
    /// Decodes and verifies what a request presents. Of several tokens, those whose sessions began
    /// longer ago than `absolute` are not looked up, so that nobody can make the store search for
    /// sessions that ended long ago. They count as unjudged, because a session that began under a
    /// longer `absolute` may still be live.
    pub(super) fn of(presented: Presented<'_>, keys: &TokenKeys, absolute: Duration) -> Self {
        let refused = |reason| Presentation::Refused { reason, genuine: Vec::new(), foreign: true };
        match presented {
            Presented::Nothing => Presentation::Nothing,
            Presented::Token(text) => match Verified::parse(text, keys) {
                Ok(token) => Presentation::Token(token),
                Err(reason) => refused(reason),
            },
            Presented::Conflicting(texts) => {
                let began_after =
                    Timestamp::now().saturating_sub(absolute).saturating_sub(CLOCK_SKEW);
                let mut foreign = false;
                let mut genuine = Vec::new();
                for text in texts {
                    match Verified::parse(text, keys) {
                        Ok(token) if token.id.began_at() < began_after => foreign = true,
                        Ok(_) if genuine.len() == MOST_GENUINE => {
                            return refused(BadToken::Oversized);
                        }
                        Ok(token) => genuine.push(token),
                        Err(_) => foreign = true,
                    }
                }
                Presentation::Refused { reason: BadToken::Conflicting, genuine, foreign }
            }
            Presented::Oversized => refused(BadToken::Oversized),
        }
    }

    /// Returns the tokens that are ours, even if the request as a whole is refused.
    pub(super) fn genuine(&self) -> &[Verified] {
        match self {
            Presentation::Nothing => &[],
            Presentation::Token(token) => std::slice::from_ref(token),
            Presentation::Refused { genuine, .. } => genuine,
        }
    }

    /// Returns why something that the request presents cannot be judged here. It may be the token
    /// of a live session: one from a node with a newer key, or one in another format.
    pub(super) fn unjudged(&self) -> Option<BadToken> {
        match self {
            Presentation::Refused { reason, foreign: true, .. } => Some(*reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::SessionId;
    use crate::token::keys::KeyRing;
    use crate::token::{Secret, SessionToken, new_session_id};

    fn token(id: SessionId, keys: &TokenKeys) -> SessionToken {
        SessionToken::sign(id, &Secret::generate().unwrap(), keys)
    }

    #[test]
    fn of_several_tokens_those_of_sessions_long_over_are_left_out() {
        let keys = KeyRing::new([[7; 32]]).unwrap().derive("cookie:id", "sessions");
        let day = Duration::from_secs(24 * 60 * 60);
        let young = new_session_id().unwrap();
        let aged = |days: u32| {
            let micros = Timestamp::now().saturating_sub(days * day).as_micros();
            let bits = (micros as u128 / 1_000) << 80 | (7 << 76) | (2 << 62);
            SessionId::from_uuid(Uuid::from_u128(bits))
        };
        let ids = [young, aged(14), aged(16), aged(300)];
        let tokens = ids.map(|id| token(id, &keys));
        let texts = tokens.iter().map(|token| token.expose().as_bytes()).collect();
        let several = Presentation::of(Presented::Conflicting(texts), &keys, 14 * day);
        let mut genuine: Vec<_> = several.genuine().iter().map(|token| token.id).collect();
        genuine.sort_unstable();
        assert_eq!(genuine, [ids[1], ids[0]], "a clock may be wrong by a day");
        assert!(several.unjudged().is_some(), "it may have begun under a longer lifetime");
        // A token that is presented alone is looked up whatever its age: its session may have a
        // longer lifetime.
        let alone = Presented::Token(tokens[3].expose().as_bytes());
        assert_eq!(Presentation::of(alone, &keys, day).genuine().len(), 1);
    }
}
