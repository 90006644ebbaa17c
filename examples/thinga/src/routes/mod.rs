//! The handlers. Each one says who may call it: `anchor::routing` accepts no other.

mod account;
mod admin;
mod api;
mod assets;
mod confirmation;
mod devices;
mod game;
mod live;
mod login;
mod voter;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Once;
use std::time::Duration;

use anchor::prelude::*;
use anchor::routing::{Router, get};
use axum::extract::{DefaultBodyLimit, FromRef, FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::timeout::TimeoutLayer;

use crate::database::Database;
use crate::error::AppError;
use crate::layout::Layout;
use crate::pages::{Home, Page};
use crate::sessions::{client_ip, connection_ip};
use crate::{App, StartError, headers};

/// Returns all routes.
pub(crate) fn routes(app: &App) -> Result<Router<App>, StartError> {
    let pages = Router::new()
        .route("/", get(home))
        .merge(confirmation::routes())
        .merge(login::routes())
        .merge(account::routes())
        .merge(devices::routes())
        .merge(admin::routes())
        .merge(game::routes())
        .merge(live::routes())
        .fallback(nothing)
        // The sessions trust the front end on every route that they surround. Its place is `/api`:
        // here, only pages of this origin change something.
        .layer(CsrfLayer::new().with_rejection_response(only_from_here))
        .sessions(&app.sessions.guests)
        .sessions(&app.sessions.users);
    Ok(Router::new()
        .merge(pages)
        .merge(api::routes(app)?)
        .route("/assets/{file}", get(assets::asset))
        .route("/health", get(health))
        .layer(DefaultBodyLimit::max(16 * 1024))
        // Until the response begins: a stream of events goes on.
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(20),
        ))
        .layer(axum::middleware::map_response_with_state(!app.config.is_local(), headers::add)))
}

#[public]
async fn home(layout: Layout, State(app): State<App>) -> Result<Page<Home>, AppError> {
    let standings = app.live.standings();
    let top = standings.iter().filter(|standing| standing.duels > 0).take(3).cloned().collect();
    Ok(Page(Home { layout, top, votes: app.database.all_votes().await? }))
}

fn only_from_here(_: ProtectionError) -> Response {
    tracing::warn!("refused a form of another origin: FRONT_END may change something by `/api`");
    AppError::CrossOrigin.into_response()
}

#[public]
async fn nothing() -> AppError {
    AppError::NotFound
}

/// For whoever watches the server: whether it and its database answer.
#[public]
async fn health(State(database): State<Database>) -> Result<&'static str, AppError> {
    database.check().await?;
    Ok("ok\n")
}

/// Where a request comes from, for the limits of the login form. If the proxy does not say so, this
/// is the proxy: whoever comes from there shares its limit.
struct ClientIp(IpAddr);

impl<S> FromRequestParts<S> for ClientIp
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut Parts, state: &S) -> Result<Self, Infallible> {
        static WARNED: Once = Once::new();
        let app = App::from_ref(state);
        let header = app.config.client_ip_header.as_ref();
        let ip = client_ip(request, header).or_else(|| {
            WARNED.call_once(|| {
                tracing::warn!(
                    "it is not known where some requests come from, so they share the limit of \
                     logins: the proxy sent no address in CLIENT_IP_HEADER, or the server was not \
                     given the connections' addresses"
                );
            });
            connection_ip(request)
        });
        Ok(Self(ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}
