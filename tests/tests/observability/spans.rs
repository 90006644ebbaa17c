//! The spans of the store's calls have OpenTelemetry's names, and nothing secret.

use std::time::Duration;

use anchor::MemoryStore;
use anchor::testing::{Faulty, Verb};
use anchor_tests::Backend;
use anchor_tests::logs::logged_with_spans;
use http::StatusCode;

use crate::application::{Application, UserSession, builder, give_back};

/// The lines of the spans with this name and this text.
fn spans<'l>(log: &'l str, name: &str, text: &str) -> Vec<&'l str> {
    let start = format!("{name}{{");
    let is_it = |line: &&str| line.contains(&start) && line.contains(text) && is_close(line);
    log.lines().filter(is_it).collect()
}

fn is_close(line: &str) -> bool {
    line.ends_with(": close")
}

#[tokio::test]
async fn a_call_has_a_span_with_the_names_of_opentelemetry() {
    let backend = Backend::sqlite().await.unwrap();
    let store = backend.store().await;
    let (secrets, log) = logged_with_spans(async {
        let app = Application::on(builder(store)).await;
        let (cookie, id) = app.log_in("ferris", "").await;
        assert_eq!(app.get("/me", &cookie).await, StatusCode::OK);
        (cookie, id)
    })
    .await;
    let loads = spans(&log, "anchor.store", "db.operation.name=\"load\"");
    assert_eq!(loads.len(), 1, "{log}");
    for field in [
        "DEBUG",
        "anchor::store",
        "otel.kind=\"client\"",
        "db.system.name=\"sqlite\"",
        "db.collection.name=\"observed_sessions\"",
    ] {
        assert!(loads[0].contains(field), "{field}: {}", loads[0]);
    }
    assert!(!loads[0].contains("error.type"), "{}", loads[0]);

    let (cookie, id) = secrets;
    let token = cookie.split_once('=').unwrap().1;
    for line in log.lines().filter(|line| line.contains("anchor.store") && is_close(line)) {
        for secret in [token, &id.to_string(), "ferris"] {
            assert!(!line.contains(secret), "{secret}: {line}");
        }
    }
}

#[tokio::test]
async fn a_shared_statement_has_a_span_of_its_own() {
    let backend = Backend::sqlite().await.unwrap();
    let sessions = builder(backend.store().await).build().unwrap();
    let id = sessions.test_session(UserSession::of("ferris")).await.id();
    let get = || async { assert!(sessions.get(id).await.unwrap().is_some()) };
    let taken = backend.take_every_connection().await;
    let ((), log) = logged_with_spans(async {
        tokio::join!(get(), get(), get(), get(), give_back(taken));
    })
    .await;
    assert_eq!(spans(&log, "anchor.store", "db.operation.name=\"load\"").len(), 4, "{log}");
    let statements = spans(&log, "anchor.store.statement", "db.operation.name=\"load\"");
    assert_eq!(statements.len(), 1, "{log}");
    assert!(statements[0].contains("db.operation.batch.size=3"), "{}", statements[0]);
    assert!(!statements[0].contains("anchor.store{"), "not in a request: {}", statements[0]);
}

#[tokio::test]
async fn the_span_of_a_call_that_fails_says_why() {
    let store = Faulty::new(MemoryStore::new());
    let sessions = builder(store.clone()).store_timeout(Duration::from_millis(30));
    let sessions = sessions.build().unwrap();
    let id = sessions.test_session(UserSession::of("ferris")).await.id();
    let get = || async { sessions.get(id).await.unwrap_err() };

    store.fail(Verb::Load);
    let (_, log) = logged_with_spans(get()).await;
    let failed = "error.type=\"store_unavailable\"";
    assert_eq!(spans(&log, "anchor.store", failed).len(), 1, "{log}");

    store.heal(Verb::Load);
    store.stall(Verb::Load, Duration::MAX);
    let (_, log) = logged_with_spans(get()).await;
    assert_eq!(spans(&log, "anchor.store", "error.type=\"timeout\"").len(), 1, "{log}");
    assert!(!log.contains("db.system.name"), "memory is not a database system: {log}");
}
