//! [`SubjectLimit`]: how many live sessions a subject may have.

use std::num::NonZeroU32;

/// How many live sessions a subject may have: `#[session(max_per_subject = 5, on_limit =
/// "refuse")]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectLimit {
    /// The number, the new session among them.
    pub max: NonZeroU32,
    /// What a login beyond it does.
    pub overflow: LimitExceeded,
}

impl SubjectLimit {
    /// A limit of `max`.
    ///
    /// # Panics
    ///
    /// When `max` is zero: at compile time, in a constant.
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
    /// It ends the subject's oldest sessions: the default.
    #[default]
    EndOldest,
    /// It is refused.
    Refuse,
}
