//! A form that must carry the CSRF token of its session.
//!
//! The session layer refuses cross-origin requests by the headers that browsers send since 2020 to
//! 2023. This token also protects the users of older ones.

use anchor::Session;
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, RawForm, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;

use crate::UserSession;

/// The name of the hidden field.
pub(crate) const FIELD: &str = "csrf_token";

/// Returns a new token, of 128 random bits.
pub(crate) fn new_token() -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// A form whose field `csrf_token` is the token of the request's session. Anything else is 403.
pub(crate) struct CheckedForm<F>(pub(crate) F);

impl<S: Send + Sync, F: DeserializeOwned> FromRequest<S> for CheckedForm<F> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let session = Session::<UserSession>::from_request_parts(&mut parts, state).await;
        let session = session.map_err(IntoResponse::into_response)?;

        let headers = parts.clone();
        let request = Request::from_parts(parts, body);
        let RawForm(form) =
            RawForm::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let mut tokens = form_urlencoded::parse(&form).filter(|(name, _)| name == FIELD);
        let matches = match (tokens.next(), tokens.next()) {
            (Some((_, token)), None) => token.as_bytes().ct_eq(session.csrf_token.as_bytes()),
            _ => 0.into(),
        };
        if !bool::from(matches) {
            let text = "This form is out of date. Reload the page, and send it again.\n";
            return Err((StatusCode::FORBIDDEN, text).into_response());
        }
        let form = Form::from_request(Request::from_parts(headers, form.into()), state).await;
        form.map(|Form(form)| Self(form)).map_err(IntoResponse::into_response)
    }
}
