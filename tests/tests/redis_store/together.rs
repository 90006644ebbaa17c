//! Lookups and logins that plain commands serve together, instead of a script each.

use std::collections::BTreeSet;
use std::time::Duration;

use anchor::store::{Change, Created, Record, Updated};
use anchor_tests::{Direction, Loss, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::*;

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "visits", idle = "2h", absolute = "14d", migrations = false)]
struct Visit {
    #[session(subject)]
    name: String,
    pages: i64,
    note: Option<String>,
}

const TABLE: &str = "visits";

fn visit(name: &str) -> Visit {
    Visit { name: name.into(), pages: 7, note: None }
}

/// Logs all of these in at the same time.
async fn create_all<T: SessionData>(
    store: &RedisStore<T>,
    logins: Vec<NewSession<T>>,
) -> Vec<Result<Created<T>, anchor::StoreError>> {
    let mut tasks = JoinSet::new();
    for (place, new) in logins.into_iter().enumerate() {
        let store = store.clone();
        tasks.spawn(async move { (place, store.create(new).await) });
    }
    let mut created = tasks.join_all().await;
    created.sort_unstable_by_key(|(place, _)| *place);
    created.into_iter().map(|(_, created)| created).collect()
}

#[track_caller]
fn assert_same(found: &Record<Visit>, record: &Record<Visit>) {
    let facts = |of: &Record<Visit>| {
        let times = [of.created_at, of.authenticated_at, of.last_seen_at, of.expires_at];
        (of.id, times, of.deadline, of.version, of.remembered, Visit::clone(&of.data))
    };
    assert_eq!(facts(found), facts(record));
}

fn logins(store: &RedisStore<Visit>, count: usize) -> Vec<NewSession<Visit>> {
    (0..count).map(|number| login(store, visit(&format!("user {number}")))).collect()
}

#[tokio::test]
async fn logins_that_are_sent_together_are_what_one_alone_is() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Visit>().await;
    let alone = login(&store, visit("ferris"));
    store.create(alone.clone()).await.unwrap();
    let key = |id: SessionId, name: &str| server.key(TABLE, id, name);
    let fields = async |id: SessionId| -> BTreeSet<String> {
        let names: Vec<String> = server.run(&["HKEYS", &key(id, &format!("session:{id}"))]).await;
        names.into_iter().collect()
    };
    let expected = fields(alone.id).await;
    let entries = async |id: SessionId| -> Vec<String> {
        let own: String =
            server.run(&["HGET", &key(id, &format!("session:{id}")), "@session"]).await;
        own.split(';').filter_map(|entry| Some(entry.split_once('=')?.0.to_owned())).collect()
    };
    let expected_entries = entries(alone.id).await;

    let mut together = logins(&store, 64);
    for new in together.iter_mut().step_by(3) {
        new.idle = Duration::from_secs(600);
        new.began = Some(tokio::time::Instant::now() - Duration::from_secs(90));
        new.remembered = true;
    }
    for (new, created) in together.iter().zip(create_all(&store, together.clone()).await) {
        let Ok(Created::Session { record, ended }) = created else { panic!("{created:?}") };
        assert!(ended.is_empty());
        let loaded = live(&store, new.id).await;
        assert_same(&loaded.record, &record);
        assert_eq!((loaded.secrets.lasting, loaded.secrets.current), (new.lasting, new.secret));
        assert_eq!(*record.data, *new.data);
        assert_eq!(record.remembered, new.remembered);
        assert_eq!(record.expires_at, record.created_at.saturating_add(new.idle));
        assert_eq!(record.deadline, record.created_at.saturating_add(new.absolute));
        let before = record.created_at.saturating_since(record.authenticated_at);
        assert_eq!(before >= Duration::from_secs(90), new.began.is_some(), "{before:?}");
        assert_eq!(fields(new.id).await, expected);
        assert_eq!(entries(new.id).await, expected_entries);
        // Redis removes the session when it has expired, and the index no earlier.
        let left: i64 = server.run(&["PTTL", &key(new.id, &format!("session:{}", new.id))]).await;
        let idle = new.idle.as_millis() as i64;
        assert!((idle - 60_000..=idle + 1).contains(&left), "{left} of {idle}");
        let left: i64 = server.run(&["PTTL", &key(new.id, "index")]).await;
        assert!(left >= new.absolute.as_millis() as i64, "{left}");
        let subject = new.data.name.clone();
        assert_eq!(store.list(&subject, Page::default()).await.unwrap().len(), 1);
        assert_eq!(store.revoke_subject(&subject, EndReason::LogoutAll).await.unwrap(), 1);
        assert!(!is_live(&store, new.id).await);
    }
    let left: Vec<String> = server.run(&["KEYS", &format!("*{}*new:*", server.prefix)]).await;
    assert!(left.is_empty(), "{left:?}");
}

/// A script costs the server three times as much. A login that is alone runs it, and so does each
/// 32nd, which tidies the index.
#[tokio::test]
async fn of_logins_that_do_nothing_else_few_run_a_script() {
    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Visit>().await;
    let scripts = async || -> u64 {
        let statistics: String = server.run(&["INFO", "commandstats"]).await;
        let of_scripts =
            |line: &str| line.strip_prefix("cmdstat_evalsha:calls=").map(str::to_owned);
        let calls = statistics.lines().find_map(of_scripts);
        calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    };
    for (last, expected) in [(1, 0..=16), (0, 64..=64)] {
        let mut logins = logins(&store, 64);
        for new in &mut logins {
            let random = new.id.as_uuid().as_u128();
            new.id = SessionId::from_uuid(Uuid::from_u128(random & !0x1f | last));
        }
        let before = scripts().await;
        for created in create_all(&store, logins).await {
            created.unwrap();
        }
        let count = scripts().await - before;
        assert!(expected.contains(&count), "{last}: {count}");
    }
}

#[tokio::test]
async fn of_logins_with_one_id_a_single_one_is_made() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Visit>().await;
    let first = login(&store, visit("ferris"));
    let same = (0..32).map(|pages| {
        let mut new = first.clone();
        new.data = Arc::new(Visit { pages, ..visit("ferris") });
        new
    });
    // Others share their transactions.
    let all: Vec<_> = same.clone().chain(logins(&store, 32)).collect();
    let created = create_all(&store, all).await;
    let (same_ones, others) = created.split_at(32);
    assert!(others.iter().all(|other| matches!(other, Ok(Created::Session { .. }))));
    let mut made = same_ones.iter().filter_map(|one| match one {
        Ok(Created::Session { record, .. }) => Some(record),
        _ => None,
    });
    let record = made.next().expect("one is made");
    assert!(made.next().is_none(), "the id has two sessions");
    assert_same(&live(&store, first.id).await.record, record);
    for taken in same_ones.iter().filter_map(|one| one.as_ref().err()) {
        assert!(taken.to_string().contains("already exists"), "{taken}");
    }
    let new = server.key(TABLE, first.id, &format!("new:{}", first.id));
    assert_eq!(server.run::<i64>(&["EXISTS", &new]).await, 0);
}

#[tokio::test]
async fn logins_whose_answer_is_lost_are_made_once() {
    let Some(server) = databases::redis().await else { return };
    let proxy = Proxy::before(server.address());
    let url = format!("redis://{}", proxy.address());
    let store = RedisStore::<Visit>::connect(&url).await.unwrap().prefix(&server.prefix);
    store.create(login(&store, visit("warm"))).await.unwrap();
    // The first answers are those of a login alone and of the clock.
    for answers in 0..4 {
        let all = logins(&store, 24);
        proxy.lose(Direction::ToClient, answers * 8, Loss::OneConnection);
        let created = create_all(&store, all.clone()).await;
        proxy.heal();
        for (new, created) in all.iter().zip(created) {
            let Ok(Created::Session { record, .. }) = created else { panic!("{created:?}") };
            assert_same(&live(&store, new.id).await.record, &record);
            let listed = store.list(&new.data.name, Page::default()).await.unwrap();
            assert_eq!(listed.len(), 1, "{:?}", new.data);
            store.revoke_subject(&new.data.name, EndReason::Revoked).await.unwrap();
        }
    }
}

#[tokio::test]
async fn logins_without_a_subject_are_made_and_in_no_index() {
    let Some(server) = databases::redis().await else { return };
    #[derive(Debug, Clone, SessionData)]
    #[session(table = "visits", idle = "2h", absolute = "14d", migrations = false)]
    struct Guest {
        pages: i64,
    }
    let store = server.store::<Guest>().await;
    let guests: Vec<_> = (0..32).map(|pages| login_at(random_id(), Guest { pages })).collect();
    for (new, created) in guests.iter().zip(create_all(&store, guests.clone()).await) {
        assert!(matches!(created, Ok(Created::Session { .. })), "{created:?}");
        assert!(is_live(&store, new.id).await);
        let index = server.key(TABLE, new.id, "index");
        let score: Option<f64> = server.run(&["ZSCORE", &index, &new.id.to_string()]).await;
        assert_eq!(score, None);
    }
}

#[tokio::test]
async fn a_refused_login_and_an_unreadable_session_fail_alone() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Visit>().await;
    let mut all = logins(&store, 16);
    // Not one that the script makes.
    let bad = all[7].id.as_uuid().as_u128() | 1;
    all[7].id = SessionId::from_uuid(Uuid::from_u128(bad));
    server.run::<String>(&["SET", &server.key(TABLE, all[7].id, "index"), "x"]).await;
    for (place, created) in create_all(&store, all.clone()).await.into_iter().enumerate() {
        match created {
            Ok(Created::Session { .. }) => assert_ne!(place, 7),
            Err(error) => {
                assert_eq!(place, 7, "{error}");
                assert!(error.to_string().contains("another type"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    server.set_wrong_type(TABLE, all[3].id).await;
    let mut loads = JoinSet::new();
    for (place, new) in all.iter().enumerate() {
        let (store, id) = (store.clone(), new.id);
        loads.spawn(async move { (place, store.load(id).await) });
    }
    for (place, load) in loads.join_all().await {
        match load {
            Ok(Load::Live(_)) => assert_ne!(place, 3),
            // Nobody has the token of the login that was refused.
            _ => assert!([3, 7].contains(&place), "{place}: {load:?}"),
        }
    }
}

#[tokio::test]
async fn a_login_that_is_refused_before_it_runs_changes_no_other_answer() {
    let Some(own) = databases::own_redis() else { return };
    let (anywhere, place) = (own.store::<Visit>().await, 7);
    let all: Vec<_> = logins(&anywhere, 24)
        .into_iter()
        .map(|mut new| {
            // Not one that the script makes.
            new.id = SessionId::from_uuid(Uuid::from_u128(new.id.as_uuid().as_u128() | 1));
            new
        })
        .collect();
    let forbidden = all[place].id.placement();
    let mut acl = vec!["ACL".to_owned(), "SETUSER".into(), "shop".into(), "on".into()];
    acl.extend([">hunter2".to_owned(), "+@all".into()]);
    for new in all.iter().filter(|new| new.id.placement() != forbidden) {
        acl.push(format!("~{}*", own.key(TABLE, new.id, "")));
    }
    own.run::<String>(&acl.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let url = own.url.replace("redis://", "redis://shop:hunter2@");
    let store = RedisStore::<Visit>::connect(&url).await.unwrap().prefix(&own.prefix);
    for (at, created) in create_all(&store, all.clone()).await.into_iter().enumerate() {
        let is_forbidden = all[at].id.placement() == forbidden;
        match created {
            Ok(Created::Session { record, .. }) => assert_eq!(record.id, all[at].id),
            Err(error) => assert!(is_forbidden && error.to_string().contains("ACL"), "{error}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(is_live(&anywhere, all[at].id).await, !is_forbidden, "login {at}");
    }
}

#[tokio::test]
async fn ids_of_expired_sessions_do_not_fill_the_index() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Visit>().await;
    for _ in 0..200 {
        create(&store, visit("ferris")).await;
    }
    let mut last = login(&store, visit("ferris"));
    for _ in 0..2_000 {
        let mut new = login(&store, visit("ferris"));
        new.idle = Duration::from_millis(1);
        store.create(new.clone()).await.unwrap();
        last = new;
    }
    let index = server.key(TABLE, last.id, "index");
    let count: u64 = server.run(&["ZCARD", &index]).await;
    assert!((200..1_000).contains(&count), "{count} ids of 200 live sessions, of 2,200 logins");
}

#[tokio::test]
async fn a_login_looks_at_many_ids_only_where_sessions_have_expired() {
    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Visit>().await;
    let log_in = async |idle, tidies: bool| {
        let mut new = login(&store, visit("ferris"));
        let last = if tidies { 0 } else { 1 };
        let id = new.id.as_uuid().as_u128() & !0xff | last;
        (new.id, new.idle) = (SessionId::from_uuid(Uuid::from_u128(id)), idle);
        store.create(new.clone()).await.unwrap();
        new.id
    };
    let looks = async || {
        let facts: redis::InfoDict = server.run(&["INFO", "commandstats"]).await;
        let looks: Option<String> = facts.get("cmdstat_zrandmember");
        looks.map_or(0, |looks| looks[6..looks.find(',').unwrap()].parse::<u32>().unwrap())
    };
    let (hour, instant) = (Duration::from_secs(3_600), Duration::from_millis(1));
    for _ in 0..20 {
        log_in(hour, false).await;
    }
    log_in(hour, true).await;
    assert_eq!(looks().await, 1, "all are live");
    for _ in 0..300 {
        log_in(instant, false).await;
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    let last = log_in(hour, true).await;
    assert_eq!(looks().await, 3, "many are dead");
    let count: u32 = server.run(&["ZCARD", &server.key(TABLE, last, "index")]).await;
    // Of 322 it has looked at 128, of which at most 22 are live.
    assert!((194..=216).contains(&count), "{count}");
}

#[tokio::test]
async fn an_index_lasts_as_long_as_the_sessions_of_logins_in_quick_succession() {
    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Visit>().await;
    let log_in = async |days: u64| {
        let mut together = vec![login(&store, visit("ferris")); 64];
        for new in &mut together {
            // The script inserts and tidies where the last five bits are 0.
            new.id = SessionId::from_uuid(Uuid::from_u128(
                login(&store, visit("ferris")).id.as_uuid().as_u128() | 1,
            ));
            new.absolute = Duration::from_secs(days * 86_400);
        }
        for created in create_all(&store, together.clone()).await {
            assert!(matches!(created, Ok(Created::Session { .. })), "{created:?}");
        }
        let index = server.key(TABLE, together[0].id, "index");
        let left = server.run::<i64>(&["PTTL", &index]).await;
        assert!(left >= together[0].absolute.as_millis() as i64, "{left} after {days} days");
        (together[63].id, index)
    };
    let expiries = async || {
        let facts: redis::InfoDict = server.run(&["INFO", "commandstats"]).await;
        let calls: Option<String> = facts.get("cmdstat_pexpireat");
        calls.map_or(0, |calls| calls[6..calls.find(',').unwrap()].parse::<u32>().unwrap())
    };
    let mut before = 0;
    // Each session has its own. The index has one per login if it is new, and another one if it
    // may not last long enough, or would not if it was removed meanwhile.
    for (days, is_new) in
        [(14, true), (14, false), (30, true), (14, false), (30, false), (90, true), (90, true)]
    {
        log_in(days).await;
        let now = expiries().await;
        assert_eq!(now - before >= 3 * 64 - 4, is_new, "{} after {days} days", now - before);
        before = now;
    }
    // An index that is lost has the sessions of later logins, and the end finds all of them.
    let (earlier, index) = log_in(14).await;
    assert_eq!(server.run::<i64>(&["DEL", &index]).await, 1);
    let mut later = vec![login(&store, visit("ferris")); 8];
    for new in &mut later {
        new.id = login(&store, visit("ferris")).id;
    }
    create_all(&store, later.clone()).await;
    let ferris = "ferris".to_owned();
    assert_eq!(store.list(&ferris, Page::default()).await.unwrap().len(), 8);
    assert_eq!(store.revoke_subject(&ferris, EndReason::LogoutAll).await.unwrap(), 8);
    for id in later.iter().map(|new| new.id).chain([earlier]) {
        assert!(!is_live(&store, id).await);
    }
}

/// An index is removed when its last session ends, and comes again with the next login, which may
/// be that of a much shorter session.
#[tokio::test]
async fn an_index_that_was_empty_lasts_as_long_as_later_sessions() {
    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Visit>().await;
    let logins = |absolute: Duration| {
        let mut logins = vec![login(&store, visit("ferris")); 8];
        for new in &mut logins {
            let id = login(&store, visit("ferris")).id.as_uuid().as_u128() | 1;
            (new.id, new.absolute) = (SessionId::from_uuid(Uuid::from_u128(id)), absolute);
        }
        logins
    };
    // One runs alone, which is the script's, and the others are sent together.
    let all_in = async |logins: &[NewSession<Visit>]| {
        let alone = login(&store, visit("corro"));
        create_all(&store, [&[alone], logins].concat()).await;
    };
    let (long, short) = (Duration::from_secs(14 * 86_400), Duration::from_secs(5));
    let end = async || store.revoke_subject(&"ferris".to_owned(), EndReason::LogoutAll).await;
    all_in(&logins(long)).await;
    for between in [None, Some(true), Some(false)] {
        end().await.unwrap();
        let shorter = logins(short);
        match between {
            // By transactions, or by the script.
            Some(true) => all_in(&shorter).await,
            Some(false) => _ = store.create(shorter[0].clone()).await.unwrap(),
            None => {}
        }
        let later = logins(long);
        all_in(&later).await;
        let index = server.key(TABLE, later[0].id, "index");
        let left = server.run::<i64>(&["PTTL", &index]).await;
        assert!(left >= long.as_millis() as i64, "{left}, {between:?}");
        assert!(left <= 33 * 86_400_000, "{left}, {between:?}");
    }
}

#[tokio::test]
async fn a_session_is_live_while_it_changes_its_subject() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Visit>().await;
    let slow = Slow::before(server.address()).await;
    let behind = RedisStore::<Visit>::connect(&slow.url).await.unwrap().prefix(&server.prefix);
    let new = login(&store, visit("ferris"));
    store.create(new.clone()).await.unwrap();
    // The session is older than the latest end of its subject's others, so the index is asked.
    store.revoke_others(&"ferris".to_owned(), new.id, EndReason::LogoutOthers).await.unwrap();

    let load = {
        let id = new.id;
        tokio::spawn(async move { behind.load(id).await })
    };
    // The session's fields have been read, and the index has not.
    slow.has_stopped.notified().await;
    let (from, to) = (Arc::clone(&new.data), Arc::new(visit("corro")));
    let (id, secret, idle) = (new.id, new.secret, new.idle);
    let change = Change { id, secret, version: 1, from, to, idle };
    assert!(matches!(store.update(change).await, Ok(Updated::Written { .. })));
    slow.go_on.notify_one();
    let Ok(Load::Live(loaded)) = load.await.unwrap() else { panic!("it was live throughout") };
    assert_eq!(loaded.record.data.name, "corro");
}

/// Stands in front of a server, and stops once, when a client has sent a part of a lookup.
struct Slow {
    url: String,
    has_stopped: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Slow {
    async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (has_stopped, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (stopped, resumed) = (Arc::clone(&has_stopped), Arc::clone(&go_on));
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let (mut asked, mut told) = client.into_split();
            let (mut answered, mut asking) = TcpStream::connect(server).await.unwrap().into_split();
            tokio::spawn(async move { tokio::io::copy(&mut answered, &mut told).await });
            let (mut piece, mut has_stopped) = ([0; 4096], false);
            while let Ok(length @ 1..) = asked.read(&mut piece).await {
                let piece = &piece[..length];
                let second =
                    piece.windows(14).position(|part| part == b"*3\r\n$6\r\nZSCORE".as_slice());
                let second = second.filter(|_| !has_stopped);
                let (first, rest) = piece.split_at(second.unwrap_or(length));
                asking.write_all(first).await.unwrap();
                if !rest.is_empty() {
                    has_stopped = true;
                    stopped.notify_one();
                    resumed.notified().await;
                    asking.write_all(rest).await.unwrap();
                }
            }
        });
        Self { url, has_stopped, go_on }
    }
}
