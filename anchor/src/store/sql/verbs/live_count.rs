//! `live_count`: how many sessions are live.

use crate::error::StoreError;

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::row::Cells;
use super::super::statement::Statement;
use super::super::table::SqlTable;

pub(in super::super) struct LiveCount {
    count: Statement<0>,
}

impl LiveCount {
    pub(super) fn new(table: &SqlTable) -> Self {
        let live = table.live_at(table.now);
        let text = format!("SELECT COUNT(*) FROM {} WHERE {live}", table.name);
        Self { count: table.statement(&text, []) }
    }

    pub(in super::super) async fn run<D: Driver>(
        &self,
        database: &Database<D>,
    ) -> Result<u64, StoreError> {
        let rows = database.rows(self.count.with([])).await?;
        let count = rows.first().map(|row| Cells::<D>::from_start(row).read::<i64>("count"));
        let count = count.transpose().map_err(StoreError::unavailable)?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }
}
