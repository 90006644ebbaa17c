//! Tests the quickstart as its user runs it: the real binary, a real port, a restart.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::{Client, Response, StatusCode, redirect};

struct Quickstart {
    process: Child,
    url: String,
    client: Client,
}

impl Quickstart {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_quickstart"))
            .current_dir(folder)
            .env_remove("DATABASE_URL")
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("Listening on ") {
            line.clear();
            assert_ne!(
                output.read_line(&mut line).unwrap(),
                0,
                "the quickstart ended before it listened"
            );
        }
        let (url, _) = line["Listening on ".len()..].split_once(": ").unwrap();
        // Read the rest to the end. Otherwise the log would fill the pipe.
        let url = url.to_owned();
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { process, url, client }
    }

    async fn get(&self, path: &str, cookie: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.url))
            .header("cookie", cookie)
            .send()
            .await
            .unwrap()
    }

    async fn post(&self, path: &str, cookie: &str, body: &'static str) -> Response {
        self.client
            .post(format!("{}{path}", self.url))
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .unwrap()
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn cookie(response: &Response) -> Option<String> {
    let value = response.headers().get("set-cookie")?.to_str().unwrap();
    Some(value.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn login_me_restart_logout() {
    let folder = tempfile::tempdir().unwrap();
    let site = Quickstart::start(folder.path());
    let page = site.get("/", "").await.text().await.unwrap();
    assert!(
        page.contains("<form method=post action=/login>") && page.contains("rustacean"),
        "{page}"
    );
    assert_eq!(site.get("/me", "").await.status(), StatusCode::UNAUTHORIZED);

    for (wrong, kept) in [
        ("username=ferris&password=crab", "value=\"ferris\""),
        ("username=no%22body&password=rustacean", "value=\"no&quot;body\""),
    ] {
        let refused = site.post("/login", "", wrong).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(cookie(&refused), None);
        let page = refused.text().await.unwrap();
        assert!(page.contains(kept) && !page.contains("value=\"crab"), "{page}");
    }
    let login = site.post("/login", "", "username=ferris&password=rustacean").await;
    assert_eq!(login.status(), StatusCode::SEE_OTHER);
    assert_eq!(login.headers()["location"], "/");
    let cookie_value = cookie(&login).unwrap();

    drop(site);
    let site = Quickstart::start(folder.path());
    let me: serde_json::Value =
        serde_json::from_str(&site.get("/me", &cookie_value).await.text().await.unwrap()).unwrap();
    assert_eq!(me["username"], "ferris");
    let page = site.get("/", &cookie_value).await.text().await.unwrap();
    assert!(page.contains("Hello, ferris") && page.contains("this device"), "{page}");

    let logout = site.post("/logout", &cookie_value, "").await;
    assert_eq!(logout.status(), StatusCode::SEE_OTHER);
    assert!(cookie(&logout).unwrap().ends_with('='));
    assert_eq!(site.get("/me", &cookie_value).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_account_page_shows_devices_by_name_and_ends_them() {
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) \
                          AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 \
                          Safari/604.1";
    let folder = tempfile::tempdir().unwrap();
    let site = Quickstart::start(folder.path());
    let log_in = async |agent: &str| {
        let login = site.client.post(format!("{}/login", site.url)).header("user-agent", agent);
        let login = login.header("content-type", "application/x-www-form-urlencoded");
        let login = login.body("username=ferris&password=rustacean").send().await.unwrap();
        cookie(&login).unwrap()
    };
    let page = async |cookie: &str| site.get("/", cookie).await.text().await.unwrap();
    // What the form of the page's first other device posts to.
    let end_of = |page: &str| {
        let (_, rest) = page.split_once("action=").expect("a form");
        rest.split_once('>').unwrap().0.to_owned()
    };
    let (laptop, phone) = (log_in(FIREFOX).await, log_in(IPHONE).await);
    let shown = page(&laptop).await;
    assert!(shown.contains("<td>Firefox on Linux</td>"), "{shown}");
    assert!(shown.contains("<td>Safari on iPhone</td>"), "{shown}");
    assert_eq!(shown.matches("this device").count(), 1, "{shown}");
    assert!(!shown.contains("<script"), "{shown}");

    let end = end_of(&shown);
    assert!(end.starts_with("/devices/") && end.ends_with("/end"), "{end}");
    assert_eq!(site.post(&end, "", "").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(site.post(&end, &laptop, "").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(site.get("/me", &phone).await.status(), StatusCode::UNAUTHORIZED);
    assert!(!page(&laptop).await.contains("iPhone"));

    let (phone, tablet) = (log_in(IPHONE).await, log_in("").await);
    assert!(page(&laptop).await.contains("<td>Unknown device</td>"));
    let others = site.post("/logout/others", &laptop, "").await;
    assert_eq!(others.status(), StatusCode::SEE_OTHER);
    for other in [&phone, &tablet] {
        assert_eq!(site.get("/me", other).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(site.get("/me", &laptop).await.status(), StatusCode::OK);

    let phone = log_in(IPHONE).await;
    let all = site.post("/logout/all", &laptop, "").await;
    assert!(cookie(&all).unwrap().ends_with('='));
    for device in [&laptop, &phone] {
        assert_eq!(site.get("/me", device).await.status(), StatusCode::UNAUTHORIZED);
    }
}

/// Shows a page in a frame of this width, and returns how wide it has become; `None`, said on
/// standard error, without Chromium.
fn width_shown_at(page: &str, width: u32) -> Option<u32> {
    let chromium = std::env::var("ANCHOR_TEST_CHROMIUM").unwrap_or_else(|_| "chromium".into());
    let folder = tempfile::tempdir().unwrap();
    let escaped = page.replace('&', "&amp;").replace('"', "&quot;");
    let file = folder.path().join("phone.html");
    let frame = format!(
        "<!doctype html><iframe width={width} height=740 frameborder=0 \
         srcdoc=\"{escaped}\"></iframe>\
         <script>onload = () => {{\
           document.title = frames[0].document.documentElement.scrollWidth + \" pixels\"\
         }}</script>"
    );
    std::fs::write(&file, frame).unwrap();
    let mut command = Command::new(&chromium);
    // Chromium's own sandbox does not work for root, as in a container.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    command.args(["--hide-scrollbars", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    let shown = command.arg(format!("file://{}", file.display())).output();
    let Ok(shown) = shown else {
        let skipped = format!(
            "the test of the phone's layout passes without testing anything: \
             `{chromium}` does not start; install it (`apt-get install chromium`), or set \
             ANCHOR_TEST_CHROMIUM"
        );
        let is_required = std::env::var("ANCHOR_TEST_REQUIRE_BROWSER").is_ok_and(|set| set == "1");
        assert!(!is_required, "{skipped}");
        // Past libtest's capture.
        let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {skipped} ***\n");
        return None;
    };
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let title = shown.split_once("<title>").and_then(|(_, rest)| rest.split_once(" pixels"));
    Some(title.expect(&shown).0.parse().unwrap())
}

#[tokio::test]
async fn the_page_is_as_wide_as_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let site = Quickstart::start(folder.path());
    let login = async || {
        let login = site.post("/login", "", "username=ferris&password=rustacean").await;
        cookie(&login).unwrap()
    };
    let phone = login().await;
    login().await;
    let account = site.get("/", &phone).await.text().await.unwrap();
    assert!(account.contains("this device") && account.contains(">End<"), "{account}");
    let login = site.get("/", "").await.text().await.unwrap();
    for page in [account.replace("ferris", &"ferris".repeat(12)), account, login] {
        // The widest one is where the columns do not break their lines.
        for width in [320, 360, 641] {
            let Some(shown) = width_shown_at(&page, width) else { return };
            assert_eq!(shown, width, "{page}");
        }
    }
}
