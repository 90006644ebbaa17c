//! Everything that the process logs, for tests that look for their own session's lines.

use std::io;
use std::sync::{Mutex, Once};

static LOG: Mutex<String> = Mutex::new(String::new());
static STARTED: Once = Once::new();

struct Sink;

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to keep what is logged. Other tests log as well, so look for what is your own.
pub(crate) fn keep() {
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(|| Sink)
            .init();
    });
}

/// The lines that hold `text`.
pub(crate) fn lines_with(text: &str) -> Vec<String> {
    LOG.lock().unwrap().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}
