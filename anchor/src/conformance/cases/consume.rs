//! `consume` ends a session and returns its last payload. One call gets the payload, whatever else
//! ends the session at the same time.

use std::sync::Arc;
use std::time::Duration;

use super::fixtures::*;
use super::rotate::{rotated_without_grace, settle};
use crate::store::{
    Consumed, EndReason, Ending, Load, NewSession, OldSecret, Rotated, Rotation, SessionStore,
    Updated,
};
use crate::token::SecretHash;

async fn consume<S: SessionStore<Payload>>(
    store: &S,
    new: &NewSession<Payload>,
    secret: SecretHash,
) -> Consumed<Payload> {
    store.consume(new.id, secret).await.expect("consume answers")
}

pub async fn a_consumption_ends_the_session_and_returns_its_last_payload(store: Store) {
    let subject = new_subject();
    let (new, sibling, stranger) = (session_of(subject), session_of(subject), session());
    create_all(&store, [&new, &sibling, &stranger]).await;
    let change = change(&live(&store, new.id).await, |data| data.visits += 1);
    let last = Arc::clone(&change.to);
    store.update(change).await.expect("update answers");
    match consume(&store, &new, new.secret).await {
        Consumed::Ended(consumed) => assert_eq!(consumed, last),
        other => panic!("a live session was not consumed: {other:?}"),
    }
    assert!(!is_live(&store, new.id).await, "it was consumed, but is live");
    let again = consume(&store, &new, new.secret).await;
    assert!(matches!(again, Consumed::Gone), "{again:?}");
    assert_eq!(listed_ids(&store, &subject).await, [sibling.id]);
    assert!(is_live(&store, stranger.id).await);
}

pub async fn a_consumption_with_another_secret_conflicts_and_ends_nothing(store: Store) {
    let (new, loaded) = created(&store).await;
    store.rotate(rotation(&loaded)).await.expect("rotate answers");
    let before = live(&store, new.id).await;
    // Neither an unknown secret nor the previous one, although that is still in its grace period.
    for secret in [new_secret(), new.secret] {
        let refused = consume(&store, &new, secret).await;
        assert!(matches!(refused, Consumed::Conflict), "{refused:?}");
        assert_unchanged(&before, &live(&store, new.id).await);
    }
}

pub async fn the_secret_of_a_lost_rotation_does_not_stop_a_consumption(store: Store) {
    for old in [OldSecret::Exchanged, OldSecret::Kept, OldSecret::Refused] {
        for settled in [false, true] {
            let loaded = rotated_without_grace(&store, old).await;
            if settled {
                settle(&store, &loaded).await;
            }
            let (id, secret) = (loaded.record.id, loaded.secrets.current);
            let consumed = store.consume(id, secret).await.expect("consume answers");
            let may_be_exchanged = old == OldSecret::Exchanged && !settled;
            assert_eq!(matches!(consumed, Consumed::Ended(_)), may_be_exchanged, "{old:?}");
            assert_eq!(matches!(consumed, Consumed::Conflict), !may_be_exchanged, "{old:?}");
            assert_eq!(is_live(&store, id).await, !may_be_exchanged, "{old:?}");
        }
    }
}

pub async fn of_many_consumptions_of_one_session_one_gets_the_payload(store: Store) {
    let (store, new) = (Arc::new(store), session());
    create(&*store, &new).await;
    let outcomes = together(&store, CROWD, |store, _| {
        let (id, secret) = (new.id, new.secret);
        async move { store.consume(id, secret).await }
    })
    .await;
    let won = outcomes.iter().filter(|outcome| matches!(outcome, Consumed::Ended(_))).count();
    let gone = outcomes.iter().filter(|outcome| matches!(outcome, Consumed::Gone)).count();
    assert_eq!((won, gone), (1, CROWD - 1), "{outcomes:?}");
    assert!(!is_live(&*store, new.id).await);
}

pub async fn of_a_consumption_and_a_revoke_at_once_one_ends_the_session(store: Store) {
    const ROUNDS: usize = 25;
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let new = session();
        create(&*store, &new).await;
        // Which one starts first differs from round to round.
        let ended = together(&store, 4, |store, index| {
            let (id, secret, lasting) = (new.id, new.secret, new.lasting);
            async move {
                Ok(match (round + index) % 4 {
                    0 | 1 => matches!(store.consume(id, secret).await?, Consumed::Ended(_)),
                    2 => {
                        let ending = store.revoke(id, Some(lasting), EndReason::Logout).await?;
                        ending == Ending::Ended
                    }
                    _ => store.revoke(id, None, EndReason::Revoked).await? == Ending::Ended,
                })
            }
        })
        .await;
        let count = ended.iter().filter(|has_ended| **has_ended).count();
        assert_eq!(count, 1, "so many calls ended one session: {ended:?}");
        assert!(!is_live(&*store, new.id).await);
    }
}

pub async fn of_a_consumption_and_a_rotation_at_once_one_wins(store: Store) {
    const ROUNDS: usize = 25;
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let new = session();
        create(&*store, &new).await;
        let loaded = live(&*store, new.id).await;
        let rotation = Rotation { old: OldSecret::Refused, ..rotation(&loaded) };
        let won = together(&store, 2, |store, index| {
            let (id, secret, rotation) = (new.id, new.secret, rotation.clone());
            async move {
                Ok(match (round + index) % 2 {
                    0 => matches!(store.consume(id, secret).await?, Consumed::Ended(_)),
                    _ => store.rotate(rotation).await? == Rotated::Written,
                })
            }
        })
        .await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    }
}

/// Whatever was answered before is in the payload, and nothing is written after it.
pub async fn a_consumption_returns_every_update_that_was_answered(store: Store) {
    const ROUNDS: usize = 10;
    const WRITERS: usize = 4;
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let new = session();
        create(&*store, &new).await;
        let before = new.data.visits;
        let answers = together(&store, WRITERS + 1, |store, index| {
            let (new, is_consumer) = (new.clone(), index == round % (WRITERS + 1));
            async move {
                if is_consumer {
                    tokio::time::sleep(Duration::from_millis(round as u64)).await;
                    return Ok(match store.consume(new.id, new.secret).await? {
                        Consumed::Ended(last) => (0, Some(last.visits)),
                        other => panic!("nobody else ends it: {other:?}"),
                    });
                }
                let mut written = 0;
                loop {
                    let loaded = match store.load(new.id).await? {
                        Load::Live(loaded) => loaded,
                        _ => return Ok((written, None)),
                    };
                    match store.update(change(&loaded, |data| data.visits += 1)).await? {
                        Updated::Written { .. } => written += 1,
                        Updated::Conflict => {}
                        Updated::Gone => return Ok((written, None)),
                    }
                    // A store that answers at once would leave the consumer no thread.
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
        let written: i64 = answers.iter().map(|(written, _)| *written).sum();
        let last = answers.iter().find_map(|(_, last)| *last).expect("it was consumed");
        assert_eq!(last, before + written, "updates that were answered, and are in the payload");
    }
}
