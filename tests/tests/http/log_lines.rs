//! What an outsider can make the application log: little, and one line of it.

use anchor::manager::{BoxError, Verdict, Verifier};
use anchor::store::Record;
use anchor::{Rejection, StoreError};
use anchor_tests::{Backend, logs};
use http::request::Parts;
use http::{HeaderName, StatusCode};

use crate::application::{Application, UserSession};

/// The longest line that a test accepts, in bytes: what the library says, and at most 1,000
/// characters of others.
const LONGEST: usize = 1_600;

/// The only line with `mark`, which is looked for in front of everything that is cut.
fn only_line(mark: &str) -> String {
    let mut lines = logs::lines_with(mark);
    assert_eq!(lines.len(), 1, "{mark}");
    lines.remove(0)
}

fn assert_harmless(line: &str) {
    assert!(line.len() < LONGEST, "{} bytes", line.len());
    assert!(!line.contains(char::is_control), "{line:?}");
}

#[tokio::test]
async fn a_large_origin_makes_a_short_line() {
    logs::keep();
    let app = Application::start(&Backend::Memory).await;
    let mark = "https://a-large-origin.example";
    let mut origin = mark.as_bytes().to_vec();
    origin.resize(40_000, 0xff);
    let call = app.post("/login").header(HeaderName::from_static("origin"), origin);
    call.send().await.expect(StatusCode::FORBIDDEN);
    let line = only_line(mark);
    assert_harmless(&line);
    assert!(line.contains("[cut]") && line.contains(".trusted_origin(..)"), "{line}");
}

/// Quotes what it was sent.
struct Quoting;

impl Verifier<UserSession> for Quoting {
    async fn verify(&self, _: &Record<UserSession>, request: &Parts) -> Result<Verdict, BoxError> {
        let quoted = request.headers["x-quoted"].to_str()?;
        Err(format!("a verifier quoted {quoted}\r\nanother line \u{1b}[31m\u{202e}").into())
    }
}

#[tokio::test]
async fn an_error_that_quotes_the_request_makes_one_short_line() {
    logs::keep();
    let app = Application::configured(&Backend::Memory, |it| it.verifier(Quoting)).await;
    let cookie = app.log_in("ferris").await;
    let quoted = HeaderName::from_static("x-quoted");
    let call = app.get("/me").cookie(&cookie).header(quoted.clone(), "little");
    call.send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    let line = only_line("a verifier quoted little");
    assert_harmless(&line);
    assert!(line.contains("little\\r\\nanother line \\u{1b}[31m\\u{202e}"), "{line}");

    let call = app.get("/me").cookie(&cookie).header(quoted, "much ".repeat(6_000));
    call.send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_harmless(&only_line("a verifier quoted much"));
}

#[test]
fn an_error_of_a_store_is_shown_in_part() {
    let error = StoreError::unavailable(format!("{}\n", "x\n".repeat(50_000)));
    for shown in [
        error.to_string(),
        format!("{error:?}"),
        Rejection::from(error.clone()).to_string(),
        anchor::column::ColumnError::new("y\u{85}".repeat(50_000)).to_string(),
    ] {
        assert_harmless(&shown);
        assert!(shown.ends_with("[cut]") || shown.ends_with("[cut])"), "{shown}");
    }
}
