//! What the cases share: sessions and secrets to start from, tasks that start together, and what is
//! true of every session that has ended.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use uuid::Uuid;

pub(super) use crate::conformance::{Extended, Payload};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::{
    Change, Consumed, EndReason, Load, Loaded, NewSession, OldSecret, Page, Reauthenticated,
    Record, Replaced, Rotated, Rotation, SessionStore, Touch, Touched, Updated,
};
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, Secret, SecretHash, new_session_id};

/// A time that is too long to pass even on a slow machine.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// A lifetime that is short enough for a case to wait for its end.
pub(super) const SHORT: Duration = Duration::from_millis(300);
/// How many tasks race.
pub(super) const CROWD: usize = 32;

/// A store that a case tests. The cases are compiled once, and not once for each store.
pub type Store<T = Payload> = Arc<dyn SessionStore<T>>;

pub(super) fn new_id() -> SessionId {
    new_session_id().expect("the operating system has randomness")
}

pub(super) fn new_secret() -> SecretHash {
    Secret::generate().expect("the operating system has randomness").hash()
}

pub(super) fn new_proof() -> LastingHash {
    Secret::generate().expect("the operating system has randomness").lasting_hash()
}

/// Returns a new session with this payload, of any type. Its id is random: what a store says about
/// the [placement](SessionStore::placement) of new sessions is a hint.
pub(super) fn new_session<T: SessionData>(data: T) -> NewSession<T> {
    let secret = Secret::generate().expect("the operating system has randomness");
    NewSession {
        idle: HOUR,
        absolute: 2 * HOUR,
        ..NewSession::new(new_id(), secret.lasting_hash(), secret.hash(), Arc::new(data))
    }
}

/// Returns a new session whose id has the placement that the store wants, as a login makes it. A
/// session with a limit needs it.
pub(super) fn placed<T: SessionData>(
    store: &impl SessionStore<T>,
    new: NewSession<T>,
) -> NewSession<T> {
    let id = store.placement(&new.data).map_or(new.id, |placement| new.id.placed(placement));
    NewSession { id, ..new }
}

/// Returns what a login of the session's owner passes to replace the session.
pub(super) fn replaced<T>(new: &NewSession<T>) -> Option<Replaced> {
    Some(Replaced { id: new.id, proof: new.lasting })
}

pub(super) fn new_subject() -> Uuid {
    *new_id().as_uuid()
}

/// Returns an ordinary payload of this subject.
pub(super) fn payload_of(user_id: Uuid) -> Payload {
    Payload {
        user_id,
        title: "Ferris".into(),
        note: Some("likes anchors".into()),
        active: true,
        level: 3,
        visits: 41,
        ratio: 0.25,
        avatar: vec![0, 159, 146, 150],
        tags: BTreeMap::from([("colour".into(), "orange".into())]),
        born_at: Timestamp::from_micros(1_431_648_000_000_000),
    }
}

/// Returns a session of this subject.
pub(super) fn session_of(user_id: Uuid) -> NewSession<Payload> {
    new_session(payload_of(user_id))
}

/// Returns a session of a new subject.
pub(super) fn session() -> NewSession<Payload> {
    session_of(new_subject())
}

/// Returns a session that ends after [`SHORT`].
pub(super) fn short_session_of(user_id: Uuid) -> NewSession<Payload> {
    NewSession { idle: SHORT, ..session_of(user_id) }
}

/// Returns a session of this subject, for a table with all optional parts.
pub(super) fn extended_of<const KEEP: u64>(user_id: Uuid) -> NewSession<Extended<KEEP>> {
    new_session(Extended { user_id, visits: 0 })
}

/// Waits until all sessions with the lifetime [`SHORT`] that exist now have ended.
pub(super) async fn short_sessions_have_ended() {
    tokio::time::sleep(SHORT + Duration::from_millis(100)).await;
}

/// Creates a session that the store must accept.
pub(super) async fn create<T: SessionData, S: SessionStore<T>>(
    store: &S,
    new: &NewSession<T>,
) -> Record<T> {
    let created = store.create(new.clone()).await.expect("the session is created");
    created.into_record().expect("the subject has room")
}

/// Loads the session as a manager does: without waiting, if the store can.
pub(super) async fn load<T: SessionData, S: SessionStore<T>>(store: &S, id: SessionId) -> Load<T> {
    let loaded = match store.try_load(id) {
        Some(answer) => answer,
        None => store.load(id).await,
    };
    loaded.expect("load answers")
}

/// Creates sessions that the store must accept.
pub(super) async fn create_all<'a, T: SessionData>(
    store: &impl SessionStore<T>,
    sessions: impl IntoIterator<Item = &'a NewSession<T>>,
) {
    for new in sessions {
        create(store, new).await;
    }
}

/// Creates a session of a new subject, and loads it.
pub(super) async fn created(store: &Store) -> (NewSession<Payload>, Loaded<Payload>) {
    let new = session();
    create(store, &new).await;
    let loaded = live(store, new.id).await;
    (new, loaded)
}

/// Loads the session, which must be live.
#[track_caller]
pub(super) fn live<T: SessionData + Debug, S: SessionStore<T>>(
    store: &S,
    id: SessionId,
) -> impl Future<Output = Loaded<T>> {
    let place = std::panic::Location::caller();
    async move {
        match load(store, id).await {
            Load::Live(loaded) => loaded,
            other => panic!("the session should be live, but is {other:?} (at {place})"),
        }
    }
}

/// Returns whether the session is live.
pub(super) async fn is_live<T: SessionData, S: SessionStore<T>>(store: &S, id: SessionId) -> bool {
    matches!(load(store, id).await, Load::Live(_))
}

/// Returns the change that `edit` makes to a loaded session.
pub(super) fn change<T: Clone>(loaded: &Loaded<T>, edit: impl FnOnce(&mut T)) -> Change<T> {
    let mut to = T::clone(&loaded.record.data);
    edit(&mut to);
    Change {
        id: loaded.record.id,
        secret: loaded.secrets.current,
        version: loaded.record.version,
        from: Arc::clone(&loaded.record.data),
        to: Arc::new(to),
        idle: HOUR,
    }
}

/// Returns a rotation from a loaded session's secret to a new one.
pub(super) fn rotation<T>(loaded: &Loaded<T>) -> Rotation {
    Rotation {
        id: loaded.record.id,
        from: loaded.secrets.current,
        to: new_secret(),
        grace: HOUR,
        old: OldSecret::Exchanged,
        idle: HOUR,
    }
}

/// Ends a session as a logout does, and returns how many sessions were live.
pub(super) async fn log_out<T: SessionData, S: SessionStore<T>>(store: &S, id: SessionId) -> u64 {
    store.revoke(id, None, EndReason::Logout).await.expect("revoke answers").count()
}

/// Asserts that two records have the same contents.
#[track_caller]
pub(super) fn assert_same_record<T: Debug + PartialEq>(left: &Record<T>, right: &Record<T>) {
    // The times, the version and the id are what `Debug` prints.
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
    assert_eq!(left.client, right.client);
    assert_eq!(left.data, right.data);
}

/// Asserts that the row has not changed.
#[track_caller]
pub(super) fn assert_unchanged<T: Debug + PartialEq>(before: &Loaded<T>, after: &Loaded<T>) {
    assert_same_record(&before.record, &after.record);
    assert_eq!(before.secrets, after.secrets);
    assert_eq!(before.fingerprint, after.fingerprint);
}

/// Returns the record of `before` after a use that gave it the idle timeout `idle`. `after` says
/// when that use was.
#[track_caller]
pub(super) fn used<T: Clone>(before: &Loaded<T>, after: &Loaded<T>, idle: Duration) -> Record<T> {
    let seen = after.record.last_seen_at;
    assert!(before.now < seen && seen <= after.now, "used at {seen}, read {}", after.now);
    let mut expected = Record::clone(&before.record);
    expected.last_seen_at = seen;
    expected.expires_at = seen.saturating_add(idle).min(expected.deadline);
    expected
}

/// The idle timeouts that writes give a session: one that is longer than at its creation, and one
/// that reaches past its deadline.
pub(super) const USES: [Duration; 2] =
    [Duration::from_secs(90 * 60), Duration::from_secs(3 * 3600)];

/// Waits until the store's clock has moved on.
pub(super) async fn a_moment_passes() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// Runs `count` tasks that start at the same moment, and returns the result of each.
pub(super) async fn together<S, R, F>(
    store: &Arc<S>,
    count: usize,
    task: impl Fn(Arc<S>, usize) -> F,
) -> Vec<R>
where
    S: Send + Sync + 'static,
    R: Send + 'static,
    F: Future<Output = Result<R, StoreError>> + Send + 'static,
{
    together_with_errors(store, count, task)
        .await
        .into_iter()
        .map(|result| result.expect("the store answers every task"))
        .collect()
}

/// Like [`together`], but for tasks that the store may refuse.
pub(super) async fn together_with_errors<S, R, F>(
    store: &Arc<S>,
    count: usize,
    task: impl Fn(Arc<S>, usize) -> F,
) -> Vec<R>
where
    S: Send + Sync + 'static,
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|index| {
            let (barrier, task) = (Arc::clone(&barrier), task(Arc::clone(store), index));
            tokio::spawn(async move {
                barrier.wait().await;
                task.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(count);
    for task in tasks {
        results.push(task.await.expect("the task does not panic"));
    }
    results
}

/// Lets writers that loaded the session beforehand race against one task that ends it, many times.
pub(super) async fn end_beats_writes<T, S, W, E>(
    store: S,
    session: impl Fn() -> NewSession<T>,
    write: impl Fn(Arc<S>, Loaded<T>) -> W,
    end: impl Fn(Arc<S>, Loaded<T>) -> E,
) where
    T: SessionData + Debug,
    S: SessionStore<T>,
    W: Future<Output = Result<(), StoreError>> + Send + 'static,
    E: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    const ROUNDS: usize = 25;
    const WRITERS: usize = 4;
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let id = create(&*store, &session()).await.id;
        let loaded = live(&*store, id).await;
        // The position of the end among the writes differs from round to round.
        let ending = round % (WRITERS + 1);
        together(&store, WRITERS + 1, |store, index| {
            let loaded = loaded.clone();
            let racer: Pin<Box<dyn Future<Output = _> + Send>> = if index == ending {
                let ended = end(Arc::clone(&store), loaded);
                Box::pin(async move {
                    ended.await?;
                    assert!(!is_live(&*store, id).await, "its end was answered, but it is live");
                    Ok(())
                })
            } else {
                Box::pin(write(store, loaded))
            };
            racer
        })
        .await;
        assert!(!is_live(&*store, id).await, "a write in flight brought it back");
        write(Arc::clone(&store), loaded).await.expect("the store answers a late write");
        assert!(!is_live(&*store, id).await, "a late write brought it back");
    }
}

/// Asserts that a session which has ended is gone to every verb, and that none brings it back.
pub(super) async fn assert_gone<T: SessionData>(
    store: &Store<T>,
    subject: &T::Subject,
    change: Change<T>,
    rotation: Rotation,
) {
    let (id, answer) = (change.id, "the store answers");
    assert_eq!(store.update(change).await.expect(answer), Updated::Gone);
    assert_eq!(store.touch(Touch::new(id, HOUR)).await.expect(answer), Touched::Gone);
    let reauthenticated = store.reauthenticate(rotation.clone()).await.expect(answer);
    assert_eq!(reauthenticated, Reauthenticated::Gone);
    let consumed = store.consume(id, rotation.from).await.expect(answer);
    assert!(matches!(consumed, Consumed::Gone), "{consumed:?}");
    assert_eq!(store.rotate(rotation).await.expect(answer), Rotated::Gone);
    assert_eq!(log_out(store, id).await, 0, "it had already ended");
    assert!(store.list(subject, Page::default()).await.expect(answer).is_empty());
    assert!(!is_live(store, id).await, "a write brought it back");
}

/// Returns the ids of a subject's live sessions, newest first.
pub(super) async fn listed_ids<T: SessionData>(
    store: &Store<T>,
    subject: &T::Subject,
) -> Vec<SessionId> {
    let listed = store.list(subject, Page::default()).await.expect("list answers");
    listed.iter().map(|record| record.id).collect()
}
