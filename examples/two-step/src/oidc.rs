//! OpenID Connect: the way to the provider, and the way back, by the authorization code flow with
//! PKCE.
//!
//! An ID token may be signed with any algorithm that the provider's metadata names. The provider of
//! the tests signs with RS256 alone, which every provider supports.

use std::error::Error as StdError;
use std::sync::Arc;

use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use anchor::{ConfigError, Environment, Error};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpClientError, HttpRequest, HttpResponse, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, TokenResponse,
};
use serde::Deserialize;

use crate::users::Users;
use crate::{UserSession, manager};

/// What the way back is compared with. It is bound to the browser by its cookie, so nobody can send
/// a visitor through the callback of somebody else's login.
#[derive(Clone, SessionData)]
#[session(table = "oidc_logins", cookie = "__Host-oidc", absolute = "10m")]
struct OidcLogin {
    state: String,
    nonce: String,
    pkce_verifier: String,
}

/// The application as a client of a provider. Cheap to clone.
#[derive(Clone)]
pub struct Provider {
    client: Arc<Client>,
    http: reqwest::Client,
}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

type BoxError = Box<dyn StdError + Send + Sync>;

impl Provider {
    /// Asks the provider for its metadata and its keys.
    ///
    /// # Errors
    ///
    /// Returns an error if the provider does not answer, or is not the one that it should be.
    pub async fn discover(
        issuer: &str,
        client_id: &str,
        client_secret: &str,
        callback: &str,
    ) -> Result<Self, BoxError> {
        // A redirect could lead a request with the client's secret to another server.
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let issuer = IssuerUrl::new(issuer.to_owned())?;
        let send = |request| send(http.clone(), request);
        let metadata = CoreProviderMetadata::discover_async(issuer, &send).await?;
        let (id, secret) = (client_id.to_owned(), client_secret.to_owned());
        let client = CoreClient::from_provider_metadata(
            metadata,
            ClientId::new(id),
            Some(ClientSecret::new(secret)),
        )
        .set_redirect_uri(RedirectUrl::new(callback.to_owned())?);
        Ok(Self { client: Arc::new(client), http })
    }

    /// Exchanges the code, and checks what the provider says: the signature, the issuer, the
    /// audience, the time and the nonce of the ID token. Returns issuer and subject.
    async fn identity(&self, code: String, login: OidcLogin) -> Result<(String, String), BoxError> {
        let send = |request| send(self.http.clone(), request);
        let answer = self
            .client
            .exchange_code(AuthorizationCode::new(code))?
            .set_pkce_verifier(PkceCodeVerifier::new(login.pkce_verifier))
            .request_async(&send)
            .await?;
        let id_token = answer.id_token().ok_or("the provider sent no ID token")?;
        let nonce = Nonce::new(login.nonce);
        let claims = id_token.claims(&self.client.id_token_verifier(), &nonce)?;
        Ok((claims.issuer().to_string(), claims.subject().to_string()))
    }
}

async fn send(
    http: reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, HttpClientError<reqwest::Error>> {
    let request = reqwest::Request::try_from(request).map_err(Box::new)?;
    let mut answer = http.execute(request).await.map_err(Box::new)?;
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let mut response = HttpResponse::new(answer.bytes().await.map_err(Box::new)?.into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

#[derive(Clone)]
struct App {
    users: Users,
    provider: Provider,
}

pub(crate) fn routes(
    users: Users,
    provider: Provider,
    environment: &Environment,
) -> Result<Router, ConfigError> {
    Ok(Router::new()
        .route("/oidc/login", post(begin))
        .route("/oidc/callback", get(callback))
        .sessions(&manager::<OidcLogin>(environment)?)
        .with_state(App { users, provider }))
}

#[public]
async fn begin(State(app): State<App>, pending: Auth<OidcLogin>) -> Result<Redirect, Error> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = app
        .provider
        .client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .set_pkce_challenge(challenge)
        .url();
    let login = OidcLogin {
        state: state.into_secret(),
        nonce: nonce.secret().clone(),
        pkce_verifier: verifier.into_secret(),
    };
    pending.login(login).await?;
    Ok(Redirect::to(url.as_str()))
}

#[derive(Deserialize)]
struct Callback {
    state: String,
    code: String,
}

#[require_session(OidcLogin)]
async fn callback(
    State(app): State<App>,
    pending: Session<OidcLogin>,
    auth: Auth<UserSession>,
    Query(callback): Query<Callback>,
) -> Result<Response, Error> {
    // A link of somebody else's does not use up the login.
    if pending.state != callback.state {
        return Ok(StatusCode::BAD_REQUEST.into_response());
    }
    let login = pending.consume().await?;
    // A real application logs the error.
    let Ok((issuer, subject)) = app.provider.identity(callback.code, login).await else {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    };
    let user_id = app.users.of_provider(&issuer, &subject);
    auth.login(UserSession { user_id }).await?;
    Ok(Redirect::to("/me").into_response())
}
