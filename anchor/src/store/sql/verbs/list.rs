//! `list` and `history`: a subject's live sessions and its ended sessions, one page at a time.

use crate::error::StoreError;
use crate::payload::{DecodeError, SessionData};
use crate::schema::system;
use crate::store::{Cursor, EndReason, EndStatus, EndedRecord, Listed, Page, Record};

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::write_as;
use super::super::row::{
    ACTIVE, CREATED_AT, Cells, NOW, RecordStart, log_undecodable, read_record, record_columns,
    record_width,
};
use super::super::statement::Statement;
use super::super::table::{SqlTable, subject_argument};

const PARAMETERS: [&str; 4] = ["subject", "after_at", "id", "batch"];

pub(in super::super) struct List {
    /// `None` if the payload has no subject.
    live: Option<Statement<4>>,
    /// Selects the status, the end, its reason, the subject's cut-off and the database's current
    /// time after the record. `None` if ended rows are not kept.
    ended: Option<Statement<4>>,
}

impl List {
    pub(super) fn new(table: &SqlTable) -> Self {
        let record = record_columns(table).join(", ");
        let live = table.live_at(table.now);
        let keep_ended = table.schema.options.keep_ended;
        let statement = |columns: &str, condition: &str, order: &str| {
            let of_subject = table.of_subject()?;
            let after_at = write_as(table.dialect, &system("created_at"), ":after_at");
            let text = format!(
                "SELECT {columns} FROM {name} WHERE {of_subject} AND {condition} \
                 AND ({order}, id) < ({after_at}, :id) ORDER BY {order} DESC, id DESC LIMIT :batch",
                name = table.name,
            );
            Some(table.statement(&text, PARAMETERS))
        };
        let ended = || {
            let ended_at = table.ended_at();
            let mut columns = vec![record.clone()];
            columns.extend(table.columns(&["status"]));
            columns.push(table.instant(&ended_at));
            columns.extend(table.columns(&["end_reason"]));
            columns.extend(table.cut_off_of_row());
            columns.push(table.instant(table.now));
            statement(&columns.join(", "), &format!("NOT ({live})"), &ended_at)
        };
        Self {
            live: statement(&record, &live, "created_at"),
            ended: keep_ended.then(ended).flatten(),
        }
    }

    pub(in super::super) async fn live<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        subject: &T::Subject,
        page: Page,
    ) -> Result<Listed<Record<T>>, StoreError> {
        let read = |row: &D::Row| read_record::<D, T>(row).map(Some);
        listed::<D, T, _>(database, self.live.as_ref(), subject, page, CREATED_AT, read).await
    }

    pub(in super::super) async fn ended<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        subject: &T::Subject,
        page: Page,
    ) -> Result<Listed<EndedRecord<T>>, StoreError> {
        let ended_at = record_width(T::schema()) + 1;
        let read = read_ended::<D, T>;
        listed::<D, T, _>(database, self.ended.as_ref(), subject, page, ended_at, read).await
    }
}

/// Runs a statement that lists a subject's sessions. The cell at `instant` of each row contains the
/// instant that the rows are ordered by.
async fn listed<D: Driver, T: SessionData, R>(
    database: &Database<D>,
    statement: Option<&Statement<4>>,
    subject: &T::Subject,
    page: Page,
    instant: usize,
    read: impl Fn(&D::Row) -> Result<Option<R>, DecodeError>,
) -> Result<Listed<R>, StoreError> {
    let (Some(statement), Some(subject)) = (statement, subject_argument::<T>(D::DIALECT, subject)?)
    else {
        return Ok(Listed::default());
    };
    let after = page.cursor().unwrap_or(Cursor::BEFORE_ALL);
    // One more row shows whether there is a next page.
    let batch = i64::from(page.limit()) + 1;
    let query = statement.with([subject, after.at.into(), after.id.into(), batch.into()]);
    let rows = database.rows(query).await?;
    let limit = page.limit() as usize;
    let place = |row: &D::Row| -> Result<Cursor, DecodeError> {
        let id = Cells::<D>::from_start(row).id()?;
        Ok(Cursor { at: Cells::<D>::at(row, instant).read("the list's order")?, id })
    };
    let next = if rows.len() > limit { Some(place(&rows[limit - 1])) } else { None };
    let next = next.transpose().map_err(StoreError::unavailable)?;
    Ok(Listed { next, ..readable::<D, T, R>(&rows[..limit.min(rows.len())], read) })
}

/// Reads the sessions of these rows. Those that the struct cannot decode are logged and counted.
pub(super) fn readable<D: Driver, T: SessionData, R>(
    rows: &[D::Row],
    read: impl Fn(&D::Row) -> Result<Option<R>, DecodeError>,
) -> Listed<R> {
    let mut listed = Listed::default();
    for row in rows {
        match read(row) {
            Ok(entry) => listed.entries.extend(entry),
            Err(error) => {
                listed.undecodable += 1;
                match Cells::<D>::from_start(row).id() {
                    Ok(id) => log_undecodable(T::schema(), id, &error),
                    Err(_) => log_undecodable(T::schema(), "unreadable", &error),
                }
            }
        }
    }
    listed
}

/// Reads the session of a row, if it has ended.
fn read_ended<D: Driver, T: SessionData>(
    row: &D::Row,
) -> Result<Option<EndedRecord<T>>, DecodeError> {
    let schema = T::schema();
    let mut cells = Cells::<D>::after_record(row, schema);
    let status = cells.text("status")?;
    let ended_at = cells.read("ended_at")?;
    let reason = cells.text("end_reason")?;
    let cut_off_at = cells.cut_off(schema)?;
    let now = cells.read(NOW)?;
    let mut cells = Cells::<D>::from_start(row);
    let start = RecordStart::read(&mut cells)?;
    let reason = reason.and_then(EndReason::from_word);
    let (status, reason) = match status {
        // The sweep has not marked the row yet.
        Some(ACTIVE) if start.cut_off_by(cut_off_at) => {
            (EndStatus::Revoked, Some(EndReason::CutOff))
        }
        Some(ACTIVE) if start.live_at(now) => return Ok(None),
        Some(ACTIVE) => (EndStatus::Expired, None),
        Some("expired") => (EndStatus::Expired, reason),
        _ => (EndStatus::Revoked, reason),
    };
    Ok(Some(EndedRecord { record: start.complete(&mut cells)?, status, ended_at, reason }))
}
