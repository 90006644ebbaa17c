//! The application's own callbacks: their panic is theirs, and the request goes on without what
//! they would have said.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::rejection::Error;

/// A callback panicked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panicked {
    callback: &'static str,
}

/// Calls the callback of this name; its panic is logged, without its message, which the process's
/// panic hook has printed.
pub(crate) fn call<R>(
    callback: &'static str,
    application: impl FnOnce() -> R,
) -> Result<R, Panicked> {
    // What the application shares with its callback is its own to keep whole.
    catch_unwind(AssertUnwindSafe(application)).map_err(|panic| {
        // Dropping what it panicked with may panic again.
        std::mem::forget(panic);
        tracing::error!(
            target: "anchor", callback,
            "the application's callback `{callback}` panicked, and what it was called for goes on \
             without it"
        );
        Panicked { callback }
    })
}

impl From<Panicked> for Error {
    fn from(Panicked { callback }: Panicked) -> Self {
        Error::Callback { callback }
    }
}
