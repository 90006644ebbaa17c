//! Logging in and out.

use anchor::Next;
use anchor::prelude::*;
use anchor::request::Login;
use anchor::routing::{Router, get, post};
use axum::Form;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

use super::ClientIp;
use crate::App;
use crate::error::AppError;
use crate::flash::{self, Message};
use crate::layout::Layout;
use crate::pages::{self, Page};
use crate::password;
use crate::sessions::{Guest, Role, UserSession};

/// How long a login lasts that is not remembered, even if the browser restores its tabs.
const NOT_REMEMBERED: Duration = Duration::from_secs(12 * 60 * 60);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/login", get(form).post(login)).route("/logout", post(logout))
}

#[public]
async fn form(
    layout: Layout,
    next: Next,
    RawQuery(query): RawQuery,
    session: Option<Session<UserSession>>,
) -> Response {
    let asks_again = query.is_some_and(|query| query.contains("reason=reauthentication_required"));
    if session.is_some() && !asks_again {
        return Redirect::to(next.or("/profile")).into_response();
    }
    // Only the owner of the session is asked again, so their address is not a secret here.
    Page(pages::Login {
        layout,
        fault: None,
        email: String::new(),
        action: next.link("/login"),
        asks_again,
    })
    .into_response()
}

#[derive(Deserialize)]
struct LoginForm {
    email: String,
    password: String,
    /// A ticked box sends something, and one that is not ticked sends nothing.
    remember: Option<String>,
}

#[public]
#[expect(clippy::too_many_arguments, reason = "each is an extractor")]
async fn login(
    layout: Layout,
    next: Next,
    ClientIp(ip): ClientIp,
    guest: Auth<Guest>,
    auth: Auth<UserSession>,
    State(app): State<App>,
    Form(form): Form<LoginForm>,
) -> Result<Response, AppError> {
    let email = form.email.trim().to_lowercase();
    app.limits.check(&email, ip)?;
    let found = app.database.user_with_email(&email).await?;
    let (user, hash) = found.map(|found| (found.user, found.password_hash)).unzip();
    let is_right = password::is_right(form.password, hash).await?;
    let Some(user) = user.filter(|_| is_right) else {
        let page = Page(pages::Login {
            layout,
            fault: Some("Wrong address or password."),
            email: form.email,
            action: next.link("/login"),
            asks_again: false,
        });
        return Ok((StatusCode::UNAUTHORIZED, page).into_response());
    };
    let who = (user.id, user.name, user.role);
    let welcome = |name, votes| Message::Welcome { name, votes };
    begin_session(&app, &auth, &guest, who, form.remember.is_some(), welcome).await?;
    Ok(Redirect::to(next.or("/profile")).into_response())
}

/// Logs in, and gives the guest's votes to the user. The login comes first: if it is refused, the
/// guest keeps their votes. The guest's session ends after the votes are handed over: if that
/// fails, the next login finds them. What the guest has voted for meanwhile is handed over once
/// more, after the session's end, and nothing is accepted any more: [`Voter::vote`].
///
/// [`Voter::vote`]: super::voter::Voter::vote
pub(super) async fn begin_session(
    app: &App,
    auth: &Auth<UserSession>,
    guest: &Auth<Guest>,
    (user_id, name, role): (Uuid, String, Role),
    remember: bool,
    message: impl FnOnce(String, u64) -> Message,
) -> Result<(), AppError> {
    let user = UserSession { user_id, name, role, device_name: None, messages: vec![] };
    let mut session = remembered(auth.login(user), remember).await?.into_session();
    app.sessions.refresh(&app.database, &mut session).await?;
    let mut votes = 0;
    if let Some(voter) = guest.session().await?.map(|guest| guest.voter) {
        votes = app.database.hand_over_votes(voter, user_id).await?;
        // Another login with the same form may have done so: that is not an error.
        guest.logout().await?;
        votes += app.database.hand_over_votes(voter, user_id).await?;
    }
    if votes > 0 {
        app.live.voted();
    }
    let message = message(session.name.clone(), votes);
    session.update(|user| flash::add(&mut user.messages, message.clone())).await?;
    Ok(())
}

/// Sets how long a login lasts: as long as the struct says, or until the browser is closed and half
/// a day at most.
pub(super) fn remembered(login: Login<'_, UserSession>, remember: bool) -> Login<'_, UserSession> {
    let login = login.remember(remember);
    if remember { login } else { login.at_most(NOT_REMEMBERED) }
}

/// After a logout there is no session to keep a message in: the address says which one to show.
#[logout(UserSession)]
async fn logout() -> LoggedOut {
    logged_out()
}

/// What a logout answers. The header removes the pages that the browser keeps in memory for its
/// back button, which `Cache-Control: no-store` alone does not do in Chromium.
pub(super) type LoggedOut = ([(HeaderName, &'static str); 1], Redirect);

pub(super) fn logged_out() -> LoggedOut {
    let clear = HeaderName::from_static("clear-site-data");
    ([(clear, "\"cache\"")], Redirect::to("/?message=logged_out"))
}
