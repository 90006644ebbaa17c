//! A password, and then a code of an authenticator app.

use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use anchor::{ConfigError, Environment, Error};
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use totp_rs::Builder;

use crate::users::Users;
use crate::{UserSession, manager, page};

/// How many codes may be tried after one password. The users' own count is for all logins: whoever
/// knows the password can begin another one.
const MOST_GUESSES: i64 = 5;

/// A login whose password was right, and whose code is missing.
#[derive(Clone, SessionData)]
#[session(table = "totp_logins", cookie = "__Host-totp", absolute = "10m")]
pub(crate) struct TotpLogin {
    #[session(subject)]
    user_id: i64,
    guesses: i64,
}

pub(crate) fn routes(users: Users, environment: &Environment) -> Result<Router, ConfigError> {
    Ok(Router::new()
        .route("/login", post(password))
        .route("/login/code", get(code_page).post(code))
        .sessions(&manager::<TotpLogin>(environment)?)
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
) -> Result<Response, Error> {
    let Ok(known) = users.authenticate(&form.name, form.password).await else {
        return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    let Some(user_id) = known else {
        return Ok((StatusCode::UNAUTHORIZED, page::wrong_password()).into_response());
    };
    if users.totp_secret(user_id).is_some() {
        pending.login(TotpLogin { user_id, guesses: 0 }).await?;
        return Ok(Redirect::to("/login/code").into_response());
    }
    auth.login(UserSession { user_id }).await?;
    Ok(Redirect::to("/").into_response())
}

#[require_session(TotpLogin, redirect = "/")]
async fn code_page() -> Html<String> {
    page::code(None)
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
) -> Result<Response, Error> {
    // Both are counted before the code is looked at, so parallel requests count as well.
    pending.update(|pending| pending.guesses += 1).await?;
    if pending.guesses > MOST_GUESSES {
        pending.consume().await?;
        return Ok((StatusCode::UNAUTHORIZED, page::home(None)).into_response());
    }
    let user_id = pending.user_id;
    if !users.may_guess(user_id) {
        let page = page::code(Some("Too many codes were tried. Try again in 15 minutes."));
        return Ok((StatusCode::TOO_MANY_REQUESTS, page).into_response());
    }
    let step = users
        .totp_secret(user_id)
        .and_then(|secret| Builder::new().with_secret(secret).build().ok())
        .and_then(|totp| totp.check_current(&form.code));
    if !step.is_some_and(|step| users.use_step(user_id, step)) {
        let page = page::code(Some("This code is wrong, or was used before."));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    pending.consume().await?;
    auth.login(UserSession { user_id }).await?;
    Ok(Redirect::to("/").into_response())
}
