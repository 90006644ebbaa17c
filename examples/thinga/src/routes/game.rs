//! The game: two things side by side, and the leaderboard.

use anchor::prelude::*;
use anchor::routing::{Router, get};
use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use serde::Deserialize;

use super::voter::Voter;
use crate::App;
use crate::database::Database;
use crate::database::votes::{Choice, Voted};
use crate::error::AppError;
use crate::flash::Message;
use crate::layout::Layout;
use crate::pages::{Leaderboard, Page, Vote};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/vote", get(pair).post(vote)).route("/leaderboard", get(leaderboard))
}

#[public]
async fn pair(
    layout: Layout,
    voter: Voter,
    State(database): State<Database>,
) -> Result<Page<Vote>, AppError> {
    let voter = voter.begin().await?;
    Ok(Page(Vote {
        layout,
        pair: database.next_pair(voter).await?,
        votes: database.votes_of(voter).await?,
        pairs: database.pairs().await?,
    }))
}

/// The form: the two things that were shown, and the one that was chosen.
#[derive(Deserialize)]
pub(super) struct VoteForm {
    one: i64,
    other: i64,
    winner: i64,
}

impl VoteForm {
    pub(super) fn choice(&self) -> Option<Choice> {
        Choice::new(self.one, self.other, self.winner)
    }
}

/// Counts a vote. Sent twice, it counts once: the session is the one that got the form, and the
/// table has one row per voter and pair.
#[public]
async fn vote(
    mut voter: Voter,
    State(app): State<App>,
    Form(form): Form<VoteForm>,
) -> Result<Redirect, AppError> {
    let choice = form.choice().ok_or(AppError::Unprocessable)?;
    match voter.vote(&app, choice).await? {
        Some(Voted::Counted) => app.live.voted(),
        Some(Voted::Before) => voter.tell(Message::VotedBefore).await?,
        Some(Voted::Unknown) => return Err(AppError::Unprocessable),
        None => return Ok(Redirect::to("/vote?message=no_session")),
    }
    Ok(Redirect::to("/vote"))
}

#[public]
async fn leaderboard(
    layout: Layout,
    State(app): State<App>,
) -> Result<Page<Leaderboard>, AppError> {
    let votes = app.database.all_votes().await?;
    Ok(Page(Leaderboard { layout, standings: app.live.standings(), votes }))
}
