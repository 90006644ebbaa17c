//! Where a user is logged in.

use anchor::SessionId;
use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use axum::Form;
use axum::extract::Path;
use axum::response::Redirect;
use serde::Deserialize;

use super::login::{LoggedOut, logged_out};
use crate::App;
use crate::error::AppError;
use crate::flash::{self, Message};
use crate::layout::Layout;
use crate::pages::{Device, Devices, Page};
use crate::sessions::UserSession;

/// The longest name of a device, in characters.
const LONGEST_NAME: usize = 40;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/devices", get(devices))
        .route("/devices/name", post(name_device))
        .route("/devices/others/end", post(end_others))
        .route("/devices/{id}/end", post(end_device))
        .route("/logout/all", post(end_all))
}

#[require_session(UserSession, redirect = "/login")]
async fn devices(layout: Layout, session: Session<UserSession>) -> Result<Page<Devices>, AppError> {
    let own = session.id();
    let all = session.siblings().await?;
    let mut devices: Vec<_> =
        all.iter().map(|record| Device::new(record, record.id == own)).collect();
    devices.sort_by_key(|device| !device.is_this());
    Ok(Page(Devices { layout, devices }))
}

#[derive(Deserialize)]
struct NameForm {
    name: String,
}

/// Names the device that the user is using now. An empty name takes it away.
#[require_session(UserSession)]
async fn name_device(
    mut session: Session<UserSession>,
    Form(form): Form<NameForm>,
) -> Result<Redirect, AppError> {
    let name: String =
        form.name.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let name = Some(name).filter(|name| !name.is_empty());
    session
        .update(|user| {
            user.device_name.clone_from(&name);
            flash::add(&mut user.messages, Message::DeviceNamed);
        })
        .await?;
    Ok(Redirect::to("/devices"))
}

/// Ends one device of the user's own. The id of another user's session ends nothing.
#[require_session(UserSession)]
async fn end_device(
    Path(id): Path<SessionId>,
    mut session: Session<UserSession>,
) -> Result<Redirect, AppError> {
    let was_live = session.end_sibling(id).await?;
    if id == session.id() {
        return Ok(Redirect::to("/?message=logged_out"));
    }
    let message = if was_live { Message::DeviceEnded } else { Message::DeviceGone };
    session.update(|user| flash::add(&mut user.messages, message.clone())).await?;
    Ok(Redirect::to("/devices"))
}

#[require_session(UserSession)]
async fn end_others(mut session: Session<UserSession>) -> Result<Redirect, AppError> {
    session.revoke_others().await?;
    session.update(|user| flash::add(&mut user.messages, Message::OthersLoggedOut)).await?;
    Ok(Redirect::to("/devices"))
}

#[logout(UserSession, all)]
async fn end_all() -> LoggedOut {
    logged_out()
}
