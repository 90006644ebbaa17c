//! What a request costs: the commands that the server was sent.

use std::time::Duration;

use anchor::prelude::*;
use anchor::store::{EndReason, Placement, SessionStore};
use anchor_tests::databases::{self, Redis};
use anchor_tests::http::Served;
use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{live, login, login_at, random_id};

#[tokio::test]
async fn a_guarded_read_a_login_and_a_logout_are_one_call_each() {
    #[derive(Clone, SessionData)]
    #[session(table = "visits", idle = "2h", absolute = "14d", migrations = false)]
    #[session(max_per_subject = 3, cookie = "__Host-visit")]
    struct Visit {
        #[session(subject)]
        name: String,
    }
    async fn log_in(auth: Auth<Visit>) -> Result<(), anchor::Error> {
        auth.login(Visit { name: "ferris".into() }).await.map(drop)
    }
    #[require_session(Visit)]
    async fn me(session: Session<Visit>) -> String {
        session.name.clone()
    }
    #[logout(Visit)]
    async fn logout() {}

    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Visit>().await;
    let sessions = SessionManager::<Visit>::builder(store)
        .keys(KeyRing::new([[7; 32]]).unwrap())
        .build()
        .unwrap();
    let router = Router::new()
        .route("/login", post(log_in))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .layer(sessions.layer());
    let served = Served::start(router).await;
    // The scripts are loaded when they are first called.
    for _ in 0..2 {
        let cookie = served.post("/login").send().await.expect(StatusCode::OK).cookie();
        served.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        served.post("/logout").cookie(&cookie).send().await.expect(StatusCode::OK);
    }
    let mut calls = Calls::of(&server).await;
    let cookie = served.post("/login").send().await.expect(StatusCode::OK).cookie();
    assert_eq!(calls.since().await, ["EVALSHA"], "a login");
    served.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
    // Sent together, and faster than a script.
    assert_eq!(calls.since().await, ["TIME", "ZRANGEBYSCORE", "HMGET"], "a guarded read");
    served.post("/login").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(calls.since().await, ["EVALSHA"], "a login that replaces a session");
    let cookie = served.post("/login").send().await.expect(StatusCode::OK).cookie();
    calls.since().await;
    served.post("/logout").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(calls.since().await, ["EVALSHA"], "a logout");
}

#[tokio::test]
async fn a_load_of_a_payload_without_a_subject_asks_for_no_ends() {
    #[derive(Clone, SessionData)]
    #[session(table = "guests", idle = "2h", absolute = "14d", migrations = false)]
    struct Guest {
        pages: i64,
    }
    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Guest>().await;
    let new = login_at(random_id(), Guest { pages: 7 });
    store.create(new.clone()).await.unwrap();
    let mut calls = Calls::of(&server).await;
    assert_eq!(live(&store, new.id).await.record.data.pages, 7);
    assert_eq!(calls.since().await, ["TIME", "HMGET"]);
}

#[tokio::test]
async fn a_load_of_a_session_that_an_end_has_spared_asks_the_index() {
    let Some(server) = databases::own_redis() else { return };
    let store = server.store().await;
    let id = super::create(&store, super::user("ferris")).await;
    store.revoke_others(&"ferris".to_owned(), id, EndReason::LogoutOthers).await.unwrap();
    let later = super::create(&store, super::user("ferris")).await;
    let mut calls = Calls::of(&server).await;
    live(&store, later).await;
    let short = ["TIME", "ZRANGEBYSCORE", "HMGET"];
    assert_eq!(calls.since().await, short);
    live(&store, id).await;
    assert_eq!(calls.since().await, [&short[..], &short[..], &["ZSCORE"]].concat());
}

/// What the index has said is remembered when the end was long ago.
#[tokio::test]
async fn later_loads_of_such_a_session_do_not_ask_the_index() {
    let Some(server) = databases::own_redis() else { return };
    let store = server.store().await;
    let id = super::create(&store, super::user("ferris")).await;
    let began = live(&store, id).await.record.created_at.as_micros();
    store.revoke_others(&"ferris".to_owned(), id, EndReason::LogoutOthers).await.unwrap();
    let log = format!("{{{}:{}:ends}}", server.prefix, super::TABLE);
    let place = server.run::<Vec<String>>(&["ZRANGE", &log, "0", "-1"]).await.remove(0);
    let key = server.key(super::TABLE, id, &format!("session:{id}"));
    let own: String = server.run(&["HGET", &key, "@session"]).await;
    let minutes = |count: i64| (began - count * 60_000_000).to_string();
    let earlier =
        own.replace(&format!("created_at={began}"), &format!("created_at={}", minutes(9)));
    server.run::<i64>(&["HSET", &key, "@session", &earlier]).await;
    server.run::<i64>(&["ZADD", &log, &minutes(2), &place]).await;

    // A node that has not known the log before.
    let store = server.store::<super::UserSession>().await;
    let mut calls = Calls::of(&server).await;
    live(&store, id).await;
    assert!(calls.since().await.contains(&"ZSCORE".to_owned()));
    for _ in 0..3 {
        live(&store, id).await;
        assert_eq!(calls.since().await, ["TIME", "ZRANGEBYSCORE", "HMGET"]);
    }
    // The next end asks it again.
    store.revoke_others(&"ferris".to_owned(), id, EndReason::LogoutOthers).await.unwrap();
    calls.since().await;
    live(&store, id).await;
    assert!(calls.since().await.contains(&"ZSCORE".to_owned()));
}

/// The commands that clients send to a server.
struct Calls {
    lines: BufReader<TcpStream>,
    admin: redis::aio::ConnectionManager,
}

impl Calls {
    async fn of(server: &Redis) -> Self {
        let mut stream =
            TcpStream::connect(server.url.trim_start_matches("redis://")).await.unwrap();
        stream.write_all(b"MONITOR\r\n").await.unwrap();
        let mut calls = Self { lines: BufReader::new(stream), admin: server.connection().await };
        calls.since().await;
        calls
    }

    /// The commands since the last call, without those of scripts.
    async fn since(&mut self) -> Vec<String> {
        let mark = random_id().to_string();
        redis::cmd("ECHO").arg(&mark).exec_async(&mut self.admin).await.unwrap();
        let mut commands = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).await.unwrap(), 0, "the server went away");
            if line.contains(&mark) {
                return commands;
            }
            // `+1700000000.000000 [0 127.0.0.1:50000] "EVALSHA" ..`, or `[0 lua]`.
            if !line.contains("[0 lua]")
                && let Some(command) = line.split('"').nth(1)
            {
                commands.push(command.to_owned());
            }
        }
    }
}

#[tokio::test]
async fn a_sweep_asks_the_shards_once_for_all_of_its_batches() {
    #[derive(Clone, SessionData)]
    #[session(table = "swept", idle = "2h", absolute = "14d", migrations = false)]
    #[session(keep_ended = "30d")]
    struct Kept {
        #[session(subject)]
        name: String,
    }
    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Kept>().await;
    for number in 0..10 {
        let mut new = login(&store, Kept { name: number.to_string() });
        new.idle = Duration::from_millis(1);
        store.create(new).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut calls = Calls::of(&server).await;
    let mut swept = Vec::new();
    while swept.last().is_none_or(|count| *count == 4) {
        swept.push(store.sweep(4).await.unwrap());
    }
    assert_eq!(swept, [4, 4, 2]);
    let asked = calls.since().await.into_iter().filter(|command| command == "ZCOUNT").count();
    assert_eq!(asked, 2 * usize::from(Placement::COUNT), "once at the beginning, once at the end");
}
