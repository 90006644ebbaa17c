//! Where a session is used from, and what it is bound to, if the table stores them.

use std::net::IpAddr;

use super::fixtures::*;
use crate::store::{ClientInfo, Fingerprint, NewSession, Page, Touch, Touched};

fn client(ip: &str, user_agent: &str) -> Option<ClientInfo> {
    let ip: IpAddr = ip.parse().expect("an address");
    Some(ClientInfo::new(Some(ip), Some(user_agent)))
}

pub async fn a_session_keeps_where_it_came_from(store: Store<Extended<0>>) {
    let agent = "ä".repeat(2 * ClientInfo::LONGEST_USER_AGENT);
    let half = Some(ClientInfo::new(None, Some("curl/8")));
    let subject = new_subject();
    for client in
        [client("203.0.113.9", "Mozilla/5.0 (🦀)"), client("2001:db8::7", &agent), half, None]
    {
        let new = NewSession { client: client.clone(), ..extended_of(subject) };
        assert_eq!(create(&store, &new).await.client, client);
        assert_eq!(live(&store, new.id).await.record.client, client);
        let listed = store.list(&subject, Page::default()).await.expect("list answers");
        let listed = listed.iter().find(|record| record.id == new.id).expect("it is listed");
        assert_eq!(listed.client, client);
    }
}

pub async fn a_touch_records_where_a_session_was_used_from(store: Store<Extended<0>>) {
    let new = NewSession { client: client("203.0.113.9", "old"), ..extended_of(new_subject()) };
    create(&store, &new).await;
    let moved = Touch { client: client("2001:db8::7", "new"), ..Touch::new(new.id, HOUR) };
    let touched = store.touch(moved).await.expect("touch answers");
    let after = live(&store, new.id).await.record;
    assert_eq!(touched, Touched::Written { expires_at: after.expires_at });
    assert_eq!(after.client, client("2001:db8::7", "new"));

    store.touch(Touch::new(new.id, HOUR)).await.expect("touch answers");
    let after = live(&store, new.id).await.record;
    assert_eq!(after.client, client("2001:db8::7", "new"), "a touch without a client erased it");
}

pub async fn a_session_keeps_what_it_is_bound_to(store: Store<Extended<0>>) {
    for fingerprint in [Some(Fingerprint::of(b"Mozilla/5.0")), None] {
        let new = NewSession { fingerprint, ..extended_of(new_subject()) };
        create(&store, &new).await;
        assert_eq!(live(&store, new.id).await.fingerprint, fingerprint);
    }
}

pub async fn a_table_without_extras_keeps_neither(store: Store) {
    let fingerprint = Some(Fingerprint::of(b"Mozilla/5.0"));
    let new = NewSession { client: client("203.0.113.9", "curl/8"), fingerprint, ..session() };
    assert_eq!(create(&store, &new).await.client, None);
    let touch = Touch { client: new.client.clone(), ..Touch::new(new.id, HOUR) };
    store.touch(touch).await.expect("touch answers");
    let loaded = live(&store, new.id).await;
    assert_eq!((loaded.record.client.clone(), loaded.fingerprint), (None, None));
    assert!(
        store
            .history(&new.data.user_id, Page::default())
            .await
            .expect("history answers")
            .is_empty()
    );
}
