//! Finds out whether a row is live. A write that matched no row needs to know this.

use crate::error::StoreError;
use crate::id::SessionId;

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::row::{Cells, log_undecodable};
use super::super::statement::Statement;
use super::super::table::SqlTable;

/// Selects the version of a live row.
pub(super) struct LiveVersion(Statement<1>);

impl LiveVersion {
    pub(super) fn new(table: &SqlTable) -> Self {
        let SqlTable { name, .. } = table;
        let version = table.columns(&["version"]).concat();
        let live = table.live();
        let text = format!("SELECT {version} FROM {name} WHERE id = :id AND {live}");
        Self(table.statement(&text, ["id"]))
    }

    /// Returns whether the row is live. A row that cannot be read counts as ended.
    pub(super) async fn is_live<D: Driver>(
        &self,
        database: &Database<D>,
        id: SessionId,
    ) -> Result<bool, StoreError> {
        let rows = database.rows(self.0.with([id.into()])).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let version = Cells::<D>::from_start(row).read::<i64>("version");
        Ok(version.inspect_err(|error| log_undecodable(database.schema, id, error)).is_ok())
    }
}
