//! [`Presentation`]: what a request presents, decoded and verified; and which of a session's secrets that is.

use crate::frontend::Presented;
use crate::keys::TokenKeys;
use crate::store::Loaded;
use crate::token::{BadToken, SecretHash, Verified};

/// What the request presents, decoded and verified.
pub(super) enum Presentation {
    Nothing,
    Token(Verified),
    Refused { reason: BadToken, genuine: Vec<Verified> },
}

impl Presentation {
    pub(super) fn of(presented: Presented<'_>, keys: &TokenKeys) -> Self {
        match presented {
            Presented::Nothing => Presentation::Nothing,
            Presented::Token(text) => match Verified::parse(text, keys) {
                Ok(token) => Presentation::Token(token),
                Err(reason) => Presentation::Refused { reason, genuine: Vec::new() },
            },
            Presented::Conflicting(texts) => Presentation::Refused {
                reason: BadToken::Conflicting,
                genuine: texts
                    .into_iter()
                    .filter_map(|text| Verified::parse(text, keys).ok())
                    .collect(),
            },
            Presented::Oversized => {
                Presentation::Refused { reason: BadToken::Oversized, genuine: Vec::new() }
            }
        }
    }

    /// The tokens that are ours, even where the request as a whole is refused.
    pub(super) fn genuine(&self) -> &[Verified] {
        match self {
            Presentation::Nothing => &[],
            Presentation::Token(token) => std::slice::from_ref(token),
            Presentation::Refused { genuine, .. } => genuine,
        }
    }
}

/// Which of a session's secrets a request presents.
pub(super) enum Which {
    Current,
    PreviousWithinGrace,
    PreviousAfterGrace,
    Neither,
}

pub(super) fn which_secret<T>(loaded: &Loaded<T>, presented: SecretHash) -> Which {
    match loaded.previous {
        _ if presented == loaded.secret => Which::Current,
        Some((previous, until)) if presented == previous => {
            if loaded.now < until {
                Which::PreviousWithinGrace
            } else {
                Which::PreviousAfterGrace
            }
        }
        _ => Which::Neither,
    }
}
