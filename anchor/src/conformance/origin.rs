//! Where a session is used from, and what it is bound to, where the table keeps them.

use std::net::IpAddr;

use super::scene::*;
use super::{Extended, Payload};
use crate::store::{Fingerprint, NewSession, Origin, Page, SessionStore, Touch, Touched};

fn origin(ip: &str, user_agent: &str) -> Option<Origin> {
    let ip: IpAddr = ip.parse().expect("an address");
    Some(Origin::new(Some(ip), Some(user_agent)))
}

pub async fn a_session_keeps_where_it_came_from<S: SessionStore<Extended<0>>>(store: S) {
    let agent = "ä".repeat(2 * Origin::LONGEST_USER_AGENT);
    let half = Some(Origin::new(None, Some("curl/8")));
    let subject = new_subject();
    for origin in
        [origin("203.0.113.9", "Mozilla/5.0 (🦀)"), origin("2001:db8::7", &agent), half, None]
    {
        let new = NewSession { origin: origin.clone(), ..extended_of(subject) };
        assert_eq!(create(&store, &new).await.origin, origin);
        assert_eq!(live(&store, new.id).await.record.origin, origin);
        let listed = store.list(&subject, Page::default()).await.expect("list answers");
        let listed = listed.iter().find(|record| record.id == new.id).expect("it is listed");
        assert_eq!(listed.origin, origin);
    }
}

pub async fn a_touch_records_where_a_session_was_used_from<S: SessionStore<Extended<0>>>(store: S) {
    let new = NewSession { origin: origin("203.0.113.9", "old"), ..extended_of(new_subject()) };
    create(&store, &new).await;
    let moved = Touch { origin: origin("2001:db8::7", "new"), ..Touch::new(new.id, HOUR) };
    let touched = store.touch(moved).await.expect("touch answers");
    let after = live(&store, new.id).await.record;
    assert_eq!(touched, Touched::Written { expires_at: after.expires_at });
    assert_eq!(after.origin, origin("2001:db8::7", "new"));

    store.touch(Touch::new(new.id, HOUR)).await.expect("touch answers");
    let after = live(&store, new.id).await.record;
    assert_eq!(after.origin, origin("2001:db8::7", "new"), "a touch from nowhere forgets it");
}

pub async fn a_session_keeps_what_it_is_bound_to<S: SessionStore<Extended<0>>>(store: S) {
    for fingerprint in [Some(Fingerprint::of(b"Mozilla/5.0")), None] {
        let new = NewSession { fingerprint, ..extended_of(new_subject()) };
        create(&store, &new).await;
        assert_eq!(live(&store, new.id).await.fingerprint, fingerprint);
    }
}

pub async fn a_table_without_extras_keeps_neither<S: SessionStore<Payload>>(store: S) {
    let fingerprint = Some(Fingerprint::of(b"Mozilla/5.0"));
    let new = NewSession { origin: origin("203.0.113.9", "curl/8"), fingerprint, ..session() };
    assert_eq!(create(&store, &new).await.origin, None);
    let touch = Touch { origin: new.origin.clone(), ..Touch::new(new.id, HOUR) };
    store.touch(touch).await.expect("touch answers");
    let loaded = live(&store, new.id).await;
    assert_eq!((loaded.record.origin.clone(), loaded.fingerprint), (None, None));
    assert!(
        store
            .history(&new.data.user_id, Page::default())
            .await
            .expect("history answers")
            .is_empty()
    );
}
