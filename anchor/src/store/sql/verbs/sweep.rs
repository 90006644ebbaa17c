//! `sweep`: removes ended rows in batches. The statement's own predicate decides which rows have
//! ended.

use crate::error::StoreError;
use crate::payload::SessionData;
use crate::schema::Dialect;
use crate::store::EndStatus;

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::after;
use super::super::statement::Statement;
use super::super::table::{SqlTable, micros};
use super::cut_off::CutOffSubject;

pub(in super::super) struct Sweep {
    /// Ends expired rows: removes them, or marks them if they are kept.
    expired: Statement<1>,
    /// Removes ended rows that were kept long enough; `None` if they are not kept.
    kept: Option<Statement<2>>,
}

impl Sweep {
    pub(super) fn new(table: &SqlTable) -> Self {
        let SqlTable { name, now, dialect, .. } = table;
        let delete = format!("DELETE FROM {name}");
        let keep_ended = table.schema.options.keep_ended;
        let expired = if keep_ended {
            let mark = format!(
                "UPDATE {name} SET status = '{}', ended_at = expires_at",
                EndStatus::Expired.as_str()
            );
            let condition = format!("status = 'active' AND expires_at <= {now}");
            batch(table, &mark, &condition, "expires_at")
        } else {
            batch(table, &delete, &format!("expires_at <= {now}"), "expires_at")
        };
        let kept = keep_ended.then(|| {
            let condition = format!("ended_at <= {}", after(*dialect, now, ":since"));
            let text = batch(table, &delete, &condition, "ended_at");
            table.statement(&text, ["batch", "since"])
        });
        Self { expired: table.statement(&expired, ["batch"]), kept }
    }

    pub(in super::super) async fn run<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        cut_off: &CutOffSubject,
        batch: u32,
    ) -> Result<u64, StoreError> {
        let batch = u64::from(batch);
        let left = |swept: u64| batch.saturating_sub(swept) as i64;
        let mut swept = database.execute(self.expired.with([left(0).into()])).await?;
        if let Some(kept) = &self.kept
            && swept < batch
        {
            let since = T::KEEP_ENDED.map(|span| -micros(span));
            swept += database.execute(kept.with([left(swept).into(), since.into()])).await?;
        }
        if swept < batch {
            swept += cut_off.sweep(database, left(swept)).await?;
        }
        Ok(swept)
    }
}

/// Returns the text that runs `write` for at most `:batch` of the rows that meet the condition.
fn batch(table: &SqlTable, write: &str, condition: &str, order: &str) -> String {
    let name = &table.name;
    match table.dialect {
        // The array is computed once. A plain IN may be planned as a join that runs the LIMIT
        // repeatedly.
        Dialect::Postgres => format!(
            "{write} WHERE {condition} AND id = ANY(ARRAY(SELECT id FROM {name} \
             WHERE {condition} ORDER BY {order} LIMIT :batch FOR UPDATE SKIP LOCKED))"
        ),
        Dialect::Sqlite => format!(
            "{write} WHERE id IN (SELECT id FROM {name} \
             WHERE {condition} ORDER BY {order} LIMIT :batch)"
        ),
        Dialect::MySql => format!("{write} WHERE {condition} ORDER BY {order} LIMIT :batch"),
    }
}
