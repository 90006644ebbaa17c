//! What `MemoryStore` promises beyond the contract.

use std::sync::Arc;
use std::time::Duration;

use anchor::conformance::Payload;
use anchor::store::{
    Change, EndReason, Ending, LONGEST_LOGIN, Load, NewSession, Page, SessionStore, Touch, Touched,
};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MemoryStore, SessionData, SessionId, StoreErrorKind, Timestamp};
use uuid::Uuid;

fn session(number: u128) -> NewSession<Payload> {
    let data = Payload {
        user_id: Uuid::from_u128(7),
        title: "Ferris".into(),
        note: None,
        active: true,
        level: 0,
        visits: 0,
        ratio: 0.0,
        avatar: Vec::new(),
        tags: Default::default(),
        born_at: Timestamp::from_micros(0),
    };
    let id = SessionId::from_uuid(Uuid::from_u128(number));
    NewSession::new(
        id,
        LastingHash::from_bytes([0; 32]),
        SecretHash::from_bytes([1; 32]),
        Arc::new(data),
    )
}

async fn is_ended(store: &MemoryStore<Payload>, id: SessionId) -> bool {
    matches!(store.load(id).await.unwrap(), Load::Ended)
}

#[tokio::test(start_paused = true)]
async fn a_paused_test_clock_ends_sessions_to_the_microsecond() {
    let (store, new) = (MemoryStore::new(), session(1));
    store.create(new.clone()).await.unwrap();
    tokio::time::advance(Payload::IDLE - Duration::from_millis(1)).await;
    assert!(!is_ended(&store, new.id).await);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(is_ended(&store, new.id).await, "at the very instant of its expiry it has ended");
    let ending = store.revoke(new.id, None, EndReason::Logout).await.unwrap();
    assert_eq!(ending, Ending::NotLive, "nobody ends it a second time");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_finds_every_row_that_is_due_among_those_whose_expiry_has_changed() {
    let store = MemoryStore::new();
    for number in 0..1_000 {
        store.create(session(number)).await.unwrap();
    }
    tokio::time::advance(Payload::IDLE / 2).await;
    for number in (0..1_000).step_by(2) {
        let id = SessionId::from_uuid(Uuid::from_u128(number));
        store.touch(Touch::new(id, Payload::IDLE)).await.unwrap();
    }
    for _ in 0..2 {
        tokio::time::advance(Payload::IDLE / 2).await;
        assert_eq!(store.sweep(100).await.unwrap(), 100);
        assert_eq!(store.sweep(u32::MAX).await.unwrap(), 400);
        assert_eq!(store.sweep(u32::MAX).await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_touched_session_ends_at_the_very_instant_of_its_deadline() {
    let (store, new) = (MemoryStore::new(), session(1));
    let deadline = store.create(new.clone()).await.unwrap().into_record().unwrap().deadline;
    let step = Payload::IDLE / 2;
    for _ in 0..Payload::ABSOLUTE.as_secs() / step.as_secs() {
        let touched = store.touch(Touch::new(new.id, Payload::IDLE)).await.unwrap();
        let Touched::Written { expires_at } = touched else { panic!("it is used in time") };
        assert!(expires_at <= deadline);
        tokio::time::advance(step).await;
    }
    assert_eq!(store.touch(Touch::new(new.id, Payload::IDLE)).await.unwrap(), Touched::Gone);
    assert!(is_ended(&store, new.id).await);
}

#[tokio::test]
async fn payloads_are_shared_and_not_copied() {
    let (store, new) = (MemoryStore::new(), session(1));
    let created = store.create(new.clone()).await.unwrap().into_record().unwrap();
    let Load::Live(loaded) = store.load(new.id).await.unwrap() else { panic!("it is live") };
    assert!(Arc::ptr_eq(&created.data, &new.data));
    assert!(Arc::ptr_eq(&loaded.record.data, &new.data));

    let to = Arc::new(Payload { visits: 1, ..Payload::clone(&new.data) });
    let change = Change {
        id: new.id,
        secret: new.secret,
        version: 1,
        from: Arc::clone(&new.data),
        to: Arc::clone(&to),
        idle: Payload::IDLE,
    };
    store.update(change).await.unwrap();
    let listed = store.list(&new.data.user_id, Page::default()).await.unwrap();
    assert!(Arc::ptr_eq(&listed[0].data, &to));
    assert!(Arc::ptr_eq(&loaded.record.data, &new.data), "what was handed out stays as it was");
}

#[tokio::test]
async fn a_loaded_record_is_shared_between_loads() {
    let (store, new) = (MemoryStore::new(), session(1));
    store.create(new.clone()).await.unwrap();
    let load = async || match store.load(new.id).await.unwrap() {
        Load::Live(loaded) => loaded.record,
        other => panic!("it is live, not {other:?}"),
    };
    assert!(Arc::ptr_eq(&load().await, &load().await));
}

#[tokio::test]
async fn clones_share_their_rows() {
    let (store, new) = (MemoryStore::new(), session(1));
    store.create(new.clone()).await.unwrap();
    assert_eq!(store.clone().revoke(new.id, None, EndReason::Logout).await.unwrap(), Ending::Ended);
    assert!(matches!(store.load(new.id).await.unwrap(), Load::Absent));
}

#[tokio::test(start_paused = true)]
async fn logins_clear_ended_rows_away_and_nobody_else_need() {
    let store = MemoryStore::new();
    for number in 0..100 {
        store.create(session(number)).await.unwrap();
    }
    tokio::time::advance(Payload::IDLE).await;
    for number in 100..125 {
        store.create(session(number)).await.unwrap();
    }
    assert_eq!(store.sweep(u32::MAX).await.unwrap(), 0, "25 logins clear 100 ended rows");
    assert_eq!(store.list(&Uuid::from_u128(7), Page::default()).await.unwrap().len(), 25);
}

/// A payload whose subject can be cut off.
#[derive(Clone, SessionData)]
#[session(table = "members", cut_off, migrations = false)]
struct Member {
    #[session(subject)]
    user_id: i64,
}

fn member(number: u128, user_id: i64) -> NewSession<Member> {
    NewSession::new(
        SessionId::from_uuid(Uuid::from_u128(number)),
        LastingHash::from_bytes([0; 32]),
        SecretHash::from_bytes([1; 32]),
        Arc::new(Member { user_id }),
    )
}

async fn is_live(store: &MemoryStore<Member>, new: &NewSession<Member>) -> bool {
    matches!(store.load(new.id).await.unwrap(), Load::Live(_))
}

#[tokio::test(start_paused = true)]
async fn a_login_after_a_cut_off_is_let_in_even_within_the_same_microsecond() {
    let (store, before, after) = (MemoryStore::new(), member(1, 7), member(2, 7));
    store.create(before.clone()).await.unwrap();
    assert_eq!(store.cut_off(&7, EndReason::CutOff).await.unwrap(), 1);
    store.create(after.clone()).await.unwrap();
    assert!(!is_live(&store, &before).await && is_live(&store, &after).await);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_expired_and_of_cut_off_rows_is_bounded() {
    let store = MemoryStore::new();
    let began = Some(tokio::time::Instant::now());
    store.cut_off(&7, EndReason::CutOff).await.unwrap();
    for number in 0..3 {
        let mut late = member(number, 7);
        late.began = began;
        store.create(late).await.unwrap();
    }
    // A cut-off moves the clock by a microsecond.
    let idle = Duration::from_secs(1);
    tokio::time::advance(idle).await;
    for number in 3..5 {
        let mut short = member(number, 8);
        short.idle = idle;
        store.create(short).await.unwrap();
    }
    tokio::time::advance(idle).await;
    for swept in [3, 2, 0] {
        assert_eq!(store.sweep(3).await.unwrap(), swept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_may_take_as_long_as_a_cut_off_is_remembered_and_no_longer() {
    let (store, mut late) = (MemoryStore::new(), member(1, 7));
    late.began = Some(tokio::time::Instant::now());
    tokio::time::advance(LONGEST_LOGIN).await;
    store.create(late).await.unwrap();
    let mut later = member(2, 7);
    later.began = Some(tokio::time::Instant::now());
    tokio::time::advance(LONGEST_LOGIN + Duration::from_millis(1)).await;
    let error = store.create(later.clone()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Constraint, "{error}");
    assert!(matches!(store.load(later.id).await.unwrap(), Load::Absent));
}

#[tokio::test(start_paused = true)]
async fn a_login_clears_away_what_a_cut_off_has_ended_that_is_forgotten() {
    let (store, mut late) = (MemoryStore::new(), member(1, 7));
    late.began = Some(tokio::time::Instant::now());
    late.idle = late.absolute;
    store.cut_off(&7, EndReason::CutOff).await.unwrap();
    store.create(late.clone()).await.unwrap();
    assert!(matches!(store.load(late.id).await.unwrap(), Load::Ended));
    tokio::time::advance(LONGEST_LOGIN + Duration::from_millis(1)).await;
    store.create(member(2, 7)).await.unwrap();
    assert!(matches!(store.load(late.id).await.unwrap(), Load::Absent));
}

/// A payload whose destructor panics.
mod hostile {
    use super::*;
    use anchor::column::NoSubject;
    use anchor::payload::{DecodeError, Decoder, EncodeError, Encoder};
    use anchor::schema::Schema;

    #[derive(Clone)]
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("this payload panics when it is dropped");
        }
    }

    impl SessionData for Bomb {
        type Subject = NoSubject;
        const IDLE: Duration = Duration::from_secs(60);
        const ABSOLUTE: Duration = Duration::from_secs(60);

        fn schema() -> &'static Schema {
            const SCHEMA: Schema = Schema::new("bombs", &[]);
            &SCHEMA
        }

        fn encode(&self, _: &mut Encoder) -> Result<(), EncodeError> {
            Ok(())
        }

        fn decode(_: &mut Decoder<'_>) -> Result<Self, DecodeError> {
            Ok(Self)
        }

        fn subject(&self) -> Option<&NoSubject> {
            None
        }
    }

    #[tokio::test]
    async fn a_payload_that_panics_when_dropped_does_not_take_the_store_with_it() {
        let store = MemoryStore::new();
        let [first, second] = [1, 2].map(|n| SessionId::from_uuid(Uuid::from_u128(n)));
        for id in [first, second] {
            let new = NewSession::new(
                id,
                LastingHash::from_bytes([0; 32]),
                SecretHash::from_bytes([1; 32]),
                Arc::new(Bomb),
            );
            store.create(new).await.unwrap();
        }
        let revoke = {
            let store = store.clone();
            async move { store.revoke(first, None, EndReason::Logout).await }
        };
        assert!(tokio::spawn(revoke).await.unwrap_err().is_panic());
        assert!(matches!(store.load(first).await.unwrap(), Load::Absent));
        assert!(matches!(store.load(second).await.unwrap(), Load::Live(_)));
        std::mem::forget(store);
    }
}
