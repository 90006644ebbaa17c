//! [`Node`]: an application in a process of its own, which shares its database with others.

use std::sync::Arc;
use std::time::Duration;

use anchor::prelude::*;
use anchor::store::{Durability, SessionStore};
use anchor::{Error, SessionId};
use anchor_tests::Backend;
use anchor_tests::http::Served;
use anchor_tests::process::{self, Process};
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::task::block_in_place;

pub(crate) const TABLE: &str = "crowded_sessions";

/// The signing key of every node.
const KEY: [u8; 32] = *b"the signing key of these tests!!";

/// How late a hasty logout is.
const HASTE: Duration = Duration::from_millis(50);

/// Where the store is, as [`Backend::url`] says it.
const STORE: &str = "ANCHOR_CLUSTERS_STORE";

/// How long the cache's leases are, in milliseconds.
const LEASE: &str = "ANCHOR_CLUSTERS_LEASE";

/// How many replicas have to confirm each end.
const REPLICAS: &str = "ANCHOR_CLUSTERS_REPLICAS";

/// How long replicas may take.
const WITHIN: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "crowded_sessions", idle = "2h", absolute = "14d", migrations = false)]
pub(crate) struct Visitor {
    #[session(subject)]
    pub(crate) name: String,
    pub(crate) visits: i64,
}

/// How a node is set up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setup {
    /// For how long it may serve a session without the store.
    pub(crate) lease: Option<Duration>,
    /// How many replicas have to confirm each end.
    pub(crate) replicas: Option<u32>,
}

pub(crate) struct Node(Process);

impl Node {
    /// Starts the application over the store at this URL.
    pub(crate) fn start(store: &str, setup: Setup) -> Self {
        Self(Process::start("nodes::serve_until_the_parent_ends", |command| {
            command.env(STORE, store);
            if let Some(lease) = setup.lease {
                command.env(LEASE, lease.as_millis().to_string());
            }
            if let Some(replicas) = setup.replicas {
                command.env(REPLICAS, replicas.to_string());
            }
        }))
    }

    /// Starts two over the same rows.
    pub(crate) fn start_two(store: &str, setup: Setup) -> [Self; 2] {
        block_in_place(|| [Self::start(store, setup), Self::start(store, setup)])
    }

    pub(crate) fn served(&self) -> Arc<Served> {
        self.0.served()
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

async fn store_at(url: &str) -> Arc<dyn SessionStore<Visitor>> {
    let backend = Backend::at(url);
    match (&backend, number(REPLICAS)) {
        (Backend::Redis(server), Some(replicas)) => {
            let confirmed = Durability::Replicas { replicas: replicas as u32, within: WITHIN };
            Arc::new(server.store().await.durability(confirmed).await.unwrap())
        }
        _ => backend.store().await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests that need another process"]
async fn serve_until_the_parent_ends() {
    let Ok(url) = std::env::var(STORE) else { return };
    let builder = SessionManager::builder(store_at(&url).await);
    let builder = builder.keys(KeyRing::new([KEY]).unwrap());
    let sessions = match number(LEASE) {
        Some(lease) => builder.cache(Duration::from_millis(lease)).build().unwrap(),
        None => builder.build().unwrap(),
    };
    let served = Served::start(routes(&sessions).layer(sessions.layer())).await;
    process::serve_until_the_parent_ends(served.address()).await;
}

fn routes(sessions: &SessionManager<Visitor>) -> Router {
    let sessions = sessions.clone();
    let hasty_logout = async move |session: Session<Visitor>| {
        let id: SessionId = session.id();
        tokio::spawn(async move {
            tokio::time::sleep(HASTE).await;
            let _ = sessions.revoke(id).await;
        });
        StatusCode::NO_CONTENT
    };
    Router::new()
        .route("/login/{name}", post(login))
        .route("/visits", get(visits))
        .route("/visits-now", get(visits_now))
        .route("/visit", post(visit))
        .route("/logout", post(logout))
        .route("/hasty-logout", post(hasty_logout))
}

async fn login(auth: Auth<Visitor>, Path(name): Path<String>) -> Result<(), Error> {
    auth.login(Visitor { name, visits: 0 }).await.map(drop)
}

#[require_session(Visitor)]
async fn visits(session: Session<Visitor>) -> String {
    session.visits.to_string()
}

#[require_session(Visitor, authoritative)]
async fn visits_now(session: Session<Visitor>) -> String {
    session.visits.to_string()
}

#[require_session(Visitor)]
async fn visit(mut session: Session<Visitor>) -> Result<String, Error> {
    session.update(|visitor| visitor.visits += 1).await?;
    Ok(session.visits.to_string())
}

#[logout(Visitor)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}
