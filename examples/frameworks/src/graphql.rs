//! async-graphql: resolvers get [`Auth`] from the request's data.
//!
//! - One handler answers all queries, so its attribute guards all of them or none. Here it is
//!   public, and a guard of async-graphql asks for a session where one is needed.
//! - A refusal is an error in a response of status 200, as GraphQL has it. A front end that relies
//!   on 401 gets it from an endpoint of its own under `#[require_session]`.
//! - Only `POST` is routed. The origin of a `GET` is not checked, so that a mutation in its query
//!   string could be sent by any other site.
//! - A subscription continues after the response has begun. It can read the session, and wait until
//!   it has ended, but a login or a logout belongs in a mutation.

use anchor::Rejection;
use anchor::prelude::*;
use anchor::routing::{Router, post};
use async_graphql::{Context, EmptySubscription, Error, Guard, Object, Result, Schema};
use async_graphql_axum::{GraphQLRequest, GraphQLResponse};
use axum::extract::State;

use crate::UserSession;

type Auths = Auth<UserSession>;

/// The queries and mutations.
pub type Api = Schema<Query, Mutation, EmptySubscription>;

/// What anybody may ask, and what a user may ask.
pub struct Query;

#[Object]
impl Query {
    /// For everybody.
    async fn greeting(&self) -> &str {
        "welcome"
    }

    /// For users only.
    #[graphql(guard = "LoggedIn")]
    async fn me(&self, context: &Context<'_>) -> Result<String> {
        Ok(session(context).await?.name.clone())
    }
}

/// Login and logout.
pub struct Mutation;

#[Object]
impl Mutation {
    /// Logs in. A real application checks a password here, like the quickstart.
    async fn login(&self, context: &Context<'_>, name: String) -> Result<String> {
        let login = context.data::<Auths>()?.login(UserSession { name }).await;
        Ok(login.map_err(refused)?.name.clone())
    }

    /// Logs out, and returns whether there was a session.
    async fn logout(&self, context: &Context<'_>) -> Result<bool> {
        context.data::<Auths>()?.logout().await.map_err(refused)
    }
}

/// Refuses a field to requests without a session.
struct LoggedIn;

impl Guard for LoggedIn {
    async fn check(&self, context: &Context<'_>) -> Result<()> {
        session(context).await.map(drop)
    }
}

async fn session(context: &Context<'_>) -> Result<Session<UserSession>> {
    let session = context.data::<Auths>()?.session().await.map_err(refused)?;
    session.ok_or_else(|| Error::new("log in first"))
}

/// What a client learns about an error: its text is for the log.
fn refused(error: anchor::Error) -> Error {
    Error::new(Rejection::from(error).public_code())
}

#[public]
async fn graphql(State(api): State<Api>, auth: Auths, request: GraphQLRequest) -> GraphQLResponse {
    api.execute(request.into_inner().data(auth)).await.into()
}

/// Creates the application.
pub fn app(sessions: &SessionManager<UserSession>) -> Router {
    let api = Schema::new(Query, Mutation, EmptySubscription);
    Router::new().route("/graphql", post(graphql)).with_state(api).sessions(sessions)
}
