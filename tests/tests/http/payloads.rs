//! What a payload may hold: it comes back as it went in, or the login says that it cannot.

use std::sync::{Arc, Mutex};

use anchor::prelude::*;
use anchor::{Error, Rejection, Timestamp};
use anchor_tests::Backend;
use anchor_tests::http::{Answer, Served};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::application::KEY;

on_every_store![
    texts_of_every_kind_come_back_or_the_login_says_that_they_cannot,
    extreme_numbers_and_microseconds_come_back,
    a_skipped_field_is_its_default_after_the_store,
    json_that_would_not_be_read_is_refused_when_it_is_written,
    numbers_in_json_come_back_bit_for_bit,
];

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "extreme_sessions", cookie = "__Host-extreme", idle = "1h", absolute = "1d")]
struct Extreme {
    text: String,
    note: Option<String>,
    #[session(json)]
    list: Vec<String>,
    small: i16,
    medium: i32,
    large: i64,
    byte: u8,
    word: u16,
    double_word: u32,
    narrow: f32,
    wide: f64,
    bytes: Vec<u8>,
    yes: bool,
    at: Timestamp,
    uuid: uuid::Uuid,
    ip: std::net::IpAddr,
}

impl Extreme {
    fn with_text(text: &str) -> Self {
        Self { text: text.into(), ..Self::least() }
    }

    fn least() -> Self {
        Self {
            text: String::new(),
            note: None,
            list: Vec::new(),
            small: i16::MIN,
            medium: i32::MIN,
            large: i64::MIN,
            byte: 0,
            word: 0,
            double_word: 0,
            narrow: f32::MIN,
            wide: f64::MIN,
            bytes: Vec::new(),
            yes: false,
            at: Timestamp::from_micros(0),
            uuid: uuid::Uuid::nil(),
            ip: "::".parse().unwrap(),
        }
    }

    fn most() -> Self {
        Self {
            text: "x".into(),
            note: Some(String::new()),
            list: vec![String::new(), "\u{0}\"\\\u{1F980}".into()],
            small: i16::MAX,
            medium: i32::MAX,
            large: i64::MAX,
            byte: u8::MAX,
            word: u16::MAX,
            double_word: u32::MAX,
            narrow: f32::MAX,
            wide: f64::MAX,
            bytes: (0..=255).collect(),
            yes: true,
            at: Timestamp::from_micros(4_102_444_799_999_999),
            uuid: uuid::Uuid::max(),
            ip: "255.255.255.255".parse().unwrap(),
        }
    }
}

/// Logs `payload` in and reads it back in another request: `Err` with the login's answer where it
/// was refused.
async fn round_trip<T: SessionData + PartialEq + std::fmt::Debug>(
    served: &Served,
    slot: &Slot<T>,
    payload: &T,
) -> Result<T, Answer> {
    *slot.lock().unwrap() = Some(payload.clone());
    let login = served.post("/login").send().await;
    if login.status != StatusCode::OK {
        assert!(login.set_cookies().is_empty(), "{login:?}");
        return Err(login);
    }
    let get = served.get("/payload").cookie(login.cookie()).send().await;
    get.expect(StatusCode::OK);
    Ok(slot.lock().unwrap().take().unwrap())
}

/// What goes into a login, and what comes out of an extractor.
type Slot<T> = Arc<Mutex<Option<T>>>;

async fn serve<T: SessionData>(backend: &Backend) -> (Served, Slot<T>)
where
    Session<T>: axum::extract::FromRequestParts<Slot<T>, Rejection = Rejection>,
{
    let sessions = SessionManager::<T>::builder(anchor_tests::Watched::new(backend.store().await))
        .keys(KeyRing::new([KEY]).unwrap())
        .build()
        .unwrap();
    let login = async |auth: Auth<T>, State(slot): State<Slot<T>>| {
        let payload = slot.lock().unwrap().take().unwrap();
        auth.login(payload).await?;
        Ok::<_, Error>(())
    };
    let read = async |session: Session<T>, State(slot): State<Slot<T>>| {
        *slot.lock().unwrap() = Some(session.data().clone());
    };
    let update = async |mut session: Session<T>, State(slot): State<Slot<T>>| {
        let payload = slot.lock().unwrap().take().unwrap();
        session.update(|data| data.clone_from(&payload)).await
    };
    let slot: Slot<T> = Arc::default();
    let router = Router::new()
        .route("/login", post(login))
        .route("/payload", get(read).post(update))
        .layer(sessions.layer())
        .with_state(Arc::clone(&slot));
    (Served::start(router).await, slot)
}

async fn texts_of_every_kind_come_back_or_the_login_says_that_they_cannot(backend: Backend) {
    let (served, slot) = serve::<Extreme>(&backend).await;
    let long = "\u{1F980}\u{e9}".repeat(64 * 1024 / 6);
    for text in [
        "",
        " ",
        " trailing ",
        "NULL",
        "'; DROP TABLE extreme_sessions; --",
        "\\'\"`%_",
        "\r\n\t\u{1b}\u{7f}",
        "Grüße, 世界, \u{1F980}, e\u{301}, \u{202e}",
        "\u{fffd}\u{feff}\u{10ffff}",
        &"x".repeat(64 * 1024),
        &long,
    ] {
        let mut payload = Extreme::with_text(text);
        payload.note = Some(text.into());
        payload.list = vec![text.into(), String::new()];
        payload.bytes = text.into();
        let back = round_trip(&served, &slot, &payload).await.expect("it can be stored");
        assert_eq!(back, payload);
    }
    // PostgreSQL has no text with a NUL: then it says so, and which column it was, to the log
    // alone.
    for text in ["\0", "a\0b", "nul at the end\0"] {
        let payload = Extreme::with_text(text);
        match round_trip(&served, &slot, &payload).await {
            Ok(back) => assert_eq!(back, payload),
            Err(login) => {
                let login = login.expect(StatusCode::INTERNAL_SERVER_ERROR);
                assert_eq!(login.text(), "{\"error\":\"store_encode\"}");
                assert!(matches!(backend, Backend::Postgres(_)), "the others can");
            }
        }
    }
}

async fn extreme_numbers_and_microseconds_come_back(backend: Backend) {
    let (served, slot) = serve::<Extreme>(&backend).await;
    for payload in [Extreme::least(), Extreme::most()] {
        match round_trip(&served, &slot, &payload).await {
            Ok(back) => assert_eq!(back, payload),
            // JSONB cannot hold the NUL of the list.
            Err(login) => {
                login.expect(StatusCode::INTERNAL_SERVER_ERROR);
                assert!(matches!(backend, Backend::Postgres(_)));
                let payload = Extreme { list: Vec::new(), ..payload };
                assert_eq!(round_trip(&served, &slot, &payload).await.unwrap(), payload);
            }
        }
    }
    let floats = [f64::MIN_POSITIVE, 0.1, -0.1, f64::EPSILON, 1e-300, 1.0 / 3.0];
    for double in floats {
        let payload = Extreme { wide: double, narrow: double as f32, ..Extreme::least() };
        let back = round_trip(&served, &slot, &payload).await.expect("it can be stored");
        assert_eq!(back.wide.to_bits(), double.to_bits());
        assert_eq!(back.narrow.to_bits(), (double as f32).to_bits());
    }
    // NaN, infinities, a negative zero: as they were, or refused; never another number.
    for double in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let payload = Extreme { wide: double, ..Extreme::least() };
        match round_trip(&served, &slot, &payload).await {
            Ok(back) => assert_eq!(back.wide.to_bits(), double.to_bits()),
            Err(login) => {
                let login = login.expect(StatusCode::INTERNAL_SERVER_ERROR);
                assert_eq!(login.text(), "{\"error\":\"store_encode\"}", "{double}");
            }
        }
    }
    for micros in [1, -1, 1_700_000_000_123_456, -62_000_000_000_000_001, i64::MAX, i64::MIN] {
        let payload = Extreme { at: Timestamp::from_micros(micros), ..Extreme::least() };
        match round_trip(&served, &slot, &payload).await {
            Ok(back) => assert_eq!(back.at, payload.at, "to the microsecond"),
            Err(login) => {
                let login = login.expect(StatusCode::INTERNAL_SERVER_ERROR);
                assert_eq!(login.text(), "{\"error\":\"store_encode\"}", "{micros}");
                assert!(
                    micros.unsigned_abs() > 60_000_000_000_000_000,
                    "{micros} is an ordinary time"
                );
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "skipping_sessions", cookie = "__Host-skipping", idle = "1h", absolute = "1d")]
struct Skipping {
    kept: i32,
    #[session(skip)]
    skipped: i32,
}

async fn a_skipped_field_is_its_default_after_the_store(backend: Backend) {
    let (served, slot) = serve::<Skipping>(&backend).await;
    let back = round_trip(&served, &slot, &Skipping { kept: 1, skipped: 2 }).await.unwrap();
    assert_eq!(back.kept, 1);
    // The memory store keeps the value itself, as it says.
    let expected = if matches!(backend, Backend::Memory) { 2 } else { 0 };
    assert_eq!(back.skipped, expected);
}

/// What serde writes and does not always read.
#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "one_way_sessions", cookie = "__Host-one-way", idle = "1h", absolute = "1d")]
struct OneWay {
    name: String,
    #[session(json)]
    tree: serde_json::Value,
    #[session(json)]
    ratios: Vec<f64>,
    #[session(json)]
    lucky: Lucky,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lucky {
    #[serde(skip_serializing_if = "is_seven")]
    number: u8,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_seven(number: &u8) -> bool {
    *number == 7
}

impl OneWay {
    fn fine() -> Self {
        Self {
            name: "ferris".into(),
            tree: nested(20),
            ratios: vec![0.5],
            lucky: Lucky { number: 1 },
        }
    }
}

fn nested(depth: usize) -> serde_json::Value {
    (0..depth).fold(serde_json::Value::Null, |inside, _| serde_json::Value::Array(vec![inside]))
}

/// PostgreSQL gives `f64::MAX` back with 309 digits, and not every reader of JSON is exact.
async fn numbers_in_json_come_back_bit_for_bit(backend: Backend) {
    let (served, slot) = serve::<OneWay>(&backend).await;
    let mut ratios = vec![f64::MAX, f64::MIN, f64::MIN_POSITIVE, 9.355e-306, 0.1 + 0.2, 1e23];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    ratios.extend((0..2_000).map(|_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 11) as f64 / 1e12
    }));
    let tree = serde_json::json!({ "limit": f64::MAX, "most": u64::MAX, "least": i64::MIN });
    let payload = OneWay { tree, ratios, ..OneWay::fine() };
    assert_eq!(round_trip(&served, &slot, &payload).await.unwrap(), payload);
}

async fn json_that_would_not_be_read_is_refused_when_it_is_written(backend: Backend) {
    let (served, slot) = serve::<OneWay>(&backend).await;
    let fine = OneWay::fine();
    assert_eq!(round_trip(&served, &slot, &fine).await.unwrap(), fine);
    for payload in [
        OneWay { tree: nested(128), ..OneWay::fine() },
        OneWay { tree: nested(2_000), ..OneWay::fine() },
        OneWay { ratios: vec![f64::NAN], ..OneWay::fine() },
        OneWay { ratios: vec![f64::INFINITY], ..OneWay::fine() },
        OneWay { lucky: Lucky { number: 7 }, ..OneWay::fine() },
    ] {
        *slot.lock().unwrap() = Some(fine.clone());
        let login = served.post("/login").send().await.expect(StatusCode::OK);
        let cookie = login.cookie();
        *slot.lock().unwrap() = Some(payload.clone());
        let update = served.post("/payload").cookie(&cookie).send().await;
        let login = round_trip(&served, &slot, &payload).await;
        if matches!(backend, Backend::Memory) {
            // It keeps the value itself, and writes no JSON.
            assert!(login.is_ok() && update.status == StatusCode::OK);
            continue;
        }
        for refused in [login.unwrap_err(), update] {
            let refused = refused.expect(StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(refused.text(), "{\"error\":\"store_encode\"}");
        }
        // Nothing was written: the session is as it was.
        served.get("/payload").cookie(&cookie).send().await.expect(StatusCode::OK);
        assert_eq!(slot.lock().unwrap().take().unwrap(), fine);
    }
    // What is deep, and yet can be read, comes back; or the database refuses it at once.
    for depth in [31, 32, 33, 99, 100, 101, 127] {
        let deep = OneWay { tree: nested(depth), ..OneWay::fine() };
        match round_trip(&served, &slot, &deep).await {
            Ok(back) => assert_eq!(back, deep),
            Err(login) => {
                assert!(matches!(backend, Backend::MySql(_)), "{depth}: {login:?}");
                // MariaDB checks JSON with a constraint. MySQL has a type for it.
                let is_value = login.text() == "{\"error\":\"store_encode\"}";
                login.expect(match is_value {
                    true => StatusCode::INTERNAL_SERVER_ERROR,
                    false => StatusCode::CONFLICT,
                });
            }
        }
    }
}
