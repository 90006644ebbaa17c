//! The profile: a name, a password, and what one has voted for.

use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::ClientIp;
use super::confirmation::name_fault;
use super::login::remembered;
use crate::App;
use crate::accounts::UserChange;
use crate::error::AppError;
use crate::flash::{self, Message};
use crate::layout::Layout;
use crate::pages::{Page, Profile};
use crate::password;
use crate::sessions::{Role, UserSession};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/profile", get(profile))
        .route("/profile/name", post(rename))
        .route("/profile/password", post(change_password))
}

#[require_session(UserSession, redirect = "/login")]
async fn profile(
    layout: Layout,
    session: Session<UserSession>,
    State(app): State<App>,
) -> Result<Page<Profile>, AppError> {
    page(&app, layout, &session, None).await
}

async fn page(
    app: &App,
    layout: Layout,
    session: &Session<UserSession>,
    fault: Option<&'static str>,
) -> Result<Page<Profile>, AppError> {
    let id = session.user_id;
    let user = app.database.user(id).await?.ok_or(AppError::NotFound)?.user;
    Ok(Page(Profile {
        layout,
        user,
        votes: app.database.votes_of(id).await?,
        pairs: app.database.pairs().await?,
        favourites: app.database.favourites(id).await?,
        fault,
    }))
}

#[derive(Deserialize)]
struct NameForm {
    name: String,
}

/// Saves the name: in the table of users, and in every session that has a copy.
#[require_session(UserSession)]
async fn rename(
    layout: Layout,
    mut session: Session<UserSession>,
    State(app): State<App>,
    Form(form): Form<NameForm>,
) -> Result<Response, AppError> {
    let name = form.name.trim().to_owned();
    if let Some(fault) = name_fault(&name) {
        let page = page(&app, layout, &session, Some(fault)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let change = UserChange::Name(name);
    app.sessions.change_user(&app.database, session.user_id, &change).await?;
    session.update(|user| flash::add(&mut user.messages, Message::NameChanged)).await?;
    Ok(Redirect::to("/profile").into_response())
}

#[derive(Deserialize)]
struct PasswordForm {
    current: String,
    new: String,
}

/// Changes the password, ends every session of the user in the same transaction, and logs this
/// device in again.
#[require_session(UserSession)]
async fn change_password(
    layout: Layout,
    ClientIp(ip): ClientIp,
    session: Session<UserSession>,
    auth: Auth<UserSession>,
    State(app): State<App>,
    Form(form): Form<PasswordForm>,
) -> Result<Response, AppError> {
    let found = app.database.user(session.user_id).await?.ok_or(AppError::NotFound)?;
    app.limits.check(&found.user.email, ip)?;
    let checked = found.password_hash;
    let fault = if !password::is_right(form.current, Some(checked.clone())).await? {
        Some("The current password is not right.")
    } else {
        password::fault(&form.new, &found.user.email, &found.user.name)
    };
    if fault.is_some() {
        let page = page(&app, layout, &session, fault).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let change = UserChange::Password { checked, new: password::hash(form.new).await? };
    let ended = app.sessions.change_user(&app.database, session.user_id, &change).await?;
    // This device's own session was one of them.
    let message = Message::PasswordChanged { ended: ended.saturating_sub(1) };
    // `starting_now` keeps this login from being cut off, also if the user has lost a role since
    // the request came in. So the session gets the role once it is there: whoever loses it after
    // that loses the session.
    let user =
        UserSession { messages: vec![message], role: Role::Member, ..session.data().clone() };
    let login = remembered(auth.login(user), session.record().remembered).starting_now();
    let mut session = login.await?.into_session();
    app.sessions.refresh(&app.database, &mut session).await?;
    Ok(Redirect::to("/profile").into_response())
}
