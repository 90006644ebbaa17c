//! `record_uses`: one `UPDATE` for the uses of several sessions.

use crate::error::StoreError;
use crate::id::SessionId;
use crate::schema::system;
use crate::store::{ClientInfo, Use};

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::{greatest, ids, least, rows, write_as};
use super::super::row::Cells;
use super::super::statement::{Arguments, Statement, padded};
use super::super::table::{SqlTable, micros};

const PARAMETERS: [&str; 6] = ["id", "at", "until", "has_client", "ip", "user_agent"];

/// The largest number of uses that one statement records.
const LARGEST: usize = 64;

/// How many uses a statement can record. There are few sizes, so that a connection prepares few
/// different statements.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, LARGEST];

pub(in super::super) struct Uses {
    /// One for each of [`SIZES`].
    sizes: [UsesOfSize; SIZES.len()],
}

struct UsesOfSize {
    write: Statement<6>,
    /// Selects the ids of the live sessions.
    live: Statement<6>,
}

impl Uses {
    pub(super) fn new(table: &SqlTable) -> Self {
        Self { sizes: SIZES.map(|size| UsesOfSize::new(table, size)) }
    }

    pub(in super::super) async fn record<D: Driver>(
        &self,
        database: &Database<D>,
        mut uses: Vec<Use>,
    ) -> Result<Vec<SessionId>, StoreError> {
        // Statements that write to the same rows lock them in the same order.
        uses.sort_unstable_by_key(|one| one.id);
        let mut live = Vec::with_capacity(uses.len());
        for uses in uses.chunks(LARGEST) {
            live.extend(self.record_some(database, uses).await?);
        }
        Ok(live)
    }

    /// Records at most [`LARGEST`] uses.
    async fn record_some<D: Driver>(
        &self,
        database: &Database<D>,
        uses: &[Use],
    ) -> Result<Vec<SessionId>, StoreError> {
        let Some((place, padded)) = padded(&SIZES, uses) else { return Ok(Vec::new()) };
        let padded: Vec<_> = padded.iter().map(arguments).collect();
        let UsesOfSize { write, live } = &self.sizes[place];
        let matched = database.execute(write.with_rows(padded.clone())).await?;
        if matched == uses.len() as u64 {
            return Ok(uses.iter().map(|one| one.id).collect());
        }
        // MySQL does not report which rows a write has matched. A session that is live now was live
        // at the write.
        let rows = database.rows(live.with_rows(padded)).await?;
        let ids = rows.iter().map(|row| Cells::<D>::from_start(row).id());
        ids.collect::<Result<_, _>>().map_err(StoreError::unavailable)
    }
}

impl UsesOfSize {
    fn new(table: &SqlTable, size: usize) -> Self {
        let SqlTable { dialect, name, now, .. } = table;
        // Returns the expression that maps each id to the value of its parameter.
        let of_row = |column: &'static str, parameter: &str| {
            let cases: Vec<_> = (0..size)
                .map(|row| {
                    let value = write_as(*dialect, &system(column), &format!(":{parameter}@{row}"));
                    format!("WHEN :id@{row} THEN {value}")
                })
                .collect();
            format!("CASE id {} END", cases.join(" "))
        };
        let (at, until) = (of_row("last_seen_at", "at"), of_row("expires_at", "until"));
        // MySQL assigns from left to right: `last_seen_at` is compared first, and changed last.
        let mut assignments = vec![
            format!(
                "expires_at = CASE WHEN last_seen_at < {at} THEN {} ELSE expires_at END",
                least(*dialect, &until, "deadline")
            ),
            format!("last_seen_at = {}", greatest(*dialect, "last_seen_at", &at)),
        ];
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
        let write = format!(
            "UPDATE {name} SET {} WHERE {}",
            assignments.join(", "),
            rows(*dialect, name, size, "NO KEY UPDATE", &table.live()),
        );
        let ids = ids(size);
        let live = format!("SELECT id FROM {name} WHERE id IN ({ids}) AND {}", table.live_at(now));
        Self {
            write: table.statement(&write, PARAMETERS),
            live: table.statement(&live, PARAMETERS),
        }
    }
}

fn arguments(one: &Use) -> Arguments<6> {
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
