//! The SQL stores with more shared lookup statements in flight than their pools have connections.

use std::num::NonZeroU32;

const MANY: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// The cases that several statements in flight could break.
macro_rules! cases {
    ($fresh_store:expr) => {
        anchor::__conformance_tests! { ($fresh_store)
            load {
                a_load_sees_every_write_that_was_answered_before_it_began
            }
            batches {
                lookups_at_once_each_get_their_own_session
                a_load_is_not_older_than_its_call_while_others_load_the_same_session
                callers_that_leave_disturb_no_other
            }
        }
    };
}

mod sqlite {
    cases!(async || {
        let store = anchor::SqliteStore::new(anchor_tests::databases::sqlite().await);
        store.migrate().await.expect("SQLite makes the table");
        store.lookup_statements_in_flight(super::MANY)
    });
}

mod postgres {
    cases!(async || {
        let store = anchor::PostgresStore::new(anchor_tests::databases::postgres().await?);
        store.migrate().await.expect("PostgreSQL makes the table");
        Some(store.lookup_statements_in_flight(super::MANY))
    });
}

mod mysql {
    cases!(async || {
        let store = anchor::MySqlStore::new(anchor_tests::databases::mysql().await?);
        store.migrate().await.expect("MySQL makes the table");
        Some(store.lookup_statements_in_flight(super::MANY))
    });
}
