//! `load`: one `SELECT` by the primary key, which concurrent callers share.

use std::sync::{Arc, Mutex, PoisonError};

use crate::column::ColumnError;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{DecodeError, SessionData};
use crate::store::gather::{Batch, Outcome};
use crate::store::{Fingerprint, Load, Loaded, RotationState, Secrets};
use crate::token::{LastingHash, SecretHash};

use super::super::by_size::BySize;
use super::super::database::Database;
use super::super::driver::Driver;
use super::super::row::{ACTIVE, Cells, NOW, RecordStart, record_columns};
use super::super::statement::{Arguments, Statement, padded};
use super::super::table::SqlTable;

/// The columns that are selected after a record. The fingerprint, the status and the subject's
/// cut-off follow if the table has them, and then the database's current time.
const SECRETS: [&str; 5] = [
    "lasting_hash",
    "secret_hash",
    "previous_secret_hash",
    "previous_secret_until",
    "rotation_state",
];

/// The largest number of rows that one statement selects.
const LARGEST: usize = 128;

/// How many ids a statement can look up. There are few sizes, so that a connection prepares few
/// different statements.
const SIZES: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, LARGEST];

/// The lookups of one store.
pub(in super::super) struct Lookups<D> {
    database: Database<D>,
    selects: BySize<Statement<1>, { SIZES.len() }>,
}

/// The row of an id among the rows of a statement, if there is one.
///
/// Several callers may have asked for the same id. They read its row one after the other, because
/// a [`Driver::Row`] may not be read by two threads at the same time.
pub(in super::super) struct Found<D: Driver> {
    rows: Arc<[Mutex<D::Row>]>,
    at: Option<usize>,
}

impl<D: Driver> Lookups<D> {
    pub(in super::super) fn new(database: Database<D>) -> Self {
        let table = SqlTable::of(&database);
        let schema = table.schema;
        let mut columns = record_columns(&table);
        columns.extend(table.columns(&SECRETS));
        if schema.options.fingerprint {
            columns.extend(table.columns(&["fingerprint"]));
        }
        if schema.options.keep_ended {
            columns.extend(table.columns(&["status"]));
        }
        columns.extend(table.cut_off_of_row());
        columns.push(table.instant(table.now));
        let columns = columns.join(", ");
        let selects = BySize::new(SIZES, move |size| {
            let ids: Vec<_> = (0..size).map(|row| format!(":id@{row}")).collect();
            let condition = match ids.as_slice() {
                [one] => format!("id = {one}"),
                several => format!("id IN ({})", several.join(", ")),
            };
            let name = &table.name;
            table.statement(&format!("SELECT {columns} FROM {name} WHERE {condition}"), ["id"])
        });
        Self { database, selects }
    }
}

impl<D: Driver> Lookups<D> {
    async fn rows(
        &self,
        ids: &[SessionId],
        kept: &mut Option<D::Acquired>,
    ) -> Result<Vec<D::Row>, StoreError> {
        let Some((place, ids)) = padded(&SIZES, ids) else { return Ok(Vec::new()) };
        let rows = ids.into_iter().map(|id| Arguments::from([id.into()])).collect();
        let select = self.selects.at(place).with_rows(rows);
        self.database.rows_on_kept(kept, select).await
    }
}

impl<D: Driver> Batch for Lookups<D> {
    const VERB: &'static str = "load";

    type Item = SessionId;

    type Answer = Found<D>;

    fn size(waiting: usize) -> usize {
        waiting.min(LARGEST)
    }

    type Kept = Option<D::Acquired>;

    async fn run_alone(&self, id: SessionId) -> Result<Found<D>, StoreError> {
        let rows: Arc<[_]> =
            self.rows(&[id], &mut None).await?.into_iter().map(Mutex::new).collect();
        Ok(Found { at: (!rows.is_empty()).then_some(0), rows })
    }

    async fn run(
        &self,
        ids: Vec<SessionId>,
        kept: &mut Option<D::Acquired>,
    ) -> Vec<Outcome<SessionId, Found<D>>> {
        let mut asked = ids.clone();
        asked.sort_unstable();
        asked.dedup();
        let rows = match self.rows(&asked, kept).await {
            Ok(rows) => rows,
            // One row may be the cause, such as one that cannot be cast.
            Err(error) if error.is_refusal() => {
                return ids.into_iter().map(Outcome::RunAlone).collect();
            }
            Err(error) => {
                return ids.iter().map(|_| Outcome::Answered(Err(error.clone()))).collect();
            }
        };
        let mut places: Vec<(SessionId, usize)> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            if let Ok(id) = Cells::<D>::from_start(row).id() {
                places.push((id, at));
            }
        }
        places.sort_unstable();
        let rows: Arc<[_]> = rows.into_iter().map(Mutex::new).collect();
        let found = |id: &SessionId| {
            let place = places.binary_search_by_key(id, |(id, _)| *id);
            let at = place.ok().map(|place| places[place].1);
            Outcome::Answered(Ok(Found { rows: Arc::clone(&rows), at }))
        };
        ids.iter().map(found).collect()
    }
}

impl<D: Driver> Found<D> {
    pub(in super::super) fn read<T: SessionData>(&self) -> Load<T> {
        let Some(at) = self.at else { return Load::Absent };
        // A panic of another reader changes nothing in the row.
        let row = self.rows[at].lock().unwrap_or_else(PoisonError::into_inner);
        match read_live::<D, T>(&row) {
            Ok(Some(loaded)) => Load::Live(loaded),
            Ok(None) => Load::Ended,
            Err(error) => Load::Undecodable(error),
        }
    }
}

/// Reads the session of a selected row, if it is live.
fn read_live<D: Driver, T: SessionData>(row: &D::Row) -> Result<Option<Loaded<T>>, DecodeError> {
    let schema = T::schema();
    let extras = schema.options;
    let mut cells = Cells::<D>::after_record(row, schema);
    let lasting = cells.hash(SECRETS[0]);
    let current = cells.hash(SECRETS[1]);
    let previous = cells.hash_or_null(SECRETS[2])?;
    let previous_until = cells.read(SECRETS[3])?;
    let rotation = cells.text(SECRETS[4])?;
    let fingerprint = if extras.fingerprint { cells.hash_or_null("fingerprint")? } else { None };
    let is_active = !extras.keep_ended || cells.text("status")? == Some(ACTIVE);
    let cut_off_at = cells.cut_off(schema)?;
    let now = cells.read(NOW)?;
    let mut cells = Cells::<D>::from_start(row);
    let start = RecordStart::read(&mut cells)?;
    if !is_active || !start.live_at(now) || start.cut_off_by(cut_off_at) {
        return Ok(None);
    }
    let secrets = Secrets {
        lasting: LastingHash::from_bytes(lasting?),
        current: SecretHash::from_bytes(current?),
        previous: previous.map(SecretHash::from_bytes),
        previous_until,
        rotation: rotation.and_then(RotationState::from_word).ok_or_else(|| {
            DecodeError::new(SECRETS[4], ColumnError::new("expected a rotation state"))
        })?,
    };
    Ok(Some(Loaded {
        record: Arc::new(start.complete(&mut cells)?),
        secrets,
        fingerprint: fingerprint.map(Fingerprint::from_bytes),
        now,
    }))
}
