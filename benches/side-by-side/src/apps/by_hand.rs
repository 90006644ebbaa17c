//! Written by hand: a signed cookie and a table, without a session library.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::gather::Gather;
use super::keys::Keys;
use super::rows::{Id, LIFETIME_SECONDS, LONGEST, Row, Rows, Table, seconds_now};
use super::{NAME, next_user, open};
use crate::args::Store;
use crate::databases::Address;

/// What a request does to the rows. An error is 503.
trait Sessions: Clone + Send + Sync + 'static {
    fn load(&self, id: Id) -> impl Future<Output = Result<Option<Row>, StatusCode>> + Send;
    fn begin(&self, id: Id, row: Row) -> impl Future<Output = Result<(), StatusCode>> + Send;
    fn end(&self, id: Id) -> impl Future<Output = Result<(), StatusCode>> + Send;
    fn extend(&self, id: Id) -> impl Future<Output = Result<(), StatusCode>> + Send;
}

/// The rows in the memory of this process, behind one lock.
#[derive(Clone, Default)]
struct InMemory(Arc<RwLock<HashMap<Id, (Row, i64)>>>);

impl Sessions for InMemory {
    async fn load(&self, id: Id) -> Result<Option<Row>, StatusCode> {
        let rows = self.0.read().expect("no panic");
        let row = rows.get(&id).filter(|(_, expires_at)| *expires_at > seconds_now());
        Ok(row.map(|(row, _)| row.clone()))
    }

    async fn begin(&self, id: Id, row: Row) -> Result<(), StatusCode> {
        self.0.write().expect("no panic").insert(id, (row, seconds_now() + LIFETIME_SECONDS));
        Ok(())
    }

    async fn end(&self, id: Id) -> Result<(), StatusCode> {
        self.0.write().expect("no panic").remove(&id);
        Ok(())
    }

    async fn extend(&self, id: Id) -> Result<(), StatusCode> {
        if let Some((_, expires_at)) = self.0.write().expect("no panic").get_mut(&id) {
            *expires_at = seconds_now() + LIFETIME_SECONDS;
        }
        Ok(())
    }
}

/// One statement per call.
#[derive(Clone)]
struct OneByOne<T>(T);

fn unavailable(_: Box<dyn std::error::Error + Send + Sync>) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

impl<T: Rows> Sessions for OneByOne<T> {
    async fn load(&self, id: Id) -> Result<Option<Row>, StatusCode> {
        self.0.select(id).await.map_err(unavailable)
    }

    async fn begin(&self, id: Id, row: Row) -> Result<(), StatusCode> {
        self.0.insert_many(&[(id, row)]).await.map_err(unavailable)
    }

    async fn end(&self, id: Id) -> Result<(), StatusCode> {
        self.0.delete_many(&[id]).await.map_err(unavailable)
    }

    async fn extend(&self, id: Id) -> Result<(), StatusCode> {
        self.0.extend(id).await.map_err(unavailable)
    }
}

/// One statement for concurrent calls.
#[derive(Clone)]
struct Together<T> {
    table: T,
    lookups: Gather<Id, Option<Row>>,
    logins: Gather<(Id, Row), ()>,
    logouts: Gather<Id, ()>,
}

impl<T: Rows> Together<T> {
    fn new(table: T) -> Self {
        let (selects, inserts, deletes) = (table.clone(), table.clone(), table.clone());
        let lookups = Gather::start(LONGEST, move |ids: Vec<Id>| {
            let table = selects.clone();
            async move {
                let rows: HashMap<Id, Row> =
                    table.select_many(&ids).await.ok()?.into_iter().collect();
                Some(ids.iter().map(|id| rows.get(id).cloned()).collect())
            }
        });
        let logins = Gather::start(LONGEST, move |rows: Vec<(Id, Row)>| {
            let table = inserts.clone();
            async move { table.insert_many(&rows).await.ok().map(|()| vec![(); rows.len()]) }
        });
        let logouts = Gather::start(LONGEST, move |ids: Vec<Id>| {
            let table = deletes.clone();
            async move { table.delete_many(&ids).await.ok().map(|()| vec![(); ids.len()]) }
        });
        Self { table, lookups, logins, logouts }
    }
}

impl<T: Rows> Sessions for Together<T> {
    async fn load(&self, id: Id) -> Result<Option<Row>, StatusCode> {
        self.lookups.call(id).await.ok_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    async fn begin(&self, id: Id, row: Row) -> Result<(), StatusCode> {
        self.logins.call((id, row)).await.ok_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    async fn end(&self, id: Id) -> Result<(), StatusCode> {
        self.logouts.call(id).await.ok_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    async fn extend(&self, id: Id) -> Result<(), StatusCode> {
        self.table.extend(id).await.map_err(unavailable)
    }
}

#[derive(Clone)]
struct App<S> {
    sessions: S,
    /// Holds the key schedule.
    mac: Hmac<Sha256>,
}

/// The id in a cookie with a valid signature. Without one, the response is 401.
struct Presented(Id);

impl<S: Send + Sync> FromRequestParts<App<S>> for Presented {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, app: &App<S>) -> Result<Self, StatusCode> {
        app.presented(parts).map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

impl<S> App<S> {
    fn presented(&self, parts: &Parts) -> Option<Id> {
        let cookies = parts.headers.get(COOKIE)?.to_str().ok()?;
        let value = cookies.split("; ").find_map(|pair| pair.strip_prefix("id="))?;
        let mut bytes = [0; 48];
        let bytes = Base64UrlUnpadded::decode(value, &mut bytes).ok()?;
        let (id, signature) = bytes.split_first_chunk::<16>()?;
        self.mac.clone().chain_update(id).verify_slice(signature).ok()?;
        Some(*id)
    }

    fn cookie(&self, id: Id) -> HeaderValue {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(&id);
        bytes[16..].copy_from_slice(&self.mac.clone().chain_update(id).finalize().into_bytes());
        let value = Base64UrlUnpadded::encode_string(&bytes);
        let cookie = format!("id={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age=7200");
        HeaderValue::try_from(cookie).expect("ASCII")
    }
}

async fn me<S: Sessions>(
    State(app): State<App<S>>,
    Presented(id): Presented,
) -> Result<String, StatusCode> {
    Ok(app.sessions.load(id).await?.ok_or(StatusCode::UNAUTHORIZED)?.name)
}

async fn touch<S: Sessions>(
    State(app): State<App<S>>,
    Presented(id): Presented,
) -> Result<String, StatusCode> {
    let row = app.sessions.load(id).await?.ok_or(StatusCode::UNAUTHORIZED)?;
    app.sessions.extend(id).await?;
    Ok(row.name)
}

async fn login<S: Sessions>(State(app): State<App<S>>) -> Result<impl IntoResponse, StatusCode> {
    let mut id = Id::default();
    getrandom::fill(&mut id).expect("randomness");
    app.sessions.begin(id, Row { user_id: next_user(), name: NAME.to_owned() }).await?;
    Ok(AppendHeaders([(SET_COOKIE, app.cookie(id))]))
}

async fn logout<S: Sessions>(
    State(app): State<App<S>>,
    Presented(id): Presented,
) -> Result<impl IntoResponse, StatusCode> {
    app.sessions.end(id).await?;
    Ok(AppendHeaders([(SET_COOKIE, "id=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0")]))
}

pub(super) async fn router(store: Store, address: &Address) -> Router {
    match store {
        Store::Memory => routes(InMemory::default()),
        Store::Sqlite => routes(OneByOne(made(Table::from(address.sqlite())).await)),
        Store::Postgres => routes(OneByOne(made(Table::from(address.postgres())).await)),
        Store::Mysql => routes(OneByOne(made(Table::from(address.mysql())).await)),
        Store::Redis => routes(OneByOne(Keys::from(address.redis().await))),
    }
}

pub(super) async fn gathered_router(store: Store, address: &Address) -> Router {
    match store {
        Store::Memory => unreachable!("`Mode::runs_on` says so"),
        Store::Sqlite => routes(Together::new(made(Table::from(address.sqlite())).await)),
        Store::Postgres => routes(Together::new(made(Table::from(address.postgres())).await)),
        Store::Mysql => routes(Together::new(made(Table::from(address.mysql())).await)),
        Store::Redis => routes(Together::new(Keys::from(address.redis().await))),
    }
}

async fn made<T: Rows>(table: T) -> T {
    table.create_table().await.expect("a table");
    table
}

fn routes<S: Sessions>(sessions: S) -> Router {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("randomness");
    let mac = Hmac::new_from_slice(&key).expect("any length");
    Router::new()
        .route("/open", get(open))
        .route("/me", get(me::<S>))
        .route("/touch", get(touch::<S>))
        .route("/login", post(login::<S>))
        .route("/logout", post(logout::<S>))
        .with_state(App { sessions, mac })
}
