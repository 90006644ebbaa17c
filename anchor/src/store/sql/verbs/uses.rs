//! `record_uses`: one `UPDATE` for the uses of several sessions, which waits for no lock.

use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::DecodeError;
use crate::schema::{Dialect, system};
use crate::store::{ClientInfo, Use};

use super::super::by_size::BySize;
use super::super::database::{Database, pause};
use super::super::driver::Driver;
use super::super::expressions::{found_by_id, greatest, ids, least, write_as};
use super::super::row::Cells;
use super::super::statement::{Arguments, Query, Statement, padded};
use super::super::table::{SqlTable, micros};

const PARAMETERS: [&str; 6] = ["id", "at", "until", "has_client", "ip", "user_agent"];

/// The uses that a statement joins the table with.
const USES: &str = "anchor_new_use";

/// The largest number of uses that one statement records.
const LARGEST: usize = 64;

/// How many uses a statement can record. There are few sizes, so that a connection prepares few
/// different statements.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, LARGEST];

pub(in super::super) struct Uses {
    statements: BySize<RecordUses, { SIZES.len() }>,
}

/// How a database records several uses, and reports which ones it has recorded. A row that somebody
/// else has locked is left out: all others would have to wait for it.
enum RecordUses {
    /// One statement returns the ids of the rows that it has written to.
    Reported(Statement<6>),
    /// In a transaction, one statement locks and returns the live rows, and another one writes to
    /// them. MySQL does not return rows from a write.
    Locked { lock: Statement<6>, write: Statement<6> },
}

impl Uses {
    pub(super) fn new(table: &SqlTable) -> Self {
        let table = table.clone();
        Self { statements: BySize::new(SIZES, move |size| RecordUses::new(&table, size)) }
    }

    pub(in super::super) async fn record<D: Driver>(
        &self,
        database: &Database<D>,
        mut uses: Vec<Use>,
    ) -> Result<Vec<SessionId>, StoreError> {
        // Statements that write to the same rows lock them in the same order.
        uses.sort_unstable_by_key(|one| one.id);
        let mut recorded = Vec::with_capacity(uses.len());
        for uses in uses.chunks(LARGEST) {
            match self.record_some(database, uses).await {
                // One row may be the cause: only its own use is not recorded.
                Err(error) if error.is_refusal() && uses.len() > 1 => {
                    // PostgreSQL reports an error before it unlocks the rows.
                    pause(0).await;
                    let (before, mut refused) = (recorded.len(), None);
                    for one in uses.chunks(1) {
                        match self.record_some(database, one).await {
                            Err(error) if error.is_refusal() => refused = Some(error),
                            some => recorded.extend(some?),
                        }
                    }
                    // Then no row is the cause.
                    if let Some(error) = refused
                        && recorded.len() == before
                    {
                        return Err(error);
                    }
                }
                some => recorded.extend(some?),
            }
        }
        Ok(recorded)
    }

    /// Records at most [`LARGEST`] uses.
    async fn record_some<D: Driver>(
        &self,
        database: &Database<D>,
        uses: &[Use],
    ) -> Result<Vec<SessionId>, StoreError> {
        let Some((size, arguments)) = arguments(uses) else { return Ok(Vec::new()) };
        let rows = match self.statements.at(size) {
            RecordUses::Reported(write) => database.rows(write.with_rows(arguments)).await?,
            RecordUses::Locked { lock, .. } => {
                let write = |locked: &[D::Row]| self.write_to::<D>(locked, uses);
                database.lock_and_write(lock.with_rows(arguments), write).await?
            }
        };
        read_ids::<D>(&rows).map_err(StoreError::unavailable)
    }

    /// Returns the statement that records those of these uses whose rows are locked.
    fn write_to<D: Driver>(
        &self,
        locked: &[D::Row],
        uses: &[Use],
    ) -> Result<Option<Query>, DecodeError> {
        let locked = read_ids::<D>(locked)?;
        let uses: Vec<_> = uses.iter().filter(|one| locked.contains(&one.id)).cloned().collect();
        Ok(arguments(&uses).and_then(|(size, arguments)| match self.statements.at(size) {
            RecordUses::Locked { write, .. } => Some(write.with_rows(arguments)),
            RecordUses::Reported(_) => None,
        }))
    }
}

impl RecordUses {
    fn new(table: &SqlTable, size: usize) -> Self {
        let statement = |text: String| table.statement(&text, PARAMETERS);
        match table.dialect {
            Dialect::Postgres | Dialect::Sqlite => Self::Reported(statement(reported(table, size))),
            Dialect::MySql => Self::Locked {
                lock: statement(format!(
                    "SELECT id FROM {} WHERE id IN ({}) AND {} ORDER BY id FOR UPDATE SKIP LOCKED",
                    found_by_id(table.dialect, &table.name),
                    ids(size),
                    table.live(),
                )),
                write: statement(write_by_case(table, size)),
            },
        }
    }
}

/// Returns the statement that joins the table with the uses, and returns the ids of the rows that
/// it has written to.
fn reported(table: &SqlTable, size: usize) -> String {
    let SqlTable { dialect, name, .. } = table;
    let parameters = if table.schema.options.track { &PARAMETERS } else { &PARAMETERS[..3] };
    let list = |item: &dyn Fn(&str) -> String| {
        parameters.iter().map(|parameter| item(parameter)).collect::<Vec<_>>().join(", ")
    };
    let uses: Vec<_> = (0..size)
        .map(|row| format!("({})", list(&|parameter| format!(":{parameter}@{row}"))))
        .collect();
    let live = table.live();
    let may_write = match dialect {
        // CASE keeps the order: each row is locked before anything else is checked.
        Dialect::Postgres => format!(
            "CASE WHEN {name}.id = ANY(ARRAY(SELECT id FROM {name} \
             WHERE id = ANY(ARRAY(SELECT {USES}.use_id FROM {USES})) \
             ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)) THEN {live} ELSE FALSE END"
        ),
        Dialect::Sqlite | Dialect::MySql => live,
    };
    let mut assignments = used(*dialect, &of_use("at"), &of_use("until"));
    if table.schema.options.track {
        for (column, parameter) in [("ip_address", "ip"), ("user_agent", "user_agent")] {
            let (has_client, value) = (of_use("has_client"), of_use(parameter));
            assignments +=
                &format!(", {column} = CASE WHEN {has_client} THEN {value} ELSE {column} END");
        }
    }
    format!(
        "WITH {USES} ({columns}) AS (VALUES {uses}) UPDATE {name} SET {assignments} \
         FROM {USES} WHERE {name}.id = {id} AND {may_write} RETURNING id",
        columns = list(&|parameter| format!("use_{parameter}")),
        uses = uses.join(", "),
        id = of_use("id"),
    )
}

/// Returns a column of [`USES`]. It is qualified, because the payload may have a column of any
/// name.
fn of_use(parameter: &str) -> String {
    format!("{USES}.use_{parameter}")
}

/// Returns the statement that maps each id to the values of its use. In a join of tables, MySQL
/// assigns in any order.
fn write_by_case(table: &SqlTable, size: usize) -> String {
    let dialect = table.dialect;
    let of_row = |column: &'static str, parameter: &str| {
        let cases: Vec<_> = (0..size)
            .map(|row| {
                let value = write_as(dialect, &system(column), &format!(":{parameter}@{row}"));
                format!("WHEN :id@{row} THEN {value}")
            })
            .collect();
        format!("CASE id {} END", cases.join(" "))
    };
    let (at, until) = (of_row("last_seen_at", "at"), of_row("expires_at", "until"));
    let mut assignments = vec![used(dialect, &at, &until)];
    if table.schema.options.track {
        for (column, parameter) in [("ip_address", "ip"), ("user_agent", "user_agent")] {
            let cases: Vec<_> = (0..size)
                .map(|row| {
                    format!("WHEN id = :id@{row} AND :has_client@{row} THEN :{parameter}@{row}")
                })
                .collect();
            let client = format!("CASE {} ELSE {column} END", cases.join(" "));
            assignments.push(format!("{column} = {client}"));
        }
    }
    format!(
        "UPDATE {} SET {} WHERE id IN ({})",
        found_by_id(dialect, &table.name),
        assignments.join(", "),
        ids(size),
    )
}

/// Returns what a use at an instant assigns. MySQL assigns from left to right: `last_seen_at` is
/// compared first, and changed last.
fn used(dialect: Dialect, at: &str, until: &str) -> String {
    format!(
        "expires_at = CASE WHEN last_seen_at < {at} THEN {} ELSE expires_at END, \
         last_seen_at = {}",
        least(dialect, until, "deadline"),
        greatest(dialect, "last_seen_at", at),
    )
}

fn read_ids<D: Driver>(rows: &[D::Row]) -> Result<Vec<SessionId>, DecodeError> {
    rows.iter().map(|row| Cells::<D>::from_start(row).id()).collect()
}

/// Returns the place in [`SIZES`] of the statement for these uses, and the statement's arguments.
fn arguments(uses: &[Use]) -> Option<(usize, Vec<Arguments<6>>)> {
    let (size, padded) = padded(&SIZES, uses)?;
    Some((size, padded.iter().map(arguments_of).collect()))
}

fn arguments_of(one: &Use) -> Arguments<6> {
    let idle = std::time::Duration::from_micros(micros(one.idle) as u64);
    let client = one.client.as_ref();
    let named = [
        one.id.into(),
        one.at.into(),
        one.at.saturating_add(idle).into(),
        client.is_some().into(),
        client.and_then(ClientInfo::ip).into(),
        client.and_then(ClientInfo::user_agent).into(),
    ];
    named.into()
}
