//! `touch`: extends the idle expiry, never past the deadline.

use std::net::IpAddr;

use crate::error::StoreError;
use crate::store::{ClientInfo, RotationState, Touch, Touched};

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::{reported, returning};
use super::super::statement::Statement;
use super::super::table::{SqlTable, micros};

const PARAMETERS: [&str; 5] = ["id", "secret", "idle", "ip", "user_agent"];

pub(in super::super) struct TouchRow {
    touch: Statement<5>,
    /// Also writes where the session was used from; `None` if that is not tracked.
    touch_from: Option<Statement<5>>,
}

impl TouchRow {
    pub(super) fn new(table: &SqlTable) -> Self {
        let statement = |client: &str| {
            let text = format!(
                "UPDATE {name} SET {used}, \
                 rotation_state = CASE WHEN secret_hash = :secret THEN '{settled}' \
                 ELSE rotation_state END{client} WHERE {row} AND {live}{returning}",
                name = table.name,
                used = table.used_until(&reported(table.dialect, &table.idle_expiry())),
                settled = RotationState::Settled.as_str(),
                row = table.row,
                live = table.live(),
                returning = returning(table.dialect, "expires_at"),
            );
            table.statement(&text, PARAMETERS)
        };
        let track = table.schema.options.track;
        let touch_from = track.then(|| statement(", ip_address = :ip, user_agent = :user_agent"));
        Self { touch: statement(""), touch_from }
    }

    pub(in super::super) async fn run<D: Driver>(
        &self,
        database: &Database<D>,
        touch: Touch,
    ) -> Result<Touched, StoreError> {
        let statement = match (&self.touch_from, &touch.client) {
            (Some(touch_from), Some(_)) => touch_from,
            _ => &self.touch,
        };
        let client = touch.client.as_ref();
        let ip: Option<IpAddr> = client.and_then(ClientInfo::ip);
        let write = statement.with([
            touch.id.into(),
            touch.presented.into(),
            micros(touch.idle).into(),
            ip.into(),
            client.and_then(ClientInfo::user_agent).into(),
        ]);
        let expires_at = database.instant(write).await?;
        Ok(expires_at.map_or(Touched::Gone, |expires_at| Touched::Written { expires_at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::ColumnType;
    use crate::schema::{ColumnSchema, Dialect, Schema};

    static COLUMNS: [ColumnSchema; 1] =
        [ColumnSchema::new("user_id", ColumnType::Text, false).subject()];
    static SCHEMA: Schema = Schema::new("sessions", &COLUMNS);

    #[test]
    fn mysql_reports_the_expiry_without_a_second_statement() {
        let text =
            |dialect| TouchRow::new(&SqlTable::new(dialect, &SCHEMA)).touch.text().to_owned();
        let mysql = text(Dialect::MySql);
        assert!(
            mysql.contains("expires_at = TIMESTAMPADD(MICROSECOND, LAST_INSERT_ID("),
            "{mysql}"
        );
        assert!(!mysql.contains("RETURNING"), "{mysql}");
        assert!(text(Dialect::Sqlite).ends_with(" RETURNING expires_at"));
    }
}
