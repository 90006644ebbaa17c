//! Calls the application's own callbacks. If one panics, the request continues without its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::rejection::Error;

/// A callback panicked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panicked {
    callback: &'static str,
}

/// Calls the callback with this name. If it panics, the panic is logged without its message, which
/// the process's panic hook has already printed.
pub(crate) fn call<R>(
    callback: &'static str,
    application: impl FnOnce() -> R,
) -> Result<R, Panicked> {
    // It is up to the application to keep what it shares with its callback consistent.
    catch_unwind(AssertUnwindSafe(application)).map_err(|panic| {
        // Dropping the value that it panicked with may panic again.
        std::mem::forget(panic);
        tracing::error!(
            target: "anchor", callback,
            "the application's callback `{callback}` panicked: what called it continues without it"
        );
        Panicked { callback }
    })
}

impl From<Panicked> for Error {
    fn from(Panicked { callback }: Panicked) -> Self {
        Error::Callback { callback }
    }
}
