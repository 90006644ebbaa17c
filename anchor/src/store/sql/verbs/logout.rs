//! A session's own logout: `revoke` with the session's proof, which concurrent callers share.

use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::DecodeError;
use crate::schema::Dialect;
use crate::store::EndReason;
use crate::store::gather::{Batch, Outcome};
use crate::token::LastingHash;

use super::super::by_size::BySize;
use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::{found_by_id, ids, rows};
use super::super::row::Cells;
use super::super::statement::{Arguments, Query, Statement, padded};
use super::super::table::SqlTable;

const PARAMETERS: [&str; 2] = ["id", "lasting"];

/// The largest number of sessions that one statement ends.
const LARGEST: usize = 64;

/// How many sessions a shared statement can end. There are few sizes, so that a connection prepares
/// few different statements.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, LARGEST];

/// The reason for which these sessions end.
pub(super) const REASON: EndReason = EndReason::Logout;

/// A session, and the proof that the caller may end it.
type Logout = (SessionId, LastingHash);

/// The logouts of one store.
pub(in super::super) struct Logouts<D> {
    database: Database<D>,
    one: Statement<2>,
    several: BySize<EndSeveral, { SIZES.len() }>,
}

impl<D: Driver> Logouts<D> {
    pub(in super::super) fn new(database: Database<D>) -> Self {
        let table = SqlTable::of(&database);
        let condition = format!("id = :id AND lasting_hash = :lasting AND {}", table.live());
        let one = table.statement(&end_by_logout(&table, &condition), PARAMETERS);
        let several = BySize::new(SIZES, move |size| EndSeveral::new(&table, size));
        Self { database, one, several }
    }

    /// Ends those of these sessions that are live, whose proof is right, and whose row nobody has
    /// locked, all or none. Returns which ones it ended.
    async fn end_several(&self, logouts: &[Logout]) -> Result<Vec<Logout>, StoreError> {
        let rows = match arguments_by_id(logouts) {
            None => return Err(StoreError::unavailable("no statement ends this many sessions")),
            Some((size, rows)) => match self.several.at(size) {
                EndSeveral::Reported(end) => self.database.rows(end.with_rows(rows)).await?,
                EndSeveral::Locked { lock, .. } => {
                    let end = |locked: &[D::Row]| self.end_locked(locked);
                    self.database.lock_and_write(lock.with_rows(rows), end).await?
                }
            },
        };
        read_all::<D>(&rows).map_err(StoreError::unavailable)
    }

    /// Returns the statement that ends the sessions of these rows.
    fn end_locked(&self, locked: &[D::Row]) -> Result<Option<Query>, DecodeError> {
        let live = read_all::<D>(locked)?;
        Ok(arguments_by_id(&live).and_then(|(size, rows)| match self.several.at(size) {
            EndSeveral::Locked { end, .. } => Some(end.with_rows(rows)),
            EndSeveral::Reported(_) => None,
        }))
    }
}

impl<D: Driver> Batch for Logouts<D> {
    const VERB: &'static str = "revoke";

    type Item = Logout;

    /// Whether this caller has ended the session. If not, it is not live, or the proof is wrong.
    type Answer = bool;

    fn size(waiting: usize) -> usize {
        waiting.min(LARGEST)
    }

    type Kept = ();

    async fn run_alone(&self, logout: Logout) -> Result<bool, StoreError> {
        let end = self.one.with_rows(vec![arguments(logout)]);
        Ok(self.database.execute(end).await? > 0)
    }

    async fn run(&self, logouts: Vec<Logout>, (): &mut ()) -> Vec<Outcome<Logout, bool>> {
        match self.end_several(&logouts).await {
            Ok(mut ended) => logouts
                .into_iter()
                .map(|logout| match ended.iter().position(|ended| *ended == logout) {
                    // Of several callers with the same session and proof, one has ended it.
                    Some(own) => {
                        ended.swap_remove(own);
                        Outcome::Answered(Ok(true))
                    }
                    // It is not live, or the proof is wrong, or somebody else has locked its row.
                    // A shared statement does not wait for such a row: all would have to.
                    None => Outcome::RunAlone(logout),
                })
                .collect(),
            // One row may be the cause. If each row is ended alone, only that row fails.
            Err(error) if error.is_refusal() => {
                logouts.into_iter().map(Outcome::RunAlone).collect()
            }
            Err(error) => logouts.iter().map(|_| Outcome::Answered(Err(error.clone()))).collect(),
        }
    }
}

/// How a database ends several sessions, each only with its own proof, and reports which ones it
/// ended.
enum EndSeveral {
    /// One statement returns the rows that it has ended.
    Reported(Statement<2>),
    /// In a transaction, one statement locks and returns the live rows, and another ends them.
    /// MySQL does not return rows from a write. If the ids are those of most rows of the table, the
    /// second statement also waits for the others.
    Locked { lock: Statement<2>, end: Statement<2> },
}

impl EndSeveral {
    fn new(table: &SqlTable, size: usize) -> Self {
        let statement = |text: String| table.statement(&text, PARAMETERS);
        let proven: Vec<_> = (0..size)
            .map(|row| format!("id = :id@{row} AND lasting_hash = :lasting@{row}"))
            .collect();
        let proven = format!("({}) AND {}", proven.join(" OR "), table.live());
        let live = rows(table.dialect, &table.name, size, "UPDATE SKIP LOCKED", &proven);
        match table.dialect {
            Dialect::Postgres | Dialect::Sqlite => {
                let end = end_by_logout(table, &live);
                Self::Reported(statement(format!("{end} RETURNING id, lasting_hash")))
            }
            Dialect::MySql => {
                let table_by_id = found_by_id(table.dialect, &table.name);
                let select = format!("SELECT id, lasting_hash FROM {table_by_id}");
                Self::Locked {
                    lock: statement(format!(
                        "{select} WHERE {live} ORDER BY id FOR UPDATE SKIP LOCKED"
                    )),
                    end: statement(end_by_logout(table, &format!("id IN ({})", ids(size)))),
                }
            }
        }
    }
}

fn end_by_logout(table: &SqlTable, condition: &str) -> String {
    table.end_by_id(condition, &format!("'{}'", REASON.as_str()))
}

fn arguments((id, proof): Logout) -> Arguments<2> {
    [id.into(), proof.into()].into()
}

/// Returns the place in [`SIZES`] of the statement for these sessions, and the statement's
/// arguments. They are ordered by id, so that all statements lock rows in the same order.
fn arguments_by_id(logouts: &[Logout]) -> Option<(usize, Vec<Arguments<2>>)> {
    let mut sorted = logouts.to_vec();
    sorted.sort_unstable_by_key(|(id, _)| *id);
    let (size, sorted) = padded(&SIZES, &sorted)?;
    Some((size, sorted.into_iter().map(arguments).collect()))
}

fn read_all<D: Driver>(rows: &[D::Row]) -> Result<Vec<Logout>, DecodeError> {
    let read = |row| {
        let mut cells = Cells::<D>::from_start(row);
        Ok((cells.id()?, LastingHash::from_bytes(cells.hash("lasting_hash")?)))
    };
    rows.iter().map(read).collect()
}
