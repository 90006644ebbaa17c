//! Calls whose answer is lost on the way: they are sent again, and have the effect of one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anchor::RedisStore;
use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::store::{
    Change, Created, EndReason, OldSecret, Page, Rotated, Rotation, SessionStore, Updated,
};
use anchor::token::SecretHash;
use anchor_tests::databases;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{UserSession, create, is_live, live, login, user};

/// A server between the store and Redis, which cuts a connection when it is told to.
struct Proxy {
    url: String,
    cut: Arc<AtomicBool>,
}

impl Proxy {
    async fn before(server: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let cut = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&told)));
            }
        });
        Self { url, cut }
    }

    /// Cuts the connection when Redis next answers, instead of passing the answer on.
    fn lose_the_next_answer(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    #[track_caller]
    fn assert_lost(&self) {
        assert!(!self.cut.load(Ordering::SeqCst), "no answer came");
    }
}

async fn pass(client: TcpStream, server: TcpStream, cut: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forth = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let mut answer = vec![0; 65_536];
    while let Ok(length @ 1..) = from_server.read(&mut answer).await {
        let is_lost = cut.swap(false, Ordering::SeqCst);
        if is_lost || to_client.write_all(&answer[..length]).await.is_err() {
            break;
        }
    }
    forth.abort();
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_has_the_effect_of_one_call() {
    let Some(server) = databases::redis().await else { return };
    let proxy = Proxy::before(server.url.trim_start_matches("redis://").to_owned()).await;
    let store = RedisStore::<UserSession>::connect(&proxy.url).await.unwrap();
    let store = store.prefix(&server.prefix);
    let idle = Duration::from_secs(60);
    // Every script is loaded.
    let warm = create(&store, user("corro")).await;
    let loaded = live(&store, warm).await;

    let new = login(&store, user("ferris"));
    proxy.lose_the_next_answer();
    let created = store.create(new.clone()).await.unwrap();
    proxy.assert_lost();
    assert!(matches!(created, Created::Session { .. }), "{created:?}");
    assert_eq!(store.list(&"ferris".to_owned(), Page::default()).await.unwrap().len(), 1);

    // Whom a login has ended is said again.
    let mut instead = login(&store, user("ferris"));
    instead.limit = Some(SubjectLimit::new(1, LimitExceeded::EndOldest));
    proxy.lose_the_next_answer();
    let created = store.create(instead).await.unwrap();
    proxy.assert_lost();
    let Created::Session { ended, .. } = created else { panic!("{created:?}") };
    assert_eq!(ended, [new.id]);

    let change = |version, visits| {
        let from = Arc::clone(&loaded.record.data);
        let to = Arc::new(UserSession { visits, ..UserSession::clone(&from) });
        Change { id: warm, secret: loaded.secrets.current, version, from, to, idle }
    };
    store.update(change(1, 42)).await.unwrap();
    proxy.lose_the_next_answer();
    let updated = store.update(change(2, 43)).await.unwrap();
    proxy.assert_lost();
    assert_eq!(updated, Updated::Written { version: 3 });
    assert_eq!(live(&store, warm).await.record.data.visits, 43);

    let rotation = |from, to| Rotation {
        id: warm,
        from,
        to: SecretHash::from_bytes(to),
        grace: idle,
        old: OldSecret::Exchanged,
        idle,
    };
    store.rotate(rotation(loaded.secrets.current, [1; 32])).await.unwrap();
    proxy.lose_the_next_answer();
    let second = rotation(SecretHash::from_bytes([1; 32]), [2; 32]);
    assert_eq!(store.rotate(second).await.unwrap(), Rotated::Written);
    proxy.assert_lost();
    let secrets = live(&store, warm).await.secrets;
    assert_eq!(secrets.current, SecretHash::from_bytes([2; 32]));
    assert_eq!(secrets.previous, Some(SecretHash::from_bytes([1; 32])));

    proxy.lose_the_next_answer();
    store.revoke(warm, Some(loaded.secrets.lasting), EndReason::Logout).await.unwrap();
    proxy.assert_lost();
    assert!(!is_live(&store, warm).await);
}
