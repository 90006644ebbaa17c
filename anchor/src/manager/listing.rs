//! [`Listing`]: a list that is fetched when it is awaited.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::rejection::Error;
use crate::store::{Cursor, Listed, Page};

type Answer<'a, R> = Pin<Box<dyn Future<Output = Result<Listed<R>, Error>> + Send + 'a>>;

/// A page of a subject's sessions: the first 100, unless it is set otherwise. Await it to fetch it.
/// Costs one statement.
///
/// ```
/// # use anchor::prelude::*;
/// # async fn demo<T: SessionData>(
/// #     sessions: SessionManager<T>, subject: &T::Subject,
/// # ) -> Result<(), anchor::Error> {
/// let first = sessions.list(subject).limit(20).await?;
/// if let Some(next) = first.next {
///     let second = sessions.list(subject).limit(20).after(next).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a list is fetched when it is awaited: add `.await?`"]
pub struct Listing<'a, R> {
    page: Page,
    ask: Box<dyn FnOnce(Page) -> Answer<'a, R> + Send + 'a>,
}

impl<'a, R> Listing<'a, R> {
    pub(crate) fn new(ask: impl FnOnce(Page) -> Answer<'a, R> + Send + 'a) -> Self {
        Self { page: Page::default(), ask: Box::new(ask) }
    }

    /// Sets how many entries a page has at most: 1 to 1,000. Default: 100.
    pub fn limit(self, limit: u32) -> Self {
        Self { page: self.page.limited(limit), ..self }
    }

    /// Selects the page after the one that returned this cursor as its [`next`](Listed::next).
    pub fn after(self, cursor: Cursor) -> Self {
        Self { page: self.page.after(cursor), ..self }
    }
}

impl<'a, R> IntoFuture for Listing<'a, R> {
    type Output = Result<Listed<R>, Error>;
    type IntoFuture = Answer<'a, R>;

    fn into_future(self) -> Self::IntoFuture {
        (self.ask)(self.page)
    }
}

impl<R> fmt::Debug for Listing<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("page", &self.page).finish_non_exhaustive()
    }
}
