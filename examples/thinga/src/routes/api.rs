//! The same game for a front end on another origin: JSON, and CORS with credentials.

use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use axum::extract::{Json, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tower_http::cors::CorsLayer;

use super::game::VoteForm;
use super::voter::Voter;
use crate::database::Database;
use crate::database::things::{Standing, Thing};
use crate::database::votes::Voted;
use crate::error::AppError;
use crate::live::Live;
use crate::sessions::{Role, UserSession};
use crate::{App, StartError};

pub(super) fn routes(app: &App) -> Result<Router<App>, StartError> {
    let mut cors = CorsLayer::new()
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    if let Some(origin) = &app.config.front_end {
        // This one, and never `Any`: with credentials, every page could then read with the session
        // of its visitor.
        cors = cors.allow_origin(origin.parse::<HeaderValue>()?);
    }
    Ok(Router::new()
        .route("/api/me", get(me))
        .route("/api/pair", get(pair))
        .route("/api/votes", post(vote))
        .route("/api/leaderboard", get(leaderboard))
        .route("/api/logout", post(logout))
        .sessions(&app.sessions.guests)
        .sessions(&app.sessions.users)
        // Outside, so that the front end can also read refusals.
        .layer(cors))
}

#[derive(Serialize)]
struct Me {
    name: String,
    role: Role,
}

#[require_session(UserSession)]
async fn me(user: Session<UserSession>) -> Json<Me> {
    Json(Me { name: user.name.clone(), role: user.role })
}

#[derive(Serialize)]
struct Pair {
    things: Option<[Thing; 2]>,
    votes: i64,
    pairs: i64,
}

/// A visitor without a session becomes a guest here, as on the page.
#[public]
async fn pair(voter: Voter, State(database): State<Database>) -> Result<Json<Pair>, ApiError> {
    let voter = voter.begin().await?;
    let things = database.next_pair(voter).await?.map(|(one, other)| [one, other]);
    let (votes, pairs) = (database.votes_of(voter).await?, database.pairs().await?);
    Ok(Json(Pair { things, votes, pairs }))
}

/// 201 for a vote, 200 for one that was given before, 401 without a session.
#[public]
async fn vote(
    voter: Voter,
    State(app): State<App>,
    Json(form): Json<VoteForm>,
) -> Result<StatusCode, ApiError> {
    let Some(choice) = form.choice() else { return Ok(StatusCode::UNPROCESSABLE_ENTITY) };
    Ok(match voter.vote(&app, choice).await? {
        Some(Voted::Counted) => {
            app.live.voted();
            StatusCode::CREATED
        }
        Some(Voted::Before) => StatusCode::OK,
        Some(Voted::Unknown) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::UNAUTHORIZED,
    })
}

#[public]
async fn leaderboard(State(live): State<Live>) -> Json<Vec<Standing>> {
    Json(live.standings().to_vec())
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// An error without a page.
struct ApiError(AppError);

impl<E: Into<AppError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self.0 {
            AppError::Session(rejection) => rejection.into_response(),
            other => other.into_response().status().into_response(),
        }
    }
}
