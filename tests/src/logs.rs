//! What the library logs: everything in the process, or what a test does.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What anchor logs in this process, from the first look at this. Drivers log each statement, which
/// would be megabytes. A process has one such subscriber. Without one, `tracing` may remember for
/// good that nobody is interested in an event, if another test reaches it while a subscriber is
/// being set.
static KEPT: LazyLock<Sink> = LazyLock::new(|| {
    let sink = Sink::default();
    let writer = sink.clone();
    tracing_subscriber::fmt()
        .with_env_filter("anchor=debug")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    sink
});

/// Begins to keep what anchor logs in this process. Other tests log as well, so look for what is
/// your own.
pub fn keep() {
    LazyLock::force(&KEPT);
}

/// The lines that hold `text`, of what has been kept.
///
/// # Panics
///
/// Panics if what was logged is not UTF-8.
#[must_use]
pub fn lines_with(text: &str) -> Vec<String> {
    let kept = KEPT.0.lock().expect("no panic");
    let kept = str::from_utf8(&kept).expect("UTF-8");
    kept.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

/// Does something, and returns what was logged on this thread meanwhile. The server of a test with
/// a runtime of one thread runs there, too.
///
/// # Panics
///
/// Panics if what was logged is not UTF-8.
pub async fn logged<R>(doing: impl Future<Output = R>) -> (R, String) {
    // The spans of the store's calls would stand in front of what is logged within them.
    logged_with("trace,anchor::store=off", FmtSpan::NONE, doing).await
}

/// The same, and each span of anchor's has a line of its own when it is closed.
///
/// # Panics
///
/// Panics if what was logged is not UTF-8.
pub async fn logged_with_spans<R>(doing: impl Future<Output = R>) -> (R, String) {
    let doing = async {
        let result = doing.await;
        // A thread of sqlx drops its share of a span after its answer.
        tokio::time::sleep(Duration::from_millis(500)).await;
        result
    };
    logged_with("trace", FmtSpan::CLOSE, doing).await
}

async fn logged_with<R>(
    filter: &str,
    spans: FmtSpan,
    doing: impl Future<Output = R>,
) -> (R, String) {
    keep();
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(spans)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let result = doing.await;
    drop(guard);
    (result, sink.text())
}
