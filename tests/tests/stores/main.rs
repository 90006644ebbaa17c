//! Every store keeps the contract, and the suite that says so catches stores that do not.

mod broken;
mod memory_races;
mod memory_store;
mod several_in_flight;

mod memory {
    anchor::conformance!(async || anchor::MemoryStore::new());
}

mod sqlite {
    anchor::conformance!(async || {
        let store = anchor::SqliteStore::new(anchor_tests::databases::sqlite().await);
        store.migrate().await.expect("SQLite makes the table");
        store
    });
}

mod postgres {
    anchor::conformance!(async || {
        let store = anchor::PostgresStore::new(anchor_tests::databases::postgres().await?);
        store.migrate().await.expect("PostgreSQL makes the table");
        Some(store)
    });
}

mod mysql {
    anchor::conformance!(async || {
        let store = anchor::MySqlStore::new(anchor_tests::databases::mysql().await?);
        store.migrate().await.expect("MySQL makes the table");
        Some(store)
    });
}

mod redis {
    anchor::conformance!(async || {
        let server = anchor_tests::databases::redis().await?;
        Some(server.store().await)
    });
}

mod redis_cluster {
    anchor::conformance!(async || {
        let server = anchor_tests::databases::redis_cluster().await?;
        Some(server.store().await)
    });
}
