//! [`Layout`]: what every page shows around its content.

use std::mem;

use anchor::Session;
use axum::RequestPartsExt;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::AppError;
use crate::flash::Message;
use crate::sessions::{Guest, Role, UserSession};

/// Who is logged in, and the messages that this page shows. As an argument of a handler, it takes
/// the messages out of the session: each is shown once.
pub(crate) struct Layout {
    pub(crate) name: Option<String>,
    pub(crate) is_admin: bool,
    pub(crate) messages: Vec<String>,
    /// The address of the page, without its query, to mark it in the navigation.
    path: String,
}

impl Layout {
    /// Returns the attribute that marks the link to this page.
    pub(crate) fn current(&self, path: &str) -> &'static str {
        if self.path == path { "aria-current=page" } else { "" }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Layout {
    type Rejection = AppError;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, AppError> {
        let user: Option<Session<UserSession>> = request.extract().await?;
        let guest: Option<Session<Guest>> = request.extract().await?;
        let mut layout = Self {
            name: user.as_ref().map(|user| user.name.clone()),
            is_admin: user.as_ref().is_some_and(|user| user.role == Role::Admin),
            messages: Message::of_query(request.uri.query()).iter().map(Message::text).collect(),
            path: request.uri.path().to_owned(),
        };
        // What another request adds meanwhile stays for the next page.
        let mut taken = Vec::new();
        if let Some(mut user) = user.filter(|user| !user.messages.is_empty()) {
            user.update(|user| taken = mem::take(&mut user.messages)).await?;
        }
        layout.messages.extend(taken.drain(..).map(|message| message.text()));
        if let Some(mut guest) = guest.filter(|guest| !guest.messages.is_empty()) {
            guest.update(|guest| taken = mem::take(&mut guest.messages)).await?;
        }
        layout.messages.extend(taken.drain(..).map(|message| message.text()));
        Ok(layout)
    }
}
