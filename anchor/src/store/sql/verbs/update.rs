//! `update`: a compare-and-set of the columns that differ, which counts as a use.

use crate::error::StoreError;
use crate::payload::{Encoder, SessionData};
use crate::store::{Change, Updated};

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::write;
use super::super::statement::Statement;
use super::super::storable;
use super::super::table::{SqlTable, micros};
use super::version::LiveVersion;

pub(in super::super) struct Update {
    live_version: LiveVersion,
    table: SqlTable,
}

impl Update {
    pub(super) fn new(table: SqlTable) -> Self {
        Self { live_version: LiveVersion::new(&table), table }
    }

    /// Returns the statement that writes these payload columns, if the row is live and at
    /// `:version`, and `:secret` is accepted. Without columns, it writes only the use. Its text
    /// depends only on the set of columns, so a connection prepares it once per set.
    fn statement(&self, changed: &[usize]) -> Statement<4> {
        let SqlTable { dialect, schema, name, row, .. } = &self.table;
        let mut assignments: String = changed
            .iter()
            .map(|&index| {
                let column = &schema.columns[index];
                let value = write(*dialect, column, index);
                format!("{} = {value}, ", dialect.reference(column.name))
            })
            .collect();
        if !changed.is_empty() {
            assignments.push_str("version = version + 1, ");
        }
        let text = format!(
            "UPDATE {name} SET {assignments}{used} \
             WHERE {row} AND version = :version AND {accepts_secret} AND {live}",
            used = self.table.used(),
            accepts_secret = self.table.accepts_secret(),
            live = self.table.live(),
        );
        self.table.statement(&text, ["id", "secret", "version", "idle"])
    }

    pub(in super::super) async fn run<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        change: Change<T>,
    ) -> Result<Updated, StoreError> {
        let Change { id, secret, version, from, to, idle } = change;
        let payload = storable::encode(D::DIALECT, &*to)?;
        // The loaded payload may contain a value that can no longer be written. Its column then
        // counts as changed.
        let from = Encoder::values_of(&*from).unwrap_or_default();
        let changed: Vec<usize> =
            (0..payload.len()).filter(|&at| from.get(at) != Some(&payload[at])).collect();
        let arguments = [id.into(), secret.into(), version.into(), micros(idle).into()];
        let write = self.statement(&changed).with_payload(arguments, payload);
        if database.execute(write).await? > 0 {
            let version = if changed.is_empty() { version } else { version + 1 };
            return Ok(Updated::Written { version });
        }
        let is_live = self.live_version.is_live(database, id).await?;
        Ok(if is_live { Updated::Conflict } else { Updated::Gone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::ColumnType;
    use crate::schema::{ColumnSchema, Dialect, Schema};

    static COLUMNS: [ColumnSchema; 2] = [
        ColumnSchema::new("user_id", ColumnType::Text, false).subject(),
        ColumnSchema::new("mood", ColumnType::Text, false).sql_type("mood"),
    ];
    static SCHEMA: Schema = Schema::new("sessions", &COLUMNS);

    #[test]
    fn an_update_writes_the_changed_columns_alone() {
        for (dialect, beginning) in [
            (
                Dialect::Postgres,
                "UPDATE sessions SET \"mood\" = CAST($1 AS mood), version = version + 1, ",
            ),
            (Dialect::Sqlite, "UPDATE sessions SET `mood` = ?, version = version + 1, "),
        ] {
            let update = Update::new(SqlTable::new(dialect, &SCHEMA)).statement(&[1]);
            let text = update.text();
            assert!(text.starts_with(beginning) && !text.contains("user_id"), "{text}");
        }
    }
}
