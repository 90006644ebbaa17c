//! `cut_off`: records the instant, then ends the subject's rows. Also the sweep of rows that were
//! dead on arrival: inserted after the cut-off, by logins that began before it.

use std::time::Duration;

use crate::error::StoreError;
use crate::payload::SessionData;
use crate::schema::{ColumnSchema, Dialect};
use crate::store::{EndReason, LONGEST_LOGIN};

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::{after, greatest, least, write_as};
use super::super::runs::Runs;
use super::super::statement::Statement;
use super::super::table::{CutOffs, SqlTable, joins_as_bytes, micros, subject_argument};

/// The resolution of SQLite's clock.
pub(super) const SQLITE_CLOCK_STEP: Duration = Duration::from_millis(1);

/// `None` if the payload has no cut-offs.
pub(in super::super) struct CutOffSubject(Option<Statements>);

struct Statements {
    record: Statement<1>,
    /// The same, `:ahead` from now.
    record_ahead: Statement<2>,
    /// Sets a cut-off that was recorded ahead, and that was committed `:since` ago, to an instant
    /// since then.
    settle: Statement<2>,
    /// Ends the subject's rows, regardless of what is recorded.
    end: Statement<2>,
    /// Ends rows that were dead on arrival.
    sweep: Statement<1>,
    /// Removes cut-offs that nothing depends on any more.
    forget: Statement<0>,
}

impl CutOffSubject {
    pub(super) fn new(table: &SqlTable) -> Self {
        let statements = table.cut_offs().zip(table.of_subject()).map(|(cut_offs, of_subject)| {
            let unexpired = table.unexpired_at(&table.clock);
            let end_subject = table.end(&format!("{of_subject} AND {unexpired}"), ":reason");
            Statements {
                record: table.statement(&record(table, &cut_offs, &instant(table)), ["subject"]),
                record_ahead: {
                    let ahead = after(table.dialect, &instant(table), ":ahead");
                    table.statement(&record(table, &cut_offs, &ahead), ["subject", "ahead"])
                },
                settle: table.statement(&settle(table, &cut_offs), ["subject", "since"]),
                end: table.statement(&end_subject, ["subject", "reason"]),
                sweep: table.statement(&sweep(table, &cut_offs), ["batch"]),
                forget: table.statement(&forget(table, &cut_offs), []),
            }
        });
        Self(statements)
    }

    pub(in super::super) async fn run<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        subject: &T::Subject,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        let statements = self.statements::<T>()?;
        let Some(subject) = subject_argument::<T>(D::DIALECT, subject)? else { return Ok(0) };
        database.execute(statements.record.with([subject.clone()])).await?;
        let ended =
            database.execute(statements.end.with([subject, reason.as_str().into()])).await?;
        let_the_clock_pass::<D>().await;
        Ok(ended)
    }

    fn statements<T: SessionData>(&self) -> Result<&Statements, StoreError> {
        self.0.as_ref().ok_or_else(|| {
            StoreError::unavailable(format!(
                "the payload of `{}` has cut-offs, but its schema does not: add \
                 `SchemaOptions::cut_off` to the schema",
                T::schema().table
            ))
        })
    }

    /// Cuts off a subject in a transaction of the application's. Call
    /// [`record_ahead`](Self::record_ahead) before it commits, and [`settle`](Self::settle) once it
    /// has.
    pub(in super::super) async fn run_within<D: Driver, T: SessionData>(
        &self,
        mut on: impl Runs<D>,
        subject: &T::Subject,
        ahead: Duration,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        self.record_ahead::<D, T>(&mut on, subject, ahead).await?;
        let statements = self.statements::<T>()?;
        let Some(subject) = subject_argument::<T>(D::DIALECT, subject)? else { return Ok(0) };
        on.execute(statements.end.with([subject, reason.as_str().into()])).await
    }

    /// Records a cut-off that also reaches the logins that begin before the transaction commits, if
    /// it does so in this time. If nothing else happens, logins are refused until then.
    pub(in super::super) async fn record_ahead<D: Driver, T: SessionData>(
        &self,
        mut on: impl Runs<D>,
        subject: &T::Subject,
        ahead: Duration,
    ) -> Result<(), StoreError> {
        let statements = self.statements::<T>()?;
        if let Some(subject) = subject_argument::<T>(D::DIALECT, subject)? {
            on.execute(statements.record_ahead.with([subject, micros(ahead).into()])).await?;
        }
        Ok(())
    }

    /// Lets logins in that begin from now on, after a cut-off that was committed `since` ago. It
    /// may come late, and more than once: it keeps out those that began before the commit, however
    /// long that took, and ends none that were let in after it.
    pub(in super::super) async fn settle<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        subject: &T::Subject,
        since: Duration,
    ) -> Result<(), StoreError> {
        let statements = self.statements::<T>()?;
        if let Some(subject) = subject_argument::<T>(D::DIALECT, subject)? {
            let since = (-micros(since)).into();
            database.execute(statements.settle.with([subject, since])).await?;
            let_the_clock_pass::<D>().await;
        }
        Ok(())
    }

    /// Removes at most `batch` rows that were dead on arrival, or ends them if ended rows are kept.
    pub(super) async fn sweep<D: Driver>(
        &self,
        database: &Database<D>,
        batch: i64,
    ) -> Result<u64, StoreError> {
        let Some(statements) = &self.0 else { return Ok(0) };
        let swept = database.execute(statements.sweep.with([batch.into()])).await?;
        database.execute(statements.forget.with([])).await?;
        Ok(swept)
    }
}

/// Waits until a login that begins afterwards is also later than the cut-off by SQLite's clock.
async fn let_the_clock_pass<D: Driver>() {
    if D::DIALECT == Dialect::Sqlite {
        tokio::time::sleep(3 * SQLITE_CLOCK_STEP).await;
    }
}

/// Returns the instant of a cut-off, which is never earlier than now: if the clock is coarse, it is
/// the clock's next step.
fn instant(SqlTable { dialect, clock, .. }: &SqlTable) -> String {
    match dialect {
        Dialect::Sqlite => format!("{clock} + {}", SQLITE_CLOCK_STEP.as_micros()),
        Dialect::Postgres | Dialect::MySql => clock.clone(),
    }
}

/// Returns the text that sets a cut-off that lies ahead to now, and one that is earlier than the
/// commit to the commit. Whoever logged in while it lay ahead was refused.
fn settle(table: &SqlTable, cut_offs: &CutOffs) -> String {
    let now = instant(table);
    let commit = after(table.dialect, &now, ":since");
    let settled = least(table.dialect, &now, &greatest(table.dialect, "cut_off_at", &commit));
    format!(
        "UPDATE {} SET cut_off_at = {settled} WHERE {}",
        cut_offs.table,
        cut_offs.of_subject(table.dialect)
    )
}

/// Returns the text that records a cut-off at an instant, unless a later one is recorded.
fn record(
    table: &SqlTable,
    CutOffs { table: cut_offs, column, .. }: &CutOffs,
    instant: &str,
) -> String {
    let subject = write_as(table.dialect, column, ":subject");
    match table.dialect {
        Dialect::Postgres => format!(
            "INSERT INTO {cut_offs} AS c (subject, cut_off_at) VALUES ({subject}, {instant}) \
             ON CONFLICT (subject) DO UPDATE \
             SET cut_off_at = GREATEST(c.cut_off_at, EXCLUDED.cut_off_at)"
        ),
        Dialect::Sqlite => format!(
            "INSERT INTO {cut_offs} AS c (subject, cut_off_at) \
             VALUES ({subject}, {instant}) \
             ON CONFLICT (subject) DO UPDATE \
             SET cut_off_at = max(c.cut_off_at, excluded.cut_off_at)"
        ),
        Dialect::MySql => format!(
            "INSERT INTO {cut_offs} (subject, cut_off_at) VALUES ({subject}, {instant}) \
             ON DUPLICATE KEY UPDATE cut_off_at = GREATEST(cut_off_at, VALUES(cut_off_at))"
        ),
    }
}

fn sweep(table: &SqlTable, cut_offs: &CutOffs) -> String {
    let of_subject = is_about(table.dialect, cut_offs.column, "c");
    let keep_ended = table.schema.options.keep_ended;
    let active = if keep_ended { " AND s.status = 'active'" } else { "" };
    let dead = format!(
        "SELECT s.id FROM {} AS c JOIN {} AS s ON {of_subject} \
         WHERE s.authenticated_at <= c.cut_off_at{active} LIMIT :batch",
        cut_offs.table, table.name
    );
    let dead = match table.dialect {
        Dialect::Postgres => format!("id = ANY(ARRAY({dead} FOR UPDATE OF s SKIP LOCKED))"),
        Dialect::Sqlite => format!("id IN ({dead})"),
        // MySQL does not allow LIMIT in a subquery of IN, but allows it in a derived table.
        Dialect::MySql => format!("id IN (SELECT id FROM ({dead}) AS dead)"),
    };
    let still = if keep_ended { " AND status = 'active'" } else { "" };
    table.end(&format!("{dead}{still}"), &format!("'{}'", EndReason::CutOff.as_str()))
}

fn forget(table: &SqlTable, CutOffs { table: cut_offs, column, .. }: &CutOffs) -> String {
    let of_subject = is_about(table.dialect, column, cut_offs);
    let active = if table.schema.options.keep_ended { " AND s.status = 'active'" } else { "" };
    // Twice the longest login, because a node's clock may be slow.
    let longest = 2 * LONGEST_LOGIN.as_micros();
    format!(
        "DELETE FROM {cut_offs} WHERE cut_off_at < {} \
         AND NOT EXISTS (SELECT 1 FROM {} AS s WHERE {of_subject} \
         AND s.authenticated_at <= {cut_offs}.cut_off_at{active})",
        after(table.dialect, table.now, &format!("-{longest}")),
        table.name,
    )
}

/// Returns the condition that a row `s` of the table has the subject of a row of the companion
/// table.
fn is_about(dialect: Dialect, column: &ColumnSchema, companion: &str) -> String {
    let subject = dialect.reference(column.name);
    if joins_as_bytes(dialect, column) {
        // The index of the session table is on the text, so the bytes are converted to text.
        format!(
            "s.{subject} = CONVERT({companion}.subject USING utf8mb4) COLLATE utf8mb4_bin \
             AND LENGTH(s.{subject}) = LENGTH({companion}.subject)"
        )
    } else {
        format!("s.{subject} = {companion}.subject")
    }
}
