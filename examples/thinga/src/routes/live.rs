//! The leaderboard as it changes, for users. The page ends with its session.

use std::convert::Infallible;
use std::time::Duration;

use anchor::prelude::*;
use anchor::routing::{Router, get};
use askama::Template;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};

use crate::App;
use crate::layout::Layout;
use crate::live::Live;
use crate::pages::{LivePage, Page, Standings};
use crate::sessions::UserSession;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/live", get(page)).route("/live/events", get(events))
}

/// The page shows the leaderboard without a script, too, and then reloads itself.
#[require_session(UserSession, redirect = "/login")]
async fn page(layout: Layout, State(live): State<Live>) -> Page<LivePage> {
    Page(LivePage { layout, standings: live.standings() })
}

/// The new lines of the leaderboard, as often as they change, until the session ends, wherever it
/// is ended. Then the browser asks again, gets 401, and goes to the login page. An open page does
/// not keep the session alive: for that, it would call `session.touch()`.
#[require_session(UserSession)]
async fn events(
    session: Session<UserSession>,
    State(live): State<Live>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ended = Box::pin(session.wait_until_ended());
    let standings = live.subscribe();
    let lines = stream::unfold((standings, ended), |(mut standings, mut ended)| async move {
        tokio::select! {
            biased;
            () = &mut ended => None,
            changed = standings.changed() => {
                changed.ok()?;
                let lines = Standings { standings: standings.borrow_and_update().clone() };
                let event = Event::default().event("standings").data(lines.render().ok()?);
                Some((Ok(event), (standings, ended)))
            }
        }
    });
    let retry = stream::iter([Ok(Event::default().retry(Duration::from_millis(500)))]);
    let lines = stream::StreamExt::chain(retry, lines);
    Sse::new(lines).keep_alive(KeepAlive::default())
}
