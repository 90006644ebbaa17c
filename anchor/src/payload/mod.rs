//! [`SessionData`]: the trait behind the derive, and the codec between a payload and its row.

mod codec;
pub(crate) mod limit;

pub use codec::{Columns, DecodeError, Decoder, EncodeError, Encoder, JsonColumn};
pub use limit::{LimitExceeded, SubjectLimit};

use std::time::Duration;

use crate::column::{Column, Value};
use crate::schema::Schema;

/// The payload of a session: its columns, its lifetime, its cookie.
///
/// Implement it with `#[derive(SessionData)]`. The trait is public so that generic code can name
/// it.
///
/// The derive also makes the struct an axum extractor, so a handler may take it as an argument.
///
/// ```
/// use anchor::{SessionData, SessionManager};
///
/// /// Works for every payload: the devices of a user, for example.
/// async fn count<T: SessionData>(
///     sessions: &SessionManager<T>,
///     subject: &T::Subject,
/// ) -> Result<usize, anchor::Error> {
///     Ok(sessions.list(subject).await?.len())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session payload",
    label = "this type does not implement `SessionData`",
    note = "write `#[derive(Clone, SessionData)]` on the struct, and `#[session(table = \"..\")]` \
        to name its table"
)]
pub trait SessionData: Clone + Send + Sync + 'static {
    /// The type of the field marked `#[session(subject)]`, or
    /// [`NoSubject`](crate::column::NoSubject) if there is no such field.
    type Subject: Column + Send + Sync;

    /// How long a session lives after its last use: `#[session(idle = "..")]`.
    const IDLE: Duration;

    /// How long a session lives at most, counted from its login: `#[session(absolute = "..")]`.
    const ABSOLUTE: Duration;

    /// The cookie's name, if the struct names one: `#[session(cookie = "..")]`.
    const COOKIE: Option<&'static str> = None;

    /// The maximum number of live sessions per subject:
    /// `#[session(max_per_subject = 5, on_limit = "end_oldest")]`.
    const LIMIT: Option<SubjectLimit> = None;

    /// How long ended sessions are kept: `#[session(keep_ended = "30d")]`. It is `Some` if and only
    /// if [`SchemaOptions::keep_ended`](crate::schema::SchemaOptions::keep_ended) is set.
    const KEEP_ENDED: Option<Duration> = None;

    /// Returns the payload's table and columns.
    fn schema() -> &'static Schema;

    /// Writes the payload's columns, in the order of [`Schema::columns`].
    ///
    /// # Errors
    ///
    /// Returns an error if a field's value cannot be represented in SQL, such as JSON that cannot
    /// be written. The error names the column.
    fn encode(&self, row: &mut Encoder) -> Result<(), EncodeError>;

    /// Reads the payload's columns, in the order of [`Schema::columns`].
    ///
    /// # Errors
    ///
    /// Returns an error if a column does not hold what the field's type needs. The error names the
    /// column. Such a row counts as an ended session.
    fn decode(row: &mut Decoder<'_>) -> Result<Self, DecodeError>;

    /// Returns the subject, whose session this is, or `None` if the payload has no subject.
    fn subject(&self) -> Option<&Self::Subject>;

    /// Returns who acts as the subject in this session, or `None` if it is the subject: the value
    /// of the field marked `#[session(impersonator)]`. A guard with `fresh` refuses the session of
    /// an impersonator, the subject neither logs in nor re-authenticates in it
    /// ([`Error::Impersonated`](crate::Error::Impersonated)), and the log names both when it is
    /// created.
    fn impersonator(&self) -> Option<Value> {
        None
    }
}

/// A payload whose subjects can be cut off. `#[session(cut_off)]` implements this trait. The
/// payload's schema has [`SchemaOptions::cut_off`](crate::schema::SchemaOptions::cut_off).
///
/// ```
/// use anchor::SessionManager;
/// use anchor::payload::CutOff;
///
/// /// For every payload with `#[session(cut_off)]`.
/// async fn password_changed<T: CutOff>(
///     sessions: &SessionManager<T>,
///     subject: &T::Subject,
/// ) -> Result<u64, anchor::Error> {
///     sessions.cut_off(subject).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the sessions of `{Self}` have no cut-offs",
    label = "this payload does not implement `CutOff`",
    note = "add `#[session(cut_off)]` to the struct, next to its `table = \"..\"`, and write the \
        migration"
)]
pub trait CutOff: SessionData {}
