//! [`Beginning`]: when a login began, by the database's clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::column::Value;
use crate::error::StoreError;
use crate::payload::SessionData;
use crate::store::NewSession;
use crate::timestamp::Timestamp;

use super::super::driver::Driver;
use super::super::row::{Cells, NOW};
use super::super::runs::Runs;
use super::super::statement::{Argument, Statement};
use super::super::table::{SqlTable, subject_argument};
use super::cut_off::SQLITE_CLOCK_STEP;

/// How often a login that seems to have begun before a cut-off asks for the database's time.
const SAMPLES: usize = 4;

/// Selects the database's current time and a subject's latest cut-off; `None` if the payload has no
/// cut-offs.
pub(super) struct Beginning(Option<Statement<1>>);

impl Beginning {
    pub(super) fn new(table: &SqlTable) -> Self {
        let select = table.cut_offs().map(|cut_offs| {
            let cut_off = format!(
                "SELECT {} FROM {} WHERE {}",
                table.instant("cut_off_at"),
                cut_offs.table,
                cut_offs.of_subject(table.dialect)
            );
            let text = format!("SELECT {}, ({cut_off})", table.instant(table.now));
            table.statement(&text, ["subject"])
        });
        Self(select)
    }

    /// Returns an instant of the database's clock that is not after the login began. The time that
    /// the database takes to answer is counted against the login, so that no cut-off is missed.
    /// Returns `None` if the login begins with its insertion, or if there are no cut-offs.
    ///
    /// Refuses a login that would be dead on arrival because a transaction of the application's has
    /// committed a cut-off that lies ahead, and has not settled it yet.
    pub(super) async fn of_login<D: Driver, T: SessionData>(
        &self,
        mut on: impl Runs<D>,
        new: &NewSession<T>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (Some(select), Some((_, column))) = (&self.0, T::schema().subject()) else {
            return Ok(None);
        };
        let subject = match new.data.subject() {
            Some(subject) => subject_argument::<T>(D::DIALECT, subject)?,
            None => None,
        };
        let nobody = Argument { ty: column.ty, value: Value::Null };
        let subject = subject.unwrap_or(nobody);
        let mut began_at = None;
        for _ in 0..SAMPLES {
            let asked = Instant::now();
            let rows = on.rows(select.with([subject.clone()])).await?;
            // MySQL takes the time when the statement begins, and Galera then waits for what the
            // other servers have answered: a cut-off of that while may be later than this time.
            let tolerance = asked.elapsed() + SQLITE_CLOCK_STEP;
            let row = rows.first().ok_or_else(|| no_time("no row"))?;
            let mut cells = Cells::<D>::from_start(row);
            let now = cells.read::<Timestamp>(NOW).map_err(no_time)?;
            let cut_off_at = cells.cut_off(T::schema()).map_err(no_time)?;
            // Every cut-off on SQLite lies ahead by its clock's step.
            if cut_off_at.is_some_and(|at| at > now.saturating_add(tolerance)) {
                return Err(StoreError::unavailable(
                    "a transaction has just cut off this subject, so the login would have ended \
                     already: log in again in a moment",
                ));
            }
            // Both clocks are truncated to microseconds.
            let passed = |began: Instant| began.elapsed() + Duration::from_micros(1);
            let sample = new.began.map(|began| now.saturating_sub(passed(began)));
            began_at = began_at.max(sample);
            // A sample is too early by the time that its answer took. If a cut-off came meanwhile,
            // the next one may show that the login began after it.
            if cut_off_at.is_none_or(|at| began_at.is_none_or(|began_at| began_at > at)) {
                break;
            }
        }
        Ok(began_at)
    }
}

fn no_time(reason: impl std::fmt::Display) -> StoreError {
    StoreError::unavailable(format!("the database did not report its time: {reason}"))
}
