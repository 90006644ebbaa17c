//! `record_uses` records each use with the time at which it happened. A store that does not record
//! uses together passes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::fixtures::*;
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::{
    ClientInfo, EndReason, Load, Loaded, NewSession, Record, SessionStore, StoreFuture, Use,
};
use crate::timestamp::Timestamp;

/// Records uses, and returns which sessions are live; `None` if the store does not.
async fn record<T: SessionData>(
    store: &impl SessionStore<T>,
    uses: &[Use],
) -> Option<BTreeSet<SessionId>> {
    let recorded: StoreFuture<'_, _> = store.uses_recorder()?.record_uses(uses.to_vec());
    let live = recorded.await.expect("record_uses answers");
    let ids: BTreeSet<_> = live.iter().copied().collect();
    assert_eq!(ids.len(), live.len(), "a session was reported twice");
    Some(ids)
}

/// Returns the record of `before` after a use at this time.
fn used_at<T: Clone>(before: &Loaded<T>, at: Timestamp, idle: Duration) -> Record<T> {
    let mut expected = Record::clone(&before.record);
    expected.last_seen_at = at;
    expected.expires_at = at.saturating_add(idle).min(expected.deadline);
    expected
}

pub async fn a_use_counts_from_when_it_happened(store: Store) {
    let (new, bystander) = (session(), session());
    create(&store, &new).await;
    create(&store, &bystander).await;
    a_moment_passes().await;
    let (before, untouched) = (live(&store, new.id).await, live(&store, bystander.id).await);
    a_moment_passes().await;
    let idle = HOUR + HOUR / 2;
    let Some(ids) = record(&store, &[Use::new(new.id, before.now, idle)]).await else { return };
    assert_eq!(ids, BTreeSet::from([new.id]));
    let after = live(&store, new.id).await;
    assert_same_record(&after.record, &used_at(&before, before.now, idle));
    assert_eq!(after.secrets, before.secrets);
    assert_unchanged(&untouched, &live(&store, bystander.id).await);
}

pub async fn a_use_never_extends_past_the_deadline(store: Store) {
    let new = session();
    create(&store, &new).await;
    a_moment_passes().await;
    let before = live(&store, new.id).await;
    let Some(ids) = record(&store, &[Use::new(new.id, before.now, 3 * HOUR)]).await else { return };
    assert_eq!(ids, BTreeSet::from([new.id]));
    let record = live(&store, new.id).await.record;
    assert_eq!(
        (record.expires_at, record.deadline),
        (before.record.deadline, before.record.deadline)
    );
}

pub async fn a_use_before_the_last_one_changes_nothing(store: Store) {
    let (new, other) = (session(), session());
    create(&store, &new).await;
    create(&store, &other).await;
    let early = live(&store, new.id).await.now;
    a_moment_passes().await;
    let late = live(&store, new.id).await;
    let uses = [Use::new(new.id, late.now, HOUR), Use::new(other.id, late.now, HOUR)];
    if record(&store, &uses).await.is_none() {
        return;
    }
    let before = live(&store, new.id).await;
    let uses = [Use::new(new.id, early, 2 * HOUR), Use::new(other.id, late.now, 2 * HOUR)];
    let ids = record(&store, &uses).await;
    assert_eq!(ids, Some(BTreeSet::from([new.id, other.id])), "they are live");
    assert_unchanged(&before, &live(&store, new.id).await);
}

pub async fn a_use_of_an_ended_session_revives_nothing(store: Store) {
    let (revoked, lives, unknown) = (session(), session(), new_id());
    let expired = short_session_of(new_subject());
    for new in [&revoked, &lives, &expired] {
        create(&store, new).await;
    }
    a_moment_passes().await;
    let at = live(&store, lives.id).await.now;
    log_out(&store, revoked.id).await;
    short_sessions_have_ended().await;
    let uses = [revoked.id, unknown, lives.id, expired.id].map(|id| Use::new(id, at, HOUR));
    let Some(ids) = record(&store, &uses).await else { return };
    assert_eq!(ids, BTreeSet::from([lives.id]));
    for id in [revoked.id, unknown, expired.id] {
        assert!(!is_live(&store, id).await, "a use brought it back");
    }
    assert_eq!(live(&store, lives.id).await.record.last_seen_at, at);
}

/// More than fit into a statement of any usual size.
pub async fn many_uses_each_reach_their_own_session(store: Store) {
    let mut befores = Vec::new();
    for _ in 0..150 {
        let new = session();
        create(&store, &new).await;
        befores.push(new.id);
    }
    a_moment_passes().await;
    let mut uses = Vec::new();
    let mut expected = Vec::new();
    for (at, id) in befores.into_iter().enumerate() {
        let before = live(&store, id).await;
        let idle = HOUR + Duration::from_secs(at as u64);
        uses.push(Use::new(id, before.now, idle));
        expected.push(used_at(&before, before.now, idle));
    }
    uses.reverse();
    let Some(ids) = record(&store, &uses).await else { return };
    assert_eq!(ids.len(), expected.len());
    for expected in expected {
        assert!(ids.contains(&expected.id));
        assert_same_record(&live(&store, expected.id).await.record, &expected);
    }
}

/// Each task records the uses of its own sessions, of which one has ended, while the others record
/// theirs.
pub async fn uses_recorded_at_once_each_reach_their_own_session(store: Store) {
    const EACH: usize = 5;
    if store.uses_recorder().is_none() {
        return;
    }
    let store = Arc::new(store);
    let new = [(); CROWD / 2 * EACH].map(|()| session());
    create_all(&*store, &new).await;
    a_moment_passes().await;
    let mut befores = Vec::new();
    for new in &new {
        befores.push(live(&*store, new.id).await);
    }
    let is_ended = |at: usize| at % EACH == 4;
    for ended in (0..new.len()).filter(|at| is_ended(*at)) {
        log_out(&*store, new[ended].id).await;
    }
    // Some reach past the deadline.
    let idle = |at: usize| match at % EACH {
        3 => 3 * HOUR,
        _ => HOUR + Duration::from_secs(at as u64),
    };
    let recorded = together(&store, CROWD / 2, |store, task| {
        let own = task * EACH..(task + 1) * EACH;
        let uses: Vec<_> = own.map(|at| Use::new(new[at].id, befores[at].now, idle(at))).collect();
        async move { Ok(record(&*store, &uses).await) }
    })
    .await;
    for (at, before) in befores.iter().enumerate() {
        let id = before.record.id;
        let live_of_task = recorded[at / EACH].as_ref().expect("it records uses");
        assert_eq!(live_of_task.len(), EACH - 1, "the sessions of another call");
        assert_eq!(live_of_task.contains(&id), !is_ended(at));
        if is_ended(at) {
            assert!(!is_live(&*store, id).await, "a use brought it back");
        } else {
            let expected = used_at(before, before.now, idle(at));
            assert_same_record(&live(&*store, id).await.record, &expected);
        }
    }
}

pub async fn uses_keep_each_sessions_own_client<S: SessionStore<Extended<0>>>(store: S) {
    let client =
        |name: &str, last: u8| Some(ClientInfo::new(Some([203, 0, 113, last].into()), Some(name)));
    let clients = [client("one", 1), client("other", 2), None];
    let mut uses = Vec::new();
    for client in &clients {
        let old = Some(ClientInfo::new(None, Some("old")));
        let new = NewSession { client: old, ..extended_of(new_subject()) };
        create(&store, &new).await;
        a_moment_passes().await;
        let at = live(&store, new.id).await.now;
        uses.push(Use { client: client.clone(), ..Use::new(new.id, at, HOUR) });
    }
    if record(&store, &uses).await.is_none() {
        return;
    }
    for (one, client) in uses.iter().zip(clients) {
        let record = live(&store, one.id).await.record.clone();
        assert_eq!(record.last_seen_at, one.at);
        let old = || Some(ClientInfo::new(None, Some("old")));
        assert_eq!(record.client, client.or_else(old), "the client of another session");
    }
    // The client is recorded even if a write has counted as a later use meanwhile.
    let moved = ClientInfo::new(None, Some("moved"));
    let early = Use {
        client: Some(moved.clone()),
        at: uses[0].at.saturating_sub(Duration::from_secs(1)),
        ..uses[0].clone()
    };
    record(&store, &[early]).await;
    let record = live(&store, uses[0].id).await.record.clone();
    assert_eq!((record.client.clone(), record.last_seen_at), (Some(moved), uses[0].at));
}

pub async fn a_cut_off_beats_a_late_use<S: SessionStore<Extended<0>>>(store: S) {
    // Its row is there, and has ended from the start.
    let began = Some(tokio::time::Instant::now());
    let (cut, lives) =
        (NewSession { began, ..extended_of(new_subject()) }, extended_of(new_subject()));
    a_moment_passes().await;
    store.cut_off(&cut.data.user_id, EndReason::CutOff).await.expect("cut_off answers");
    create(&store, &cut).await;
    create(&store, &lives).await;
    a_moment_passes().await;
    let at = live(&store, lives.id).await.now;
    let uses = [cut.id, lives.id].map(|id| Use::new(id, at, HOUR));
    let Some(ids) = record(&store, &uses).await else { return };
    assert_eq!(ids, BTreeSet::from([lives.id]));
    assert!(!matches!(store.load(cut.id).await.expect("load answers"), Load::Live(_)));
}
