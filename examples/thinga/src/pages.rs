//! The pages: what each template in `templates/` is given.

use std::sync::Arc;

use anchor::store::Record;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use uuid::Uuid;

use crate::database::things::{Standing, Thing};
use crate::database::users::{Listed, User};
use crate::database::votes::Favourite;
use crate::layout::Layout;
use crate::sessions::{Role, UserSession};

/// A template as a response.
pub(crate) struct Page<T>(pub(crate) T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!("a page was not rendered: {error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong.\n").into_response()
            }
        }
    }
}

#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct Home {
    pub(crate) layout: Layout,
    pub(crate) top: Vec<Standing>,
    pub(crate) votes: i64,
}

#[derive(Template)]
#[template(path = "register.html")]
pub(crate) struct Register {
    pub(crate) layout: Layout,
    pub(crate) fault: Option<&'static str>,
    pub(crate) name: String,
    pub(crate) email: String,
}

#[derive(Template)]
#[template(path = "registered.html")]
pub(crate) struct Registered {
    pub(crate) layout: Layout,
    pub(crate) email: String,
    pub(crate) outbox: Option<String>,
}

#[derive(Template)]
#[template(path = "confirm.html")]
pub(crate) struct Confirm {
    pub(crate) layout: Layout,
    /// `None` if the link is not valid any more.
    pub(crate) email: Option<String>,
    pub(crate) fault: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct Login {
    pub(crate) layout: Layout,
    pub(crate) fault: Option<&'static str>,
    pub(crate) email: String,
    /// Where the form goes: it keeps the page to go back to.
    pub(crate) action: String,
    pub(crate) asks_again: bool,
}

#[derive(Template)]
#[template(path = "profile.html")]
pub(crate) struct Profile {
    pub(crate) layout: Layout,
    pub(crate) user: User,
    pub(crate) votes: i64,
    pub(crate) pairs: i64,
    pub(crate) favourites: Vec<Favourite>,
    pub(crate) fault: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "devices.html")]
pub(crate) struct Devices {
    pub(crate) layout: Layout,
    pub(crate) devices: Vec<Device>,
}

/// A line of the page of devices.
pub(crate) struct Device {
    id: String,
    is_this: bool,
    name: Option<String>,
    client: String,
    address: Option<String>,
    last_seen: String,
    since: String,
    remembered: bool,
}

impl Device {
    pub(crate) fn new(record: &Record<UserSession>, is_this: bool) -> Self {
        let client = record.client.clone().unwrap_or_default();
        Self {
            id: record.id.to_string(),
            is_this,
            name: record.data.device_name.clone(),
            client: client.device().to_string(),
            address: client.ip().map(|ip| ip.to_canonical().to_string()),
            last_seen: minutes(record.last_seen_at),
            since: minutes(record.created_at),
            remembered: record.remembered,
        }
    }

    pub(crate) fn is_this(&self) -> bool {
        self.is_this
    }
}

/// Formats a timestamp to the minute: `2026-01-31 12:34`.
fn minutes(time: anchor::Timestamp) -> String {
    time.to_string()[..16].replace('T', " ")
}

#[derive(Template)]
#[template(path = "vote.html")]
pub(crate) struct Vote {
    pub(crate) layout: Layout,
    /// `None` if the voter has seen every pair.
    pub(crate) pair: Option<(Thing, Thing)>,
    pub(crate) votes: i64,
    pub(crate) pairs: i64,
}

#[derive(Template)]
#[template(path = "leaderboard.html")]
pub(crate) struct Leaderboard {
    pub(crate) layout: Layout,
    pub(crate) standings: Arc<Vec<Standing>>,
    pub(crate) votes: i64,
}

#[derive(Template)]
#[template(path = "live.html")]
pub(crate) struct LivePage {
    pub(crate) layout: Layout,
    pub(crate) standings: Arc<Vec<Standing>>,
}

/// The lines of the leaderboard alone, as the live page receives them.
#[derive(Template)]
#[template(path = "standings.html")]
pub(crate) struct Standings {
    pub(crate) standings: Arc<Vec<Standing>>,
}

#[derive(Template)]
#[template(path = "admin.html")]
pub(crate) struct Admin {
    pub(crate) layout: Layout,
    pub(crate) users: Vec<Listed>,
    pub(crate) votes: i64,
    pub(crate) own_id: Uuid,
}

#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) code: u16,
}
