//! From fastapi-anchor and fastapi-sessions.

use std::process::Command;
use std::time::{Duration, SystemTime};

use anchor_tests::servers;
use axum::http::{StatusCode, header};
use coming_from_example::fastapi_sessions::FastapiSessions;
use coming_from_example::itsdangerous::UrlSafeTimedSerializer;
use sqlx::PgPool;
use uuid::Uuid;

use crate::itsdangerous::dumps;
use crate::moves::{self, moves};
use crate::scene::{Old, Scene, set_cookie};

const SECRET: &str = "your-secret";
const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 3600);

fn sessions() -> FastapiSessions {
    FastapiSessions { signer: UrlSafeTimedSerializer::new(SECRET, "session", TWO_WEEKS) }
}

/// Its table and its cookies, without Python.
struct Rows {
    pool: PgPool,
}

impl Old for Rows {
    type Sessions = FastapiSessions;

    async fn start(pool: &PgPool) -> Option<Self> {
        let table = "CREATE TABLE anchor_sessions (id UUID NOT NULL, \
                     user_id VARCHAR(255) NOT NULL, \
                     expires_at TIMESTAMP WITH TIME ZONE NOT NULL, \
                     created_at TIMESTAMP WITH TIME ZONE NOT NULL, PRIMARY KEY (id))";
        sqlx::query(table).execute(pool).await.unwrap();
        Some(Self { pool: pool.clone() })
    }

    fn sessions(&self) -> FastapiSessions {
        sessions()
    }

    async fn log_in(&self) -> String {
        let id = Uuid::new_v4();
        let row = "INSERT INTO anchor_sessions VALUES ($1, '1', now() + interval '9 days', now())";
        sqlx::query(row).bind(id).execute(&self.pool).await.unwrap();
        let hex = id.simple().to_string();
        format!("session={}", dumps(SECRET, "session", SystemTime::now(), &hex))
    }

    async fn accepts(&self, cookie: &str) -> bool {
        let cookie = cookie.strip_prefix("session=").unwrap();
        let hex: String = sessions().signer.loads(cookie, SystemTime::now()).unwrap();
        let row = "SELECT EXISTS (SELECT FROM anchor_sessions WHERE id = $1)";
        let id = Uuid::try_parse(&hex).unwrap();
        sqlx::query_scalar(row).bind(id).fetch_one(&self.pool).await.unwrap()
    }

    async fn expire(&self, _: &str) {
        let expire = "UPDATE anchor_sessions SET expires_at = now()";
        let done = sqlx::query(expire).execute(&self.pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }
}

moves! {
    Rows:
    a_live_session_is_taken_over_once,
    parallel_requests_take_it_over_once,
    after_a_logout_the_old_cookie_logs_nobody_in,
    beside_a_session_the_old_one_is_used_up,
    an_expired_session_is_refused,
    a_forged_cookie_is_refused,
    a_logout_everywhere_ends_what_was_not_taken_over,
    a_takeover_proves_nothing,
    a_failure_of_the_database_loses_nothing,
}

/// Nothing extends a session of fastapi-anchor, and the takeover does not either.
#[tokio::test]
async fn the_new_session_ends_when_the_old_one_would_have_ended() {
    let Some(scene) = Scene::<Rows>::start().await else { return };
    scene.take_over(&scene.old.log_in().await).await;
    let left = "SELECT extract(epoch FROM deadline - now())::float8 / 86400 FROM user_sessions";
    let days: f64 = sqlx::query_scalar(left).fetch_one(&scene.pool).await.unwrap();
    assert!((8.9..=9.0).contains(&days), "{days}");
}

/// A cookie whose row is live, and which is older than `max_age`.
#[tokio::test]
async fn an_old_cookie_is_refused() {
    let Some(scene) = Scene::<Rows>::start().await else { return };
    let cookie = scene.old.log_in().await;
    let cookie = cookie.strip_prefix("session=").unwrap();
    let hex: String = sessions().signer.loads(cookie, SystemTime::now()).unwrap();
    let then = SystemTime::now() - TWO_WEEKS - Duration::from_secs(2);
    scene.assert_refused(&format!("session={}", dumps(SECRET, "session", then, &hex))).await;
}

/// The browser is sent back to where it was, and nowhere else.
#[tokio::test]
async fn the_redirect_stays_on_this_origin() {
    let Some(scene) = Scene::<Rows>::start().await else { return };
    let old = scene.old.log_in().await;
    let response = scene.get("//evil.example/me", &old).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], "/");
    assert!(set_cookie(&response, "__Host-id").is_some());
}

/// The application itself.
struct Fastapi {
    python: String,
    database: String,
    schema: String,
}

impl Fastapi {
    fn run(&self, argument: &str) -> String {
        let app = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/old/fastapi_app.py");
        let run = Command::new(&self.python)
            .args([app, &self.database, &self.schema, argument])
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap().trim().to_owned()
    }
}

impl Old for Fastapi {
    type Sessions = FastapiSessions;

    async fn start(pool: &PgPool) -> Option<Self> {
        let python = servers::program(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/fastapi/bin/python"),
            "ANCHOR_TEST_FASTAPI",
            "in the folder of the workspace, run `python3 -m venv target/fastapi` and \
             `target/fastapi/bin/pip install 'fastapi-anchor[postgres]==0.1.1' httpx`",
        )?;
        let url = servers::POSTGRES.url()?;
        let (_, address) = url.split_once("://").unwrap();
        let schema = sqlx::query_scalar("SELECT current_schema()::text");
        let schema = schema.fetch_one(pool).await.unwrap();
        Some(Self { python, database: format!("postgresql+asyncpg://{address}"), schema })
    }

    fn sessions(&self) -> FastapiSessions {
        sessions()
    }

    async fn log_in(&self) -> String {
        self.run("login")
    }

    async fn accepts(&self, cookie: &str) -> bool {
        self.run(cookie) == "200"
    }

    async fn expire(&self, _: &str) {
        unreachable!("tested without Python")
    }
}

#[tokio::test]
async fn a_live_session_of_fastapi_is_taken_over_once() {
    moves::a_live_session_is_taken_over_once::<Fastapi>().await;
}

#[tokio::test]
async fn after_a_logout_the_cookie_of_fastapi_logs_nobody_in() {
    moves::after_a_logout_the_old_cookie_logs_nobody_in::<Fastapi>().await;
}
