//! A cut-off ends a subject's sessions, and also the logins that began before it and arrive after
//! it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::fixtures::*;
use crate::error::StoreError;
use crate::store::{EndReason, Load, Loaded, NewSession, Page, Secrets, SessionStore, Touch};

type Payload = Extended<0>;

/// Returns a login of this subject that has begun.
fn login_of(subject: Uuid) -> NewSession<Payload> {
    NewSession { began: Some(Instant::now()), ..extended_of(subject) }
}

async fn cut_off<S: SessionStore<Payload>>(store: &S, subject: Uuid) -> u64 {
    store.cut_off(&subject, EndReason::CutOff).await.expect("cut_off answers")
}

pub async fn a_cut_off_ends_all_sessions_of_a_subject_and_no_other(store: Store<Payload>) {
    let (subject, stranger) = (new_subject(), new_subject());
    let ended = [extended_of(subject), login_of(subject)];
    let others = [extended_of(stranger), login_of(stranger)];
    create_all(&store, ended.iter().chain(&others)).await;
    assert_eq!(cut_off(&store, subject).await, 2);
    for new in &ended {
        assert!(!is_live(&store, new.id).await, "a session is still live");
    }
    for new in &others {
        assert!(is_live(&store, new.id).await, "another subject's session ended");
    }
    assert_eq!(listed_ids(&store, &subject).await, []);
    assert_eq!(cut_off(&store, subject).await, 0);
}

pub async fn a_login_that_began_before_a_cut_off_and_arrives_after_it_is_dead(
    store: Store<Payload>,
) {
    let subject = new_subject();
    let late = login_of(subject);
    cut_off(&store, subject).await;
    create(&store, &late).await;
    let found = load(&store, late.id).await;
    assert!(matches!(found, Load::Ended), "it arrived after the cut-off, but is {found:?}");
    assert_eq!(listed_ids(&store, &subject).await, []);
}

pub async fn a_login_that_arrives_dead_is_gone_to_every_verb(store: Store<Payload>) {
    let subject = new_subject();
    let late = login_of(subject);
    cut_off(&store, subject).await;
    let record = create(&store, &late).await;
    let (secrets, now) = (Secrets::new(late.lasting, late.secret), record.created_at);
    let record = Arc::new(record);
    let loaded = Loaded { record, secrets, fingerprint: None, now };
    let update = change(&loaded, |data| data.visits += 1);
    assert_gone(&store, &subject, update, rotation(&loaded)).await;
    let revoked = store.revoke_subject(&subject, EndReason::Revoked).await;
    assert_eq!(revoked.expect("revoke_subject answers"), 0);
}

pub async fn a_login_that_begins_after_a_cut_off_lives(store: Store<Payload>) {
    for _ in 0..10 {
        let subject = new_subject();
        create(&store, &extended_of::<0>(subject)).await;
        cut_off(&store, subject).await;
        let at_once = extended_of(subject);
        create(&store, &at_once).await;
        assert!(is_live(&store, at_once.id).await, "a login after the cut-off is not live");
    }
    let subject = new_subject();
    cut_off(&store, subject).await;
    // If a store does not know the exact time, it treats the login as earlier.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let later = login_of(subject);
    create(&store, &later).await;
    assert!(is_live(&store, later.id).await, "a login after the cut-off is not live");
}

pub async fn a_cut_off_beats_the_logins_that_it_races_with(store: Store<Payload>) {
    const ROUNDS: usize = 5;
    let store = Arc::new(store);
    for _ in 0..ROUNDS {
        let subject = new_subject();
        // Every login begins here, before the cut-off.
        let logins: Vec<_> = (0..CROWD).map(|_| login_of(subject)).collect();
        together(&store, CROWD + 1, |store, index| {
            let login = logins.get(index).cloned();
            async move {
                // Some arrive before the cut-off, some with it, some after it.
                let pause = if login.is_some() { index as u64 % 5 } else { 2 };
                tokio::time::sleep(Duration::from_millis(pause)).await;
                match login {
                    Some(login) => drop(store.create(login).await?),
                    None => {
                        cut_off(&*store, subject).await;
                        let listed = store.list(&subject, Page::default()).await?;
                        assert!(listed.is_empty(), "cut off, but listed: {listed:?}");
                    }
                }
                Ok(())
            }
        })
        .await;
        for login in &logins {
            assert!(!is_live(&*store, login.id).await, "a login from before the cut-off is live");
        }
    }
}

type Written = Result<(), StoreError>;

async fn cut_off_now(store: Arc<Store<Payload>>, loaded: Loaded<Payload>) -> Written {
    cut_off(&*store, loaded.record.data.user_id).await;
    Ok(())
}

async fn reauthenticate(store: Arc<Store<Payload>>, loaded: Loaded<Payload>) -> Written {
    store.reauthenticate(rotation(&loaded)).await.map(drop)
}

async fn other_writes(store: Arc<Store<Payload>>, loaded: Loaded<Payload>) -> Written {
    store.update(change(&loaded, |data| data.visits += 1)).await?;
    store.touch(Touch::new(loaded.record.id, HOUR)).await?;
    store.rotate(rotation(&loaded)).await.map(drop)
}

pub async fn a_cut_off_beats_a_late_reauthentication(store: Store<Payload>) {
    end_beats_writes(store, || extended_of(new_subject()), reauthenticate, cut_off_now).await;
}

pub async fn a_cut_off_beats_late_writes(store: Store<Payload>) {
    end_beats_writes(store, || extended_of(new_subject()), other_writes, cut_off_now).await;
}

pub async fn a_sweep_removes_what_was_dead_on_arrival(store: Store<Payload>) {
    let subject = new_subject();
    let late = [(); 3].map(|()| login_of(subject));
    cut_off(&store, subject).await;
    create_all(&store, &late).await;
    let alive = extended_of(subject);
    create(&store, &alive).await;
    assert_eq!(store.sweep(2).await.expect("sweep answers"), 2);
    assert_eq!(store.sweep(1_000).await.expect("sweep answers"), 1);
    for new in &late {
        let found = load(&store, new.id).await;
        assert!(matches!(found, Load::Absent), "{found:?}");
    }
    assert!(is_live(&store, alive.id).await, "the sweep removed a live session");
    // The cut-off must survive the sweep, because more logins may still arrive.
    let later = NewSession { began: late[0].began, ..extended_of(subject) };
    create(&store, &later).await;
    assert!(!is_live(&store, later.id).await, "the sweep forgot the cut-off");
}
