//! The application is used over HTTP, and what Prometheus then reads is exact.

use std::collections::BTreeSet;

use anchor::{Environment, SessionManager, SqliteStore};
use anchor_tests::Backend;
use anchor_tests::exposition::Exposition;
use anchor_tests::http::Served;
use http::{StatusCode, header};
use metrics_example::UserSession;
use serde_json::Value;
use sqlx::SqlitePool;

struct Site {
    app: Served,
    endpoint: Served,
    sessions: SessionManager<UserSession>,
    pool: SqlitePool,
}

impl Site {
    async fn start(handle: metrics_exporter_prometheus::PrometheusHandle) -> Self {
        let Some(Backend::Sqlite(pool)) = Backend::sqlite().await else { unreachable!() };
        let store = SqliteStore::new(pool.clone());
        store.migrate().await.unwrap();
        let key = "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=";
        let environment = Environment::of("ANCHOR", [("ANCHOR_KEYS", key)]);
        let sessions = metrics_example::sessions(store, environment).unwrap();
        let app = Served::start(metrics_example::app(&sessions)).await;
        let endpoint = Served::start(metrics_example::endpoint(handle)).await;
        Self { app, endpoint, sessions, pool }
    }

    async fn log_in(&self, name: &'static str, over: &str) -> String {
        let login = self.app.post("/login").cookie(over);
        let form = "application/x-www-form-urlencoded";
        let login = login.header(header::CONTENT_TYPE, form).body(format!("name={name}"));
        login.send().await.expect(StatusCode::NO_CONTENT).cookie()
    }

    async fn get(&self, path: &str, cookie: &str, expected: StatusCode) {
        self.app.get(path).cookie(cookie).send().await.expect(expected);
    }

    /// Lets every session expire and be swept, and then a login fail.
    async fn run_down(&self) {
        sqlx::query("UPDATE sessions SET expires_at = 0").execute(&self.pool).await.unwrap();
        assert_eq!(self.sessions.sweep(100).await.unwrap(), 1);
        sqlx::query("DROP TABLE sessions").execute(&self.pool).await.unwrap();
        let form = "application/x-www-form-urlencoded";
        let login = self.app.post("/login").header(header::CONTENT_TYPE, form).body("name=corro");
        login.send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    }

    async fn scrape(&self) -> String {
        let answer = self.endpoint.get("/metrics").send().await.expect(StatusCode::OK);
        assert!(answer.header(header::CONTENT_TYPE).unwrap().starts_with("text/plain"));
        answer.text().to_owned()
    }

    /// Lets everything happen that a metric is about. Returns what may not be shown.
    async fn used(&self) -> Vec<String> {
        let ferris = self.log_in("ferris", "").await;
        let corro = self.log_in("corro", "").await;
        let again = self.log_in("corro", &corro).await;
        self.get("/me", &ferris, StatusCode::OK).await;
        self.get("/admin", &ferris, StatusCode::OK).await;
        self.get("/admin", &again, StatusCode::FORBIDDEN).await;
        self.get("/me", "", StatusCode::UNAUTHORIZED).await;
        self.get("/me", &corro, StatusCode::UNAUTHORIZED).await;
        self.app.post("/logout").cookie(&again).send().await.expect(StatusCode::NO_CONTENT);
        let names = ["ferris", "corro"].map(str::to_owned);
        let tokens = [ferris, corro, again].map(|cookie| cookie.split_once('=').unwrap().1.into());
        tokens.into_iter().chain(names).collect()
    }
}

#[tokio::test]
async fn prometheus_reads_exact_counts_and_nothing_secret() {
    let recorder = metrics_example::recorder().unwrap();
    let _recorded = metrics::set_default_local_recorder(&recorder);
    let site = Site::start(recorder.handle()).await;
    let secrets = site.used().await;
    assert_eq!(site.sessions.record_live_count().await.unwrap(), Some(1));

    let text = site.scrape().await;
    let exposition = Exposition::parse(&text);
    let reason = |word| ("reason", word);
    let verb = |word| ("verb", word);
    for (name, labels, expected) in [
        ("anchor_sessions_created_total", vec![], 3.0),
        ("anchor_sessions_ended_total", vec![], 2.0),
        ("anchor_sessions_ended_total", vec![reason("replaced")], 1.0),
        ("anchor_sessions_ended_total", vec![reason("logout")], 1.0),
        ("anchor_sessions_refused_total", vec![], 3.0),
        ("anchor_sessions_refused_total", vec![reason("forbidden")], 1.0),
        ("anchor_sessions_refused_total", vec![reason("no_session")], 1.0),
        ("anchor_sessions_refused_total", vec![reason("unknown_session")], 1.0),
        ("anchor_sessions_live", vec![], 1.0),
        ("anchor_store_call_duration_seconds_count", vec![verb("create")], 3.0),
        ("anchor_store_call_duration_seconds_count", vec![verb("load")], 4.0),
        ("anchor_store_call_duration_seconds_count", vec![verb("revoke")], 1.0),
        ("anchor_store_call_duration_seconds_count", vec![("outcome", "ok")], 9.0),
        ("anchor_store_batch_size_count", vec![verb("load")], 4.0),
        ("anchor_store_batch_size_sum", vec![verb("load")], 4.0),
        ("anchor_store_batch_size_bucket", vec![verb("load"), ("le", "1")], 4.0),
    ] {
        assert_eq!(exposition.sum(name, &labels), Some(expected), "{name} {labels:?}: {text}");
    }
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}: {text}");
    }
    for sample in exposition.samples() {
        assert_eq!(sample.labels["table"], "sessions", "{sample:?}");
    }
    for kind in ["counter", "gauge", "histogram"] {
        assert!(text.contains(&format!(" {kind}\n")), "{kind}: {text}");
    }
    assert!(text.contains("# HELP anchor_sessions_live "), "{text}");
}

/// The names of metrics in a query.
fn queried(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("anchor_")).collect()
}

/// Every query of the dashboard: those of the panels, and those of the variables.
fn queries(dashboard: &Value, found: &mut Vec<String>) {
    match dashboard {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(query) if ["expr", "query", "definition"].contains(&name.as_str()) => {
                        found.push(query.to_owned());
                    }
                    _ => queries(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_dashboard_queries_what_there_is_and_all_of_it() {
    let recorder = metrics_example::recorder().unwrap();
    let _recorded = metrics::set_default_local_recorder(&recorder);
    let site = Site::start(recorder.handle()).await;
    site.used().await;
    site.sessions.record_live_count().await.unwrap();
    site.run_down().await;
    let text = site.scrape().await;
    let exposition = Exposition::parse(&text);
    let names = exposition.names();

    let dashboard = include_str!("../grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    assert!(found.len() > 8, "{found:?}");
    let mut shown = BTreeSet::new();
    for query in &found {
        for name in queried(query) {
            assert!(names.contains(name), "{name} of {query} is not among {names:?}");
            shown.insert(metric(name));
        }
    }
    let all: BTreeSet<_> = names.iter().map(|name| metric(name)).collect();
    assert_eq!(shown, all);
}

/// The metric that a sample is part of.
fn metric(sample: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    parts.into_iter().find_map(|part| sample.strip_suffix(part)).unwrap_or(sample)
}
