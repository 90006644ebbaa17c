//! A deleted user is logged out everywhere, in the same transaction.

use anchor::KeyRing;
use anchor::frontend::SessionCookie;
use reqwest::{Client, Method, StatusCode};
use sqlx::PgPool;

struct Site {
    url: String,
    client: Client,
}

impl Site {
    async fn start(pool: PgPool) -> Self {
        postgres_example::migrate(&pool).await.unwrap();
        let keys = KeyRing::generate().unwrap();
        let sessions =
            postgres_example::sessions(pool.clone(), keys, SessionCookie::default()).unwrap();
        let app = postgres_example::app(pool, sessions);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, client: Client::new() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        cookie: &str,
        form: &'static str,
    ) -> (StatusCode, String, String) {
        let response = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
        let set = response.headers().get("set-cookie").map_or("", |value| value.to_str().unwrap());
        let set = set.split(';').next().unwrap().to_owned();
        (response.status(), set, response.text().await.unwrap())
    }

    async fn login(&self) -> String {
        let (status, cookie, _) =
            self.send(Method::POST, "/login", "", "email=a@example.com&password=secret").await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        cookie
    }
}

#[tokio::test]
async fn a_deleted_user_is_logged_out_everywhere() {
    let Some(pool) = anchor_tests::databases::postgres().await else { return };
    let site = Site::start(pool.clone()).await;
    let account = "email=a@example.com&password=secret";
    assert_eq!(site.send(Method::POST, "/register", "", account).await.0, StatusCode::CREATED);
    assert_eq!(site.send(Method::POST, "/register", "", account).await.0, StatusCode::CONFLICT);

    let (desk, phone) = (site.login().await, site.login().await);
    assert_eq!(
        site.send(Method::POST, "/theme", &phone, "theme=dark").await.0,
        StatusCode::NO_CONTENT
    );
    let (_, _, me) = site.send(Method::GET, "/me", &phone, "").await;
    assert!(me.contains(r#""role":"member","theme":"dark""#), "{me}");
    assert_eq!(site.send(Method::GET, "/users", &phone, "").await.0, StatusCode::FORBIDDEN);
    let (_, _, sessions) = site.send(Method::GET, "/sessions", &desk, "").await;
    assert_eq!(sessions.matches('-').count(), 8, "two ids: {sessions}");

    assert_eq!(site.send(Method::DELETE, "/account", &desk, "").await.0, StatusCode::NO_CONTENT);
    for cookie in [&desk, &phone] {
        assert_eq!(site.send(Method::GET, "/me", cookie, "").await.0, StatusCode::UNAUTHORIZED);
    }
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&pool).await.unwrap();
    assert_eq!(rows, 0);

    // Logging out of a session that is gone is not an error, and clears the cookie.
    let (status, cookie, _) = site.send(Method::POST, "/logout", &desk, "").await;
    assert_eq!((status, cookie.as_str()), (StatusCode::NO_CONTENT, "__Host-id="));
}
