//! What a manager counts and measures, through the facade crate `metrics`: sessions created, ended
//! and refused, and the calls of the store.
//!
//! It needs the feature `metrics`. Nothing is kept until the application installs a recorder, such
//! as that of `metrics-exporter-prometheus`. No handle is cached, so a recorder that is installed
//! later gets everything from then on.
//!
//! | name | type | labels | what it is |
//! | --- | --- | --- | --- |
//! | [`SESSIONS_CREATED`] | counter | `table` | logins that created a session, and one-time tokens issued |
//! | [`SESSIONS_ENDED`] | counter | `table`, `reason` | sessions that were ended before they expired |
//! | [`SESSIONS_REFUSED`] | counter | `table`, `reason` | refusals, by [`Rejection::code`](crate::Rejection::code) |
//! | [`SESSIONS_SWEPT`] | counter | `table` | ended rows that the sweep has removed or marked |
//! | [`SESSIONS_LIVE`] | gauge | `table` | live sessions, at the last [`record_live_count`](crate::SessionManager::record_live_count) |
//! | [`OPERATIONS_FAILED`] | counter | `table`, `reason` | operations that returned an error to the application |
//! | [`STORE_CALL_DURATION`] | histogram | `table`, `verb`, `outcome` | how long a call of the store took, in seconds |
//! | [`STORE_BATCH_SIZE`] | histogram | `table`, `verb` | for how many callers one statement was run |
//!
//! Every label has few values: the names of tables, verbs and outcomes, and the words of
//! [`EndReason`](crate::store::EndReason) and [`Rejection::code`](crate::Rejection::code). No
//! session, subject, token or address is among them.
//!
//! `docs/metrics.md` describes each value, the cost, and the spans that belong to them.
//! `examples/metrics` has an endpoint for Prometheus, and a dashboard for Grafana.
//!
//! ```
//! # use anchor::prelude::*;
//! # #[derive(Clone, SessionData)]
//! # struct UserSession { #[session(subject)] user_id: i64 }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
//!     .keys(KeyRing::generate()?)
//!     .build()?;
//! // Before each scrape, or once a minute: it looks at every live session.
//! assert_eq!(sessions.record_live_count().await?, Some(0));
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use ::metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// How many sessions were created.
pub const SESSIONS_CREATED: &str = "anchor_sessions_created_total";

/// How many sessions were ended before they expired.
///
/// ```
/// use anchor::metrics::{SESSIONS_CREATED, SESSIONS_ENDED};
///
/// // A query of Prometheus: how many more sessions begin than are ended by hand.
/// let query = format!("sum(rate({SESSIONS_CREATED}[5m])) - sum(rate({SESSIONS_ENDED}[5m]))");
/// ```
pub const SESSIONS_ENDED: &str = "anchor_sessions_ended_total";

/// How many times a session was refused.
pub const SESSIONS_REFUSED: &str = "anchor_sessions_refused_total";

/// How many ended rows the sweep has removed or marked.
pub const SESSIONS_SWEPT: &str = "anchor_sessions_swept_total";

/// How many sessions were live when they were last counted.
pub const SESSIONS_LIVE: &str = "anchor_sessions_live";

/// How many operations have returned an error to the application.
pub const OPERATIONS_FAILED: &str = "anchor_operations_failed_total";

/// How long the calls of the store took.
pub const STORE_CALL_DURATION: &str = "anchor_store_call_duration_seconds";

/// For how many callers the store ran one statement.
pub const STORE_BATCH_SIZE: &str = "anchor_store_batch_size";

/// Buckets for [`STORE_CALL_DURATION`], in seconds, up to the default of `store_timeout`. For a
/// recorder that needs to be told, such as that of `metrics-exporter-prometheus`.
///
/// ```
/// use anchor::metrics::{STORE_CALL_DURATION, STORE_CALL_DURATION_BUCKETS};
///
/// // With `metrics-exporter-prometheus`:
/// // `builder.set_buckets_for_metric(Matcher::Full(STORE_CALL_DURATION.to_owned()),
/// // &STORE_CALL_DURATION_BUCKETS)?`
/// assert_eq!(STORE_CALL_DURATION, "anchor_store_call_duration_seconds");
/// assert!(STORE_CALL_DURATION_BUCKETS.is_sorted());
/// ```
pub const STORE_CALL_DURATION_BUCKETS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Buckets for [`STORE_BATCH_SIZE`]: the sizes in which the SQL stores make their statements.
///
/// ```
/// use anchor::metrics::{STORE_BATCH_SIZE, STORE_BATCH_SIZE_BUCKETS};
///
/// let buckets = [(STORE_BATCH_SIZE, &STORE_BATCH_SIZE_BUCKETS)];
/// ```
pub const STORE_BATCH_SIZE_BUCKETS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Tells the installed recorder the type, the unit and the meaning of each metric.
///
/// [`SessionManagerBuilder::build`](crate::manager::SessionManagerBuilder::build) calls it. Call it
/// yourself if the recorder is installed after that. It may be called more than once.
///
/// ```
/// use anchor::metrics::describe;
/// use metrics::NoopRecorder;
///
/// // In place of the application's own recorder.
/// metrics::set_global_recorder(NoopRecorder)?;
/// describe();
/// # Ok::<_, metrics::SetRecorderError<NoopRecorder>>(())
/// ```
pub fn describe() {
    describe_counter!(SESSIONS_CREATED, Unit::Count, "Sessions that were created.");
    describe_counter!(
        SESSIONS_ENDED,
        Unit::Count,
        "Sessions that were ended before they expired, by reason."
    );
    describe_counter!(
        SESSIONS_REFUSED,
        Unit::Count,
        "Times that a session was refused, by the rejection's code."
    );
    describe_counter!(
        SESSIONS_SWEPT,
        Unit::Count,
        "Ended rows that the sweep has removed, or marked as expired."
    );
    describe_gauge!(
        SESSIONS_LIVE,
        Unit::Count,
        "Live sessions in the table, when they were last counted."
    );
    describe_counter!(
        OPERATIONS_FAILED,
        Unit::Count,
        "Operations that returned an error to the application, by the error's code."
    );
    describe_histogram!(
        STORE_CALL_DURATION,
        Unit::Seconds,
        "How long a call of the store took, by verb and outcome."
    );
    describe_histogram!(
        STORE_BATCH_SIZE,
        Unit::Count,
        "For how many callers the store ran one statement, by verb."
    );
}

pub(crate) fn created(table: &'static str) {
    counter!(SESSIONS_CREATED, "table" => table).increment(1);
}

pub(crate) fn ended(table: &'static str, reason: &'static str, count: u64) {
    counter!(SESSIONS_ENDED, "table" => table, "reason" => reason).increment(count);
}

pub(crate) fn refused(table: &'static str, reason: &'static str) {
    counter!(SESSIONS_REFUSED, "table" => table, "reason" => reason).increment(1);
}

pub(crate) fn swept(table: &'static str, count: u64) {
    counter!(SESSIONS_SWEPT, "table" => table).increment(count);
}

pub(crate) fn live(table: &'static str, count: u64) {
    gauge!(SESSIONS_LIVE, "table" => table).set(count as f64);
}

pub(crate) fn failed(table: &'static str, reason: &'static str) {
    counter!(OPERATIONS_FAILED, "table" => table, "reason" => reason).increment(1);
}

pub(crate) fn store_called(
    table: &'static str,
    verb: &'static str,
    outcome: &'static str,
    took: Duration,
) {
    histogram!(STORE_CALL_DURATION, "table" => table, "verb" => verb, "outcome" => outcome)
        .record(took);
}

#[cfg(any(feature = "_sql", feature = "redis"))]
pub(crate) fn statement_run(table: &'static str, verb: &'static str, callers: usize) {
    histogram!(STORE_BATCH_SIZE, "table" => table, "verb" => verb).record(callers as f64);
}
