//! Calls that come a second time after everything is over, and what other programs leave among the
//! sessions.

use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::store::{Created, EndReason, Page};

use super::*;

/// A connection between may deliver the first copy of a repeated call long after the second.
#[tokio::test]
async fn a_login_that_arrives_again_after_the_logout_begins_no_session() {
    let Some(own) = databases::redis().await else { return };
    let store = own.store::<UserSession>().await;
    let limit = SubjectLimit::new(5, LimitExceeded::EndOldest);
    for limit in [None, Some(limit)] {
        // Each 32nd is made by the script.
        for number in 0..64 {
            let mut new = login(&store, user(&format!("user {number}")));
            new.limit = limit;
            assert!(matches!(store.create(new.clone()).await, Ok(Created::Session { .. })));
            store.revoke(new.id, None, EndReason::Logout).await.unwrap();
            let again = store.create(new.clone()).await;
            assert!(!matches!(again, Ok(Created::Session { .. })), "{again:?}");
            assert!(!is_live(&store, new.id).await);
            let key = own.key(super::TABLE, new.id, &format!("session:{}", new.id));
            let left: i64 = own.run(&["PTTL", &key]).await;
            assert!(left > 0 && left <= 900_001, "{left} ms");
        }
    }
}

#[tokio::test]
async fn what_other_programs_have_broken_blocks_no_other_session() {
    let Some(own) = databases::redis().await else { return };
    let store = own.store::<UserSession>().await;
    let key = |id| own.key(super::TABLE, id, &format!("session:{id}"));
    for broken_by in ["created_at=x", "created_at=nan", "deadline=", "another type"] {
        let (broken, whole) =
            (create(&store, user(broken_by)).await, create(&store, user(broken_by)).await);
        let key = key(broken);
        match broken_by.split_once('=') {
            Some((name, value)) => {
                let text: String = own.run(&["HGET", &key, "@session"]).await;
                let entries = text.split(';').map(|entry| match entry.split_once('=') {
                    Some((found, _)) if found == name => format!("{name}={value}"),
                    _ => entry.to_owned(),
                });
                let text = entries.collect::<Vec<_>>().join(";");
                own.run::<i64>(&["HSET", &key, "@session", &text]).await;
            }
            None => {
                own.run::<String>(&["SET", &key, "another type"]).await;
            }
        }
        let listed = store.list(&user(broken_by).name, Page::default()).await.unwrap();
        assert_eq!(listed.entries.iter().map(|record| record.id).collect::<Vec<_>>(), [whole]);
        // It takes no place under the limit, either.
        let mut new = login(&store, user(broken_by));
        new.limit = Some(SubjectLimit::new(2, LimitExceeded::Refuse));
        assert!(matches!(store.create(new).await, Ok(Created::Session { .. })));
        store.revoke(whole, None, EndReason::Logout).await.unwrap();
        assert!(!is_live(&store, whole).await);
    }
}
