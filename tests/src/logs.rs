//! What the library logs while a test does something.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A subscriber of the whole process. Without one, `tracing` may remember for good that nobody is
/// interested in an event, if another test reaches it while a subscriber is being set.
static LISTENS: LazyLock<()> = LazyLock::new(|| {
    // A test may have set one of its own.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
});

/// Does something, and returns what was logged on this thread meanwhile. The server of a test with
/// a runtime of one thread runs there, too.
///
/// # Panics
///
/// Panics if what was logged is not UTF-8.
pub async fn logged<R>(doing: impl Future<Output = R>) -> (R, String) {
    LazyLock::force(&LISTENS);
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let result = doing.await;
    drop(guard);
    let text = sink.0.lock().expect("no panic").clone();
    (result, String::from_utf8(text).expect("UTF-8"))
}
