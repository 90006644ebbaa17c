//! No secret, token, hash or key in any log line at any level, `Debug`, `Display`, error or body.
//!
//! A binary of its own, whose subscriber keeps everything that anyone logs, sqlx included. The
//! tests drive logins, reads, logouts and failures, log the `Debug` of all that they meet on the
//! way, and then look through the whole.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use anchor::frontend::{Bearer, CustomHeader, Frontend, SessionCookie};
use anchor::prelude::*;
use anchor::store::{Change, EndReason, Load, NewSession, OldSecret, Rotation};
use anchor::token::{LastingHash, SecretHash};
use anchor::{Error, Rejection, SessionId};
use anchor_tests::http::Served;
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use tower::Layer;

const KEY: [u8; 32] = *b"a key of 32 bytes, newest first.";
const OLD_KEY: [u8; 32] = *b"the key before, which is known!!";

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn keep_everything() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| Sink)
            .init();
    });
}

/// Puts a value's `Debug`, both forms, among the lines that are looked through.
fn show(value: impl Debug) {
    tracing::info!("{value:?} {value:#?}");
}

/// And an error's, with its causes.
fn show_error(error: &(dyn StdError + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        tracing::info!("{error} {error:?} {error:#?}");
        next = error.source();
    }
}

#[derive(Clone, SessionData)]
#[session(table = "secret_sessions", idle = "2h", absolute = "14d")]
struct UserSession {
    #[session(subject)]
    name: String,
    visits: i64,
}

#[derive(Clone, Copy, Debug)]
enum Wish {
    Welcome,
    Refused,
}

async fn login(auth: Auth<UserSession>, wish: Wish) -> Result<String, Error> {
    show(&auth);
    let visits = match wish {
        Wish::Welcome => 0,
        Wish::Refused => 1_000_000,
    };
    let login = auth.login(UserSession { name: "ferris".into(), visits });
    show(&login);
    let login = login.await.inspect_err(|error| show_error(error))?;
    show(&login);
    show(login.token());
    show(login.record());
    Ok(login.into_session().id().to_string())
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>, auth: Auth<UserSession>) -> String {
    show((&session, &auth));
    show(session.record());
    session.name.clone()
}

async fn visit(mut session: Session<UserSession>) -> Result<(), Error> {
    session.update(|user| user.visits += 1).await.inspect_err(|error| show_error(error))
}

async fn refused(session: Result<Session<UserSession>, Rejection>) -> Response {
    show(&session);
    session.inspect_err(|rejection| show_error(rejection)).map(|_| ()).into_response()
}

#[logout(UserSession)]
async fn logout() {}

/// Shows the request as a tracing layer within the session layer would.
async fn show_request(request: Request, next: Next) -> Response {
    show(&request);
    next.run(request).await
}

/// Shows the response as a tracing layer would.
async fn show_response(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    show(&response);
    response
}

/// What must not be found: name and bytes.
type Secrets = Vec<(String, Vec<u8>)>;

/// Every way in which `bytes` may be written.
fn forms_of(name: &str, bytes: &[u8]) -> Secrets {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let forms = [
        ("raw", bytes.to_vec()),
        ("hex", hex.to_uppercase().into_bytes()),
        ("hex", hex.into_bytes()),
        ("base64", Base64::encode_string(bytes).into_bytes()),
        ("base64", Base64Unpadded::encode_string(bytes).into_bytes()),
        ("base64url", Base64Url::encode_string(bytes).into_bytes()),
        ("base64url", Base64UrlUnpadded::encode_string(bytes).into_bytes()),
        ("a list", list.join(", ").into_bytes()),
        ("a column", list.join(",\n").into_bytes()),
        ("escapes", bytes.escape_ascii().to_string().into_bytes()),
    ];
    // A part is as bad as the whole.
    forms
        .into_iter()
        .map(|(form, text)| (format!("{name} as {form}"), text[..text.len() / 2].to_vec()))
        .collect()
}

fn secrets_of(cookie: &str) -> Secrets {
    let token = cookie.split_once('=').unwrap().1;
    let bytes = Base64UrlUnpadded::decode_vec(token).unwrap();
    let secret = &bytes[18..50];
    let mut secrets = vec![("the token".to_owned(), token.as_bytes()[28..].to_vec())];
    secrets.extend(forms_of("the secret", secret));
    secrets.extend(forms_of("the secret's hash", &Sha256::digest(secret)));
    secrets.extend(forms_of("the MAC", &bytes[50..]));
    secrets
}

fn routes() -> Router {
    Router::new()
        .route("/login", post(async |auth: Auth<UserSession>| login(auth, Wish::Welcome).await))
        .route(
            "/refused-login",
            post(async |auth: Auth<UserSession>| login(auth, Wish::Refused).await),
        )
        .route("/me", get(me))
        .route("/visit", post(visit))
        .route("/refused", get(refused))
        .route("/logout", post(logout))
        .layer(middleware::from_fn(show_request))
}

/// What the answers contained.
#[derive(Default)]
struct Noted {
    cookies: Vec<String>,
    bodies: Vec<u8>,
}

impl Noted {
    /// Notes an answer, and returns the latest cookie.
    fn note(&mut self, answer: anchor_tests::http::Answer) -> String {
        self.bodies.extend_from_slice(&answer.body);
        for cookie in answer.set_cookies() {
            let cookie = cookie.split(';').next().unwrap();
            if !cookie.ends_with('=') {
                self.cookies.push(cookie.to_owned());
            }
        }
        self.cookies.last().cloned().unwrap()
    }
}

/// Presents tokens that are refused for every reason.
async fn be_refused(served: &Served, cookie: &str, other: &str, noted: &mut Noted) {
    let genuine = cookie.split_once('=').unwrap().1.to_owned();
    for forged in [
        format!("{cookie}x"),
        // The last character has bits to spare, and never these.
        format!("{}B", &cookie[..cookie.len() - 1]),
        format!("{cookie}; {other}"),
        format!("__Host-id={}", genuine.to_lowercase()),
        format!("{cookie}; x={}", "x".repeat(40_000)),
    ] {
        for path in ["/me", "/refused"] {
            let answer = served.get(path).cookie(&forged).send().await;
            noted.note(answer.expect(StatusCode::UNAUTHORIZED));
        }
    }
}

/// Meets every failure of the store.
async fn meet_failures(
    served: &Served,
    store: &Watched<UserSession>,
    cookie: &str,
    noted: &mut Noted,
) {
    for verb in [Verb::Create, Verb::Load, Verb::Update, Verb::Touch, Verb::Revoke] {
        store.fail(verb, true);
        for call in [
            served.get("/me"),
            served.get("/refused"),
            served.post("/visit"),
            served.post("/login"),
            served.post("/logout"),
        ] {
            noted.note(call.cookie(cookie).send().await);
        }
        store.fail(verb, false);
    }
}

/// Walks every path of the library over one store, and returns what must not have shown.
async fn walk(backend: &Backend) -> Secrets {
    keep_everything();
    let store = Watched::new(backend.store::<UserSession>().await);
    if !matches!(backend, Backend::Sqlite(_)) {
        let few = "ALTER TABLE secret_sessions ADD CONSTRAINT few CHECK (visits < 1000)";
        backend.execute(few).await;
    }
    let builder = SessionManager::<UserSession>::builder(store.clone())
        .keys(KeyRing::new([KEY, OLD_KEY]).unwrap())
        .touch_interval(Duration::ZERO);
    show(&builder);
    let sessions = builder.build().unwrap();
    let before = SessionManager::<UserSession>::builder(store.clone())
        .keys(KeyRing::new([OLD_KEY]).unwrap())
        .build()
        .unwrap();
    show((&sessions, sessions.layer(), sessions.layer().layer(Router::<()>::new())));
    let served =
        Served::start(routes().layer(sessions.layer()).layer(middleware::from_fn(show_response)))
            .await;
    let served_before =
        Served::start(routes().layer(before.layer()).layer(middleware::from_fn(show_response)))
            .await;

    let mut noted = Noted::default();
    let mut note = |answer| noted.note(answer);
    // A good life, with a key that is replaced on the way.
    let cookie = note(served_before.post("/login").send().await.expect(StatusCode::OK));
    let cookie = note(served.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK));
    note(served.post("/visit").cookie(&cookie).send().await.expect(StatusCode::OK));
    let cookie = note(served.post("/login").cookie(&cookie).send().await.expect(StatusCode::OK));
    let other = note(served.post("/login").send().await.expect(StatusCode::OK));

    be_refused(&served, &cookie, &other, &mut noted).await;
    // And one failure of the database's own.
    meet_failures(&served, &store, &cookie, &mut noted).await;
    let mut note = |answer| noted.note(answer);
    let cookie = note(served.post("/login").send().await.expect(StatusCode::OK));
    // Refused by the databases that do not take its payload; the others end the former session.
    note(served.post("/refused-login").cookie(&cookie).send().await);
    let cookie = note(served.post("/login").send().await.expect(StatusCode::OK));
    show_store(&store, &cookie).await;

    // A token that is replayed after its end.
    let cookie = note(served.post("/login").send().await.expect(StatusCode::OK));
    note(served.post("/logout").cookie(&cookie).send().await.expect(StatusCode::OK));
    note(served.get("/refused").cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED));

    // And a store that is gone: the driver's own error.
    let cookie = note(served.post("/login").send().await.expect(StatusCode::OK));
    if backend.execute("DROP TABLE secret_sessions").await.is_some() {
        for call in [
            served.get("/me"),
            served.get("/refused"),
            served.post("/login"),
            served.post("/logout"),
        ] {
            note(call.cookie(&cookie).send().await.expect(StatusCode::SERVICE_UNAVAILABLE));
        }
    }
    show_configuration();
    show_frontends(&cookie);

    LOG.lock().unwrap().extend_from_slice(&noted.bodies);
    let mut secrets: Secrets = noted.cookies.iter().flat_map(|cookie| secrets_of(cookie)).collect();
    secrets.extend(forms_of("the key", &KEY));
    secrets.extend(forms_of("the old key", &OLD_KEY));
    assert!(secrets.len() > 100);
    secrets
}

/// What goes into a store and comes out of it.
async fn show_store(store: &Watched<UserSession>, cookie: &str) {
    let bytes = Base64UrlUnpadded::decode_vec(cookie.split_once('=').unwrap().1).unwrap();
    let secret = SecretHash::from_bytes(Sha256::digest(&bytes[18..50]).into());
    let lasting = LastingHash::from_bytes(Sha256::digest(&bytes[18..34]).into());
    let id = SessionId::from_uuid(uuid::Uuid::from_slice(&bytes[2..18]).unwrap());
    let data = Arc::new(UserSession { name: "ferris".into(), visits: 1 });
    // An id that is taken, which a database may answer by quoting the row.
    let new = NewSession::new(id, lasting, secret, Arc::clone(&data));
    show_debug_of_new(&new);
    show_error(&store.inner().create(new).await.unwrap_err());
    let Load::Live(loaded) = store.inner().load(id).await.unwrap() else { panic!("it lives") };
    show((&loaded.record, loaded.secrets, id, loaded.now));
    let rotation = Rotation {
        id,
        from: secret,
        to: secret,
        grace: Duration::from_secs(1),
        old: OldSecret::Exchanged,
        idle: Duration::from_secs(3600),
    };
    show(&rotation);
    show(store.inner().rotate(rotation).await.unwrap());
    let idle = Duration::from_secs(3600);
    let change = Change { id, secret, version: 1, from: Arc::clone(&data), to: data, idle };
    show((change.id, change.version));
    show(store.inner().revoke(id, Some(lasting), EndReason::Revoked).await);
}

fn show_debug_of_new(new: &NewSession<UserSession>) {
    show((new.id, new.secret, new.idle, new.absolute, new.replaces));
}

/// Key rings, and the errors of broken ones.
fn show_configuration() {
    show(KeyRing::new([KEY, OLD_KEY]).unwrap());
    for broken in [
        KeyRing::new([&KEY[..31]]),
        KeyRing::new([KEY, KEY]),
        KeyRing::parse(&format!("{}!", Base64::encode_string(&KEY))),
        KeyRing::parse(&Base64::encode_string(&KEY[..20])),
    ] {
        show_error(&broken.unwrap_err());
    }
}

/// What the frontends find in a request and write into a response.
fn show_frontends(cookie: &str) {
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
    let token = cookie.split_once('=').unwrap().1;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(header::AUTHORIZATION, bearer);
    let own = header::HeaderName::from_static("x-own");
    headers.insert(own.clone(), HeaderValue::from_str(token).unwrap());
    show(SessionCookie::default().presented(&headers));
    show(Bearer.presented(&headers));
    show(CustomHeader::new(own.clone()).presented(&headers));
    show((SessionCookie::default(), Bearer, CustomHeader::new(own)));
}

/// Looks for each secret in everything that was logged, shown and answered.
fn assert_nothing_shows(secrets: &Secrets) {
    let log = LOG.lock().unwrap();
    for (name, secret) in secrets {
        let found = log.windows(secret.len()).position(|window| window == secret);
        if let Some(at) = found {
            let around = &log[at.saturating_sub(400)..(at + 200).min(log.len())];
            panic!("{name} shows:\n{}", String::from_utf8_lossy(around));
        }
    }
    // A hash that no test knows, as of a login that a constraint refused.
    let runs = log.split(|byte| !byte.is_ascii_hexdigit());
    let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
    assert!(longest.len() < 32, "a hash? {}", String::from_utf8_lossy(longest));
}

/// The log is really kept: with the library's own lines and, where there is one, the driver's.
fn assert_log_is_kept(of_the_driver: &str) {
    let log = LOG.lock().unwrap();
    let log = String::from_utf8_lossy(&log);
    for expected in
        ["session created", "sessions revoked", "SessionToken(..)", "SecretHash(..)", of_the_driver]
    {
        assert!(log.contains(expected), "{expected} was not kept");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shows_with_the_memory_store() {
    let secrets = walk(&Backend::Memory).await;
    assert_log_is_kept("`Faulty` lets `");
    assert_nothing_shows(&secrets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shows_with_sqlite() {
    let backend = Backend::sqlite().await.unwrap();
    let secrets = walk(&backend).await;
    assert_log_is_kept("INSERT INTO secret_sessions");
    assert_nothing_shows(&secrets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shows_with_postgres() {
    let Some(backend) = Backend::postgres().await else { return };
    let secrets = walk(&backend).await;
    assert_log_is_kept("INSERT INTO secret_sessions");
    assert_nothing_shows(&secrets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shows_with_mysql() {
    let Some(backend) = Backend::mysql().await else { return };
    let secrets = walk(&backend).await;
    assert_nothing_shows(&secrets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shows_with_redis() {
    let Some(backend) = Backend::redis().await else { return };
    let Backend::Redis(server) = &backend else { unreachable!("it is on Redis") };
    let mut secrets = walk(&backend).await;
    show(server.store::<UserSession>().await);
    show(anchor::store::RedisConnection::from(server.connection().await));

    // Passwords: in a URL that is none, of a server that is not there, and of one that wants none.
    let password = "a-password-of-redis";
    let address = server.url.trim_start_matches("redis://");
    for url in [
        format!("radish://user:{password}@{address}"),
        format!("redis://user:{password}@127.0.0.1:1"),
        format!("redis://user:{password}@{address}"),
    ] {
        let refused = anchor::RedisStore::<UserSession>::connect(&url).await;
        show_error(&refused.expect_err("no store"));
        let refused = anchor::RedisStore::<UserSession>::connect_cluster([url]).await;
        show_error(&refused.expect_err("no store"));
    }
    secrets.extend(forms_of("the password", password.as_bytes()));

    // Somebody else's value under a session's key: the server's own error.
    let store = server.store::<UserSession>().await;
    let secret = SecretHash::from_bytes([7; 32]);
    let id = SessionId::from_uuid(uuid::Uuid::from_u128(7));
    server.set_wrong_type("secret_sessions", id).await;
    let data = Arc::new(UserSession { name: "ferris".into(), visits: 0 });
    let new = NewSession::new(id, LastingHash::from_bytes([8; 32]), secret, data);
    let refused = anchor::store::SessionStore::create(&store, new).await.unwrap_err();
    show_error(&refused);
    assert!(refused.to_string().contains("WRONGTYPE"), "{refused}");
    secrets.extend(forms_of("a hash", &[7; 32]));
    assert_log_is_kept("WRONGTYPE");
    assert_nothing_shows(&secrets);
}
