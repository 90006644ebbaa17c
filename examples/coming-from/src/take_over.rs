//! What all takeovers have in common: a middleware that uses up the old session, logs in, and lets
//! the client repeat its request.

use std::time::Duration;

use anchor::guard::safe_next;
use anchor::manager::BoxError;
use anchor::prelude::*;
use anchor::{Error, StoreError};
use axum::extract::{OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use cookie::Cookie;
use sqlx::PgConnection;

use crate::UserSession;

/// The sessions of another library.
pub trait OldSessions: Clone + Send + Sync + 'static {
    /// The name of its cookie.
    const COOKIE: &'static str;

    /// What names one of its sessions.
    type Key: Send;

    /// Reads the cookie. Returns `None` if it is forged or too old. Calls no database, so that a
    /// forgery costs nothing.
    fn read(&self, cookie: &str, request: &Parts) -> Option<Self::Key>;

    /// Deletes the session, and returns whose it was. Of several calls at the same time, one finds
    /// it. Returns `None` if it has expired, or nobody was logged in.
    fn use_up(
        &self,
        key: Self::Key,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Option<OldSession>, BoxError>> + Send;
}

/// A session that was used up.
pub struct OldSession {
    /// Whose it was.
    pub user_id: i64,
    /// How long the new session may live, if the old one had a fixed end.
    pub at_most: Option<Duration>,
}

/// The state of [`take_over`].
#[derive(Clone)]
pub struct TakeOver<O> {
    /// The sessions to take over.
    pub old: O,
    /// The manager of the new ones.
    pub sessions: SessionManager<UserSession>,
    /// The store that the manager was built with.
    pub store: PostgresStore<UserSession>,
}

impl<O: OldSessions> TakeOver<O> {
    /// Uses up the old session and logs in, in one transaction. Returns whether it has logged in:
    /// beside a live session of this application, the old session is only used up.
    async fn run(&self, auth: &Auth<UserSession>, key: O::Key) -> Result<bool, Error> {
        let is_logged_in = auth.session().await?.is_some();
        let mut transaction = self.sessions.begin(&self.store).await?;
        let old = self.old.use_up(key, &mut transaction).await.map_err(StoreError::unavailable)?;
        let Some(old) = old.filter(|_| !is_logged_in) else {
            transaction.commit().await?;
            return Ok(false);
        };
        let login = auth.login(UserSession::taken_over(old.user_id));
        let login = login.at_most(old.at_most.unwrap_or(Duration::MAX));
        login.within(&mut transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Takes over the session of an old cookie: a middleware inside of anchor's layer. A request
/// without such a cookie passes through.
///
/// A takeover answers by itself, with a redirect to the same address. If the handler answered, and
/// failed, anchor would end the new session, and the old one is used up.
pub async fn take_over<O: OldSessions>(
    State(state): State<TakeOver<O>>,
    auth: Auth<UserSession>,
    OriginalUri(uri): OriginalUri,
    request: Request,
    next: Next,
) -> Response {
    let cookies = cookies(request.headers(), O::COOKIE);
    if cookies.is_empty() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    // Several cookies of this name are a sign of an attack: none is used.
    let key = match &cookies[..] {
        [cookie] => Cookie::parse_encoded(cookie)
            .ok()
            .and_then(|cookie| state.old.read(cookie.value(), &parts)),
        _ => None,
    };
    let taken_over = match key {
        Some(key) => state.run(&auth, key).await,
        None => Ok(false),
    };
    let mut response = match taken_over {
        Ok(true) => again(&uri),
        Ok(false) => next.run(Request::from_parts(parts, body)).await,
        // 503. The cookie stays for the next request.
        Err(error) => return error.into_response(),
    };
    response.headers_mut().append(header::SET_COOKIE, removal(O::COOKIE));
    response
}

/// Returns the request's cookies of this name, as `name=value`.
fn cookies(headers: &HeaderMap, name: &str) -> Vec<String> {
    let headers = headers.get_all(header::COOKIE).iter();
    // Cookies of others may have any bytes.
    let headers: Vec<_> = headers.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let cookies = headers.iter().flat_map(|header| header.split(';')).map(str::trim);
    let is_named = |cookie: &&str| cookie.split_once('=').is_some_and(|(its, _)| its == name);
    cookies.filter(is_named).map(str::to_owned).collect()
}

/// Returns the removal of the cookie. Add `Domain=..` and change `Path=/` if the old application
/// set them so: a browser removes a cookie only with the same values.
fn removal(name: &str) -> HeaderValue {
    let removal = format!("{name}=; Path=/; Max-Age=0");
    HeaderValue::try_from(removal).expect("the name of a cookie is ASCII")
}

/// Lets the client send its request again, with the new cookie: 307 keeps method and body.
fn again(uri: &Uri) -> Response {
    match uri.path_and_query().and_then(|path| safe_next(path.as_str())) {
        Some(path) => Redirect::temporary(path).into_response(),
        None => Redirect::to("/").into_response(),
    }
}
