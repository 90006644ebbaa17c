//! A password, and then a code of an authenticator app.

use anchor::prelude::*;
use anchor::routing::{Router, post};
use anchor::{ConfigError, Error};
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use totp_rs::Builder;

use crate::users::Users;
use crate::{UserSession, manager};

/// How many codes may be tried after one password.
const MOST_GUESSES: i64 = 5;

/// A login whose password was right, and whose code is missing.
#[derive(Clone, SessionData)]
#[session(table = "totp_logins", cookie = "__Host-totp", absolute = "10m")]
struct TotpLogin {
    #[session(subject)]
    user_id: i64,
    guesses: i64,
}

pub(crate) fn routes(users: Users, keys: &KeyRing) -> Result<Router, ConfigError> {
    Ok(Router::new()
        .route("/login", post(password))
        .route("/login/code", post(code))
        .sessions(&manager::<TotpLogin>(keys)?)
        .with_state(users))
}

#[derive(Deserialize)]
struct Password {
    name: String,
    password: String,
}

#[public]
async fn password(
    State(users): State<Users>,
    pending: Auth<TotpLogin>,
    auth: Auth<UserSession>,
    Form(form): Form<Password>,
) -> Result<StatusCode, Error> {
    let Some(user_id) = users.authenticate(&form.name, &form.password) else {
        return Ok(StatusCode::UNAUTHORIZED);
    };
    if users.totp_secret(user_id).is_some() {
        pending.login(TotpLogin { user_id, guesses: 0 }).await?;
        return Ok(StatusCode::ACCEPTED);
    }
    auth.login(UserSession { user_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[require_session(TotpLogin)]
async fn code(
    State(users): State<Users>,
    mut pending: Session<TotpLogin>,
    auth: Auth<UserSession>,
    Form(form): Form<Code>,
) -> Result<StatusCode, Error> {
    // Counted before the code is looked at, so parallel requests count as well. Also limit the
    // guesses per user: whoever knows the password can begin another login.
    pending.update(|pending| pending.guesses += 1).await?;
    if pending.guesses > MOST_GUESSES {
        pending.consume().await?;
        return Ok(StatusCode::UNAUTHORIZED);
    }
    let user_id = pending.user_id;
    let step = users
        .totp_secret(user_id)
        .and_then(|secret| Builder::new().with_secret(secret).build().ok())
        .and_then(|totp| totp.check_current(&form.code));
    if !step.is_some_and(|step| users.use_step(user_id, step)) {
        return Ok(StatusCode::UNPROCESSABLE_ENTITY);
    }
    pending.consume().await?;
    auth.login(UserSession { user_id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
