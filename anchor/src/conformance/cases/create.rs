//! `create` inserts a new row, and never overwrites an existing one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fixtures::*;
use crate::error::StoreErrorKind;
use crate::store::{Created, Load, NewSession, Page, Replaced, Secrets, SessionStore};
use crate::timestamp::Timestamp;

pub async fn a_created_session_loads_as_it_was_created(store: Store) {
    let new = session();
    let record = create(&store, &new).await;
    assert_eq!(record.id, new.id);
    assert_eq!(record.version, 1);
    assert_eq!(record.data, new.data);
    assert_eq!(record.authenticated_at, record.created_at);
    assert_eq!(record.last_seen_at, record.created_at);
    let loaded = live(&store, new.id).await;
    assert_same_record(&loaded.record, &record);
    assert_eq!(loaded.secrets, Secrets::new(new.lasting, new.secret));
}

pub async fn create_over_an_existing_id_is_refused(store: Store) {
    let first = session();
    create(&store, &first).await;
    let before = live(&store, first.id).await;
    let second = NewSession { id: first.id, ..session() };
    let refused = store.create(second).await.expect_err("an id is only used once");
    assert_eq!(refused.kind(), StoreErrorKind::Constraint, "{refused}");
    assert_unchanged(&before, &live(&store, first.id).await);
}

pub async fn create_over_an_expired_row_is_refused(store: Store) {
    let first = short_session_of(new_subject());
    create(&store, &first).await;
    short_sessions_have_ended().await;
    // If the store drops expired rows by itself, there is nothing left to overwrite.
    if matches!(store.load(first.id).await, Ok(Load::Ended)) {
        let second = NewSession { id: first.id, ..session() };
        let refused = store.create(second).await.expect_err("the row is still there");
        assert_eq!(refused.kind(), StoreErrorKind::Constraint, "{refused}");
        assert!(!is_live(&store, first.id).await, "an ended session came back");
    }
}

pub async fn create_ends_the_session_that_it_replaces(store: Store) {
    let (old, bystander) = (session(), session());
    create_all(&store, [&old, &bystander]).await;
    let new = NewSession { replaces: replaced(&old), ..session() };
    create(&store, &new).await;
    assert!(!is_live(&store, old.id).await, "the replaced session is still live");
    assert!(is_live(&store, new.id).await);
    assert!(is_live(&store, bystander.id).await);
}

pub async fn create_ends_nothing_without_the_proof(store: Store) {
    let (old, other) = (session(), session());
    create_all(&store, [&old, &other]).await;
    for proof in [new_proof(), other.lasting] {
        let new = NewSession { replaces: Some(Replaced { id: old.id, proof }), ..session() };
        create(&store, &new).await;
        assert!(is_live(&store, new.id).await);
        assert!(is_live(&store, old.id).await, "a login without the proof ended a session");
        assert!(is_live(&store, other.id).await);
    }
}

pub async fn create_may_replace_a_session_that_is_not_there(store: Store) {
    let new = NewSession { replaces: replaced(&session()), ..session() };
    create(&store, &new).await;
    assert!(is_live(&store, new.id).await);
}

pub async fn a_refused_create_leaves_the_session_to_replace_alive(store: Store) {
    let (old, taken) = (session(), session());
    create_all(&store, [&old, &taken]).await;
    let before = live(&store, old.id).await;
    let second = NewSession { id: taken.id, replaces: replaced(&old), ..session() };
    store.create(second).await.expect_err("the id is taken");
    assert_unchanged(&before, &live(&store, old.id).await);
}

pub async fn of_many_creates_with_one_id_one_wins(store: Store) {
    let (store, id) = (Arc::new(store), new_id());
    let results = together_with_errors(&store, CROWD, |store, _| async move {
        store.create(NewSession { id, ..session() }).await
    })
    .await;
    let (created, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 1);
    for refused in refused.into_iter().filter_map(Result::err) {
        assert_eq!(refused.kind(), StoreErrorKind::Constraint, "{refused}");
    }
    let created = created.into_iter().find_map(Result::ok).and_then(Created::into_record);
    let created = created.expect("one was created");
    assert_same_record(&live(&*store, id).await.record, &created);
}

pub async fn sessions_of_one_subject_live_side_by_side(store: Store) {
    let (subject, store) = (new_subject(), Arc::new(store));
    let ids = together(&store, CROWD, |store, _| async move {
        Ok(create(&*store, &session_of(subject)).await.id)
    })
    .await;
    for id in ids {
        assert!(is_live(&*store, id).await);
    }
}

pub async fn a_session_remembers_whether_its_cookie_outlives_the_browser(store: Store) {
    for remembered in [true, false] {
        let new = NewSession { remembered, ..session() };
        assert_eq!(create(&store, &new).await.remembered, remembered);
        assert_eq!(live(&store, new.id).await.record.remembered, remembered);
        let listed = store.list(&new.data.user_id, Page::default()).await.expect("list answers");
        assert_eq!(listed[0].remembered, remembered);
    }
}

pub async fn a_login_counts_as_authenticated_when_it_began(store: Store) {
    let first = live_now(&store).await;
    let began = Some(Instant::now());
    let second = live_now(&store).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let record = create(&store, &NewSession { began, ..session() }).await;
    let authenticated_at = record.authenticated_at;
    // The time that a statement takes to arrive may be included, and a millisecond of a coarse
    // clock.
    let slack = Duration::from_millis(2);
    assert!(
        first.saturating_sub(slack) <= authenticated_at,
        "authenticated at {authenticated_at}, but began after {first}"
    );
    assert!(
        authenticated_at <= second.saturating_add(slack + Duration::from_millis(50)),
        "authenticated at {authenticated_at}, but began before {second}"
    );
    assert_eq!(record.expires_at, record.created_at.saturating_add(HOUR), "its life begins now");
    assert_same_record(&live(&store, record.id).await.record, &record);
}

/// Returns the time of the store's clock.
async fn live_now(store: &Store) -> Timestamp {
    created(store).await.1.now
}
