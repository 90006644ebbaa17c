//! [`SchemaOptions`]: the parts that a session table has only if the struct asks for them.

/// The optional parts of a session table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SchemaOptions {
    /// `#[session(keep_ended = "..")]`: columns that say whether, when and why a session ended.
    pub keep_ended: bool,
    /// `#[session(track)]`: columns for the address and the user agent.
    pub track: bool,
    /// `#[session(fingerprint)]`: a column for what the session is bound to.
    pub fingerprint: bool,
    /// `#[session(cut_off)]`: a companion table, `<table>_cut_offs`.
    pub cut_off: bool,
}

impl SchemaOptions {
    /// No optional parts.
    pub const NONE: Self =
        Self { keep_ended: false, track: false, fingerprint: false, cut_off: false };

    /// Keeps ended rows.
    pub const fn keep_ended(self) -> Self {
        Self { keep_ended: true, ..self }
    }

    /// Keeps the address and the user agent.
    pub const fn track(self) -> Self {
        Self { track: true, ..self }
    }

    /// Keeps a fingerprint.
    pub const fn fingerprint(self) -> Self {
        Self { fingerprint: true, ..self }
    }

    /// Adds cut-offs.
    pub const fn cut_off(self) -> Self {
        Self { cut_off: true, ..self }
    }
}
