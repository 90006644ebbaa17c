//! The administrator's page. It asks for a login of the last half hour.

use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use serde::Deserialize;
use uuid::Uuid;

use crate::App;
use crate::accounts::UserChange;
use crate::error::AppError;
use crate::flash::{self, Message};
use crate::layout::Layout;
use crate::pages::{Admin, Page};
use crate::sessions::{Role, UserSession};

/// How many users the page shows.
const USERS: i64 = 100;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin", get(page))
        .route("/admin/users/{id}/role", post(change_role))
        .route("/admin/users/{id}/end", post(end_sessions))
}

#[require_session(UserSession, role = Role::Admin, fresh = "30m", redirect = "/login")]
async fn page(
    layout: Layout,
    session: Session<UserSession>,
    State(app): State<App>,
) -> Result<Page<Admin>, AppError> {
    Ok(Page(Admin {
        layout,
        users: app.database.newest_users(USERS).await?,
        votes: app.database.all_votes().await?,
        own_id: session.user_id,
    }))
}

#[derive(Deserialize)]
struct RoleForm {
    role: String,
}

/// Gives a user another role: in the sessions that they have, or by ending these. Nobody changes
/// their own.
#[require_session(UserSession, role = Role::Admin, fresh = "30m")]
async fn change_role(
    Path(id): Path<Uuid>,
    mut session: Session<UserSession>,
    State(app): State<App>,
    Form(form): Form<RoleForm>,
) -> Result<Redirect, AppError> {
    let role = Role::try_from(form.role).map_err(|_| AppError::Unprocessable)?;
    let user = app.database.user(id).await?.ok_or(AppError::NotFound)?.user;
    let change = UserChange::Role { role, by: Some(session.user_id) };
    app.sessions.change_user(&app.database, id, &change).await?;
    let message = Message::RoleChanged { name: user.name };
    session.update(|user| flash::add(&mut user.messages, message.clone())).await?;
    Ok(Redirect::to("/admin"))
}

/// Logs a user out everywhere, and those of their logins that have begun.
#[require_session(UserSession, role = Role::Admin, fresh = "30m")]
async fn end_sessions(
    Path(id): Path<Uuid>,
    mut session: Session<UserSession>,
    State(app): State<App>,
) -> Result<Redirect, AppError> {
    let user = app.database.user(id).await?.ok_or(AppError::NotFound)?.user;
    if id == session.user_id {
        return Err(AppError::Unprocessable);
    }
    let ended = app.sessions.users.cut_off(&id).await?;
    let message = Message::UserEnded { name: user.name, ended };
    session.update(|user| flash::add(&mut user.messages, message.clone())).await?;
    Ok(Redirect::to("/admin"))
}
