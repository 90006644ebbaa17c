//! From actix-session.

use std::net::{SocketAddr, TcpListener};

use anchor_tests::databases::{self, Redis};
use anchor_tests::http::Served;
use axum::http::{StatusCode, header};
use coming_from_example::actix_session::ActixSession;
use cookie::{Cookie, CookieJar, Key};
use redis::aio::ConnectionManager;
use sqlx::PgPool;

use crate::moves::moves;
use crate::old::actix_session;
use crate::scene::{Old, Scene};

struct App {
    address: SocketAddr,
    key: Key,
    redis: Redis,
    connection: ConnectionManager,
}

impl Old for App {
    type Sessions = ActixSession;

    async fn start(pool: &PgPool) -> Option<Self> {
        let redis = databases::redis().await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let key = Key::generate();
        let old_key = actix_web::cookie::Key::from(key.master());
        // A pool belongs to the runtime that it was made on.
        let options = (*pool.connect_options()).clone();
        let url = redis.url.clone();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let pool = PgPool::connect_lazy_with(options);
                actix_session::serve(listener, pool, &url, old_key).await.unwrap();
            });
        });
        let connection = redis.connection().await;
        Some(Self { address, key, redis, connection })
    }

    fn sessions(&self) -> ActixSession {
        ActixSession { key: self.key.clone(), redis: self.connection.clone() }
    }

    async fn log_in(&self) -> String {
        let served = Served::elsewhere(self.address);
        let login = served.post("/login").body("name=ferris&password=rustacean");
        let form = "application/x-www-form-urlencoded";
        let answer = login.header(header::CONTENT_TYPE, form).send().await;
        answer.expect(StatusCode::NO_CONTENT).cookie()
    }

    async fn accepts(&self, cookie: &str) -> bool {
        let served = Served::elsewhere(self.address);
        served.get("/me").cookie(cookie).send().await.status == StatusCode::OK
    }

    async fn expire(&self, cookie: &str) {
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::parse_encoded(cookie.to_owned()).unwrap());
        let id = jar.private(&self.key).get("id").unwrap().value().to_owned();
        let done: i64 = self.redis.run(&["EXPIRE", &id, "0"]).await;
        assert_eq!(done, 1);
    }
}

moves! {
    App:
    a_live_session_is_taken_over_once,
    parallel_requests_take_it_over_once,
    after_a_logout_the_old_cookie_logs_nobody_in,
    beside_a_session_the_old_one_is_used_up,
    an_expired_session_is_refused,
    a_forged_cookie_is_refused,
    a_logout_everywhere_ends_what_was_not_taken_over,
    a_takeover_proves_nothing,
}

/// Redis and PostgreSQL have no common transaction: the old session is used up first.
#[tokio::test]
async fn after_a_failure_the_user_logs_in_again() {
    let Some(scene) = Scene::<App>::start().await else { return };
    let old = scene.old.log_in().await;
    scene.execute("ALTER TABLE user_sessions RENAME TO elsewhere").await;
    assert_eq!(scene.get("/me", &old).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    scene.execute("ALTER TABLE elsewhere RENAME TO user_sessions").await;
    scene.assert_refused(&old).await;
}
