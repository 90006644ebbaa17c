//! The new application beside an old one, on one database.

use anchor::KeyRing;
use anchor_tests::databases;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use coming_from_example::take_over::OldSessions;
use http_body_util::BodyExt;
use sqlx::PgPool;
use tower::ServiceExt;

/// What a browser sends with every request.
pub(crate) const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0";

/// The hash of `rustacean`, with parameters that a test can afford.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$fj7Ro+8dPznScLGC5SsnEw\
    $1qVBqWKwxedYVW0Nvys9ZCCQL/MrTS8hCBvJiWlEUmM";

/// An old application, and its stored sessions.
pub(crate) trait Old: Sized {
    /// What the new application takes over.
    type Sessions: OldSessions;

    /// Starts it on the database. Returns `None` if it needs a server that is not there.
    async fn start(pool: &PgPool) -> Option<Self>;

    fn sessions(&self) -> Self::Sessions;

    /// Logs in as the user, and returns the cookie: `name=value`.
    async fn log_in(&self) -> String;

    /// Returns whether it accepts the cookie.
    async fn accepts(&self, cookie: &str) -> bool;

    /// Lets the stored session expire.
    async fn expire(&self, cookie: &str);
}

pub(crate) struct Scene<O> {
    pub(crate) pool: PgPool,
    pub(crate) old: O,
    pub(crate) app: Router,
}

impl<O: Old> Scene<O> {
    /// Returns `None`, said on standard error, if there is no server.
    pub(crate) async fn start() -> Option<Self> {
        let pool = databases::postgres().await?;
        sqlx::migrate!().run(&pool).await.unwrap();
        let user = "INSERT INTO users (name, password_hash) VALUES ('ferris', $1)";
        sqlx::query(user).bind(HASH).execute(&pool).await.unwrap();
        let old = O::start(&pool).await?;
        let keys = KeyRing::generate().unwrap();
        let app = coming_from_example::app::app(pool.clone(), keys, old.sessions()).unwrap();
        Some(Self { pool, old, app })
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Response {
        send(&self.app, "GET", path, cookie, "").await
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str, form: &str) -> Response {
        send(&self.app, "POST", path, cookie, form).await
    }

    /// Takes over the session of the cookie, and returns the new cookie.
    pub(crate) async fn take_over(&self, cookie: &str) -> String {
        let response = self.get("/me", cookie).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        set_cookie(&response, "__Host-id").expect("a new cookie")
    }

    /// Asserts that nobody is logged in with this cookie.
    pub(crate) async fn assert_refused(&self, cookie: &str) {
        let response = self.get("/me", cookie).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{cookie}");
        assert_eq!(set_cookie(&response, "__Host-id"), None);
        assert_removed::<O>(&response);
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }
}

/// Sends a request of a browser.
pub(crate) async fn send(
    app: &Router,
    method: &str,
    path: &str,
    cookie: &str,
    form: &str,
) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::COOKIE, cookie.as_bytes())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()));
    app.clone().oneshot(request.unwrap()).await.unwrap()
}

pub(crate) async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Returns the cookie of this name that the response sets, as `name=value`.
pub(crate) fn set_cookie(response: &Response, name: &str) -> Option<String> {
    let cookies = response.headers().get_all(header::SET_COOKIE).iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with(&format!("{name}=")))?;
    Some(cookie.split(';').next().unwrap().to_owned())
}

/// Asserts that the response removes the old cookie.
pub(crate) fn assert_removed<O: Old>(response: &Response) {
    let removal = format!("{}=; Path=/; Max-Age=0", <O::Sessions as OldSessions>::COOKIE);
    let cookies = response.headers().get_all(header::SET_COOKIE);
    assert!(cookies.iter().any(|cookie| cookie == removal.as_str()), "{response:?}");
}
