//! [`SqlTable`]: one table in one dialect, and the conditions on its rows that several verbs use.
//!
//! The texts are written with named parameters (`:id`), which become the dialect's placeholders.
//! They use two clocks: `now` is the instant at which the statement began, and `clock` is the
//! instant at which the expression is evaluated. A write that waited for another transaction's lock
//! must use `clock` to decide whether the row is live. Otherwise it would bring back a session that
//! ended while it waited. PostgreSQL checks the condition again after the wait only if the other
//! transaction changed the row, so there the row is locked first.

use std::time::Duration;

use super::database::Database;
use super::driver::Driver;
use super::expressions::{
    after, clock, found_by_id, greatest, least, now, read, read_expression, row, write_as,
};
use super::statement::{Argument, Statement};
use crate::column::{Column, ColumnType};
use crate::error::StoreError;
use crate::payload::{EncodeError, SessionData};
use crate::schema::{ColumnSchema, Dialect, Schema, system};
use crate::store::{EndStatus, RotationState};

use super::storable;

/// The longest span that is added to the database's clock. A longer span is cut to two hundred
/// years, which every database can represent.
const LONGEST_SPAN: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);

/// A table, and the texts that statements about it contain.
#[derive(Clone)]
pub(super) struct SqlTable {
    pub(super) dialect: Dialect,
    pub(super) schema: &'static Schema,
    /// Its name as SQL.
    pub(super) name: String,
    /// The instant at which the statement began.
    pub(super) now: &'static str,
    /// The instant at which the expression is evaluated.
    pub(super) clock: String,
    /// The condition that selects the row of `:id`, and locks it before anything else is checked.
    pub(super) row: String,
    /// Whether connections keep its statements once they have been prepared.
    keeps_statements: bool,
}

impl SqlTable {
    pub(super) fn new(dialect: Dialect, schema: &'static Schema) -> Self {
        let name = dialect.table(schema.table);
        let row = row(dialect, &name);
        let (now, clock) = (now(dialect), clock(dialect));
        Self { dialect, schema, name, now, clock, row, keeps_statements: true }
    }

    /// Returns the table of a database.
    pub(super) fn of<D: Driver>(database: &Database<D>) -> Self {
        let keeps_statements = database.keeps_statements;
        Self { keeps_statements, ..Self::new(D::DIALECT, database.schema) }
    }

    pub(super) fn statement<const N: usize>(
        &self,
        text: &str,
        parameters: [&str; N],
    ) -> Statement<N> {
        let statement = Statement::new(self.dialect, self.schema, text, parameters);
        statement.kept(self.keeps_statements)
    }

    /// Returns system columns as a statement selects them.
    pub(super) fn columns(&self, names: &[&'static str]) -> Vec<String> {
        names.iter().map(|name| read(self.dialect, &system(name))).collect()
    }

    /// Returns the payload's columns as a statement selects them.
    pub(super) fn payload_columns(&self) -> impl Iterator<Item = String> {
        self.schema.columns.iter().map(|column| read(self.dialect, column))
    }

    /// Returns an instant as a statement selects it.
    pub(super) fn instant(&self, expression: &str) -> String {
        read_expression(self.dialect, ColumnType::Timestamp, expression)
    }

    /// Returns the condition that a row is live when a write holds its lock.
    pub(super) fn live(&self) -> String {
        self.live_at(&self.clock)
    }

    /// Returns the condition that a row is live at an instant.
    pub(super) fn live_at(&self, instant: &str) -> String {
        let unexpired = self.unexpired_at(instant);
        match self.not_cut_off() {
            None => unexpired,
            Some(not_cut_off) => format!("{unexpired} AND {not_cut_off}"),
        }
    }

    /// Returns the condition that a row is live at an instant, regardless of cut-offs.
    pub(super) fn unexpired_at(&self, instant: &str) -> String {
        let active = if self.schema.options.keep_ended { "status = 'active' AND " } else { "" };
        format!("{active}expires_at > {instant} AND deadline > {instant}")
    }

    /// Returns the condition that no cut-off came after a row's login began; `None` without
    /// cut-offs.
    pub(super) fn not_cut_off(&self) -> Option<String> {
        let CutOffs { of_row, .. } = self.cut_offs()?;
        let table = &self.name;
        Some(format!(
            "NOT EXISTS (SELECT 1 {of_row} \
             AND anchor_cut_off.cut_off_at >= {table}.authenticated_at)"
        ))
    }

    /// Returns the subject's latest cut-off, as a statement about its rows selects it.
    pub(super) fn cut_off_of_row(&self) -> Option<String> {
        let CutOffs { of_row, .. } = self.cut_offs()?;
        Some(format!("(SELECT {} {of_row})", self.instant("anchor_cut_off.cut_off_at")))
    }

    /// Returns the condition that a row's subject is `:subject`; `None` without a subject.
    pub(super) fn of_subject(&self) -> Option<String> {
        let (_, column) = self.schema.subject()?;
        let name = self.dialect.reference(column.name);
        let is_equal = format!("{name} = {}", write_as(self.dialect, column, ":subject"));
        Some(match (self.dialect, column.ty) {
            // MySQL's collations treat 'a' and 'a ' as equal. Nobody may list or end the sessions
            // of a subject that differs by a space.
            (Dialect::MySql, ColumnType::Text | ColumnType::Enum(_)) => {
                format!("{is_equal} AND LENGTH({name}) = LENGTH(:subject)")
            }
            _ => is_equal,
        })
    }

    /// Returns the condition that `:secret` is accepted for an update.
    pub(super) fn accepts_secret(&self) -> String {
        format!(
            "(secret_hash = :secret OR (previous_secret_hash = :secret \
             AND (rotation_state <> '{settled}' OR previous_secret_until > {clock})))",
            settled = RotationState::Settled.as_str(),
            clock = self.clock,
        )
    }

    /// Returns the condition that a rotation may begin from `:secret`: it is the current secret, or
    /// it is exchanged because its successor was lost. `is_exchanged` says in which states of the
    /// last rotation it is.
    pub(super) fn may_rotate(&self, is_exchanged: &str) -> String {
        format!(
            "(secret_hash = :secret OR (previous_secret_hash = :secret AND {is_exchanged} \
             AND previous_secret_until <= {clock}))",
            clock = self.clock,
        )
    }

    /// Returns the condition that the last rotation was [`RotationState::Exchangeable`].
    pub(super) fn is_exchangeable() -> String {
        format!("rotation_state = '{}'", RotationState::Exchangeable.as_str())
    }

    /// Returns the expiry of a session that is used now: `:idle` from now, never later than its
    /// deadline.
    pub(super) fn idle_expiry(&self) -> String {
        least(self.dialect, &after(self.dialect, self.now, ":idle"), "deadline")
    }

    /// Returns what a use of a session assigns.
    pub(super) fn used(&self) -> String {
        self.used_until(&self.idle_expiry())
    }

    /// Returns what a use of a session assigns, with this expression for the new expiry.
    pub(super) fn used_until(&self, expires_at: &str) -> String {
        format!("last_seen_at = {}, expires_at = {expires_at}", self.now)
    }

    /// Returns when a kept row ended, even if the sweep has not marked it yet: at its cut-off, or
    /// else at its expiry or deadline.
    pub(super) fn ended_at(&self) -> String {
        let end = least(self.dialect, "expires_at", "deadline");
        let unswept = match self.cut_offs() {
            None => end,
            Some(CutOffs { of_row, .. }) => {
                let table = &self.name;
                let created_at = format!("{table}.created_at");
                let cut_off = greatest(self.dialect, "anchor_cut_off.cut_off_at", &created_at);
                format!(
                    "COALESCE((SELECT {cut_off} {of_row} \
                     AND anchor_cut_off.cut_off_at >= {table}.authenticated_at), {end})"
                )
            }
        };
        format!(
            "CASE WHEN status <> 'active' AND ended_at IS NOT NULL THEN ended_at \
             ELSE {unswept} END"
        )
    }

    /// Returns the companion table of the cut-offs; `None` without one.
    pub(super) fn cut_offs(&self) -> Option<CutOffs> {
        let dialect = self.dialect;
        let table = dialect.table(&self.schema.cut_offs_table()?);
        let (_, column) = self.schema.subject()?;
        let mut subject = format!("{}.{}", self.name, dialect.reference(column.name));
        if joins_as_bytes(dialect, column) {
            subject = format!("CAST({subject} AS BINARY)");
        }
        let of_row =
            format!("FROM {table} AS anchor_cut_off WHERE anchor_cut_off.subject = {subject}");
        Some(CutOffs { table, of_row, column })
    }

    /// Returns the text that ends rows before they expire. A kept row is also made to expire, for a
    /// reader that does not check its status.
    pub(super) fn end(&self, condition: &str, reason: &str) -> String {
        self.end_in(&self.name, condition, reason)
    }

    /// The same, for a condition that is met by rows of certain ids.
    pub(super) fn end_by_id(&self, condition: &str, reason: &str) -> String {
        self.end_in(&found_by_id(self.dialect, &self.name), condition, reason)
    }

    fn end_in(&self, rows: &str, condition: &str, reason: &str) -> String {
        let Self { name, now, .. } = self;
        if self.schema.options.keep_ended {
            format!(
                "UPDATE {rows} SET status = '{}', ended_at = {now}, end_reason = {reason}, \
                 expires_at = {} WHERE {condition}",
                EndStatus::Revoked.as_str(),
                least(self.dialect, "expires_at", now),
            )
        } else if rows == name {
            format!("DELETE FROM {name} WHERE {condition}")
        } else {
            format!("DELETE {name} FROM {rows} WHERE {condition}")
        }
    }
}

/// The companion table, as statements contain it.
pub(super) struct CutOffs {
    pub(super) table: String,
    /// `FROM .. AS c WHERE ..`: the cut-off of the row's subject.
    of_row: String,
    /// The subject's column.
    pub(super) column: &'static ColumnSchema,
}

impl CutOffs {
    /// Returns the condition that a row of the companion table is that of `:subject`.
    pub(super) fn of_subject(&self, dialect: Dialect) -> String {
        let subject = write_as(dialect, self.column, ":subject");
        match joins_as_bytes(dialect, self.column) {
            true => format!("subject = CAST({subject} AS BINARY)"),
            false => format!("subject = {subject}"),
        }
    }
}

/// Returns whether the companion table contains the subject's bytes instead of its text.
pub(super) fn joins_as_bytes(dialect: Dialect, subject: &ColumnSchema) -> bool {
    dialect == Dialect::MySql && matches!(subject.ty, ColumnType::Text | ColumnType::Enum(_))
}

/// Returns a subject as an argument; `None` if no session can have it.
pub(super) fn subject_argument<T: SessionData>(
    dialect: Dialect,
    subject: &T::Subject,
) -> Result<Option<Argument>, StoreError> {
    let Some((_, column)) = T::schema().subject() else { return Ok(None) };
    let value = subject.to_value().map_err(|reason| EncodeError::new(column.name, reason))?;
    // No row has a subject that cannot be stored.
    let can_be_stored = storable::check(dialect, column, &value).is_ok();
    Ok(can_be_stored.then_some(Argument { ty: column.ty, value }))
}

/// Returns a span in microseconds, as statements take it.
pub(super) fn micros(span: Duration) -> i64 {
    span.min(LONGEST_SPAN).as_micros() as i64
}
