//! Pages of other origins: a stranger's, and the application's own front end.

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::chromium::Look;
use crate::site::{Backend, Site};
use crate::{begin, browser};

/// A program that ends with the test, also if that fails.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves a page on a port of its own, and returns the port.
async fn serve(page: String) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/", get(async move || Html(page)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

#[tokio::test]
async fn a_form_of_another_origin_changes_nothing() {
    let browser = browser!(Look::Desktop);
    let site = Site::start(Backend::Sqlite).await.unwrap();
    let mut ann = begin(&browser, &site, "Ann").await;
    for action in ["/profile/name", "/logout", "/vote"] {
        let page = format!(
            "<!doctype html><form method=post action=\"{}{action}\"><input name=name value=Evil>\
             <button>Win a prize</button></form>",
            site.url
        );
        let port = serve(page).await;
        // Another port of the same host is another origin of the same site, so that the cookie is
        // sent; another name is another site.
        for host in ["127.0.0.1", "localhost"] {
            browser.open(&format!("http://{host}:{port}/")).await;
            browser.click("button").await;
            assert_eq!(browser.text("h1").await, "Request refused", "{action} from {host}");
        }
    }
    let profile = ann.page("/profile").await;
    assert!(profile.contains("Hello, Ann"), "{profile}");
    browser.open(&format!("{}/profile", site.url)).await;
    assert_eq!(browser.text("h1").await, "Hello, Ann");
    browser.close().await;
}

#[tokio::test]
async fn the_front_end_on_another_origin_votes_and_a_stranger_reads_nothing() {
    let browser = browser!(Look::Desktop);
    let front_end = |port: u16| format!("http://127.0.0.1:{port}");
    // The application has to know the origin, and the page the application.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site =
        Site::start_with(Backend::Sqlite, |config| config.front_end = Some(front_end(port))).await;
    let site = site.unwrap();
    let process = std::process::Command::new(env!("CARGO_BIN_EXE_thinga-front-end"))
        .env("PORT", port.to_string())
        .env("THINGA_API", &site.url)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Running(process);
    let mut line = String::new();
    let output = process.0.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();

    begin(&browser, &site, "Ann").await;
    browser.open(&front_end(port)).await;
    browser.wait_for_text("You have voted on 0 of 276 pairs.").await;
    assert_eq!(browser.text("#who").await, "Ann");
    browser.run("document.getElementById('one').click()").await;
    browser.wait_for_text("You have voted on 1 of 276 pairs.").await;

    let script = format!(
        "<!doctype html><p id=out>waiting</p><script>fetch('{}/api/me', {{credentials: \
         'include'}}).then(r => r.text()).catch(e => 'refused').then(t => out.textContent = \
         t)</script>",
        site.url
    );
    let stranger = serve(script).await;
    browser.open(&front_end(stranger)).await;
    browser.wait_for_text("refused").await;
    browser.close().await;
}
