//! [`Verb`]: which calls of a store a test means.

/// A verb of [`SessionStore`](crate::store::SessionStore), for [`Faulty`](super::Faulty). Where
/// several are wanted, one of them is enough, or an array of some, or [`Verb::ALL`].
///
/// ```
/// use anchor::testing::Verb;
///
/// assert_eq!(Verb::RevokeSubject.name(), "revoke_subject");
/// assert!(Verb::ALL.contains(&Verb::Load));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// A login.
    Create,
    /// The lookup of a request's session, and of a watched one.
    Load,
    /// A change of the payload: [`Session::update`](crate::Session::update).
    Update,
    /// The use of a session, recorded in its request: on `MemoryStore`, and on every store for
    /// [`Session::touch`](crate::Session::touch) and the first use of a new secret.
    Touch,
    /// The uses of several sessions, recorded a moment later: on the other stores.
    RecordUses,
    /// [`Session::reauthenticated`](crate::Session::reauthenticated).
    Reauthenticate,
    /// A new secret for a session.
    Rotate,
    /// [`Session::consume`](crate::Session::consume), and
    /// [`OneTimeTokens::redeem`](crate::manager::OneTimeTokens::redeem).
    Consume,
    /// A logout, and every other end of one session.
    Revoke,
    /// [`Session::end_sibling`](crate::Session::end_sibling).
    RevokeOf,
    /// `#[logout(all)]`, and every other end of all sessions of a subject.
    RevokeSubject,
    /// `#[logout(others)]`, and every other end of all sessions of a subject but one.
    RevokeOthers,
    /// The end of the sessions of everyone.
    RevokeEveryone,
    /// [`SessionManager::cut_off`](crate::SessionManager::cut_off).
    CutOff,
    /// A subject's live sessions.
    List,
    /// A subject's ended sessions.
    History,
    /// The removal of ended rows.
    Sweep,
}

impl Verb {
    /// Every verb: a store that is down.
    pub const ALL: [Verb; 17] = [
        Verb::Create,
        Verb::Load,
        Verb::Update,
        Verb::Touch,
        Verb::RecordUses,
        Verb::Reauthenticate,
        Verb::Rotate,
        Verb::Consume,
        Verb::Revoke,
        Verb::RevokeOf,
        Verb::RevokeSubject,
        Verb::RevokeOthers,
        Verb::RevokeEveryone,
        Verb::CutOff,
        Verb::List,
        Verb::History,
        Verb::Sweep,
    ];

    /// Returns the name of the verb's method.
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Load => "load",
            Verb::Update => "update",
            Verb::Touch => "touch",
            Verb::RecordUses => "record_uses",
            Verb::Reauthenticate => "reauthenticate",
            Verb::Rotate => "rotate",
            Verb::Consume => "consume",
            Verb::Revoke => "revoke",
            Verb::RevokeOf => "revoke_of",
            Verb::RevokeSubject => "revoke_subject",
            Verb::RevokeOthers => "revoke_others",
            Verb::RevokeEveryone => "revoke_everyone",
            Verb::CutOff => "cut_off",
            Verb::List => "list",
            Verb::History => "history",
            Verb::Sweep => "sweep",
        }
    }

    /// Returns the verb whose method has this name.
    ///
    /// # Panics
    ///
    /// Panics if no method has it.
    pub(super) fn named(name: &str) -> Self {
        let named = Self::ALL.into_iter().find(|verb| verb.name() == name);
        named.unwrap_or_else(|| panic!("no verb has the name `{name}`"))
    }
}

impl IntoIterator for Verb {
    type Item = Verb;
    type IntoIter = std::iter::Once<Verb>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}
