//! The `INSERT` of new rows, which concurrent logins share.

use std::collections::HashMap;

use crate::column::Value;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::DecodeError;
use crate::schema::{Dialect, system};
use crate::store::gather::{Batch, Outcome};
use crate::timestamp::Timestamp;

use super::super::by_size::BySize;
use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::{after, least, reported, returning, write_as};
use super::super::row::Cells;
use super::super::statement::{Arguments, Statement};
use super::super::table::SqlTable;

/// What a statement takes for each row, besides the payload.
pub(super) const PARAMETERS: [&str; 11] = [
    "id",
    "lasting",
    "secret",
    "began_at",
    "since",
    "idle",
    "absolute",
    "remembered",
    "ip",
    "user_agent",
    "fingerprint",
];

/// How many rows a statement can insert. There are few sizes, so that a connection prepares few
/// different statements.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// How many bytes of payloads rows may have that share a statement. A server refuses what is too
/// large: MariaDB 16 MB (`max_allowed_packet`).
const LARGEST_BYTES: usize = 1024 * 1024;

/// The insertions of one store that run outside a transaction, and share a statement.
pub(in super::super) struct Inserts<D> {
    database: Database<D>,
    inserts: BySize<Statement<11>, { SIZES.len() }>,
}

impl<D: Driver> Inserts<D> {
    pub(in super::super) fn new(database: Database<D>) -> Self {
        let table = SqlTable::of(&database);
        let statement = move |size| table.statement(&insert(&table, size), PARAMETERS);
        let inserts = BySize::new(SIZES, statement);
        Self { database, inserts }
    }

    /// Inserts rows with one statement, and returns for each row when it was created.
    async fn insert(&self, rows: Vec<Arguments<11>>) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let count = rows.len();
        let Some(size) = SIZES.iter().position(|size| *size == count) else {
            return Err(StoreError::unavailable("no statement inserts this many rows"));
        };
        let ids: Vec<_> = rows.iter().map(|row| row.named[0].value.clone()).collect();
        let insert = self.inserts.at(size).with_rows(rows);
        if D::DIALECT == Dialect::MySql {
            return Ok(vec![self.database.instant(insert).await?; count]);
        }
        // A trigger can leave a row out: then that row is not among those that are returned.
        let inserted = self.database.rows(insert).await?;
        let mut created_at = HashMap::with_capacity(count);
        for row in &inserted {
            let (at, id) = inserted_row::<D>(row).map_err(StoreError::unavailable)?;
            created_at.insert(id, at);
        }
        let created_at = |id: &Value| match id {
            Value::Uuid(id) => created_at.get(&SessionId::from_uuid(*id)).copied(),
            _ => None,
        };
        Ok(ids.iter().map(created_at).collect())
    }
}

/// Reads what an insertion returns.
fn inserted_row<D: Driver>(row: &D::Row) -> Result<(Timestamp, SessionId), DecodeError> {
    let mut cells = Cells::<D>::from_start(row);
    Ok((cells.read("created_at")?, cells.id()?))
}

impl<D: Driver> Batch for Inserts<D> {
    const VERB: &'static str = "create";

    type Item = Arguments<11>;

    /// When the row was created; `None` if the database did not report it.
    type Answer = Option<Timestamp>;

    fn size(waiting: usize) -> usize {
        let fits = SIZES.iter().rev().find(|size| **size <= waiting);
        fits.copied().unwrap_or(1)
    }

    type Kept = ();

    async fn run_alone(&self, row: Arguments<11>) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.insert(vec![row]).await?.pop().flatten())
    }

    async fn run(
        &self,
        rows: Vec<Arguments<11>>,
        (): &mut (),
    ) -> Vec<Outcome<Arguments<11>, Option<Timestamp>>> {
        let bytes: usize = rows.iter().flat_map(|row| &row.payload).map(length).sum();
        let is_one = rows.len() == 1;
        if bytes > LARGEST_BYTES && !is_one {
            return rows.into_iter().map(Outcome::RunAlone).collect();
        }
        match self.insert(rows.clone()).await {
            Ok(created_at) => created_at.into_iter().map(|at| Outcome::Answered(Ok(at))).collect(),
            // One row may be the cause. If each row is inserted alone, only that row fails.
            Err(error) if error.is_refusal() && !is_one => {
                rows.into_iter().map(Outcome::RunAlone).collect()
            }
            Err(error) => rows.iter().map(|_| Outcome::Answered(Err(error.clone()))).collect(),
        }
    }
}

/// Returns the length of a value in bytes, if it may be long.
fn length(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Returns the text that inserts this many rows, and reports the time.
pub(super) fn insert(table: &SqlTable, rows: usize) -> String {
    let (names, first): (Vec<_>, Vec<_>) = written(table, 0).into_iter().unzip();
    let mut values = vec![first];
    values.extend(
        (1..rows).map(|row| written(table, row).into_iter().map(|(_, value)| value).collect()),
    );
    let values: Vec<_> =
        values.into_iter().map(|values: Vec<String>| format!("({})", values.join(", "))).collect();
    format!(
        "INSERT INTO {} ({}) VALUES {}{}",
        table.name,
        names.join(", "),
        values.join(", "),
        returning(table.dialect, "created_at, id"),
    )
}

/// Returns the columns of a new row, and their values.
fn written(table: &SqlTable, row: usize) -> Vec<(String, String)> {
    let SqlTable { dialect, schema, now, .. } = table;
    let (dialect, extras) = (*dialect, schema.options);
    let parameter = |name: &str| format!(":{name}@{row}");
    let deadline = after(dialect, now, &parameter("absolute"));
    let authenticated_at = if extras.cut_off {
        let began = write_as(dialect, &system("created_at"), &parameter("began_at"));
        format!("COALESCE({began}, {now})")
    } else {
        after(dialect, now, &parameter("since"))
    };
    let idle_expiry = after(dialect, now, &parameter("idle"));
    let mut columns: Vec<(String, String)> = [
        ("id", parameter("id")),
        ("lasting_hash", parameter("lasting")),
        ("secret_hash", parameter("secret")),
        ("created_at", reported(dialect, now)),
        ("authenticated_at", authenticated_at),
        ("last_seen_at", (*now).into()),
        ("expires_at", least(dialect, &idle_expiry, &deadline)),
        ("deadline", deadline),
        ("version", "1".into()),
        ("remembered", parameter("remembered")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut extra = |wanted: bool, name: &str, value: String| {
        columns.extend(wanted.then(|| (name.to_owned(), value)));
    };
    extra(extras.keep_ended, "status", "'active'".into());
    extra(extras.track, "ip_address", parameter("ip"));
    extra(extras.track, "user_agent", parameter("user_agent"));
    extra(extras.fingerprint, "fingerprint", parameter("fingerprint"));
    let payload = schema.columns.iter().enumerate();
    columns.extend(payload.map(|(index, column)| {
        let value = write_as(dialect, column, &parameter(&format!("p{index}")));
        (dialect.reference(column.name), value)
    }));
    columns
}
