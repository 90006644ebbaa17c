//! What `RedisStore` promises beyond the contract of every store.

mod calls;
mod durability;
mod end_log;
mod everyone;
mod full;
mod handed_over;
mod late;
mod logouts;
mod lost_answers;
mod moving_slot;
mod permissions;
mod releases;
mod replaced;
mod together;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use anchor::prelude::*;
use anchor::store::{EndReason, Ending, Load, Loaded, NewSession, Page, Placement, SessionStore};
use anchor::token::{LastingHash, SecretHash};
use anchor::{RedisStore, SessionId};
use anchor_tests::databases::{self, Redis};
use uuid::Uuid;

const TABLE: &str = "sessions";

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d", cut_off, migrations = false)]
struct UserSession {
    #[session(subject)]
    name: String,
    visits: i64,
    note: Option<String>,
}

fn user(name: &str) -> UserSession {
    UserSession { name: name.into(), visits: 41, note: None }
}

/// Randomness of the standard library.
fn random_id() -> SessionId {
    let [high, low] = [(); 2].map(|()| u128::from(RandomState::new().hash_one(())));
    SessionId::from_uuid(Uuid::from_u128(high << 64 | low))
}

/// A session as a login makes it.
fn login<T: SessionData>(store: &RedisStore<T>, data: T) -> NewSession<T> {
    login_at(random_id().placed(store.placement(&data).expect("it has a subject")), data)
}

fn login_at<T: SessionData>(id: SessionId, data: T) -> NewSession<T> {
    let bytes = *random_id().as_uuid().as_bytes();
    let hash = [bytes, bytes].concat().try_into().expect("32 bytes");
    let (lasting, secret) = (LastingHash::from_bytes(hash), SecretHash::from_bytes(hash));
    NewSession::new(id, lasting, secret, Arc::new(data))
}

async fn create<T: SessionData>(store: &RedisStore<T>, data: T) -> SessionId {
    let new = login(store, data);
    store.create(new.clone()).await.expect("it is created");
    new.id
}

async fn live<T: SessionData>(store: &RedisStore<T>, id: SessionId) -> Loaded<T> {
    match store.load(id).await.expect("load answers") {
        Load::Live(loaded) => loaded,
        other => panic!("it is {other:?}"),
    }
}

async fn is_live<T: SessionData>(store: &RedisStore<T>, id: SessionId) -> bool {
    matches!(store.load(id).await.expect("load answers"), Load::Live(_))
}

async fn hash(server: &Redis, id: SessionId) -> BTreeMap<String, String> {
    let key = server.key(TABLE, id, &format!("session:{id}"));
    let fields: BTreeMap<String, Vec<u8>> = server.run(&["HGETALL", &key]).await;
    // What is `NULL` is not text.
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    fields.into_iter().map(|(name, value)| (name, text(value))).collect()
}

#[tokio::test]
async fn a_person_with_a_redis_client_recognizes_a_session() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    let id = create(&store, UserSession { note: Some("grüße".into()), ..user("ferris") }).await;
    assert_eq!(id.placement(), Placement::of(b"ferris"));
    let hash = hash(&server, id).await;
    for (field, value) in [("name", "ferris"), ("visits", "41"), ("note", "grüße")] {
        assert_eq!(hash[field], value);
    }
    let own = &hash["@session"];
    let expires_at = live(&store, id).await.record.expires_at.as_micros();
    for entry in [format!("expires_at={expires_at}"), "version=1".into(), "subject=ferris".into()] {
        assert!(own.split(';').any(|other| other == entry), "{entry}: {own}");
    }
    let set = server.key(TABLE, id, "index");
    let ids: Vec<String> = server.run(&["ZRANGE", &set, "0", "-1"]).await;
    assert_eq!(ids, [id.to_string()]);
    // Nothing stays forever.
    for key in [server.key(TABLE, id, &format!("session:{id}")), set] {
        assert!(server.run::<i64>(&["PTTL", &key]).await > 0, "{key}");
    }
}

#[tokio::test]
async fn applications_and_payloads_on_one_server_do_not_meet() {
    #[derive(Clone, SessionData)]
    #[session(table = "others", idle = "2h", absolute = "14d", migrations = false)]
    struct Other {
        #[session(subject)]
        name: String,
    }
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    let other_payload = server.store::<Other>().await;
    let other_prefix = store.clone().prefix("another application");
    let id = create(&store, user("ferris")).await;
    assert!(matches!(other_payload.load(id).await, Ok(Load::Absent)));
    assert!(matches!(other_prefix.load(id).await, Ok(Load::Absent)));
    assert_eq!(other_payload.revoke_everyone(EndReason::Everyone).await.unwrap(), 0);
    assert_eq!(other_prefix.revoke_everyone(EndReason::Everyone).await.unwrap(), 0);
    assert!(is_live(&store, id).await);
    assert_eq!(store.revoke_everyone(EndReason::Everyone).await.unwrap(), 1);
}

#[tokio::test]
async fn a_mistyped_field_ends_its_own_session_alone() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    let (bad, good) = (create(&store, user("ferris")).await, create(&store, user("ferris")).await);
    let key = server.key(TABLE, bad, &format!("session:{bad}"));
    server.run::<i64>(&["HSET", &key, "visits", "hunter2"]).await;
    let Ok(Load::Undecodable(error)) = store.load(bad).await else { panic!("it is no integer") };
    assert_eq!(error.column(), "visits");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(is_live(&store, good).await);
    let listed = store.list(&"ferris".to_owned(), Page::default()).await.unwrap();
    assert_eq!(listed.len(), 1, "the other one is left out");
    let verified = store.verify().await.unwrap();
    let warning = verified.warnings.iter().find(|warning| warning.contains("`visits`"));
    assert!(warning.unwrap().contains("1 of the 2 live sessions"), "{verified:?}");
}

#[tokio::test]
async fn a_session_without_the_number_of_its_subject_has_ended() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    let id = create(&store, user("ferris")).await;
    let own = hash(&server, id).await["@session"].clone();
    let number = own.split(';').find(|entry| entry.starts_with("subject_number=")).unwrap();
    let key = server.key(TABLE, id, &format!("session:{id}"));
    let without = own.replace(&format!("{number};"), "");
    server.run::<i64>(&["HSET", &key, "@session", &without]).await;
    assert!(matches!(store.load(id).await, Ok(Load::Ended)));
}

#[tokio::test]
async fn a_malformed_own_field_ends_its_own_session_alone() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    let good = create(&store, user("ferris")).await;
    let genuine = hash(&server, good).await["@session"].clone();
    let malformed = [
        ("@session", "hunter2".to_owned()),
        ("@session", format!("{genuine};hunter2=1")),
        ("@session", format!("{genuine};version=1")),
        ("expires_at", genuine.replace("expires_at=", "expires_at=hunter2")),
        ("@session", genuine.replace("deadline=", "hunter2=")),
        ("deadline", genuine.replace("deadline=", "deadline=hunter2")),
        ("lasting_hash", genuine.replace("lasting_hash=", "lasting_hash=g")),
        ("subject_number", genuine.replace("subject_number=", "subject_number=hunter2")),
    ];
    for (name, field) in malformed {
        let bad = create(&store, user("ferris")).await;
        let key = server.key(TABLE, bad, &format!("session:{bad}"));
        server.run::<i64>(&["HSET", &key, "@session", &field]).await;
        let Ok(Load::Undecodable(error)) = store.load(bad).await else { panic!("{field}") };
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(error.column(), name, "{error}");
        assert!(is_live(&store, good).await);
        let listed = store.list(&"ferris".to_owned(), Page::default()).await.unwrap();
        // A list does not look at the secrets.
        assert_eq!(listed.len(), if name == "lasting_hash" { 2 } else { 1 }, "{field}");
        store.revoke(bad, None, EndReason::Logout).await.unwrap();
        assert!(!is_live(&store, bad).await);
    }
    let bad = create(&store, user("ferris")).await;
    let key = server.key(TABLE, bad, &format!("session:{bad}"));
    server.run::<i64>(&["HSET", &key, "@session", "hunter2"]).await;
    assert_eq!(store.revoke_subject(&"ferris".into(), EndReason::LogoutAll).await.unwrap(), 1);
    assert!(!is_live(&store, good).await && !is_live(&store, bad).await);
}

#[tokio::test]
async fn a_lost_connection_fails_no_call() {
    let Some(server) = databases::redis().await else { return };
    let mut connection = server.connection().await;
    let store = RedisStore::<UserSession>::new(connection.clone()).prefix(&server.prefix);
    let id = create(&store, user("ferris")).await;
    for _ in 0..3 {
        let client: i64 =
            redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await.unwrap();
        server.run::<i64>(&["CLIENT", "KILL", "ID", &client.to_string()]).await;
        assert!(is_live(&store, id).await);
    }
    assert_eq!(store.revoke(id, None, EndReason::Logout).await.unwrap(), Ending::Ended);
}

/// In the shard of their subject, where logins place them.
#[tokio::test]
async fn a_list_of_one_shard_comes_in_pages() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(create(&store, user("ferris")).await);
    }
    let (mut page, mut listed) = (Page::first(2), Vec::new());
    for expected in [2, 2, 1] {
        let part = store.list(&"ferris".to_owned(), page).await.expect("list answers");
        assert_eq!(part.len(), expected, "{part:?}");
        listed.extend(part.iter().map(|record| record.id));
        let Some(next) = part.next else { break };
        page = page.after(next);
    }
    listed.sort_unstable();
    created.sort_unstable();
    assert_eq!(listed, created);
}

#[tokio::test]
async fn the_spans_of_its_calls_name_redis() {
    let Some(server) = databases::redis().await else { return };
    assert_eq!(server.store::<UserSession>().await.database_system(), Some("redis"));
}
