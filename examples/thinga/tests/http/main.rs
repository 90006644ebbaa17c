//! The application as a browser sees it, without a browser: on SQLite, on PostgreSQL, and with its
//! sessions on Redis.

#[path = "../site/mod.rs"]
mod site;

mod accounts;
mod devices;
mod game;
mod headers;
mod live;
mod proxy;
mod registration;

use site::{Backend, Site};

/// Runs the same test on every backend. Without its server, one passes, and says so.
macro_rules! on_every_backend {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            use crate::site::{Backend, Site};

            #[tokio::test]
            async fn on_sqlite() {
                super::$test(Site::start(Backend::Sqlite).await.unwrap()).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                let Some(site) = Site::start(Backend::Postgres).await else { return };
                super::$test(site).await;
            }

            #[tokio::test]
            async fn with_sessions_on_redis() {
                let Some(site) = Site::start(Backend::Redis).await else { return };
                super::$test(site).await;
            }
        }
    )+};
}
pub(crate) use on_every_backend;

#[tokio::test]
async fn every_route_says_who_may_call_it() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    let expected = include_str!("policies.txt");
    assert_eq!(site.policies(), expected, "update tests/http/policies.txt if this is meant");
}
