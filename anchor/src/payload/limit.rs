//! [`SubjectLimit`]: the maximum number of live sessions per subject.

use std::num::NonZeroU32;

/// The maximum number of live sessions per subject:
/// `#[session(max_per_subject = 5, on_limit = "refuse")]`.
///
/// ```
/// use anchor::payload::{LimitExceeded, SubjectLimit};
/// use anchor::prelude::*;
///
/// #[derive(Clone, SessionData)]
/// #[session(max_per_subject = 5, on_limit = "refuse")]
/// struct UserSession { #[session(subject)] user_id: i64 }
///
/// assert_eq!(UserSession::LIMIT, Some(SubjectLimit::new(5, LimitExceeded::Refuse)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectLimit {
    /// The maximum number, including the new session.
    pub max: NonZeroU32,
    /// What a login beyond the limit does.
    pub overflow: LimitExceeded,
}

impl SubjectLimit {
    /// Creates a limit of `max` sessions.
    ///
    /// # Panics
    ///
    /// Panics if `max` is zero: at compile time, in a constant.
    pub const fn new(max: u32, overflow: LimitExceeded) -> Self {
        match NonZeroU32::new(max) {
            Some(max) => Self { max, overflow },
            None => panic!("a subject that may have no session cannot log in; allow one or more"),
        }
    }
}

/// What a login beyond a [`SubjectLimit`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitExceeded {
    /// It ends the subject's oldest sessions. This is the default.
    #[default]
    EndOldest,
    /// It is refused.
    Refuse,
}
