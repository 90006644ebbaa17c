//! A server that has no memory left.

use std::time::Duration;

use anchor::store::{Durability, EndStatus};

use super::*;

#[derive(Debug, Clone, SessionData)]
#[session(table = "kept", idle = "2h", absolute = "14d", migrations = false)]
#[session(keep_ended = "30d", cut_off)]
struct Kept {
    #[session(subject)]
    name: String,
}

fn kept(name: &str) -> Kept {
    Kept { name: name.into() }
}

#[tokio::test]
async fn a_full_server_refuses_logins_and_carries_out_every_end() {
    let Some(own) = databases::own_redis() else { return };
    let (store, kept_store) = (own.store::<UserSession>().await, own.store::<Kept>().await);
    let subjects = ["ada", "corro", "ferris", "grace"];
    let (mut plain, mut ended) = (Vec::new(), Vec::new());
    for name in subjects {
        plain.push(create(&store, user(name)).await);
        ended.push(create(&kept_store, kept(name)).await);
    }
    let spared = create(&kept_store, kept("ferris")).await;
    // The scripts that end are loaded, which needs memory, too.
    let nobody = "nobody".to_owned();
    store.revoke(random_id(), None, EndReason::Logout).await.unwrap();
    store.revoke_subject(&nobody, EndReason::Revoked).await.unwrap();
    own.run::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let full = [
        store.create(login(&store, user("ferris"))).await.map(drop).unwrap_err(),
        kept_store.create(login(&kept_store, kept("ferris"))).await.map(drop).unwrap_err(),
    ];
    for error in full {
        assert!(error.to_string().contains("raise `maxmemory`"), "{error}");
    }
    let [ada, corro, ferris, grace] = subjects.map(str::to_owned);
    let (logout, everywhere) = (EndReason::Logout, EndReason::LogoutAll);
    assert_eq!(store.revoke(plain[0], None, logout).await.unwrap(), Ending::Ended);
    assert_eq!(kept_store.revoke(ended[0], None, logout).await.unwrap(), Ending::Ended);
    assert_eq!(store.revoke_subject(&corro, everywhere).await.unwrap(), 1);
    assert_eq!(kept_store.revoke_subject(&corro, everywhere).await.unwrap(), 1);
    assert_eq!(kept_store.revoke_others(&ferris, spared, everywhere).await.unwrap(), 1);
    assert_eq!(store.cut_off(&grace, EndReason::CutOff).await.unwrap(), 1);
    assert_eq!(kept_store.cut_off(&grace, EndReason::CutOff).await.unwrap(), 1);
    // A cut-off that ends no session is recorded all the same.
    assert_eq!(kept_store.cut_off(&nobody, EndReason::CutOff).await.unwrap(), 0);
    let key = own.key("kept", login(&kept_store, kept("nobody")).id, "cut_off:nobody");
    assert_eq!(own.run::<i64>(&["EXISTS", &key]).await, 1);
    for id in &ended {
        assert!(!is_live(&kept_store, *id).await);
    }
    assert!(is_live(&kept_store, spared).await && is_live(&store, plain[2]).await);
    let history = kept_store.history(&ada, Page::default()).await.unwrap();
    assert_eq!((history.len(), history[0].status), (1, EndStatus::Revoked));

    // What a replica would have to confirm needs memory: the session has ended, and it is a 503.
    let within = Duration::from_millis(100);
    let waiting = store.clone().durability(Durability::Replicas { replicas: 0, within }).await;
    let error = waiting.unwrap().revoke(plain[2], None, logout).await.unwrap_err();
    assert!(error.to_string().contains("raise `maxmemory`"), "{error}");
    assert!(!is_live(&store, plain[2]).await);
}
