//! A subject's sessions, one page at a time: [`Page`] requests a page, [`Listed`] is the answer,
//! and [`Cursor`] leads from one page to the next.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::id::SessionId;
use crate::timestamp::Timestamp;

/// The part of a list that is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    limit: u32,
    after: Option<Cursor>,
}

impl Page {
    /// The largest number of entries that a page can have.
    pub const MOST: u32 = 1_000;

    /// Requests the first `limit` entries: at least one, at most [`MOST`](Self::MOST).
    pub fn first(limit: u32) -> Self {
        Self { limit: limit.clamp(1, Self::MOST), after: None }
    }

    /// Requests `limit` entries from the same place.
    pub fn limited(self, limit: u32) -> Self {
        Self { after: self.after, ..Self::first(limit) }
    }

    /// Requests the same number of entries, but those after this one.
    pub fn after(self, cursor: Cursor) -> Self {
        Self { after: Some(cursor), ..self }
    }

    /// Returns the largest number of entries that the page may have.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Returns the entry that the page begins after; `None` for the first page.
    pub fn cursor(&self) -> Option<Cursor> {
        self.after
    }
}

/// Requests the first 100 entries.
impl Default for Page {
    fn default() -> Self {
        Self::first(100)
    }
}

/// A place in a list that is sorted by an instant, latest first, and then by id.
///
/// It can be part of a URL: `FromStr` reads what `Display` writes. It is not a secret and gives no
/// access: a list only has the sessions of the subject that it is requested for.
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
/// use anchor::store::Cursor;
///
/// # for user_id in [1, 1] { sessions.test_session(UserSession { user_id }).await; }
/// let first = sessions.list(&1).limit(1).await?;
/// // In the page's link to the next one, and back again.
/// let link = format!("/devices?after={}", first.next.expect("there are two sessions"));
/// let cursor: Cursor = link.trim_start_matches("/devices?after=").parse()?;
/// let second = sessions.list(&1).limit(1).after(cursor).await?;
/// assert_ne!(second[0].id, first[0].id);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The entry's instant: when it was created, or when it ended.
    pub at: Timestamp,
    /// The entry's session.
    pub id: SessionId,
}

impl Cursor {
    /// The place before every entry: the last microsecond that every database can represent.
    #[cfg(feature = "_sql")]
    pub(crate) const BEFORE_ALL: Self = Self {
        at: Timestamp::from_micros(253_402_300_799_999_999),
        id: SessionId::from_uuid(uuid::Uuid::max()),
    };
}

/// Writes the microseconds since 1970 and the id, such as `1790000000000000-0198c0de-..`.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.as_micros(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        // An instant before 1970 begins with a minus sign.
        let dash = text.get(1..).and_then(|rest| rest.find('-')).ok_or(CursorError)? + 1;
        Ok(Self {
            at: Timestamp::from_micros(text[..dash].parse().map_err(|_| CursorError)?),
            id: text[dash + 1..].parse().map_err(|_| CursorError)?,
        })
    }
}

/// An error that is returned when a text is not a [`Cursor`].
///
/// ```
/// use anchor::store::{Cursor, CursorError};
///
/// assert_eq!("yesterday".parse::<Cursor>(), Err(CursorError));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: pass the text that the previous page returned")]
pub struct CursorError;

/// One page of a list. It dereferences to its entries.
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
/// let session = sessions.test_session(UserSession { user_id: 1 }).await;
/// let listed = sessions.list(&1).await?;
/// assert_eq!(listed.len(), 1);
/// assert!(listed.next.is_none(), "this is the last page");
/// for record in listed {
///     assert_eq!(record.id, session.id());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Listed<R> {
    /// The entries, latest first. An entry that the struct cannot decode is left out, so a page may
    /// have fewer entries than were requested without being the last page.
    pub entries: Vec<R>,
    /// The place that the next page begins after; `None` if this is the last page.
    pub next: Option<Cursor>,
    /// How many entries were left out because the struct cannot decode them.
    pub undecodable: u64,
}

impl<R> Listed<R> {
    /// Creates a page from entries that begin where the page begins, and that may go on after its
    /// end. Sort the entries before this call. `place` returns the place of an entry.
    pub fn cut(mut entries: Vec<R>, page: Page, place: impl Fn(&R) -> Cursor) -> Self {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let goes_on = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().map(place).filter(|_| goes_on);
        Self { entries, next, undecodable: 0 }
    }
}

impl<R> Default for Listed<R> {
    fn default() -> Self {
        Self { entries: Vec::new(), next: None, undecodable: 0 }
    }
}

impl<R> Deref for Listed<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        &self.entries
    }
}

impl<R> IntoIterator for Listed<R> {
    type Item = R;
    type IntoIter = std::vec::IntoIter<R>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, R> IntoIterator for &'a Listed<R> {
    type Item = &'a R;
    type IntoIter = std::slice::Iter<'a, R>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_from_its_text() {
        let id = SessionId::from_uuid(uuid::Uuid::from_u128(7));
        for micros in [0, 1, -1, 1_790_000_000_000_000, i64::MAX, i64::MIN] {
            let cursor = Cursor { at: Timestamp::from_micros(micros), id };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "-", "1", "1-", "x-00000000-0000-0000-0000-000000000007", "é-é", "1-x"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }

    #[test]
    fn a_list_is_read_by_reference_and_by_value() {
        let listed = Listed { entries: vec![3, 1, 2], next: None, undecodable: 0 };
        assert_eq!((&listed).into_iter().copied().collect::<Vec<_>>(), [3, 1, 2]);
        assert_eq!(listed.into_iter().collect::<Vec<_>>(), [3, 1, 2]);
    }

    #[test]
    fn a_page_has_one_entry_at_least_and_is_bounded() {
        assert_eq!([0, 7, u32::MAX].map(|limit| Page::first(limit).limit()), [1, 7, Page::MOST]);
    }
}
