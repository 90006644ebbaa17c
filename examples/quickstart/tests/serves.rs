//! Tests the quickstart as its user runs it: the real binary, a real port, a restart.

use std::io::{BufRead, BufReader};
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

    for wrong in ["username=ferris&password=crab", "username=nobody&password=rustacean"] {
        let refused = site.post("/login", "", wrong).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(cookie(&refused), None);
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
    assert!(page.contains("Hello, ferris") && page.contains("this one"), "{page}");

    let logout = site.post("/logout", &cookie_value, "").await;
    assert_eq!(logout.status(), StatusCode::SEE_OTHER);
    assert!(cookie(&logout).unwrap().ends_with('='));
    assert_eq!(site.get("/me", &cookie_value).await.status(), StatusCode::UNAUTHORIZED);
}
