//! [`Browser`]: a headless Chromium of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anchor_tests::servers::program;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the browser looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Desktop,
    Phone,
}

/// Starts the driver, and ends it when this process does, however that ends: this process alone has
/// the other end of the shell's input. Chromium ends with its driver, because they share a pipe.
const SUPERVISOR: &str = r#"
"$@" </dev/null &
read -r _
kill -KILL $!
wait
rm -rf "$TMPDIR"
"#;

/// A browser, and the driver that has started it. Both end with this value, and with this process.
pub(crate) struct Browser {
    client: Client,
    _driver: Driver,
}

struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Browser {
    /// Starts a browser; `None`, said on standard error, when there is no driver.
    pub(crate) async fn start(look: Look) -> Option<Self> {
        let install = "install it (`apt-get install chromium chromium-driver`)";
        let driver = program("chromedriver", "ANCHOR_TEST_CHROMEDRIVER", install)?;
        let profile = tempfile::tempdir().unwrap().keep();
        // It chooses a free port of this machine.
        let mut process = Command::new("sh")
            .args(["-c", SUPERVISOR, "sh", &driver, "--port=0", "--log-level=SEVERE"])
            .env("TMPDIR", profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let driver = Driver(process);
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "chromedriver ended");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim().trim_end_matches('.').to_owned();
            }
        };
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(look))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        Some(Self { client, _driver: driver })
    }

    pub(crate) async fn close(self) {
        self.client.close().await.unwrap();
    }

    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub(crate) async fn back(&self) {
        self.client.back().await.unwrap();
    }

    /// Returns the path of the page, without its query.
    pub(crate) async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    pub(crate) async fn source(&self) -> String {
        self.client.source().await.unwrap()
    }

    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks, and waits for the page that follows.
    pub(crate) async fn click(&self, selector: &str) {
        self.run("document.documentElement.dataset.before = 'yes'").await;
        self.find(selector).await.click().await.unwrap();
        self.until("the next page", || async {
            let next = "return document.readyState === 'complete' \
                        && !document.documentElement.dataset.before";
            // While the page changes, there is none to ask.
            self.client.execute(next, vec![]).await.is_ok_and(|next| next == true)
        })
        .await;
    }

    /// Clicks, and waits for nothing: for pages without scripts, which cannot be asked.
    pub(crate) async fn press(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    /// Waits until an element contains this text. Works without scripts.
    pub(crate) async fn wait_for_words(&self, selector: &str, words: &str) {
        self.until(words, || async {
            let Ok(found) = self.client.find(Locator::Css(selector)).await else { return false };
            found.text().await.is_ok_and(|text| text.contains(words))
        })
        .await;
    }

    /// Runs a script in the page, and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Waits until the page's text contains this.
    pub(crate) async fn wait_for_text(&self, text: &str) {
        let script = format!("return document.body.innerText.includes({})", json!(text));
        self.until(text, || async {
            self.client.execute(&script, vec![]).await.is_ok_and(|found| found == true)
        })
        .await;
    }

    /// Waits until the browser is on this path.
    pub(crate) async fn wait_for_path(&self, path: &str) {
        self.until(path, || async { self.path().await == path }).await;
    }

    async fn until<F: Future<Output = bool>>(&self, what: &str, is_done: impl Fn() -> F) {
        let started = Instant::now();
        while !is_done().await {
            assert!(started.elapsed() < PATIENCE, "{what}: {}", self.source().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn find(&self, selector: &str) -> fantoccini::elements::Element {
        let found = self.client.find(Locator::Css(selector)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("{selector}: {error}\n{}", self.source().await),
        }
    }

    /// Returns the cookie of this name as the browser keeps it.
    pub(crate) async fn cookie(&self, name: &str) -> Option<Value> {
        // `HttpOnly` cookies are in the driver's answer, and in no script's.
        let cookies = self.devtools("Network.getCookies", json!({})).await;
        let cookies = cookies["cookies"].as_array().unwrap().clone();
        cookies.into_iter().find(|cookie| cookie["name"] == name)
    }

    /// Shows pages as in the dark, or in the light.
    pub(crate) async fn set_dark(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Switches scripts of pages off, or on again.
    pub(crate) async fn set_scripts(&self, are_on: bool) {
        let value = json!({ "value": !are_on });
        self.devtools("Emulation.setScriptExecutionDisabled", value).await;
    }

    /// Returns the page as a PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let call = DevTools(json!({ "cmd": command, "params": parameters }));
        self.client.issue_cmd(call).await.unwrap()
    }
}

fn capabilities(look: Look) -> Capabilities {
    let mut options = json!({
        "args": [
            "--headless",
            // Chromium's own sandbox does not work for root, as in a container.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--window-size=1200,900",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
        ],
    });
    if look == Look::Phone {
        let metrics = json!({ "width": 360, "height": 740, "pixelRatio": 2.0, "touch": true });
        options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".into(), options);
    capabilities
}

/// A command of Chromium's own protocol.
#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.0.to_string()))
    }
}
