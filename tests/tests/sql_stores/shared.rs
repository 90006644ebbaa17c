//! Calls that share a statement: each learns its own outcome.

use super::*;

on_every_database! {
    of_logins_that_share_a_statement_a_refused_one_fails_alone
    of_logins_that_share_a_statement_one_that_a_trigger_refuses_fails_alone
    of_logins_that_share_a_statement_one_that_is_left_out_fails_alone
    lookups_that_share_a_statement_get_their_own_rows
    of_logouts_that_share_a_statement_a_refused_one_fails_alone
    of_logouts_that_share_a_statement_one_that_a_trigger_refuses_fails_alone
    of_logouts_that_share_a_statement_one_of_a_locked_row_waits_alone
    a_logout_that_waits_for_a_lock_holds_up_no_other_one
    logouts_of_kept_sessions_share_a_statement_and_count_once
    logouts_on_two_nodes_end_each_session_once
    logouts_get_the_error_of_their_statement
    uses_and_logouts_of_the_same_sessions_on_two_nodes_all_succeed
    the_use_of_a_locked_row_is_left_out
    of_uses_recorded_together_a_refused_one_is_left_out
}

/// Sixty logins at once, of which one has the device of a session that is there.
async fn of_logins_that_share_a_statement_a_refused_one_fails_alone<D: Database>(database: D) {
    let store = ready::<Everything, D>(&database).await;
    let device = |number: u128| Some(Uuid::from_u128(number));
    store.create(session(Everything { device: device(30), ..everything() })).await.unwrap();
    let logins: Vec<_> = (1..=60)
        .map(|number| {
            let store = store.clone();
            let new = session(Everything { device: device(number), ..everything() });
            tokio::spawn(async move { (number, new.id, store.create(new).await) })
        })
        .collect();
    for login in logins {
        let (number, id, created) = login.await.unwrap();
        if number == 30 {
            assert_eq!(created.unwrap_err().kind(), StoreErrorKind::Constraint);
            assert!(matches!(store.load(id).await.unwrap(), Load::Absent));
        } else {
            let record = created.unwrap().into_record().unwrap();
            let Load::Live(loaded) = store.load(id).await.unwrap() else { panic!("{number}") };
            assert_eq!(loaded.record.data.device, device(number));
            assert_eq!(loaded.record.created_at, record.created_at);
            assert_eq!(loaded.record.expires_at, record.expires_at);
        }
    }
}

/// Logs in forty times at once, and returns the numbers of those that failed with an error of this
/// kind. The other sessions are live.
async fn refused_logins<D: Database>(store: &D::Store<Everything>) -> Vec<(i16, StoreErrorKind)>
where
    D::Store<Everything>: 'static,
{
    let logins: Vec<_> = (0..40)
        .map(|small| {
            let (store, new) = (store.clone(), session(Everything { small, ..everything() }));
            tokio::spawn(async move { (small, new.id, store.create(new).await) })
        })
        .collect();
    let mut refused = Vec::new();
    for login in logins {
        let (small, id, created) = login.await.unwrap();
        match created {
            Ok(_) => assert_eq!(loaded(store, id).await.data.small, small),
            Err(error) => {
                refused.push((small, error.kind()));
                assert!(matches!(store.load(id).await.unwrap(), Load::Absent));
            }
        }
    }
    refused
}

async fn of_logins_that_share_a_statement_one_that_a_trigger_refuses_fails_alone<D: Database>(
    database: D,
) {
    let store = ready::<Everything, D>(&database).await;
    database.refuse("INSERT").await;
    let refused = refused_logins::<D>(&store).await;
    assert_eq!(refused.iter().map(|(small, _)| *small).collect::<Vec<_>>(), [20]);
}

async fn of_logins_that_share_a_statement_one_that_is_left_out_fails_alone<D: Database>(
    database: D,
) {
    let store = ready::<Everything, D>(&database).await;
    let expected: &[_] =
        if database.leave_out().await { &[(20, StoreErrorKind::Unavailable)] } else { &[] };
    assert_eq!(refused_logins::<D>(&store).await, expected);
}

/// Two hundred lookups at once, of live rows, ended ones, one that does not decode, and none.
async fn lookups_that_share_a_statement_get_their_own_rows<D: Database>(database: D) {
    let store = ready::<Everything, D>(&database).await;
    let mut ids = Vec::new();
    for small in 0..40 {
        let new = session(Everything { small, ..everything() });
        ids.push(new.id);
        store.create(new).await.unwrap();
    }
    store.revoke(ids[3], None, EndReason::Logout).await.unwrap();
    let unreadable = format!("UPDATE sessions SET {} WHERE {} = 5", "numbers = '{}'", D::SMALL);
    database.run(&unreadable).await;
    let lookups: Vec<_> = (0..200)
        .map(|at| {
            let (store, id) = (store.clone(), ids[at % 40]);
            tokio::spawn(async move { (at % 40, store.load(id).await.unwrap()) })
        })
        .collect();
    for lookup in lookups {
        match lookup.await.unwrap() {
            (3, Load::Absent) | (5, Load::Undecodable(_)) => {}
            (at, Load::Live(loaded)) if !matches!(at, 3 | 5) => {
                assert_eq!(loaded.record.data.small, at as i16);
                assert_eq!(loaded.record.id, ids[at]);
            }
            (at, other) => panic!("{at}: {other:?}"),
        }
    }
}

/// On PostgreSQL, a column with its own type is cast where it is read, and one row cannot be.
#[tokio::test]
async fn of_lookups_that_share_a_statement_one_that_cannot_be_cast_fails_alone() {
    #[derive(Clone, SessionData)]
    #[session(table = "odd", idle = "2h", absolute = "14d", migrations = false)]
    struct Odd {
        #[session(json, sql_type = "text")]
        numbers: Vec<u64>,
    }

    let Some(pool) = databases::postgres().await else { return };
    let store = ready::<Odd, _>(&pool).await;
    let mut ids = Vec::new();
    for number in 0..40 {
        let new = session(Odd { numbers: vec![number] });
        ids.push(new.id);
        store.create(new).await.unwrap();
    }
    pool.run("UPDATE odd SET numbers = 'none' WHERE numbers = '[20]'").await;
    let lookups: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let store = store.clone();
            tokio::spawn(async move { store.load(id).await })
        })
        .collect();
    for (number, lookup) in lookups.into_iter().enumerate() {
        match lookup.await.unwrap() {
            Ok(Load::Live(loaded)) => assert_eq!(loaded.record.data.numbers, [number as u64]),
            other => assert!(number == 20 && other.is_err(), "{number}: {other:?}"),
        }
    }
}

/// Returns the statement that locks the row of a session.
fn lock<D: Database>(id: SessionId) -> String {
    let id = match D::ID {
        "UUID" => format!("'{id}'"),
        _ => format!("x'{}'", id.as_uuid().simple()),
    };
    format!("SELECT id FROM sessions WHERE id = {id} FOR UPDATE")
}

/// Creates this many sessions, each with a proof of its own.
async fn proven(store: &impl SessionStore<Everything>, count: u8) -> Vec<(SessionId, LastingHash)> {
    let mut created = Vec::new();
    for number in 0..count {
        let data = Everything { small: number.into(), ..everything() };
        let mut new = session(data);
        new.lasting = LastingHash::from_bytes([number; 32]);
        created.push((new.id, new.lasting));
        store.create(new).await.unwrap();
    }
    created
}

/// Logs out of all these sessions at once.
async fn log_out_at_once<T: SessionData>(
    store: &(impl TableStore<T> + 'static),
    sessions: &[(SessionId, LastingHash)],
) -> Vec<Result<Ending, StoreError>> {
    let logouts: Vec<_> = sessions
        .iter()
        .map(|&(id, proof)| {
            let store = store.clone();
            tokio::spawn(async move { store.revoke(id, Some(proof), EndReason::Logout).await })
        })
        .collect();
    let mut endings = Vec::new();
    for logout in logouts {
        endings.push(logout.await.unwrap());
    }
    endings
}

/// Forty logouts at once, of which one is of a session that another table refers to.
async fn of_logouts_that_share_a_statement_a_refused_one_fails_alone<D: Database>(database: D) {
    let store = ready::<Everything, D>(&database).await;
    let sessions = proven(&store, 40).await;
    let refers = format!(
        "CREATE TABLE carts (session_id {} NOT NULL, FOREIGN KEY (session_id) REFERENCES \
         sessions (id))",
        D::ID
    );
    database.run(&refers).await;
    let refer = format!("INSERT INTO carts SELECT id FROM sessions WHERE {} = 20", D::SMALL);
    database.run(&refer).await;
    let endings = log_out_at_once(&store, &sessions).await;
    for (at, ending) in endings.into_iter().enumerate() {
        let load = store.load(sessions[at].0).await.unwrap();
        if at == 20 {
            let error = ending.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Constraint);
            assert!(error.to_string().ends_with("`ON DELETE CASCADE`"), "{error}");
            assert!(matches!(load, Load::Live(_)));
        } else {
            assert_eq!(ending.unwrap(), Ending::Ended, "{at}");
            assert!(matches!(load, Load::Absent), "{at}");
        }
    }
}

async fn of_logouts_that_share_a_statement_one_that_a_trigger_refuses_fails_alone<D: Database>(
    database: D,
) {
    let store = ready::<Everything, D>(&database).await;
    let sessions = proven(&store, 40).await;
    database.refuse("DELETE").await;
    for (at, ending) in log_out_at_once(&store, &sessions).await.into_iter().enumerate() {
        let load = store.load(sessions[at].0).await.unwrap();
        if at == 20 {
            assert!(ending.is_err() && matches!(load, Load::Live(_)));
        } else {
            assert_eq!(ending.unwrap(), Ending::Ended, "{at}");
            assert!(matches!(load, Load::Absent), "{at}");
        }
    }
}

/// Somebody clicks on "log out" twice while the row is locked.
async fn a_logout_that_waits_for_a_lock_holds_up_no_other_one<D: Database>(database: D) {
    let store = ready::<Everything, D>(&database).await;
    let sessions = proven(&store, 10).await;
    let log_out = |(id, proof)| {
        let store = store.clone();
        tokio::spawn(async move { store.revoke(id, Some(proof), EndReason::Logout).await })
    };
    let mut waiting = Vec::new();
    let lock = lock::<D>(sessions[0].0);
    let others_log_out = async {
        for _ in 0..2 {
            waiting.push(log_out(sessions[0]));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for &other in &sessions[1..] {
            let ending = tokio::time::timeout(Duration::from_secs(5), log_out(other)).await;
            let ending = ending.expect("it waits for another's row").unwrap().unwrap();
            assert_eq!(ending, Ending::Ended);
        }
    };
    database.while_locked(&lock, others_log_out).await;
    let mut ended = 0;
    for logout in waiting.drain(..) {
        ended += logout.await.unwrap().unwrap().count();
    }
    assert_eq!(ended, u64::from(matches!(store.load(sessions[0].0).await.unwrap(), Load::Absent)));
}

/// Forty logouts at once, of which one is of a session whose row somebody else has locked.
async fn of_logouts_that_share_a_statement_one_of_a_locked_row_waits_alone<D: Database>(
    database: D,
) {
    let store = ready::<Everything, D>(&database).await;
    // MySQL reads all of a table of which a statement names most rows.
    let all = proven(&store, 250).await;
    let sessions = &all[..40];
    let mut locked = None;
    let lock = lock::<D>(sessions[20].0);
    let others_log_out = async {
        for (at, &(id, proof)) in sessions.iter().enumerate() {
            let store = store.clone();
            let logout = async move { store.revoke(id, Some(proof), EndReason::Logout).await };
            let logout = tokio::spawn(logout);
            if at == 20 {
                locked = Some(logout);
            } else if at < 20 {
                // These share statements with the one that waits.
                tokio::task::yield_now().await;
            } else {
                let logout = tokio::time::timeout(Duration::from_secs(5), logout).await;
                assert_eq!(
                    logout.expect("it waits for another's row").unwrap().unwrap().count(),
                    1
                );
            }
        }
    };
    database.while_locked(&lock, others_log_out).await;
    if let Some(logout) = locked {
        assert_eq!(logout.await.unwrap().unwrap(), Ending::Ended);
        assert!(matches!(store.load(sessions[20].0).await.unwrap(), Load::Absent));
    }
}

async fn logouts_of_kept_sessions_share_a_statement_and_count_once(database: impl Database) {
    let store = ready::<Extended, _>(&database).await;
    let mut sessions = Vec::new();
    for number in 0..40 {
        let subject = format!("user {number}");
        let mut new = login_of(&subject);
        new.lasting = LastingHash::from_bytes([number; 32]);
        sessions.push((new.id, new.lasting));
        store.create(new).await.unwrap();
    }
    store.cut_off(&"user 7".to_owned(), EndReason::CutOff).await.unwrap();
    let twice: Vec<_> = sessions.iter().chain(&sessions).copied().collect();
    let endings = log_out_at_once(&store, &twice).await;
    for number in 0..40 {
        let mut own = [&endings[number], &endings[number + 40]].map(|e| e.clone().unwrap());
        own.sort_by_key(|ending| ending.count());
        let expected = if number == 7 { Ending::NotLive } else { Ending::Ended };
        assert_eq!(own, [Ending::NotLive, expected], "{number}");
        let history = store.history(&format!("user {number}"), Page::default()).await.unwrap();
        let reason = if number == 7 { EndReason::CutOff } else { EndReason::Logout };
        assert_eq!(history.len(), 1);
        assert_eq!((history[0].status, history[0].reason), (EndStatus::Revoked, Some(reason)));
        assert!(matches!(store.load(sessions[number].0).await.unwrap(), Load::Ended));
    }
}

/// Two nodes log out of the same sessions, in opposite orders.
async fn logouts_on_two_nodes_end_each_session_once(database: impl Database) {
    let one = ready::<Everything, _>(&database).await;
    let other = database.store::<Everything>();
    for _ in 0..5 {
        let sessions = proven(&one, 60).await;
        let reversed: Vec<_> = sessions.iter().rev().copied().collect();
        let (first, second) =
            tokio::join!(log_out_at_once(&one, &sessions), log_out_at_once(&other, &reversed));
        for (first, second) in first.into_iter().zip(second.into_iter().rev()) {
            assert_eq!(first.unwrap().count() + second.unwrap().count(), 1);
        }
        for (id, _) in sessions {
            assert!(matches!(one.load(id).await.unwrap(), Load::Absent));
        }
    }
}

async fn logouts_get_the_error_of_their_statement(database: impl Database) {
    let store = ready::<Everything, _>(&database).await;
    let sessions = proven(&store, 20).await;
    database.run("ALTER TABLE sessions RENAME TO moved").await;
    for ending in log_out_at_once(&store, &sessions).await {
        assert_eq!(ending.unwrap_err().kind(), StoreErrorKind::NotMigrated);
    }
    database.run("ALTER TABLE moved RENAME TO sessions").await;
    for ending in log_out_at_once(&store, &sessions).await {
        assert_eq!(ending.unwrap(), Ending::Ended);
    }
}

/// Each node records the uses of the same sessions, in another order than the other, and logs out
/// of some of them.
async fn uses_and_logouts_of_the_same_sessions_on_two_nodes_all_succeed(database: impl Database) {
    let one = ready::<Everything, _>(&database).await;
    let other = database.store::<Everything>();
    for _ in 0..5 {
        let sessions = proven(&one, 60).await;
        let at = loaded(&one, sessions[59].0).await.created_at;
        let at = at.saturating_add(Duration::from_millis(1));
        let uses: Vec<_> =
            sessions.iter().map(|(id, _)| Use::new(*id, at, Everything::IDLE)).collect();
        let reversed: Vec<_> = uses.iter().rev().cloned().collect();
        let (ended, lasting) = sessions.split_at(20);
        let (recorded, again, endings) = tokio::join!(
            one.uses_recorder().unwrap().record_uses(uses),
            other.uses_recorder().unwrap().record_uses(reversed),
            log_out_at_once(&other, ended),
        );
        // A node leaves out a row that the other one is writing to.
        let recorded = [recorded.unwrap(), again.unwrap()].concat();
        assert!(lasting.iter().all(|(id, _)| recorded.contains(id)), "they are live");
        assert!(endings.into_iter().all(|ending| ending.unwrap() == Ending::Ended));
        for (id, _) in ended {
            assert!(matches!(one.load(*id).await.unwrap(), Load::Absent));
        }
        for (id, _) in lasting {
            assert_eq!(loaded(&one, *id).await.last_seen_at, at);
        }
    }
}

async fn of_uses_recorded_together_a_refused_one_is_left_out<D: Database>(database: D) {
    let store = ready::<Everything, D>(&database).await;
    let sessions = proven(&store, 40).await;
    let at = loaded(&store, sessions[39].0).await.created_at;
    let uses: Vec<_> = sessions.iter().map(|(id, _)| Use::new(*id, at, Everything::IDLE)).collect();
    database.refuse("UPDATE").await;
    let mut left: Vec<_> = sessions.iter().map(|(id, _)| *id).collect();
    // A row may still be locked by the statement that was refused. It is then left out, too.
    for _ in 0..20 {
        let recorder = store.uses_recorder().unwrap();
        let recorded = recorder.record_uses(uses.clone()).await.unwrap();
        left.retain(|id| !recorded.contains(id));
    }
    assert_eq!(left, [sessions[20].0]);
}

async fn the_use_of_a_locked_row_is_left_out<D: Database>(database: D) {
    let store = ready::<Everything, D>(&database).await;
    let sessions = proven(&store, 100).await;
    let at = loaded(&store, sessions[99].0).await.created_at;
    let at = at.saturating_add(Duration::from_millis(1));
    let uses: Vec<_> = sessions.iter().map(|(id, _)| Use::new(*id, at, Everything::IDLE)).collect();
    let lock = lock::<D>(sessions[20].0);
    let record = async {
        let recorder = store.uses_recorder().unwrap();
        let recorded = recorder.record_uses(uses.clone());
        let recorded = tokio::time::timeout(Duration::from_secs(5), recorded).await;
        let mut recorded = recorded.expect("it waits for the row").unwrap();
        recorded.sort();
        let others = sessions.iter().map(|(id, _)| *id).filter(|id| *id != sessions[20].0);
        assert_eq!(recorded, others.collect::<Vec<_>>());
    };
    database.while_locked(&lock, record).await;
    let recorded = store.uses_recorder().unwrap().record_uses(uses.clone()).await.unwrap();
    assert_eq!(recorded.len(), 100);
    assert_eq!(loaded(&store, sessions[20].0).await.last_seen_at, at);
}
