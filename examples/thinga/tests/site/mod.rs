//! The application on a port of this machine, and visitors without a browser.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anchor::KeyRing;
use anchor_tests::databases;
use anchor_tests::servers::{POSTGRES, REDIS};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use sqlx::{PgPool, SqlitePool};
use thinga::Thinga;
use thinga::config::Config;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A password that is long enough.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Where users, votes and sessions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
    /// The sessions alone. The rest is on SQLite.
    Redis,
}

/// Redis has 16 databases. In one of them, a test would end the links of an address that another
/// one has registered as well.
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// The running application. It ends with this value.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) config: Config,
    folder: Arc<tempfile::TempDir>,
    thinga: Arc<Thinga>,
    server: JoinHandle<()>,
}

impl Site {
    /// Starts it with an empty database; `None`, said on standard error, without the server.
    pub(crate) async fn start(backend: Backend) -> Option<Self> {
        Self::start_with(backend, |_| {}).await
    }

    /// Starts it with other settings.
    pub(crate) async fn start_with(
        backend: Backend,
        set: impl FnOnce(&mut Config),
    ) -> Option<Self> {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let database_url = match backend {
            Backend::Postgres => {
                let database = databases::postgres_database().await?;
                let (server, _) = POSTGRES.url()?.rsplit_once('/').unwrap();
                format!("{server}/{database}")
            }
            _ => format!("sqlite:{}", folder.path().join("thinga.db").display()),
        };
        let redis_url = match backend {
            Backend::Redis => {
                let database = DATABASES.fetch_add(1, Ordering::Relaxed) % 16;
                Some(format!("{}/{database}", REDIS.url()?.trim_end_matches('/')))
            }
            _ => None,
        };
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            database_url,
            redis_url,
            keys: KeyRing::generate().unwrap(),
            smtp_url: None,
            outbox: folder.path().join("outbox").display().to_string(),
            mail_from: "Thinga <thinga@example.com>".into(),
            admin_email: Some("admin@example.com".into()),
            front_end: None,
            client_ip_header: None,
        };
        set(&mut config);
        Some(Self::serve(config, folder).await)
    }

    async fn serve(mut config: Config, folder: Arc<tempfile::TempDir>) -> Self {
        let listener = TcpListener::bind(config.listen).await.unwrap();
        config.listen = listener.local_addr().unwrap();
        let thinga = Arc::new(Thinga::start(config.clone()).await.unwrap());
        let router = thinga.router().into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url: format!("http://{}", config.listen), config, folder, thinga, server }
    }

    /// Starts another node on the same database, or the next release.
    pub(crate) async fn another(&self) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::serve(Config { listen, ..self.config.clone() }, Arc::clone(&self.folder)).await
    }

    /// Stops it, as a deployment does.
    pub(crate) async fn stop(self) {
        self.thinga.shutdown().await;
    }

    pub(crate) fn policies(&self) -> &str {
        self.thinga.policies()
    }

    pub(crate) fn visitor(&self) -> Visitor {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Visitor { url: self.url.clone(), client, cookies: BTreeMap::new(), agent: String::new() }
    }

    /// Returns the e-mails that were sent to this address, oldest first.
    pub(crate) fn mails(&self, to: &str) -> Vec<String> {
        let outbox = std::fs::read_dir(&self.config.outbox).unwrap();
        let mut files: Vec<PathBuf> = outbox.map(|file| file.unwrap().path()).collect();
        files.sort_by_key(|file| file.metadata().unwrap().modified().unwrap());
        // Long lines, such as those of links, are broken by a `=`: RFC 2045 6.7.
        let whole = |mail: String| mail.replace("=\r\n", "").replace("=3D", "=");
        let mails = files.iter().map(|file| whole(std::fs::read_to_string(file).unwrap()));
        mails.filter(|mail| mail.contains(&format!("To: {to}\r\n"))).collect()
    }

    /// Returns the path of the link in the newest e-mail to this address.
    pub(crate) fn link(&self, to: &str) -> String {
        let mails = self.mails(to);
        let mail = mails.last().expect("an e-mail");
        let (_, link) = mail.split_once("/confirm/").expect("a link");
        format!("/confirm/{}", link.split_whitespace().next().unwrap())
    }

    /// Registers a user, who is then logged in.
    pub(crate) async fn user(&self, name: &str) -> Visitor {
        let mut visitor = self.visitor();
        self.register(&mut visitor, name).await;
        visitor
    }

    /// Makes a visitor a user, who is then logged in.
    pub(crate) async fn register(&self, visitor: &mut Visitor, name: &str) {
        let email = format!("{}@example.com", name.to_lowercase());
        let form = [("name", name), ("email", &email), ("password", PASSWORD)];
        assert_eq!(visitor.post("/register", &form).await.status(), StatusCode::OK);
        let link = self.link(&email);
        let confirmed = visitor.post(&link, &[("password", PASSWORD)]).await;
        assert_eq!(confirmed.status(), StatusCode::SEE_OTHER);
        assert_eq!(confirmed.headers()["location"], "/profile");
    }

    /// Logs another browser in.
    pub(crate) async fn login(&self, name: &str) -> Visitor {
        let mut visitor = self.visitor();
        let response = visitor.login(name, PASSWORD).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        visitor
    }

    /// Runs a statement on the application's database.
    pub(crate) async fn run(&self, sql: &'static str) {
        let url = &self.config.database_url;
        if url.starts_with("sqlite:") {
            let pool = SqlitePool::connect(url).await.unwrap();
            sqlx::query(sql).execute(&pool).await.unwrap();
        } else {
            let pool = PgPool::connect(url).await.unwrap();
            sqlx::query(sql).execute(&pool).await.unwrap();
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A browser of few words: it keeps cookies, and follows no redirect.
#[derive(Clone)]
pub(crate) struct Visitor {
    url: String,
    client: Client,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) agent: String,
}

impl Visitor {
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Response {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header("accept", "text/html")
            .header("user-agent", &self.agent)
            .header("cookie", cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.unwrap();
        for set in response.headers().get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        response
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.send(Method::GET, path, &[], String::new()).await
    }

    /// Returns the text of a page that is there.
    pub(crate) async fn page(&mut self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.send(Method::POST, path, &[kind], encoded(form)).await
    }

    pub(crate) async fn login(&mut self, name: &str, password: &str) -> Response {
        let email = format!("{}@example.com", name.to_lowercase());
        self.post("/login", &[("email", &email), ("password", password)]).await
    }

    /// Returns whether the profile is this visitor's.
    pub(crate) async fn is_logged_in(&mut self) -> bool {
        self.get("/profile").await.status() == StatusCode::OK
    }

    /// Opens the page with a pair, and returns its two things.
    pub(crate) async fn pair(&mut self) -> (String, String) {
        let page = self.page("/vote").await;
        let value = |name: &str| {
            let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        (value("one"), value("other"))
    }

    pub(crate) async fn vote(&mut self, one: &str, other: &str, winner: &str) -> Response {
        self.post("/vote", &[("one", one), ("other", other), ("winner", winner)]).await
    }

    /// Returns how many votes this visitor has given, as the page says.
    pub(crate) async fn votes(&mut self) -> u64 {
        let page = self.page("/vote").await;
        let (_, rest) = page.rsplit_once("You have voted on ").unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    }
}

/// Returns a form as its browser sends it.
fn encoded(form: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let fields: Vec<_> =
        form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    fields.join("&")
}
