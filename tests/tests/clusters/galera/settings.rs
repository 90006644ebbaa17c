//! What `verify` says about a server of a Galera cluster.

use anchor::MySqlStore;
use anchor::conformance::Payload;
use anchor::store::VerifyError;
use anchor_tests::databases;
use sqlx::Executor;
use sqlx::mysql::MySqlPoolOptions;

use super::stores_on;

#[tokio::test]
async fn verify_accepts_a_cluster_as_it_is_and_refuses_a_server_that_does_not_pass_writes_on() {
    let Some(pools) = databases::galera().await else { return };
    for store in stores_on::<Payload>(pools.clone()).await {
        let verified = store.verify().await.unwrap();
        assert!(verified.warnings.iter().all(|one| !one.contains("wsrep")), "{verified:?}");
    }
    let alone = MySqlPoolOptions::new().after_connect(|connection, _| {
        Box::pin(async move { connection.execute("SET SESSION wsrep_on = OFF").await.map(drop) })
    });
    let alone = alone.connect_lazy_with((*pools[1].connect_options()).clone());
    let refused = MySqlStore::<Payload>::new(alone).verify().await;
    let Err(VerifyError::Settings { settings }) = refused else { panic!("{refused:?}") };
    assert!(settings[0].contains("Set `wsrep_on = ON`"), "{settings:?}");
}
