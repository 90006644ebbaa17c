//! Passkeys: a challenge, and then its signature. Both the login and the registration of a passkey
//! are done in two steps.

use std::sync::Arc;

use anchor::prelude::*;
use anchor::routing::{Router, post};
use anchor::{ConfigError, Environment, Error};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use webauthn_rs::prelude::{
    PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
    Uuid, Webauthn,
};

use crate::users::Users;
use crate::{UserSession, manager};

/// The site for which its users' passkeys are.
pub type RelyingParty = Arc<Webauthn>;

/// A login whose challenge waits to be signed.
#[derive(Clone, SessionData)]
#[session(table = "passkey_logins", cookie = "__Host-passkey", absolute = "5m")]
pub(crate) struct PasskeyLogin {
    #[session(subject)]
    user_id: i64,
    #[session(json)]
    challenge: PasskeyAuthentication,
}

/// A passkey that a user is about to add.
#[derive(Clone, SessionData)]
#[session(table = "new_passkeys", cookie = "__Host-new-passkey", absolute = "5m")]
pub(crate) struct NewPasskey {
    #[session(subject)]
    user_id: i64,
    #[session(json)]
    challenge: PasskeyRegistration,
}

#[derive(Clone)]
struct App {
    users: Users,
    relying_party: RelyingParty,
}

pub(crate) fn routes(
    users: Users,
    relying_party: RelyingParty,
    environment: &Environment,
) -> Result<Router, ConfigError> {
    Ok(Router::new()
        .route("/passkeys/new", post(begin_registration))
        .route("/passkeys", post(register))
        .route("/login/passkey", post(begin_login))
        .route("/login/passkey/signed", post(login))
        .sessions(&manager::<PasskeyLogin>(environment)?)
        .sessions(&manager::<NewPasskey>(environment)?)
        .with_state(App { users, relying_party }))
}

/// A new passkey is a new way in, so the user must have proved who they are a moment ago.
#[require_session(UserSession, fresh = "10m")]
async fn begin_registration(
    State(app): State<App>,
    user: UserSession,
    pending: Auth<NewPasskey>,
) -> Result<Response, Error> {
    let user_id = user.user_id;
    let Some((name, known)) = app.users.registered(user_id) else {
        return Ok(StatusCode::GONE.into_response());
    };
    let handle = Uuid::from_u128(user_id.unsigned_abs().into());
    let begun = app.relying_party.start_passkey_registration(handle, &name, &name, Some(known));
    let Ok((for_the_browser, challenge)) = begun else {
        return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    pending.login(NewPasskey { user_id, challenge }).await?;
    Ok(Json(for_the_browser).into_response())
}

#[require_session(UserSession, fresh = "10m")]
async fn register(
    State(app): State<App>,
    user: UserSession,
    pending: Session<NewPasskey>,
    Json(answer): Json<RegisterPublicKeyCredential>,
) -> Result<StatusCode, Error> {
    let NewPasskey { user_id, challenge } = pending.consume().await?;
    let passkey = app.relying_party.finish_passkey_registration(&answer, &challenge);
    match passkey {
        // Somebody else may have logged in in this browser meanwhile.
        Ok(passkey) if user_id == user.user_id => {
            let is_new = app.users.add_passkey(user_id, passkey);
            Ok(if is_new { StatusCode::CREATED } else { StatusCode::CONFLICT })
        }
        _ => Ok(StatusCode::UNPROCESSABLE_ENTITY),
    }
}

#[public]
async fn begin_login(
    State(app): State<App>,
    pending: Auth<PasskeyLogin>,
    name: String,
) -> Result<Response, Error> {
    let Some((user_id, passkeys)) = app.users.passkeys(&name) else {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    };
    // webauthn-rs would make a challenge for nobody.
    if passkeys.is_empty() {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    let begun = app.relying_party.start_passkey_authentication(&passkeys);
    let Ok((for_the_browser, challenge)) = begun else {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    };
    pending.login(PasskeyLogin { user_id, challenge }).await?;
    Ok(Json(for_the_browser).into_response())
}

/// The challenge is consumed before the signature is looked at: each one can be answered once.
#[require_session(PasskeyLogin)]
async fn login(
    State(app): State<App>,
    pending: Session<PasskeyLogin>,
    auth: Auth<UserSession>,
    Json(answer): Json<PublicKeyCredential>,
) -> Result<StatusCode, Error> {
    let PasskeyLogin { user_id, challenge } = pending.consume().await?;
    let result = app.relying_party.finish_passkey_authentication(&answer, &challenge);
    let Ok(result) = result else { return Ok(StatusCode::UNAUTHORIZED) };
    // As the account is now: the challenge was made from what it was when the login began.
    if !app.users.use_passkey(user_id, &result) {
        return Ok(StatusCode::UNAUTHORIZED);
    }
    auth.login(UserSession { user_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
