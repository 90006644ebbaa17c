//! `update`: a compare-and-set of the columns that differ, which counts as a use.

use std::sync::Arc;
use std::time::Duration;

use crate::column::Value;
use crate::error::StoreError;
use crate::payload::{Encoder, SessionData};
use crate::store::{Change, Listed, Record, Updated};
use crate::token::SecretHash;

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::{for_update, write};
use super::super::row::{read_record, record_columns};
use super::super::runs::Runs;
use super::super::statement::Statement;
use super::super::storable;
use super::super::table::{SqlTable, micros, subject_argument};
use super::list::readable;
use super::version::LiveVersion;

pub(in super::super) struct Update {
    live_version: LiveVersion,
    /// Selects a subject's live sessions, and locks them; `None` if the payload has no subject.
    locked: Option<Statement<1>>,
    table: SqlTable,
}

impl Update {
    pub(super) fn new(table: SqlTable) -> Self {
        let locked = table.of_subject().map(|of_subject| {
            let text = format!(
                "SELECT {columns} FROM {name} WHERE {of_subject} AND {live} ORDER BY id{lock}",
                columns = record_columns(&table).join(", "),
                name = table.name,
                live = table.live(),
                lock = for_update(table.dialect),
            );
            table.statement(&text, ["subject"])
        });
        Self { live_version: LiveVersion::new(&table), locked, table }
    }

    /// Returns the statement that writes these payload columns, if the row is live and at
    /// `:version`, and meets another condition. Without columns, it writes only the use. Its text
    /// depends only on the set of columns, so a connection prepares it once per set.
    fn statement(&self, changed: &[usize], condition: &str) -> Statement<4> {
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
             WHERE {row} AND version = :version AND {condition} AND {live}",
            used = self.table.used(),
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
        let (payload, changed) = differing::<D, T>(&from, &to)?;
        let arguments = [id.into(), secret.into(), version.into(), micros(idle).into()];
        let write = self.statement(&changed, &self.table.accepts_secret());
        let write = write.with_payload(arguments, payload);
        if database.execute(write).await? > 0 {
            let version = if changed.is_empty() { version } else { version + 1 };
            return Ok(Updated::Written { version });
        }
        let is_live = self.live_version.is_live(database, id).await?;
        Ok(if is_live { Updated::Conflict } else { Updated::Gone })
    }

    /// Returns a subject's live sessions, which nobody else changes or ends until the transaction
    /// has ended. A row that the struct cannot decode is left out, logged and counted.
    pub(in super::super) async fn lock_subject<D: Driver, T: SessionData>(
        &self,
        mut on: impl Runs<D>,
        subject: &T::Subject,
    ) -> Result<Listed<Record<T>>, StoreError> {
        let (Some(locked), Some(subject)) =
            (&self.locked, subject_argument::<T>(D::DIALECT, subject)?)
        else {
            return Ok(Listed::default());
        };
        let rows = on.rows(locked.with([subject])).await?;
        Ok(readable::<D, T, _>(&rows, |row| read_record::<D, T>(row).map(Some)))
    }

    /// Writes the columns that differ to a session that [`lock_subject`](Self::lock_subject) has
    /// locked. Returns the session as it is now, or `None` if it has expired.
    pub(in super::super) async fn write_locked<D: Driver, T: SessionData>(
        &self,
        mut on: impl Runs<D>,
        from: Record<T>,
        to: T,
        idle: Duration,
    ) -> Result<Option<Record<T>>, StoreError> {
        let (payload, changed) = differing::<D, T>(&from.data, &to)?;
        let nobody = None::<SecretHash>;
        let arguments = [from.id.into(), nobody.into(), from.version.into(), micros(idle).into()];
        let write = self.statement(&changed, "1 = 1").with_payload(arguments, payload);
        let is_written = on.execute(write).await? > 0;
        let version = from.version + 1;
        Ok(is_written.then(|| Record { version, data: Arc::new(to), ..from }))
    }
}

/// Returns the payload to write, and which of its columns differ.
fn differing<D: Driver, T: SessionData>(
    from: &T,
    to: &T,
) -> Result<(Vec<Value>, Vec<usize>), StoreError> {
    let payload = storable::encode(D::DIALECT, to)?;
    // The loaded payload may contain a value that can no longer be written. Its column then counts
    // as changed.
    let from = Encoder::values_of(from).unwrap_or_default();
    let changed = (0..payload.len()).filter(|&at| from.get(at) != Some(&payload[at])).collect();
    Ok((payload, changed))
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
            let update = Update::new(SqlTable::new(dialect, &SCHEMA)).statement(&[1], "1 = 1");
            let text = update.text();
            assert!(text.starts_with(beginning) && !text.contains("user_id"), "{text}");
        }
    }
}
