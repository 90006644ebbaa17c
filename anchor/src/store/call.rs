//! [`Call`]: one call of a store, as a span and, with the feature `metrics`, as a duration.

use std::task::Poll;
#[cfg(feature = "metrics")]
use std::time::Instant;

use tracing::Span;
use tracing::field::Empty;

use crate::error::{StoreError, StoreErrorKind};
#[cfg(feature = "metrics")]
use crate::metrics;

/// A call of a store that is under way. The names of the span's fields are those of OpenTelemetry's
/// conventions for clients of databases.
pub(super) struct Call {
    span: Span,
    #[cfg(feature = "metrics")]
    timer: Timer,
}

/// How a call ended.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Ok,
    Error(StoreErrorKind),
    /// The store took longer than it may.
    Timeout,
}

impl Outcome {
    pub(super) fn of<R>(answer: &Result<R, StoreError>) -> Self {
        match answer {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::Error(error.kind()),
        }
    }

    /// Returns what OpenTelemetry calls `error.type`; `None` without an error.
    fn error_type(self) -> Option<&'static str> {
        match self {
            Outcome::Ok => None,
            Outcome::Error(kind) => Some(kind.code()),
            Outcome::Timeout => Some("timeout"),
        }
    }
}

impl Call {
    /// Begins a call of a verb on a table of this database system.
    pub(super) fn begin(
        table: &'static str,
        verb: &'static str,
        system: Option<&'static str>,
    ) -> Self {
        let span = tracing::debug_span!(
            target: "anchor::store",
            "anchor.store",
            "otel.kind" = "client",
            "db.system.name" = system,
            "db.operation.name" = verb,
            "db.collection.name" = table,
            "error.type" = Empty,
        );
        Self {
            span,
            #[cfg(feature = "metrics")]
            timer: Timer { table, verb, began: Instant::now(), outcome: None },
        }
    }

    /// Polls the call within its span.
    pub(super) fn poll<R>(&self, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        let _within = self.span.enter();
        poll()
    }

    /// Ends the call. One that is dropped before that was cancelled: its request has ended.
    pub(super) fn end(self, outcome: Outcome) {
        if let Some(error) = outcome.error_type() {
            self.span.record("error.type", error);
        }
        #[cfg(feature = "metrics")]
        {
            let mut timer = self.timer;
            timer.outcome = Some(outcome);
        }
    }
}

/// Records the duration of a call when it is dropped.
#[cfg(feature = "metrics")]
struct Timer {
    table: &'static str,
    verb: &'static str,
    began: Instant,
    /// `None` until the call has ended.
    outcome: Option<Outcome>,
}

#[cfg(feature = "metrics")]
impl Drop for Timer {
    fn drop(&mut self) {
        let outcome = match self.outcome {
            Some(Outcome::Ok) => "ok",
            Some(Outcome::Error(_)) => "error",
            Some(Outcome::Timeout) => "timeout",
            None => "cancelled",
        };
        metrics::store_called(self.table, self.verb, outcome, self.began.elapsed());
    }
}
