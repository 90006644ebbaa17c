//! Uses that are recorded together, in tables with odd names.

use super::*;

/// Its columns have the names that a statement could give to what it records.
#[derive(Clone, SessionData)]
#[session(table = "new_use", idle = "2h", absolute = "14d", track, cut_off, migrations = false)]
struct OddNames {
    #[session(subject)]
    session: i64,
    at: i64,
    until: i64,
    has_client: bool,
    ip: String,
    agent: String,
    use_id: i64,
    use_at: i64,
    use_until: i64,
}

/// SQLite calls the database of a connection's own file `main`.
#[derive(Clone, SessionData)]
#[session(table = "main.of_main", idle = "2h", absolute = "14d", track, migrations = false)]
struct InMain {
    #[session(subject)]
    user_id: i64,
}

on_every_database! {
    uses_are_recorded_whatever_the_columns_are_called
    uses_that_are_all_refused_are_an_error
}

#[tokio::test]
async fn uses_are_recorded_in_a_table_of_an_attached_database() {
    each_is_recorded(databases::sqlite().await, InMain { user_id: 1 }).await;
}

async fn uses_are_recorded_whatever_the_columns_are_called<D: Database>(database: D) {
    let data = OddNames {
        session: 1,
        at: 2,
        until: 3,
        has_client: false,
        ip: "4".into(),
        agent: "5".into(),
        use_id: 6,
        use_at: 7,
        use_until: 8,
    };
    each_is_recorded(database, data).await;
}

async fn each_is_recorded<T: SessionData, D: Database>(database: D, data: T) {
    let store = ready::<T, D>(&database).await;
    let mut uses = Vec::new();
    for number in 0..3 {
        let created = store.create(session(data.clone())).await.unwrap().into_record().unwrap();
        let at = created.created_at.saturating_add(Duration::from_millis(number + 1));
        let mut one = Use::new(created.id, at, T::IDLE);
        // The client of the first use is unknown.
        let address = IpAddr::from([127, 0, 0, number as u8]);
        one.client = (number > 0).then(|| ClientInfo::new(Some(address), Some("Firefox")));
        uses.push(one);
    }
    let recorder = store.uses_recorder().unwrap();
    let mut recorded = recorder.record_uses(uses.clone()).await.unwrap();
    recorded.sort();
    assert_eq!(recorded, uses.iter().map(|one| one.id).collect::<Vec<_>>());
    for one in uses {
        let record = loaded(&store, one.id).await;
        assert_eq!(record.last_seen_at, one.at);
        assert_eq!(record.expires_at, one.at.saturating_add(T::IDLE));
        assert_eq!(record.client, one.client);
    }
}

/// Then not one of the rows is the cause, and somebody should hear of it.
async fn uses_that_are_all_refused_are_an_error<D: Database>(database: D) {
    let store = ready::<Everything, D>(&database).await;
    let mut uses = Vec::new();
    for _ in 0..3 {
        let new = session(Everything { small: 20, ..everything() });
        uses.push(Use::new(new.id, Timestamp::now(), Everything::IDLE));
        store.create(new).await.unwrap();
    }
    database.refuse("UPDATE").await;
    store.uses_recorder().unwrap().record_uses(uses).await.unwrap_err();
}
